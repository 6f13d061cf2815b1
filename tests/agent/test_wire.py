"""The language of desk and hub: golden messages, round trips, and decoders that any bytes may reach."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from tests.wire_values import BODIES, GOLDEN, JPEG, KEY, PUBLIC_KEY, UNIT, Golden, sealed

FOLDER = Path(__file__).parents[1] / "wire" / "v1"
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**53 + 1,
    2**80,
    -(2**80),
    1.5,
    1e308,
    "",
    "x" * 3000,
    "\0",
    [],
    [[]],
    {},
    {"a": 1},
)
each_golden = pytest.mark.parametrize("golden", GOLDEN, ids=[golden.file for golden in GOLDEN])


def decode(golden: Golden, data: bytes) -> Any:
    return (wire.decode_up if golden.direction == "up" else wire.decode_down)(golden.kind, data)


def is_value_or_refused(golden: Golden, data: bytes) -> bool:
    """True when the decoder gave a value of the right type; False when it raised BadMessage; all else escapes."""
    try:
        value = decode(golden, data)
    except wire.BadMessage as error:
        why = str(error)
    else:
        why = ""
    if why:
        assert len(why) < 400
        return False
    assert type(value) is type(golden.value)
    return True


def meaning(value: Any) -> Any:
    """What a message says. A record sealed today spells out the fields that came later, so its texts, and with them
    hash and signature, are others than those of the file; what it means is not."""
    if not isinstance(value, wire.Record):
        return value
    return value.body, msgspec.structs.replace(value.header, body_sha256="")


def raw(golden: Golden) -> bytes:
    return (FOLDER / golden.file).read_bytes()


# --- golden messages ------------------------------------------------------------------------------------------------


def test_every_kind_has_a_golden_message() -> None:
    """Each topic kind and each record kind is held by a file, and there is no file beside them."""
    assert {(golden.direction, golden.kind) for golden in GOLDEN} == {
        *(("up", kind) for kind in wire.UP),
        *(("down", kind) for kind in wire.DOWN),
    }
    assert set(BODIES) - {"other"} == wire.RECORD_KINDS
    assert {path.name for path in FOLDER.iterdir()} == {golden.file for golden in GOLDEN}


def test_downward_there_are_exactly_three_kinds() -> None:
    """A hub can tell a desk three things and no more."""
    assert sorted(wire.DOWN) == ["command", "plan", "receipt"]


@each_golden
def test_golden_bytes_mean_what_they_meant(golden: Golden) -> None:
    """The bytes of version 1 decode to the same value for ever, and today's encoding reads back the same."""
    assert meaning(decode(golden, raw(golden))) == meaning(golden.value)
    assert decode(golden, wire.encode(golden.value)) == golden.value


@each_golden
def test_golden_records_verify(golden: Golden) -> None:
    """Hash and signature of version 1 hold; a changed header, another key or a swapped signature do not."""
    record = decode(golden, raw(golden))
    if not isinstance(record, wire.Record):
        return
    assert wire.is_signed_by(record, PUBLIC_KEY)
    assert record.hash == wire.hash_of(record.header_text)
    changed = msgspec.structs.replace(record, header_text=record.header_text.replace('"boot":7', '"boot":8'))
    other = sealed(wire.Other(kind="x"), seq=99)
    swapped = msgspec.structs.replace(record, signature=other.signature)
    for wrong, key in ((changed, PUBLIC_KEY), (swapped, PUBLIC_KEY), (record, "00" * 32), (record, "not a key")):
        assert not wire.is_signed_by(wrong, key)


def test_golden_head_verifies() -> None:
    """A signed head holds for its own numbers and hash only, and no record's signature can pose as a head's."""
    head = wire.sign_head(7, 5, "ef" * 32, KEY.sign)
    assert wire.is_head_signed_by(head, PUBLIC_KEY)
    for change in ({"boot": 8}, {"seq": 4}, {"hash": "ee" * 32}, {"signature": sealed(BODIES["gap"]).signature}):
        assert not wire.is_head_signed_by(msgspec.structs.replace(head, **change), PUBLIC_KEY)


