"""What the desk shows: the state of its parts, gathered for lamp and heartbeat. Reads, changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from agent import wire
from agent.core import bodies, patterns
from agent.core.faults import FaultChange
from agent.core.local_status import Refused
from agent.core.pace import Pace
from agent.core.seat import seat_state
from agent.core.timeline import seat_rule
from agent.recording.recorder import Progress
from agent.sight import Seen
from agent.wire import CommandKind, Instant, Plan, PlannedSitting, StandingAlert


class Said(Protocol):
    """What is read of `agent.attending.Attending`: `judged` is what was last said of alerts, by proctors and by the
    desk's button, by their names."""

    judged: Mapping[str, CommandKind]
    refused: Refused | None

    @property
    def is_signalled(self) -> bool: ...


def desk_state(
    sitting: PlannedSitting | None,
    seen: Seen,
    alerts: Iterable[StandingAlert],
    said: Said,
    faults: Sequence[FaultChange],
    hub_away_s: float,
) -> patterns.DeskState:
    """What decides the lamp, but for a drill."""
    judged = said.judged
    return patterns.DeskState(
        is_booting=seen.look is None and seen.camera_trouble is None and not faults,
        is_signalled=said.is_signalled,
        is_sitting=sitting is not None,
        mode=sitting.mode if sitting is not None else wire.Mode.AUTOMATED,
        alerts=tuple(
            patterns.ShownAlert(
                kind=alert.kind,
                is_confirmed=judged.get(alert.alert) is CommandKind.CONFIRM_ALERT,
                is_dismissed=judged.get(alert.alert) is CommandKind.DISMISS_ALERT,
            )
            for alert in alerts
        ),
        faults=tuple(change.kind for change in faults),
        hub_away_s=hub_away_s,
        is_sound_asked=sitting is not None and sitting.is_buzzer_allowed,
        may_show_alerts=sitting is None or sitting.may_lamp_show_alerts,
    )


def status_line(state: patterns.DeskState, sitting: str) -> str:
    """The desk in one line, for `systemctl status`. Changes when its state does, not with the time."""
    doing = f"recording {sitting}" if sitting else "booting" if state.is_booting else "waiting for a sitting"
    hub = "no hub" if state.hub_away_s else "hub connected"
    faults = ", ".join(state.faults)
    return f"{doing}; {hub}; {f'faults: {faults}' if faults else 'no faults'}"


def seat_now(seen: Seen, sitting: PlannedSitting | None) -> str:
    """What the newest look says of the seat, by the rules of the sitting if one is on; '' without a look."""
    if seen.look is None:
        return ""
    return str(seat_state(seen.look.observation, seat_rule(() if sitting is None else sitting.rules)))


def heartbeat_of(
    maker: bodies.Maker,
    now: Instant,
    sitting: PlannedSitting | None,
    seen: Seen,
    progress: Progress,
    pace: Pace,
    alerts: Iterable[StandingAlert],
    faults: Iterable[FaultChange],
    *,
    is_clock_ok: bool,
    recorded_s: float,
    spool: int,
    free_bytes: int | None,
    temperature_c: float | None,
    lamp: wire.Lamp | None,
    head: wire.Head | None,
    plan: Plan | None,
    has_reference: bool,
    certificate_ends_utc_ms: int | None = None,
    record_bytes_per_s: float | None = None,
    receipt_ms: float | None = None,
    said: Said,
) -> wire.Heartbeat:
    """The message of this moment."""
    standing = tuple(wire.StandingFault(kind=fault.kind, began=fault.began, detail=fault.detail) for fault in faults)
    is_stopped = any(fault.kind is wire.FaultKind.RECORDING_STOPPED for fault in standing)
    observation = None if seen.look is None else seen.look.observation
    scene = None if observation is None else observation.scene
    return wire.Heartbeat(
        boot=maker.boot,
        now=now,
        is_clock_ok=is_clock_ok,
        state="waiting" if sitting is None else "stopped" if is_stopped else "recording",
        sitting="" if sitting is None else sitting.sitting,
        faces=None if observation is None else len(observation.faces),
        is_covered=None if scene is None else scene.is_covered,
        is_low_light=None if scene is None else scene.is_low_light,
        is_frozen=None if scene is None else scene.is_frozen,
        capture_fps=seen.capture_fps,
        vision_fps=seen.vision_fps,
        vision_ms=None if observation is None else observation.vision_ms,
        vision_wanted_fps=pace.wanted_fps,
        vision_slowed=pace.reason,
        seat=seat_now(seen, sitting),
        frames_dropped=progress.frames_dropped,
        recorded_s=recorded_s,
        spool=spool,
        free_bytes=free_bytes,
        temperature_c=temperature_c,
        lamp=lamp,
        faults=standing,
        alerts=tuple(alerts),
        head=head,
        plan=None if plan is None else plan.number,
        software=maker.software,
        model_sha256=maker.model_sha256,
        has_reference=has_reference,
        certificate_ends_utc_ms=certificate_ends_utc_ms,
        brightness=None if scene is None else scene.brightness,
        detail=None if scene is None else scene.detail,
        shift=None if scene is None else scene.shift,
        record_bytes_per_s=record_bytes_per_s,
        receipt_ms=receipt_ms,
        is_signalled=said.is_signalled,
        refused_command=None if said.refused is None else said.refused.number,
        refusal="" if said.refused is None else said.refused.why,
    )
