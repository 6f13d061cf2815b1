"""What the records say about film that is to be sent, as it is read beside the agent that writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.film_list import FilmList
from agent.records import Records
from agent.records_rows import Restored
from agent.wire import Alert, AlertKind, Instant, Receipt, Rule, SegmentClosed, Stretch

NOW = Instant(1_800_000_000_000, 50_000)


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records(tmp_path, "hall.desk-01") as opened:
        yield opened


@pytest.fixture
def found(tmp_path: Path, records: Records) -> Iterator[FilmList]:
    made = FilmList(tmp_path)
    assert made.refresh()
    yield made
    made.close()


def segment(number: int, sitting: str = "maths-1") -> SegmentClosed:
    return SegmentClosed(
        sitting=sitting,
        name=f"{number}.ts",
        began=NOW,
        ended=Instant(NOW.utc_ms + 10_000, NOW.up_ms + 10_000),
        frames=100,
        size_bytes=1_000 + number,
        sha256="ab" * 32,
    )


def alert(state: str = "raised", *, is_drill: bool = False) -> Alert:
    return Alert(
        alert="a1",
        alert_kind=AlertKind.SEAT_EMPTY,
        state=state,
        sitting="maths-1",
        seat="A1",
        began=NOW,
        raised=NOW,
        cleared=NOW if state == "cleared" else None,
        rule=Rule(kind=AlertKind.SEAT_EMPTY, raise_s=2, clear_s=1),
        is_drill=is_drill,
    )


def test_what_is_written_is_seen_at_the_next_look(records: Records, found: FilmList) -> None:
    """New segments with their sizes, receipts, and alerts from raised to cleared; a drill is none."""
    record = records.append(segment(1), NOW, True)
    records.append(alert(), NOW, True)
    assert found.refresh()
    assert [film.name for film in found.films.values()] == ["1.ts"]
    assert found.waiting_bytes == 1_001
    assert (record.header.boot, record.header.seq) in found.without_receipt
    assert found.troubles["a1"].cleared is None
    changes = found.changes
    assert found.refresh()
    assert found.changes == changes
    records.receipt(Receipt(records=((1, 1),)), NOW)
    records.append(alert("cleared"), NOW, True)
    assert found.refresh()
    assert found.without_receipt == frozenset()  # of segments: it is they that wait for it
    assert found.troubles["a1"].cleared == NOW


def test_confirmed_film_is_offered_once_more_when_it_is_waited_for(records: Records, found: FilmList) -> None:
    """The hub may have lost it. Only what lies in the stretch and is still on the card, once for the same wish."""
    for number, sitting in ((1, "maths-1"), (2, "maths-1"), (3, "art-1")):
        records.append(segment(number, sitting), NOW, True)
        records.set_segment_state(f"{number}.ts", "uploaded")
    records.set_segment_state("2.ts", "freed")
    assert found.refresh()
    wanted = (Stretch(sitting="maths-1", from_utc_ms=NOW.utc_ms, until_utc_ms=NOW.utc_ms + 1),)
    changes = found.changes
    found.offer_again(wanted)
    assert list(found.films) == ["1.ts"]
    assert found.changes > changes
    found.confirmed(found.films["1.ts"])
    found.offer_again(wanted)
    assert found.films == {}
    found.offer_again(())
    found.offer_again(wanted)
    assert list(found.films) == ["1.ts"]
    found.offer_again((Stretch(sitting="maths-1", from_utc_ms=NOW.utc_ms + 10_000),))
    assert list(found.films) == ["1.ts"]  # it waits until the hub has answered


def test_a_drill_makes_no_film_urgent(records: Records, found: FilmList) -> None:
    """It is an exercise."""
    records.append(segment(1), NOW, True)
    records.append(alert(is_drill=True), NOW, True)
    found.refresh()
    assert found.troubles == {}


def test_a_start_reads_what_is_not_confirmed(tmp_path: Path, records: Records) -> None:
    """And the alerts of its sittings, of whatever run; nothing of sittings that are all at the hub."""
    for number, sitting in ((1, "art-1"), (2, "maths-1"), (3, "maths-1")):
        records.append(segment(number, sitting), NOW, True)
    records.append(alert(), NOW, True)
    records.set_segment_state("1.ts", "uploaded")
    records.set_segment_state("2.ts", "freed")
    started = FilmList(tmp_path)
    started.refresh()
    assert list(started.films) == ["3.ts"]
    assert list(started.troubles) == ["a1"]
    started.close()


def test_what_the_hub_has_is_offered_no_more(records: Records, found: FilmList) -> None:
    """Although its row says so later, or never; when the same name is recorded anew it is another film."""
    records.append(segment(1), NOW, True)
    found.refresh()
    found.confirmed(found.films["1.ts"])
    assert found.waiting_bytes == 0
    records.append(segment(2), NOW, True)
    found.refresh()
    assert list(found.films) == ["2.ts"]
    found._looks = 0
    found.refresh()
    assert list(found.films) == ["2.ts"]
    records.append(segment(1), NOW, True)
    found.refresh()
    assert sorted(found.films) == ["1.ts", "2.ts"]


def test_records_that_come_back_from_the_hub_are_seen(tmp_path: Path, records: Records) -> None:
    """Of an older start than the newest; those that the hub has film of are not sent, and an older word about an alert
    does not undo a newer one."""
    old = [records.append(body, NOW, True) for body in (segment(1), segment(2), alert())]
    records.append(alert("cleared"), NOW, True)
    restored = [Restored(record, record.body == segment(1)) for record in old]
    rebuilt = tmp_path / "rebuilt"
    rebuilt.mkdir()
    for name in ("unit.key", "unit.boot"):
        (rebuilt / name).write_bytes((tmp_path / name).read_bytes())
    (rebuilt / "unit.boot").write_text("5\n")
    with Records(rebuilt, "hall.desk-01") as anew:
        anew.append(segment(9), NOW, True)
        anew.append(alert("cleared"), NOW, True)
        found = FilmList(rebuilt)
        found.refresh()
        assert anew.restore(restored, {"1.ts": 1_001, "2.ts": 1_002}, NOW)
        found.refresh()
        assert sorted(found.films) == ["2.ts", "9.ts"]
        assert found.troubles["a1"].cleared == NOW
        found.close()


def test_a_closed_list_leaves_the_records_to_their_writer(tmp_path: Path) -> None:
    """No journal of SQLite's stays behind a stop in order; a late look changes nothing."""
    with Records(tmp_path, "hall.desk-01") as records:
        records.append(segment(1), NOW, True)
        found = FilmList(tmp_path)
        found.refresh()
        found.close()
        assert not found.refresh()
    assert not (tmp_path / "records.db-wal").exists()


def test_records_that_cannot_be_read_leave_all_as_it_was(tmp_path: Path) -> None:
    """No database yet, or one that is none."""
    found = FilmList(tmp_path)
    assert not found.refresh()
    (tmp_path / "records.db").write_bytes(b"no database at all, but long enough to be looked at" * 40)
    assert not found.refresh()
    assert found.films == {}
    found.close()
