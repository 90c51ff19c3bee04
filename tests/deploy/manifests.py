"""What `kubectl kustomize` makes of an overlay, object by object, and what Kubernetes would make of that."""

import base64
import functools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
K8S: Final = ROOT / "deploy" / "k8s"
OVERLAYS: Final = sorted(path.name for path in (K8S / "overlays").iterdir())
COMPONENTS: Final = sorted(path.name for path in (K8S / "components").iterdir())
# Those that differ from one's own cluster: with keys, Secrets of somebody else's, and more than one of each.
SERIOUS: Final = [name for name in OVERLAYS if name != "dev"]
# What a Secret that others make has.
MADE_ELSEWHERE: Final = {"url": "redis+sentinel://s1,s2/feed", "password": "word"}
FIELDS: Final = {"metadata.name": "{name}", "metadata.labels['apps.kubernetes.io/pod-index']": "{ordinal}"}

# kustomize 5 is in kubectl from here on.
FIRST_MINOR: Final = 27

Object = dict[str, Any]


@functools.cache
def renderer() -> tuple[list[str], str]:
    """The command that renders a kustomization, or why there is none."""
    if kustomize := shutil.which("kustomize"):
        return [kustomize, "build"], ""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return [], "no kubectl and no kustomize on the PATH, which render the overlays"
    told = subprocess.run([kubectl, "version", "--client", "-o", "json"], capture_output=True, check=True, timeout=50)
    minor = int(re.findall(r"\d+", json.loads(told.stdout)["clientVersion"]["minor"])[0])
    # Debian 12's is 1.20, whose kustomize knows neither components nor labels
    old = f"kubectl 1.{minor} is too old to render the overlays" if minor < FIRST_MINOR else ""
    return [kubectl, "kustomize"], old


def render(folder: Path) -> list[Object]:
    """The objects of a kustomization. Skips the test where nothing can render it; fails where that refuses."""
    command, lacking = renderer()
    if lacking:
        pytest.skip(lacking)
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stderr
    # what is deprecated says so there
    assert not done.stderr, done.stderr
    return [each for each in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if each]


@functools.cache
def overlay(name: str) -> tuple[Object, ...]:
    """Leave them as they are: all tests of this process share them."""
    return tuple(render(K8S / "overlays" / name))


def with_components(folder: Path, *names: str, base: str = "base") -> list[Object]:
    """Of the base, or an overlay's folder such as `overlays/dev`, and these components."""
    lines = ["kind: Kustomization", "namespace: feed", "resources:", f"  - {os.path.relpath(K8S / base, folder)}"]
    lines += ["components:"] + [f"  - {os.path.relpath(K8S / 'components' / name, folder)}" for name in names]
    (folder / "kustomization.yaml").write_text("\n".join(lines) + "\n")
    return render(folder)


def copied(folder: Path) -> Path:
    """All that the overlays are made of, to be changed: where deploy/k8s is then."""
    shutil.copytree(K8S, folder / "deploy" / "k8s")
    shutil.copytree(ROOT / "grafana", folder / "grafana")
    return folder / "deploy" / "k8s"


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    return [each for each in objects if each["kind"] in kinds]


def named(objects: Iterable[Object], kind: str, name: str) -> Object:
    """The one. Fails where there is none, or two."""
    (found,) = (each for each in of_kind(objects, kind) if each["metadata"]["name"] == name)
    return found


class Pod(NamedTuple):
    """What one workload's pods are made of."""

    workload: Object
    labels: dict[str, str]
    spec: Object

    @property
    def name(self) -> str:
        return str(self.workload["metadata"]["name"])

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    def ports(self) -> dict[str, int]:
        return {port["name"]: port["containerPort"] for each in self.containers for port in each.get("ports", [])}


def pods(objects: Iterable[Object]) -> list[Pod]:
    made = of_kind(objects, "Deployment", "StatefulSet")
    templates = [(each, each["spec"]["template"]) for each in made]
    return [Pod(each, template["metadata"]["labels"], template["spec"]) for each, template in templates]


def pod(objects: Iterable[Object], name: str) -> Pod:
    (found,) = (each for each in pods(objects) if each.name == name)
    return found


def ours(objects: Iterable[Object]) -> list[Pod]:
    """Those that run feed."""
    return [each for each in pods(objects) if each.name in ("feed-gateway", "feed-ingest")]


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of Kubernetes', with matchLabels and matchExpressions, takes what has these labels."""
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In", "no other is used"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def content(objects: Iterable[Object], kind: str, name: str) -> dict[str, str]:
    """Of a ConfigMap or Secret; of a Secret that is not among the objects, a stand-in."""
    found = [each for each in of_kind(objects, kind) if each["metadata"]["name"] == name]
    if not found and kind == "Secret":
        assert name == "feed-redis", f"nobody knows of a Secret {name}"
        return dict(MADE_ELSEWHERE)
    data: dict[str, str] = found[0]["data"]
    return data if kind == "ConfigMap" else {key: base64.b64decode(word).decode() for key, word in data.items()}


def variables(objects: Iterable[Object], container: Object, ordinal: int = 0) -> dict[str, str]:
    """A container's environment, as the kubelet of a pod with that number makes it."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= content(objects, "ConfigMap", source["configMapRef"]["name"])
    for each in container["env"]:
        found[each["name"]] = each["value"] if "value" in each else _drawn(objects, each["valueFrom"], ordinal)
    return found


def _drawn(objects: Iterable[Object], source: Object, ordinal: int) -> str:
    if "secretKeyRef" in source:
        return content(objects, "Secret", source["secretKeyRef"]["name"])[source["secretKeyRef"]["key"]]
    return FIELDS[source["fieldRef"]["fieldPath"]].format(name=f"feed-ingest-{ordinal}", ordinal=ordinal)


def mounted(objects: Iterable[Object], one: Pod, container: Object, folder: Path) -> dict[str, Path]:
    """Writes what is mounted into a container below the folder: where in the container, and where here."""
    volumes = {volume["name"]: volume for volume in one.spec["volumes"]}
    places: dict[str, Path] = {}
    for mount in container["volumeMounts"]:
        here = folder / mount["mountPath"].strip("/")
        here.mkdir(parents=True, exist_ok=True)
        for name, text in _files(objects, volumes[mount["name"]]):
            (here / name).write_text(text)
        places[mount["mountPath"]] = here
    return places


def _files(objects: Iterable[Object], volume: Object) -> Iterator[tuple[str, str]]:
    if "configMap" in volume:
        yield from content(objects, "ConfigMap", volume["configMap"]["name"]).items()
    else:
        yield from content(objects, "Secret", volume["secret"]["secretName"]).items()


def environment(
    objects: Iterable[Object], one: Pod, container: Object, folder: Path, ordinal: int = 0
) -> dict[str, str]:
    """As `variables`, with the paths of what is mounted as they are here."""
    places = mounted(objects, one, container, folder)
    found = variables(objects, container, ordinal)
    for name, value in found.items():
        for there, here in places.items():
            if value.startswith(f"{there}/"):
                found[name] = str(here / value.removeprefix(f"{there}/"))
    return found
