"""Whether objects are as the newest versions of Kubernetes, and the shapes of custom resources, want them."""

import functools
import json
from collections.abc import Iterable
from typing import Final

import kubernetes_validate

from tests.deploy.manifests import Object
from tests.deploy.schemas import SHAPES, is_custom

RELEASES: Final = {tuple(map(int, version.split(".")[:2])) for version in kubernetes_validate.utils.all_versions()}
VERSIONS: Final = [f"{major}.{minor}" for major, minor in sorted(RELEASES, reverse=True)[:3]]


def validate(objects: Iterable[Object], version: str) -> None:
    for each in objects:
        if is_custom(each):
            SHAPES[each["kind"]].model_validate(each)
        else:
            validated(json.dumps(each), version)


@functools.cache
def validated(text: str, version: str) -> None:
    """Once for each object: overlays share most of theirs, and a version's schemas take a tenth of a second to read."""
    assert kubernetes_validate.validate(json.loads(text), version, strict=True) == version
