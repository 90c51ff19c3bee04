"""What a scrape would bring at this moment, and by how much it rose."""

from collections.abc import Mapping

from prometheus_client import REGISTRY


def shown(name: str, **labels: str) -> float | None:
    """A sample; None where there is none."""
    return REGISTRY.get_sample_value(name, labels)


class Rise:
    """How much samples have risen since this was made; one that was not there began at 0."""

    def __init__(self) -> None:
        self._before = _samples()

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return _samples().get(key, 0.0) - self._before.get(key, 0.0)


def _samples() -> Mapping[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
    }
