"""A small centre with two desks that have recorded a sitting, and the bundles it makes: for tests and benches."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent import wire
from agent.wire import Heartbeat, Instant
from hub import enrolment
from hub.core.manifest import Scope
from hub.evidence.bundle import Builder, Built, scope_of_incident, scope_of_seat
from hub.evidence.bundle_extras import Asked
from hub.evidence.countersigning import countersign_if_due
from hub.evidence.seal import open_seal
from hub.evidence.storage import LocalStorage
from hub.store import Store, heads, intake, planning
from hub.store.taking import show_records
from hub.worker import certify
from tests.film import record
from tests.hub.authorities import NOW, csr, made_folder, request

SITTING, ROOM = "maths-1", "Hall"
START = NOW + 3_600_000
SEGMENT_MS = 10_000
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) + b"\xff\xd9"


class Desk:
    """One unit at a seat; what it says is in the store at once, as after ingest."""

    def __init__(self, centre: Centre, unit: str, seat: str, *, has_certificate: bool = True) -> None:
        self.centre, self.unit, self.seat = centre, unit, seat
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw().hex()
        self.boot, self.seq, self.prev = 1, 0, wire.GENESIS
        self.records: list[wire.Record] = []
        with centre.store.write() as connection:
            intake.add_unit(connection, unit, self.public_key, NOW)
            planning.put_seat(connection, room=ROOM, label=seat, unit=unit)
            if has_certificate:
                asked = request(csr(), unit, self.public_key)
                paper, _ = certify(enrolment.issuing(centre.folder), asked, 90, NOW)
                connection.execute(
                    "insert into enrolments (kind, state, public_key, code, csr, serial, model, software, wanted, "
                    "replaces, address, asked_utc_ms, heard_utc_ms, unit, certificate) values "
                    "('enrolment', 'granted', ?, '', '', '', '', '', '', '', '', 0, 0, ?, ?)",
                    (self.public_key, unit, paper),
                )

    def restart(self, at_ms: int, **told: Any) -> wire.Record:
        """The agent started again."""
        self.boot, self.seq = self.boot + 1, 0
        body = wire.Restart(os_boot="b", previous_boot=self.boot - 1, is_clean=False, software="1.2.0", **told)
        return self.say(body, at_ms)

    def say(self, body: wire.Body, at_ms: int, *, is_durable: bool = True, is_kept: bool = True) -> wire.Record:
        """Seal a record `at_ms` after the sitting's start."""
        self.seq += 1
        record = wire.seal(
            body,
            unit=self.unit,
            boot=self.boot,
            seq=self.seq,
            now=moment(at_ms),
            is_clock_ok=True,
            prev=self.prev,
            sign=self.key.sign,
            is_durable=is_durable,
        )
        self.prev = record.hash
        self.records.append(record)
        if is_kept:
            with self.centre.store.write() as connection:
                intake.add_records(connection, [(record, record.hash, record.header.utc_ms)])
                show_records(connection, [record], record.header.utc_ms)
        return record

    def film(self, at_ms: int, data: bytes, *, is_sent: bool = True, length_ms: int = SEGMENT_MS) -> wire.Record:
        """Close a segment that began `at_ms`; it is at the hub unless not `is_sent`."""
        sha256 = wire.sha256_hex(data)
        body = wire.SegmentClosed(
            sitting=SITTING,
            seat=self.seat,
            name=f"{START + at_ms}.ts",
            began=moment(at_ms),
            ended=moment(at_ms + length_ms),
            frames=150,
            size_bytes=len(data),
            sha256=sha256,
        )
        record = self.say(body, at_ms + length_ms)
        if is_sent:
            beside = self.centre.path / "incoming"
            beside.write_bytes(data)
            self.centre.storage.put(sha256, beside)
            with self.centre.store.write() as connection:
                connection.execute(
                    "update segments set stored_utc_ms = ? where unit = ? and name = ?", (NOW, self.unit, body.name)
                )
        return record

    def alert(self, number: int, at_ms: int, state: str, *, has_still: bool = True) -> wire.Record:
        """An alert that was raised `at_ms` after the start and cleared 20 s later."""
        rule = wire.Rule(kind=wire.AlertKind.MORE_THAN_ONE_FACE, raise_s=3, clear_s=5)
        body = wire.Alert(
            alert=f"1-{number}",
            alert_kind=rule.kind,
            state=state,
            sitting=SITTING,
            seat=self.seat,
            began=moment(at_ms - 4_000),
            raised=moment(at_ms),
            cleared=moment(at_ms + 20_000) if state == "cleared" else None,
            rule=rule,
            software="1.2.0",
            model_sha256="ab" * 32,
            still_sha256=wire.sha256_hex(self.still(number)) if has_still else None,
        )
        record = self.say(body, at_ms if state == "raised" else at_ms + 20_000)
        if has_still and state == "raised":
            still = wire.Still(
                wire.StillNote(boot=self.boot, at=moment(at_ms), sha256=str(body.still_sha256), seq=self.seq),
                self.still(number),
            )
            with self.centre.store.write() as connection:
                intake.add_still(connection, self.unit, still, NOW)
        return record

    def still(self, number: int) -> bytes:
        return JPEG[:-2] + self.unit.encode() + bytes([number]) + JPEG[-2:]

    def beat(self) -> None:
        """Tell the head of the chain."""
        head = wire.sign_head(self.boot, self.seq, self.prev, self.key.sign)
        told = Heartbeat(boot=self.boot, now=moment(0), is_clock_ok=True, state="recording", head=head)
        with self.centre.store.write() as connection:
            heads.keep(connection, self.unit, told, NOW)


