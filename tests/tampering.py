"""Ways to tamper with a bundle, each as somebody without the hub's and the desk's keys could: all must be found.

A kind takes the bundle's members in their order, those of another desk's bundle and a source of chance, and answers the
members afterwards. They are packed as the hub packs them, so that only what was tampered with can betray them.
"""

from __future__ import annotations

import hashlib
import json
import random
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hub.evidence.verify import (
    AUDIT,
    CERTIFICATES,
    MANIFEST,
    MINUTES,
    RECORDS,
    SEAL,
    Member,
    canonical,
    directory,
    local_header,
)

Members = list[tuple[str, bytes]]


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return [(each.filename, archive.read(each)) for each in archive.infolist()]


def packed(members: Members) -> bytes:
    """The file that the hub would make of these members."""
    parts, entries, at = [], [], 0
    for name, data in members:
        entries.append(Member(name, len(data), zlib.crc32(data), at))
        header = local_header(entries[-1])
        parts += [header, data]
        at += len(header) + len(data)
    return b"".join([*parts, directory(entries, at)])


def put(members: Members, name: str, data: bytes) -> Members:
    return [(each, data if each == name else kept) for each, kept in members]


def of(members: Members, name: str) -> bytes:
    return dict(members)[name]


def named(members: Members, beginning: str) -> list[str]:
    return [name for name, _ in members if name.startswith(beginning)]


def flipped(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]


