"""Verifies an evidence bundle, offline: python verify.py BUNDLE.zip [--ca root.pem] [--json]

It needs this file, Python 3.11 or newer and the package `cryptography`, nothing else. It changes nothing and unpacks
nothing. Get root.pem, the centre's own certificate, from the centre or from whom you trust, never from the bundle.

Exit code: 0 verified; 4 consistent, signer unproven (without --ca, anybody could have made it); 1 something is wrong;
2 wrong use. Each line names one item; what is wrong comes last.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

FORMAT = "ems-bundle-1"
MANIFEST, SEAL, TOKEN = "manifest.json", "seal.json", "manifest.tsr"
RECORDS, CERTIFICATES, MINUTES, AUDIT = (
    "chain/records.jsonl",
    "chain/certificates.pem",
    "chain/minutes.json",
    "audit.json",
)
BUNDLE_DOMAIN, RECORD_DOMAIN, MINUTE_DOMAIN = b"ems-bundle-v1\n", b"ems-record-v1\n", b"ems-minute-v1\n"
AUDIT_DOMAIN, PURGE_DOMAIN = b"ems-audit-v1\n", b"ems-purge-certificate-v1\n"
RECORD_KEY_URN, EVIDENCE_URN = "urn:ems:record-key:", "urn:ems:evidence"
GENESIS = "0" * 64
MOST_MEMBERS, MOST_TEXT_BYTES, MOST_CERTIFICATES = 200_000, 256_000_000, 500
UNCOVERED_MS = 2_000
"""Less than this between two segments is the change of files."""
OK, NOTE, UNPROVEN, WRONG = "ok", "note", "unproven", "WRONG"
_NAME = re.compile(r"(?!/)(?!.*(^|/)\.{1,2}(/|$))[A-Za-z0-9._/-]{1,200}")
_HEX = re.compile(r"[0-9a-f]*")


class Broken(Exception):
    """What is to be read cannot be what it says it is; the text says why."""


class Line(NamedTuple):
    status: str
    item: str
    says: str


class Entry(NamedTuple):
    """One record of a desk; `body` is None where the bundle does not show it."""

    header: dict[str, Any]
    hash: str
    body: dict[str, Any] | None


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def parsed(data: bytes | str, kind: type) -> Any:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Broken(f"it cannot be read ({str(error)[:100]})") from None
    if not isinstance(value, kind):
        raise Broken("it is not what it should be")
    return value


def is_signed(key: object, signature: Any, message: bytes) -> bool:
    """Only lower-case digits: a signature has one spelling, so that no byte of it can be changed unseen."""
    if not isinstance(key, Ed25519PublicKey) or not isinstance(signature, str) or not _HEX.fullmatch(signature):
        return False
    try:
        key.verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def certificates_in(data: bytes) -> list[x509.Certificate]:
    try:
        found = x509.load_pem_x509_certificates(data) if data else []
    except Exception:  # of more kinds than ValueError
        raise Broken("its certificates cannot be read") from None
    if len(found) > MOST_CERTIFICATES:
        raise Broken(f"it holds more than {MOST_CERTIFICATES} certificates")
    if b"".join(each.public_bytes(Encoding.PEM) for each in found) != data:
        raise Broken("something other than certificates is in it")
    return found


def uris_of(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.UniformResourceIdentifier)
    except Exception:  # a certificate's parts are read only now, and whoever made it chose them
        return []


def is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except Exception:  # as above
        return False


def is_issued(below: x509.Certificate, above: x509.Certificate) -> bool:
    try:
        below.verify_directly_issued_by(above)
    except Exception:  # any of several kinds, by what does not fit
        return False
    return is_authority(above)


def key_of(certificate: x509.Certificate) -> object:
    """None where it holds no key that can be read."""
    try:
        return certificate.public_key()
    except Exception:  # as above
        return None


# --- how a bundle lies in its file: a zip of which nothing is left to whoever writes it (PKWARE APPNOTE 6.3.10)


class Member(NamedTuple):
    name: str
    size_bytes: int
    crc32: int
    offset: int


_DATE, _FULL, _MODE = 0x21, 0xFFFFFFFF, 0o100640 << 16
"""1 January 1980, the first that a zip can name; the mark that the number stands in the zip64 field; a plain file."""


def _longer(*longer: int) -> tuple[int, bytes]:
    """(zip version needed, zip64 field) of a header."""
    return (45, struct.pack(f"<HH{len(longer)}Q", 1, 8 * len(longer), *longer)) if longer else (20, b"")


def local_header(member: Member) -> bytes:
    """What lies before a member's bytes."""
    name, size = member.name.encode(), member.size_bytes
    version, extra = _longer(*((size, size) if size >= _FULL else ()))
    told = min(size, _FULL)
    head = struct.pack("<4s5H3L2H", b"PK\3\4", version, 0, 0, 0, _DATE, member.crc32, told, told, len(name), len(extra))
    return head + name + extra