# --- torture --------------------------------------------------------------------------------------------------------


@each_golden
def test_cut_at_every_byte_is_refused(golden: Golden) -> None:
    """No beginning of a message is a message."""
    data = raw(golden)
    for length in range(len(data)):
        assert not is_value_or_refused(golden, data[:length])


@each_golden
def test_tail_is_refused(golden: Golden) -> None:
    """Nothing but white space may follow a message; after a picture nothing at all."""
    for tail in (b"x", b"\0", b"{}", b",", b"\xff", raw(golden)):
        assert not is_value_or_refused(golden, raw(golden) + tail)
    assert is_value_or_refused(golden, raw(golden) + b" \n") != golden.file.endswith(".bin")


@each_golden
def test_other_kinds_decoder_never_dies_of_it(golden: Golden) -> None:
    """Any message on any topic is a value or refused."""
    for other in GOLDEN:
        is_value_or_refused(other, raw(golden))


def with_more(value: Any) -> Any:
    """The value with unknown fields in each of its objects."""
    if isinstance(value, dict):
        return {"zz_new": [{"deep": None}], **{key: with_more(item) for key, item in value.items()}, "zz_too": 1.5}
    return [with_more(item) for item in value] if isinstance(value, list) else value


def resealed(golden: Golden, change: Any) -> bytes:
    """A record's bytes with `change` applied to header, body and envelope, and its hash made right again."""
    envelope = json.loads(raw(golden))
    body = json.dumps(change(json.loads(envelope["body"])))
    header = change(json.loads(envelope["header"])) | {"body_sha256": wire.sha256_hex(body.encode())}
    return json.dumps(change(envelope | {"header": json.dumps(header), "body": body})).encode()


@each_golden
def test_unknown_fields_are_ignored(golden: Golden) -> None:
    """What a later version adds harms nobody and changes nothing that is known."""
    data = raw(golden)
    if golden.kind == "record":
        found = decode(golden, resealed(golden, with_more))
        assert isinstance(golden.value, wire.Record)
        assert found.body == golden.value.body
        header = msgspec.structs.replace(found.header, body_sha256=golden.value.header.body_sha256)
        assert header == golden.value.header
    elif golden.file.endswith(".bin"):
        line, _, jpeg = data.partition(b"\n")
        assert decode(golden, json.dumps(with_more(json.loads(line))).encode() + b"\n" + jpeg) == golden.value
    else:
        assert decode(golden, json.dumps(with_more(json.loads(data))).encode()) == golden.value


def wrongs(value: Any) -> Iterator[Any]:
    """The value with each of its parts in turn missing or of a wrong type or size."""
    yield from WRONG
    if isinstance(value, dict):
        for key, item in value.items():
            yield {other: kept for other, kept in value.items() if other != key}
            for wrong in wrongs(item):
                yield value | {key: wrong}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for wrong in wrongs(item):
                yield [*value[:index], wrong, *value[index + 1 :]]


@each_golden
def test_wrong_types_everywhere(golden: Golden) -> None:
    """Every field missing, of a wrong type, too large, too long or negative: a value or refused, never a crash."""
    data = raw(golden)
    line, newline, jpeg = data.partition(b"\n") if golden.file.endswith(".bin") else (data, b"", b"")
    refused = 0
    for wrong in wrongs(json.loads(line)):
        refused += not is_value_or_refused(golden, json.dumps(wrong).encode() + newline + jpeg)
    assert refused > len(WRONG)
    if golden.kind == "record":
        envelope = json.loads(data)
        for part in ("header", "body"):
            for wrong in wrongs(json.loads(envelope[part])):
                bent = envelope | {part: json.dumps(wrong)}
                if part == "body":
                    header = json.loads(envelope["header"]) | {"body_sha256": wire.sha256_hex(bent["body"].encode())}
                    bent["header"] = json.dumps(header)
                is_value_or_refused(golden, json.dumps(bent).encode())


