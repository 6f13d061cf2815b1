"""Sends film to the hub: one thread, for which nobody waits, and which waits for nobody but the hub.

Where the hub stands with a film it says itself, at each offer; the desk keeps nothing but `uploaded`, written when the
hub has confirmed. So a kill at any moment costs at most one piece that is sent twice. What is urgent is looked for
before each piece: a film that is put off in the middle goes on later from where the hub has it.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from msgspec import Struct

from agent import wire_door
from agent.core import uploads
from agent.core.uploads import Chosen, Film
from agent.enrolling import Enrolled
from agent.film_list import FilmList
from agent.identity import HubPlace
from agent.messaging.enrol import Door, DoorProblem
from agent.unit_key import load_key
from agent.wire import Instant, Plan
from agent.wire_door import Piece, SegmentOffer, SegmentState

if TYPE_CHECKING:
    from agent.app import Desk

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
OFFER_WITHIN_S, PIECE_WITHIN_S = 30.0, 60.0
"""The last bytes of a film are answered when they are on the hub's storage, which may be a service elsewhere."""
UNREADABLE_AGAIN_MS = 60_000
STAYS_AWAY = frozenset({"other_segment", "too_long", "too_large", "bad_request"})
"""What no further offer of the same film changes."""


class Progress(NamedTuple):
    """For heartbeat and status. `bytes_per_s` None while nothing is sent; `trouble` '' while all is well."""

    waiting_segments: int
    waiting_bytes: int
    bytes_per_s: float | None
    trouble: str


class Work(Struct, frozen=True, kw_only=True):
    """What the sender asks the desk for; each answers at once. `confirm` has the segment of that name called uploaded,
    sooner or later, and `want` has those of these names called kept again. `is_card_low`: the card waits for room."""

    now: Callable[[], Instant]
    plan: Callable[[], Plan | None]
    sitting: Callable[[], str]
    is_card_low: Callable[[], bool]
    confirm: Callable[[str], object]
    want: Callable[[list[str]], object]


class HubDoor(Protocol):
    """What is needed of `agent.messaging.enrol.Door`; all raise DoorProblem."""

    public_key: str

    def send(
        self, kind: type[SegmentState], path: str, body: bytes, *, signed: bytes, within_s: float = ...
    ) -> Any: ...


