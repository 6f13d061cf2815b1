"""Builds evidence bundles: an incident or a seat of a sitting, as one file that `hub.evidence.verify` checks offline.

Film goes in as the desk made it, byte by byte, each file held against the hash that the desk signed. What the hub has
not got is listed with the reason. A build that was killed is begun anew; nothing of it can be seen before it is whole.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509

from hub import authority
from hub.core import countersign, manifest, merkle
from hub.core.manifest import Scope
from hub.evidence import purge_certificate, verify
from hub.evidence.bundle_extras import Asked, clips_of, report_of
from hub.evidence.bundle_file import BundleFile
from hub.evidence.bundle_readme import README
from hub.evidence.seal import Seal
from hub.evidence.storage import Missing, Storage
from hub.store import Store, audit, bundles, countersigned, incidents, purging
from hub.store.bundles import At, Film, Kept

MOST_PICTURES = 2_000
"""Stills of one bundle; a seat that raised more alerts than this has a fault."""
HEARD_WITHIN_MS = 30_000
"""A desk that was heard so lately delivers what it has."""
ROOM_BYTES = 50_000_000
"""For records, pictures and the rest."""
MAKING = ".making-"
"""How a folder for what is being made begins, beside the bundle."""
ON_THE_DESK, PURGED, LOST = "still on the desk", "purged", "lost at the hub: run `ems-hub check`"
LATE = "it came while the bundle was made: ask again"
LEFT_OUT = f"left out: a bundle has {MOST_PICTURES} pictures at most, ask for a shorter stretch"

Tell = Callable[[int, int, str], None]
"""Told how many bytes of how many are done, and what is being done; may raise to end the work."""


class CannotBuild(Exception):
    """There is nothing to build, or not now; the text says why and what to do."""


class Built(NamedTuple):
    size_bytes: int
    sha256: str
    segments: int
    absent: int


def scope_of_incident(store: Store, incident_id: int, now_utc_ms: int) -> Scope:
    """Raises CannotBuild."""
    try:
        row = incidents.one(store, incident_id).row
    except incidents.NoSuchIncident:
        raise CannotBuild(f"there is no incident {incident_id}") from None
    if row["merged_into"] is not None:
        raise CannotBuild(f"incident {incident_id} was continued in incident {row['merged_into']}: ask for that one")
    stretch = manifest.around(row["began_utc_ms"], row["cleared_utc_ms"], now_utc_ms)
    return _scope(store, incident_id, row["sitting"], row["seat"], stretch, row["room"])


def scope_of_seat(store: Store, sitting: str, seat: str, now_utc_ms: int) -> Scope:
    """All of a seat's sitting up to now. Raises CannotBuild."""
    with store.read() as connection:
        row = bundles.sitting_of(connection, sitting, seat)
    if row is None:
        raise CannotBuild(f"there is no sitting {sitting!r}")
    stretch = (row["start_utc_ms"], max(row["start_utc_ms"] + 1, min(row["end_utc_ms"], now_utc_ms)))
    return _scope(store, 0, sitting, seat, stretch, row["room"])


def _scope(store: Store, incident: int, sitting: str, seat: str, stretch: tuple[int, int], room: str) -> Scope:
    with store.read() as connection:
        units = bundles.units_at(connection, sitting, seat)
    if not units:
        raise CannotBuild(f"no desk has recorded at seat {seat!r} of sitting {sitting!r}")
    return Scope(incident, sitting, room, seat, *stretch, units)