def directory(members: list[Member], at: int) -> bytes:
    """What lies behind the last member, which ends at `at`: the table of contents and its end."""
    parts = []
    for member in members:
        name, size, offset = member.name.encode(), member.size_bytes, member.offset
        longer = ((size, size) if size >= _FULL else ()) + ((offset,) if offset >= _FULL else ())
        version, extra = _longer(*longer)
        numbers = (0x0300 | version, version, 0, 0, 0, _DATE, member.crc32, min(size, _FULL), min(size, _FULL))
        places = (len(name), len(extra), 0, 0, 0, _MODE, min(offset, _FULL))
        parts.append(struct.pack("<4s6H3L5H2L", b"PK\1\2", *numbers, *places) + name + extra)
    table, count = b"".join(parts), len(members)
    end = b""
    if count >= 0xFFFF or at >= _FULL or len(table) >= _FULL:
        numbers = (44, 45, 45, 0, 0, count, count, len(table), at)
        end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", *numbers)
        end += struct.pack("<4sLQL", b"PK\6\7", 0, at + len(table), 1)
    few = min(count, 0xFFFF)
    end += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, few, few, min(len(table), _FULL), min(at, _FULL), 0)
    return table + end


class Verifier:
    """Goes through one bundle; `lines` is what it found."""

    def __init__(
        self, archive: zipfile.ZipFile, size_bytes: int, roots: list[x509.Certificate] | None, tsa: str | None
    ) -> None:
        self.archive, self.size_bytes, self.given_roots, self.tsa = archive, size_bytes, roots, tsa
        self.has_token = False
        self.lines: list[Line] = []
        self.records: dict[str, dict[tuple[int, int], Entry]] = {}
        self.pool: list[x509.Certificate] = []
        self.manifest: dict[str, Any] = {}
        self.hashes: dict[str, str] = {}
        self.audit_heads: dict[int, str] = {}

    def say(self, status: str, item: str, says: str) -> None:
        """Cut to length, and with nothing that a terminal would obey: many words are of whoever made the bundle."""
        item, says = (
            "".join(each if each.isprintable() else "?" for each in text[:most])
            for text, most in ((item, 200), (says, 400))
        )
        self.lines.append(Line(status, item, says))

    def run(self) -> None:
        """Every step on its own: what one finds wrong does not keep the others from looking."""
        if not self.container():
            return
        for item, step in (
            (MANIFEST, self.seal),
            (MANIFEST, self.items),
            (RECORDS, self.chains),
            (MINUTES, self.minutes),
            (MANIFEST, self.film),
            (AUDIT, self.audit),
        ):
            try:
                step()
            except Broken as broken:
                self.say(WRONG, item, str(broken))
            except Exception as error:  # whoever made the bundle chose its values: each must be answered
                self.say(WRONG, item, f"it is not in the form of a bundle ({type(error).__name__}: {error})"[:300])

    # --- the file itself

    def container(self) -> bool:
        """The file must be, byte for byte, what its members make it: nothing before, between, behind or on top of them,
        nothing packed, no links. False: look no further."""
        members = self.archive.infolist()
        if len(members) > MOST_MEMBERS:
            self.say(WRONG, "bundle", f"{len(members)} members: more than {MOST_MEMBERS} are not looked at")
            return False
        names: set[str] = set()
        for member in members:
            name = member.filename
            if not _NAME.fullmatch(name):
                self.say(WRONG, repr(name)[:200], "a name that no bundle has: it is not looked at")
                return False
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                self.say(WRONG, name, "packed: in a bundle nothing is, it is not looked at")
                return False
            if name in names:
                self.say(WRONG, name, "added: there are two of this name")
            names.add(name)
        if [each.header_offset for each in members] != sorted(each.header_offset for each in members):
            self.say(WRONG, "bundle", "reordered: its table of contents is in another order")
            return False
        at, entries = 0, []
        for member in members:
            entries.append(Member(member.filename, member.file_size, member.CRC, at))
            header = local_header(entries[-1])
            if member.header_offset != at or self.bytes_at(at, len(header)) != header:
                self.say(WRONG, member.filename, "changed or added: what lies before it is not what belongs there")
                return False
            at += len(header) + member.file_size
        rest = directory(entries, at)
        if self.size_bytes != at + len(rest) or self.bytes_at(at, len(rest)) != rest:
            self.say(WRONG, "bundle", "changed or added: what lies behind its last member is not what belongs there")
        return True

    def bytes_at(self, at: int, count: int) -> bytes:
        assert self.archive.fp is not None
        self.archive.fp.seek(at)
        return self.archive.fp.read(count)

    def read(self, name: str) -> bytes:
        try:
            if self.archive.getinfo(name).file_size > MOST_TEXT_BYTES:
                raise Broken("it is larger than any of its kind")
            return self.archive.read(name)
        except KeyError:
            raise Broken("missing") from None
        except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
            raise Broken(f"changed: {error}") from None

    def pieces(self, name: str) -> Iterator[bytes]:
        with self.archive.open(name) as file:
            while piece := file.read(1 << 20):
                yield piece

    # --- manifest and items

    def seal(self) -> None:
        """The centre's signature over the manifest, and whose certificate that is."""
        text = self.read(MANIFEST)
        self.manifest = parsed(text, dict)
        if self.manifest.get("format") != FORMAT:
            raise Broken(f"a bundle of another format ({str(self.manifest.get('format'))[:40]}): use its own verify.py")
        try:
            self.pool += certificates_in(self.read(CERTIFICATES))
        except Broken as broken:
            self.say(WRONG, CERTIFICATES, str(broken))
        try:
            data = self.read(SEAL)
            seal = parsed(data, dict)
            if canonical(seal) != data or set(seal) - {"token"} != {"signature", "seal"}:
                raise Broken("changed: it is not as the hub writes it")
            stamp = str(seal.get("token", ""))
        except Broken as broken:
            self.say(WRONG, SEAL, str(broken))
            return
        leaf = self.certificate(seal["seal"])
        if leaf is None or not is_signed(key_of(leaf), seal["signature"], BUNDLE_DOMAIN + text + stamp.encode()):
            self.say(WRONG, MANIFEST, "changed: it is not the one that the centre's hub signed")
        else:
            self.sealer(leaf, int(self.manifest["made_utc_ms"]), MANIFEST, "signed by the centre's hub")
        if stamp:
            self.stamp(text, stamp)

    def stamp(self, text: bytes, wanted: str) -> None:
        """The time stamp by RFC 3161: the one that the hub sealed, and what its authority says of it."""
        self.has_token = True
        token = self.read(TOKEN)
        if hashlib.sha256(token).hexdigest() != wanted:
            self.say(WRONG, TOKEN, "changed: it is not the one that the centre's hub signed")
        elif self.tsa is None:
            self.say(NOTE, TOKEN, "a time stamp over the manifest: give --tsa to verify it")
        else:
            self.say(*stamped(text, token, self.tsa))

    def certificate(self, fingerprint: Any) -> x509.Certificate | None:
        return next((each for each in self.pool if each.fingerprint(SHA256()).hex() == fingerprint), None)

    def sealer(self, leaf: x509.Certificate, at_utc_ms: int, item: str, says: str) -> None:
        if EVIDENCE_URN not in uris_of(leaf):
            self.say(WRONG, item, "signed with a certificate that is not for signing evidence")
        elif leaf.not_valid_after_utc.timestamp() * 1000 < at_utc_ms:
            self.say(WRONG, item, "signed after its certificate had ended")
        else:
            self.signer(leaf, item, says)

    def signer(self, leaf: x509.Certificate, item: str, says: str) -> None:
        """Say whether the certificate leads to the authority that was given."""
        roots = self.given_roots
        if roots is None:
            roots = [each for each in self.pool if each.subject == each.issuer]
        if not self.leads_to(leaf, roots):
            self.say(WRONG, item, "foreign: whoever signed it does not belong to this centre")
        elif self.given_roots is None:
            self.say(UNPROVEN, item, f"{says}, if its certificates are the centre's: give --ca to prove it")
        else:
            self.say(OK, item, says)

    def leads_to(self, leaf: x509.Certificate, roots: list[x509.Certificate]) -> bool:
        """Whether authorities in the bundle lead from the certificate up to one of the roots; each is asked once."""
        ahead, left = [leaf], [each for each in self.pool if each != leaf and is_authority(each)]
        while ahead:
            below = ahead.pop()
            if any(below == root or is_issued(below, root) for root in roots):
                return True
            above = [each for each in left if is_issued(below, each)]
            left = [each for each in left if each not in above]
            ahead += above
        return False

    def items(self) -> None:
        """Every member against the manifest: there, of its size, with its hash, in its place, and no others."""
        wanted = [str(item["name"]) for item in self.manifest["items"]]
        have = [member.filename for member in self.archive.infolist()]
        rest = {MANIFEST, SEAL, *([TOKEN] if self.has_token else [])}
        for name in sorted(set(have) - set(wanted) - rest):
            self.say(WRONG, name, "added: the manifest does not name it")
        in_order = [name for name in have if name not in rest and name in set(wanted)]
        if in_order != [name for name in wanted if name in set(have)] or len(wanted) != len(set(wanted)):
            self.say(WRONG, "bundle", "reordered: its members are not in the manifest's order")
        for item in self.manifest["items"]:
            name = str(item["name"])
            if name not in have:
                self.say(WRONG, name, "missing: the manifest names it")
                continue
            found = hashlib.sha256()
            try:
                for piece in self.pieces(name):
                    found.update(piece)
            except (zipfile.BadZipFile, OSError) as error:
                self.say(WRONG, name, f"changed: {error}"[:200])
            self.hashes[name] = found.hexdigest()
            if self.archive.getinfo(name).file_size != item["size_bytes"] or found.hexdigest() != item["sha256"]:
                self.say(WRONG, name, "changed: it is not the file that the manifest names")
            elif item["what"] not in ("segment", "still", "purge"):
                self.say(OK, name, "as the manifest says")

    # --- the desks' chains

    def keys(self) -> dict[str, Ed25519PublicKey]:
        """The key that signs each unit's records: by its certificate where there is one, else as the manifest says."""
        found: dict[str, Ed25519PublicKey] = {}
        for named in self.manifest["scope"]["units"]:
            unit, key = str(named["unit"]), str(named["public_key"])
            papers = [each for each in self.pool if f"{RECORD_KEY_URN}{key}" in uris_of(each)]
            papers = [each for each in papers if each.subject.rfc4514_string() == f"CN={unit}"]
            if papers:
                self.signer(papers[-1], unit, "its certificate binds the key that signs its records to its name")
            else:
                self.say(UNPROVEN, unit, "no certificate for the key that signs its records: the hub alone names it")
            found[unit] = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        return found

    def chains(self) -> None:
        keys = self.keys()
        last: dict[str, tuple[tuple[int, int], list[str]]] = {}
        for number, text in enumerate(self.read(RECORDS).splitlines(), 1):
            line = parsed(text, dict)
            header = parsed(str(line["header"]), dict)
            unit, at = str(header["unit"]), (int(header["boot"]), int(header["seq"]))
            name = f"{unit} record {at[0]}/{at[1]}"
            if unit not in keys:
                self.say(WRONG, f"{RECORDS} line {number}", f"foreign: a record of {unit[:80]}")
                continue
            message = RECORD_DOMAIN + str(line["header"]).encode()
            if not is_signed(keys[unit], line["signature"], message):
                self.say(WRONG, name, "changed: it is not signed by this desk")
            body = line["body"]
            if body is not None and hashlib.sha256(str(body).encode()).hexdigest() != header["body_sha256"]:
                self.say(WRONG, name, "changed: its body is not the one that was signed")
            entry = Entry(header, hashlib.sha256(message).hexdigest(), None if body is None else parsed(body, dict))
            if unit in last:
                self.link(name, at, entry, *last[unit])
            behind = last[unit][1] if unit in last and header.get("is_durable") is False else []
            last[unit] = (at, [entry.hash, *behind])
            self.records.setdefault(unit, {})[at] = entry
        for unit in keys:
            found = self.records.get(unit, {})
            shown = sum(entry.body is not None for entry in found.values())
            self.say(OK if found else WRONG, unit, f"{len(found)} records in its chain, {shown} of them shown in full")

    def link(
        self, name: str, at: tuple[int, int], entry: Entry, before: tuple[int, int], may_follow: list[str]
    ) -> None:
        """`may_follow`: the record before, and where the card could not take that one, those before it."""
        if at <= before:
            self.say(WRONG, name, f"reordered: it stands behind record {before[0]}/{before[1]}")
        elif at != (before[0], before[1] + 1) and (at[0] == before[0] or at[1] != 1):
            self.say(WRONG, name, f"missing: the records between {before[0]}/{before[1]} and it")
        elif entry.header["prev"] not in may_follow:
            if entry.header["prev"] == GENESIS and (entry.body or {}).get("is_chain_new") is True:
                self.say(NOTE, name, "the desk said here that it had lost its records and began a new chain")
            else:
                self.say(WRONG, name, f"it does not follow on record {before[0]}/{before[1]}")

    def minutes(self) -> None:
        """The hub's countersignatures: until where nothing can have been cut off."""
        reached: dict[str, tuple[int, int]] = {}
        for minute in parsed(self.read(MINUTES), list):
            name = f"countersignature {int(minute['number'])}"
            statement = f"{minute['number']} {minute['at_utc_ms']} {minute['leaves']} {minute['root']}".encode()
            leaf = self.certificate(minute["seal"])
            if leaf is None or not is_signed(key_of(leaf), minute["signature"], MINUTE_DOMAIN + statement):
                self.say(WRONG, name, "changed: it is not signed by the centre's hub")
                continue
            self.sealer(
                leaf, int(minute["at_utc_ms"]), name, f"signed by the centre's hub, code {code(minute['root'])}"
            )
            for proof in minute["proofs"]:
                self.proved(name, minute, proof, reached)
        for unit, found in self.records.items():
            at, end = reached.get(unit, (0, 0)), max(found)
            if at < end:
                since = f"record {at[0]}/{at[1]}" if at != (0, 0) else "its beginning"
                self.say(NOTE, unit, f"not countersigned yet: what comes after {since} could have been cut off unseen")

    def proved(self, name: str, minute: Any, proof: Any, reached: dict[str, tuple[int, int]]) -> None:
        path = [bytes.fromhex(each) for each in proof["path"]]
        root = root_by(str(proof["leaf"]).encode(), int(proof["index"]), int(minute["leaves"]), path)
        if root is None or root.hex() != minute["root"]:
            self.say(WRONG, name, f"changed: it does not stand for {str(proof['leaf'])[:120]}")
            return
        kind, *words = str(proof["leaf"]).split(" ")
        if kind == "audit":
            self.audit_heads[int(words[0])] = words[1]
        if kind != "head" or words[0] not in self.records:
            return
        unit, at, found = words[0], (int(words[1]), int(words[2])), self.records[words[0]]
        if at in found and found[at].hash == words[3]:
            reached[unit] = max(reached.get(unit, (0, 0)), at)
        elif at not in found:
            self.say(WRONG, unit, f"cut off: {name} stands for record {at[0]}/{at[1]}, which is not here")
        else:
            self.say(WRONG, unit, f"changed: {name} stands for another record {at[0]}/{at[1]}")

    # --- film, pictures, purges

    def film(self) -> None:
        """Segments and pictures against what the desk signed; what is absent against the reason that is given."""
        scope, shown = self.manifest["scope"], set()
        for item in self.manifest["items"]:
            if item["what"] == "segment" and item["name"] in self.hashes:
                shown.add(self.segment(item, scope))
            elif item["what"] == "still" and item["name"] in self.hashes:
                bodies = [entry.body or {} for found in self.records.values() for entry in found.values()]
                is_named = any(body.get("still_sha256") == self.hashes[item["name"]] for body in bodies)
                says = "the picture whose hash the desk signed" if is_named else "foreign: no record here names it"
                self.say(OK if is_named else WRONG, item["name"], says)
        pictures = {str(item["sha256"]) for item in self.manifest["items"] if item["what"] == "still"}
        purges = {item["number"]: self.purge(item) for item in self.manifest["items"] if item["what"] == "purge"}
        for item in self.manifest["absent"]:
            if item["what"] == "clip":
                self.say(NOTE, str(item["name"]), f"not made: {item['state']}; the film itself is what counts")
                continue
            if item["what"] == "still":
                pictures.add(str(item["sha256"]))
            else:
                shown.add((str(item["unit"]), int(item["boot"]), int(item["seq"])))
            self.absent(item, purges)
        told: dict[tuple[str, str], dict[tuple[str, int, int], str]] = {}
        for unit, found in self.records.items():
            for (boot, seq), entry in found.items():
                if entry.body and entry.body.get("still_sha256") not in (None, *pictures):
                    self.say(WRONG, f"{unit} record {boot}/{seq}", "missing: the picture that it names is not here")
                if entry.body and entry.header["kind"] == "segment_closed" and is_within(entry.body, scope):
                    of_name = told.setdefault((unit, str(entry.body["name"])), {})
                    of_name[unit, boot, seq] = str(entry.body["sha256"])
        self.all_told(told, shown)
        self.coverage(scope)

    def all_told(
        self, told: dict[tuple[str, str], dict[tuple[str, int, int], str]], shown: set[tuple[str, int, int]]
    ) -> None:
        """Each film that the records tell of is shown, or named as absent. A desk that lost its records tells of its
        files again: one telling of a file is enough, and another content in a later one is said."""
        for found in told.values():
            (unit, boot, seq), newest = max(found.items())
            name = f"{unit} record {boot}/{seq}"
            if not found.keys() & shown:
                self.say(WRONG, name, "missing: the film that it tells of is not here")
            elif not any(found[key] == newest for key in found.keys() & shown):
                self.say(NOTE, name, "the desk told another content of a film here again: what it told first is shown")

    def segment(self, item: dict[str, Any], scope: dict[str, Any]) -> tuple[str, int, int]:
        key = (str(item["unit"]), int(item["boot"]), int(item["seq"]))
        entry = self.records.get(key[0], {}).get(key[1:])
        body = (entry.body if entry else None) or {}
        if entry is None or entry.header["kind"] != "segment_closed" or not body:
            self.say(WRONG, item["name"], "foreign: no record of this desk here tells of it")
        elif body["sitting"] != scope["sitting"] or (body.get("seat") or scope["seat"]) != scope["seat"]:
            self.say(WRONG, item["name"], f"foreign: of sitting {body['sitting']}, seat {body.get('seat')}"[:200])
        elif body["sha256"] != self.hashes[item["name"]] or body["size_bytes"] != item["size_bytes"]:
            self.say(WRONG, item["name"], "changed: it is not the film that the desk signed")
        else:
            self.say(OK, item["name"], f"the film that desk {key[0]} signed in record {key[1]}/{key[2]}")
        return key

    def purge(self, item: dict[str, Any]) -> set[tuple[str, str]]:
        """What the certificate of a purge lists, as (unit, hash)."""
        try:
            text = parsed(self.read(item["name"]), dict)
            statement, listed = text["statement"], text["items"]
            chain = certificates_in(str(text["chain_pem"]).encode())
            lines = b"".join(canonical(each) + b"\n" for each in listed)
            if not is_signed(key_of(chain[0]), text["signature"], PURGE_DOMAIN + canonical(statement)):
                raise Broken("changed: it is not signed by the centre's hub")
            if hashlib.sha256(lines).hexdigest() != statement["items_sha256"] or len(listed) != statement["items"]:
                raise Broken("changed: its list is not the one that was signed")
        except Exception as broken:
            self.say(WRONG, str(item["name"]), f"it is no certificate of a purge: {broken}")
            return set()
        self.pool += chain
        self.sealer(
            chain[0], 0, str(item["name"]), f"certificate of purge {item['number']}, signed by the centre's hub"
        )
        return {(str(each["unit"]), str(each["sha256"])) for each in listed}

    def absent(self, item: dict[str, Any], purges: dict[Any, set[tuple[str, str]]]) -> None:
        is_still, unit = item["what"] == "still", str(item["unit"])
        name = f"{'picture' if is_still else 'film'} {item['name']}"[:160]
        entry = self.records.get(unit, {}).get((int(item["boot"]), int(item["seq"])))
        if entry is None or entry.header["kind"] != ("alert" if is_still else "segment_closed"):
            self.say(WRONG, name, "foreign: no record of this desk here tells of it")
        elif entry.body is not None and entry.body["still_sha256" if is_still else "sha256"] != item["sha256"]:
            self.say(WRONG, name, "changed: the record tells of another film")
        elif item["state"] != "purged":
            self.say(NOTE, name, f"not here: {str(item['state'])[:200]}")
        elif (unit, item["sha256"]) in purges.get(item["purge"], set()):
            self.say(NOTE, name, f"purged under certificate {item['purge']}")
        elif item["purge"] in purges:
            self.say(WRONG, name, f"certificate {item['purge']} does not list it")
        else:
            self.say(NOTE, name, f"purged under certificate {item['purge']}, which is not here: ask the centre for it")

    def coverage(self, scope: dict[str, Any]) -> None:
        """Time of the stretch that is neither film nor a gap that the desk told of."""
        begins, ends = int(scope["from_utc_ms"]), int(scope["until_utc_ms"])
        bodies = [entry.body for found in self.records.values() for entry in found.values() if entry.body is not None]
        told = [body for body in bodies if body.get("kind") in ("segment_closed", "gap") and is_within(body, scope)]
        spans = sorted(tuple(sorted((int(body["began"][0]), int(body["ended"][0])))) for body in told)
        at, is_covered = begins, True
        for began, ended in [*spans, (ends, ends)]:
            if began - at > UNCOVERED_MS:
                is_covered = False
                self.say(
                    NOTE, "coverage", f"neither film nor a gap with its cause from {moment(at)} to {moment(began)}"
                )
            at = max(at, ended)
        gaps = sum(body["kind"] == "gap" for body in told)
        if is_covered:
            self.say(
                OK, "coverage", f"each moment from {moment(begins)} to {moment(ends)} is film or one of {gaps} gaps"
            )

    # --- audit log

    def audit(self) -> None:
        """Each entry has the hash that its own words make, and that a countersignature stands for."""
        names = ("audit_id", "at_utc_ms", "who", "role", "deed", "object", "detail", "address", "prev")
        entries, last = parsed(self.read(AUDIT), list), 0
        for entry in entries:
            text = json.dumps([entry[name] for name in names], separators=(",", ":"), ensure_ascii=False)
            if hashlib.sha256(AUDIT_DOMAIN + text.encode()).hexdigest() != entry["hash"]:
                self.say(WRONG, f"audit entry {entry['audit_id']}", "changed: it does not have its hash")
            if self.audit_heads.get(entry["audit_id"], entry["hash"]) != entry["hash"]:
                self.say(WRONG, f"audit entry {entry['audit_id']}", "changed: another one was countersigned")
            if entry["audit_id"] <= last:
                self.say(WRONG, f"audit entry {entry['audit_id']}", f"reordered: it stands behind entry {last}")
            last = entry["audit_id"]


