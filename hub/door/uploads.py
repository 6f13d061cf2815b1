"""Film that desks send: an offer is answered with where to go on, pieces are added, the last one makes it the hub's.

What the door keeps of an unfinished film is its file (`hub.door.incoming`); what it keeps of a finished one is decided
in `hub.store.uploads`, whose order of failure says what a kill in the middle leaves. So this process may die at any
byte, and so may the desk: an offer tells where they stand.

A stranger cannot make the door read a megabyte: the signature covers the query, which names length and hash, and is
checked before the first byte of a piece is read.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Response, request

from agent import wire, wire_door
from agent.wire_door import Piece, SegmentOffer, SegmentState
from hub.config import Settings
from hub.core.turns import Turns
from hub.door.answers import Refused, answer, kept, signed
from hub.door.incoming import ABANDONED_AFTER_MS, Found, Incoming, InUse, NoRoom, Part
from hub.evidence.storage import Storage, StorageFull, StorageProblem
from hub.store import Store, enrolling, security, uploads
from hub.store.uploads import CannotStore, IsPurged, NotRecorded, OtherSegment, Segment

log = logging.getLogger(__name__)

MOST_UNFINISHED = 16
"""Of one unit: a desk sends one after the other, and puts one off for what is urgent."""
EVENT_EVERY_MS = 10_000
"""A unit that contradicts itself again and again gets one turn to write in this time."""


class Uploads:
    """The two views, and what is tidied behind them."""

    def __init__(self, settings: Settings, store: Store, storage: Storage, now_utc_ms: Callable[[], int]) -> None:
        self._store, self._storage, self._now_utc_ms = store, storage, now_utc_ms
        self._incoming = Incoming(Path(settings.storage_path) / "incoming", settings.storage_reserve_bytes)
        self._turns, self._turns_lock = Turns(), threading.Lock()
        self._told_ms: dict[str, int] = {}

    # --- an offer ---

    def offer(self) -> Response:
        offered: SegmentOffer = signed(SegmentOffer)
        with self._store.read() as connection:
            kept(lambda: enrolling.check_enrolled(connection, offered.unit, offered.public_key))
        with _in_words():
            segment = self._segment(offered.unit, offered.boot, offered.seq)
            if (segment.name, segment.size_bytes, segment.sha256) != (offered.name, offered.size_bytes, offered.sha256):
                self._contradiction(offered.unit, f"{offered.name[:200]} was offered as {offered.boot}/{offered.seq}")
                raise OtherSegment(f"the record {offered.boot}/{offered.seq} of {offered.unit} says something else")
            return answer(self._state_of(offered, segment))

    def _state_of(self, offered: SegmentOffer, segment: Segment) -> SegmentState:
        unit, boot, seq = offered.unit, offered.boot, offered.seq
        if segment.is_purged:
            return SegmentState(state="purged")
        if uploads.is_kept(self._store, self._storage, unit, segment):
            return SegmentState(state="confirmed", offset=segment.size_bytes)
        with self._turns_lock:
            has_place = self._turns.take(unit, _steady_ms(), is_urgent=offered.is_urgent)
        if not has_place:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too_many", "many desks send film: ask again in some seconds")
        try:
            offset = self._incoming.size_bytes(unit, boot, seq)
            if offset < segment.size_bytes:
                self._incoming.check_room(segment.size_bytes - offset)
                self._incoming.trim(unit, MOST_UNFINISHED - 1, but=(boot, seq))
                return SegmentState(state="wanted", offset=offset)
            with self._incoming.open(unit, boot, seq) as part:  # all there, and the hub or its storage went at the end
                state = self._finish(unit, segment, part)
            return state or SegmentState(state="wanted")
        except BaseException:
            self._leave(unit)
            raise

    # --- a piece ---

    def take(self) -> Response:
        piece = self._announced()
        unit = piece.unit
        with self._sending(unit), _in_words():
            data = self._body(piece)
            if hashlib.sha256(data).hexdigest() != piece.sha256:
                raise Refused(HTTPStatus.FORBIDDEN, "bad_signature", "these are not the bytes that were signed")
            segment = self._segment(unit, piece.boot, piece.seq)
            if segment.is_purged:
                return answer(SegmentState(state="purged"))
            if segment.is_stored:
                raise Refused(HTTPStatus.CONFLICT, "wrong_offset", f"{segment.name} is whole: offer it again")
            with self._incoming.open(unit, piece.boot, piece.seq) as part:
                self._add(part, piece, segment, data)
                size_bytes = part.size_bytes
                if size_bytes < segment.size_bytes:
                    return answer(SegmentState(state="wanted", offset=size_bytes))
                state = self._finish(unit, segment, part)
        if state is None:
            raise Refused(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "wrong_hash",
                f"what came of {segment.name} is not what its record says, and was dropped: begin anew",
            )
        return answer(state)

    def _announced(self) -> Piece:
        """The piece that is to come, from an enrolled unit that signed for it; nothing of it has been read."""
        try:
            piece = wire_door.piece_in(request.args)
        except wire.BadMessage as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "bad_request", f"the piece is not understood: {error}") from None
        if request.content_length != piece.size_bytes:
            raise Refused(HTTPStatus.BAD_REQUEST, "bad_request", "a piece must have the length that it says")
        with self._store.read() as connection:
            public_key = kept(lambda: uploads.key_of(connection, piece.unit))
        signature = request.headers.get(wire_door.SIGNATURE_HEADER, "")
        if not wire_door.is_signed_by(public_key, wire_door.data_path(piece), b"", signature):
            raise Refused(HTTPStatus.FORBIDDEN, "bad_signature", f"the piece is not signed by {piece.unit}")
        return piece

    @contextmanager
    def _sending(self, unit: str) -> Iterator[None]:
        with self._turns_lock:
            may_send = self._turns.begin(unit, _steady_ms())
        if not may_send:
            raise Refused(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many",
                f"many desks send film, or {unit} does already: offer it again",
            )
        try:
            yield
        finally:
            with self._turns_lock:
                self._turns.end(unit, _steady_ms())

    def _body(self, piece: Piece) -> bytes:
        """The piece's bytes, from a sender that is known: it gets the time that a slow link needs, and no more."""
        line: Any = request.environ.get("gunicorn.socket")
        if hasattr(line, "expect"):
            line.expect(piece.size_bytes)
        request.max_content_length = wire_door.MAX_PIECE_BYTES
        try:
            data = request.get_data()
        except BaseException:  # cut off, or gone: its place is for others
            self._leave(piece.unit)
            raise
        if hasattr(line, "has_come"):
            line.has_come()
        return data

    def _add(self, part: Part, piece: Piece, segment: Segment, data: bytes) -> None:
        has, end = part.size_bytes, piece.offset + piece.size_bytes
        if piece.offset != has:
            words = f"the hub has {has} bytes of {segment.name}, this piece begins at {piece.offset}: ask again"
            raise Refused(HTTPStatus.CONFLICT, "wrong_offset", words)
        if end > segment.size_bytes:
            words = f"{segment.name} has {segment.size_bytes} bytes, this piece would end at {end}"
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_long", words)
        self._incoming.check_room(piece.size_bytes)
        part.append(data)

    # --- both ---

    def _segment(self, unit: str, boot: int, seq: int) -> Segment:
        try:
            with self._store.read() as connection:
                return uploads.segment_of(connection, unit, boot, seq)
        except OtherSegment as error:
            self._contradiction(unit, str(error))
            raise

    def _finish(self, unit: str, segment: Segment, part: Part) -> SegmentState | None:
        """All of it is there: it becomes the hub's. None when it is not what the record says: it is dropped then."""
        if part.size_bytes != segment.size_bytes or part.sha256() != segment.sha256:
            log.warning("%s: what came of %s is not what its record says: dropped", unit, segment.name)
            part.drop()
            self._leave(unit)
            return None
        try:
            uploads.store_segment(
                self._store, self._storage, unit, segment.name, segment.sha256, part.path, self._now_utc_ms()
            )
        except IsPurged:
            part.drop()
            self._leave(unit)
            return SegmentState(state="purged")
        part.drop()
        self._leave(unit)
        log.info("%s: %s has come, %d bytes", unit, segment.name, segment.size_bytes)
        return SegmentState(state="confirmed", offset=segment.size_bytes)

    def _leave(self, unit: str) -> None:
        with self._turns_lock:
            self._turns.leave(unit, _steady_ms())

    def _contradiction(self, unit: str, detail: str) -> None:
        now_ms = _steady_ms()
        if now_ms - self._told_ms.get(unit, -EVENT_EVERY_MS) < EVENT_EVERY_MS:
            return
        self._told_ms[unit] = now_ms
        with self._store.write() as connection:
            security.add_event(connection, unit, "other_segment", detail, self._now_utc_ms())

    # --- tidying ---

    def sweep(self) -> int:
        """Remove unfinished films that nobody goes on with, and those whose segment the storage has; how many."""
        removed = 0
        try:
            for found in self._incoming.all():
                try:
                    removed += self._remove_if_done(found)
                except (InUse, NoRoom, StorageProblem) as error:
                    log.info("left as it is: %s", error)
        except OSError as error:
            log.error("unfinished films cannot be looked through: %s", error)
        if removed:
            log.info("%d unfinished films removed", removed)
        return removed

    def _remove_if_done(self, found: Found) -> bool:
        if self._now_utc_ms() - found.changed_utc_ms <= ABANDONED_AFTER_MS and not self._is_done(found):
            return False
        with self._incoming.open(found.unit, found.boot, found.seq) as part:
            part.drop()
        return True

    def _is_done(self, found: Found) -> bool:
        try:
            with self._store.read() as connection:
                segment = uploads.segment_of(connection, found.unit, found.boot, found.seq)
        except CannotStore:
            return False
        return segment.is_purged or uploads.is_kept(self._store, self._storage, found.unit, segment)


