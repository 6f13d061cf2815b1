"""`ems-hub retention` and `ems-hub hold`, with the real worker in a process of its own, killed in the middle once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli import main
from hub.enrolment import CaFolder
from hub.evidence import purge_certificate
from hub.store import Store, jobs, people
from hub.store import purging as purges
from tests.hub.authorities import made_folder
from tests.hub.keeping import ADA, Hall
from tests.support import wait_for


@pytest.fixture
def hall(store: Store, tmp_path: Path) -> Hall:
    from hub.terminal import now_utc_ms

    hall = Hall(store, tmp_path, made_folder(tmp_path / "ca", now_utc_ms()))
    hall.room("Hall", ["a1", "a2"])
    hall.sitting("one", start=1_700_000_000_000, end=1_700_010_000_000)
    for seat in ("a1", "a2"):
        hall.film("one", seat, 20)
    return hall


@pytest.fixture
def environment(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    values = {
        "APP_ENV": "development",
        "DATABASE_URL": f"sqlite:///{hall.folder / 'hub.db'}",
        "STORAGE_PATH": str(hall.folder / "storage"),
        "EMS_CA_PATH": str(hall.folder / "ca"),
        "EMS_LIVE_PATH": str(hall.folder / "live"),
        "EMS_ZONE": "Europe/Vienna",
        "EMS_IS_CLOCK_TRUSTED": "true",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def run(*words: str, code: int = 0) -> str:
    found: Result = CliRunner().invoke(main, list(words))
    assert found.exit_code == code, found.output
    return found.output


@contextlib.contextmanager
def worker(hall: Hall, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (hall.folder / "worker.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub.cli", "worker"],
            env={"PATH": os.environ["PATH"], **environment},
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_from_the_rule_to_the_certificate(hall: Hall, environment: dict[str, str]) -> None:
    """Show, rule, hold, plan, apply by the worker, certificate, and its check without a hub."""
    assert "for ever: no rule was set; results: not known" in run("retention", "show")
    assert "nothing is due" in run("retention", "plan")
    said = run("retention", "rule", "Maths", "--after-sitting", "30", "--after-results", "5", "--unless-refer")
    assert "the later of 30 days after the sitting and 5 days after the results, unless" in said
    assert "whose date is not known yet" in run("retention", "show")
    assert "before the exam's first sitting" in run("retention", "results", "Maths", "2022-12-24", code=1)
    run("retention", "results", "Maths", "2023-12-24")
    assert "results: 2023-12-24" in run("retention", "show")
    run("hold", "place", "--sitting", "one", "--seat", "a2", "--why", "an appeal")
    assert "one, seat a2: 20 segments here" in run("hold", "list")
    plan = run("retention", "plan")
    assert "goes   Maths: one, seat a1: 20 files" in plan
    assert "stays  Maths: one, seat a2: 20 files" in plan
    assert "nothing was removed" in plan
    assert len(hall.files()) == 40
    with worker(hall, environment):
        assert "purge 1: 20 files" in run("retention", "apply", "--plan", "1")
    assert len(hall.files()) == 20
    out = hall.folder / "certificate.json"
    run("retention", "certificate", "1", "--out", str(out))
    assert json.loads(run("retention", "certificate", "1")) == json.loads(out.read_text())
    roots = str(CaFolder(environment["EMS_CA_PATH"]).authorities)
    assert "by the centre" in run("retention", "check-certificate", str(out), "--ca", roots)
    assert "signer unproven" in run("retention", "check-certificate", str(out))
    out.write_bytes(out.read_bytes().replace(b'"a1"', b'"a2"'))
    assert "not the one that was signed" in run("retention", "check-certificate", str(out), "--ca", roots, code=3)
    run("hold", "release", "1", "--why", "decided")
    assert "no holds" in run("hold", "list")
    assert "released by" in run("hold", "list", "--all")


def test_a_worker_that_is_killed_is_followed_by_one_that_goes_on(hall: Hall, environment: dict[str, str]) -> None:
    """SIGKILL in the middle: the next worker brings the purge to its end, and the certificate lists every file once."""
    hall.film("one", "a1", 3_000)
    before = hall.there()
    run("retention", "rule", "Maths", "--after-sitting", "30")
    run("retention", "plan")
    run("retention", "apply", "--plan", "1", "--detach")
    run("retention", "apply", "--plan", "1", "--detach")
    assert len(jobs.newest(hall.store)) == 1
    with worker(hall, environment) as process:
        wait_for(lambda: hall.rows("select 1 from purge_items"), every_s=0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    went = hall.rows("select sum(item_count) from purge_items")[0][0]
    assert purges.one(hall.store, 1).ended_utc_ms is None
    assert 0 < went <= len(before)
    with worker(hall, environment):
        wait_for(lambda: jobs.newest(hall.store)[0].state == "done")
    found = json.loads(b"".join(purge_certificate.exported(hall.store, purges.one(hall.store, 1))))
    assert sorted(item["name"] for item in found["items"]) == sorted(before)
    assert hall.files() == set()


def test_a_changed_world_is_told_in_one_line(hall: Hall, environment: dict[str, str]) -> None:
    """And whoever waits for the worker learns it at once; nothing went."""
    run("retention", "rule", "Maths", "--after-sitting", "30")
    run("retention", "plan")
    run("hold", "place", "--sitting", "one", "--why", "an appeal")
    with worker(hall, environment):
        said = run("retention", "apply", "--plan", "1", code=1)
    assert "make a new plan" in said
    assert "20 of 20 files are held now" in said
    assert len(hall.files()) == 40
    assert "there is no purge plan 9" in run("retention", "apply", "--plan", "9", code=1)


def test_nothing_is_removed_by_a_clock_in_doubt(hall: Hall, environment: dict[str, str]) -> None:
    """A hub whose clock runs ahead of its own records' would find everything due."""
    run("retention", "rule", "Maths", "--after-sitting", "30")
    run("retention", "plan")
    with worker(hall, environment | {"EMS_IS_CLOCK_TRUSTED": "false"}):
        said = run("retention", "apply", "--plan", "1", code=1)
    assert "clock is in doubt" in said
    assert len(hall.files()) == 40


