"""After whatever ended the last run: records and files are brought together, and nothing keeps a desk from starting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.segments import CUT, SegmentName
from agent.records import Records
from agent.recovery import make_whole
from agent.wire import Alert, Body, Fault, FaultKind, Instant, SegmentClosed
from tests.contract.desk_side import SMALL_STILL, alert

NOW = Instant(1_800_000_100_000, 100_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "segments"
    made.mkdir()
    return made


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with Records(tmp_path, "hall.desk-01") as made:
        yield made


def segment(folder: Path, ordinal: int, suffix: str = ".ts") -> str:
    """A closed file of the recording; what is in it does not matter here."""
    name = SegmentName(1, ordinal, 1000 * ordinal, 1_800_000_000_000, "maths-1").text(suffix)
    (folder / name).write_bytes(b"\x47" + bytes(187))
    return name


def told(folder: Path, records: Records) -> list[Body]:
    """What a start puts, put for good."""
    bodies: list[Body] = []

    def put(body: Body, now: Instant) -> None:
        bodies.append(body)
        records.append(body, now, True)

    make_whole(folder, records, put, NOW)
    return bodies


def names(bodies: list[Body]) -> list[str]:
    return [body.name for body in bodies if isinstance(body, SegmentClosed)]


def test_files_without_a_record_are_told_once_and_in_order(folder: Path, records: Records) -> None:
    """Closed between the rename and the record: the next start tells them, the one after that does not."""
    made = [segment(folder, 2), segment(folder, 1), segment(folder, 3, CUT)]
    assert names(told(folder, records)) == [made[1], made[0], made[2]]
    assert told(folder, records) == []
    assert [row.closed.name for row in records.segments()] == [made[1], made[0], made[2]]


def test_a_file_that_cannot_be_read_stops_nobody(
    folder: Path, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    """A rotten place of the card costs its own file; the others are told, the start goes on."""
    good = segment(folder, 1)
    (folder / SegmentName(1, 2, 2000, 1_800_000_000_000, "maths-1").text()).mkdir()
    assert names(told(folder, records)) == [good]
    assert "cannot be read" in caplog.text


def test_a_folder_that_is_gone_stops_nobody(tmp_path: Path, records: Records) -> None:
    """No segments are told, what stood is still cleared."""
    records.append(alert(SMALL_STILL), NOW, True)
    assert [type(body) for body in told(tmp_path / "gone", records)] == [Alert]


def test_a_file_of_nothing_is_kept_aside(folder: Path, records: Records) -> None:
    """An open segment without one picture is no recording, and is not thrown away either."""
    name = SegmentName(1, 1, 1000, 1_800_000_000_000, "maths-1").text(".ts.part")
    (folder / name).write_bytes(b"")
    assert told(folder, records) == []
    assert [path.name for path in folder.iterdir()] == [f"{name}.aside"]


def test_what_the_last_run_left_standing_is_cleared(folder: Path, records: Records) -> None:
    """Alerts and faults of a killed run do not stand for ever; each is ended once."""
    standing = alert(SMALL_STILL)
    fault = Fault(fault="1-1", fault_kind=FaultKind.TOO_HOT, state="raised", began=Instant(1, 1), raised=Instant(2, 2))
    records.append(standing, NOW, True)
    records.append(fault, NOW, True)
    over = told(folder, records)
    assert [(type(body), getattr(body, "state", "")) for body in over] == [(Alert, "cleared"), (Fault, "cleared")]
    assert all(isinstance(body, Alert | Fault) and body.cleared == NOW for body in over)
    assert told(folder, records) == []


def test_a_card_in_trouble_tells_no_segment_twice(folder: Path, records: Records) -> None:
    """While the list cannot be trusted to be readable nothing is told from it; the next good start does."""
    name = segment(folder, 1)
    records.trouble = "the card cannot be written"
    assert told(folder, records) == []
    records.trouble = None
    assert names(told(folder, records)) == [name]