HOSTILE = {
    "empty": b"",
    "nul": b"\0",
    "many nuls": bytes(60_000),
    "deep lists": b"[" * 60_000,
    "deep objects": b'{"a":' * 13_000,
    "deep and closed": b'{"zz":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "not utf-8": b'{"number":"\xff\xfe\xc3\x28"}',
    "nan": b'{"number":NaN}',
    "infinity": b'{"number":1e999}',
    "huge int": b'{"number":' + b"9" * 50_000 + b"}",
    "minus zero": b'{"number":-0}',
    "lone surrogate": rb'{"header":"\ud800","body":"\udfff","signature":"' + b"0" * 128 + b'"}',
    "twice the same key": b'{"number":1,"number":"x"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "utf-16": '{"number":1}'.encode("utf-16"),
    "pickle": b"\x80\x04K*.",
    "half a picture": b'{"boot":1}\n\xff\xd8',
    "too large": b" " * (wire.MAX_MESSAGE_BYTES + 1),
}


@each_golden
@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_are_refused(golden: Golden, data: bytes) -> None:
    """Each decoder refuses what is no message, in words that are short and safe to store."""
    if golden.kind == "receipt" or (golden.kind == "plan" and data == HOSTILE["minus zero"]):
        is_value_or_refused(golden, data)  # a receipt of nothing, and plan number 0, are legal
    else:
        assert not is_value_or_refused(golden, data)


@each_golden
def test_lone_surrogates_inside_a_whole_message(golden: Golden) -> None:
    """Half a character in any text is a value or refused; no later encoding may stumble over it."""
    text = raw(golden).decode("latin-1")
    for old in ('"maths-1', '\\"maths-1', '"0.1.0', '\\"0.1.0', '\\"hall', '\\"kind\\":\\"'):
        for half in ("\\ud800", "\\\\ud800", "\\u0000"):
            is_value_or_refused(golden, text.replace(old, old + half).encode("latin-1"))


@given(st.sampled_from(GOLDEN), st.binary(max_size=300))
def test_any_bytes(golden: Golden, data: bytes) -> None:
    """Random bytes are a value or refused."""
    is_value_or_refused(golden, data)


