"""The guide's part about Kubernetes: its commands, names, numbers and files are those of the manifests."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from aiohttp.web import HTTPTooManyRequests
from click import Context
from click.testing import CliRunner

from feed.cli import main
from feed.cli.key import key
from feed.gateway.http import STATUS
from feed.settings import Values
from feed.settings.sources import variable
from feed.settings.words import knobs
from feed.wire.errors import Code
from tests.deploy.manifests import (
    K8S,
    MADE_ELSEWHERE,
    OVERLAYS,
    ROOT,
    Object,
    copied,
    named,
    of_kind,
    overlay,
    pod,
    pods,
    render,
    with_components,
)
from tests.deploy.test_k8s_network import peer_of
from tests.deploy.validity import VERSIONS, validate

TEXT = "\n".join(path.read_text() for path in sorted((ROOT / "deploy").glob("*.md")))
GUIDE = re.split(r"\n##? ", TEXT.partition("\n## Kubernetes\n")[2])[0]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", GUIDE, re.DOTALL)
PROSE = re.sub(r"```.*?```", "", GUIDE, flags=re.DOTALL)
LINES = [line for kind, text in BLOCKS if kind == "sh" for line in text.replace("\\\n", " ").splitlines()]
LINES += [re.sub(r"\s+", " ", found) for found in re.findall(r"`((?:kubectl|python|minikube) [^`]+)`", PROSE)]
KUBECTL = [line for line in LINES if line.startswith("kubectl ")]
# Where the reader writes an overlay of his own, and each that is shown.
MINE = "deploy/k8s/mine"
OWN = [text for kind, text in BLOCKS if kind == "yaml"]
KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "hpa": "HorizontalPodAutoscaler",
         "networkpolicy": "NetworkPolicy"}  # fmt: skip


def everything() -> Iterator[Object]:
    for name in OVERLAYS:
        yield from overlay(name)


def test_there_is_something_to_look_at() -> None:
    assert len(OWN) == 3
    assert len(KUBECTL) > 20


@pytest.mark.parametrize("text", OWN)
def test_an_overlay_of_ones_own_is_valid(text: str, tmp_path: Path) -> None:
    mine = copied(tmp_path) / Path(MINE).name
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(text)
    made = render(mine)
    for version in VERSIONS:
        validate(made, version)
    for patch in yaml.safe_load(text).get("patches", []):
        changed = named(made, patch["target"]["kind"], patch["target"]["name"])
        assert {each["value"] for each in yaml.safe_load(patch["patch"])} == {"ticks.example.org"}
        assert "feed.example.com" not in str(changed)
    if of_kind(made, "Gateway"):
        assert of_kind(made, "BackendTrafficPolicy"), "an Envoy that is told nothing takes 1,024 clients"
    for one in pods(made) if "images" in text else []:
        assert {each["image"] for each in one.containers} == {"registry.example.org/feed:0.1.0"}


@pytest.mark.parametrize("line", LINES)
def test_files_that_are_named_are_there(line: str) -> None:
    for path in re.findall(r"\bdeploy/[\w./-]+|\bgrafana/[\w./-]+", line):
        assert path == MINE or (ROOT / path).exists()
    for folder in re.findall(r" -k (\S+)", line):
        assert folder == MINE or (ROOT / folder / "kustomization.yaml").exists()


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:\.\./)?(?:overlays|components|base)/[\w./-]*)`", PROSE))))
def test_parts_that_are_named_are_there(path: str) -> None:
    assert (K8S / path.removeprefix("../")).exists()


@pytest.mark.parametrize("line", [line for line in KUBECTL if re.search(r"[ /]feed-[a-z]", line)])
def test_objects_that_are_named_are_there(line: str) -> None:
    before = line.partition(" -- ")[0]
    assert " -n feed " in before or "custom.metrics" in before
    for kind, name in re.findall(rf"\b({'|'.join(KINDS)})[/ ](feed-[\w-]+)", before):
        assert name in {each["metadata"]["name"] for each in of_kind(everything(), KINDS[kind])}
    for name, number in re.findall(r" (feed-[a-z]+)-(\d+)\b", before):
        most = max(named(overlay(each), "StatefulSet", name)["spec"]["replicas"] for each in OVERLAYS)
        assert int(number) < most
    workloads = re.findall(r"\bfeed-(?:gateway|ingest)\b", before)
    for container in re.findall(r" -c (\S+)", before):
        assert container in {each["name"] for each in pod(overlay("dev"), workloads[0]).containers}


def test_what_stopped_a_new_pod_is_asked_of_that_one() -> None:
    """Of a workload's pods `kubectl logs` takes one that is ready, which is a former one: its check said nothing."""
    asked = [line for line in KUBECTL if "-c check-config" in line]
    assert len(asked) > 1
    assert not [line for line in asked if re.search(r"\b(deployment|statefulset)/", line)]
    labels = re.findall(r"-l '([\w./]+) in \(([^)]+)\)'", " ".join(asked))
    for label, names in labels:
        assert {one.labels[label] for one in pods(overlay("production"))} == set(names.split(", "))
    assert labels


@pytest.mark.parametrize("line", [line for line in LINES if re.search(r"(?:^|-- )feed ", line)])
def test_feeds_commands_are_there(line: str) -> None:
    words = shlex.split(re.split(r"(?:^|-- )feed ", line)[1])
    command, words = (key.commands[words[1]], words[1:]) if words[0] == "key" else (main.commands[words[0]], words)
    with Context(main), command.make_context(words[0], words[1:]) as context:
        assert context.params is not None


