"""The page's modules, at hand for expressions that run in the browser."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.browser.page_gateway import PageGateway

Run = Callable[..., Any]


@contextmanager
def modules(browser: Any) -> Iterator[Run]:
    """Gives a function that runs an expression in which the named modules are at hand, and returns its value."""
    with PageGateway([]).in_thread() as gateway:
        page = browser.new_page()
        page.goto(f"{gateway.url}/web/icon.svg")

        def evaluate(expression: str, *names: str) -> Any:
            imports = "".join(f"const {name} = await import('/web/{name}.js');" for name in names)
            return page.evaluate(f"async () => {{ {imports} return {expression}; }}")

        yield evaluate
        page.close()
