"""A centre to look at: seats in every state, written to a real store and live folder as ingest would leave them.

`python -m tests.hub.seed DATABASE LIVE_FOLDER SEATS [STORAGE]` fills one, with real film where a storage folder is
named, and keeps its desks alive until interrupted.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

from agent import wire
from agent.core.segments import ClosedSegment
from agent.wire import Heartbeat, Instant, Lamp
from hub import passwords
from hub.core.access import Role
from hub.evidence.storage import LocalStorage, Storage
from hub.live import LiveFolder
from hub.store import Store, people
from hub.store.audit import Actor
from tests.film import record

SEED = Actor("seed", "terminal")
PORTRAITS = [Path("models/files") / name for name in ("astronaut.png", "grace_hopper.jpg")]
RULES = {"seat_empty": (10, 3), "more_than_one_face": (3, 5), "camera_covered": (3, 2)}
LAMPS = {"recording": "#2fbf71", "attention": "#ffb000", "fault": "#ff2020", "waiting": "#4060ff", "no_hub": "#a040ff"}


_hashed = functools.lru_cache(passwords.hash_password)
"""A hash takes its time by design; a hundred stores with the same people need it once."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def picture(number: int, step: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A 320x180 view of a desk: a portrait over a drawn room, or an empty chair."""
    rng = np.random.default_rng(number)
    wall = np.linspace(0.75, 1.0, 320)[None, :, None] * rng.integers(120, 215, 3)[None, None, :]
    view = np.broadcast_to(wall, (180, 320, 3)).astype(np.uint8).copy()
    cv2.rectangle(view, (0, 150), (320, 180), tuple(int(v) for v in rng.integers(50, 110, 3)), -1)
    found = [path for path in PORTRAITS if path.exists()]
    if number % 5 == 4 or not found:
        cv2.rectangle(view, (130, 70), (190, 150), (70, 60, 50), -1)
    else:
        person = cv2.imread(str(found[number % len(found)]))
        assert person is not None
        height = 130 + number % 30
        width = person.shape[1] * height // person.shape[0]
        left = 90 + (number * 7) % 60 + step % 3
        view[180 - height :, left : left + width] = cv2.resize(person, (width, height))
    noisy = np.clip(view.astype(np.int16) + rng.integers(-6, 6, view.shape), 0, 255)
    return np.asarray(noisy, dtype=np.uint8)


@functools.lru_cache(maxsize=512)
def jpeg(number: int, step: int = 0) -> bytes:
    """That view as a desk sends it; three views in turn, so that pictures move and seeding stays cheap."""
    is_made, data = cv2.imencode(".jpg", picture(number, step % 3), [cv2.IMWRITE_JPEG_QUALITY, 72])
    assert is_made
    return bytes(data.tobytes())