def moment(at_ms: int) -> Instant:
    return Instant(START + at_ms, 1_000_000 + at_ms)


class Centre:
    """A hub's store, storage and authority under `path`, with a sitting of ten minutes unless told otherwise."""

    def __init__(self, path: Path, sitting_ms: int = 600_000) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.folder = made_folder(path / "ca")
        self.store = Store(path / "hub.db")
        self.storage = LocalStorage(path / "storage" / "film")
        self.now = START
        with self.store.write() as connection:
            planning.put_room(connection, ROOM)
            planning.plan_sitting(
                connection,
                sitting=SITTING,
                exam="Maths",
                room=ROOM,
                start_utc_ms=START,
                end_utc_ms=START + sitting_ms,
                mode=wire.Mode.AUTOMATED,
                now_utc_ms=NOW,
            )

    @property
    def root(self) -> Path:
        return self.folder.authorities

    def countersign(self) -> None:
        self.now += 60_000
        assert countersign_if_due(self.store, open_seal(self.folder), self.now) is not None

    def build(self, scope: Scope, to: Path) -> Built:
        builder = Builder(self.store, self.storage, open_seal(self.folder), scope, self.now, lambda *_: None)
        return builder.build(to, Asked("Ada", "appeal 7"))

    def bundle_of_seat(self, seat: str, to: Path) -> Built:
        return self.build(scope_of_seat(self.store, SITTING, seat, START + 86_400_000), to)

    def bundle_of_incident(self, number: int, to: Path) -> Built:
        return self.build(scope_of_incident(self.store, number, START + 700_000), to)

    def close(self) -> None:
        self.store.close()


def filmed(folder: Path, count: int) -> list[bytes]:
    """Real film, in as many files of SEGMENT_MS: few and small pictures."""
    folder.mkdir()
    found = record(folder, count * SEGMENT_MS / 1000, segment_s=SEGMENT_MS / 1000, fps=5.0, size=(160, 96))
    return [file.read_bytes() for _, file in found]


def recorded(
    path: Path, segments: int = 8, size_bytes: int = 3_000, seed: int = 1, films: Sequence[bytes] = ()
) -> Centre:
    """A centre where A1 and A2 recorded: an alert with its picture, a gap, a restart, countersigned all along."""
    centre = Centre(path, max(600_000, segments * SEGMENT_MS))
    dice = random.Random(seed)
    desks = [Desk(centre, f"c.desk-0{number}", f"A{number}") for number in (1, 2)]
    for desk in desks:
        desk.say(wire.ClockStep(step_ms=5, is_synced=True), -60_000)
        desk.say(wire.SittingState(sitting=SITTING, seat=desk.seat, state="started", plan=1), 0)
    for number in range(segments):
        for desk in desks:
            at = number * SEGMENT_MS
            if number == segments // 2:
                desk.restart(at)
                gap = wire.GapCause.POWER_OR_CRASH
                began, ended = moment(at), moment(at + SEGMENT_MS)
                desk.say(
                    wire.Gap(sitting=SITTING, seat=desk.seat, began=began, ended=ended, cause=gap), at + SEGMENT_MS
                )
            else:
                data = films[number] if films else dice.randbytes(size_bytes)
                # A file's hash is of one desk alone: bytes behind the last packet are no picture.
                desk.film(at, data + b"\xff" * desks.index(desk))
            if number == 1:
                desk.alert(1, at + 5_000, "raised")
            if number == 3:
                desk.alert(1, at - 15_000, "cleared")
            desk.beat()
        centre.countersign()
    for desk in desks:
        desk.say(wire.SittingState(sitting=SITTING, seat=desk.seat, state="ended", plan=1), 600_000)
        desk.beat()
    centre.countersign()
    return centre


def authority_of(path: Path) -> Path:
    """The root of another centre, as a file."""
    other = made_folder(path)
    return other.authorities
