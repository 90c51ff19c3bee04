"""What a process of the service tells at its admin port, and by how much it rose."""

import asyncio
import urllib.request
from collections.abc import Callable, Mapping

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.service import Service

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


class Scraped:
    """One process' metrics. Each question scrapes anew."""

    def __init__(self, service: Service) -> None:
        self._url = f"{service.url('http', 'admin')}/metrics"

    def all(self) -> Samples:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            text = answer.read().decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """A sample; None where there is none."""
        return self.all().get((name, frozenset(labels.items())))

    def sum(self, name: str, **labels: str) -> float:
        """All samples of a name that have these labels, whatever their others are."""
        wanted = labels.items()
        return sum(value for (found, has), value in self.all().items() if found == name and wanted <= has)

    async def until(self, is_so: Callable[["Scraped"], object], what: str, timeout_s: float = 20.0) -> None:
        """Waits for what scrapes say."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await asyncio.to_thread(is_so, self):  # noqa: ASYNC110 - a scrape tells when asked
                    await asyncio.sleep(0.1)
        except TimeoutError:
            found = {
                key: value for key, value in self.all().items() if "_bucket" not in key[0] and "_created" not in key[0]
            }
            told = "\n".join(
                f"  {name}{dict(labels)} {value:g}" for (name, labels), value in sorted(found.items(), key=str)
            )
            raise AssertionError(f"never: {what}\n{told}") from None