class Sender:
    """`door` opens the way to the hub anew each time it is asked: authorities change. `bytes_per_s` 0: only urgent film
    is sent."""

    def __init__(self, storage: Path, unit: str, work: Work, door: Callable[[], HubDoor], *, bytes_per_s: int) -> None:
        self._segments, self._unit, self._work, self._make_door = storage / "segments", unit, work, door
        self._list = FilmList(storage)
        self._patience, self._backoff, self._pace = uploads.Patience(), uploads.Backoff(), uploads.Pace()
        self._throttle = uploads.Throttle(bytes_per_s)
        self._size = uploads.PieceSize(wire_door.MAX_PIECE_BYTES)
        self._at: tuple[Film, int] | None = None
        """The film that is being sent, and how much of it the hub has."""
        self._row = uploads.Row([], [])
        self._row_of: object = None
        self._stopping = threading.Event()
        self._trouble = ""
        self._told = ""
        self.progress: Progress | None = None
        """None until the records were read."""
        self._thread = threading.Thread(target=self._run, name="upload", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """What is on its way may be cut off: it goes on at the next start."""
        self._stopping.set()
        self._list.close()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        pause_s = LOOK_EVERY_S
        while not self._stopping.wait(pause_s):
            try:
                pause_s = self.step()
            except Exception:  # film that waits is no reason to lose what follows
                log.exception("film could not be sent")
                pause_s = 60.0

    def step(self) -> float:
        """Send one piece, or find that there is none; seconds until the next."""
        self._list.refresh()  # what cannot be read anew stands as it was
        chosen = self._choose()
        pause_s = LOOK_EVERY_S
        try:
            if chosen is not None:
                pause_s = self._send(chosen)
                self._backoff.reset()
                self._trouble = ""
            elif self._at is None:
                self._trouble = ""
        except DoorProblem as problem:
            pause_s = self._after(problem, chosen)
        except OSError as error:
            pause_s = self._after_card(error, chosen)
        self._say()
        return pause_s

    def _choose(self) -> Chosen | None:
        plan, now, sitting = self._work.plan(), self._work.now(), self._work.sitting()
        wanted = plan.wanted if plan else ()
        if self._row_of != (self._list.changes, wanted, sitting):
            films, troubles = list(self._list.films.values()), self._list.troubles.values()
            self._row_of = (self._list.changes, wanted, sitting)
            self._row = uploads.in_order(films, wanted, troubles, sitting)
        may_send_rest = self._throttle.bytes_per_s > 0 and (not sitting or self._work.is_card_low())
        chosen = uploads.choose(
            self._row, self._patience, self._list.without_receipt, now.up_ms, may_send_rest=may_send_rest
        )
        if chosen is None:  # what was never confirmed has gone: now what the hub may have lost
            again = [name for name in self._list.offer_again(wanted) if (self._segments / name).is_file()]
            if again:  # nor is it freed before it is confirmed anew
                self._work.want(again)
        return chosen

    # --- one film ---

    def _send(self, chosen: Chosen) -> float:
        film = chosen.film
        if self._at is None or self._at[0] != film:
            self._at = None
            return self._offer(chosen)
        wait_ms = 0 if chosen.is_urgent else self._throttle.wait_ms(self._work.now().up_ms)
        if wait_ms:
            return min(LOOK_EVERY_S, wait_ms / 1000)
        offset = self._at[1]
        size_bytes = self._size.of(film, offset, 0 if chosen.is_urgent else self._throttle.bytes_per_s)
        data = self._read(film, offset, size_bytes)
        if data is None:
            self._at = None
            return 0.0
        before = self._work.now()
        state = self._send_piece(film, offset, data)
        now = self._work.now()
        self._size.sent(now.up_ms - before.up_ms)
        self._throttle.spend(size_bytes, now.up_ms)
        self._pace.add(size_bytes, now.up_ms)
        self._take(film, state)
        return 0.0

    def _offer(self, chosen: Chosen) -> float:
        film, door = chosen.film, self._make_door()
        if self._read(film, 0, 0) is None:
            return 0.0
        offer = SegmentOffer(
            unit=self._unit,
            public_key=door.public_key,
            boot=film.boot,
            seq=film.seq,
            name=film.name,
            size_bytes=film.size_bytes,
            sha256=film.sha256,
            is_urgent=chosen.is_urgent,
        )
        body = wire_door.encode(offer)
        self._take(film, door.send(SegmentState, wire_door.SEGMENTS_PATH, body, signed=body, within_s=OFFER_WITHIN_S))
        return 0.0

    def _send_piece(self, film: Film, offset: int, data: bytes) -> SegmentState:
        piece = Piece(
            unit=self._unit,
            boot=film.boot,
            seq=film.seq,
            offset=offset,
            size_bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )
        answer: SegmentState = self._make_door().send(
            SegmentState, wire_door.data_path(piece), data, signed=b"", within_s=PIECE_WITHIN_S
        )
        return answer

    def _take(self, film: Film, state: SegmentState) -> None:
        if state.state == "wanted":
            if state.offset >= film.size_bytes:
                raise DoorProblem("not_a_hub", f"the hub wants {film.name} from behind its end: look at its log")
            self._at = (film, state.offset)
            return
        self._at = None
        self._patience.forget(film)
        self._list.confirmed(film)
        self._row.drop(film)
        self._work.confirm(film.name)
        log.info("%s is %s at the hub", film.name, state.state)

    def _read(self, film: Film, offset: int, size_bytes: int) -> bytes | None:
        """Bytes of the film; None, and it is offered no more, when the card has another file or none. Raises OSError
        for a card that cannot be read."""
        try:
            with (self._segments / film.name).open("rb") as file:
                length = file.seek(0, 2)
                file.seek(offset)
                data = file.read(size_bytes)
        except FileNotFoundError:
            if not self._segments.is_dir():
                raise  # the card itself is gone
            self._lose(film, "its file is not on the card any more")
            return None
        if length != film.size_bytes or len(data) != size_bytes:
            self._lose(film, f"its file has {length} bytes, its record says {film.size_bytes}")
            return None
        return data

    def _lose(self, film: Film, why: str) -> None:
        self._at = None
        self._patience.give_up(film, why)
        log.error("%s is not sent to the hub: %s", film.name, why)

    # --- what went wrong ---

    def _after(self, problem: DoorProblem, chosen: Chosen | None) -> float:
        self._at, code = None, problem.code
        self._size.failed()
        film = None if chosen is None else chosen.film
        if film is not None and code in STAYS_AWAY:
            self._lose(film, str(problem))
            return 0.0
        if film is not None and code == "record_missing":
            self._patience.postpone(film, self._work.now().up_ms)
            return 0.0
        if film is not None and code == "wrong_hash":
            self._begin_anew(film)
            return LOOK_EVERY_S
        if code not in ("too_many", "wrong_offset"):
            self._trouble = str(problem)
        return self._backoff.next_ms(code) / 1000 * random.uniform(0.6, 1)  # noqa: S311 - a room must not come in step

    def _after_card(self, error: OSError, chosen: Chosen | None) -> float:
        self._at = None
        why = f"the card cannot be read: {error.strerror or error}"
        if chosen is not None and self._segments.is_dir():  # this film alone, perhaps
            self._patience.postpone(chosen.film, self._work.now().up_ms, UNREADABLE_AGAIN_MS)
            if not self._patience.count_wrong(chosen.film):
                self._lose(chosen.film, why)
            return 0.0
        self._trouble = why
        return self._backoff.next_ms("card") / 1000

    def _begin_anew(self, film: Film) -> None:
        try:
            with (self._segments / film.name).open("rb") as file:
                is_sound = hashlib.file_digest(file, "sha256").hexdigest() == film.sha256
        except OSError:
            is_sound = False
        if not is_sound:
            self._lose(film, "its file is not what its record says: it was changed on the card, or has rotted")
        elif not self._patience.count_wrong(film):
            self._lose(film, "the hub receives something else again and again: look at the network between")

    def _say(self) -> None:
        waiting, up_ms = self._list, self._work.now().up_ms
        trouble = self._trouble
        if not trouble and self._patience.given_up:
            name, why = next(iter(self._patience.given_up.items()))
            trouble = f"{len(self._patience.given_up)} are not sent: {name}: {why}"
        self.progress = Progress(
            len(waiting.films), waiting.waiting_bytes, self._pace.bytes_per_s(up_ms), trouble[:500]
        )
        if self._trouble != self._told:
            self._told = self._trouble
            if self._trouble:
                log.warning("film waits: %s", self._trouble)
            else:
                log.info("film is sent again")


class Doors:
    """Opens the way to the hub; anew when the authorities that are trusted have changed."""

    def __init__(self, place: HubPlace, authorities: Path, storage: Path) -> None:
        self._place, self._authorities, self._storage = place, authorities, storage
        self._open: tuple[int, Door] | None = None

    def __call__(self) -> Door:
        """Raises DoorProblem."""
        try:
            changed_ns = self._authorities.stat().st_mtime_ns
            if self._open is None or self._open[0] != changed_ns:
                key = load_key(self._storage / "unit.key", may_make=False)
                self._open = changed_ns, Door(self._place, self._authorities.read_text(), key)
        except (OSError, ValueError) as error:
            raise DoorProblem("untrusted", f"this desk's identity cannot be read: {error}") from None
        return self._open[1]


@contextlib.contextmanager
def sending(enrolled: Enrolled | None, desk: Desk) -> Iterator[None]:
    """Film goes to the hub while the block runs; nothing happens for a desk that is not enrolled."""
    if enrolled is None or enrolled.place is None:
        yield
        return
    storage = enrolled.settings.storage_path
    work = Work(
        now=desk.clock.now,
        plan=desk.records.plan,
        sitting=desk.sitting_name,
        is_card_low=lambda: desk.freeing.look is not None,
        confirm=lambda name: desk.scribe.do(lambda: desk.records.set_segment_state(name, "uploaded")),
        want=lambda names: desk.scribe.do(lambda: desk.records.set_segment_states(names, "kept")),
    )
    doors = Doors(enrolled.place, enrolled.identity.authorities, storage)
    sender = Sender(storage, enrolled.identity.unit, work, doors, bytes_per_s=enrolled.settings.upload_bytes_per_s)
    desk.film = sender
    sender.start()
    try:
        yield
    finally:
        sender.stop()


def heartbeat_fields(sender: Sender | None) -> dict[str, Any]:
    """What a heartbeat tells of it; nothing where no film is sent."""
    progress = None if sender is None else sender.progress
    if progress is None:
        return {}
    return {
        "waiting_segments": progress.waiting_segments,
        "waiting_bytes": progress.waiting_bytes,
        "upload_bytes_per_s": progress.bytes_per_s,
    }


def trouble_of(sender: Sender | None) -> str:
    """Why film waits, '' for no trouble."""
    progress = None if sender is None else sender.progress
    return "" if progress is None else progress.trouble
