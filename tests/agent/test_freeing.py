"""Room on the card: files that may go are removed for good, and their rows say so whenever the power goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import freeing, host, wire
from agent.core.segments import SegmentName
from agent.core.space import Look
from agent.freeing import Freeing
from agent.records import Records
from agent.recovery import make_whole
from agent.wire import Instant, Plan, SegmentClosed, Stretch
from tests.support import wait_for

NOW = Instant(1_800_000_100_000, 100_000)
MB = 10**6
DISK_BYTES = 100 * MB


class Card:
    """A desk's storage of 100 MB whose files are each taken for ten times as many MB as they have bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.segments, self.logs = folder / "segments", folder / "observations"
        self.segments.mkdir()
        self.logs.mkdir()
        self.records = Records(folder, "hall.desk-01")
        self.running = ""

    def free_bytes(self, _folder: Path) -> int:
        files = [*self.segments.iterdir(), *self.logs.iterdir()]
        return DISK_BYTES - sum(path.stat().st_size for path in files) * MB

    def film(self, ordinal: int, state: str = "uploaded", size: int = 10, sitting: str = "maths-1") -> str:
        name = SegmentName(1, ordinal, 10_000 * ordinal, NOW.utc_ms + 10_000 * ordinal, sitting).text()
        (self.segments / name).write_bytes(bytes(size))
        began = Instant(NOW.utc_ms + 10_000 * ordinal, 10_000 * ordinal)
        body = SegmentClosed(
            sitting=sitting,
            name=name,
            began=began,
            ended=Instant(began.utc_ms + 9_000, began.up_ms + 9_000),
            frames=1,
            size_bytes=size * MB,
            sha256="0" * 64,
        )
        self.records.append(body, NOW, True)
        self.records.set_segment_state(name, state)
        return name

    def log(self, name: str, size: int = 10) -> str:
        (self.logs / name).write_bytes(bytes(size))
        return name

    def plan(self, number: int, *holds: Stretch) -> None:
        self.records.save_plan(wire.encode(Plan(number=number, holds=holds)))

    def freeing(self) -> Freeing:
        """Frees below 55 MB, up to 60."""
        return Freeing(self.segments, self.logs, self.records, lambda: self.running, low_bytes=50 * MB)

    def left(self) -> list[str]:
        return sorted(path.name for path in (*self.segments.iterdir(), *self.logs.iterdir()))

    def states(self) -> list[str]:
        return [segment.state for segment in self.records.segments()]


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    made = Card(tmp_path)
    monkeypatch.setattr(host, "free_bytes", made.free_bytes)
    monkeypatch.setattr(freeing, "RESERVE_BYTES", 1)
    with made.records:
        yield made


def test_the_oldest_confirmed_film_goes_and_its_row_says_so(card: Card) -> None:
    """As much as is needed; records are never removed, and the length of the sitting stays what was recorded."""
    names = [card.film(n) for n in range(1, 8)]
    card.plan(1)
    made = card.freeing()
    made.step()
    assert card.left() == names[3:]
    assert card.states() == ["freed"] * 3 + ["uploaded"] * 4
    assert card.records.verify() == []
    assert card.records.recorded("maths-1")[0] == 7 * 9_000
    made.step()
    assert (made.free_bytes, made.look) == (60 * MB, None)
    assert card.left() == names[3:]


def test_unconfirmed_and_held_film_stays_and_is_counted(card: Card) -> None:
    """Even when the card is full of it; the words for the fault are at hand."""
    names = [card.film(1, "kept"), card.film(2), card.film(3, "kept"), card.film(4, size=50)]
    card.plan(1, Stretch(sitting="maths-1", from_utc_ms=NOW.utc_ms + 20_000, until_utc_ms=NOW.utc_ms + 45_000))
    made = card.freeing()
    made.step()
    assert card.left() == names
    assert made.look == Look(waiting=2, held=2)


def test_what_is_freed_already_still_says_that_the_clock_was_set(card: Card) -> None:
    """The early half of a sitting was freed, its times an hour off: a hold on an hour of it still holds the rest."""
    gone = card.film(1, "freed")
    (card.segments / gone).unlink()
    with card.records._lock:
        card.records._write(lambda db: db.execute("UPDATE segments SET began_utc_ms = began_utc_ms - 3600000"))
    names = [card.film(n) for n in range(2, 9)]
    card.plan(1, Stretch(sitting="maths-1", from_utc_ms=NOW.utc_ms - 3_600_000, until_utc_ms=NOW.utc_ms - 1_800_000))
    made = card.freeing()
    made.step()
    assert card.left() == names
    assert made.look == Look(waiting=0, held=7)


@pytest.mark.parametrize("payload", [None, b'{"number":2,"sittings":[{}]}'], ids=["none", "one that is refused"])
def test_without_the_newest_plan_nothing_is_freed(card: Card, payload: bytes | None) -> None:
    """Nobody knows what it holds: a lost card, or a plan that this version cannot read."""
    names = [card.film(n) for n in range(1, 8)]
    if payload is not None:
        card.plan(1)
        with pytest.raises(wire.BadMessage):
            card.records.save_plan(payload)
    made = card.freeing()
    made.step()
    assert card.left() == names
    assert made.look == Look(waiting=0, held=0, is_plan_known=False)