def is_within(body: dict[str, Any], scope: dict[str, Any]) -> bool:
    """Whether film or a gap belongs to the stretch of the bundle."""
    low, high = sorted((int(body["began"][0]), int(body["ended"][0])))
    seat = body.get("seat") or scope["seat"]
    is_of_seat = body.get("sitting") == scope["sitting"] and seat == scope["seat"]
    return bool(is_of_seat and low < scope["until_utc_ms"] and high > scope["from_utc_ms"])


def moment(utc_ms: int) -> str:
    return f"{datetime.datetime.fromtimestamp(utc_ms / 1000, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"


def code(root: Any) -> str:
    """The first 40 bits in Crockford's base 32, as the centre's pages and reports show them."""
    number = int(str(root)[:10], 16)
    text = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[number >> shift & 31] for shift in range(35, -1, -5))
    return f"{text[:4]}-{text[4:]}"


def root_by(leaf: bytes, index: int, count: int, path: list[bytes]) -> bytes | None:
    """The root of a Merkle tree by a leaf's proof: RFC 6962 section 2.1, RFC 9162 section 2.1.3.2."""
    if not 0 <= index < count:
        return None
    at, last, result = index, count - 1, hashlib.sha256(b"\0" + leaf).digest()
    for beside in path:
        if last == 0:
            return None
        if at % 2 == 1 or at == last:
            result = hashlib.sha256(b"\1" + beside + result).digest()
            while at % 2 == 0 and at != 0:
                at, last = at // 2, last // 2
        else:
            result = hashlib.sha256(b"\1" + result + beside).digest()
        at, last = at // 2, last // 2
    return result if last == 0 else None


