"""Every overlay is valid for the newest three versions of Kubernetes, hangs together, and asks for no right."""

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.deploy.manifests import (
    COMPONENTS,
    K8S,
    OVERLAYS,
    SERIOUS,
    Object,
    Pod,
    copied,
    named,
    of_kind,
    overlay,
    pods,
    render,
    selects,
    with_components,
)
from tests.deploy.schemas import SHAPES, is_custom
from tests.deploy.validity import VERSIONS, validate

WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet", "Pod"}
# `kubectl apply` keeps a copy of each object in an annotation; all of one's annotations have this room.
ANNOTATIONS_BYTES = 262_144
# The volumes that the restricted standard allows.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}

each_overlay = pytest.mark.parametrize("name", OVERLAYS)
each_component = pytest.mark.parametrize("component", COMPONENTS)
each_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture(scope="module")
def table() -> Iterator[dict[tuple[str, str], str]]:
    """What was validated, by overlay and version: said at the end (pytest -s). A cell that is empty did not pass."""
    cells: dict[tuple[str, str], str] = {}
    yield cells
    rows = [["objects validated", *VERSIONS], ["---"] * (1 + len(VERSIONS))]
    rows += [[name, *(cells.get((name, version), "") for version in VERSIONS)] for name in OVERLAYS]
    # not stdout: pytest-xdist's workers have none
    print("", *(f"| {' | '.join(row)} |" for row in rows), sep="\n", file=sys.stderr)


@each_version
@each_overlay
def test_an_overlay_is_valid(name: str, version: str, table: dict[tuple[str, str], str]) -> None:
    objects = overlay(name)
    validate(objects, version)
    custom = [each for each in objects if is_custom(each)]
    table[name, version] = f"{len(objects) - len(custom)}, custom {len(custom)}"


@each_component
def test_a_component_is_valid_with_the_base(component: str, tmp_path: Path) -> None:
    made = with_components(tmp_path, component)
    for version in VERSIONS:
        validate(made, version)


def test_a_field_that_nobody_knows_is_found() -> None:
    wrong = json.loads(json.dumps(named(overlay("production"), "Deployment", "feed-gateway")))
    wrong["spec"]["template"]["spec"]["terminationGraceSeconds"] = 3
    with pytest.raises(kubernetes_validate.ValidationError):
        validate([wrong], VERSIONS[0])


@pytest.mark.parametrize("kind", SHAPES)
def test_a_field_of_a_custom_resource_that_nobody_knows_is_found(kind: str, tmp_path: Path) -> None:
    (found, *_) = of_kind(with_components(tmp_path, *COMPONENTS), kind)
    SHAPES[kind].model_validate(found)
    found["spec"]["interval"] = "15s"
    with pytest.raises(ValueError, match="interval"):
        SHAPES[kind].model_validate(found)


def test_ones_own_cluster_needs_no_custom_resource() -> None:
    assert not [each["kind"] for each in overlay("dev") if is_custom(each)]


@each_overlay
def test_no_two_objects_are_one(name: str) -> None:
    found = [(each["kind"], each["metadata"]["name"]) for each in overlay(name)]
    assert len(found) == len(set(found))


@each_overlay
def test_all_is_in_one_namespace_and_part_of_feed(name: str) -> None:
    for each in overlay(name):
        where = each["metadata"].get("namespace")
        assert (where, each["metadata"]["name"])[each["kind"] == "Namespace"] == "feed", each["metadata"]
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "feed", each["metadata"]
    for one in pods(overlay(name)):
        assert one.labels["app.kubernetes.io/part-of"] == "feed"
        assert one.labels["app.kubernetes.io/name"] == one.name
        assert one.labels["app.kubernetes.io/component"]
        assert selects(one.workload["spec"]["selector"], one.labels)


@each_overlay
def test_an_apply_can_remember_each_object(name: str) -> None:
    for each in overlay(name):
        assert len(json.dumps(each)) < ANNOTATIONS_BYTES * 0.9, each["metadata"]["name"]


# Selectors, and what they name


def selectors(objects: Any) -> list[tuple[Object, Object]]:
    """Of each object that chooses pods."""
    found = [(each, {"matchLabels": each["spec"]["selector"]}) for each in of_kind(objects, "Service")]
    found += [(each, each["spec"]["selector"]) for each in of_kind(objects, "PodDisruptionBudget")]
    return found + [(each, each["spec"]["podSelector"]) for each in of_kind(objects, "NetworkPolicy")]


@each_overlay
def test_every_selector_finds_pods_with_the_ports_that_it_names(name: str) -> None:
    for chooser, selector in selectors(overlay(name)):
        chosen = [one for one in pods(overlay(name)) if selects(selector, one.labels)]
        assert chosen, chooser["metadata"]["name"]
        wanted = [port["targetPort"] for port in chooser["spec"].get("ports", [])]
        wanted += [port["port"] for rule in chooser["spec"].get("ingress", []) for port in rule["ports"]]
        for port in wanted:
            assert all(port in one.ports() for one in chosen), (chooser["metadata"]["name"], port)


@each_overlay
def test_every_workload_may_be_moved_one_pod_at_a_time(name: str) -> None:
    budgets = of_kind(overlay(name), "PodDisruptionBudget")
    for one in [each for each in pods(overlay(name)) if each.name != "feed-redis"]:
        (budget,) = (each for each in budgets if selects(each["spec"]["selector"], one.labels))
        assert budget["spec"]["maxUnavailable"] == 1