class Builder:
    """Builds one bundle; `build` may be called once. `zone` is the centre's, for the report.
    `stamp` answers a time stamp (RFC 3161) over the manifest; None: there is no authority for it."""

    def __init__(
        self,
        store: Store,
        storage: Storage,
        seal: Seal,
        scope: Scope,
        now_utc_ms: int,
        tell: Tell,
        zone: dt.tzinfo = dt.UTC,
        stamp: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._store, self._storage, self._seal, self._scope, self._now = store, storage, seal, scope, now_utc_ms
        self._tell, self._zone, self._stamp = tell, zone, stamp
        self._absent: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._stills: list[tuple[str, str, At]] = []
        self._shown: list[Film] = []
        self._listed: set[tuple[str, str]] = set()

    def needed_bytes(self) -> int:
        """About how much room the bundle takes while it is built: the film as it is and again for watching."""
        return 2 * sum(each.size_bytes for each in self._film() if each.is_here) + ROOM_BYTES

    def build(self, path: Path, asked: Asked) -> Built:
        """Write the bundle to `path`, which must be a name that is free to be replaced. Raises CannotBuild,
        StorageProblem, OSError, sqlite3.Error and what `tell` raises."""
        with BundleFile(path) as file:
            file.add("README.txt", "readme", README.encode())
            file.add("verify.py", "verifier", Path(verify.__file__).read_bytes())
            self._add_film(file)
            self._add_chain(file)
            self._add_stills(file)
            self._add_purges(file)
            self._add_audit(file)
            self._events.sort(key=lambda each: (each["from_utc_ms"], each["unit"], each["record"]))
            file.add("timeline.json", "timeline", _readable({"events": self._events, "people": self._people()}))
            self._add_clips(file)
            told = self._manifest(file, asked)
            html = report_of(self._store, self._scope, asked, self._incidents(), file.items, told, self._zone)
            file.add("report.html", "report", html)
            text = _readable(self._manifest(file, asked))
            file.add(verify.MANIFEST, "", text)
            sealed = {"seal": self._seal.fingerprint}
            if self._stamp is not None:
                sealed["token"] = file.add(verify.TOKEN, "", self._stamp(text)).sha256
            sealed["signature"] = self._seal.sign(manifest.DOMAIN, text + sealed.get("token", "").encode())
            file.add(verify.SEAL, "", manifest.canonical(sealed))
            file.finish()
        self._tell(file.size_bytes, file.size_bytes, "")
        return Built(
            path.stat().st_size,
            _sha256_of(path),
            len(self._shown),
            sum(each["what"] != "clip" for each in self._absent),
        )

    def _manifest(self, file: BundleFile, asked: Asked) -> dict[str, Any]:
        return manifest.built(
            self._scope,
            file.items,
            self._absent,
            made_utc_ms=self._now,
            asked_by=asked.by,
            why=asked.why,
            versions=self._versions(),
            countersigned=self._countersigned,
        )

    # --- film

    def _add_film(self, file: BundleFile) -> None:
        film = self._film()
        self._listed = {(each.unit, each.name) for each in film}
        total = sum(each.size_bytes for each in film)
        self._tell(0, total, "film")
        for each in film:
            data = self._data_of(each)
            if data is not None:
                record = {"unit": each.unit, "boot": each.boot, "seq": each.seq}
                file.add(f"film/{each.unit}/{each.name}", "segment", data, record)
                self._shown.append(each)
            self._tell(file.size_bytes, max(total, file.size_bytes), "film")

    def _film(self) -> list[Film]:
        with self._store.read() as connection:
            return [each for unit, _ in self._scope.units for each in bundles.film_of(connection, self._scope, unit)]

    def _data_of(self, film: Film) -> bytes | None:
        state, data = "", None
        if film.purged_utc_ms is not None:
            state = PURGED
        elif film.stored_utc_ms is None:
            state = ON_THE_DESK
        else:
            try:
                data = self._storage.read(film.sha256)
            except Missing:
                state = LOST
            if data is not None and hashlib.sha256(data).hexdigest() != film.sha256:
                state, data = LOST, None
        if state:
            self._absent.append(
                {
                    "what": "segment",
                    "unit": film.unit,
                    "boot": film.boot,
                    "seq": film.seq,
                    "name": film.name,
                    "sha256": film.sha256,
                    "size_bytes": film.size_bytes,
                    "state": state,
                    "purge": film.purge_number,
                }
            )
        return data

    # --- chain

    def _add_chain(self, file: BundleFile) -> None:
        """Records, countersignatures and certificates, from one view of the store."""
        parts: list[bytes] = []
        minutes: dict[int, dict[str, Any]] = {}
        papers: list[str] = [self._seal.chain_pem]
        with self._store.read() as connection:
            newest = countersigned.newest(connection)
            self._countersigned = newest and {
                "number": newest.minute.number,
                "at_utc_ms": newest.minute.at_utc_ms,
                "root": newest.minute.root,
                "code": countersign.code(newest.minute.root),
            }
            for unit, public_key in self._scope.units:
                papers += bundles.papers_of(connection, public_key)
                ends = bundles.ends_of(connection, self._scope, unit)
                if ends is None:
                    continue
                first, last = bundles.before(connection, unit, ends[0]) or ends[0], ends[1]
                leaf = countersigned.first_after(connection, unit, *last) or countersigned.newest_of(connection, unit)
                if leaf is not None and (leaf.head.boot, leaf.head.seq) >= first:
                    self._check_has_come(connection, leaf)
                    last = max(last, (leaf.head.boot, leaf.head.seq))
                    _prove(connection, leaf, minutes)
                parts += [self._line(record) for record in bundles.records_of(connection, unit, first, last)]
            papers += [countersigned.chain_pem_of(connection, each["seal"]) for each in minutes.values()]
        file.add(verify.RECORDS, "records", b"".join(parts))
        file.add(verify.MINUTES, "minutes", _readable([minutes[number] for number in sorted(minutes)]))
        file.add(verify.CERTIFICATES, "certificates", _once(papers))

    def _check_has_come(self, connection: Any, leaf: countersigned.Leaf) -> None:
        """A head is countersigned as the desk tells it, before its record has come: without that the bundle would say
        that it was cut off. Raises CannotBuild while a desk that is there has records on their way."""
        unit, boot, seq, _ = leaf.head
        if countersigned.held_hash(connection, unit, boot, seq) is None:
            count = countersigned.waiting(connection, unit, self._now - HEARD_WITHIN_MS)
            if count:
                raise CannotBuild(f"{count} records of {unit} are on their way to the hub: ask again in a minute")

    def _line(self, record: Kept) -> bytes:
        header, body = json.loads(record.header), json.loads(record.body) if record.body else {}
        is_shown = bool(body) and manifest.is_shown(self._scope, header, body)
        if is_shown:
            self._events.append(manifest.event(record.unit, header, body))
            if header["kind"] == "segment_closed" and (record.unit, body["name"]) not in self._listed:
                self._add_late(record, body)
            if body.get("still_sha256"):
                self._stills.append((record.unit, body["still_sha256"], (record.boot, record.seq)))
        return manifest.record_line(record.header, record.body if is_shown else None, record.signature)

    def _add_late(self, record: Kept, body: dict[str, Any]) -> None:
        """Of a sitting that goes on: a film whose record came after the list of films was read."""
        self._listed.add((record.unit, body["name"]))
        told = {"what": "segment", "unit": record.unit, "boot": record.boot, "seq": record.seq, "purge": None}
        self._absent.append(told | {name: body[name] for name in ("name", "sha256", "size_bytes")} | {"state": LATE})

    # --- the rest

    def _add_stills(self, file: BundleFile) -> None:
        stills, added = {each[:2]: each for each in self._stills}.values(), set[str]()
        for count, (unit, sha256, (boot, seq)) in enumerate(stills):
            record = {"unit": unit, "boot": boot, "seq": seq}
            if count >= MOST_PICTURES:
                told = {"what": "still", "name": sha256, "sha256": sha256, "size_bytes": 0}
                self._absent.append(record | told | {"state": LEFT_OUT, "purge": None})
                continue
            with self._store.read() as connection:
                jpeg = bundles.still_of(connection, unit, sha256)
                number = bundles.purge_of_still(connection, unit, sha256)
            if jpeg is not None:
                if sha256 not in added:  # two desks in the dark may have taken the same one
                    file.add(f"stills/{sha256}.jpg", "still", jpeg, record)
                added.add(sha256)
                continue
            state = PURGED if number is not None else ON_THE_DESK
            told = {"what": "still", "name": sha256, "sha256": sha256, "size_bytes": 0, "state": state, "purge": number}
            self._absent.append(record | told)

    def _add_purges(self, file: BundleFile) -> None:
        for number in sorted({each["purge"] for each in self._absent if each["purge"] is not None}):
            try:
                pieces = purge_certificate.exported(self._store, purging.one(self._store, number))
            except (purging.NoSuchPurge, purge_certificate.NotEnded):
                continue
            with tempfile.TemporaryFile() as kept:
                for piece in pieces:
                    kept.write(piece)
                kept.seek(0)
                file.add(f"purges/{number}.json", "purge", kept.read(), {"number": number})

    def _add_audit(self, file: BundleFile) -> None:
        scope, names = self._scope, self._scope.objects
        names += [] if scope.incident else [f"incident {each}" for each in self._incidents()]
        with self._store.read() as connection:
            seat = bundles.seat_id(connection, scope.room, scope.seat)
            names += [] if seat is None else [f"seat {seat}"]
            entries = audit.of_objects(connection, names)
        file.add(verify.AUDIT, "audit", _readable([entry._asdict() for entry in entries]))

    def _people(self) -> list[dict[str, Any]]:
        """What people did about the incident."""
        if not self._scope.incident:
            return []
        thread = incidents.one(self._store, self._scope.incident).thread
        return [
            {
                "at_utc_ms": each.at_utc_ms,
                "who": each.who,
                "action": str(each.action),
                "text": each.text,
                "verdict": each.verdict and str(each.verdict),
            }
            for each in thread
        ]

    def _add_clips(self, file: BundleFile) -> None:
        with tempfile.TemporaryDirectory(dir=file.folder, prefix=MAKING) as folder:
            target = Path(folder) / "made.mp4"
            for clip in clips_of(self._storage, self._scope, self._shown, target):
                if clip.is_made:
                    file.add_file(clip.name, "clip", target, {"from_utc_ms": clip.from_utc_ms})
                else:
                    self._absent.append({"what": "clip", "name": clip.name, "state": clip.trouble, "purge": None})
                self._tell(file.size_bytes, file.size_bytes + 1, "film for watching")

    def _incidents(self) -> list[int]:
        """Those that the bundle tells of."""
        scope = self._scope
        if scope.incident:
            return [scope.incident]
        with self._store.read() as connection:
            return bundles.incidents_at(connection, scope.sitting, scope.seat)

    def _versions(self) -> dict[str, Any]:
        bodies = [each["told"] for each in self._events]
        return {
            "hub": importlib.metadata.version("exam-monitoring-system"),
            "desk": sorted({str(body["software"]) for body in bodies if body.get("software")}),
            "model_sha256": sorted({str(body["model_sha256"]) for body in bodies if body.get("model_sha256")}),
        }


def _prove(connection: Any, leaf: countersigned.Leaf, minutes: dict[int, dict[str, Any]]) -> None:
    """Add the proof that a minute stands for this head, and for the audit log of then."""
    stored = countersigned.by_number(connection, leaf.since)
    assert stored is not None  # a leaf refers to its minute
    leaves = countersigned.leaves_of(connection, stored)
    at = leaves.index(countersign.head_leaf(leaf.head).encode())
    told = minutes.setdefault(leaf.since, stored.minute._asdict() | {"proofs": [_proof(leaves, 1)]})
    told["proofs"].append(_proof(leaves, at))


def _proof(leaves: list[bytes], index: int) -> dict[str, Any]:
    path = [each.hex() for each in merkle.proof(leaves, index)]
    return {"leaf": leaves[index].decode(), "index": index, "path": path}


def _once(papers: list[str]) -> bytes:
    """Each certificate once, those of units in the order in which they were issued."""
    found = {cert: None for text in papers if text for cert in x509.load_pem_x509_certificates(text.encode())}
    return authority.pem(*found)


def _readable(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
