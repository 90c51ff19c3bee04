"""The page's files come with what a browser may do with them."""

import aiohttp
import pytest

from tests.gateway.gateway_stage import play, serving


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html"),
        ("/web/main.js", "application/javascript"),
        ("/web/style.css", "text/css"),
        ("/web/icon.svg", "image/svg+xml"),
    ],
)
def test_files_are_served_under_a_strict_policy(redis_url: str, path: str, kind: str) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url) as stage,
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{stage.gateway.port}{path}") as answer,
        ):
            assert (answer.status, answer.content_type) == (200, kind)
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-cache"
            assert path != "/" or "{{" not in await answer.text()

    play(scene)


@pytest.mark.parametrize("path", ["/web/", "/web/../server.py", "/web/%2e%2e/server.py", "/web/nothing.js"])
def test_nothing_else_is_served(redis_url: str, path: str) -> None:
    async def scene() -> None:
        async with (
            serving(redis_url) as stage,
            aiohttp.ClientSession() as http,
            http.get(f"http://127.0.0.1:{stage.gateway.port}{path}") as answer,
        ):
            assert answer.status in (403, 404)

    play(scene)


def test_other_answers_are_taken_for_nothing_else_and_included_nowhere(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, aiohttp.ClientSession() as http:
            for path in ("/v2/sim/symbols", "/v2/nope/symbols", "/v2/sim"):
                async with http.get(f"http://{stage.address}{path}") as answer:
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
                    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"

    play(scene)


def test_no_answer_names_the_versions_that_it_runs_on(redis_url: str) -> None:
    async def scene() -> None:
        async with serving(redis_url) as stage, aiohttp.ClientSession() as http:
            base = f"http://127.0.0.1:{stage.gateway.port}"
            for path in ("/", "/v2/sim/symbols", "/v2/nothing", "/nothing"):
                async with http.get(base + path) as answer:
                    assert "Server" not in answer.headers
            async with http.ws_connect(f"{base}/v2/sim") as socket:
                assert "Server" not in socket._response.headers

    play(scene)