def remade(members: Members) -> Members:
    """A manifest that fits what is there, by somebody who cannot sign it."""
    manifest = json.loads(of(members, MANIFEST))
    have = dict(members)
    old = {item["name"]: item for item in manifest["items"]}
    items = []
    for name, data in members:
        if name not in (MANIFEST, SEAL):
            told = old.get(name) or {"name": name, "what": "segment" if name.startswith("film/") else "still"}
            items.append(told | {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    manifest["items"] = items
    assert set(have) >= {item["name"] for item in items}
    return put(members, MANIFEST, json.dumps(manifest, sort_keys=True, indent=1, ensure_ascii=False).encode() + b"\n")


def _flip_in(beginning: str) -> Callable[[Members, Members, random.Random], Members]:
    def kind(members: Members, other: Members, dice: random.Random) -> Members:
        name = dice.choice(named(members, beginning))
        return put(members, name, flipped(of(members, name), dice))

    return kind


def _json_flip(name: str, field: str) -> Callable[[Members, Members, random.Random], Members]:
    """One bit of a hexadecimal field somewhere in a JSON member, as another hexadecimal digit."""

    def kind(members: Members, other: Members, dice: random.Random) -> Members:
        text = of(members, name).decode()
        places = [at for at in range(len(text)) if text.startswith(f'"{field}"', at)]
        assert places, (name, field)
        start = text.index('"', text.index(":", dice.choice(places))) + 1
        at = start + dice.randrange(text.index('"', start) - start)
        digit = dice.choice([each for each in "0123456789abcdef" if each != text[at]])
        return put(members, name, (text[:at] + digit + text[at + 1 :]).encode())

    return kind


def _drop(beginning: str) -> Callable[[Members, Members, random.Random], Members]:
    def kind(members: Members, other: Members, dice: random.Random) -> Members:
        name = dice.choice(named(members, beginning))
        return [each for each in members if each[0] != name]

    return kind


def _swap_film(members: Members, other: Members, dice: random.Random) -> Members:
    """Two pieces of film change places."""
    one, two = dice.sample(named(members, "film/"), 2)
    return put(put(members, one, of(members, two)), two, of(members, one))


def _reorder(members: Members, other: Members, dice: random.Random) -> Members:
    """Two neighbours of the file change places."""
    at = dice.randrange(len(members) - 3)
    return [*members[:at], members[at + 1], members[at], *members[at + 2 :]]


def _lines(members: Members) -> list[bytes]:
    return of(members, RECORDS).splitlines(keepends=True)


def _drop_record(members: Members, other: Members, dice: random.Random) -> Members:
    lines = _lines(members)
    del lines[dice.randrange(1, len(lines) - 1)]
    return put(members, RECORDS, b"".join(lines))


def _swap_records(members: Members, other: Members, dice: random.Random) -> Members:
    lines = _lines(members)
    one, two = dice.sample(range(len(lines)), 2)
    lines[one], lines[two] = lines[two], lines[one]
    return put(members, RECORDS, b"".join(lines))


def _cut_tail(members: Members, other: Members, dice: random.Random) -> Members:
    lines = _lines(members)
    return put(members, RECORDS, b"".join(lines[: -dice.randrange(1, len(lines) // 2)]))


def _cut_all(members: Members, other: Members, dice: random.Random) -> Members:
    """The newest records and the film they tell of."""
    lines = _lines(members)
    cut = dice.randrange(len(lines) // 2, len(lines))
    gone = {json.loads(json.loads(line)["header"])["seq"] for line in lines[cut:]}
    items = json.loads(of(members, MANIFEST))["items"]
    names = {item["name"] for item in items if item["what"] == "segment" and item["seq"] in gone}
    return [each for each in put(members, RECORDS, b"".join(lines[:cut])) if each[0] not in names]


def _other_film(members: Members, other: Members, dice: random.Random) -> Members:
    """Another desk's film in the place of ours."""
    return put(members, dice.choice(named(members, "film/")), of(other, dice.choice(named(other, "film/"))))


def _other_record(members: Members, other: Members, dice: random.Random) -> Members:
    lines = _lines(members)
    lines[dice.randrange(len(lines))] = dice.choice(_lines(other))
    return put(members, RECORDS, b"".join(lines))


def _other_chain(members: Members, other: Members, dice: random.Random) -> Members:
    name = dice.choice([RECORDS, MINUTES, CERTIFICATES, SEAL, MANIFEST])
    return put(members, name, of(other, name))


def _add(members: Members, other: Members, dice: random.Random) -> Members:
    at = dice.randrange(len(members))
    name = dice.choice(["film/c.desk-01/1.ts", "note.txt", "stills/1.jpg", "film/c.desk-09/2.ts"])
    return [*members[:at], (name, dice.randbytes(50)), *members[at:]]


def _add_twice(members: Members, other: Members, dice: random.Random) -> Members:
    """A second member of a name that there is already."""
    at = dice.randrange(len(members))
    return [*members[:at], (members[at][0], members[dice.randrange(len(members))][1] + b"!"), *members[at:]]


def _sign_again(members: Members, other: Members, dice: random.Random) -> Members:
    """The seal of another bundle of the same hub over a changed manifest."""
    changed = json.loads(of(members, MANIFEST))
    changed["why"] = "nothing"
    return put(put(members, MANIFEST, canonical(changed)), SEAL, of(other, SEAL))


def _body(members: Members, other: Members, dice: random.Random) -> Members:
    """A record's body says something else, and its hash and the manifest are made to fit."""
    lines = [json.loads(line) for line in _lines(members)]
    shown = [line for line in lines if line["body"] is not None]
    line = dice.choice(shown)
    body: dict[str, Any] = json.loads(line["body"])
    body["sitting"] = "maths-2"
    line["body"] = json.dumps(body)
    header = json.loads(line["header"])
    header["body_sha256"] = hashlib.sha256(line["body"].encode()).hexdigest()
    line["header"] = json.dumps(header, separators=(",", ":"))
    return put(members, RECORDS, b"".join(canonical(each) + b"\n" for each in lines))


Kind = Callable[[Members, Members, random.Random], Members]
KINDS: dict[str, Kind] = {
    "flip: film": _flip_in("film/"),
    "flip: film for watching": _flip_in("watch/"),
    "flip: picture": _flip_in("stills/"),
    "flip: report": _flip_in("report.html"),
    "flip: manifest": _flip_in(MANIFEST),
    "flip: records": _flip_in(RECORDS),
    "flip: certificates": _flip_in(CERTIFICATES),
    "flip: seal": _flip_in(SEAL),
    "flip: countersignatures": _flip_in(MINUTES),
    "flip: audit extract": _flip_in(AUDIT),
    "flip: timeline": _flip_in("timeline.json"),
    "flip: verify.py": _flip_in("verify.py"),
    "flip: README": _flip_in("README.txt"),
    "flip: record's signature": _json_flip(RECORDS, "signature"),
    "flip: countersignature": _json_flip(MINUTES, "signature"),
    "flip: root": _json_flip(MINUTES, "root"),
    "flip: proof": _json_flip(MINUTES, "path"),
    "drop: film": _drop("film/"),
    "drop: picture": _drop("stills/"),
    "drop: film for watching": _drop("watch/"),
    "drop: part of the chain": _drop("chain/"),
    "drop: audit extract": _drop("audit"),
    "drop: seal": _drop(SEAL),
    "drop: record": _drop_record,
    "swap: film": _swap_film,
    "swap: records": _swap_records,
    "reorder: members": _reorder,
    "cut: tail of the chain": _cut_tail,
    "cut: tail with its film": _cut_all,
    "foreign: film": _other_film,
    "foreign: record": _other_record,
    "foreign: part": _other_chain,
    "add: member": _add,
    "add: second of a name": _add_twice,
    "seal of another bundle": _sign_again,
    "other words in a record": _body,
}

REMADE = (
    "flip: film",
    "flip: picture",
    "flip: records",
    "flip: countersignatures",
    "flip: audit extract",
    "flip: timeline",
    "drop: film",
    "drop: picture",
    "drop: record",
    "swap: film",
    "swap: records",
    "cut: tail of the chain",
    "cut: tail with its film",
    "foreign: film",
    "foreign: record",
    "add: member",
    "other words in a record",
)
"""Tampered by somebody who makes the manifest fit, and has no key to sign it."""


def tampered(kind: str, members: Members, other: Members, dice: random.Random) -> bytes:
    """The file after one attack; `remake: ` before a kind makes the manifest fit."""
    if kind == "flip: any byte of the file":
        return flipped(packed(members), dice)
    if kind == "cut: end of the file":
        data = packed(members)
        return data[: dice.randrange(len(data))]
    if kind == "add: bytes":
        data = packed(members)
        at = dice.choice([0, len(data), dice.randrange(len(data))])
        return data[:at] + dice.randbytes(dice.randrange(1, 30)) + data[at:]
    is_remade = kind.startswith("remake: ")
    changed = KINDS[kind.removeprefix("remake: ")](members, other, dice)
    return packed(remade(changed) if is_remade else changed)


ALL = [*KINDS, *(f"remake: {kind}" for kind in REMADE)]
ALL += ["flip: any byte of the file", "cut: end of the file", "add: bytes"]