def test_the_timer_plans_and_applies_only_where_that_was_set(
    hall: Hall, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default a person applies the plan."""
    assert "nothing is due" in run("retention", "daily")
    run("retention", "rule", "Maths", "--after-sitting", "30")
    assert "waits for a person" in run("retention", "daily")
    assert jobs.newest(hall.store) == []
    monkeypatch.setenv("EMS_RETENTION_AUTO", "true")
    assert "applied by job 1" in run("retention", "daily")
    assert [(job.kind, job.asked_by) for job in jobs.newest(hall.store)] == [("purge", "the daily timer")]


def test_the_timer_has_leftovers_removed_and_a_begun_purge_ended(hall: Hall, environment: dict[str, str]) -> None:
    """A file that an upload left while its segment was purged; and a purge whose storage failed on the way."""
    run("retention", "rule", "Maths", "--after-sitting", "30")
    run("retention", "plan")
    with hall.store.write() as connection:
        purges.begin(connection, ADA, 1, "0" * 64, 1)
    left = hall.segment("one", "a1", 900)
    hall.execute("insert into garbage select sha256, 1 from segments where name = :name", name=left)
    hall.execute("update segments set stored_utc_ms = null, purged_utc_ms = 1 where name = :name", name=left)
    said = run("retention", "daily")
    assert "purge 1 goes on" in said
    with worker(hall, environment):
        wait_for(lambda: all(job.state == "done" for job in jobs.newest(hall.store)))
    assert {job.kind for job in jobs.newest(hall.store)} == {"sweep", "purge"}
    assert purges.one(hall.store, 1).ended_utc_ms is not None
    assert hall.files() == set()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["retention", "rule", "Maths", "--after-sitting", "soon"], "not a number of days"),
        (["retention", "rule", "Chess", "--for-ever"], "there is no exam 'Chess'"),
        (["retention", "results", "Maths", "next week"], "write it as 2026-05-04"),
        (["retention", "certificate", "7"], "there is no certificate 7"),
        (["hold", "place", "--sitting", "two", "--why", "x"], "there is no sitting 'two'"),
        (["hold", "release", "7", "--why", "x"], "there is no hold 7"),
    ],
)
def test_bad_input_gets_one_line(hall: Hall, environment: dict[str, str], words: list[str], said: str) -> None:
    assert said in run(*words, code=1)
    assert people.everyone(hall.store) == []


def test_rules_and_dates_are_not_left_open(hall: Hall, environment: dict[str, str]) -> None:
    """A rule of nothing is not `for ever` by accident."""
    assert "--for-ever alone" in run("retention", "rule", "Maths", code=2)
    assert "--for-ever alone" in run("retention", "rule", "Maths", "--after-sitting", "3", "--for-ever", code=2)
    assert "--unknown" in run("retention", "results", "Maths", code=2)
