"""Does the jobs of the store, one after the other, on a thread of the worker: bundles, purges, all that takes long.

Each kind of work is a function that tells how far it is by `Work.tell`, which raises Cancelled when somebody no longer
wants it, and that can begin anew where a killed worker left it. `hub.worker` knows which there are.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hub.config import Settings
from hub.store import Store, jobs
from hub.store.jobs import Job

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5


class Cancelled(Exception):
    """Somebody cancelled the job."""


class CannotDo(Exception):
    """The job cannot be done; the text says why and what to do."""


class Work(NamedTuple):
    """A job and what there is to do it with."""

    job: Job
    settings: Settings
    store: Store
    now_utc_ms: Callable[[], int]
    stop: threading.Event

    def tell(self, done: int, total: int, note: str = "") -> None:
        """Say how far it is. Raises Cancelled; and Stopped when the worker is to end: the next one goes on."""
        if self.stop.is_set():
            raise Stopped
        if not jobs.tell(self.store, self.job.job_id, done, total, note):
            raise Cancelled


class Stopped(Exception):
    """The worker ends; the job stays as it is for the next one."""


Doer = Callable[[Work], Mapping[str, Any] | None]
"""How a kind of work is done; the answer is the job's result."""


class JobRunner:
    """One thread. `start`, then `stop`."""

    def __init__(
        self, settings: Settings, store: Store, now_utc_ms: Callable[[], int], doers: Mapping[str, Doer]
    ) -> None:
        self._settings = settings
        self._store = store
        self._now_utc_ms = now_utc_ms
        self._doers = doers
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Ask the running job to stop where it is, and wait for it."""
        self._stop.set()
        self._thread.join(timeout_s)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                job = jobs.take(self._store, self._now_utc_ms())
                if job is not None:
                    self._do(job)
                    continue
            except Exception:  # a store that is full or busy must not end the thread: it looks again
                log.exception("the jobs cannot be looked at")
            self._stop.wait(LOOK_EVERY_S)

    def _do(self, job: Job) -> None:
        log.info("job %d, %s, asked for by %s", job.job_id, job.kind, job.asked_by)
        doer = self._doers.get(job.kind)
        state, note, result = "done", "", None
        try:
            if doer is None:
                raise CannotDo(f"this hub does not know the work {job.kind!r}: install the newer hub again")
            result = doer(Work(job, self._settings, self._store, self._now_utc_ms, self._stop))
        except Stopped:
            log.info("job %d is left for the next start", job.job_id)
            return
        except Cancelled:
            state = "cancelled"
        except CannotDo as cannot:
            state, note = "failed", str(cannot)
        except sqlite3.Error:
            raise  # the store is unwell: the job is taken up again when it is well
        except Exception as error:
            log.exception("job %d failed", job.job_id)
            state, note = "failed", f"the hub could not do it ({type(error).__name__}): its log says why"
        with self._store.write() as connection:
            jobs.end(connection, job.job_id, state, self._now_utc_ms(), note=note, result=result)
        log.info("job %d: %s %s", job.job_id, state, note)
