"""deploy/compose.yaml and what it mounts name what the code has, and agree with each other."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from feed.bus.embedded import OPTIONS
from feed.cli import main
from feed.cli.gateway import refuse_public
from feed.gateway import server
from feed.ingest.sources import source_for
from feed.settings import Values
from feed.settings.sources import variable
from feed.settings.words import knobs
from tests.deploy import recipe
from tests.deploy.composed import (
    BUILT_BY,
    COMPOSE,
    DEPLOY,
    FEED,
    GATEWAYS,
    GIVEN,
    ONCE,
    PUBLIC,
    ROOT,
    SERVICES,
    Service,
    composition,
    environment,
    mounts,
    seconds,
    services,
)
from tests.deploy.shared import settings

LONG = sorted(SERVICES.keys() - ONCE)


def asked(service: Service) -> list[str]:
    """The health check's command."""
    how, *command = service["healthcheck"]["test"]
    assert how == "CMD"  # and not CMD-SHELL: no shell is needed
    return list(command)


def parsed(words: list[str]) -> click.Context:
    return main.commands[words[0]].make_context(words[0], words[1:])


# What feed is told


@pytest.mark.parametrize("name", FEED)
def test_commands_and_settings_are_those_that_feed_knows(name: str, monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    service = SERVICES[name]
    command, *arguments = service["command"]
    found = settings(service, monkeypatch, run)
    if command == "ingest":
        assert source_for(found.values, arguments[0])
    else:
        assert command == "gateway"
        refuse_public(found.values, "compose.yaml")
    main.commands[command].make_context(command, list(arguments))
    assert found.values.redis.username == "feed"
    assert found.values.redis.password.get_secret_value()


@pytest.mark.parametrize("name", FEED)
def test_each_is_asked_how_it_is_by_feed_itself(name: str) -> None:
    feed, *words = asked(SERVICES[name])
    assert feed == "feed"
    assert parsed(words).params["server"] == SERVICES[name]["command"][0]


def test_who_waits_for_a_gateway_waits_for_its_readiness() -> None:
    assert not any(parsed(asked(SERVICES[name])[1:]).params["live"] for name in GATEWAYS)


def test_one_simulator_and_two_workers_of_the_venue() -> None:
    commands = {name: " ".join(SERVICES[name]["command"]) for name in FEED}
    assert list(commands.values()).count("ingest sim") == 1
    first, second = (SERVICES[name] for name, command in commands.items() if command == "ingest binance")
    assert first["hostname"] != second["hostname"]  # the worker's name in Redis
    assert first | {"hostname": ""} == second | {"hostname": ""}


def test_the_gateways_are_alike() -> None:
    first, second = (SERVICES[name] for name in GATEWAYS)
    assert first | {"hostname": ""} == second | {"hostname": ""}


def test_the_gateways_carry_what_is_ingested() -> None:
    feeds = environment(SERVICES[GATEWAYS[0]])["FEED_GATEWAY__FEEDS"].split(",")
    assert set(feeds) == {SERVICES[name]["command"][1] for name in FEED if SERVICES[name]["command"][0] == "ingest"}


def test_no_variable_that_one_gives_to_compose_is_one_of_feeds() -> None:
    # exported for Compose, feed itself would refuse it as a setting that does not exist
    texts = [path.read_text() for path in (COMPOSE, PUBLIC)]
    assert not [name for text in texts for name in re.findall(r"\$\{(\w+)", text) if name.startswith("FEED_")]


# What is looked at before it starts


@pytest.mark.parametrize("files", [(COMPOSE,), (COMPOSE, PUBLIC)], ids=["compose", "public"])
def test_every_setting_is_looked_at_before_any_of_feed_starts(files: tuple[Path, ...]) -> None:
    all_of_them = services(*files, variables=GIVEN)
    check = all_of_them["check"]
    assert parsed(check["command"]).params["check"]
    assert parsed(check["command"]).info_name == "config"
    looked_at = environment(check)
    for name in FEED:
        assert environment(all_of_them[name]).items() <= looked_at.items(), name
        assert all_of_them[name]["depends_on"]["check"] == {"condition": "service_completed_successfully"}
        assert mounts(all_of_them[name]).items() <= mounts(check).items()  # its secrets too
        # what one adds is told to all, and a change of it makes each of them anew
        assert all_of_them[name]["env_file"] == check["env_file"] == ["./compose/feed.env"]


@pytest.mark.parametrize(
    ("added", "code"), [({}, 0), ({"FEED_GATEWAY__PING_SECONDS": "5"}, 2), ({"FEED_SIM__SYMBOLS": "many"}, 2)]
)
def test_a_wrong_setting_is_named_and_nothing_starts(added: dict[str, str], code: int, run: Path) -> None:
    told = {name: value.replace("/run/feed", str(run)) for name, value in environment(SERVICES["check"]).items()}
    asked = subprocess.run(
        [sys.executable, "-m", "feed", *SERVICES["check"]["command"]], cwd=ROOT, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], **told, **added}, timeout=30,
    )  # fmt: skip
    assert (asked.returncode, asked.stdout) == (code, "")
    assert all(name in asked.stderr for name in added)


