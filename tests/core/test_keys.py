"""Keys: their secrets, their ends, their rotation, and the JSON in which they are kept."""

import hmac

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed.access.principal import Why
from feed.core import keys
from feed.core.grant import grant
from feed.core.keys import Fault, Kept, KeyRecord, check, digest, find, from_json, proof, rotated, standing, to_json

NOW = 1_800_000_000.0
DAY_S = 86_400.0
SECRET, FORMER, OTHER = "fs_now", "fs_before", "fs_wrong"
ID = "fk_aaaabbbbccccdddd"


def key(
    *secrets: tuple[str, float | None], expires: float | None = None, revoked: float | None = None, name: str = "desk7"
) -> KeyRecord:
    kept = tuple(Kept(digest(secret), until) for secret, until in secrets or ((SECRET, None),))
    return KeyRecord(ID, name, grant(feeds=["sim"]), kept, NOW - DAY_S, expires, revoked)


def test_ids_and_secrets_have_their_form() -> None:
    assert keys.new_id(bytes(range(10))) == "fk_aaaqeayeaudaocaj"
    assert keys.ID.fullmatch(keys.new_id(b"\xff" * keys.ID_BYTES))
    secret = keys.new_secret(b"\xff" * keys.SECRET_BYTES)
    assert secret == "fs_" + "_" * 42 + "8"
    assert not keys.ID.fullmatch(secret)


@given(st.text())
def test_any_text_has_a_digest(secret: str) -> None:
    assert keys.DIGEST.fullmatch(digest(secret))
    assert proof(digest(secret)) == digest(secret)[:16]


def test_a_lone_surrogate_of_json_has_a_digest_too() -> None:
    assert check(key(), "\ud800", NOW) is Fault.BAD_SECRET


OVERLAP = ((SECRET, None), (FORMER, NOW + 60))


@pytest.mark.parametrize(
    ("record", "secret", "expected"),
    [
        (None, SECRET, Fault.NO_KEY),
        (key(), SECRET, None),
        (key(), OTHER, Fault.BAD_SECRET),
        (key(), "", Fault.BAD_SECRET),
        (key(), digest(SECRET), Fault.BAD_SECRET),  # who reads the store gets in nowhere
        (key(expires=NOW + 1), SECRET, None),
        (key(expires=NOW), SECRET, Fault.EXPIRED),
        (key(revoked=NOW - 5), SECRET, Fault.REVOKED),
        (key(revoked=NOW + 5), SECRET, Fault.REVOKED),  # by somebody whose clock is ahead
        (key(revoked=NOW - 5, expires=NOW - 9), SECRET, Fault.REVOKED),
        (key(revoked=NOW - 5), OTHER, Fault.BAD_SECRET),  # who knows no secret did not use the key
        (key(*OVERLAP), SECRET, None),
        (key(*OVERLAP), FORMER, None),
        (key((SECRET, None), (FORMER, NOW)), FORMER, Fault.EXPIRED),
        (key((SECRET, None), (FORMER, NOW)), SECRET, None),
        (key(*OVERLAP, revoked=NOW), FORMER, Fault.REVOKED),
    ],
)
def test_a_secret_opens_its_key_while_both_are_good(
    record: KeyRecord | None, secret: str, expected: Fault | None
) -> None:
    assert check(record, secret, NOW) is expected
    # whom it lets in may stay, and whom it lets in no more may not
    if expected is not Fault.BAD_SECRET:
        assert standing(record, proof(digest(secret)), NOW) is expected


def test_a_secret_that_a_rotation_dropped_ends_its_connections() -> None:
    assert standing(key(), proof(digest(FORMER)), NOW) is Fault.EXPIRED


@pytest.mark.parametrize("record", [None, key(), key(*OVERLAP), key(revoked=NOW)])
@pytest.mark.parametrize("secret", [SECRET, FORMER, OTHER])
def test_every_answer_costs_the_same_comparisons(
    monkeypatch: pytest.MonkeyPatch, record: KeyRecord | None, secret: str
) -> None:
    compared: list[tuple[str, str]] = []

    def compare(a: str, b: str) -> bool:
        compared.append((a, b))
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compare)
    check(record, secret, NOW)
    assert len(compared) == keys.MAX_SECRETS
    assert {len(text) for pair in compared for text in pair} == {64}


def test_faults_are_reasons_of_a_refusal() -> None:
    assert [Why(fault).value for fault in Fault] == [fault.value for fault in Fault]


def test_rotation_keeps_the_former_secret_for_the_overlap() -> None:
    record = rotated(key(), digest("fs_new"), 60.0, NOW)
    assert [(kept.digest, kept.until) for kept in record.secrets] == [
        (digest("fs_new"), None),
        (digest(SECRET), NOW + 60),
    ]
    assert [check(record, SECRET, at) for at in (NOW, NOW + 59, NOW + 60)] == [None, None, Fault.EXPIRED]


def test_rotation_without_overlap_ends_all_former_secrets() -> None:
    record = rotated(key(*OVERLAP), digest("fs_new"), 0.0, NOW)
    assert record.secrets == (Kept(digest("fs_new")),)


def test_a_rotation_lengthens_no_former_overlap() -> None:
    record = rotated(key(*OVERLAP), digest("fs_new"), DAY_S, NOW)
    assert [kept.until for kept in record.secrets] == [None, NOW + DAY_S, NOW + 60]


