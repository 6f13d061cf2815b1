"""The observation log: what is read back is what was judged, to the last digit, wherever the file was cut."""

from __future__ import annotations

import contextlib
import math
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.judge import AlertChange, Judge
from agent.core.observation import Face, Observation, Scene, Seat, quantised
from agent.core.obslog import (
    FORMAT,
    NAME,
    BadLog,
    Encoder,
    Ended,
    Entry,
    Header,
    JudgeBy,
    Missed,
    read_log,
    whole_log,
)
from agent.core.replay import judged_again, said
from agent.wire import DEFAULT_RULES, Instant, Rule
from tests.agent.observed import raw_observations, rule_sets, sittings

HEADER = Header(
    sitting="maths-1",
    software="0.1.0",
    model_sha256="ab" * 32,
    began=Instant(1_800_000_000_000, 7_000),
    unit="hall.desk-01",
    boot=7,
)


def live(observations: list[Observation], rules: tuple[Rule, ...] = DEFAULT_RULES) -> list[Entry]:
    """What a desk writes while it judges."""
    judge = Judge(rules, first_n=3)
    made: list[Entry] = [HEADER, JudgeBy(rules=rules, first_n=3)]
    for observation in observations:
        made += (observation, *judge.step(observation))
    now = Instant(1, observations[-1].up_ms if observations else 0)
    return [*made, *judge.end(now), Ended(now=now)]


def in_blocks(entries: list[Entry], size: int = 7) -> tuple[bytes, list[int]]:
    """A log with a flush after every `size` entries, and the length of the file after each of them."""
    encoder = Encoder()
    data, ends = encoder.head, []
    for at in range(0, len(entries), size):
        for entry in entries[at : at + size]:
            encoder.add(entry)
        data += encoder.block()
        ends.append(len(data))
    return data, ends


@given(raw_observations)
def test_quantising_is_done_once(observation: Observation) -> None:
    """A second time changes nothing, and the first nothing that a rule could mean: each number moves by less than a
    step of its grid."""
    once = quantised(observation)
    assert quantised(once) == once
    assert (once.up_ms, once.utc_ms) == (observation.up_ms, observation.utc_ms)
    assert abs(once.doubt - observation.doubt) <= 0.0005
    for new, old in zip(once.faces, observation.faces, strict=True):
        assert abs(new.score - old.score) <= 0.0005
        assert all(abs(a - b) <= 1 / 8192 for a, b in zip(new.box, old.box, strict=True))


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(wrong: float) -> None:
    """A model that answers with nonsense is trouble to be told, not an entry."""
    with pytest.raises((ValueError, OverflowError)):
        quantised(Observation(1, 2, (Face((0, 0, 1, 1), wrong),), Scene(1, 2, False)))


@given(st.lists(raw_observations.map(quantised), max_size=20), rule_sets)
def test_what_is_read_is_what_was_written(observations: list[Observation], rules: tuple[Rule, ...]) -> None:
    """Every entry, every field, in any order of times."""
    entries = [*live(observations, rules), Missed(observations=12)]
    log = read_log(whole_log(entries))
    assert list(log.entries) == entries
    assert (log.header, log.problem) == (HEADER, "")
    data, _ = in_blocks(entries)
    assert list(read_log(data).entries) == entries


def test_no_field_of_an_observation_is_forgotten() -> None:
    """Whoever adds a field to what is judged adds it to the log, or a replay would judge something else."""
    assert Observation.__struct_fields__ == ("up_ms", "utc_ms", "faces", "scene", "vision_ms", "seat", "doubt")
    assert Face.__struct_fields__ == ("box", "score")
    assert Scene.__struct_fields__ == ("brightness", "detail", "is_covered", "is_low_light", "is_frozen", "shift")
    assert Seat.__struct_fields__ == ("person", "pose", "change")


@settings(max_examples=60, deadline=None)
@given(sittings(), rule_sets)
def test_judging_the_log_says_what_was_said(observations: list[Observation], rules: tuple[Rule, ...]) -> None:
    """By the same rules a replay raises, updates and clears the very same alerts: numbers, times, scores and all."""
    log = read_log(in_blocks(live(observations, rules))[0])
    assert judged_again(log.entries) == said(log.entries)


@settings(max_examples=60, deadline=None)
@given(sittings(), rule_sets, rule_sets)
def test_other_rules_say_what_they_would_have_said(
    observations: list[Observation], rules: tuple[Rule, ...], others: tuple[Rule, ...]
) -> None:
    """A log judged by other rules is the same as if the sitting had been judged by them."""
    log = read_log(whole_log(live(observations, rules)))
    assert judged_again(log.entries, others) == said(live(observations, others))


@settings(max_examples=30, deadline=None)
@given(sittings())
def test_cut_anywhere_it_is_read_up_to_the_last_flush(observations: list[Observation]) -> None:
    """At each byte: either nothing can be read and one line says so, or exactly the whole blocks are."""
    entries = live(observations)[:60]
    data, ends = in_blocks(entries)
    for length in range(len(data)):
        whole = sum(end <= length for end in ends)
        if whole == 0:
            with pytest.raises(BadLog):
                read_log(data[:length])
            continue
        log = read_log(data[:length])
        assert list(log.entries) == entries[: whole * 7]
        assert bool(log.problem) is (length not in ends)
        assert not log.problem or ("cut off after" in log.problem and "\n" not in log.problem)


