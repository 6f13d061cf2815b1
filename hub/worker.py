"""The worker: the one process that reads the issuing authority's key. It signs what people approved, writes the list of
revoked certificates, and renews the hub's own certificates while no sitting is on. Once a minute it countersigns the
desks' chains. Beside that it does jobs, keeps the journal and watches for what strikes whole rooms.

It wakes on the store's `data_version`. What it is about stands in `worker.json` of the live folder:

    beat_utc_ms, started_utc_ms   its newest word, and when it started
    is_clock_trusted, clock       whether certificates may be issued by this clock, and one sentence why not
    trouble                       one sentence, '' when all is well
    waiting                       approved requests that are not signed yet
    signed                        certificates made since it started
    countersigned                 {number, at_utc_ms, code} of its newest countersignature, null before the first
"""

from __future__ import annotations

import logging
import socket
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from hub import authority, bundle_jobs, clock, enrolment, purge_jobs
from hub.alone import AlreadyRuns, alone
from hub.authority import BadCsr, Signer
from hub.config import Settings
from hub.enrolment import AuthorityProblem, CaFolder
from hub.evidence import pairing
from hub.evidence.countersigning import Countersigner
from hub.evidence.journal import JournalThread
from hub.evidence.storage import StorageProblem, open_storage
from hub.jobs import Doer, JobRunner
from hub.live import LiveFolder
from hub.room_watch import RoomWatchThread
from hub.store import Store, StoreProblem, certificates, enrolling, film, planning, signals
from hub.store.certificates import Issued
from hub.store.enrolling import CannotEnrol, Request
from hub.supervision import Service

log = logging.getLogger(__name__)

POLL_S = 0.5
LOOK_EVERY_MS = 10_000
"""Without a change in the store: for the clock, and for what only time brings about."""
BEAT_EVERY_MS = 1_000
DOERS: dict[str, Doer] = {
    bundle_jobs.BUNDLE: bundle_jobs.build,
    purge_jobs.PLAN: purge_jobs.plan,
    purge_jobs.PURGE: purge_jobs.purge,
    purge_jobs.SWEEP: purge_jobs.sweep,
}
"""How each kind of job is done."""
MOST_AT_ONCE = 50
"""Certificates signed before they are committed."""
WHO = "hub"
ROTATE_BEFORE_MS = 30 * authority.DAY_MS
"""So long before the issuing authority shortens units' certificates, somebody must bring the root's key."""


class WorkerProblem(Exception):
    """The worker cannot run; the text says why."""


def certify(signer: Signer, request: Request, days: int, now_utc_ms: int) -> tuple[str, Issued]:
    """The certificate for an approved request, in PEM with the issuing authority's behind it, and what the store keeps
    of it. Raises BadCsr."""
    key = authority.read_csr(request.csr, request.public_key)
    leaf = authority.unit_certificate(signer, key, request.unit, request.public_key, days, now_utc_ms)
    issued = Issued(
        serial_number=f"{leaf.serial_number:x}",
        unit=request.unit,
        issuer=authority.fingerprint(signer.certificate),
        not_before_utc_ms=authority.begins_utc_ms(leaf),
        not_after_utc_ms=authority.ends_utc_ms(leaf),
    )
    return authority.pem(leaf, signer.certificate).decode(), issued


