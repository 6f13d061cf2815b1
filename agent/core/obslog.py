"""The observation log: everything the judge was given in a sitting and what it said, small enough to keep.

    b"EMS observations 1\\n" block*        block = length, CRC-32 (4 bytes each, big-endian), deflated bytes

A block ends in a sync flush of one deflate stream that runs through the whole log, so that a log cut anywhere can be
read up to its last whole block, and its checksum tells damage from observations. Inflated it is a MessagePack array of
entries, each `[code, ...]`. Observations are rows of whole numbers on the grids of `agent.core.observation.quantised`,
their times as steps from the one before: what is read back is equal to what was written.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from agent.core.judge import MAX_GAP_S, AlertChange
from agent.core.observation import BOXES, SHARES, TENTHS, Face, Observation, Scene, Seat
from agent.wire import Instant, Pause, Rule

FORMAT = 1
NAME = b"EMS observations "
SUFFIX = ".obslog"
_BLOCK = struct.Struct(">II")
_MOST_BLOCK_BYTES = 4_194_304
"""Of one block, deflated or inflated: a hostile file must not fill the memory. A real block has some hundred bytes."""
_LEVEL = 6
_ENTRIES_A_BLOCK = 1_000


class BadLog(Exception):
    """The bytes are no log that this version reads; the text says why, in one line."""


class Header(Struct, frozen=True, kw_only=True):
    """The first entry: whose log this is. `boot` counts the agent's starts; 0 and no unit for a film."""

    sitting: str
    software: str
    model_sha256: str
    began: Instant
    unit: str = ""
    boot: int = 0


class JudgeBy(Struct, frozen=True, kw_only=True):
    """From here on a new judge by these rules, as `agent.core.judge.Judge` takes them, with these breaks."""

    rules: tuple[Rule, ...]
    first_n: int
    is_still: bool = False
    max_gap_s: float = MAX_GAP_S
    pauses: tuple[Pause, ...] = ()


class PausedBy(Struct, frozen=True, kw_only=True):
    """From here on the judge goes on with these breaks instead of those it had."""

    pauses: tuple[Pause, ...]


class Ended(Struct, frozen=True, kw_only=True):
    """The judge was ended: the sitting is over, the agent stops, or the rules change."""

    now: Instant


class Missed(Struct, frozen=True, kw_only=True):
    """So many observations were judged but could not be kept: the card refused for too long."""

    observations: int


Entry = Header | JudgeBy | Observation | AlertChange | Ended | Missed | PausedBy
_OBSERVED = 0
_CODES: dict[type, int] = {Header: 1, JudgeBy: 2, AlertChange: 3, Ended: 4, Missed: 5, PausedBy: 6}
_KINDS: dict[int, type] = {code: kind for kind, code in _CODES.items()}
_COVERED, _LOW_LIGHT, _FROZEN_TOLD, _FROZEN, _SEAT = 1, 2, 4, 8, 16


class Log(Struct, frozen=True):
    """What could be read; `problem` is one line on what could not, '' when all was."""

    header: Header
    entries: tuple[Entry, ...]
    problem: str = ""

    @property
    def is_ended(self) -> bool:
        """False for a log whose writer was killed, or still writes."""
        return not self.problem and bool(self.entries) and isinstance(self.entries[-1], Ended)