def stamped(text: bytes, token: bytes, tsa: str) -> Line:
    """What `openssl ts` says of a time stamp; `tsa` is the file with the certificates that are trusted for it."""
    with tempfile.TemporaryDirectory(prefix="verify-") as folder:
        data, reply = os.path.join(folder, "data"), os.path.join(folder, "reply.tsr")
        for path, content in ((data, text), (reply, token)):
            with open(path, "wb") as file:
                file.write(content)
        asked = ["openssl", "ts", "-verify", "-data", data, "-in", reply, "-CAfile", tsa]
        shown = ["openssl", "ts", "-reply", "-in", reply, "-text"]
        try:
            done = [subprocess.run(words, capture_output=True, timeout=60, check=False) for words in (asked, shown)]
        except (OSError, subprocess.TimeoutExpired) as error:
            return Line(UNPROVEN, TOKEN, f"openssl, which verifies time stamps, cannot be run: {error}")
    if done[0].returncode != 0:
        return Line(WRONG, TOKEN, "it is no time stamp over this manifest by the authority given with --tsa")
    when = re.search(rb"Time stamp: (.*)", done[1].stdout)
    return Line(OK, TOKEN, f"the manifest existed at {when[1].decode(errors='replace') if when else 'its time'}")


def verify(path: str, roots: list[x509.Certificate] | None = None, tsa: str | None = None) -> list[Line]:
    """Every finding about a bundle. `roots`: the centre's own certificates; None: not known. `tsa`: the file with the
    certificates of whom to trust for time stamps."""
    if os.path.isdir(path):
        return [Line(WRONG, "bundle", "this is a folder: give the .zip file as it was handed out")]
    try:
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            verifier = Verifier(archive, file.seek(0, 2), roots, tsa)
            verifier.run()
    except Exception as error:  # zipfile raises many kinds for what is no zip
        return [Line(WRONG, "bundle", f"it cannot be read: {str(error)[:200]}")]
    return verifier.lines


