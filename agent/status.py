"""`ems-agent status`: what the running agent says of itself, on one screen; and why, when it says nothing."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from agent import host
from agent.config import Settings
from agent.core.local_status import Finding, Life, LocalStatus, SittingNow, conclude, conclude_enrolling
from agent.enrolling_status import read_enrolling
from agent.identity_view import IdentityView, view_identity
from agent.local import SOCKET, STATUS, run_folder
from agent.wire import Instant

MAX_STATUS_BYTES = 1_000_000


def read_status(folder: Path) -> tuple[LocalStatus | None, str]:
    """(status, why there is none although there is a file)."""
    try:
        with (folder / STATUS).open("rb") as file:
            data = file.read(MAX_STATUS_BYTES)
        return msgspec.json.decode(data, type=LocalStatus), ""
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except OSError as error:
        return None, f"{folder / STATUS}: {error.strerror}; try with sudo"
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return None, f"{folder / STATUS} is damaged or of another version ({error})"


def find(settings: Settings, now: Instant) -> tuple[LocalStatus | None, Finding]:
    """The newest status and what it is worth now."""
    status, trouble = read_status(run_folder(settings))
    is_held = host.is_held(settings.storage_path)
    enrolling = read_enrolling(run_folder(settings))
    if status is None and enrolling is not None:  # where there is a status, the desk has begun since
        written = _clock(enrolling.written.utc_ms)
        return None, conclude_enrolling(enrolling, is_held=is_held, now=now, os_boot=host.os_boot_id(), since=written)
    since = _clock(status.written.utc_ms) if status else ""
    return status, conclude(status, trouble, is_held=is_held, now=now, os_boot=host.os_boot_id(), since=since)


def is_running(settings: Settings) -> bool:
    """Whether some agent holds the desk's storage now, well or hung."""
    return host.is_held(settings.storage_path)


def as_values(status: LocalStatus | None, finding: Finding) -> dict[str, Any]:
    """For `--json`."""
    return {
        "life": str(finding.life),
        "words": finding.words,
        "age_ms": finding.age_ms,
        "status": None if status is None else msgspec.to_builtins(status),
    }


def rows(
    status: LocalStatus | None, finding: Finding, settings: Settings, now: Instant
) -> Iterator[tuple[str, str, str]]:
    """(name, words, `good`, `bad` or '') of each line of the screen."""
    is_well = finding.life is Life.RUNNING
    yield "agent", finding.words, "good" if is_well else "" if finding.life is Life.ENROLLING else "bad"
    identity = view_identity(settings.storage_path)
    unit = (status.unit if status else "") or identity.unit or settings.unit
    if finding.life is Life.ENROLLING:
        yield "unit", f"not enrolled yet{f', asks to be {settings.unit}' if settings.unit else ''}", ""
        return
    yield "unit", unit or "not enrolled yet", ""
    if status is None:
        yield from _identity_rows(identity, now)
        return
    if not is_well:
        yield (
            "below",
            f"is of {_clock(status.written.utc_ms)}, {_long(finding.age_ms)} ago, and may hold no longer",
            "bad",
        )
    yield from _state_rows(status, settings)
    yield from _link_rows(status, now)
    yield from _identity_rows(identity, now)
    yield from _machine_rows(status)


def _state_rows(status: LocalStatus, settings: Settings) -> Iterator[tuple[str, str, str]]:
    beat, sitting = status.heartbeat, status.sitting
    mood = {"recording": "good", "stopped": "bad"}.get(beat.state, "")
    yield "state", f"{beat.state}{f' {sitting.sitting}, {beat.recorded_s:.0f} s in files' if sitting else ''}", mood
    for name, planned in (("sitting", sitting), ("next", status.next_sitting)):
        if planned is not None:
            yield name, _sitting(planned), ""
    if beat.plan is None:
        yield "plan", "none yet", ""
    if status.segment:
        yield "segment", status.segment, ""
    for fault in beat.faults:
        yield "fault", f"{fault.kind}, since {_clock(fault.began.utc_ms)}: {fault.detail or 'no detail'}", "bad"
    for alert in beat.alerts:
        yield "alert", f"{alert.kind}, since {_clock(alert.began.utc_ms)}", ""
    if status.drill is not None and status.drill.cleared_up_ms is None:
        yield "drill", "one is on", ""
    if beat.is_signalled:
        yield "signal", "a proctor asks for somebody to come here; a short press of the button ends it", ""
    if beat.refused_command is not None:
        yield "command", f"number {beat.refused_command} of the hub was not done: {beat.refusal}", ""
    if beat.lamp is not None:
        yield "lamp", f"{beat.lamp.pattern} ({status.panel}){', buzzing' if beat.lamp.is_buzzing else ''}", ""
    else:
        where = f"no panel at {settings.panel_socket}" if settings.panel_socket else "it cannot be driven"
        yield "lamp", f"NONE: {where}; look at ems-panel and the wiring", "bad"
    trouble = status.camera_trouble
    looks = f"looks {_number(beat.vision_fps)}/s of {_number(beat.vision_wanted_fps)}"
    pace = f"{_number(beat.capture_fps)} pictures/s, {looks}"
    yield "camera", f"{status.camera}: {trouble or pace}", "bad" if trouble else ""
    if beat.vision_slowed:
        yield "slowed", beat.vision_slowed, "bad"


