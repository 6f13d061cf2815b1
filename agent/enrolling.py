"""A desk with a hub: enrolled before it starts, and its certificate renewed while it runs.

An enrolled desk starts at once, hub or not, whatever its certificate: recording depends on neither. The renewal has a
thread of its own, for which nothing waits.
"""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
import tomllib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib import metadata
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent import host, wire_door
from agent.config import BadSetting, Settings
from agent.devices import open_panel
from agent.enrolling_status import forget, now_of, telling
from agent.identity import HubPlace, Identity, IdentityFolder, IdentityProblem, hub_of
from agent.local import run_folder
from agent.messaging.enrol import Door, DoorProblem, Enroller, Machine, Rhythm, fetch_root
from agent.messaging.tls import Tls
from agent.supervision import Loop, Supervisor
from agent.unit_key import load_key
from agent.wire_lamp import PatternName

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
TICK_S = 0.2
LOOK_WITHIN_MS = 240_000
"""The longest pause between two looks at the hub, and what a network at its worst takes to fail."""
REFUSED_AFTER_MS = 30_000
"""So long without the broker, for another reason than that it is not there: perhaps it refuses the certificate."""
AGAIN_AFTER_MS = 2 * 3_600_000
"""Between two certificates that were granted: the hub gives a unit 20 a day."""
RETRY_FIRST_MS, RETRY_LONGEST_MS = 30_000, 600_000
REFUSALS = frozenset({"revoked", "not_enrolled"})
"""What the door says of a unit that no renewal brings back."""
_NOT_THERE = ("ConnectionRefusedError", "TimeoutError", "gaierror", "No route", "unreachable")
"""What the link says of a broker that does not run or cannot be reached: no certificate helps there."""


class _Provisioning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    hub: str
    ca_fingerprint: str
    door_port: int = wire_door.PORT


def place_of(settings: Settings, kept: HubPlace | None) -> HubPlace | None:
    """The hub of this desk: what the settings say, else what was set up, else the provisioning file; None when none of
    them says any. Raises BadSetting."""
    replaces = "" if kept is None else kept.replaces
    if settings.hub and settings.ca_fingerprint:
        return HubPlace(
            hub=settings.hub,
            ca_fingerprint=settings.ca_fingerprint,
            door_port=settings.door_port,
            replaces=replaces,
        )
    if kept is not None:
        return kept
    return None if settings.provisioning_path is None else read_provisioning(settings.provisioning_path)


def read_provisioning(path: Path) -> HubPlace:
    """The hub that a provisioning file names. Raises BadSetting."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text()), _Provisioning)
        wire_door.read_fingerprint(found.ca_fingerprint)
        values = {"hub": found.hub, "ca_fingerprint": found.ca_fingerprint, "door_port": found.door_port}
        return msgspec.convert(values, HubPlace)
    except (OSError, ValueError) as error:  # TOMLDecodeError and ValidationError are ValueErrors
        why = error.strerror if isinstance(error, OSError) else error
        raise BadSetting(
            f'EMS_PROVISIONING_PATH: {path}: {why}; it has two lines: hub = "NAME" and ca_fingerprint = "..."'
        ) from None


def tls_of(identity: Identity | None) -> Tls | None:
    """The files for the link; None for a plain connection."""
    if identity is None:
        return None
    return Tls(authority=identity.authorities, certificate=identity.certificate, key=identity.key)


def door_of(storage: Path) -> Door | None:
    """The door of the hub that this desk is enrolled with; None when it cannot be told where it is. Raises DoorProblem
    when the kept roots cannot be read, OSError or ValueError when the key cannot."""
    found = hub_of(storage)
    return None if found is None else Door(*found, load_key(storage / "unit.key", may_make=False))


def machine() -> Machine:
    return Machine(
        serial=host.machine_serial(),
        model=host.machine_model(),
        software=metadata.version("exam-monitoring-system"),
    )


class Enrolled(msgspec.Struct, frozen=True):
    """What the start of a desk with a hub needs; `settings` are the unit's own now. `place` None: the card has lost
    where the hub's door is, and the certificate cannot be renewed."""

    settings: Settings
    identity: Identity
    place: HubPlace | None
    plan: bytes | None


