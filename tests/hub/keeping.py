"""A hub with film to keep: sittings, seats, segments with real files in a real storage, pictures, incidents."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hub.core import retention
from hub.enrolment import CaFolder
from hub.evidence.purging import Tools
from hub.evidence.seal import open_seal
from hub.evidence.storage import LocalStorage
from hub.store import Store, holds, purge_plans
from hub.store import retention as rules
from hub.store.audit import Actor
from hub.store.holds import Place
from hub.store.purge_plans import Plan

DAY_MS = 86_400_000
START = 1_800_000_000_000
"""Of the first sitting: 2027-01-15 08:00 UTC."""
END = START + 3 * 3_600_000
LATER = START + 100 * DAY_MS
ZONE = ZoneInfo("Europe/Vienna")
ADA = Actor("Ada", "admin")
RULE = retention.UnlessRefer(then=retention.AfterSitting(days=30))


class Hall:
    """One hub's store and storage, filled by hand."""

    def __init__(self, store: Store, folder: Path, ca: CaFolder | None = None) -> None:
        self.store = store
        self.folder = folder
        self.storage = LocalStorage(folder / "storage" / "film")
        self.ca = ca
        self.now = LATER
        self._seq = 0

    def execute(self, sql: str, **values: Any) -> int:
        with self.store.write() as connection:
            return int(connection.execute(sql, values).lastrowid or 0)

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.store.read() as connection:
            return [tuple(row) for row in connection.execute(sql, values)]

    def room(self, name: str, seats: Iterable[str]) -> None:
        """A room, its seats by label, with the units `c.<label>` at them."""
        room = self.execute("insert into rooms (name) values (:name)", name=name)
        for label in seats:
            self.unit(f"c.{label}")
            self.execute(
                "insert into seats (room_id, label, unit) values (:room, :label, :unit)",
                room=room,
                label=label,
                unit=f"c.{label}",
            )

    def unit(self, name: str) -> None:
        key = hashlib.sha256(name.encode()).hexdigest()
        self.execute("insert into units (unit, public_key, first_seen_utc_ms) values (:u, :k, 1)", u=name, k=key)

    def sitting(self, name: str, exam: str = "Maths", *, start: int = START, end: int = END) -> None:
        self.execute("insert into exams (exam) values (:exam) on conflict do nothing", exam=exam)
        self.execute(
            "insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules)"
            " values (:name, :exam, 1, :start, :end, 'automated', '[]')",
            name=name,
            exam=exam,
            start=start,
            end=end,
        )

    def segment(self, sitting: str, seat: str, at_s: int, **values: Any) -> str:
        """Ten seconds of film from `at_s` after the start on, its file in the storage; returns its name. Raw content
        `data`, another `unit`, and `is_stored` False where the hub has not got it."""
        return self._film(sitting, seat, [at_s], **values)[0]

    def film(self, sitting: str, seat: str, count: int, **values: Any) -> list[str]:
        return self._film(sitting, seat, [10 * number for number in range(count)], **values)

    def _film(
        self,
        sitting: str,
        seat: str,
        begins_s: list[int],
        *,
        unit: str = "",
        data: bytes | None = None,
        is_stored: bool = True,
    ) -> list[str]:
        unit, names = unit or f"c.{seat}", []
        with self.store.write() as connection:
            for at_s in begins_s:
                self._seq += 1
                names.append(f"{sitting}-{self._seq:06d}.ts")
                content = data if data is not None else f"film {unit} {names[-1]}".encode()
                sha256 = hashlib.sha256(content).hexdigest()
                if is_stored:
                    self._lay(sha256, content)
                    connection.execute(
                        "insert into blobs values (?, ?, ?) on conflict do nothing", [sha256, len(content), START]
                    )
                connection.execute(
                    "insert into segments (unit, name, sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms,"
                    " frames, size_bytes, sha256, is_cut, boot, seq, seat, stored_utc_ms) values (:unit, :name,"
                    " :sitting, :began, :up, :began + 10000, :up + 10000, 150, :size, :sha256, 0, 1, :seq, :seat,"
                    " :stored)",
                    {
                        "unit": unit,
                        "name": names[-1],
                        "sitting": sitting,
                        "began": START + at_s * 1000,
                        "up": at_s * 1000,
                        "size": len(content),
                        "sha256": sha256,
                        "seq": self._seq,
                        "seat": seat,
                        "stored": START if is_stored else None,
                    },
                )
        return names

    def _lay(self, sha256: str, content: bytes) -> None:
        """Where the local storage has it, without the time that its syncing takes."""
        path = self.folder / "storage" / "film" / sha256[:2] / sha256
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def incident(
        self,
        sitting: str,
        seat: str,
        began_s: int,
        cleared_s: int | None,
        *,
        verdict: str | None = None,
        picture: bytes | None = None,
    ) -> int:
        """An incident with its alert, and its picture where given."""
        self._seq += 1
        began, cleared = START + began_s * 1000, None if cleared_s is None else START + cleared_s * 1000
        number = self.execute(
            "insert into incidents (unit, kind, sitting, room, seat, state, opened_utc_ms, began_utc_ms,"
            " cleared_utc_ms, verdict) values (:unit, 'seat_empty', :sitting, 'Hall', :seat, :state, :began, :began,"
            " :cleared, :verdict)",
            unit=f"c.{seat}",
            sitting=sitting,
            seat=seat,
            began=began,
            cleared=cleared,
            verdict=verdict,
            state="closed" if verdict else "open",
        )
        sha256 = None if picture is None else hashlib.sha256(picture).hexdigest()
        self.execute(
            "insert into alerts (unit, alert, kind, state, sitting, room, seat, began_utc_ms, began_up_ms,"
            " raised_utc_ms, raised_up_ms, cleared_utc_ms, cleared_up_ms, boot, seq, body, still_sha256,"
            " received_utc_ms, incident_id) values (:unit, :alert, 'seat_empty', 'cleared', :sitting, 'Hall', :seat,"
            " :began, :up, :began, :up, :cleared, :cleared_up, 1, :seq, :body, :sha256, :began, :number)",
            unit=f"c.{seat}",
            alert=f"alert-{self._seq}",
            sitting=sitting,
            seat=seat,
            began=began,
            up=began_s * 1000,
            cleared=cleared,
            cleared_up=None if cleared_s is None else cleared_s * 1000,
            seq=self._seq,
            sha256=sha256,
            number=number,
            body='{"rule":{"raise_s":10,"clear_s":3}}',
        )
        if picture is not None:
            self.execute(
                "insert into stills values (:unit, :sha256, 1, :seq, :at, :at, :jpeg, :at)",
                unit=f"c.{seat}",
                sha256=sha256,
                seq=self._seq,
                at=began,
                jpeg=picture,
            )
        return number

    def rule(self, exam: str = "Maths", rule: retention.Rule | None = RULE) -> None:
        with self.store.write() as connection:
            rules.set_rule(connection, ADA, exam, rule, self.now)

    def results(self, day: str, exam: str = "Maths") -> None:
        with self.store.write() as connection:
            rules.set_results(connection, ADA, exam, retention.read_day(day, ZONE), day, self.now)

    def hold(self, on: Place, reason: str = "an appeal") -> int:
        with self.store.write() as connection:
            return holds.place(connection, ADA, on, reason, self.now)

    def release(self, number: int) -> None:
        with self.store.write() as connection:
            holds.release(connection, ADA, number, "decided", self.now)

    def plan(self) -> Plan | None:
        return purge_plans.make(self.store, ZONE, ADA, self.now)

    def planned(self) -> Plan:
        plan = self.plan()
        assert plan is not None
        return plan

    def tools(self, **changes: Any) -> Tools:
        assert self.ca is not None
        made = Tools(self.store, self.storage, open_seal(self.ca), ZONE, lambda: self.now, threading.Event().wait)
        return made._replace(**changes)

    def held(self) -> list[str]:
        return [row[0] for row in self.rows("select name from held_segments h join segments s on s.rowid = h.segment")]

    def there(self) -> set[str]:
        """The names of the segments whose files are in the storage."""
        names = {sha256 for sha256, _ in self.storage.names()}
        return {name for name, sha256 in self.rows("select name, sha256 from segments") if sha256 in names}

    def files(self) -> set[str]:
        return {sha256 for sha256, _ in self.storage.names()}