def _link_rows(status: LocalStatus, now: Instant) -> Iterator[tuple[str, str, str]]:
    link, beat = status.link, status.heartbeat
    if status.door_refusal:
        yield "hub", f"this desk is refused: {status.door_refusal}", "bad"
    elif link.connected_since is not None:
        yield "hub", f"connected to {link.broker} since {_clock(link.connected_since.utc_ms)}", "good"
    else:
        since = f" since {_clock(link.disconnected_since.utc_ms)}" if link.disconnected_since else ""
        yield "hub", f"no connection to {link.broker}{since}: {link.trouble or 'connecting'}", "bad"
    if link.refused:
        yield "refused", f"{link.refused} by the broker, the newest: {link.refusal}", "bad"
    yield "spool", f"{beat.spool} records wait for the hub's receipt", ""
    if beat.waiting_segments is not None:
        rate = f", {beat.upload_bytes_per_s / 1e6:.1f} MB/s" if beat.upload_bytes_per_s else ""
        size = f"{(beat.waiting_bytes or 0) / 1e6:.0f} MB"
        words = f"{beat.waiting_segments} segments wait to be sent to the hub, {size}{rate}"
        trouble = f"; {status.film_trouble}" if status.film_trouble else ""
        yield "film", words + trouble, "bad" if trouble else ""
    clock = beat.clock
    words = "kept by a time server or vouched for" if beat.is_clock_ok else "nothing sets it"
    if clock is not None and clock.offset_ms is not None:
        words += f"; hub's clock {clock.offset_ms:+.1f} ms, asked in {clock.round_trip_ms or 0:.1f} ms"
    yield "clock", words, "" if beat.is_clock_ok else "bad"


def _identity_rows(identity: IdentityView, now: Instant) -> Iterator[tuple[str, str, str]]:
    certificate = identity.certificate
    if certificate is not None:
        days = certificate.days_left(now.utc_ms)
        yield "certificate", f"{days:.1f} days left" if days >= 0 else "expired", "" if days > 0 else "bad"
    elif identity.is_waiting:
        yield "enrolment", f"waits for approval at {identity.hub or 'the hub'}", "bad"


def _machine_rows(status: LocalStatus) -> Iterator[tuple[str, str, str]]:
    beat = status.heartbeat
    free = "cannot be read" if beat.free_bytes is None else f"{beat.free_bytes / 1e9:.1f} GB free"
    trouble = status.records_trouble or status.recording_trouble
    sync = f"sync worst {_number(status.sync_ms_worst)} ms, p99 {_number(status.sync_ms_p99)} ms"
    yield "card", f"{free}; {sync}{f'; {trouble}' if trouble else ''}", "bad" if trouble else ""
    heat = "" if beat.temperature_c is None else f"{_number(beat.temperature_c)} degrees Celsius, "
    yield "machine", f"{heat}{beat.frames_dropped} pictures dropped", ""
    yield "started", f"{_clock(status.started.utc_ms)}, start {beat.boot}, pid {status.pid}", ""
    yield "version", f"{beat.software}, Python {status.python}", ""


def _sitting(sitting: SittingNow) -> str:
    times = f"{_clock(sitting.start_utc_ms)} to {_clock(sitting.end_utc_ms)}"
    return f"{sitting.sitting}: {sitting.room} {sitting.seat}, {times}"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:g}" if value == round(value) else f"{value:.1f}"


def _clock(utc_ms: int) -> str:
    try:
        return f"{datetime.datetime.fromtimestamp(utc_ms / 1000, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{utc_ms} ms UTC"


def _long(ms: int | None) -> str:
    if ms is None:
        return "some time"
    seconds = ms // 1000
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def ask(folder: Path, data: bytes, timeout_s: float) -> bytes:
    """Send one datagram to the agent's control socket and take its answer. Raises OSError, TimeoutError included."""
    from agent.local import short_path

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own, short_path(folder, SOCKET) as path:
        own.bind("")  # a name of the kernel's choosing, to be answered at
        own.settimeout(timeout_s)
        own.connect(path)
        own.send(data)
        return own.recv(65_536)