def enrol(settings: Settings, stopping: threading.Event, rhythm: Rhythm | None = None) -> Enrolled | None:
    """The enrolled unit of this desk: at once if it is enrolled, else as soon as the hub lets it in; None when
    `stopping` was set before that. Raises BadSetting, IdentityProblem, PanelProblem, ValueError, OSError."""
    folder = IdentityFolder(settings.storage_path)
    kept, identity = folder.hub(), folder.identity()
    forget(run_folder(settings))
    place = place_of(settings, kept)
    if identity is None:
        if place is None:
            raise BadSetting("EMS_HUB: the hub that was set up cannot be read: run `ems-agent setup` again")
        if kept is not None and _is_other_authority(kept, place):
            folder.authorities.unlink(missing_ok=True)  # a person gave another one
        identity = _ask(settings, place, folder, stopping, rhythm)
        if identity is None:
            return None
        log.info("this desk is unit %s of the hub %s", identity.unit, place.hub)
    elif place is not None and kept is not None and place != kept and not _is_other_authority(kept, place):
        folder.put_hub(place)
        identity = folder.identity() or identity
    mine = msgspec.structs.replace(
        settings, unit=identity.unit, broker_host=identity.broker_host, broker_port=identity.broker_port
    )
    return Enrolled(mine, identity, place, folder.plan())


def _is_other_authority(kept: HubPlace, place: HubPlace) -> bool:
    one, other = (wire_door.read_fingerprint(each.ca_fingerprint) for each in (kept, place))
    return not (one.startswith(other) or other.startswith(one))


def _ask(
    settings: Settings, place: HubPlace, folder: IdentityFolder, stopping: threading.Event, rhythm: Rhythm | None
) -> Identity | None:
    with _held(settings.storage_path):
        key = _record_key(settings.storage_path)
        told: deque[str] = deque(["enrolling"], maxlen=1)

        def tell(words: str) -> None:
            told.append(f"enrolling: {words}")
            log.warning("enrolling: %s", words)

        enroller = Enroller(
            place,
            folder,
            key,
            machine(),
            wanted=settings.unit,
            tell=tell,
            stopping=stopping,
            rhythm=rhythm,
        )

        def work() -> Identity | None:
            if folder.hub() != place:
                _keep_place(folder, place)
            return enroller.enrol()

        clock = host.Clock(is_trusted=settings.is_clock_trusted)
        with (
            telling(run_folder(settings), lambda: now_of(place.hub, clock, *enroller.standing)),
            ThreadPoolExecutor(1, "enrolling") as pool,
        ):
            asking = pool.submit(work)
            _show_it(settings, asking, enroller, told, clock)
            return asking.result()


def _show_it(
    settings: Settings, asking: Future[Identity | None], enroller: Enroller, told: deque[str], clock: host.Clock
) -> None:
    """Keep lamp and service manager informed until the asking ends."""
    supervisor = Supervisor([Loop("enrolling", lambda: enroller.looks_made, LOOK_WITHIN_MS)])
    supervisor.ready()
    panel = open_panel(settings, lambda _press: None)
    try:
        while not asking.done():
            panel.show(PatternName.ENROLLING)
            supervisor.say(told[-1])
            supervisor.step(clock.now())
            wait([asking], TICK_S)
    finally:
        supervisor.busy()  # the desk's own start comes next
        panel.close()


def _keep_place(folder: IdentityFolder, place: HubPlace) -> None:
    with contextlib.suppress(DoorProblem):  # the enrolment says it, and fetches the root itself
        folder.put_hub(place, fetch_root(place))


def _record_key(storage: Path) -> Ed25519PrivateKey:
    return load_key(storage / "unit.key", may_make=not (storage / "records.db").exists())


@contextlib.contextmanager
def _held(storage: Path) -> Iterator[None]:
    descriptor = host.hold(storage)
    try:
        yield
    finally:
        os.close(descriptor)


