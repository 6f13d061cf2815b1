"""What a running desk says of itself on its own machine, and what can be concluded when it says nothing. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from agent.wire import Heartbeat, Instant, Label, Ms, Text

STALE_AFTER_MS = 4_000
"""The status is written with every heartbeat, every 1.5 s: two may come late. The hub calls a desk silent then, too."""


class LinkNow(Struct, frozen=True, kw_only=True):
    """The connection to the hub's broker, with what was refused since the start."""

    broker: Text
    connected_since: Instant | None = None
    disconnected_since: Instant | None = None
    trouble: Text = ""
    refused: int = 0
    refusal: Text = ""
    rejected: int = 0
    dropped: int = 0


class SittingNow(Struct, frozen=True, kw_only=True):
    """The sitting that is on, or the next one."""

    sitting: Label
    room: Label
    seat: Label
    start_utc_ms: Ms
    end_utc_ms: Ms


class DrillNow(Struct, frozen=True, kw_only=True):
    """A drill as far as it has come; each `_up_ms` is None until that step was seen. `lamp` is the pattern shown."""

    alert: Label
    asked_up_ms: Ms
    raised_up_ms: Ms | None = None
    lamp_up_ms: Ms | None = None
    lamp: Label = ""
    recorded_up_ms: Ms | None = None
    sent_up_ms: Ms | None = None
    receipted_up_ms: Ms | None = None
    cleared_up_ms: Ms | None = None


class Refused(NamedTuple):
    """A command of the hub's that was not done; `why` is one line for who sent it."""

    number: int
    why: str


class LocalStatus(Struct, frozen=True, kw_only=True):
    """The file `status.json`. `sync_ms_worst` is of the last ten seconds, `sync_ms_p99` the 99th percentile of these
    worsts over the last hour. `door_refusal`: why the hub's door renews no certificate of
    this unit, when it was revoked there. `film_trouble`: why film waits. Nothing secret may ever be a field of this."""

    unit: str
    pid: int
    os_boot: str
    started: Instant
    written: Instant
    heartbeat: Heartbeat
    link: LinkNow
    sitting: SittingNow | None = None
    next_sitting: SittingNow | None = None
    segment: str = ""
    camera: str = ""
    panel: str = ""
    camera_trouble: str = ""
    vision_trouble: str = ""
    recording_trouble: str = ""
    records_trouble: str = ""
    sync_ms_worst: float | None = None
    sync_ms_p99: float | None = None
    python: str = ""
    drill: DrillNow | None = None
    door_refusal: Text = ""
    film_trouble: Text = ""
    is_stopped: bool = False


class EnrollingNow(Struct, frozen=True, kw_only=True):
    """The file `enrolling.json`. `stage` is asking, waiting, approved, rejected, unreachable or trouble; `code` is the
    claim code, once the hub has made one; `why` is the hub's reason, or what is wrong."""

    hub: str
    os_boot: str
    written: Instant
    stage: str
    code: str = ""
    why: str = ""


class Life(StrEnum):
    """Whether the agent lives, as far as can be told from outside."""

    RUNNING = "running"
    ENROLLING = "enrolling"
    HUNG = "hung"
    SILENT = "silent"
    STOPPED = "stopped"
    DIED = "died"
    NEVER = "never started"


class Finding(NamedTuple):
    """`words` is one sentence for a person; `age_ms` of the status, None when it says nothing of this boot."""

    life: Life
    words: str
    age_ms: int | None


def age_ms(status: LocalStatus | EnrollingNow, now: Instant, os_boot: str) -> int:
    """How old the status is: in boot time if it is of this boot of the machine, else by the wall clock."""
    if status.os_boot == os_boot:
        return max(0, now.up_ms - status.written.up_ms)
    return max(0, now.utc_ms - status.written.utc_ms)


def conclude(
    status: LocalStatus | None, trouble: str, *, is_held: bool, now: Instant, os_boot: str, since: str
) -> Finding:
    """What status and lock together say. `trouble`: why there is no status although there is a file, else '';
    `is_held`: some agent holds the desk's storage; `since`: the status's time in words."""
    if status is None:
        return Finding(*_without_status(trouble, is_held), None)
    age = age_ms(status, now, os_boot)
    if not is_held and status.is_stopped:
        return Finding(Life.STOPPED, f"stopped in order at {since}", age)
    if not is_held:
        words = f"not running: it ended without a word after {since} (killed, or the power went)"
        return Finding(Life.DIED, words, age)
    if status.is_stopped:
        words = f"starting, or its newest status cannot be written; the run before stopped at {since}"
        return Finding(Life.SILENT, words, age)
    if age > STALE_AFTER_MS or status.os_boot != os_boot:
        words = f"hung, or its run folder cannot be written: it holds the desk, but says nothing since {since}"
        return Finding(Life.HUNG, words, age)
    return Finding(Life.RUNNING, "running", age)


def conclude_enrolling(enrolling: EnrollingNow, *, is_held: bool, now: Instant, os_boot: str, since: str) -> Finding:
    """What the enrolling desk's word and the lock together say; `since`: the word's time in words."""
    age = age_ms(enrolling, now, os_boot)
    if not is_held:
        words = f"not running: it ended without a word after {since} (killed, or the power went), not yet enrolled"
        return Finding(Life.DIED, words, age)
    if age > STALE_AFTER_MS or enrolling.os_boot != os_boot:
        words = f"hung, or its run folder cannot be written: it was enrolling, but says nothing since {since}"
        return Finding(Life.HUNG, words, age)
    return Finding(Life.ENROLLING, _enrolling_words(enrolling), age)


def _enrolling_words(enrolling: EnrollingNow) -> str:
    at, code, why = f"enrolling at {enrolling.hub}", enrolling.code, enrolling.why
    if enrolling.stage == "rejected":
        return f"{at}, rejected: {why or 'no reason was given'}; it asks again, with a new claim code"
    if enrolling.stage == "approved":
        return f"{at}, approved: {why or 'the certificate is being made'}"
    parts = [at, *([f"claim code {code}"] if code else [])]
    if enrolling.stage == "unreachable":
        parts.append(f"the door does not answer: {why}")
    elif why:
        parts.append(why)
    elif not code:
        parts.append("asking")
    return ", ".join(parts)


def _without_status(trouble: str, is_held: bool) -> tuple[Life, str]:
    if is_held:
        why = trouble or "it has written no status yet, or to another EMS_RUN_PATH"
        return Life.SILENT, f"an agent runs, but nothing can be read of it: {why}"
    if trouble:
        return Life.DIED, f"no agent runs, and what the last one wrote cannot be read: {trouble}"
    return Life.NEVER, "no agent runs, and none has run here: start it with `systemctl start ems-agent`"
