"""`ems-agent doctor`: every part tried for real, or asked of the running agent; one line each, with the remedy.

Each check has a bound in time and runs on a thread of its own: one that hangs or breaks hides no other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agent import broker_probe, check, host, machine
from agent.config import Settings
from agent.core.local_status import Finding, Life, LocalStatus
from agent.identity_view import IdentityView, identity_folder, view_identity
from agent.records_view import RecordsProblem, faults_of_chain, kept_plan
from agent.status import find
from agent.time_service import TimeProblem, ask, server_of
from agent.wire import Instant

LIMIT_S = 20.0
"""One check may take this long: a camera that opens slowly takes ten."""
SYNC_WARN_MS, SYNC_FAIL_MS = 250.0, 1000.0
"""The recording syncs about every 300 ms; a second is the fault `storage_slow`."""
OFFSET_WARN_MS = 500.0
CERTIFICATE_WARN_DAYS, CERTIFICATE_FAIL_DAYS = 14.0, 1.0
TEMPERATURE_WARN_C, TEMPERATURE_FAIL_C = 70.0, 80.0
MEMORY_WARN_BYTES, MEMORY_FAIL_BYTES = 256_000_000, 64_000_000


class Line(NamedTuple):
    """`level` is PASS, WARN or FAIL."""

    name: str
    level: str
    words: str


class Case(NamedTuple):
    """What all checks are given. `status` is the running agent's own word, None when it does not run or is hung."""

    settings: Settings
    now: Instant
    status: LocalStatus | None
    finding: Finding
    identity: IdentityView

    @property
    def is_agent_there(self) -> bool:
        """Whether an agent holds camera and pins, well or not."""
        return self.finding.life in (Life.RUNNING, Life.HUNG, Life.SILENT)


def _of(result: check.Result) -> Line:
    return Line(result.name, "PASS" if result.is_fine else "FAIL", result.words)


def _agent(case: Case) -> Line:
    words = case.finding.words
    match case.finding.life:
        case Life.RUNNING:
            return Line("agent", "PASS", f"{words}; camera and panel are as it says")
        case Life.HUNG | Life.SILENT:
            return Line("agent", "FAIL", f"{words}; restart it with `systemctl restart ems-agent`")
        case Life.ENROLLING:
            return Line("agent", "WARN", words)
        case Life.DIED:
            return Line("agent", "WARN", f"{words}; start it with `systemctl start ems-agent`")
    return Line("agent", "WARN", f"{words}: parts were tried without it")


def _camera(case: Case) -> Line:
    if not case.is_agent_there:
        return _of(check.camera(case.settings))
    if case.status is None:
        return Line("camera", "WARN", "not tried: an agent that does not answer holds it")
    beat = case.status.heartbeat
    if case.status.camera_trouble or not beat.capture_fps:
        why = case.status.camera_trouble or "no pictures"
        return Line("camera", "FAIL", f"the agent says: {why}; look at the cable and at CAMERA_DEVICE")
    return Line("camera", "PASS", f"the agent says: {case.status.camera}, {beat.capture_fps:.1f} pictures a second")


def _model(case: Case) -> Line:
    return _of(check.model(case.settings))


def _storage(case: Case) -> Line:
    found = check.storage(case.settings)
    if not found.is_fine:
        return _of(found)
    mount = machine.mount_of(case.settings.storage_path)
    if mount is not None and mount.is_read_only:
        return Line("storage", "FAIL", f"{mount.point} is mounted read-only: the card may be failing, replace it")
    wanted_s = _planned_s(case)
    rate = case.settings.record_bitrate_bps / 8
    free = host.free_bytes(case.settings.storage_path) or 0
    needed = wanted_s * rate + case.settings.storage_low_bytes
    words = f"{found.words}; {wanted_s / 3600:.1f} hours are planned"
    if wanted_s and free < needed:
        return Line("storage", "FAIL", f"{words}, which needs {needed / 1e9:.1f} GB: make room")
    return Line("storage", "PASS", words)