class Worker:
    """`turn` is called again and again, on one thread."""

    def __init__(self, settings: Settings, store: Store, now_utc_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._store = store
        self._now_utc_ms = now_utc_ms
        self._folder = CaFolder(settings.ca_path)
        self._names = authority.hub_names(settings.hub_names, socket.gethostname())
        self._live = LiveFolder(Path(settings.live_path))
        self._live.make()
        self._version, self._looked_utc_ms, self._told_utc_ms = -1, 0, 0
        self._started_utc_ms = now_utc_ms()
        self._clock = "not looked at yet"
        self._trouble = ""
        self._waiting = self._signed = 0
        self._countersigner = Countersigner(store, self._folder)

    def run(self, stop: threading.Event) -> None:
        service = Service()
        jobs = JobRunner(self._settings, self._store, self._now_utc_ms, DOERS)
        jobs.start()
        journal = JournalThread(self._settings, self._store, self._now_utc_ms)
        journal.start()
        rooms = RoomWatchThread(self._store, self._live, self._now_utc_ms)
        rooms.start()
        service.ready()
        while not stop.is_set():
            self.turn()
            service.say(self._trouble or journal.trouble or rooms.trouble or self._clock or "well")
            service.ping_if_due()
            stop.wait(POLL_S)
        service.stopping()
        jobs.stop()
        journal.stop()
        rooms.stop()

    def turn(self) -> None:
        """Do what there is to do, and say how it stands; what files or store refuse now is tried again next time."""
        now = self._now_utc_ms()
        try:
            version = self._store.data_version()
            if version != self._version or not 0 <= now - self._looked_utc_ms < LOOK_EVERY_MS:
                self._look(now)
                self._version, self._looked_utc_ms = version, now
            self._countersigner.turn(now)
        except AuthorityProblem as problem:
            self._say(str(problem))
        except sqlite3.Error as error:
            self._say(f"the store cannot be used: {error}")
        self._tell(now)

    def _look(self, now: int) -> None:
        self._settle_wishes(now)
        signals.lapse_due(self._store, now)
        with self._store.read() as connection:
            newest = certificates.newest_hub_time(connection)
            approved = enrolling.approved(connection)
            is_quiet = planning.is_quiet(connection, now)
        self._note_clock(clock.doubt(now, newest, is_vouched_for=self._settings.is_clock_trusted))
        self._waiting = len(approved)
        with self._folder.alone():
            if enrolment.put_next(self._folder.issuing):
                log.info("the change of the issuing authority is completed")
            with self._store.read() as connection:  # now that nobody else writes the list
                revoked = [
                    (each.serial_number, each.issuer, each.revoked_utc_ms)
                    for each in certificates.revoked_certificates(connection)
                ]
            if enrolment.put_revoked(self._folder, revoked):
                log.info("list of revoked certificates written, %d on it", len(revoked))
            signer = enrolment.issuing(self._folder)
            if not self._clock:
                for line in enrolment.renew(self._folder, self._names, now, is_quiet=is_quiet):
                    log.info("made: %s", line)
                self._sweep(now)
        left_ms = authority.ends_utc_ms(signer.certificate) - now
        if not self._clock and left_ms > authority.DAY_MS:
            for first in range(0, len(approved), MOST_AT_ONCE):
                self._sign(signer, approved[first : first + MOST_AT_ONCE], now)
        needed_ms = self._settings.unit_certificate_days * authority.DAY_MS + ROTATE_BEFORE_MS
        left_days = max(left_ms, 0) // authority.DAY_MS
        self._say(
            f"the issuing authority ends in {left_days} days: bring the root's key, run `ems-hub ca rotate --root DIR`"
            if left_ms < needed_ms
            else ""
        )

    def _settle_wishes(self, now: int) -> None:
        try:
            if count := film.settle_wishes(self._store, now):
                log.info("%d wishes for film are settled", count)
        except planning.CannotPlan as cannot:  # what it is about is told where the plan was made; certificates go on
            log.error("wishes for film stay open: %s", cannot)

    def _sign(self, signer: Signer, requests: Sequence[Request], now: int) -> None:
        made: list[tuple[Request, str, Issued]] = []
        refused: list[tuple[Request, str]] = []
        for request in requests:
            try:
                made.append((request, *certify(signer, request, self._settings.unit_certificate_days, now)))
            except BadCsr as bad:
                refused.append((request, str(bad)))
            except Exception as error:  # one desk's bytes must not keep the others waiting
                log.exception("the certificate of %s cannot be made", request.unit)
                refused.append((request, f"the hub could not make the certificate ({type(error).__name__})"))
        with self._store.write() as connection:
            for request, certificate, issued in made:
                is_granted = enrolling.grant(connection, request, certificate, issued, now)
                log.info("certificate for %s: %s", request.unit, "granted" if is_granted else "no longer wanted")
                self._signed += is_granted
            for request, reason in refused:
                log.warning("request of %s rejected: %s", request.unit, reason)
                self._reject(connection, request, reason, now)
        self._waiting -= len(requests)

    @staticmethod
    def _reject(connection: sqlite3.Connection, request: Request, reason: str, now: int) -> None:
        try:
            enrolling.reject(connection, request.enrolment_id, reason=reason, who=WHO, now_utc_ms=now)
        except CannotEnrol as cannot:
            log.info("%s", cannot)  # somebody was faster

    def _sweep(self, now: int) -> None:
        try:
            for job_id in bundle_jobs.sweep(self._settings, now):
                log.info("the bundle of job %d lay long enough and is removed", job_id)
        except OSError as error:
            log.warning("old bundles cannot be removed: %s", error)

    def _note_clock(self, why: str) -> None:
        if why and why != self._clock:
            log.error("no certificate is issued: %s", why)
        elif self._clock and not why:
            log.info("the clock is trusted")
        self._clock = why

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.error("%s", trouble)
        self._trouble = trouble

    def _tell(self, now: int) -> None:
        if 0 <= now - self._told_utc_ms < BEAT_EVERY_MS:
            return
        told = {
            "beat_utc_ms": now,
            "started_utc_ms": self._started_utc_ms,
            "is_clock_trusted": not self._clock,
            "clock": self._clock,
            "trouble": self._trouble,
            "waiting": self._waiting,
            "signed": self._signed,
            "countersigned": self._countersigner.told(),
        }
        try:
            self._live.put_worker(told, now)
            self._told_utc_ms = now
        except OSError as error:
            log.warning("the worker's state cannot be shown: %s", error)


def _pair(settings: Settings, store: Store, now_utc_ms: int) -> None:
    """Have store and storage know each other, and remove copies that a dead process has left; a storage that cannot be
    used now stops nothing else."""
    try:
        storage = open_storage(settings)
        pairing.pair(settings, storage, now_utc_ms, store)
        storage.clean(now_utc_ms)
    except StorageProblem as problem:
        log.error("the storage cannot be used: %s", problem)


def run(settings: Settings, stop: threading.Event, now_utc_ms: Callable[[], int]) -> None:
    """Run the worker until `stop` is set. Raises WorkerProblem when it cannot run."""
    try:
        store = Store(settings.database_path)
    except StoreProblem as problem:
        raise WorkerProblem(str(problem)) from None
    try:
        with alone(settings.database_path, "worker"):
            _pair(settings, store, now_utc_ms())
            log.info("at work on %s, with the authority in %s", settings.database_path, settings.ca_path)
            Worker(settings, store, now_utc_ms).run(stop)
    except AlreadyRuns as problem:
        raise WorkerProblem(str(problem)) from None
    except OSError as error:
        raise WorkerProblem(f"{error}") from error
    finally:
        store.close()
