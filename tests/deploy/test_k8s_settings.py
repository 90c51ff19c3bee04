"""What the manifests tell feed is what feed knows: commands, knobs, ports, probes, times."""

import asyncio
import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from feed.admin import Admin
from feed.bus.address import Kind, address_of
from feed.bus.embedded import OPTIONS
from feed.cli import main
from feed.cli.gateway import refuse_public
from feed.core.shards import Share
from feed.gateway import server
from feed.gateway.address import Proxies
from feed.ingest.sources import source_for
from feed.ingest.worker import Worker
from feed.settings import Values
from feed.settings.sources import load
from feed.settings.words import knobs
from tests.deploy.manifests import (
    K8S,
    MADE_ELSEWHERE,
    OVERLAYS,
    ROOT,
    SERIOUS,
    Pod,
    content,
    environment,
    named,
    ours,
    overlay,
    pod,
    pods,
    with_components,
)

each_overlay = pytest.mark.parametrize("name", OVERLAYS)
# Seconds that a pod has beyond what its parts may take.
SPARE_S = 2


def values_of(name: str, one: Pod, folder: Path, monkeypatch: pytest.MonkeyPatch, ordinal: int = 0) -> Values:
    """What feed makes of the main container's environment and files. Raises SettingsError."""
    (container,) = one.spec["containers"]
    for variable in [each for each in os.environ if each.startswith("FEED_")]:
        monkeypatch.delenv(variable)
    for variable, value in environment(overlay(name), one, container, folder / str(ordinal), ordinal).items():
        monkeypatch.setenv(variable, value)
    return load(Path(os.environ["FEED_CONFIG"])).values


def feeds_of(one: Pod) -> list[str]:
    command, *arguments = one.spec["containers"][0]["args"]
    assert command == "ingest"
    return [main.commands["ingest"].make_context("ingest", list(arguments)).params["feed"]]


