"""The live page: files of `feed/web`, and what a browser may do with them."""

from collections.abc import Iterable
from http import HTTPStatus
from importlib.resources import files
from typing import Final

from aiohttp import hdrs, web

# Nothing but this gateway's own files and sockets, no inline script, no text ever parsed as HTML. `no-cache` has a
# browser ask each time, so that a page never runs modules of two versions.
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
# Of all other answers: another page can neither include one nor have it taken for something that it is not.
OTHERS: Final = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}


def add_page(app: web.Application, feeds: Iterable[str]) -> None:
    """Adds `/` and `/web/NAME`, and headers to every answer. The page learns the feeds from a token in its HTML."""
    folder = files("feed").joinpath("web")
    page = folder.joinpath("index.html").read_text().replace("{{feeds}}", ",".join(feeds))

    async def index(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html")

    async def guard(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.pop(hdrs.SERVER, None)  # versions of what we run on are nobody's business
        if response.status != HTTPStatus.SWITCHING_PROTOCOLS:  # whose headers would stay in memory
            response.headers.update(HEADERS if request.match_info.route.resource in resources else OTHERS)

    (root,) = app.add_routes([web.get("/", index)])
    resources = (root.resource, app.router.add_static("/web", str(folder)))
    app.on_response_prepare.append(guard)
