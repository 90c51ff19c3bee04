"""What a stranger sent, as it may stand in a log."""

from feed.gateway.strangers import MAX_SHOWN, shown


def test_it_is_short_and_on_one_line() -> None:
    assert shown("fk_abc") == "fk_abc"
    assert shown("a\nb\x1b[31m\u202ec") == "a?b?[31m?c"
    assert len(shown("x" * 10_000)) == MAX_SHOWN + 3