@each_overlay
def test_gateways_are_told_what_they_understand(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = pod(overlay(name), "feed-gateway")
    (command,) = one.spec["containers"][0]["args"]
    assert command == "gateway"
    values = values_of(name, one, tmp_path, monkeypatch)
    refuse_public(values, "the overlay")
    assert list(values.gateway.feeds) == feeds_of(pod(overlay(name), "feed-ingest"))
    assert one.ports() == {"clients": values.gateway.port, "metrics": values.gateway.admin_port}
    assert values.gateway.admin_host == "0.0.0.0"


@pytest.mark.parametrize("name", SERIOUS)
def test_clients_are_asked_who_they_are(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = values_of(name, pod(overlay(name), "feed-gateway"), tmp_path, monkeypatch)
    assert values.auth.mode == "keys"
    assert values.gateway.host == "0.0.0.0"
    # the way in is a proxy: its pods are not clients with thousands of connections
    proxies = Proxies(values.gateway.trusted_proxies)
    assert all(proxies.trusts(address) for address in ("10.244.1.7", "172.20.3.4", "192.168.9.1", "fd00::7"))
    assert not any(proxies.trusts(address) for address in ("203.0.113.7", "2001:db8::7"))
    assert values.redis.password.get_secret_value() == MADE_ELSEWHERE["password"]


def test_who_is_asked_nothing_comes_by_the_pods_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = values_of("dev", pod(overlay("dev"), "feed-gateway"), tmp_path, monkeypatch)
    assert values.auth.mode == "none"
    assert values.gateway.host == "127.0.0.1"
    assert not values.auth.insecure_public


@each_overlay
def test_workers_read_each_symbol_twice_but_a_simulator_once(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = pod(overlay(name), "feed-ingest")
    (feed,) = feeds_of(one)
    replicas = one.workload["spec"]["replicas"]
    every = [values_of(name, one, tmp_path, monkeypatch, ordinal) for ordinal in range(replicas)]
    assert len({values.ingest.worker_id for values in every}) == replicas
    assert all(one.ports() == {"metrics": values.ingest.admin_port} for values in every)
    assert all(values.ingest.host == "0.0.0.0" for values in every)
    shares: list[Share | None] = [source_for(values, feed).share for values in every]
    if feed == "sim":
        assert replicas == 1
        return
    shards = every[0].ingest.shards
    assert replicas == 2 * shards
    read = [symbol for share in shares for symbol in (share.symbols if share else every[0].binance.symbols)]
    assert sorted(read) == sorted(every[0].binance.symbols * 2)
    assert (shards > 1) == (name == "cluster")


def check(name: str, one: Pod, folder: Path, **more: str) -> tuple[int, str]:
    """Runs the first container, as its arguments say: exit code and what it prints."""
    (container,) = one.spec["initContainers"]
    given: dict[str, str | None] = {each: None for each in os.environ if each.startswith("FEED_")}
    given |= environment(overlay(name), one, container, folder)
    result = CliRunner().invoke(main, container["args"], env=given | more)
    return result.exit_code, result.output


@each_overlay
def test_a_wrong_setting_is_said_before_anything_starts(name: str, tmp_path: Path) -> None:
    for one in ours(overlay(name)):
        assert check(name, one, tmp_path) == (0, "")
        code, said = check(name, one, tmp_path, FEED_GATEWAY__PORT="eighty")
        assert code == 2
        assert "gateway.port" in said
        first, then = one.containers
        assert first["args"] == ["config", "--check", *then["args"]]
        for key in ("image", "env", "envFrom", "volumeMounts", "securityContext"):
            assert first[key] == then[key], key


@pytest.mark.parametrize(
    ("name", "variables", "line"),
    [
        ("feed-gateway", {"FEED_AUTH__MODE": "none"}, "must be a loopback address while auth.mode is"),
        ("feed-gateway", {"FEED_REDIS__CA_FILE": "/run/none.crt", "FEED_REDIS__URL": "rediss://h"}, "No such file"),
        ("feed-ingest", {"FEED_INGEST__SHARDS": "3"}, "2 symbols are too few for 3 shards"),
        ("feed-ingest", {"FEED_REDIS__URL": "redis+sentinel://s1,s2"}, "Sentinels know a master by its name"),
    ],
)
def test_what_a_server_would_end_with_is_said_before_it_starts(
    name: str, variables: dict[str, str], line: str, tmp_path: Path
) -> None:
    code, said = check("production", pod(overlay("production"), name), tmp_path, **variables)
    assert code == 2
    assert line in said


def test_the_file_has_only_what_differs_from_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [each for each in os.environ if each.startswith("FEED_")]:
        monkeypatch.delenv(variable)
    path = K8S / "base" / "feed.toml"
    values, defaults = load(path).values, Values()
    for section, given in tomllib.loads(path.read_text()).items():
        for knob in given:
            assert getattr(getattr(values, section), knob) != getattr(getattr(defaults, section), knob), (section, knob)


def test_where_redis_may_be_is_what_feed_can_read() -> None:
    # the URLs that the overlays' comments show
    text = "\n".join(path.read_text() for path in K8S.glob("overlays/*/kustomization.yaml"))
    urls = re.findall(r"\brediss?(?:\+\w+)?://[^\s,;]+(?:,[^\s,;]+)*", text)
    assert {address_of(url.replace("NODE", "n1")).kind for url in urls} == set(Kind)


def test_knobs_in_comments_exist() -> None:
    spoken: set[str] = set()
    sections = "|".join(Values.model_fields)
    for path in [*K8S.rglob("*.yaml"), *K8S.rglob("*.toml"), *K8S.rglob("*.conf")]:
        comments = "\n".join(re.findall(r"#.*", path.read_text()))
        spoken |= set(re.findall(rf"\b((?:{sections})\.[a-z]+_[a-z_]+)\b", comments))
    assert len(spoken) > 8
    assert spoken <= set(knobs())


# Probes and times


def routes() -> set[str]:
    async def main() -> set[str]:
        async with Admin("127.0.0.1", 0, lambda: "") as admin:
            return {resource.canonical for resource in admin._runner.app.router.resources()}

    return asyncio.run(main())


@each_overlay
def test_probes_ask_what_they_mean(name: str) -> None:
    asked = {"livenessProbe": "/healthz", "startupProbe": "/healthz", "readinessProbe": "/readyz"}
    assert set(asked.values()) <= routes()
    for one in ours(overlay(name)):
        (container,) = one.spec["containers"]
        for probe, path in asked.items():
            assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}
        alive, ready = container["livenessProbe"], container["readinessProbe"]
        # who is killed has lost all of its clients; who is not ready lost none
        assert alive["periodSeconds"] * alive["failureThreshold"] >= 60
        assert ready["periodSeconds"] * ready["failureThreshold"] <= 10


@each_overlay
def test_a_gateway_has_the_time_to_drain(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = pod(overlay(name), "feed-gateway")
    drain = values_of(name, one, tmp_path, monkeypatch).drain
    takes_s = drain.delay_s + drain.window_s + server.CUT_AFTER_S + server.REQUEST_ENDS_S
    assert one.spec["terminationGracePeriodSeconds"] >= takes_s + SPARE_S


@each_overlay
def test_a_worker_has_the_time_to_publish_what_it_read(name: str) -> None:
    limits: dict[str, Any] = Worker.__init__.__kwdefaults__
    one = pod(overlay(name), "feed-ingest")
    assert one.spec["terminationGracePeriodSeconds"] >= limits["stop_s"] + limits["drain_s"] + SPARE_S


@pytest.mark.parametrize("name", SERIOUS)
def test_gateways_are_replaced_one_after_the_other(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = pod(overlay(name), "feed-gateway")
    spec = one.workload["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["minReadySeconds"] >= values_of(name, one, tmp_path, monkeypatch).drain.window_s
    assert pod(overlay(name), "feed-ingest").workload["spec"]["updateStrategy"]["type"] == "RollingUpdate"


# What else is there


def test_redis_is_set_as_the_bus_wants_it() -> None:
    one = pod(overlay("dev"), "feed-redis")
    (mount,) = (each for each in one.spec["containers"][0]["volumeMounts"] if each["name"] == "config")
    (volume,) = (each for each in one.spec["volumes"] if each["name"] == "config")
    ((file, text),) = content(overlay("dev"), "ConfigMap", volume["configMap"]["name"]).items()
    assert one.spec["containers"][0]["command"][1:] == [f"{mount['mountPath']}/{file}"]
    lines = dict(line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#"))
    for option in ("maxmemory-policy", "client-output-buffer-limit", "appendonly"):
        assert lines[option] == OPTIONS[option]
    assert one.ports() == {"redis": int(lines["port"])}
    assert lines["dir"] in [each["mountPath"] for each in one.spec["containers"][0]["volumeMounts"]]
    (port,) = named(overlay("dev"), "Service", "feed-redis")["spec"]["ports"]
    assert content(overlay("dev"), "Secret", "feed-redis")["url"] == f"redis://feed-redis:{port['port']}/0"


def test_an_external_secret_makes_what_pods_read(tmp_path: Path) -> None:
    made = named(with_components(tmp_path, "external-secrets"), "ExternalSecret", "feed-redis")
    assert made["spec"]["target"]["name"] == "feed-redis"
    assert {each["secretKey"] for each in made["spec"]["data"]} == MADE_ELSEWHERE.keys()


def test_the_image_is_this_version_and_its_user() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for name in OVERLAYS:
        for one in ours(overlay(name)):
            assert {each["image"].rpartition(":")[2] for each in one.containers} == {version}
    dockerfile = ROOT / "deploy" / "Dockerfile"
    if not dockerfile.exists():
        pytest.skip("there is no deploy/Dockerfile yet whose user could be compared")
    (user,) = re.findall(r"^USER (\S+)$", dockerfile.read_text(), re.MULTILINE)
    for one in ours(overlay("production")):
        context = one.spec["securityContext"]
        assert f"{context['runAsUser']}:{context['runAsGroup']}" == user


def test_everything_that_runs_is_known() -> None:
    assert {name: [one.name for one in pods(overlay(name))] for name in OVERLAYS} == {
        "cluster": ["feed-gateway", "feed-ingest"],
        "dev": ["feed-gateway", "feed-redis", "feed-ingest"],
        "production": ["feed-gateway", "feed-ingest"],
    }