def _planned_s(case: Case) -> float:
    """Seconds of sittings that are still to come, by the plan on the card."""
    try:
        plan = kept_plan(case.settings.storage_path)
    except RecordsProblem:
        return 0.0
    now_ms = case.now.utc_ms
    coming = (max(0, each.end_utc_ms - max(now_ms, each.start_utc_ms)) for each in (plan.sittings if plan else ()))
    return sum(coming) / 1000


def _card(case: Case) -> Line:
    """Sync times, errors and bytes written."""
    folder = case.settings.storage_path
    folder.mkdir(parents=True, exist_ok=True)
    device = machine.card_of(machine.mount_of(folder))
    errors, written = machine.file_system_errors(device), machine.bytes_written(device)
    found = machine.measure_sync_ms(folder)
    p99 = machine.percentile(found, 0.99)
    words = f"p99 of {len(found)} syncs {p99:.1f} ms"
    if case.status is not None and case.status.sync_ms_p99 is not None:
        words += f", the recording's own worst {case.status.sync_ms_p99:.0f} ms (p99 of an hour)"
    words += f", {'no word on' if errors is None else errors} file system errors"
    words += "" if written is None else f", {written / 1e9:.1f} GB written"
    worst = max(p99, (case.status.sync_ms_p99 or 0.0) if case.status else 0.0)
    if errors:
        return Line("card", "FAIL", f"{words}: replace the card, and check the old one with fsck")
    if worst >= SYNC_FAIL_MS:
        return Line("card", "FAIL", f"{words}: too slow to record on, use an endurance card")
    if worst >= SYNC_WARN_MS:
        return Line("card", "WARN", f"{words}: slow, it may be worn; have another one ready")
    return Line("card", "PASS", words)


def _clock(case: Case) -> Line:
    found = check.clock(case.settings)
    if not found.is_fine:
        return Line("clock", "FAIL", f"{found.words}; `ems-agent time config` has chrony's file")
    server = server_of(case.identity.hub or case.settings.hub, case.settings.broker_host)
    if not server:
        return _of(found)
    try:
        answer = ask(server)
    except TimeProblem as problem:
        return Line("clock", "WARN", f"{found.words}, but the hub's time service gives no answer: {problem}")
    words = (
        f"{found.words}; the hub's clock is {answer.offset_ms:+.1f} ms from here, asked in {answer.round_trip_ms:.1f}"
    )
    if abs(answer.offset_ms) > OFFSET_WARN_MS:
        return Line("clock", "FAIL", f"{words} ms: two clocks in one centre, see `ems-agent time config`")
    return Line("clock", "PASS", f"{words} ms")


def _broker(case: Case) -> Line:
    settings, identity = case.settings, case.identity
    name, port = identity.broker_host or settings.broker_host, identity.broker_port or settings.broker_port
    place = f"{name}:{port}"
    if case.finding.life is Life.ENROLLING:
        return Line("broker", "WARN", "not tried: the hub names its broker when it lets this desk in")
    if case.status is not None:
        link = case.status.link
        if case.status.door_refusal:
            return Line("broker", "FAIL", f"the agent says: {case.status.door_refusal}")
        if link.connected_since is not None and not link.refused:
            return Line("broker", "PASS", f"the agent says: connected to {link.broker}")
        if link.connected_since is not None:
            return Line(
                "broker", "WARN", f"the agent says: connected, but refused {link.refused} times: {link.refusal}"
            )
        return Line("broker", "FAIL", f"the agent says: {link.broker}: {link.trouble}; look at network and hub")
    folder = identity_folder(settings.storage_path)
    try:
        if not identity.is_enrolled:
            return Line("broker", "PASS", f"{place} {broker_probe.knock(name, port, None)}")
        context = broker_probe.context_of(folder / "authorities.pem", folder / "tls.crt", folder / "tls.key")
        client = "" if case.is_agent_there else identity.unit
        return Line("broker", "PASS", f"{place} {broker_probe.knock(name, port, context, client)}")
    except broker_probe.Refused as refused:
        return Line("broker", "FAIL", f"{place}: {refused}")
    except OSError as error:
        words = f"{place}: {error.strerror or error}; look at network, hub and EMS_BROKER_HOST"
        return Line("broker", "FAIL", words)


