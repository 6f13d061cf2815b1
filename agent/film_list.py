"""What the desk's records say about film that is to be sent: read by a connection that cannot write, and for which
nobody waits, neither the scribe nor the tick."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import Any

import msgspec

from agent import wire
from agent.core.uploads import Film, Trouble
from agent.wire import Instant, Stretch

READ_WITHIN_S = 3
WHOLE_EVERY = 600
"""Looks after which all is read anew: other hands move segments on too."""

_COLUMNS = """
segments.boot, segments.seq, segments.name, segments.sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms,
    size_bytes, sha256
"""
_KEPT = f"SELECT {_COLUMNS} FROM segments WHERE state = 'kept' ORDER BY boot, seq"  # noqa: S608 - of constants
_ALERTS = """
SELECT boot, seq, body FROM records WHERE kind = 'alert'
    AND json_extract(body, '$.sitting') IN (SELECT DISTINCT sitting FROM segments WHERE state = 'kept')
ORDER BY boot, seq
"""
# News by rowid: what comes back from the hub has an older boot. A segment's row is written with its record.
_NEW_FILMS = f"""
SELECT {_COLUMNS} FROM records JOIN segments ON segments.name = json_extract(records.body, '$.name')
    AND segments.boot = records.boot AND segments.seq = records.seq AND segments.state = 'kept'
WHERE records.rowid > ? AND records.kind = 'segment_closed' ORDER BY records.rowid
"""  # noqa: S608
_NEW_ALERTS = "SELECT boot, seq, body FROM records WHERE rowid > ? AND kind = 'alert' ORDER BY rowid"
_WITHOUT_RECEIPT = "SELECT boot, seq FROM records WHERE receipted_utc_ms IS NULL AND kind = 'segment_closed'"
_CONFIRMED_BEFORE = f"""
SELECT {_COLUMNS} FROM segments WHERE state = 'uploaded' AND sitting = ? AND ended_utc_ms > ? AND began_utc_ms < ?
ORDER BY boot, seq
"""  # noqa: S608
_LAST = "SELECT coalesce(max(rowid), 0) FROM records"


class FilmList:
    """Segments that are not confirmed, and the alerts of their sittings. For one thread, but for `close`."""

    def __init__(self, storage: Path) -> None:
        self._path = storage / "records.db"
        self._lock = threading.Lock()
        self._is_closed = False
        self._connection: sqlite3.Connection | None = None
        self._version: int | None = None
        self._looks = 0
        self._last = 0
        self._confirmed: set[str] = set()
        self._once_more: dict[str, Film] = {}
        self._asked: tuple[Stretch, ...] = ()
        self.changes = 0
        """Grows when films or troubles are others than before, but for `confirmed`."""
        self.films: dict[str, Film] = {}
        self.waiting_bytes = 0
        self._told: dict[str, tuple[int, int]] = {}
        self.troubles: dict[str, Trouble] = {}
        self.without_receipt: frozenset[tuple[int, int]] = frozenset()

    def refresh(self) -> bool:
        """Read what is new; False when the records cannot be read now, and all stands as it was."""
        with self._lock:
            if self._is_closed:
                return False
            try:
                self._read(self._open())
            except sqlite3.Error:
                self._let_go()
                return False
            return True

    def _read(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        is_whole = self._looks % WHOLE_EVERY == 0
        if is_whole or version != self._version:
            connection.execute("BEGIN")
            try:
                if is_whole:
                    self._read_whole(connection)
                else:
                    self._read_news(connection)
                self.without_receipt = frozenset((boot, seq) for boot, seq in connection.execute(_WITHOUT_RECEIPT))
            finally:
                connection.execute("ROLLBACK")
        self._version = version
        self._looks += 1

    def confirmed(self, film: Film) -> None:
        """The hub has it: it is offered no more, whenever its row says so."""
        self._confirmed.add(film.name)
        self._once_more.pop(film.name, None)
        self._drop(film.name)

    def offer_again(self, wanted: tuple[Stretch, ...]) -> list[str]:
        """Have film within `wanted` offered once more that the hub had confirmed and that is still on the card: the hub
        may have lost it since, and answers `confirmed` for what it has. Once for the same `wanted`; answers names."""
        if wanted == self._asked:
            return []
        names: list[str] = []
        with self._lock:
            if self._is_closed:
                return []
            try:
                for each in wanted:
                    stretch = (each.sitting, each.from_utc_ms, each.until_utc_ms)
                    for film in map(_film, self._open().execute(_CONFIRMED_BEFORE, stretch)):
                        self._confirmed.discard(film.name)
                        self._once_more[film.name] = film
                        self._put(film)
                        names.append(film.name)
            except sqlite3.Error:
                self._let_go()
                return names
        self._asked = wanted
        self.changes += 1
        return names

    def _put(self, film: Film) -> None:
        self._drop(film.name)
        self.films[film.name] = film
        self.waiting_bytes += film.size_bytes

    def _drop(self, name: str) -> None:
        known = self.films.pop(name, None)
        self.waiting_bytes -= 0 if known is None else known.size_bytes

    def close(self) -> None:
        """Read no more. Whoever writes the records and closes them after this is the last one: SQLite then puts its
        journal away."""
        with self._lock:
            self._is_closed = True
            self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection, self._version, self._looks = None, None, 0

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(
                f"{self._path.resolve().as_uri()}?mode=ro",
                uri=True,
                timeout=READ_WITHIN_S,
                isolation_level=None,
                check_same_thread=False,
            )
        return self._connection

    def _read_whole(self, connection: sqlite3.Connection) -> None:
        found = {film.name: film for film in map(_film, connection.execute(_KEPT))}
        self._confirmed &= found.keys()
        self.films, self.waiting_bytes, self.troubles, self._told = {}, 0, {}, {}
        for film in (*found.values(), *self._once_more.values()):
            if film.name not in self._confirmed:
                self._put(film)
        for row in connection.execute(_ALERTS):
            self._take_alert(*row)
        self.changes += 1
        self._last = connection.execute(_LAST).fetchone()[0]

    def _read_news(self, connection: sqlite3.Connection) -> None:
        for film in map(_film, connection.execute(_NEW_FILMS, (self._last,))):
            self._confirmed.discard(film.name)
            self._put(film)
            self.changes += 1
        for row in connection.execute(_NEW_ALERTS, (self._last,)):
            self._take_alert(*row)
            self.changes += 1
        self._last = connection.execute(_LAST).fetchone()[0]

    def _take_alert(self, boot: int, seq: int, text: str) -> None:
        try:
            body = msgspec.json.decode(text, type=wire.Alert)
        except msgspec.MsgspecError:  # of a later version: its film goes with the rest
            return
        if not body.is_drill and self._told.get(body.alert, (0, 0)) < (boot, seq):
            self._told[body.alert] = (boot, seq)
            self.troubles[body.alert] = Trouble(body.sitting, body.began, body.cleared, boot)


def _film(row: tuple[Any, ...]) -> Film:
    boot, seq, name, sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms, size_bytes, sha256 = row
    began, ended = Instant(began_utc_ms, began_up_ms), Instant(ended_utc_ms, ended_up_ms)
    return Film(boot, seq, name, sitting, began, ended, size_bytes, sha256)