@functools.lru_cache(maxsize=8)
def film_of(number: int, seconds: float = 10.0) -> list[tuple[ClosedSegment, bytes]]:
    """That view as film, through the desk's own encoder and files: what the desk's record says, and the file."""
    views = [picture(number, step) for step in range(3)]

    def draw(frame: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        view = views[frame // 8 % 3].copy()
        cv2.putText(view, f"{frame / 15:04.1f}", (8, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 2)
        return view

    with tempfile.TemporaryDirectory() as folder:
        return [(closed, path.read_bytes()) for closed, path in record(Path(folder), seconds, picture=draw)]


class Centre:
    """Writes what desks would have caused."""

    def __init__(self, store: Store, live: Path) -> None:
        self.store = store
        self.folder = LiveFolder(live)
        self.folder.make()
        # Ingest counts as heard of for a day to come, as one that goes on telling.
        self.folder.put_facts({"beat_utc_ms": now_ms() + 86_400_000}, now_ms())
        self.units: dict[str, tuple[str, str]] = {}
        self._alerts = 0

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row; columns that the schema adds later and this file does not know are given 0."""
        with self.store.write() as connection:
            for column in connection.execute(f"pragma table_info({table})"):
                if column["notnull"] and column["dflt_value"] is None and not column["pk"]:
                    values.setdefault(column["name"], 0)
            names = ", ".join(values)
            marks = ", ".join(f":{name}" for name in values)
            cursor = connection.execute(f"insert into {table} ({names}) values ({marks})", values)
            return int(cursor.lastrowid or 0)

    def execute(self, sql: str, **values: Any) -> None:
        with self.store.write() as connection:
            connection.execute(sql, values)

    def person(self, name: str, password: str, role: Role) -> None:
        people.add(self.store, name=name, role=role, password_hash=_hashed(password), now_utc_ms=now_ms(), by=SEED)

    def room(self, name: str, exam: str | None = "Structural Mechanics II", mode: str = "automated") -> int:
        room = self.insert("rooms", name=name)
        if exam:
            self.insert(
                "sittings",
                sitting=f"sitting-{room}",
                exam=exam,
                room_id=room,
                start_utc_ms=now_ms() - 42 * 60_000,
                end_utc_ms=now_ms() + 138 * 60_000,
                mode=mode,
                rules="[]",
            )
        return room

    def seat(self, room: int, label: str, unit: str | None = None) -> int:
        if unit is not None:
            key = hashlib.sha256(unit.encode()).hexdigest()
            self.insert("units", unit=unit, public_key=key, first_seen_utc_ms=now_ms())
            with self.store.read() as connection:
                name = connection.execute("select name from rooms where room_id = ?", [room]).fetchone()[0]
            self.units[unit] = (name, label)
        return self.insert("seats", room_id=room, label=label, unit=unit)

    def request(self, code: str, *, age_ms: int = 40_000, **told: Any) -> int:
        """A desk that asks to be let in; returns the number of its request."""
        values = {
            "serial": "10000000a3f1c2d4",
            "model": "Raspberry Pi 5 Model B Rev 1.0",
            "software": "0.1.0",
            "wanted": "",
            "replaces": "",
            "address": "10.4.0.31",
        }
        now = now_ms()
        return self.insert(
            "enrolments",
            kind="enrolment",
            state="waiting",
            public_key=hashlib.sha256(code.encode()).hexdigest(),
            code=code,
            csr="-----BEGIN CERTIFICATE REQUEST-----",
            asked_utc_ms=now - age_ms,
            heard_utc_ms=now,
            **(values | told),
        )

    def certificate(self, unit: str, *, age_days: float = 10, life_days: float = 90) -> None:
        day = 86_400_000
        began = now_ms() - int(age_days * day)
        self.insert(
            "certificates",
            serial_number=hashlib.sha256(f"{unit} {began}".encode()).hexdigest()[:32],
            unit=unit,
            issuer="0" * 64,
            not_before_utc_ms=began,
            not_after_utc_ms=began + int(life_days * day),
            issued_utc_ms=began,
        )

    def security_event(self, unit: str, kind: str = "two_machines", detail: str = "", *, count: int = 1) -> int:
        now = now_ms()
        return self.insert(
            "security_events",
            unit=unit,
            kind=kind,
            detail=detail,
            first_utc_ms=now - 300_000,
            last_utc_ms=now - 4_000,
            count=count,
        )

    def signed_report(self, sitting: str = "sitting-1") -> None:
        """A closing that was taken back, with the report that was signed for it."""
        told = {"items": "[]", "closed_utc_ms": 1, "closed_by": "Ada", "reopened_utc_ms": 2, "reopened_by": "Root"}
        number = self.insert("closings", sitting=sitting, **told)
        signed = {"made_utc_ms": 1, "statement": "{}", "signature": "0" * 128, "chain_pem": ""}
        self.insert("sitting_reports", closing_id=number, **signed)

    def worker(self, **values: Any) -> None:
        """The worker's word, as of now."""
        well = {"beat_utc_ms": now_ms(), "is_clock_trusted": True, "clock": "", "trouble": "", "waiting": 0}
        self.folder.put_worker(well | values, now_ms())

    def heartbeat(self, unit: str, *, age_ms: int | None = None, is_online: bool = True, **values: Any) -> None:
        """The unit's newest word, `age_ms` old; without it the unit counts as heard of for a minute to come, as one
        that goes on telling."""
        now = now_ms() - (age_ms if age_ms is not None else -60_000 if is_online else 0)
        lamp = values.pop("lamp", "recording")
        beat = Heartbeat(
            boot=1,
            now=Instant(now, 2_520_000),
            is_clock_ok=True,
            state=values.pop("state", "recording"),
            faces=values.pop("faces", 1),
            capture_fps=values.pop("capture_fps", 15.0),
            vision_fps=5.0,
            vision_ms=values.pop("vision_ms", 6.2),
            recorded_s=values.pop("recorded_s", 2520.0),
            free_bytes=21_000_000_000,
            temperature_c=52.5,
            lamp=Lamp(pattern=lamp, colour=LAMPS[lamp]),
            software="0.1.0",
            model_sha256=hashlib.sha256(b"model").hexdigest(),
            **values,
        )
        text = msgspec.json.encode(beat).decode()
        self.execute(
            """insert into presence (unit, is_online, status_utc_ms, boot, heartbeat, heartbeat_utc_ms)
            values (:unit, :is_online, :at, 1, :text, :now) on conflict (unit) do update set
            is_online = :is_online, heartbeat = :text, heartbeat_utc_ms = :now, status_utc_ms = :at""",
            unit=unit,
            is_online=int(is_online),
            text=text,
            now=now,
            at=now + (0 if is_online else 1),
        )

    def still(self, unit: str, number: int, *, age_ms: int = 0, step: int = 0) -> None:
        data = jpeg(number, step % 3)
        note = wire.StillNote(boot=1, at=Instant(now_ms(), 1), sha256=wire.sha256_hex(data))
        self.folder.put_still(unit, wire.encode(wire.Still(note, data)), now_ms() - age_ms)

    def facts(self) -> None:
        spread = {"p50": 2.1, "p95": 6.4}
        self.folder.put_facts(
            {
                "started_utc_ms": now_ms(),
                "beat_utc_ms": now_ms(),
                "is_connected": True,
                "is_store_well": True,
                "trouble": "",
                "messages": {"record": 20, "heartbeat": 400},
                "commits": 12,
                "queue": 0,
                "commit_ms": spread,
                "lag_ms": spread,
                "group_size": None,
            },
            now_ms(),
        )

    def alert(
        self,
        unit: str,
        kind: str = "more_than_one_face",
        *,
        age_ms: int = 20_000,
        mode: str = "automated",
        still: int = -1,
        is_drill: bool = False,
    ) -> int:
        """A standing alert with its open incident; returns the incident's number."""
        self._alerts += 1
        room, seat = self.units[unit]
        now = now_ms() - age_ms
        raise_s, clear_s = RULES.get(kind, (5, 5))
        began, raised = Instant(now - raise_s * 1000, 2_400_000), Instant(now, 2_400_000 + raise_s * 1000)
        sha256 = self._evidence(unit, still, raised) if still >= 0 else None
        body = wire.Alert(
            alert=f"alert-{self._alerts}",
            alert_kind=wire.AlertKind(kind),
            state="raised",
            sitting="sitting-1",
            seat=seat,
            began=began,
            raised=raised,
            rule=wire.Rule(kind=wire.AlertKind(kind), raise_s=raise_s, clear_s=clear_s),
            mode=wire.Mode(mode),
            faces=2,
            score=0.87,
            model_sha256=hashlib.sha256(b"model").hexdigest(),
            software="0.1.0",
            still_sha256=sha256,
            is_drill=is_drill,
        )
        incident = self.insert(
            "incidents",
            unit=unit,
            kind=kind,
            sitting="sitting-1",
            room=room,
            seat=seat,
            opened_utc_ms=now + 180,
            began_utc_ms=began.utc_ms,
            is_drill=int(is_drill),
        )
        self.insert(
            "alerts",
            unit=unit,
            alert=body.alert,
            kind=kind,
            state="raised",
            sitting="sitting-1",
            room=room,
            seat=seat,
            began_utc_ms=began.utc_ms,
            began_up_ms=began.up_ms,
            raised_utc_ms=raised.utc_ms,
            raised_up_ms=raised.up_ms,
            boot=1,
            body=msgspec.json.encode(body).decode(),
            still_sha256=sha256,
            received_utc_ms=now + 180,
            incident_id=incident,
            is_drill=int(is_drill),
        )
        self._desk_event(incident, now + 180, "opened", body.alert)
        return incident

    def join(self, incident: int, unit: str, *, still: int = -1) -> None:
        """Another alert of the same breach: put into `incident`, as ingest groups them."""
        other = self.alert(unit, self._kind(incident), age_ms=0, still=still)
        self.execute("update alerts set incident_id = :to where incident_id = :other", to=incident, other=other)
        self.execute(
            "update incidents set state = 'closed', merged_into = :to, closed_utc_ms = 1 where incident_id = :other",
            to=incident,
            other=other,
        )
        self._desk_event(incident, now_ms(), "joined", f"alert-{self._alerts}")

    def _kind(self, incident: int) -> str:
        with self.store.read() as connection:
            found = connection.execute("select kind from incidents where incident_id = ?", [incident]).fetchone()
        return str(found["kind"])

    def _desk_event(self, incident: int, at_utc_ms: int, action: str, text: str) -> None:
        values = {"incident_id": incident, "at_utc_ms": at_utc_ms, "action": action, "text": text}
        self.insert("incident_events", who="desk", **values)

    def clear(self, incident: int) -> None:
        now = now_ms()
        self.execute(
            "update alerts set state = 'cleared', cleared_utc_ms = :now, cleared_up_ms = 1"
            " where incident_id = :incident",
            now=now,
            incident=incident,
        )
        self.execute(
            "update incidents set cleared_utc_ms = :now, version = version + 1 where incident_id = :incident",
            now=now,
            incident=incident,
        )
        self._desk_event(incident, now, "cleared", "")

    def fault(self, unit: str, kind: str, detail: str = "", *, age_ms: int = 60_000, is_cleared: bool = False) -> None:
        self._alerts += 1
        now = now_ms() - age_ms
        self.insert(
            "faults",
            unit=unit,
            fault=f"fault-{self._alerts}",
            kind=kind,
            state="cleared" if is_cleared else "raised",
            sitting="sitting-1",
            began_utc_ms=now,
            raised_utc_ms=now,
            cleared_utc_ms=now + 20_000 if is_cleared else None,
            detail=detail,
            received_utc_ms=now,
        )

    def segment(self, unit: str, number: int) -> None:
        began = now_ms() - 2_520_000 + number * 10_000
        self.insert(
            "segments",
            unit=unit,
            name=f"{number:06d}.ts",
            sitting="sitting-1",
            began_utc_ms=began,
            began_up_ms=number * 10_000,
            ended_utc_ms=began + 10_000,
            ended_up_ms=number * 10_000 + 10_000,
            frames=150,
            size_bytes=1_870_000,
            sha256="0" * 64,
            is_cut=0,
            boot=1,
            seq=number + 1,
        )

    def bundle(
        self, wish: dict[str, Any], state: str = "done", who: str = "Ada", *, content: bytes = b"", **values: Any
    ) -> int:
        """An evidence bundle as the worker would have left its job; `values` are columns of `jobs`. The file of one
        that is done is `made(storage, number, content)`."""
        is_over = state in ("done", "failed", "cancelled")
        told = {"purpose": "An appeal", "recipient": "Examination board", **wish}
        result = {"file": "1.zip", "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        columns = {
            "kind": "bundle",
            "wish": msgspec.json.encode(told).decode(),
            "asked_by": who,
            "asked_utc_ms": now_ms() - 60_000,
            "state": state,
            "ended_utc_ms": now_ms() - 5_000 if is_over else None,
            "result": msgspec.json.encode(result).decode() if state == "done" else None,
        }
        return self.insert("jobs", **{**columns, **values})

    def made(self, storage: Path, number: int, content: bytes) -> Path:
        """The file of a finished bundle."""
        path = storage / "bundles" / f"{number}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def gap(
        self,
        unit: str,
        cause: str = "power_or_crash",
        length_ms: int = 14_000,
        *,
        began_utc_ms: int | None = None,
        sitting: str = "sitting-1",
        detail: str = "",
    ) -> None:
        began = now_ms() - 900_000 if began_utc_ms is None else began_utc_ms
        self.execute(
            """insert into gaps (unit, boot, seq, sitting, began_utc_ms, ended_utc_ms, cause, is_length_known, detail,
                seat, received_utc_ms)
            values (:unit, 1, 9000 + (select count(*) from gaps), :sitting, :began, :ended, :cause, 1, :detail,
                coalesce((select label from seats where unit = :unit), ''), :ended)""",
            unit=unit,
            sitting=sitting,
            began=began,
            ended=began + length_ms,
            cause=cause,
            detail=detail,
        )

    def film(
        self,
        storage: Storage | None,
        unit: str,
        began_utc_ms: int,
        seconds: float,
        *,
        sitting: str = "sitting-1",
        seat: str | None = None,
        boot: int = 1,
        number: int = 0,
    ) -> list[ClosedSegment]:
        """Real film of the view `number`, as a desk records it: in the storage, or with None still on the desk. Whole
        files of 2 s; the newest ones of the reel come again when it is longer than the reel."""
        made: list[ClosedSegment] = []
        reel = film_of(number)
        at_ms = 0
        while at_ms < seconds * 1000:
            part, data = reel[len(made) % len(reel)]
            if storage is not None and len(made) < len(reel):
                with tempfile.NamedTemporaryFile(delete=False) as file:
                    file.write(data)
                storage.put(part.sha256, Path(file.name))
                Path(file.name).unlink(missing_ok=True)
            began, up = began_utc_ms + at_ms, began_utc_ms - 1_600_000_000_000 + at_ms
            length_ms = part.ended_up_ms - part.began_up_ms
            closed = msgspec.structs.replace(
                part,
                name=f"b{boot:06}-{up}-t{began}.ts",
                boot=boot,
                sitting=sitting,
                began_utc_ms=began,
                ended_utc_ms=began + length_ms,
                began_up_ms=up,
                ended_up_ms=up + length_ms,
            )
            made.append(closed)
            at_ms += length_ms
        label = self.units[unit][1] if seat is None and unit in self.units else seat or ""
        self._keep(made, unit, label, is_stored=storage is not None)
        return made

    def _keep(self, made: list[ClosedSegment], unit: str, seat: str, is_stored: bool) -> None:
        rows = [
            msgspec.structs.asdict(closed)
            | {
                "unit": unit,
                "seat": seat,
                "seq": closed.began_up_ms + 1,
                "stored_utc_ms": closed.ended_utc_ms + 4_000 if is_stored else None,
            }
            for closed in made
        ]
        columns = ", ".join(rows[0])
        marks = ", ".join(f":{name}" for name in rows[0])
        with self.store.write() as connection:
            connection.executemany(f"insert into segments ({columns}) values ({marks})", rows)
            if is_stored:
                connection.executemany(
                    "insert into blobs values (:sha256, :size_bytes, :stored_utc_ms) on conflict do nothing", rows
                )

    def observed(self, unit: str, began_utc_ms: int, *spans: tuple[float, str, int]) -> None:
        """What the desk saw, one after the other: (seconds, seat state, faces)."""
        at_ms, told = 0, []
        for seconds, seat, faces in spans:
            told.append(wire.Span(at_ms, int(seconds * 1000), seat, faces))
            at_ms += int(seconds * 1000)
        body = wire.Observed(
            sitting="sitting-1",
            began=Instant(began_utc_ms, 1),
            ended=Instant(began_utc_ms + at_ms, 1 + at_ms),
            looks=at_ms // 200,
            spans=tuple(told),
        )
        self._alerts += 1
        self.insert(
            "records",
            unit=unit,
            boot=1,
            seq=100_000 + self._alerts,
            kind="observed",
            header="{}",
            body=msgspec.json.encode(body).decode(),
            signature="0" * 128,
            hash="0" * 64,
            received_utc_ms=began_utc_ms + at_ms + 500,
        )

    def _evidence(self, unit: str, number: int, at: Instant) -> str:
        data = jpeg(number)
        sha256 = wire.sha256_hex(data)
        self.insert(
            "stills",
            unit=unit,
            sha256=sha256,
            boot=1,
            seq=1,
            utc_ms=at.utc_ms,
            up_ms=at.up_ms,
            jpeg=data,
            received_utc_ms=at.utc_ms + 200,
        )
        return sha256


def fill_film(centre: Centre, storage: Storage, units: list[str]) -> None:
    """Film of the last 42 minutes for three seats: one whole with holes, one half on its desk, one removed by rule."""
    now = now_ms()
    began = now - 42 * 60_000
    first, second, third = units[1], units[2], units[5 % len(units)]
    centre.film(storage, first, began, 41.5 * 60, number=1)
    hole = (began + 600_000, began + 660_000)
    centre.execute(
        "delete from segments where unit = :u and began_utc_ms between :a and :b", u=first, a=hole[0], b=hole[1]
    )
    centre.gap(first, "camera_lost", 60_000, began_utc_ms=hole[0], detail="/dev/video0 does not answer")
    centre.film(storage, second, began + 300_000, 20 * 60, number=2)
    centre.film(None, second, began + 300_000 + 20 * 60_000, 16 * 60, number=3)
    centre.film(storage, third, began, 20 * 60, number=5)
    centre.execute("update segments set purged_utc_ms = 1, purge_number = 7 where unit = :u", u=third)
    for unit in (first, second):
        for minute in range(40):
            seen = (30, "face", 1), (10, "face", 2), (8, "somebody", 0), (9, "empty", 0), (3, "unknown", 0)
            centre.observed(unit, began + minute * 60_000, *seen)


def fill(centre: Centre, seats: int) -> list[str]:
    """`seats` seats in up to two rooms; from ten on, every state is there. Returns the units that live."""
    if not seats:
        return []
    hall = centre.room("Main hall")
    annex = centre.room("Room 204") if seats >= 10 else hall
    units = []
    for number in range(seats):
        unit = f"centre.desk-{number + 1:02d}"
        room = hall if number < seats * 2 // 3 else annex
        if seats >= 10 and number == seats - 1:
            centre.seat(room, "J6")
            continue
        label = (
            "A very long seat label 40 characters wide"
            if seats >= 10 and number == 7
            else f"{'ABCDEFGHIJ'[number // 6]}{number % 6 + 1}"
        )
        centre.seat(room, label, unit)
        units.append(unit)
    states: list[tuple[int, dict[str, Any]]] = []
    for number, unit in enumerate(units):
        states.append((number, {"recorded_s": 2520.0 - number}))
        centre.heartbeat(unit, recorded_s=2520.0 - number, faces=0 if number % 5 == 4 else 1)
        centre.still(unit, number)
    return units + _trouble(centre, units) if seats >= 6 else units


def _trouble(centre: Centre, units: list[str]) -> list[str]:
    centre.alert(units[1], "more_than_one_face", age_ms=95_000, still=1)
    centre.gap(units[1])
    centre.fault(units[3], "camera_lost", "/dev/video0 does not answer", age_ms=130_000)
    centre.heartbeat(units[3], state="stopped", lamp="fault", faces=None, capture_fps=None)
    if len(units) < 10:
        return []
    taken = centre.alert(units[5], "seat_empty", age_ms=300_000, still=5)
    centre.execute(
        "update incidents set state = 'acknowledged', acknowledged_by = 'Ada', "
        "acknowledged_utc_ms = opened_utc_ms + 9000, version = 2 where incident_id = :i",
        i=taken,
    )
    centre.clear(centre.alert(units[9], "camera_covered", age_ms=40_000, still=9))
    centre.alert(units[12], "camera_covered", age_ms=12_000, still=12)
    centre.fault(units[12], "storage_low", "", age_ms=30_000)
    centre.heartbeat(units[14], is_online=False, age_ms=60_000)
    centre.heartbeat(units[15], age_ms=9_000)
    centre.still(units[16], 16, age_ms=25_000)
    centre.heartbeat(units[20], state="waiting", lamp="waiting", recorded_s=0.0)
    return []


def keep_alive(centre: Centre, units: list[str], step: int, still: frozenset[int] = frozenset({3, 14, 16})) -> None:
    """One second of desk life: new pictures, and a heartbeat."""
    centre.facts()
    for number, unit in enumerate(units):
        is_troubled = len(units) >= 10
        if number not in still:
            centre.still(unit, number, step=step)
        if is_troubled and number == 15:
            centre.heartbeat(unit, age_ms=9_000, recorded_s=2505.0 + step)
        elif is_troubled and number == 14:
            continue
        elif number == 3:
            centre.heartbeat(unit, state="stopped", lamp="fault", faces=None, capture_fps=None)
        elif is_troubled and number == 20:
            centre.heartbeat(unit, state="waiting", lamp="waiting", recorded_s=0.0)
        else:
            lamp = "attention" if number in (1, 5, 12) else "recording"
            centre.heartbeat(unit, recorded_s=2520.0 - number + step, faces=0 if number % 5 == 4 else 1, lamp=lamp)


def main() -> None:
    database, live, seats = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    store = Store(database)
    centre = Centre(store, live)
    centre.person("ada", "correct horse battery", Role.PROCTOR)
    centre.person("root", "correct horse battery", Role.ADMIN)
    units = fill(centre, seats)
    if len(sys.argv) > 4 and len(units) >= 6:
        fill_film(centre, LocalStorage(Path(sys.argv[4]) / "film"), units)
    step = 0
    print("seeded", flush=True)
    while True:
        started = time.monotonic()
        keep_alive(centre, units, step)
        step += 1
        time.sleep(max(0.0, 1 - (time.monotonic() - started)))


if __name__ == "__main__":
    main()