class Renewer:
    """Renews the certificate of a running desk, on a thread of its own: when a third of its life is left, when it has
    ended, and when the broker seems to refuse it. `trouble` answers for how long (milliseconds) the broker is away and
    what the link says of it, None while it is there. `on_refusal` is told why the hub no longer takes this unit, ''
    when it does again."""

    def __init__(
        self,
        enrolled: Enrolled,
        clock: host.Clock,
        trouble: Callable[[], tuple[int, str] | None],
        on_renewed: Callable[[Identity, bytes | None], object],
        rhythm: Rhythm | None = None,
        on_refusal: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.identity = enrolled.identity
        self._enrolled = enrolled
        self._clock = clock
        self._trouble = trouble
        self._on_renewed = on_renewed
        self._rhythm = rhythm
        self._on_refusal = on_refusal
        self._stopping = threading.Event()
        self._pause_ms = RETRY_FIRST_MS
        self._not_before_up_ms = 0
        self._thread = threading.Thread(target=self._run, name="renewer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        self._stopping.set()
        self._thread.join(timeout_s)

    def why(self) -> str:
        """Why to renew now; '' for no reason."""
        now = self._clock.now()
        if now.up_ms < self._not_before_up_ms:
            return ""
        if self.identity.is_renewal_due(now.utc_ms):
            return "the certificate has ended" if self.identity.ends_utc_ms <= now.utc_ms else "the certificate ends"
        away = self._trouble()
        if away is not None and away[0] >= REFUSED_AFTER_MS and not any(word in away[1] for word in _NOT_THERE):
            return f"the broker seems to refuse it ({away[1]})"
        return ""

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S * random.uniform(0.2, 1)):  # noqa: S311
            try:
                why = self.why()
                if not self.identity.is_renewal_due(self._clock.now().utc_ms) and self._trouble() is None:
                    self._on_refusal("")  # the broker has let it in
                if why:
                    log.info("renewing: %s", why)
                    self._renew()
            except (DoorProblem, IdentityProblem, OSError, ValueError) as problem:
                if isinstance(problem, DoorProblem) and problem.code in REFUSALS:
                    self._on_refusal(str(problem))
                self._wait_longer(str(problem))
            except Exception:
                log.exception("the renewal failed")
                self._wait_longer("the renewal failed")

    def _renew(self) -> None:
        storage, place = self._enrolled.settings.storage_path, self._enrolled.place
        if place is None:
            raise IdentityProblem("where the hub is cannot be read: run `ems-agent setup` again")
        folder = IdentityFolder(storage)
        enroller = Enroller(
            place,
            folder,
            _record_key(storage),
            machine(),
            tell=lambda words: log.info("renewing: %s", words),
            stopping=self._stopping,
            rhythm=self._rhythm,
        )
        identity = enroller.renew(self.identity.unit)
        if identity is None:
            self._wait_longer("the hub has not made it yet")
            return
        self.identity = identity
        self._pause_ms = RETRY_FIRST_MS
        self._not_before_up_ms = self._clock.now().up_ms + AGAIN_AFTER_MS
        log.info("certificate renewed")
        self._on_refusal("")
        self._on_renewed(identity, folder.plan())

    def _wait_longer(self, words: str) -> None:
        log.warning("not renewed: %s", words)
        self._not_before_up_ms = self._clock.now().up_ms + round(self._pause_ms * random.uniform(0.7, 1))  # noqa: S311
        self._pause_ms = min(RETRY_LONGEST_MS, self._pause_ms * 2)


@contextlib.contextmanager
def renewing(
    enrolled: Enrolled | None,
    clock: host.Clock,
    trouble: Callable[[], tuple[int, str] | None],
    on_granted: Callable[[Identity, bytes | None], object],
    on_refusal: Callable[[str], object],
) -> Iterator[None]:
    """The certificate is renewed while the block runs; nothing happens for a desk without a hub. `on_granted` is called
    at once with what the last grant brought."""
    if enrolled is None:
        yield
        return
    on_granted(enrolled.identity, enrolled.plan)
    renewer = Renewer(enrolled, clock, trouble, on_granted, on_refusal=on_refusal)
    renewer.start()
    try:
        yield
    finally:
        renewer.stop()
