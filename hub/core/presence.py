"""Who is there: what a desk's last words, and the silence since, mean for the people at the hub."""

from __future__ import annotations

import enum

from msgspec import Struct
from msgspec.structs import replace

from agent.wire import Heartbeat, Status
from hub.core.identity import Birth, remembered

SILENT_AFTER_MS = 3_500
"""Two heartbeats of 1.5 s are missing, and a little: the desk hangs, or its network does, and the page says so within
5 s of its last word."""
OFFLINE_AFTER_MS = 20_000
"""Nobody waits longer for a word; the broker's last will usually says so earlier."""


class Presence(enum.StrEnum):
    """What the hub knows of a desk's being there."""

    ONLINE = "online"
    SILENT = "silent"
    OFFLINE = "offline"
    NEVER_SEEN = "never_seen"


class Heard(Struct, frozen=True, kw_only=True):
    """The store's row about a unit's presence; times are hub time in milliseconds."""

    is_online: bool
    status_utc_ms: int
    boot: int
    heartbeat: str | None = None
    heartbeat_utc_ms: int | None = None
    beat: tuple[int, int] | None = None
    """(boot, up_ms) of the heartbeat kept: what makes another one newer."""
    machine: str = ""
    os_boot: str = ""
    births: tuple[Birth, ...] = ()


def presence(
    is_online: bool | None, status_utc_ms: int | None, heartbeat_utc_ms: int | None, now_utc_ms: int
) -> Presence:
    """Judge a desk by its birth or will (`is_online`, None when neither came) and its last heartbeat.

    A will ends the desk at once, unless a heartbeat came after it: a broker that hands over a broken connection sends
    the old one's will late. A clock of the hub set backward makes nobody late.
    """
    if status_utc_ms is None and heartbeat_utc_ms is None:
        return Presence.NEVER_SEEN
    if is_online is False and (heartbeat_utc_ms is None or heartbeat_utc_ms <= (status_utc_ms or 0)):
        return Presence.OFFLINE
    newest_utc_ms = max(heartbeat_utc_ms or 0, (status_utc_ms or 0) if is_online else 0)
    silence_ms = now_utc_ms - newest_utc_ms
    if silence_ms >= OFFLINE_AFTER_MS:
        return Presence.OFFLINE
    return Presence.SILENT if silence_ms >= SILENT_AFTER_MS else Presence.ONLINE


def heard_status(known: Heard | None, status: Status, now_utc_ms: int) -> Heard | None:
    """The row after a birth or will; None when it changes nothing (a will of an earlier start of the agent)."""
    if known is None:
        known = Heard(is_online=status.is_online, status_utc_ms=now_utc_ms, boot=status.boot)
    elif status.boot < known.boot:
        return None
    return replace(
        known,
        is_online=status.is_online,
        status_utc_ms=now_utc_ms,
        boot=status.boot,
        machine=status.machine or known.machine,
        os_boot=status.os_boot or known.os_boot,
        births=remembered(known.births, status),
    )


def heard_heartbeat(known: Heard | None, heartbeat: Heartbeat, text: str, now_utc_ms: int) -> Heard | None:
    """The row after a heartbeat (`text` is its JSON); None when the one kept is as new (newest wins)."""
    beat = (heartbeat.boot, heartbeat.now.up_ms)
    if known is not None and known.beat is not None and beat <= known.beat:
        return None
    if known is None:
        known = Heard(is_online=True, status_utc_ms=now_utc_ms, boot=heartbeat.boot)
    return replace(known, boot=max(heartbeat.boot, known.boot), heartbeat=text, heartbeat_utc_ms=now_utc_ms, beat=beat)