@contextmanager
def _in_words() -> Iterator[None]:
    """What keeps a film from being taken, as a refusal with its code."""
    try:
        yield
    except NotRecorded as error:
        raise Refused(HTTPStatus.NOT_FOUND, "record_missing", str(error)) from None
    except OtherSegment as error:
        raise Refused(HTTPStatus.CONFLICT, "other_segment", str(error)) from None
    except InUse as error:
        raise Refused(HTTPStatus.CONFLICT, "wrong_offset", f"{error}: offer it again") from None
    except (NoRoom, StorageFull) as error:
        log.error("no film is taken: %s", error)
        words = "the hub has no room for film above its reserve: free some there; the desk keeps it and asks again"
        raise Refused(HTTPStatus.INSUFFICIENT_STORAGE, "hub_full", words) from None
    except (CannotStore, StorageProblem, OSError) as error:
        log.error("no film is taken: %s", error)
        words = "the hub cannot keep film now, its log says why; the desk keeps it and asks again"
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "hub_unwell", words) from None


def _steady_ms() -> int:
    return time.perf_counter_ns() // 1_000_000


class Sweeper:
    """Tidies at once and then every hour, on a thread of its own."""

    EVERY_S = 3600.0

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                self._uploads.sweep()
            except Exception:
                log.exception("unfinished films could not be tidied")
            if self._stopping.wait(self.EVERY_S):
                return