def test_a_hold_that_arrives_meanwhile_is_heeded(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the choice and before the file is gone."""
    names = [card.film(n) for n in range(1, 8)]
    card.plan(1)
    unlink = Path.unlink

    def and_then_a_hold(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if path.parent == card.segments:
            card.plan(2, Stretch(sitting="maths-1"))

    monkeypatch.setattr(Path, "unlink", and_then_a_hold)
    made = card.freeing()
    made.step()
    made.step()
    assert card.left() == names[1:]
    assert made.look == Look(waiting=0, held=6)


def test_logs_go_only_when_film_is_not_enough(card: Card) -> None:
    """They are nowhere else. Never those of the running sitting or of a held one."""
    names = [card.film(1), card.film(2, "kept", size=30)]
    logs = [card.log(f"{sitting}_00000{n}.obslog") for n, sitting in enumerate(["art-1", "held-1", "maths-1"], 1)]
    card.running = "maths-1"
    card.plan(1, Stretch(sitting="held-1"))
    card.freeing().step()
    assert card.left() == sorted([names[1], *logs[1:]])


def test_film_comes_before_logs(card: Card) -> None:
    """As long as film that the hub has makes enough room, no log goes."""
    card.film(1, size=40)
    log = card.log("art-1_000001.obslog")
    card.plan(1)
    card.freeing().step()
    assert card.left() == [log]


def test_a_cut_between_file_and_row_is_found_by_the_next_look(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder could not be synced: the rows stay as they were, and the next look completes it."""
    for n in range(1, 8):
        card.film(n)
    card.plan(1)

    def fails(_folder: Path) -> None:
        raise OSError(5, "input/output error")

    made = card.freeing()
    with monkeypatch.context() as patch:
        patch.setattr(freeing, "sync_folder", fails)
        with pytest.raises(OSError, match="input/output"):
            made.step()
    assert card.states() == ["uploaded"] * 7
    states = card.records.segment_states()
    freeing.settle((path.name for path in card.segments.iterdir()), states, card.records)
    assert card.states() == ["freed"] * 3 + ["uploaded"] * 4


def test_a_start_makes_rows_and_files_agree(card: Card) -> None:
    """Gone and `uploaded` is `freed`; there and `freed` is `uploaded`, to be freed again; what the hub has not got
    stays as it is, and nothing is told twice."""
    names = [card.film(1), card.film(2, "freed"), card.film(3, "kept"), card.film(4)]
    for name in (names[0], names[2]):
        os.unlink(card.segments / name)
    told: list[object] = []
    assert make_whole(card.segments, card.records, lambda body, _now: told.append(body), NOW) == ()
    assert card.states() == ["freed", "uploaded", "kept", "uploaded"]
    assert told == []


def test_a_disk_that_was_unmounted_is_left_alone(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path shows the folder below: files that are missing there are not gone."""
    for n in range(1, 8):
        card.film(n)
    card.plan(1)
    made = card.freeing()
    monkeypatch.setattr(os.path, "ismount", lambda _path: False)
    with pytest.raises(OSError, match="nothing is mounted"):
        made.step()
    assert card.states() == ["uploaded"] * 7


def test_the_thread_outlives_a_card_that_refuses(
    card: Card, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, and frees as soon as it can."""
    names = [card.film(n) for n in range(1, 8)]
    card.plan(1)
    tries: list[Path] = []
    is_refused = True
    unlink = Path.unlink

    def refuses(path: Path, missing_ok: bool = False) -> None:
        if path.parent == card.segments and is_refused:
            tries.append(path)
            raise OSError(30, "Read-only file system")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuses)
    monkeypatch.setattr(freeing, "LOOK_EVERY_S", 0.01)
    made = card.freeing()
    made.start()
    try:
        wait_for(lambda: len(tries) > 2)
        is_refused = False
        wait_for(lambda: card.left() == names[3:])
    finally:
        assert made.stop(10)
    assert caplog.text.count("no room can be made") == 1


def test_the_room_that_recording_has_counts_what_may_go_for_it(card: Card) -> None:
    """Confirmed film that nobody holds is room, and the floor is none; without a plan nobody knows what is held."""
    names = [card.film(n) for n in range(1, 4)] + [card.film(4, state="kept")]
    made = card.freeing()
    made.step()
    assert made.room_bytes == 10 * MB  # 60 free, 50 stay free
    card.plan(1)
    counted = card.freeing()
    counted.step()
    assert counted.room_bytes == (10 + 30) * MB
    segment = next(each for each in card.records.segments() if each.closed.name == names[0])
    card.plan(2, Stretch(sitting="maths-1", until_utc_ms=segment.closed.ended.utc_ms))
    held = card.freeing()
    held.step()
    assert held.room_bytes == (10 + 20) * MB
