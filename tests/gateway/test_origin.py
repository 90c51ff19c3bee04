"""Which pages may connect."""

import pytest

from feed.gateway import origin


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Host": "feed.example:8080"}, True),
        ({}, True),
        ({"Host": "feed.example:8080", "Origin": "http://feed.example:8080"}, True),
        ({"Host": "Feed.Example", "Origin": "https://feed.EXAMPLE"}, True),
        ({"Host": "[::1]:8080", "Origin": "http://[::1]:8080"}, True),
        ({"Host": "feed.example:8080", "Origin": "http://feed.example"}, False),
        ({"Host": "feed.example", "Origin": "https://evil.example"}, False),
        ({"Host": "feed.example", "Origin": "https://feed.example.evil.example"}, False),
        ({"Host": "feed.example", "Origin": "https://evil.example/feed.example"}, False),
        ({"Host": "feed.example", "Origin": "https://evil@feed.example"}, False),
        ({"Host": "feed.example", "Origin": "null"}, False),
        ({"Origin": "null"}, False),
        ({"Host": "", "Origin": ""}, False),
        ({"Host": "feed.example", "Origin": "http://[feed.example"}, False),
    ],
)
def test_only_pages_of_this_gateway_and_programs(headers: dict[str, str], allowed: bool) -> None:
    assert origin.allowed(headers) is allowed
