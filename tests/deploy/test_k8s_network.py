"""Who may speak to whom on Kubernetes: all that every NetworkPolicy together allows, written out."""

import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from feed.bus.address import REDIS_PORT, SENTINEL_PORT
from feed.settings import Values
from tests.deploy.manifests import OVERLAYS, SERIOUS, Object, Pod, of_kind, overlay, pods, selects, with_components

each_overlay = pytest.mark.parametrize("name", OVERLAYS)
HERE = "kubernetes.io/metadata.name"
PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]
# As above, and what is a machine's own link, where clouds tell a machine its credentials.
NOT_THE_INTERNET = {"0.0.0.0/0": {*PRIVATE[:4], "169.254.0.0/16"}, "::/0": {"fc00::/7", "fe80::/10"}}


class Way(NamedTuple):
    """A peer, and a port or a range of them, as one says them."""

    peer: str
    port: str


def peer_of(peer: Object) -> str:
    if "ipBlock" in peer:
        return str(peer["ipBlock"]["cidr"]) + (" but private" if "except" in peer["ipBlock"] else "")
    words = []
    if "namespaceSelector" in peer:
        words.append(peer["namespaceSelector"]["matchLabels"][HERE])
    if labels := peer.get("podSelector", {}).get("matchLabels"):
        words += labels.values()
    for expression in peer.get("podSelector", {}).get("matchExpressions", []):
        words += expression["values"]
    return " ".join(words)


def port_of(port: Object, one: Pod | None) -> str:
    number = one.ports()[port["port"]] if one and isinstance(port["port"], str) else port["port"]
    return f"{number}-{port['endPort']}" if "endPort" in port else str(number)


def ways(objects: Iterable[Object], one: Pod, into: bool) -> set[Way]:
    """Into a pod, or out of it, by all policies that choose it."""
    direction, side = ("ingress", "from") if into else ("egress", "to")
    found = set()
    for policy in of_kind(objects, "NetworkPolicy"):
        if not selects(policy["spec"]["podSelector"], one.labels):
            continue
        for rule in policy["spec"].get(direction, []):
            assert rule["ports"], "a rule without ports allows all of them"
            peers = [peer_of(peer) for peer in rule[side]] if side in rule else ["anyone"]
            found |= {Way(peer, port_of(port, one if into else None)) for peer in peers for port in rule["ports"]}
    return found


DNS = {Way("kube-system kube-dns", "53"), Way("169.254.20.10/32", "53")}
VENUES = {Way(f"{net} but private", port) for net in NOT_THE_INTERNET for port in ("443", "9443")}
WATCHED = {"feed-gateway": Way("monitoring", "9400"), "feed-ingest": Way("monitoring", "9401")}


def redis(*ports: str) -> set[Way]:
    return {Way(peer, port) for peer in ("redis", *PRIVATE) for port in ports}


OWN = {Way("feed-redis", "6379")}
OUT = {
    "dev": {"feed-gateway": DNS | OWN, "feed-ingest": DNS | OWN, "feed-redis": set()},
    "production": {
        "feed-gateway": DNS | redis("6379-6380", "26379"),
        "feed-ingest": DNS | redis("6379-6380", "26379") | VENUES,
    },
    "cluster": {"feed-gateway": DNS | redis("6379-6384"), "feed-ingest": DNS | redis("6379-6384") | VENUES},
}
IN = {
    "dev": {"feed-gateway": {Way("anyone", "8080")}, "feed-redis": {Way("feed-gateway feed-ingest", "6379")}},
    "production": {"feed-gateway": {Way("ingress-nginx", "8080")}},
    "cluster": {"feed-gateway": {Way("ingress-nginx", "8080")}},
}


@each_overlay
def test_nothing_is_allowed_that_is_not_written_here(name: str) -> None:
    objects = overlay(name)
    for one in pods(objects):
        denied = [
            policy for policy in of_kind(objects, "NetworkPolicy")
            if selects(policy["spec"]["podSelector"], one.labels)
            and policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
            and not policy["spec"].keys() & {"ingress", "egress"}
        ]  # fmt: skip
        assert denied, f"nothing forbids {one.name} what is not allowed"
        watched = {WATCHED[one.name]} if one.name in WATCHED else set()
        assert ways(objects, one, into=True) == IN[name].get(one.name, set()) | watched
        assert ways(objects, one, into=False) == OUT[name][one.name]


@each_overlay
def test_a_policy_says_which_of_both_it_is_about(name: str) -> None:
    for policy in of_kind(overlay(name), "NetworkPolicy"):
        spec = policy["spec"]
        rules = {word.capitalize() for word in ("ingress", "egress") if word in spec}
        assert rules in (set(), set(spec["policyTypes"])), policy["metadata"]["name"]


@pytest.mark.parametrize("name", SERIOUS)
def test_the_internet_is_no_address_of_ours(name: str) -> None:
    for policy in of_kind(overlay(name), "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            blocks = [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]
            wide = [block for block in blocks if ipaddress.ip_network(block["cidr"]).prefixlen == 0]
            assert all(set(block["except"]) == NOT_THE_INTERNET[block["cidr"]] for block in wide)


def test_ports_are_those_of_the_code() -> None:
    venue = urlsplit(Values().binance.url)
    assert {venue.port or {"wss": 443, "ws": 80}[venue.scheme]} <= {int(way.port) for way in VENUES}
    out = {way.port for ways in OUT["production"].values() for way in ways}
    assert {f"{REDIS_PORT}-6380", f"{SENTINEL_PORT}"} <= out


@pytest.mark.parametrize(
    ("component", "added"),
    [
        ("issuer", {Way(f"{net} but private", "443") for net in NOT_THE_INTERNET}),
        ("gateway-api", set()),
        ("ingress", set()),
    ],
)
def test_what_a_component_adds_for_gateways(component: str, added: set[Way], tmp_path: Path) -> None:
    made = with_components(tmp_path, component)
    (gateway,) = (one for one in pods(made) if one.name == "feed-gateway")
    (ingest,) = (one for one in pods(made) if one.name == "feed-ingest")
    assert ways(made, gateway, into=False) == OUT["production"]["feed-gateway"] | added
    assert ways(made, ingest, into=False) == OUT["production"]["feed-ingest"]
    clients = ways(made, gateway, into=True) - {WATCHED["feed-gateway"]}
    namespace = {"gateway-api": "envoy-gateway-system", "ingress": "ingress-nginx"}.get(component, "anyone")
    assert clients == {Way(namespace, "8080")}
