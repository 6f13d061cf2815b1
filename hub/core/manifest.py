"""What goes into an evidence bundle, as values: its stretch, which records are shown in full, and its manifest.

A bundle is about one seat of a sitting, or the part of it around one incident. Records of the same desk that tell of
something else go along without their body, so that the chain is unbroken and nobody else's exam is given away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

FORMAT = "ems-bundle-1"
DOMAIN = b"ems-bundle-v1\n"
BEFORE_MS, AFTER_MS = 30_000, 15_000
"""Of an incident: half a minute before it began, a quarter after it was cleared."""
ALWAYS_SHOWN = frozenset({"restart", "clock_step"})
"""They tell of the machine alone, and without them boots and times cannot be judged."""


class Scope(NamedTuple):
    """What a bundle is about: [from, until) on the desk's wall clock. `units`: (unit, public key) of every desk unit
    that recorded there. `incident` 0: the whole seat."""

    incident: int
    sitting: str
    room: str
    seat: str
    from_utc_ms: int
    until_utc_ms: int
    units: tuple[tuple[str, str], ...]

    @property
    def objects(self) -> list[str]:
        """What it is called in the audit log."""
        return [f"incident {self.incident}"] if self.incident else [f"sitting {self.sitting}"]


def canonical(value: Any) -> bytes:
    """One spelling of a JSON value: keys in order, no blanks, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def around(began_utc_ms: int, cleared_utc_ms: int | None, now_utc_ms: int) -> tuple[int, int]:
    """The stretch of an incident; one that stands reaches to now."""
    until_utc_ms = now_utc_ms if cleared_utc_ms is None else cleared_utc_ms + AFTER_MS
    return began_utc_ms - BEFORE_MS, max(until_utc_ms, began_utc_ms + AFTER_MS)


def time_of(header: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[int, int]:
    """From when to when (UTC milliseconds) a record tells."""
    began = body.get("began") or [header["utc_ms"]]
    ended = body.get("ended") or body.get("cleared") or [header["utc_ms"]]
    low, high = sorted((int(began[0]), int(ended[0])))
    return low, high


def is_shown(scope: Scope, header: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Whether a record's body goes into the bundle."""
    if header["kind"] in ALWAYS_SHOWN:
        return True
    if body.get("sitting", "") not in (scope.sitting, "") or body.get("seat", "") not in (scope.seat, ""):
        return False
    if header["kind"] == "sitting":
        return True
    low, high = time_of(header, body)
    return low < scope.until_utc_ms and high >= scope.from_utc_ms


def record_line(header: str, body: str | None, signature: str) -> bytes:
    return canonical({"header": header, "body": body, "signature": signature}) + b"\n"


def event(unit: str, header: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """A record that is shown, as the timeline tells it."""
    low, high = time_of(header, body)
    kept = {key: value for key, value in body.items() if key not in ("kind", "rule", "spans")}
    return {
        "unit": unit,
        "record": [header["boot"], header["seq"]],
        "kind": header["kind"],
        "from_utc_ms": low,
        "until_utc_ms": high,
        "is_clock_ok": header["is_clock_ok"],
        "told": kept,
    }


class Item(NamedTuple):
    """One member of the bundle. `what` is `segment`, `still`, `clip`, `purge`, or the name of a part."""

    name: str
    what: str
    size_bytes: int
    sha256: str
    told: Mapping[str, Any] = {}

    def row(self) -> dict[str, Any]:
        return {"name": self.name, "what": self.what, "size_bytes": self.size_bytes, "sha256": self.sha256, **self.told}


def built(
    scope: Scope,
    items: Sequence[Item],
    absent: Sequence[Mapping[str, Any]],
    *,
    made_utc_ms: int,
    asked_by: str,
    why: str,
    versions: Mapping[str, Any],
    countersigned: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The manifest."""
    stretch = scope._asdict() | {"units": [{"unit": unit, "public_key": key} for unit, key in scope.units]}
    return {
        "format": FORMAT,
        "made_utc_ms": made_utc_ms,
        "asked_by": asked_by,
        "why": why,
        "scope": stretch,
        "versions": versions,
        "countersigned": countersigned,
        "items": [item.row() for item in items],
        "absent": list(absent),
    }