def verdict(lines: list[Line]) -> tuple[int, str]:
    """(exit code, in a word)."""
    found = {line.status for line in lines}
    if WRONG in found:
        return 1, "something is WRONG"
    return (4, "consistent, signer unproven") if UNPROVEN in found else (0, "verified")


def main(words: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="verify", description="Verify an evidence bundle, offline.")
    options.add_argument("bundle", help="the bundle, a .zip")
    options.add_argument("--ca", help="the centre's own certificate (PEM), got from whom you trust")
    options.add_argument("--tsa", help="whom to trust for time stamps (PEM); needs the program openssl")
    options.add_argument("--json", action="store_true", help="the same as JSON")
    given = options.parse_args(words)
    roots = None
    if given.ca:
        try:
            with open(given.ca, "rb") as file:
                text = file.read(MOST_TEXT_BYTES)
            if not text.startswith(b"-----BEGIN CERTIFICATE-----"):  # a bundle has certificates in it too
                raise ValueError("it does not begin as one")
            roots = x509.load_pem_x509_certificates(text)
        except (OSError, ValueError) as error:
            print(f"verify: {given.ca} is no certificate in PEM: {str(error)[:100]}", file=sys.stderr)
            return 2
    if given.tsa and not os.path.isfile(given.tsa):
        print(f"verify: there is no file {given.tsa}", file=sys.stderr)
        return 2
    order = (OK, NOTE, UNPROVEN, WRONG)
    lines = sorted(verify(given.bundle, roots, given.tsa), key=lambda line: order.index(line.status))
    exit_code, word = verdict(lines)
    if given.json:
        print(json.dumps({"verdict": word, "lines": [line._asdict() for line in lines]}, indent=1))
        return exit_code
    for line in lines:
        print(f"{line.status:9} {line.item}: {line.says}")
    counts = ", ".join(f"{sum(line.status == each for line in lines)} {each}" for each in order)
    print(f"\n{given.bundle}: {word} ({counts})")
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
