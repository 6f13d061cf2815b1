"""What the last run left behind, made whole again before a new one begins. Nothing is thrown away.

Each step may be the last one before the power goes: cutting a .part again changes nothing, and the new name, which
says that the file was cut, comes only after the cut file is on the disk.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from agent.core.segments import CUT, OPEN, ClosedSegment, closed_segment, look_through, parse_name
from agent.recording.segments import sync_folder

ASIDE = ".aside"
"""Ending of a file with nothing to play in it, kept for whoever wants to look."""


class SetAside(NamedTuple):
    """A file that is no segment; `name` is its new name."""

    name: str
    reason: str


class Repaired(NamedTuple):
    """What `repair` did. `trouble` is "" or why some file had to stay as it was."""

    closed: list[ClosedSegment]
    set_aside: list[SetAside]
    trouble: str


def repair(folder: Path) -> Repaired:
    """Cut every open segment of `folder` to its last whole packet and close it. Never raises OSError.

    Only for a folder that nobody records into. May be run again and again.
    """
    closed: list[ClosedSegment] = []
    aside: list[SetAside] = []
    troubles: list[str] = []
    try:
        parts = sorted(path for path in folder.iterdir() if path.name.endswith(".part"))
    except FileNotFoundError:
        return Repaired([], [], "")
    except OSError as error:
        return Repaired([], [], str(error))
    for path in parts:
        try:
            outcome = repair_one(path)
        except OSError as error:
            troubles.append(f"{path.name}: {error.strerror}")
            continue
        (closed if isinstance(outcome, ClosedSegment) else aside).append(outcome)  # type: ignore[arg-type]
    return Repaired(closed, aside, "; ".join(troubles))


def repair_one(path: Path) -> ClosedSegment | SetAside:
    """Close one .part. Raises OSError."""
    parsed = parse_name(path.name)
    data = path.read_bytes()
    found = look_through(data)
    if parsed is None:
        return _set_aside(path, "not a segment's name")
    if not found.frames:
        return _set_aside(path, "empty" if not data else f"no picture in {len(data)} bytes")
    with path.open("r+b") as file:
        file.truncate(found.whole_bytes)
        os.fsync(file.fileno())
    name, _ = parsed
    target = path.with_name(name.text(CUT))
    os.rename(path, target)
    sync_folder(path.parent)
    return describe(target)


def closed_segments(folder: Path) -> list[str]:
    """Names of all closed segments in `folder`, in the order of their making. Raises OSError."""
    found = [(parsed[0], path.name) for path in folder.iterdir() if (parsed := parse_name(path.name))]
    return [name for _, name in sorted(found) if not name.endswith(OPEN)]


def describe(path: Path) -> ClosedSegment:
    """A closed segment as its file tells it. Raises OSError, or ValueError when it is none."""
    parsed = parse_name(path.name)
    if parsed is None or parsed[1] == OPEN:
        raise ValueError(f"{path.name} is no closed segment")
    name, suffix = parsed
    data = path.read_bytes()
    found = look_through(data)
    ended_up_ms = name.began_up_ms + round((found.last_s + found.picture_s) * 1000)
    digest = hashlib.sha256(data).hexdigest()
    return closed_segment(name, ended_up_ms, found.frames, len(data), digest, is_cut=suffix == CUT)


def _set_aside(path: Path, reason: str) -> SetAside:
    target = path.with_name(path.name + ASIDE)
    number = 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}{ASIDE}{number}")
    os.rename(path, target)
    sync_folder(path.parent)
    return SetAside(target.name, reason)