@given(st.sampled_from(GOLDEN), st.data())
def test_changed_bytes(golden: Golden, data: st.DataObject) -> None:
    """A message with a few bytes changed, doubled or gone is a value or refused."""
    message = bytearray(raw(golden))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(message) - 1))
        message[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    is_value_or_refused(golden, bytes(message))


@given(st.text(max_size=40), st.binary(max_size=10))
def test_any_kind(kind: str, data: bytes) -> None:
    """A kind that is not of this language is refused by name."""
    for decoder, table in ((wire.decode_up, wire.UP), (wire.decode_down, wire.DOWN)):
        if kind not in table:
            with pytest.raises(wire.BadMessage):
                decoder(kind, data)


def test_changed_body_is_refused() -> None:
    """A record whose body is not the one its header is bound to is refused at the door."""
    record = sealed(BODIES["fault"])
    envelope = {"header": record.header_text, "body": sealed(BODIES["gap"]).body_text, "signature": record.signature}
    with pytest.raises(wire.BadMessage, match="hash"):
        wire.decode_up("record", msgspec.json.encode(envelope))


def test_header_and_body_must_agree_on_the_kind() -> None:
    """A known body under another kind's header is refused, even with the right hash."""
    record = sealed(wire.Other(kind="gap"))
    with pytest.raises(wire.BadMessage):
        wire.decode_up("record", wire.encode(record))


def test_too_large_is_refused_on_both_sides() -> None:
    """Neither side sends nor reads more than the limit, which the broker knows too."""
    jpeg = b"\xff\xd8" + bytes(wire.MAX_MESSAGE_BYTES)
    still = wire.Still(wire.StillNote(boot=1, at=wire.Instant(0, 0), sha256=wire.sha256_hex(jpeg)), jpeg)
    with pytest.raises(wire.BadMessage, match="the limit is"):
        wire.encode(still)
    with pytest.raises(wire.BadMessage, match="the limit is"):
        wire.decode_up("still", msgspec.json.encode(still.note) + b"\n" + jpeg)


# --- round trips ----------------------------------------------------------------------------------------------------

counts = st.integers(0, 2**53)
instants = st.builds(wire.Instant, counts, counts)
labels = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
seconds = st.floats(0, 86_400)
hashes = st.binary(min_size=32, max_size=32).map(bytes.hex)
rules = st.builds(
    wire.Rule,
    kind=st.sampled_from(wire.AlertKind),
    raise_s=seconds,
    clear_s=seconds,
    threshold=st.floats(0, 1),
    is_on=st.booleans(),
)
bodies = st.one_of(
    st.builds(
        wire.Alert,
        alert=labels,
        alert_kind=st.sampled_from(wire.AlertKind),
        state=st.sampled_from(["raised", "updated", "cleared"]),
        sitting=labels,
        seat=labels,
        began=instants,
        raised=instants,
        cleared=st.none() | instants,
        rule=rules,
        mode=st.sampled_from(wire.Mode),
        faces=counts,
        score=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        model_sha256=st.sampled_from(["", "ab" * 32]),
        still_sha256=st.none() | hashes,
    ),
    st.builds(
        wire.Fault,
        fault=labels,
        fault_kind=st.sampled_from(wire.FaultKind),
        state=st.sampled_from(["raised", "cleared"]),
        began=instants,
        raised=instants,
        detail=labels,
    ),
    st.builds(wire.Gap, sitting=labels, began=instants, ended=instants, cause=st.sampled_from(wire.GapCause)),
    st.builds(wire.ClockStep, step_ms=st.integers(-(2**53), 2**53), is_synced=st.booleans()),
    st.builds(wire.Other, kind=labels.filter(lambda kind: kind not in wire.RECORD_KINDS)),
)
plans = st.builds(
    wire.Plan,
    number=counts,
    sittings=st.lists(
        st.builds(
            wire.PlannedSitting,
            sitting=st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True),
            exam=labels,
            room=labels,
            seat=labels,
            start_utc_ms=counts,
            end_utc_ms=counts,
            mode=st.sampled_from(wire.Mode),
            rules=st.lists(rules, max_size=4).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)
receipts = st.builds(
    wire.Receipt,
    records=st.lists(st.tuples(counts, counts), max_size=20).map(tuple),
    stills=st.lists(hashes, max_size=5).map(tuple),
)


@given(bodies, counts, st.integers(1, 2**53), instants, st.booleans(), hashes, st.booleans())
def test_records_round_trip(
    body: wire.Body, boot: int, seq: int, now: wire.Instant, is_clock_ok: bool, prev: str, is_durable: bool
) -> None:
    """What is sealed comes back equal, verifies, and knows its name."""
    record = wire.seal(
        body,
        unit=UNIT,
        boot=boot,
        seq=seq,
        now=now,
        is_clock_ok=is_clock_ok,
        prev=prev,
        sign=KEY.sign,
        is_durable=is_durable,
    )
    found = wire.decode_up("record", wire.encode(record))
    assert found == record
    assert found.key == (UNIT, boot, seq)
    assert wire.is_signed_by(found, PUBLIC_KEY)


@given(plans, receipts)
def test_plans_and_receipts_round_trip(plan: wire.Plan, receipt: wire.Receipt) -> None:
    """What the hub says arrives equal."""
    assert wire.decode_down("plan", wire.encode(plan)) == plan
    assert wire.decode_down("receipt", wire.encode(receipt)) == receipt


@given(st.binary(max_size=5000), counts, instants, st.none() | st.integers(0, 2**53))
def test_stills_round_trip(tail: bytes, boot: int, at: wire.Instant, seq: int | None) -> None:
    """A picture arrives byte for byte, whatever line breaks it holds."""
    jpeg = b"\xff\xd8" + tail
    still = wire.Still(wire.StillNote(boot=boot, at=at, sha256=wire.sha256_hex(jpeg), seq=seq), jpeg)
    assert wire.decode_up("evidence", wire.encode(still)) == still


# --- topics ---------------------------------------------------------------------------------------------------------

units = st.from_regex(r"[a-z0-9-]{1,24}\.[a-z0-9-]{1,24}", fullmatch=True)


@given(units, st.sampled_from([*wire.UP]), st.sampled_from([*wire.DOWN]))
def test_topics_round_trip(unit: str, up: str, down: str) -> None:
    """A topic names its unit, direction and kind, and parses back."""
    assert wire.parse_topic(wire.up_topic(unit, up)) == (unit, "up", up)
    assert wire.parse_topic(wire.down_topic(unit, down)) == (unit, "down", down)


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "ems/1/hall.desk-01/up",
        "ems/1/hall.desk-01/up/record/x",
        "ems/2/hall.desk-01/up/record",
        "ems/1/hall/up/record",
        "ems/1/+/up/record",
        "ems/1/#/up/record",
        "ems/1/Hall.Desk/up/record",
        "ems/1/hall.desk.x/up/record",
        "ems/1/hall.desk/sideways/record",
        "ems/1/hall.desk/up/Record",
        "$SYS/broker/uptime",
        "/ems/1/hall.desk/up/record",
        "ems/1/hall.desk/up/record\0",
        "ems/1/" + "a" * 25 + ".b/up/record",
    ],
)
def test_other_topics_are_refused(topic: str) -> None:
    """What is not a topic of this system is refused, never guessed."""
    with pytest.raises(wire.BadMessage):
        wire.parse_topic(topic)


