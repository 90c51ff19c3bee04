"""What the overlay `dev` runs works together: its commands, environment, files and end, as processes here."""

import http.client
import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import connect

from feed.bus.embedded import EmbeddedServer
from tests.deploy.manifests import content, environment, overlay, pod
from tests.integration.service import Service, running

# Places that a pod has for itself, and this machine has for many.
PLACES = {"FEED_GATEWAY__PORT": "0", "FEED_GATEWAY__ADMIN_PORT": "0", "FEED_GATEWAY__ADMIN_HOST": "127.0.0.1",
          "FEED_INGEST__ADMIN_PORT": "0", "FEED_INGEST__HOST": "127.0.0.1"}  # fmt: skip
PATIENCE_S = 20.0

Pods = dict[str, Service]


def redis() -> EmbeddedServer:
    """By the file that the pod's server reads, at a place of its own."""
    objects = overlay("dev")
    (volume,) = (each for each in pod(objects, "feed-redis").spec["volumes"] if each["name"] == "config")
    (text,) = content(objects, "ConfigMap", volume["configMap"]["name"]).values()
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#"))
    options = {name.replace("-", "_"): value.strip('"') for name, value in lines if name not in ("port", "dir")}
    return EmbeddedServer(**options)


@pytest.fixture(scope="module")
def running_pods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pods]:
    objects = overlay("dev")
    with ExitStack() as stack:
        server = stack.enter_context(redis())
        found: Pods = {}
        for name, mark in (("feed-ingest", "publishing"), ("feed-gateway", "listening")):
            one = pod(objects, name)
            (container,) = one.spec["containers"]
            told = environment(objects, one, container, tmp_path_factory.mktemp(name)) | PLACES
            told["FEED_REDIS__URL"] = told["FEED_REDIS__URL"].replace("feed-redis:6379", f"127.0.0.1:{server.port}")
            found[name] = stack.enter_context(running(mark, *container["args"], environment=told))
        yield found


def asked(url: str, path: str, host: str = "") -> tuple[int, bytes]:
    """As a browser or the kubelet asks, by the name `host`."""
    place = urlsplit(url)
    assert place.hostname
    assert place.port
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path, headers={"Host": host or place.netloc})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_probes_find_both_well(running_pods: Pods) -> None:
    for name, service in running_pods.items():
        (container,) = pod(overlay("dev"), name).spec["containers"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            end = time.monotonic() + PATIENCE_S
            while asked(service.url("http", "admin"), container[probe]["httpGet"]["path"])[0] != 200:
                assert time.monotonic() < end, (name, probe)
                time.sleep(0.05)


def test_who_forwards_a_port_sees_the_page_and_ticks(running_pods: Pods) -> None:
    address = running_pods["feed-gateway"].url("http", "listening")
    for host in ("127.0.0.1:8080", "localhost:18080"):
        status, page = asked(address, "/", host)
        assert (status, page[:9].lower()) == (200, b"<!doctype")
    with connect(f"{address.replace('http', 'ws', 1)}/v2/sim", subprotocols=["feed.v1.json"]) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"action": "subscribe", "trades": ["*"]}))
        kinds: set[str] = set()
        while "t" not in kinds:
            kinds |= {message["T"] for message in json.loads(socket.recv(timeout=PATIENCE_S))}


@pytest.mark.parametrize("host", ["rebound.example", "feed-gateway.feed.svc", "10.244.0.7:8080"])
def test_no_other_name_is_served(host: str, running_pods: Pods) -> None:
    assert asked(running_pods["feed-gateway"].url("http", "listening"), "/", host)[0] == 421


def test_both_end_within_their_grace_period(running_pods: Pods) -> None:
    """The last: it ends what the others use."""
    for name in ("feed-gateway", "feed-ingest"):
        running_pods[name].process.send_signal(signal.SIGTERM)
        assert running_pods[name].process.wait(pod(overlay("dev"), name).spec["terminationGracePeriodSeconds"]) == 0