def a_log() -> tuple[bytes, list[int], list[Entry]]:
    looks = [quantised(Observation(200 * n, 200 * n, (), Scene(100, 30, False))) for n in range(1, 100)]
    entries = live(looks)
    return (*in_blocks(entries), entries)


def test_damage_is_told_and_what_came_before_is_read() -> None:
    """One flipped bit anywhere: never another observation than the ones written, never a traceback."""
    data, ends, entries = a_log()
    for at in range(len(Encoder.head), len(data)):
        bad = bytearray(data)
        bad[at] ^= 1 << at % 8
        before = sum(end <= at for end in ends) * 7
        if before == 0:
            with pytest.raises(BadLog):
                read_log(bytes(bad))
            continue
        log = read_log(bytes(bad))
        assert list(log.entries) == entries[:before]
        assert log.problem
        assert "\n" not in log.problem


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_line(data: bytes) -> None:
    """A film, a picture, nothing at all."""
    for wrong in (data, Encoder.head + data):
        with pytest.raises(BadLog) as refused:
            read_log(wrong)
        assert "\n" not in str(refused.value)


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), lambda part: st.lists(part, max_size=9)))
def test_a_well_made_block_of_nonsense_is_damage(value: object) -> None:
    """The checksum is right and the content is not: a refusal at most, no traceback."""
    try:
        packed = msgspec.msgpack.encode([[1, HEADER], value])
    except (OverflowError, msgspec.MsgspecError):
        return
    deflate = zlib.compressobj(wbits=-15)
    block = deflate.compress(packed) + deflate.flush(zlib.Z_SYNC_FLUSH)
    data = Encoder.head + len(block).to_bytes(4, "big") + zlib.crc32(block).to_bytes(4, "big") + block
    with contextlib.suppress(BadLog):
        read_log(data)


def test_a_block_that_would_fill_the_memory_is_damage() -> None:
    """A few kilobytes that inflate to gigabytes are refused before they do."""
    encoder = Encoder()
    encoder.add(HEADER)
    good = encoder.head + encoder.block()
    bomb = zlib.compressobj(wbits=-15)
    block = bomb.compress(bytes(50_000_000)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    bad = good + len(block).to_bytes(4, "big") + zlib.crc32(block).to_bytes(4, "big") + block
    log = read_log(bad)
    assert log.entries == (HEADER,)
    assert "damaged" in log.problem


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (NAME + b"%d\n" % (FORMAT + 1), f"format {FORMAT + 1}"),
        (NAME + b"\n", "no observation log"),
        (NAME + b"1", "no observation log"),
        (Encoder.head, "nothing in it"),
    ],
)
def test_each_refusal_says_why(data: bytes, words: str) -> None:
    with pytest.raises(BadLog, match=words):
        read_log(data)


def test_an_hour_is_small() -> None:
    """Five looks a second with a face that moves, flushed every five seconds: far below 58 bytes each, 1 MB an hour."""
    looks = []
    for n in range(18_000):
        wobble = (n * 7919) % 101 / 4096
        face = Face((0.4 + wobble, 0.3 - wobble, 0.2 + wobble / 2, 0.3 + wobble / 3), 0.8 + (n * 31) % 190 / 1000)
        scene = Scene(100 + n * 17 % 90 / 10, 40 + n * 13 % 70 / 10, is_covered=False)
        looks.append(quantised(Observation(200 * n + n % 3, 200 * n, (face,), scene, 9 + n * 11 % 40 / 10)))
    data, _ = in_blocks([HEADER, *looks], 25)
    assert len(data) < 0.5e6


def test_a_change_of_rules_on_the_way() -> None:
    """The judge is ended and begun anew, as it was; other rules run through."""
    strict = (msgspec.structs.replace(DEFAULT_RULES[0], raise_s=1),)
    nobody = Seat(person=0.0, pose=0.1, change=0.0)
    looks = [quantised(Observation(200 * n, 200 * n, (), Scene(100, 30, False), seat=nobody)) for n in range(1, 120)]
    first, second = Judge(DEFAULT_RULES), Judge(strict, first_n=2)
    entries: list[Entry] = [HEADER, JudgeBy(rules=DEFAULT_RULES, first_n=1)]
    for look in looks[:60]:
        entries += (look, *first.step(look))
    middle, end = Instant(12_001, 12_001), Instant(30_000, 30_000)
    entries += (*first.end(middle), Ended(now=middle), JudgeBy(rules=strict, first_n=2))
    for look in looks[60:]:
        entries += (look, *second.step(look))
    entries += (*second.end(end), Ended(now=end))
    log = read_log(whole_log(entries))
    assert judged_again(log.entries) == said(entries)
    assert len({change.n for change in said(entries)}) == 2
    once = judged_again(log.entries, strict)
    assert {change.n for change in once} == {1}
    changes: list[AlertChange] = [change for change in once if change.cleared is not None]
    assert [change.cleared for change in changes] == [end]
