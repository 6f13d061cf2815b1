"""Jobs: done one after the other, with progress that people see, cancelled by a word, taken up again after a kill."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hub.jobs import CannotDo, Doer, JobRunner, Work
from hub.store import Store, jobs
from tests.hub.hubs import settings_for
from tests.support import wait_for

NOW = 1_800_000_000_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "hub.db")
    yield opened
    opened.close()


def ask(store: Store, kind: str = "count", **wish: object) -> int:
    with store.write() as connection:
        return jobs.add(connection, kind, wish, "Ada", NOW)


@contextmanager
def running(store: Store, **doers: Doer) -> Iterator[JobRunner]:
    runner = JobRunner(settings_for(store.path.parent), store, lambda: NOW + 5, doers)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def test_a_job_is_done_and_its_result_is_kept(store: Store) -> None:
    """The doer gets the wish; its answer is the result."""
    number = ask(store, upto=3)
    with running(store, count=lambda work: {"sum": sum(range(work.job.wish["upto"] + 1))}):
        wait_for(lambda: jobs.one(store, number).state == "done")
    job = jobs.one(store, number)
    assert (job.result, job.started_utc_ms, job.ended_utc_ms, job.asked_by) == ({"sum": 6}, NOW + 5, NOW + 5, "Ada")


def test_progress_is_seen_and_a_cancelled_job_stops(store: Store) -> None:
    """What a doer tells is in the store while it works; a word ends it at its next telling."""
    told, may_go_on = threading.Event(), threading.Event()

    def count(work: Work) -> None:
        work.tell(1, 3, "the first")
        told.set()
        assert may_go_on.wait(30)
        work.tell(2, 3)
        raise AssertionError("not stopped")

    number = ask(store)
    with running(store, count=count):
        assert told.wait(30)
        job = jobs.one(store, number)
        assert (job.state, job.done, job.total, job.note) == ("running", 1, 3, "the first")
        with store.write() as connection:
            assert jobs.cancel(connection, number)
        may_go_on.set()
        wait_for(lambda: jobs.one(store, number).state == "cancelled")
    with store.write() as connection:
        assert not jobs.cancel(connection, number)


def test_a_job_cancelled_before_its_turn_is_never_begun(store: Store) -> None:
    """It ends as cancelled, and the next one is taken."""
    first, second = ask(store), ask(store)
    with store.write() as connection:
        jobs.cancel(connection, first)
    taken = jobs.take(store, NOW)
    assert taken is not None
    assert taken.job_id == second
    assert (jobs.one(store, first).state, jobs.one(store, first).started_utc_ms) == ("cancelled", None)


def test_what_cannot_be_done_says_why(store: Store) -> None:
    """A refusal is the job's note, a crash names its kind only; the thread lives on."""

    def refuse(work: Work) -> None:
        raise CannotDo("the film was purged")

    numbers = [ask(store, kind) for kind in ("refuse", "crash", "later")]
    with running(store, refuse=refuse, crash=lambda work: {"x": 1 // 0}) as runner:
        wait_for(lambda: all(jobs.one(store, number).state == "failed" for number in numbers))
        assert runner.is_alive()
    refused, crashed, unknown = (jobs.one(store, number).note for number in numbers)
    assert refused == "the film was purged"
    assert "ZeroDivisionError" in crashed
    assert "later" in unknown


def test_a_job_that_was_running_is_taken_up_again(store: Store) -> None:
    """A worker that ends leaves its job running; the next one takes it before those that wait."""
    waiting, running_before = ask(store), ask(store)
    with store.write() as connection:
        connection.execute("update jobs set state = 'running', started_utc_ms = 7 where job_id = ?", [running_before])
    taken = jobs.take(store, NOW)
    assert taken is not None
    assert (taken.job_id, taken.started_utc_ms) == (running_before, 7)
    assert jobs.one(store, waiting).state == "waiting"


def test_a_runner_that_is_stopped_leaves_the_job_for_the_next(store: Store) -> None:
    """Stopping is no failure: the job stays as it is."""
    began = threading.Event()

    def endless(work: Work) -> None:
        while True:
            began.set()
            work.tell(1, 2)

    number = ask(store, "endless")
    with running(store, endless=endless):
        assert began.wait(30)
    assert jobs.one(store, number).state == "running"