def _door(case: Case) -> Line:
    hub = case.identity.hub or case.settings.hub
    if not hub:
        return Line("door", "PASS", "no hub to enrol with is set (EMS_HUB): nothing to knock at")
    port = case.identity.door_port or case.settings.door_port
    roots = identity_folder(case.settings.storage_path) / "authorities.pem"
    try:
        context = broker_probe.context_of(roots) if roots.exists() else None
        found = broker_probe.knock(hub, port, context)
    except (broker_probe.Refused, OSError) as error:
        words = f"{hub}:{port}: {getattr(error, 'strerror', None) or error}; look at network, hub and EMS_HUB"
        return Line("door", "FAIL", words)
    return Line("door", "PASS", f"{hub}:{port} {found if context else 'answers'}")


def _key(case: Case) -> Line:
    folder = case.settings.storage_path
    if folder.exists() and not (folder / "unit.key").exists() and folder.stat().st_uid != os.geteuid():
        return Line("key", "PASS", "none yet: the agent makes it at its first start, under its own user")
    return _of(check.key(case.settings))


def _certificate(case: Case) -> Line:
    identity = case.identity
    if identity.trouble:
        return Line("certificate", "FAIL", f"{'; '.join(identity.trouble)}; as root? else `ems-agent replace`")
    if identity.certificate is None:
        if identity.is_waiting:
            return Line("certificate", "FAIL", f"waits for approval: look at {identity.hub}'s page of waiting units")
        if identity.hub or case.settings.hub:
            return Line("certificate", "FAIL", "not enrolled: run `ems-agent setup`, and approve this desk at the hub")
        return Line("certificate", "WARN", "no hub is set (EMS_HUB): nothing is encrypted, for one machine only")
    if case.status is not None and case.status.door_refusal:
        return Line("certificate", "FAIL", f"no longer taken: {case.status.door_refusal}")
    found = identity.certificate
    days = found.days_left(case.now.utc_ms)
    words = f"{found.subject} of {found.issuer}, {days:.1f} days left, SHA-256 {found.fingerprint[:16]}"
    if case.now.utc_ms < found.begins_utc_ms:
        return Line("certificate", "FAIL", f"{words}: not valid yet, look at the clock")
    if days <= 0:
        return Line("certificate", "FAIL", f"{words}: expired; the agent renews it as soon as it reaches the door")
    level = "FAIL" if days < CERTIFICATE_FAIL_DAYS else "WARN" if days < CERTIFICATE_WARN_DAYS else "PASS"
    return Line("certificate", level, words + ("" if level == "PASS" else ": it should have been renewed, see door"))


def _panel(case: Case) -> Line:
    if case.finding.life is Life.ENROLLING:
        return Line("panel", "PASS", "not tried: the enrolling desk holds it; the lamp must show ENROLLING")
    if not case.is_agent_there:
        return _of(check.panel(case.settings))
    if case.status is None:
        return Line("panel", "WARN", "not tried: an agent that does not answer holds it")
    lamp = case.status.heartbeat.lamp
    if lamp is None:
        return Line("panel", "FAIL", "the agent says: no lamp; look at ems-panel and the wiring")
    return Line("panel", "PASS", f"the agent says: {case.status.panel}, shows {lamp.pattern}")


def _power(_case: Case) -> Line:
    flags = machine.throttled()
    if flags is None:
        is_pi = machine.model().startswith("Raspberry")
        words = "vcgencmd does not answer: under-voltage cannot be seen" if is_pi else "not told by this machine"
        return Line("power", "WARN" if is_pi else "PASS", words)
    said = [words for bit, words in machine.THROTTLED.items() if flags >> bit & 1]
    if not said:
        return Line("power", "PASS", "no under-voltage, no throttling since the start")
    words = f"{', '.join(said)}: use the official power supply and a short cable"
    return Line("power", "FAIL" if flags & 1 else "WARN", words)