def test_rotations_are_bounded() -> None:
    record = key()
    for at in range(keys.MAX_SECRETS - 1):
        record = rotated(record, digest(f"fs_{at}"), DAY_S, NOW + at)
    with pytest.raises(ValueError, match=f"has {keys.MAX_SECRETS} secrets in force: rotate it with a shorter overlap"):
        rotated(record, digest("fs_more"), DAY_S, NOW + 9)
    assert len(rotated(record, digest("fs_more"), 0.0, NOW + 9).secrets) == 1
    assert len(rotated(record, digest("fs_more"), DAY_S, NOW + 2 * DAY_S).secrets) == 2


@pytest.mark.parametrize(
    ("record", "words"), [(key(revoked=NOW), f"{ID} is revoked"), (key(expires=NOW), f"{ID} is expired")]
)
def test_what_has_ended_is_not_rotated(record: KeyRecord, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rotated(record, digest("fs_new"), 0.0, NOW)


def test_a_name_is_that_of_the_key_in_force_and_an_id_is_for_ever() -> None:
    old = key(revoked=NOW)._replace(id="fk_" + "2" * 16)
    older = key(expires=NOW, name="desk7")._replace(id="fk_" + "3" * 16, created=1.0)
    now = key()._replace(created=0.0)
    assert find([old, now, older], "desk7", NOW) == now
    assert find([older, old], "desk7", NOW) == old
    assert find([old, now], old.id, NOW) == old
    assert find([old, now], "desk8", NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("10s", 10), ("30m", 1_800), ("24h", 86_400), ("90d", 90 * 86_400), ("2w", 14 * 86_400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert keys.duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1.5h", "1y", " 1d", "1d ", "1d\n", "²d", "9999999d", "1D"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        keys.duration_s(text)


times = st.floats(0, 4e9)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
records = st.builds(
    KeyRecord,
    id=st.binary(min_size=10, max_size=10).map(keys.new_id),
    name=st.from_regex(keys.NAME, fullmatch=True),
    grant=st.builds(
        grant,
        feeds=st.none() | st.lists(st.sampled_from(["sim", "binance"])),
        kinds=st.none() | st.lists(st.sampled_from(["trades", "bars"])),
        symbols=st.none() | st.lists(st.text("AB/*", min_size=1, max_size=5)),
        max_rate=st.floats(0, 1_000),
        max_connections=st.none() | st.integers(1, 9),
        max_symbols=st.none() | st.integers(1, 9),
        operator=st.booleans(),
    ),
    secrets=st.lists(st.builds(Kept, digests, st.none() | times), min_size=1, max_size=keys.MAX_SECRETS).map(tuple),
    created=times,
    expires=st.none() | times,
    revoked=st.none() | times,
)


@given(records)
def test_what_is_written_is_read(record: KeyRecord) -> None:
    assert from_json(record.id, to_json(record)) == record


def test_only_an_operator_s_key_says_so_in_its_json() -> None:
    # versions that know no operators read all others, and refuse these as they refuse all that they don't know
    plain, operator = key(), key()._replace(grant=grant(feeds=["sim"], operator=True))
    assert orjson.loads(to_json(plain)).keys() == keys.FIELDS
    assert orjson.loads(to_json(operator)).keys() == keys.FIELDS | {"operator"}
    assert not from_json(ID, to_json(plain)).grant.operator
    assert from_json(ID, to_json(operator)).grant.operator


@given(
    st.binary() | st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(), st.lists).map(orjson.dumps)
)
def test_anything_else_is_one_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=f"unreadable key '{ID}'"):
        from_json(ID, data)


FINITE = st.floats(allow_nan=False, allow_infinity=False)  # JSON has no others
ANYTHING = st.none() | st.booleans() | FINITE | st.text(max_size=5) | st.lists(st.integers(0, 9))


@given(st.sampled_from(sorted(keys.FIELDS)), ANYTHING)
def test_a_field_of_another_kind_is_read_as_it_was_written_or_not_at_all(field: str, value: object) -> None:
    fields = orjson.loads(to_json(key())) | {field: value}
    try:
        record = from_json(ID, orjson.dumps(fields))
    except ValueError:
        return
    written = orjson.loads(to_json(record))[field]
    assert written == (sorted(set(value)) if isinstance(value, list) else value)  # type: ignore[type-var]
    assert not isinstance(value, bool)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"v": 2}, "of a version that is not known here"),
        ({"weekdays": ["mon"]}, "its fields are not those of a key"),  # it may be a restriction
        ({"operator": None}, "operator: not true or false"),
        ({"operator": 1}, "operator: not true or false"),
        ({"symbols": None}, "symbols: not a list"),
        ({"secrets": []}, "secrets: not a list of 1 to 4"),
        ({"secrets": [{"digest": "0" * 64, "until": None}] * 5}, "secrets: not a list of 1 to 4"),
        ({"secrets": [{"digest": "0" * 63, "until": None}]}, "digest: not of the form"),
        ({"secrets": [{"digest": "0" * 64}]}, "secrets: not each a digest and its end"),
        ({"name": "fk_x"}, "name: not of the form"),
        ({"max_connections": True}, "max_connections: not a whole number"),
        ({"max_connections": 0}, "max_connections: 0 is not at least 1"),
        ({"expires": "tomorrow"}, "expires: not a number"),
        ({"kinds": ["trade"]}, "kinds: 'trade'"),
    ],
)
def test_a_key_that_is_not_understood_is_not_read(change: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match="unreadable key") as refused:
        from_json(ID, orjson.dumps(orjson.loads(to_json(key())) | change))
    assert words in str(refused.value)


def test_a_key_under_a_made_up_id_is_not_read() -> None:
    with pytest.raises(ValueError, match="unreadable key 'desk7'"):
        from_json("desk7", to_json(key()))


def test_no_secret_stands_in_what_is_kept() -> None:
    assert SECRET not in to_json(key()).decode() + repr(key())