@each_overlay
def test_what_a_pod_names_is_there(name: str) -> None:
    objects = overlay(name)
    for one in pods(objects):
        maps = [each["configMap"]["name"] for each in one.spec["volumes"] if "configMap" in each]
        maps += [each["configMapRef"]["name"] for each in one.containers for each in each.get("envFrom", [])]
        for each in maps:
            named(objects, "ConfigMap", each)
        if account := one.spec.get("serviceAccountName"):
            assert named(objects, "ServiceAccount", account)["automountServiceAccountToken"] is False
    for each in of_kind(objects, "StatefulSet"):
        assert named(objects, "Service", each["spec"]["serviceName"])["spec"]["clusterIP"] == "None"


def ways_in(folder: Path) -> list[tuple[Object, str, Any, str]]:
    """By an Ingress and by a route: the object, its backend's name and port, and where the certificate is."""
    ingress = named(overlay("production"), "Ingress", "feed")
    service = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    made = with_components(folder, "gateway-api")
    route, gateway = named(made, "HTTPRoute", "feed"), named(made, "Gateway", "feed")
    (backend,) = route["spec"]["rules"][0]["backendRefs"]
    (listener,) = gateway["spec"]["listeners"]
    assert route["spec"]["parentRefs"] == [{"name": "feed", "sectionName": listener["name"]}]
    assert route["spec"]["hostnames"] == [listener["hostname"]] == ingress["spec"]["tls"][0]["hosts"]
    assert [rule["host"] for rule in ingress["spec"]["rules"]] == [listener["hostname"]]
    return [
        (ingress, service["name"], service["port"]["name"], ingress["spec"]["tls"][0]["secretName"]),
        (route, backend["name"], backend["port"], listener["tls"]["certificateRefs"][0]["name"]),
    ]


def test_both_ways_in_lead_to_the_clients_service(tmp_path: Path) -> None:
    for _, name, port, secret in ways_in(tmp_path):
        (there,) = named(overlay("production"), "Service", name)["spec"]["ports"]
        assert port in (there["name"], there["port"])
        assert there["targetPort"] == "clients"
        assert secret == "feed-tls"


# Rights


def test_the_namespace_refuses_what_is_not_restricted() -> None:
    for name in OVERLAYS:
        labels = named(overlay(name), "Namespace", "feed")["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@each_overlay
def test_every_pod_is_restricted_and_more(name: str) -> None:
    assert {each["kind"] for each in overlay(name)} & WORKLOADS == {"Deployment", "StatefulSet"}
    for one in pods(overlay(name)):
        restricted(one)
        assert one.spec["automountServiceAccountToken"] is False
        assert one.spec["enableServiceLinks"] is False
        for container in one.containers:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            resources = container["resources"]
            assert resources["requests"].keys() == {"cpu", "memory"}
            assert resources["limits"].keys() == {"memory"}, "a container that is throttled is late"


def restricted(one: Pod) -> None:
    """The Pod Security Standard of that name, of which it says that it is enforced."""
    context = one.spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & one.spec.keys()
    assert not {"sysctls", "seLinuxOptions", "windowsOptions"} & context.keys()
    for volume in one.spec["volumes"]:
        assert volume.keys() - {"name"} <= VOLUMES
    for container in one.containers:
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert own.keys() <= {"allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem"}
        assert not any("hostPort" in port for port in container.get("ports", []))


@each_overlay
def test_no_image_is_the_latest(name: str) -> None:
    for one in pods(overlay(name)):
        for container in one.containers:
            _, colon, tag = container["image"].rpartition(":")
            assert colon
            assert re.fullmatch(r"\d[\w.-]*", tag), container["image"]


def test_secrets_are_somebody_elses() -> None:
    for name in SERIOUS:
        assert not of_kind(overlay(name), "Secret")
    (only,) = of_kind(overlay("dev"), "Secret")
    words = {key: base64.b64decode(word).decode() for key, word in only["data"].items()}
    assert words == {"url": "redis://feed-redis:6379/0", "password": ""}


def test_nothing_among_the_manifests_looks_like_a_secret() -> None:
    looks = re.compile(r"BEGIN [A-Z ]*PRIVATE KEY|rediss?(\+\w+)?://[^\s/]*:[^\s/@]+@|\bf[ks]_[A-Za-z0-9]{16}")
    for path in K8S.rglob("*"):
        assert not path.is_file() or path.suffix == ".pyc" or not looks.search(path.read_text()), path


# Changes


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("base/feed.toml", "window_s = 30.0", "window_s = 31.0"),
        ("overlays/dev/kustomization.yaml", "FEED_GATEWAY__FEEDS=sim", "FEED_GATEWAY__FEEDS=sim,binance"),
    ],
)
def test_a_changed_setting_rolls_the_pods(path: str, old: str, new: str, tmp_path: Path) -> None:
    place = copied(tmp_path)
    text = (place / path).read_text()
    assert old in text
    (place / path).write_text(text.replace(old, new))
    changed = render(place / "overlays" / "dev")
    for one in pods(overlay("dev")):
        (other,) = (each for each in pods(changed) if each.name == one.name)
        assert (one.spec == other.spec) == (one.name == "feed-redis"), one.name