def _temperature(_case: Case) -> Line:
    found = host.temperature_c()
    if found is None:
        return Line("temperature", "PASS", "not told by this machine")
    words = f"{found:.0f} degrees Celsius"
    if found >= TEMPERATURE_WARN_C:
        level = "FAIL" if found >= TEMPERATURE_FAIL_C else "WARN"
        return Line("temperature", level, f"{words}: give it air, and no sun")
    return Line("temperature", "PASS", words)


def _memory(_case: Case) -> Line:
    found = machine.memory_bytes()
    if found is None:
        return Line("memory", "WARN", "not told by this machine")
    total, available = found
    words = f"{available / 1e6:.0f} of {total / 1e6:.0f} MB available"
    if available < MEMORY_WARN_BYTES:
        level = "FAIL" if available < MEMORY_FAIL_BYTES else "WARN"
        return Line("memory", level, f"{words}: see what else runs here, with `top`")
    return Line("memory", "PASS", words)


def _watchdog(_case: Case) -> Line:
    state = machine.watchdog()
    if state == "active":
        return Line("watchdog", "PASS", "the hardware watchdog is active")
    found = "there is no hardware watchdog" if state is None else f"the hardware watchdog is {state or 'silent'}"
    return Line("watchdog", "WARN", f"{found}: a machine that hangs stays so; see systemd/README.md")


def _records(case: Case) -> Line:
    folder = case.settings.storage_path
    if not (folder / "records.db").exists():
        return Line("records", "PASS", "none yet")
    try:
        count, faults, anew = faults_of_chain(folder, case.identity.unit or case.settings.unit)
    except RecordsProblem as problem:
        return Line("records", "FAIL", f"{problem}; as root? else keep the card aside for an expert")
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        return Line("records", "FAIL", f"{faults[0]}{more}: keep the card aside, use another")
    words = f"the newest {count} records are in order, whole and signed by this unit"
    return Line("records", "PASS", f"{words}; {anew[-1]}" if anew else words)


CHECKS: dict[str, Callable[[Case], Line]] = {
    "agent": _agent,
    "camera": _camera,
    "model": _model,
    "storage": _storage,
    "card": _card,
    "clock": _clock,
    "broker": _broker,
    "door": _door,
    "key": _key,
    "certificate": _certificate,
    "panel": _panel,
    "power": _power,
    "temperature": _temperature,
    "memory": _memory,
    "watchdog": _watchdog,
    "records": _records,
}


def case_of(settings: Settings, now: Instant) -> Case:
    """Raises nothing: what cannot be read is a check's finding."""
    status, finding = find(settings, now)
    is_fresh = finding.life is Life.RUNNING
    return Case(settings, now, status if is_fresh else None, finding, view_identity(settings.storage_path))


def examine(case: Case, limit_s: float = LIMIT_S) -> list[Line]:
    """Every check, in the order of the wires, one after the other: two at once would measure each other."""
    return [_bounded(name, one, case, limit_s) for name, one in CHECKS.items()]


def _bounded(name: str, one: Callable[[Case], Line], case: Case, limit_s: float) -> Line:
    found: list[Line] = []

    def try_it() -> None:
        try:
            found.append(one(case))
        except Exception as error:  # one part that breaks in an unknown way must not hide how the others are
            found.append(Line(name, "FAIL", f"{type(error).__name__}: {' '.join(str(error).split())}"))

    thread = threading.Thread(target=try_it, name=f"doctor-{name}", daemon=True)
    thread.start()
    thread.join(limit_s)
    return found[0] if found else Line(name, "FAIL", f"no answer within {limit_s:g} s: this part hangs")


def storage_facts(folder: Path) -> dict[str, object]:
    """For the support bundle."""
    mount = machine.mount_of(folder)
    device = machine.card_of(mount)
    return {
        "mount": None if mount is None else {name: getattr(mount, name) for name in mount.__struct_fields__},
        "device": device,
        "free_bytes": host.free_bytes(folder),
        "file_system_errors": machine.file_system_errors(device),
        "bytes_written": machine.bytes_written(device),
    }