class Encoder:
    """Entries in, bytes out. `head` comes first in a file, then each `block` in its turn."""

    head = NAME + str(FORMAT).encode() + b"\n"

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._times = _Times()
        self._waiting: list[list[Any]] = []

    def add(self, entry: Entry) -> None:
        """Observations must be `quantised`, else they come back changed."""
        if isinstance(entry, Observation):
            self._waiting.append([_OBSERVED, *self._times.steps_to(entry), *_row(entry)])
        else:
            self._waiting.append([_CODES[type(entry)], entry])

    def block(self) -> bytes:
        """All that was added since the block before; empty when nothing was."""
        if not self._waiting:
            return b""
        data = self._deflate.compress(msgspec.msgpack.encode(self._waiting)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        self._waiting.clear()
        return _BLOCK.pack(len(data), zlib.crc32(data)) + data


def whole_log(entries: Iterable[Entry]) -> bytes:
    """A log of entries that are all there already, the first of them a Header."""
    encoder = Encoder()
    blocks = [encoder.head]
    for number, entry in enumerate(entries, start=1):
        encoder.add(entry)
        if number % _ENTRIES_A_BLOCK == 0:
            blocks.append(encoder.block())
    return b"".join((*blocks, encoder.block()))


class _Times:
    """Boot time and the wall clock's distance from it, as steps: mostly the same small numbers."""

    def __init__(self) -> None:
        self._up_ms = self._offset_ms = 0

    def steps_to(self, observation: Observation) -> tuple[int, int]:
        offset_ms = observation.utc_ms - observation.up_ms
        steps = observation.up_ms - self._up_ms, offset_ms - self._offset_ms
        self._up_ms, self._offset_ms = observation.up_ms, offset_ms
        return steps

    def after(self, up_step: int, offset_step: int) -> tuple[int, int]:
        """(up_ms, utc_ms) of the observation that these steps lead to."""
        self._up_ms += up_step
        self._offset_ms += offset_step
        return self._up_ms, self._up_ms + self._offset_ms


def _whole(value: float | None, steps: int) -> int | None:
    return None if value is None else round(value * steps)


def _part(number: int | None, steps: int) -> float | None:
    return None if number is None else number / steps


def _row(observation: Observation) -> list[int | None]:
    scene, seat = observation.scene, observation.seat
    flags = _COVERED * scene.is_covered + _LOW_LIGHT * scene.is_low_light + _SEAT * (seat is not None)
    if scene.is_frozen is not None:
        flags += _FROZEN_TOLD + _FROZEN * scene.is_frozen
    row = [
        flags,
        _whole(scene.brightness, TENTHS),
        _whole(scene.detail, TENTHS),
        _whole(scene.shift, SHARES),
        _whole(observation.vision_ms, TENTHS),
        _whole(observation.doubt, SHARES),
    ]
    if seat is not None:
        row += [_whole(seat.person, SHARES), _whole(seat.pose, SHARES), _whole(seat.change, SHARES)]
    for face in observation.faces:
        row += [_whole(face.score, SHARES), *(_whole(side, BOXES) for side in face.box)]
    return row


def _observation(up_ms: int, utc_ms: int, row: list[Any]) -> Observation:
    """Raises ValueError or TypeError for what no `_row` makes."""
    flags, brightness, detail, shift, vision, doubt, *rest = row
    seat = None
    if flags & _SEAT:
        person, pose, change, *rest = rest
        seat = Seat(person=_part(person, SHARES), pose=_part(pose, SHARES), change=_part(change, SHARES))
    if len(rest) % 5:
        raise ValueError("a face is five numbers")
    faces = []
    for at in range(0, len(rest), 5):
        score, x, y, width, height = rest[at : at + 5]
        faces.append(Face((x / BOXES, y / BOXES, width / BOXES, height / BOXES), score / SHARES))
    scene = Scene(
        brightness=brightness / TENTHS,
        detail=detail / TENTHS,
        is_covered=bool(flags & _COVERED),
        is_low_light=bool(flags & _LOW_LIGHT),
        is_frozen=bool(flags & _FROZEN) if flags & _FROZEN_TOLD else None,
        shift=_part(shift, SHARES),
    )
    return Observation(up_ms, utc_ms, tuple(faces), scene, vision / TENTHS, seat, doubt / SHARES)


# --- reading --------------------------------------------------------------------------------------------------------


def read_log(data: bytes) -> Log:
    """The log in `data`, up to where it is cut or damaged. Raises BadLog when not even its first entry can be read."""
    begin = _after_head(data)
    entries: list[Entry] = []
    problem = ""
    try:
        for some in _blocks(data, begin):
            entries += some
    except _Broken as broken:
        seen = sum(isinstance(entry, Observation) for entry in entries)
        problem = f"{broken} after {seen} observations, what follows is not read"
    if not entries or not isinstance(entries[0], Header):
        raise BadLog(f"no observation log: {problem or 'nothing in it'}")
    return Log(entries[0], tuple(entries), problem)


class _Broken(Exception):
    """A block cannot be read; says whether it is cut off or damaged."""


def _after_head(data: bytes) -> int:
    if not data:
        raise BadLog("empty, no observation log")
    name, newline, _ = data[:40].partition(b"\n")
    if not data.startswith(NAME) or not newline or not name[len(NAME) :].isdigit():
        raise BadLog("no observation log")
    number = int(name[len(NAME) :])
    if number != FORMAT:
        raise BadLog(f"an observation log of format {number}, this version reads format {FORMAT}")
    return len(name) + 1


def _blocks(data: bytes, at: int) -> Iterator[list[Entry]]:
    inflate, times = zlib.decompressobj(-zlib.MAX_WBITS), _Times()
    while at < len(data):
        if at + _BLOCK.size > len(data):
            raise _Broken("cut off")
        length, checksum = _BLOCK.unpack_from(data, at)
        block = data[at + _BLOCK.size : at + _BLOCK.size + length]
        if length > _MOST_BLOCK_BYTES:
            raise _Broken("damaged")
        if len(block) < length:
            raise _Broken("cut off")
        if zlib.crc32(block) != checksum:
            raise _Broken("damaged")
        yield _inflated(block, inflate, times)
        at += _BLOCK.size + length


def _inflated(block: bytes, inflate: zlib._Decompress, times: _Times) -> list[Entry]:
    """Whatever a well-summed block holds that no Encoder made is damage."""
    try:
        packed = inflate.decompress(block, _MOST_BLOCK_BYTES)
        if inflate.unconsumed_tail:
            raise _Broken("damaged")
        return [_entry(raw, times) for raw in msgspec.msgpack.decode(packed, type=list[list[Any]])]
    except (zlib.error, msgspec.MsgspecError, ValueError, TypeError, IndexError, ArithmeticError):
        raise _Broken("damaged") from None


def _entry(raw: list[Any], times: _Times) -> Entry:
    if raw[0] == _OBSERVED:
        return _observation(*times.after(raw[1], raw[2]), raw[3:])
    kind = _KINDS.get(raw[0])
    if kind is None:
        raise ValueError("no such entry")
    entry: Entry = msgspec.convert(raw[1], kind)
    return entry
