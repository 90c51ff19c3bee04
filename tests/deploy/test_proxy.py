"""The proxy of compose.yaml, and who is reached from where: its times, ports and limits are the gateways' own."""

import re
from pathlib import Path

import pytest
import yaml

from feed.cli.gateway import refuse_public
from feed.gateway.door import SPARE
from feed.settings import Values
from tests.deploy.composed import (
    COMPOSE,
    DEPLOY,
    FEED,
    GATEWAYS,
    GIVEN,
    PUBLIC,
    SERVICES,
    Lacking,
    composition,
    environment,
    mounts,
    seconds,
    services,
)
from tests.deploy.shared import settings

HAPROXY = (DEPLOY / "compose" / "haproxy.cfg").read_text()
PROMETHEUS = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())


def haproxy_s(what: str) -> float:
    found = re.search(rf"^ *{what} (\d+\w+)$", HAPROXY, re.MULTILINE)
    assert found, what
    return seconds(found[1])


def test_the_proxy_knows_the_gateways_and_their_ports() -> None:
    knobs = Values().gateway
    servers = re.findall(r"^ +server (\S+) (\S+):(\d+)$", HAPROXY, re.MULTILINE)
    assert servers == [(name, name, str(knobs.port)) for name in GATEWAYS]
    assert re.findall(r"check port (\d+)", HAPROXY) == [str(knobs.admin_port)]
    assert re.findall(r"option httpchk GET (\S+)", HAPROXY) == ["/readyz"]


def test_the_proxy_notices_a_gateway_that_drains_before_it_refuses() -> None:
    inter, fall = re.findall(r"inter (\d+s) fall (\d+)", HAPROXY)[0]
    assert seconds(inter) * int(fall) <= Values().drain.delay_s


def test_the_proxy_has_the_time_that_it_takes_to_end() -> None:
    assert seconds(SERVICES["proxy"]["stop_grace_period"]) > haproxy_s("hard-stop-after")


def test_the_proxys_times_are_the_gateways() -> None:
    knobs = Values().gateway
    assert haproxy_s("timeout tunnel") == 3 * knobs.ping_s
    assert haproxy_s("timeout http-request") == knobs.handshake_timeout_s


def test_the_proxy_takes_as_many_as_the_gateways(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    most = [settings(SERVICES[name], monkeypatch, run).values.gateway.max_connections for name in GATEWAYS]
    (maxconn,) = re.findall(r"^ +maxconn (\d+)$", HAPROXY, re.MULTILINE)
    assert int(maxconn) == sum(most)
    assert SERVICES["proxy"]["ulimits"]["nofile"] > 2 * int(maxconn)
    assert all(SERVICES[name]["ulimits"]["nofile"] > most[0] + SPARE for name in GATEWAYS)


def test_the_proxys_word_is_believed_and_nobody_elses() -> None:
    subnet = environment(SERVICES[GATEWAYS[0]])["FEED_GATEWAY__TRUSTED_PROXIES"]
    assert composition()["networks"]["edge"]["ipam"]["config"] == [{"subnet": subnet}]
    assert {name for name, service in SERVICES.items() if "edge" in service.get("networks", [])} == {"proxy", *GATEWAYS}
    assert "http-request set-header X-Forwarded-For %[src]" in HAPROXY


# Who is reached from where


def test_only_loopback_reaches_it() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "proxy": ["127.0.0.1:8443:8443"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    assert composition()["networks"]["data"] == {"internal": True}
    assert {name for name, service in SERVICES.items() if "data" in service.get("networks", [])} == {"redis", *FEED}


def test_everyone_is_let_in_only_by_loopbacks_names(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    for name in GATEWAYS:
        values = settings(SERVICES[name], monkeypatch, run).values
        assert (values.auth.mode, values.auth.insecure_public) == ("none", True)
        assert values.gateway.hosts == ("localhost", "127.0.0.1", "::1")


def test_who_opens_it_to_others_asks_them_for_keys(monkeypatch: pytest.MonkeyPatch, run: Path) -> None:
    public = services(COMPOSE, PUBLIC, variables=GIVEN)
    for name in GATEWAYS:
        values = settings(public[name], monkeypatch, run).values
        assert (values.auth.mode, values.auth.insecure_public) == ("keys", False)
        assert values.gateway.hosts == ("feed.example.com",)
        refuse_public(values, "public.yaml")
    assert public["proxy"]["ports"] == ["127.0.0.1:8443:8443", "443:8443"]
    assert environment(public["proxy"])["TLS_PEM"] == "/run/secrets/tls.pem"
    assert list(composition(COMPOSE, PUBLIC, variables=GIVEN)["secrets"]) == public["proxy"]["secrets"] == ["tls.pem"]


def test_it_is_not_opened_by_a_command_that_names_one_file() -> None:
    # whose gateways, which ask nobody for a key, would take the place of those behind the open proxy
    assert composition()["name"] != composition(COMPOSE, PUBLIC, variables=GIVEN)["name"]


@pytest.mark.parametrize("lacking", sorted(GIVEN))
def test_it_is_not_opened_by_half(lacking: str) -> None:
    with pytest.raises(Lacking, match=lacking):
        composition(COMPOSE, PUBLIC, variables={name: GIVEN[name] for name in GIVEN if name != lacking})


# What is scraped


def test_prometheus_scrapes_every_process_at_its_admin_port() -> None:
    targets = {
        target for job in PROMETHEUS["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    }
    values = Values()
    ports = {"gateway": values.gateway.admin_port, "ingest": values.ingest.admin_port}
    assert targets == {f"{name}:{ports[SERVICES[name]['command'][0]]}" for name in FEED} | {"proxy:8404"}
    assert all("watch" in SERVICES[target.partition(":")[0]]["networks"] for target in targets)
    assert "bind :8404" in HAPROXY


def test_prometheus_has_the_rules_and_the_pace_of_every_deployment() -> None:
    beside = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    where = "/etc/prometheus/rules"
    assert {Path(path) for path in PROMETHEUS["rule_files"]} == {Path(where, name) for name in beside["rule_files"]}
    assert mounts(SERVICES["prometheus"])[where] == "./prometheus"
    for pace in ("scrape_interval", "evaluation_interval"):
        assert PROMETHEUS["global"][pace] == beside["global"][pace]
    # rules and dashboards select by these
    scraped = PROMETHEUS["scrape_configs"]
    jobs = {job["job_name"]: {each["target_label"] for each in job["relabel_configs"]} for job in scraped}
    assert {job["job_name"] for job in beside["scrape_configs"]} <= jobs.keys()
    assert all(labels == {"namespace", "pod"} for labels in jobs.values())