def test_secrets_are_made_as_pods_read_them() -> None:
    (made,) = (line for line in KUBECTL if "secret generic feed-redis" in line)
    assert set(re.findall(r"--from-\w+=(\w+)=", made)) == MADE_ELSEWHERE.keys()
    (mount,) = {each["mountPath"] for one in pods(overlay("production")) for container in one.containers
                for each in container["volumeMounts"] if each["name"] == "redis"}  # fmt: skip
    assert re.findall(r"FEED_REDIS__CA_FILE=(\S+)/", GUIDE) == [mount]
    assert re.findall(r"--from-file=(\S+)=ca\.pem", GUIDE) == re.findall(r"FEED_REDIS__CA_FILE=\S+/([^`\s]+)", GUIDE)
    tls = named(overlay("production"), "Ingress", "feed")["spec"]["tls"][0]["secretName"]
    assert any(f"secret tls {tls} " in line for line in KUBECTL)


def test_variables_are_knobs() -> None:
    spoken = set(re.findall(r"\bFEED_[A-Z]+__[A-Z_]*[A-Z]\b", GUIDE))
    (wrong,) = spoken - {variable(knob) for knob in knobs()}
    (told,) = re.findall(r"`(feed: FEED_[^`]+)`", GUIDE)
    name, value = re.findall(r'(FEED_\w+) = "(\w+)"', told)[0]
    assert name == wrong
    result = CliRunner().invoke(main, ["config", "--check"], env={name: value})
    assert (result.exit_code, result.output.strip()) == (2, told)
    assert re.findall(r"is refused, `(\d+)`", GUIDE) == [str(STATUS[Code.NOT_AUTHENTICATED])]


def test_prometheus_keeps_what_the_rules_look_back_at() -> None:
    (kept,) = re.findall(r"prometheusSpec\.retention=(\d+)d", GUIDE)
    texts = [each["expr"] for made in of_kind(overlay("production"), "PrometheusRule")
             for group in made["spec"]["groups"] for each in group["rules"]]  # fmt: skip
    assert int(kept) > max(int(days) for days in re.findall(r"\[(\d+)d\]", " ".join(texts)))


def test_every_address_that_is_of_ipv4_has_a_word_for_ipv6() -> None:
    sections = tomllib.loads((K8S / "base" / "feed.toml").read_text())
    every = {variable(f"{section}.{key}") for section, given in sections.items()
             for key, value in given.items() if value == "0.0.0.0"}  # fmt: skip
    (told,) = re.findall(r"of IPv6, ([^;]+) are `::`", re.sub(r"\s+", " ", GUIDE))
    assert set(re.findall(r"`(\w+)`", told)) == every
    result = CliRunner().invoke(main, ["config", "--check"], env=dict.fromkeys(every, "::"))
    assert (result.exit_code, result.output) == (0, "")


def test_namespaces_are_those_that_policies_name(tmp_path: Path) -> None:
    objects = [*overlay("production"), *with_components(tmp_path, "gateway-api")]
    peers = {peer_of(peer) for policy in of_kind(objects, "NetworkPolicy")
             for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", [])
             for peer in rule.get("from", []) + rule.get("to", []) if "ipBlock" not in peer}  # fmt: skip
    spoken = set(re.findall(r"namespace `([\w-]+)`", GUIDE)) | set(re.findall(r" -n ([\w-]+)", "\n".join(LINES)))
    assert spoken - {"feed"} == peers - {"kube-system kube-dns", "envoy-gateway-system"}


def test_numbers_are_those_of_the_manifests() -> None:
    words = re.sub(r"\s+", " ", GUIDE)
    scaler = named(overlay("production"), "HorizontalPodAutoscaler", "feed-gateway")["spec"]
    least, most = scaler["minReplicas"], scaler["maxReplicas"]
    clients, lag = (each["pods"]["target"]["averageValue"] for each in scaler["metrics"])
    assert f"{least} to {most} gateways" in words
    assert f"with `{least}` and `{most}` as the fewest and most" in words
    assert f"`0/{int(clients) // 1_000}k, 0/{lag}`" in words
    assert f"more than {int(clients):,} clients for each" in words
    assert f"above {lag.removesuffix('m')} ms" in words
    down, up = (scaler["behavior"][which] for which in ("scaleDown", "scaleUp"))
    assert (down["stabilizationWindowSeconds"], down["policies"][0]["periodSeconds"]) == (1_800, 300)
    assert "for half an hour, one every five minutes" in words
    assert (up["policies"][0]["value"], up["policies"][0]["periodSeconds"]) == (2, 60)
    assert "two a minute at most" in words
    rolled = pod(overlay("production"), "feed-gateway").workload["spec"]
    assert f"ready for {rolled['minReadySeconds']} s before one old one drains" in words
    annotations = named(overlay("production"), "Ingress", "feed")["metadata"]["annotations"]
    assert f"silent for {annotations['nginx.ingress.kubernetes.io/proxy-read-timeout']} s" in words
    knobs = Values().gateway
    assert f"asks after each client every {knobs.ping_s:.0f} s" in words
    assert f"of one address a gateway takes {knobs.max_connections_per_address:,} connections" in words
    assert f"and {knobs.handshakes_per_s:.0f} handshakes a second" in words
    assert f"get `{HTTPTooManyRequests.status_code}` though each has few" in words
    assert "has three pods" in words
    assert len(pods(overlay("dev"))) == 3
    assert named(overlay("cluster"), "StatefulSet", "feed-ingest")["spec"]["replicas"] == 6
    assert "`feed-ingest-0` to `feed-ingest-5`" in words
    assert len(of_kind(overlay("production"), "PrometheusRule")) == 3


def test_anchors_lead_somewhere() -> None:
    slugs = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", GUIDE, re.M)}
    assert set(re.findall(r"\]\(#([\w-]+)\)", GUIDE)) <= slugs