@given(st.text(max_size=60))
def test_any_topic(topic: str) -> None:
    """Any text is a topic or refused."""
    try:
        unit, direction, kind = wire.parse_topic(topic)
    except wire.BadMessage:
        return
    assert f"ems/1/{unit}/{direction}/{kind}" == topic


def test_picture_of_the_golden_still_is_the_one_named() -> None:
    """The evidence still carries the hash that the golden alert names."""
    alert = BODIES["alert"]
    assert isinstance(alert, wire.Alert)
    assert alert.still_sha256 == wire.sha256_hex(JPEG)


@pytest.mark.parametrize("topic", ["ems/1/a.b\n/up/record", "ems/1/a.b/up/record\n", "ems/1/a.b/up/\nrecord"])
def test_a_newline_hides_nowhere_in_a_topic(topic: str) -> None:
    """Python's `$` matches before a trailing newline; a unit named with one would be another unit to the broker."""
    with pytest.raises(wire.BadMessage):
        wire.parse_topic(topic)


@pytest.mark.parametrize(
    "points",
    [
        [[0.1, 0.1], [0.2, 0.2], [0.9, 0.9]],
        [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]],
        [[0.1, 0.3], [0.9, 0.3], [0.4, 0.3], [0.1, 0.3]],
        [[0.1, 0.1], [0.2, 0.2]],
        [[0, 0], [1, 0], [1, 1.01]],
        [[0, 0], [1, 0], [-0.01, 1]],
    ],
)
def test_a_mask_that_would_hide_nothing_is_refused(points: list[list[float]]) -> None:
    """Points on one line, too few of them, or outside the picture: whoever drew it believes that it hides something."""
    golden = next(golden for golden in GOLDEN if golden.file == "down-plan-masks.json")
    plan = json.loads(raw(golden))
    plan["sittings"][0]["masks"][1]["points"] = points
    assert not is_value_or_refused(golden, json.dumps(plan).encode())


def test_a_written_rule_about_the_view_has_the_threshold_of_its_kind() -> None:
    """Half the picture is no default for a shift; one that is named holds, and other kinds keep theirs."""
    for more, expected in (("", wire.LEAST_SHIFT), ("threshold = 0.2\n", 0.2)):
        text = f'[[rules]]\nkind = "camera_moved"\nraise_s = 1\nclear_s = 1\n{more}'
        (rule,) = wire.rules_in(text.encode(), is_toml=True)
        assert rule.threshold == expected
    (covered,) = wire.rules_in(b'[{"kind": "camera_covered", "raise_s": 1, "clear_s": 1}]', is_toml=False)
    assert covered.threshold == 0.5
