"""Which files may leave the card when it gets full, and what to say when none may.

Film goes first that the hub has confirmed and nobody holds, oldest first: nothing is lost by it. Only when that is not
enough do observation logs go, of sittings that are over and not held: they are nowhere else, but the sitting that runs
can be recorded by their room. Film that the hub has not got never goes; rather is recording stopped, and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from agent.core.obslog import SUFFIX
from agent.core.segments import MAX_COUNT, SegmentName, parse_name
from agent.wire import SegmentClosed, Stretch

CLOCK_MOVED_MS = 5_000
"""A wall clock that went so far from boot time within one run was set, not steered."""


class Filed(Protocol):
    """One row of the segment list. `state` is `kept`, `uploaded` (the hub has confirmed it) or `freed`."""

    @property
    def closed(self) -> SegmentClosed: ...

    @property
    def state(self) -> str: ...


class Bounds(NamedTuple):
    """Below `from_bytes` of free space files are freed, until `until_bytes` are free."""

    from_bytes: int
    until_bytes: int


def bounds(low_bytes: int, reserve_bytes: int) -> Bounds:
    """Freeing begins a tenth above `low_bytes`, where `storage_low` is raised: so the fault means that nothing may go.
    It begins before `reserve_bytes`, where recording stops, whatever the setting says."""
    step_bytes = max(low_bytes // 10, 4 * reserve_bytes)
    return Bounds(low_bytes + step_bytes, low_bytes + 2 * step_bytes)


class Choice(NamedTuple):
    """What may go now, in the order in which to free it; `waiting` segments are not confirmed yet, `held` ones are and
    somebody holds them."""

    names: tuple[str, ...]
    waiting: int
    held: int


def choose(segments: Iterable[Filed], holds: Sequence[Stretch], free_bytes: int, wanted: Bounds) -> Choice:
    """The segments to free: none while enough is free, else as few as bring the free space to `wanted.until_bytes`.
    Those that are `freed` already are needed for what they say of the clock in sittings that are held in part."""
    known = list(segments)
    held = held_names((segment.closed for segment in known), holds)
    listed = [segment for segment in known if segment.state != "freed"]
    needed_bytes = wanted.until_bytes - free_bytes if free_bytes < wanted.from_bytes else 0
    names: list[str] = []
    for segment in sorted(listed, key=lambda segment: _age(segment.closed.name)):
        if needed_bytes <= 0:
            break
        if segment.state == "uploaded" and segment.closed.name not in held:
            names.append(segment.closed.name)
            needed_bytes -= segment.closed.size_bytes
    waiting = sum(segment.state != "uploaded" for segment in listed)
    return Choice(tuple(names), waiting, sum(each.state == "uploaded" and each.closed.name in held for each in listed))


def held_names(segments: Iterable[SegmentClosed], holds: Sequence[Stretch]) -> set[str]:
    """The segments that a hold touches. Where the wall clock was set in the middle of a sitting its times cannot say
    what a hold of a part of it means: then every segment of that sitting is held."""
    listed = list(segments)
    moved = _sittings_with_moved_clock(listed) if holds else set()
    return {
        segment.name
        for segment in listed
        for hold in holds
        if hold.sitting == segment.sitting and (segment.sitting in moved or _is_touching(hold, segment))
    }


def _is_touching(hold: Stretch, segment: SegmentClosed) -> bool:
    return hold.from_utc_ms <= segment.ended.utc_ms and segment.began.utc_ms <= hold.until_utc_ms


def _sittings_with_moved_clock(segments: Iterable[SegmentClosed]) -> set[str]:
    offsets: dict[tuple[str, int], tuple[int, int]] = {}
    for segment in segments:
        key = segment.sitting, _age(segment.name)[0]
        for at in (segment.began, segment.ended):  # it may have been set within the last one
            offset_ms = at.utc_ms - at.up_ms
            least, most = offsets.get(key, (offset_ms, offset_ms))
            offsets[key] = min(least, offset_ms), max(most, offset_ms)
    return {sitting for (sitting, _), (least, most) in offsets.items() if most - least > CLOCK_MOVED_MS}


def _age(name: str) -> tuple[int, int]:
    """(start of the agent, place in it): no clock moves that order. A name that is no segment's is the newest."""
    parsed: tuple[SegmentName, str] | None = parse_name(name)
    return (MAX_COUNT, 0) if parsed is None else (parsed[0].boot, parsed[0].ordinal)


# --- observation logs -----------------------------------------------------------------------------------------------


class LogOnCard(NamedTuple):
    """A log's file name and size."""

    name: str
    size_bytes: int


def choose_logs(
    logs: Iterable[LogOnCard], running: str, holds: Sequence[Stretch], needed_bytes: int
) -> tuple[str, ...]:
    """The observation logs to free for `needed_bytes`, oldest start of the agent first: never one of the `running`
    sitting, nor of a sitting of which any part is held."""
    kept = {running} | {hold.sitting for hold in holds}
    names: list[str] = []
    for log in sorted(logs, key=lambda log: (_log_parts(log.name)[1], log.name)):
        if needed_bytes <= 0:
            break
        sitting = _log_parts(log.name)[0]
        if sitting and sitting not in kept:
            names.append(log.name)
            needed_bytes -= log.size_bytes
    return tuple(names)


def _log_parts(name: str) -> tuple[str, int]:
    """(sitting, start of the agent) of SITTING_BOOT.obslog or SITTING_BOOT_N.obslog; ("", 0) for another file."""
    sitting, _, rest = name.removesuffix(SUFFIX).partition("_")
    boot = rest.partition("_")[0]
    return (sitting, int(boot)) if name.endswith(SUFFIX) and boot.isdecimal() else ("", 0)


# --- words ----------------------------------------------------------------------------------------------------------


class Look(Struct, frozen=True, kw_only=True):
    """What was found when space was last looked for."""

    waiting: int
    held: int
    is_plan_known: bool = True


def why_low(free_bytes: int, look: Look | None) -> str:
    """Why the card is nearly full and stays so, in one line for a person."""
    words = [f"{free_bytes / 1e9:.1f} GB free" if free_bytes >= 50_000_000 else f"{free_bytes / 1e6:.0f} MB free"]
    if look is None:
        return words[0]
    if look.waiting:
        words.append(f"{look.waiting} segment{'s wait' if look.waiting > 1 else ' waits'} for the hub")
    if not look.is_plan_known:
        words.append("nothing is freed before the hub's plan says what is held")
    elif look.held:
        words.append(f"{look.held} {'are' if look.held > 1 else 'is'} held")
    if len(words) == 1:
        words.append("no recording is left to free: look what else is on the card")
    return ", ".join(words)