def test_settings_of_ones_own_are_for_feed() -> None:
    (path,) = SERVICES["check"]["env_file"]
    shown = re.findall(r"^# (\w+)=", (COMPOSE.parent / path).read_text(), re.MULTILINE)
    assert shown
    assert set(shown) <= {variable(key) for key in knobs()}


# How it ends


@pytest.mark.parametrize("name", GATEWAYS)
def test_a_gateway_has_the_time_to_drain(name: str, monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    drain = settings(SERVICES[name], monkeypatch, run).values.drain
    takes_s = drain.delay_s + drain.window_s + server.CUT_AFTER_S + server.REQUEST_ENDS_S
    assert seconds(SERVICES[name]["stop_grace_period"]) > takes_s


def test_each_has_the_time_that_it_takes() -> None:
    redis = Values().redis
    assert all(
        seconds(SERVICES[name]["stop_grace_period"]) > redis.timeout_s for name in FEED if name.startswith("ingest")
    )


# What a container may


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_container_has_a_right_that_it_lacks_need_of(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", LONG)
def test_what_runs_is_asked_how_it_is_and_started_again(name: str) -> None:
    service = SERVICES[name]
    assert asked(service)
    assert service["restart"] == "unless-stopped"


def test_what_ends_by_itself_is_waited_for() -> None:
    # otherwise `up --wait` would take its end for a failure
    assert {
        needed["condition"]
        for service in SERVICES.values()
        for name, needed in service.get("depends_on", {}).items()
        if name in ONCE
    } == {"service_completed_successfully"}
    assert {name for service in SERVICES.values() for name in service.get("depends_on", {})} >= ONCE
    assert all(SERVICES[name]["restart"] == "no" for name in ONCE)


@pytest.mark.parametrize("files", [(COMPOSE,), (COMPOSE, PUBLIC)], ids=["compose", "public"])
def test_what_is_named_is_there(files: tuple[Path, ...]) -> None:
    whole = composition(*files, variables=GIVEN)
    for name, service in whole["services"].items():
        assert set(service.get("networks", [])) <= set(whole["networks"]), name
        assert set(service.get("depends_on", {})) <= set(whole["services"]), name
        for what in mounts(service).values():
            assert (COMPOSE.parent / what).exists() if what.startswith(".") else what in whole["volumes"], what


def test_its_image_is_built_by_the_dockerfile_and_once() -> None:
    # Compose builds all at once, and two builds may not give one image the same name
    assert [name for name, service in SERVICES.items() if "build" in service] == [BUILT_BY]
    build = SERVICES[BUILT_BY]["build"]
    assert (COMPOSE.parent / build["context"] / build["dockerfile"]).samefile(recipe.DOCKERFILE)
    assert all(recipe.argument(argument) == value for argument, value in build["args"].items())
    # who would ask a registry for it would get somebody else's
    assert {name for name, service in SERVICES.items() if service.get("pull_policy") == "never"} == {*FEED, *ONCE}


# Grafana


def test_grafana_is_told_what_its_provisioning_asks_for() -> None:
    told, mounted = environment(SERVICES["grafana"]), mounts(SERVICES["grafana"])
    provisioning = COMPOSE.parent / mounted["/etc/grafana/provisioning"]
    texts = [path.read_text() for path in provisioning.glob("*/*.yaml")]
    asked_for = {name for text in texts for name in re.findall(r"\$\{(\w+)\}", text)}
    assert {"PROMETHEUS_URL", "FEED_DASHBOARDS"} <= asked_for <= told.keys()
    dashboards = COMPOSE.parent / mounted[told["FEED_DASHBOARDS"]]
    home = Path(told["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == told["FEED_DASHBOARDS"]
    assert (dashboards / home.name).is_file()


# Redis


def test_redis_is_set_as_the_bus_wants_it() -> None:
    lines = dict(line.split(maxsplit=1) for line in conf() if line)
    for name in ("maxmemory-policy", "client-output-buffer-limit"):
        assert lines[name] == OPTIONS[name]
    assert lines["appendonly"] == "yes"  # keys are kept there
    assert mounts(SERVICES["redis"])[lines["dir"]] == "redis-data"
    assert environment(SERVICES[FEED[0]])["FEED_REDIS__URL"] == f"redis://redis:{lines['port']}/0"


def conf() -> list[str]:
    text = (DEPLOY / "compose" / "valkey.conf").read_text()
    return [line for line in text.splitlines() if not line.startswith("#")]


def test_every_knob_that_the_files_speak_of_exists() -> None:
    names = {variable(key) for key in knobs()} | {variable(key) + "_FILE" for key in knobs()}
    spoken = set(re.findall(r"FEED_[A-Z]+__[A-Z_]+", COMPOSE.read_text() + PUBLIC.read_text()))
    assert len(spoken) > 10
    assert spoken <= names
    text = COMPOSE.read_text() + (DEPLOY / "compose" / "haproxy.cfg").read_text()
    dotted = re.findall(r"\b((?:gateway|drain|publish|history|redis|ingest)\.[a-z_]{4,})\b", text)
    assert set(dotted) <= set(knobs()), set(dotted) - set(knobs())
