"""Segments as values: what a finished file is, how its name carries its time, where one ends and the next begins,
and what is still whole in a file that power or a kill cut off. Pure: bytes and numbers in, values out.

A name tells all that a file's content cannot: after a power cut, with the database gone, it still says which sitting,
which start of the agent (`boot`), which place in the row, and on both clocks when it began.

    b000012-000034-u815000-t1767225600000-sexam-7.ts.part    being written
    b000012-000034-u815000-t1767225600000-sexam-7.ts         closed and whole
    b000012-000034-u815000-t1767225600000-sexam-7.cut.ts     cut off while open, repaired to its last whole packet
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from msgspec import Struct

OPEN, WHOLE, CUT = ".ts.part", ".ts", ".cut.ts"
PACKET_BYTES = 188
"""Length of an MPEG-TS packet, the first byte of which is SYNC (ISO/IEC 13818-1, 2.4.3.2)."""
SYNC = 0x47
CLOCK_HZ = 90_000
"""Ticks a second of MPEG-TS time stamps."""
MAX_MS = 2**53
MAX_COUNT = 10**8
"""With these limits every name has at most 127 characters; a record takes 128."""

_SITTING = re.compile(r"[a-z0-9-]{1,64}")
_NAME = re.compile(r"b(\d{6,8})-(\d{6,8})-u(\d{1,16})-t(\d{1,16})-s([a-z0-9-]{1,64})(\.ts\.part|\.cut\.ts|\.ts)")


class ClosedSegment(Struct, frozen=True, kw_only=True):
    """One finished file of the recording. `up_ms` counts from the machine's boot, `utc_ms` from 1970.

    `began` is the capture instant of the first picture. `ended` is that of the next segment's first when the
    recording went on without a break, else one picture's time after the last. `is_cut`: it was open when power or
    process went, and was cut to its last whole packet.
    """

    name: str
    sitting: str
    boot: int
    began_up_ms: int
    ended_up_ms: int
    began_utc_ms: int
    ended_utc_ms: int
    frames: int
    size_bytes: int
    sha256: str
    is_cut: bool


class SegmentName(NamedTuple):
    """What a segment's file name says. `boot` counts starts of the agent, `ordinal` segments within one."""

    boot: int
    ordinal: int
    began_up_ms: int
    began_utc_ms: int
    sitting: str

    def text(self, suffix: str = WHOLE) -> str:
        """The file name. Raises ValueError for a sitting or number that a name cannot carry."""
        if not _SITTING.fullmatch(self.sitting):
            raise ValueError(f"{self.sitting!r} cannot be part of a file name: a-z, 0-9 and - only, 1 to 64 of them")
        is_counted = 0 <= self.boot < MAX_COUNT and 0 <= self.ordinal < MAX_COUNT
        if not (is_counted and 0 <= self.began_up_ms < MAX_MS and 0 <= self.began_utc_ms < MAX_MS):
            raise ValueError(f"out of range: {self}")
        return f"b{self.boot:06}-{self.ordinal:06}-u{self.began_up_ms}-t{self.began_utc_ms}-s{self.sitting}{suffix}"


def parse_name(text: str) -> tuple[SegmentName, str] | None:
    """The parts of a file name and its suffix (OPEN, WHOLE or CUT); None when it is no segment's."""
    if not (found := _NAME.fullmatch(text)):
        return None
    boot, ordinal, up_ms, utc_ms = (int(number) for number in found.groups()[:4])
    return SegmentName(boot, ordinal, up_ms, utc_ms, found[5]), found[6]


def end_ms(last_up_ns: int, next_up_ns: int | None, picture_ns: int) -> int:
    """When a segment ended, in ms since boot: where the next begins if it follows without a break (`next_up_ns`, its
    first picture), else one picture's time after the last. So neighbours meet exactly, without a hole of a ms."""
    return (next_up_ns if next_up_ns is not None else last_up_ns + picture_ns) // 1_000_000


def closed_segment(
    name: SegmentName, ended_up_ms: int, frames: int, size_bytes: int, sha256: str, is_cut: bool = False
) -> ClosedSegment:
    """The finished segment; it never ends before it began, whatever `ended_up_ms` says."""
    ended_up_ms = max(ended_up_ms, name.began_up_ms)
    return ClosedSegment(
        name=name.text(CUT if is_cut else WHOLE),
        sitting=name.sitting,
        boot=name.boot,
        began_up_ms=name.began_up_ms,
        ended_up_ms=ended_up_ms,
        began_utc_ms=name.began_utc_ms,
        # by the monotonic clock: a wall clock set in the middle must not stretch or shrink a segment
        ended_utc_ms=name.began_utc_ms + ended_up_ms - name.began_up_ms,
        frames=frames,
        size_bytes=size_bytes,
        sha256=sha256,
        is_cut=is_cut,
    )


class Found(NamedTuple):
    """What is in the bytes of a TS file. `whole_bytes` reaches to the end of the last whole packet; `last_s` is the
    time stamp of the last picture, in seconds after the first; `picture_s` the usual distance of two pictures."""

    whole_bytes: int
    frames: int
    last_s: float
    picture_s: float


def look_through(data: bytes) -> Found:
    """Count the pictures of an MPEG-TS file with one video stream, by the headers of its packets.

    Works on any bytes and never raises. A hole in the middle is passed over: what lies behind it is still evidence.
    """
    whole = len(data) // PACKET_BYTES * PACKET_BYTES
    while whole and data[whole - PACKET_BYTES] != SYNC:
        whole -= PACKET_BYTES
    stamps = [
        stamp
        for begin in range(0, whole, PACKET_BYTES)
        if data[begin] == SYNC
        and data[begin + 1] & 0x40  # payload_unit_start: the first packet of a picture
        and (stamp := _stamp(data[begin : begin + PACKET_BYTES])) is not None
    ]
    if not stamps:
        return Found(whole, 0, 0.0, 0.0)
    steps = sorted(later - earlier for earlier, later in pairwise(stamps))
    picture_s = steps[len(steps) // 2] / CLOCK_HZ if steps else 0.0
    return Found(whole, len(stamps), max(0, stamps[-1] - stamps[0]) / CLOCK_HZ, max(0.0, picture_s))


def _stamp(packet: bytes) -> int | None:
    """PTS of the video PES header that begins in this TS packet (ISO/IEC 13818-1, 2.4.3.6), or None."""
    payload = 4
    if packet[3] & 0x20:  # an adaptation field comes first
        payload += 1 + packet[4]
    pes = packet[payload : payload + 14]
    if not packet[3] & 0x10 or len(pes) < 14 or pes[:3] != b"\0\0\1" or pes[3] & 0xF0 != 0xE0 or not pes[7] & 0x80:
        return None
    return (pes[9] >> 1 & 7) << 30 | pes[10] << 22 | pes[11] >> 1 << 15 | pes[12] << 7 | pes[13] >> 1
