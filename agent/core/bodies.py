"""What the desk's parts found, in the words of the language: changes become the bodies of records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from agent.core.faults import FaultChange
from agent.core.judge import AlertChange
from agent.core.segments import ClosedSegment
from agent.wire import (
    Alert,
    AlertKind,
    Fault,
    Instant,
    ModelFile,
    PlannedSitting,
    Restart,
    Rule,
    SegmentClosed,
    StandingAlert,
)


class Maker(Struct, frozen=True, kw_only=True):
    """What rides on every alert, so that it can be explained a year later."""

    boot: int
    software: str
    model_sha256: str


def restart_body(
    os_boot: str,
    previous_boot: int,
    is_clean: bool,
    maker: Maker,
    models: Mapping[str, str],
    *,
    is_chain_new: bool = False,
) -> Restart:
    """The agent started; `models` gives the SHA-256 of each model by its name."""
    return Restart(
        os_boot=os_boot,
        previous_boot=previous_boot,
        is_clean=is_clean,
        software=maker.software,
        model_sha256=maker.model_sha256,
        models=tuple(ModelFile(name=name, sha256=sha256) for name, sha256 in models.items()),
        is_chain_new=is_chain_new,
    )


def alert_name(boot: int, n: int) -> str:
    """The desk's name for an alert, unique for ever: the judge numbers within one start of the agent."""
    return f"{boot}-{n}"


def alert_body(change: AlertChange, sitting: PlannedSitting, maker: Maker, still_sha256: str | None) -> Alert:
    return Alert(
        alert=alert_name(maker.boot, change.n),
        alert_kind=change.kind,
        state=str(change.state),
        sitting=sitting.sitting,
        seat=sitting.seat,
        began=change.began,
        raised=change.raised,
        cleared=change.cleared,
        rule=change.rule,
        mode=sitting.mode,
        faces=change.faces,
        score=change.score,
        evidence=change.evidence,
        model_sha256=maker.model_sha256,
        software=maker.software,
        still_sha256=still_sha256,
    )


def segment_body(segment: ClosedSegment, seat: str = "") -> SegmentClosed:
    return SegmentClosed(
        sitting=segment.sitting,
        name=segment.name,
        began=Instant(segment.began_utc_ms, segment.began_up_ms),
        ended=Instant(segment.ended_utc_ms, segment.ended_up_ms),
        frames=segment.frames,
        size_bytes=segment.size_bytes,
        sha256=segment.sha256,
        is_cut=segment.is_cut,
        seat=seat,
    )


def fault_body(change: FaultChange, sitting: str, boot: int) -> Fault:
    return Fault(
        fault=f"{boot}-{change.n}",
        fault_kind=change.kind,
        state=str(change.state),
        sitting=sitting,
        began=change.began,
        raised=change.raised,
        cleared=change.cleared,
        detail=change.detail,
    )


def help_alert(sitting: PlannedSitting, maker: Maker, now: Instant) -> Alert:
    """The button was pressed. It needs no dwell; its name carries the moment, since the judge does not number it."""
    return Alert(
        alert=f"{maker.boot}-help-{now.up_ms}",
        alert_kind=AlertKind.HELP_REQUESTED,
        state="raised",
        sitting=sitting.sitting,
        seat=sitting.seat,
        began=now,
        raised=now,
        rule=Rule(kind=AlertKind.HELP_REQUESTED, raise_s=0, clear_s=0),
        mode=sitting.mode,
        model_sha256=maker.model_sha256,
        software=maker.software,
    )


def cleared(standing: Alert | Fault, now: Instant) -> Alert | Fault:
    """The record that ends an alert or fault at `now`."""
    return msgspec.structs.replace(standing, state="cleared", cleared=now)


def standing_alerts(changes: Iterable[AlertChange], call: Alert | None, boot: int) -> tuple[StandingAlert, ...]:
    """What stands, for the heartbeat: the judge's alerts of this start, then the candidate's call for help."""
    judged = (
        StandingAlert(alert=alert_name(boot, change.n), kind=change.kind, began=change.began, raised=change.raised)
        for change in changes
    )
    if call is None:
        return tuple(judged)
    return (*judged, StandingAlert(alert=call.alert, kind=call.alert_kind, began=call.began, raised=call.raised))
