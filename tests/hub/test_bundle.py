"""Evidence bundles: what goes in, what is only told of, and that `verify` says so with nothing but the file."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from hub import bundle_jobs, rotation
from hub.cli import main
from hub.core import audit as audit_core
from hub.core import countersign, manifest, merkle, purge_list, retention
from hub.core.audit import Deed
from hub.evidence import bundle as bundles
from hub.evidence import purging, timestamp, verify
from hub.evidence.bundle import CannotBuild
from hub.evidence.bundle_folder import folder_of
from hub.evidence.purging import Tools
from hub.evidence.seal import open_seal
from hub.evidence.verify import NOTE, UNPROVEN, WRONG, Line
from hub.jobs import JobRunner
from hub.store import audit, incidents, jobs, purge_plans
from hub.store import retention as rules
from hub.store.audit import Actor
from tests import tampering
from tests.bundles import SEGMENT_MS, SITTING, START, Centre, Desk, authority_of, filmed, moment, recorded
from tests.film import decoded
from tests.hub.authorities import NAMES
from tests.hub.hubs import settings_for
from tests.support import wait_for

ADA = Actor("Ada", "admin")


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = recorded(tmp_path / "centre")
    yield made
    made.close()


def lines_of(centre: Centre, bundle: Path) -> list[Line]:
    roots = verify.certificates_in(centre.root.read_bytes())
    return verify.verify(str(bundle), roots)


def test_a_seats_bundle_verifies_with_nothing_but_the_file(centre: Centre, tmp_path: Path) -> None:
    """The verify.py inside the bundle, run alone, proves every item when it is given the centre's root."""
    bundle = tmp_path / "seat.zip"
    made = centre.bundle_of_seat("A1", bundle)
    assert (made.segments, made.absent, made.size_bytes) == (7, 0, bundle.stat().st_size)
    assert bundle.stat().st_mode & 0o777 == 0o640
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        (tmp_path / "alone").mkdir()
        alone = Path(archive.extract("verify.py", tmp_path / "alone"))
    done = subprocess.run(
        [sys.executable, "-I", alone, bundle, "--ca", centre.root],
        capture_output=True,
        text=True,
        cwd=tmp_path / "alone",
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("the film that desk c.desk-01 signed") == 7
    assert "the picture whose hash the desk signed" in done.stdout
    assert "signed by the centre's hub, code" in done.stdout
    assert done.stdout.endswith("0 WRONG)\n")


def test_without_the_authority_the_signer_is_unproven(centre: Centre, tmp_path: Path) -> None:
    """Consistent, but anybody could have made it; another centre's authority refuses it."""
    bundle = tmp_path / "seat.zip"
    centre.bundle_of_seat("A1", bundle)
    assert verify.verdict(verify.verify(str(bundle))) == (4, "consistent, signer unproven")
    other = verify.certificates_in(authority_of(tmp_path / "other").read_bytes())
    found = verify.verify(str(bundle), other)
    assert verify.verdict(found)[0] == 1
    assert {line.item for line in found if line.status == WRONG} >= {"manifest.json", "c.desk-01"}


def told(lines: list[Line], *statuses: str) -> list[str]:
    return [f"{line.item}: {line.says}" for line in lines if line.status in statuses]


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose sitting has begun and that recorded two pieces of film; not countersigned yet."""
    centre = Centre(tmp_path / "centre", sitting_ms=40_000)
    desk = Desk(centre, "c.desk-01", "A1")
    desk.say(wire.ClockStep(step_ms=5, is_synced=True), -60_000)
    desk.film(0, b"one")
    desk.film(SEGMENT_MS, b"two")
    yield desk
    centre.close()


def bundled(desk: Desk, *, is_anchored: bool = True) -> list[Line]:
    if is_anchored:
        desk.beat()
        desk.centre.countersign()
    path = desk.centre.path / "bundle.zip"
    desk.centre.bundle_of_seat(desk.seat, path)
    return lines_of(desk.centre, path)


def read(desk: Desk, name: str) -> Any:
    with zipfile.ZipFile(desk.centre.path / "bundle.zip") as archive:
        return json.loads(archive.read(name))


# --- what is not there ----------------------------------------------------------------------------------------------


def test_film_that_is_not_at_the_hub_is_told_of(seat: Desk) -> None:
    """Still on the desk, or gone from the hub's storage: listed with the reason, and no damage."""
    seat.film(2 * SEGMENT_MS, b"three", is_sent=False)
    seat.film(3 * SEGMENT_MS, b"four")
    assert seat.centre.storage.delete(wire.sha256_hex(b"four"))
    lines = bundled(seat)
    assert verify.verdict(lines)[0] == 0, lines
    assert f"film {START + 20_000}.ts: not here: still on the desk" in told(lines, NOTE)
    assert f"film {START + 30_000}.ts: not here: lost at the hub: run `ems-hub check`" in told(lines, NOTE)


def test_film_that_changed_at_the_hub_is_never_given_out(seat: Desk) -> None:
    """A file that no longer has its hash counts as lost."""
    film = seat.centre.path / "storage" / "film"
    (path,) = film.glob(f"*/{wire.sha256_hex(b'two')}")
    path.chmod(0o600)
    path.write_bytes(b"2wo")
    assert any("lost at the hub" in line for line in told(bundled(seat), NOTE))


def test_what_was_purged_is_told_with_its_certificate(tmp_path: Path) -> None:
    """Film and picture that went by rule are named with the certificate that lists them, which is in the bundle."""
    centre = recorded(tmp_path / "centre")
    later, zone = START + 40 * 86_400_000, dt.UTC
    with centre.store.write() as connection:
        rules.set_rule(connection, ADA, "Maths", retention.AfterSitting(days=1), later)
    plan = purge_plans.make(centre.store, zone, ADA, later, lambda *_: None)
    assert plan is not None
    tools = Tools(centre.store, centre.storage, open_seal(centre.folder), zone, lambda: later, threading.Event().wait)
    purging.apply(tools, plan.plan_id, ADA, lambda *_: None)
    made = centre.bundle_of_seat("A1", tmp_path / "bundle.zip")
    assert (made.segments, made.absent) == (0, 8)
    lines = lines_of(centre, tmp_path / "bundle.zip")
    centre.close()
    assert verify.verdict(lines)[0] == 0, lines
    assert sum("purged under certificate 1" in line for line in told(lines, NOTE)) == 8
    assert "purges/1.json: certificate of purge 1, signed by the centre's hub" in told(lines, verify.OK)


def test_what_another_exam_saw_stays_closed(seat: Desk) -> None:
    """Records of another sitting go along for the chain, without their body."""
    other = wire.SittingState(sitting="physics-9", seat="A1", state="started", plan=2)
    seat.say(other, 20_000)
    seat.film(3 * SEGMENT_MS, b"four")
    lines = bundled(seat)
    assert verify.verdict(lines)[0] == 0, lines
    assert "c.desk-01: 5 records in its chain, 4 of them shown in full" in told(lines, verify.OK)
    assert b"physics-9" not in (seat.centre.path / "bundle.zip").read_bytes()


# --- chains ---------------------------------------------------------------------------------------------------------


def test_a_chain_that_began_anew_is_named_and_no_damage(seat: Desk) -> None:
    """The desk said so in its restart; without that word it is damage."""
    seat.prev = wire.GENESIS
    seat.restart(20_000, is_chain_new=True)
    seat.film(2 * SEGMENT_MS, b"three")
    lines = bundled(seat)
    assert verify.verdict(lines)[0] == 0, lines
    assert any("had lost its records and began a new chain" in line for line in told(lines, NOTE))
    seat.prev = wire.GENESIS
    seat.restart(30_000)
    seat.film(3 * SEGMENT_MS, b"four")
    assert "c.desk-01 record 3/1: it does not follow on record 2/2" in told(bundled(seat), WRONG)


def test_film_that_a_desk_tells_again_is_no_damage(seat: Desk) -> None:
    """A desk that lost its records tells of its files once more. The film that the hub was given first is shown; where
    the later record tells another content of it, that is said."""
    first = seat.film(2 * SEGMENT_MS, b"three")
    assert isinstance(first.body, wire.SegmentClosed)
    seat.prev = wire.GENESIS
    seat.restart(30_000, is_chain_new=True)
    seat.say(first.body, 31_000)
    lines = bundled(seat)
    assert verify.verdict(lines)[0] == 0, lines
    assert not any("told another content" in line for line in told(lines, NOTE))
    seat.say(msgspec.structs.replace(first.body, sha256="ab" * 32), 32_000)
    seat.film(3 * SEGMENT_MS, b"four")
    lines = bundled(seat)
    assert verify.verdict(lines)[0] == 0, lines
    assert [line for line in told(lines, NOTE) if "told another content" in line] == [
        "c.desk-01 record 2/3: the desk told another content of a film here again: what it told first is shown"
    ]


def test_what_the_card_could_not_take_may_be_skipped(seat: Desk) -> None:
    """A record that was not durable may be gone after a restart; the chain goes on from the one before."""
    kept = seat.prev
    seat.say(wire.ClockStep(step_ms=9, is_synced=True), 20_000, is_durable=False)
    seat.prev = kept
    seat.restart(20_000)
    seat.film(2 * SEGMENT_MS, b"three")
    lines = bundled(seat)
    assert verify.verdict(lines)[0] == 0, lines


def test_a_record_that_never_came_is_missing(seat: Desk) -> None:
    """The hub itself may have lost one: it is named."""
    seat.say(wire.ClockStep(step_ms=9, is_synced=True), 20_000, is_kept=False)
    seat.film(2 * SEGMENT_MS, b"three")
    assert "c.desk-01 record 1/5: missing: the records between 1/3 and it" in told(bundled(seat), WRONG)


def test_a_tail_that_is_not_countersigned_yet_is_told(seat: Desk) -> None:
    """P6's limit: what came after the last countersignature could have been cut off unseen."""
    lines = bundled(seat, is_anchored=False)
    assert any("not countersigned yet: what comes after its beginning" in line for line in told(lines, NOTE))
    bundled(seat)
    seat.film(2 * SEGMENT_MS, b"three")
    lines = bundled(seat, is_anchored=False)
    assert verify.verdict(lines)[0] == 0
    assert any("what comes after record 1/3" in line for line in told(lines, NOTE))


def test_a_tail_that_the_hub_has_cut_is_found(seat: Desk) -> None:
    """Whoever deletes records from the store after they were countersigned is found by its bundle."""
    seat.film(2 * SEGMENT_MS, b"three")
    seat.beat()
    seat.centre.countersign()
    with seat.centre.store.write() as connection:
        connection.execute("delete from records where seq >= 4")
        connection.execute("delete from segments where seq >= 4")
    lines = bundled(seat, is_anchored=False)
    assert any(
        line.startswith("c.desk-01: cut off: countersignature 1 stands for record 1/4") for line in told(lines, WRONG)
    )


def test_records_on_their_way_are_waited_for_and_not_called_cut_off(seat: Desk) -> None:
    """The head was countersigned as the desk told it, and its record is still in the spool of a desk that is there. Who
    was not heard for a while delivers nothing in a minute: then it is said that it is not here."""
    seat.film(2 * SEGMENT_MS, b"three")
    seat.say(wire.ClockStep(step_ms=5, is_synced=True), 30_000, is_kept=False)
    seat.beat()
    seat.centre.countersign()
    told_beat = wire.Heartbeat(boot=1, now=moment(0), is_clock_ok=True, state="recording", spool=1)
    with seat.centre.store.write() as connection:
        connection.execute("delete from presence")
        connection.execute(
            "insert into presence (unit, is_online, status_utc_ms, boot, heartbeat, heartbeat_utc_ms)"
            " values (?, 1, 1, 1, ?, ?)",
            (seat.unit, msgspec.json.encode(told_beat).decode(), seat.centre.now),
        )
    with pytest.raises(CannotBuild, match=r"1 records of c\.desk-01 are on their way"):
        bundled(seat, is_anchored=False)
    with seat.centre.store.write() as connection:
        connection.execute("update presence set heartbeat_utc_ms = heartbeat_utc_ms - 60000")
    assert any("cut off" in line for line in told(bundled(seat, is_anchored=False), WRONG))


def test_film_that_is_closed_while_the_bundle_is_made_is_no_damage(seat: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sitting that goes on: copying takes a while, and the records are read after the films."""
    add_chain = bundles.Builder._add_chain

    def later(self: Any, file: Any) -> None:
        seat.film(2 * SEGMENT_MS, b"three")
        add_chain(self, file)

    monkeypatch.setattr(bundles.Builder, "_add_chain", later)
    lines = bundled(seat)
    assert verify.verdict(lines)[0] == 0, lines
    assert any("it came while the bundle was made" in line for line in told(lines, NOTE))


def test_a_unit_without_a_certificate_is_unproven(tmp_path: Path) -> None:
    """A hub that trusted units at first sight alone names their keys."""
    centre = Centre(tmp_path / "centre", sitting_ms=40_000)
    desk = Desk(centre, "c.desk-01", "A1", has_certificate=False)
    desk.film(0, b"one")
    lines = bundled(desk)
    centre.close()
    assert verify.verdict(lines)[0] == 4
    assert told(lines, UNPROVEN) == [
        "c.desk-01: no certificate for the key that signs its records: the hub alone names it"
    ]


def test_a_seat_whose_desk_was_replaced_has_both_chains(seat: Desk) -> None:
    """Each desk unit's film is proved by its own key."""
    seat.beat()
    other = Desk(seat.centre, "c.desk-09", "A1")
    other.film(2 * SEGMENT_MS, b"three")
    other.film(3 * SEGMENT_MS, b"four")
    lines = bundled(other)
    assert verify.verdict(lines)[0] == 0, lines
    assert sum(line.startswith("film/c.desk-01/") for line in told(lines, verify.OK)) == 2
    assert sum(line.startswith("film/c.desk-09/") for line in told(lines, verify.OK)) == 2
    assert read(other, "manifest.json")["scope"]["units"][1]["unit"] == "c.desk-09"


def test_what_was_signed_before_an_authority_changed_still_verifies(seat: Desk) -> None:
    """A countersignature of the old seal goes with the certificates of then, and the same root proves both."""
    seat.beat()
    seat.centre.countersign()
    ca = seat.centre.folder
    rotation.rotate(ca, ca.root.folder, NAMES, list, seat.centre.now)
    lines = bundled(seat, is_anchored=False)
    assert verify.verdict(lines)[0] == 0, lines
    assert any(line.startswith("countersignature 1: signed by the centre's hub") for line in told(lines, verify.OK))
    rotation.new_root(ca, ca.root.folder, NAMES, list, seat.centre.now)
    assert verify.verdict(bundled(seat))[0] == 0


def test_pictures_that_two_desks_share_or_that_are_too_many_are_no_damage(
    seat: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cameras in the dark take the same picture; and a bundle says which pictures it leaves out."""
    seat.alert(1, 2_000, "raised")
    other = Desk(seat.centre, "c.desk-09", "A1")
    monkeypatch.setattr(other, "still", seat.still)
    other.alert(1, 22_000, "raised")
    other.film(3 * SEGMENT_MS, b"four")
    seat.beat()
    lines = bundled(other)
    assert verify.verdict(lines)[0] == 0, lines
    monkeypatch.setattr(bundles, "MOST_PICTURES", 0)
    lines = bundled(other)
    assert verify.verdict(lines)[0] == 0, lines
    assert any("left out: a bundle has 2000 pictures at most" in line for line in told(lines, NOTE))


def test_time_that_nobody_accounts_for_is_told(seat: Desk) -> None:
    """Neither film nor a gap: a line with the times; a gap with its cause covers it."""
    lines = bundled(seat)
    assert any("from 2027-01-15 09:00:20 UTC to 2027-01-15 09:00:40 UTC" in line for line in told(lines, NOTE))
    began, ended = moment(20_000), moment(40_000)
    seat.say(wire.Gap(sitting=SITTING, seat="A1", began=began, ended=ended, cause=wire.GapCause.CAMERA_LOST), 40_000)
    assert any(line.startswith("coverage: each moment") for line in told(bundled(seat), verify.OK))


# --- what it says of itself -----------------------------------------------------------------------------------------


def test_an_incidents_bundle_has_its_story(tmp_path: Path) -> None:
    """Who asked and why, the alert, the picture, what people did and the looks at it, versions and model."""
    centre = recorded(tmp_path / "centre")
    audit.note(centre.store, ADA, Deed.VIEWED_INCIDENT, "incident 1", START)
    audit.note(centre.store, ADA, Deed.VIEWED_INCIDENT, "incident 2", START)
    made = centre.bundle_of_incident(1, tmp_path / "bundle.zip")
    lines = lines_of(centre, tmp_path / "bundle.zip")
    people = len(incidents.one(centre.store, 1).thread)
    centre.close()
    assert verify.verdict(lines)[0] == 0, lines
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        told_of = json.loads(archive.read("manifest.json"))
        timeline = json.loads(archive.read("timeline.json"))
        looks = json.loads(archive.read("audit.json"))
    assert (told_of["asked_by"], told_of["why"], told_of["scope"]["incident"]) == ("Ada", "appeal 7", 1)
    assert told_of["versions"]["desk"] == ["1.2.0"]
    assert told_of["versions"]["model_sha256"] == ["ab" * 32]
    assert [event["told"]["state"] for event in timeline["events"] if event["kind"] == "alert"] == ["raised", "cleared"]
    assert len(timeline["people"]) == people > 0
    assert [look["object"] for look in looks] == ["incident 1"]
    assert made.segments == 4


def test_what_cannot_be_built_says_why(seat: Desk) -> None:
    """No such incident, no such sitting, nobody at that seat."""
    store = seat.centre.store
    with pytest.raises(CannotBuild, match="no incident 7"):
        bundles.scope_of_incident(store, 7, START)
    with pytest.raises(CannotBuild, match="no sitting 'x'"):
        bundles.scope_of_seat(store, "x", "A1", START)
    with pytest.raises(CannotBuild, match="no desk has recorded at seat 'B9'"):
        bundles.scope_of_seat(store, SITTING, "B9", START)


def test_people_get_film_that_plays_and_a_report(tmp_path: Path) -> None:
    """Real film is put into MP4, a new file behind a long hole; the report tells the story and its limits."""
    films = filmed(tmp_path / "film", 4)
    centre = recorded(tmp_path / "centre", segments=4, films=films)
    centre.bundle_of_seat("A1", tmp_path / "bundle.zip")
    lines = lines_of(centre, tmp_path / "bundle.zip")
    centre.close()
    assert verify.verdict(lines)[0] == 0, lines
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("watch/")]
        assert names == ["watch/001.mp4", "watch/002.mp4"]
        pictures = [len(decoded(io.BytesIO(archive.read(name)))) for name in names]
        report = archive.read("report.html").decode()
    assert pictures == [100, 50]
    assert "watch/001.mp4: as the manifest says" in told(lines, verify.OK)
    assert "appeal 7" in report
    assert "<script" not in report


def test_film_that_cannot_be_put_into_another_container_goes_as_it_is(seat: Desk) -> None:
    """What no player reads is still what the desk signed; that there is no MP4 is told."""
    lines = bundled(seat)
    assert verify.verdict(lines)[0] == 0
    assert any(line.startswith("watch/001.mp4: not made:") for line in told(lines, NOTE))


# --- as a job, and at the terminal ----------------------------------------------------------------------------------


@contextmanager
def working(centre: Centre) -> Iterator[None]:
    settings = settings_for(centre.path, ca_path=str(centre.folder.path), storage_reserve_bytes=0)
    runner = JobRunner(settings, centre.store, lambda: START, {bundle_jobs.BUNDLE: bundle_jobs.build})
    runner.start()
    try:
        yield
    finally:
        runner.stop()


def asked(centre: Centre, **wish: Any) -> int:
    with centre.store.write() as connection:
        return jobs.add(connection, bundle_jobs.BUNDLE, bundle_jobs.wish_of(**wish), "Ada", START)


def test_a_job_builds_and_a_killed_one_begins_anew(centre: Centre) -> None:
    """What a killed worker left half written is replaced; the result says where, how large and until when."""
    settings = settings_for(centre.path)
    number = asked(centre, sitting=SITTING, seat="A1", why="appeal 7")
    assert jobs.take(centre.store, START) is not None  # a worker that was killed while it built
    folder_of(settings).mkdir(parents=True)
    (folder_of(settings) / f".{number}.zip.part").write_bytes(b"half")
    (folder_of(settings) / ".making-1").mkdir()
    with working(centre):
        wait_for(lambda: jobs.one(centre.store, number).state == "done")
    result = jobs.one(centre.store, number).result or {}
    path = bundle_jobs.path_of(settings, number)
    assert (result["file"], result["kept_until_utc_ms"]) == (path.name, START + bundle_jobs.KEPT_MS)
    assert result["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert verify.verdict(lines_of(centre, path))[0] == 0


def test_a_cancelled_or_impossible_job_leaves_nothing(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled on the way, an incident that is not there, a full disk: a state with words, and no file."""
    settings = settings_for(centre.path)
    number, wrong, full = asked(centre, incident=1), asked(centre, incident=99), asked(centre, incident=1)
    reading, may_go_on = threading.Event(), threading.Event()
    real = bundles.Builder._data_of

    def slow(builder: bundles.Builder, film: Any) -> bytes | None:
        reading.set()
        assert may_go_on.wait(30)
        return real(builder, film)

    def no_room(builder: bundles.Builder, film: Any) -> bytes | None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundles.Builder, "_data_of", slow)
    monkeypatch.setattr(bundle_jobs, "TELL_EVERY_MS", 0)
    with working(centre):
        assert reading.wait(30)
        with centre.store.write() as connection:
            assert jobs.cancel(connection, number)
        monkeypatch.setattr(bundles.Builder, "_data_of", no_room)
        may_go_on.set()
        wait_for(lambda: jobs.one(centre.store, full).state == "failed")
    assert jobs.one(centre.store, number).state == "cancelled"
    assert jobs.one(centre.store, wrong).note == "there is no incident 99"
    assert "no room for the bundle" in jobs.one(centre.store, full).note
    assert list(folder_of(settings).iterdir()) == []


def test_a_bundle_leaves_the_reserve_alone(centre: Centre) -> None:
    """Where there is no room above it nothing is begun, and the note says what to do."""
    settings = settings_for(centre.path, ca_path=str(centre.folder.path), storage_reserve_bytes=2**60)
    runner = JobRunner(settings, centre.store, lambda: START, {bundle_jobs.BUNDLE: bundle_jobs.build})
    number = asked(centre, incident=1)
    runner.start()
    wait_for(lambda: jobs.one(centre.store, number).state == "failed")
    runner.stop()
    assert "0 MB are free above the reserve" in jobs.one(centre.store, number).note


def test_bundles_go_after_a_week_or_on_demand(centre: Centre) -> None:
    """They are copies: neither holds nor rules of retention count for them."""
    settings = settings_for(centre.path)
    folder = folder_of(settings)
    assert bundle_jobs.sweep(settings, START) == []
    folder.mkdir(parents=True)
    for number in (1, 2):
        bundle_jobs.path_of(settings, number).write_bytes(b"zip")
    written_ms = int(bundle_jobs.path_of(settings, 1).stat().st_mtime * 1000)
    assert bundle_jobs.sweep(settings, written_ms + bundle_jobs.KEPT_MS - 1) == []
    assert (bundle_jobs.remove(settings, 1), bundle_jobs.remove(settings, 1)) == (True, False)
    assert bundle_jobs.sweep(settings, written_ms + bundle_jobs.KEPT_MS + 60_000) == [2]


def test_the_terminal_builds_and_verifies(centre: Centre, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command each; who asked is in the audit log; the exit code is the verdict."""
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{centre.path}/hub.db")
    monkeypatch.setenv("STORAGE_PATH", str(centre.path / "storage"))
    monkeypatch.setenv("EMS_CA_PATH", str(centre.folder.path))
    out = tmp_path / "out.zip"

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, words)
        return done.exit_code, done.output

    made = run("bundle", "incident", "1", "--why", "appeal 7", "--out", str(out))
    assert (made[0], out.exists()) == (0, True), made
    assert run("bundle", "seat", SITTING, "A2", "--why", "appeal 8", "--out", str(out))[0] == 0
    assert [entry.object for entry in audit.page(centre.store, deed=Deed.ASKED_FOR_BUNDLE)] == [
        f"sitting {SITTING}",
        "incident 1",
    ]
    code, text = run("verify", str(out), "--ca", str(centre.root))
    assert (code, "verified" in text) == (0, True)
    assert run("verify", str(out))[0] == 4
    code, text = run("verify", str(out), "--ca", str(centre.root), "--json")
    assert json.loads(text)["verdict"] == "verified"
    assert run("verify", str(out), "--ca", str(out))[0] == 2
    out.write_bytes(out.read_bytes()[:-1])
    assert run("verify", str(out), "--ca", str(centre.root))[0] == 1
    assert run("bundle", "incident", "99", "--why", "x", "--out", str(out)) == (1, "Error: there is no incident 99\n")


# --- time stamps ----------------------------------------------------------------------------------------------------

TSA = """
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_cert = {folder}/tsa.crt
signer_key = {folder}/tsa.key
certs = {folder}/tsa.crt
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
"""


@pytest.fixture
def tsa(tmp_path: Path) -> Path:
    """The folder of a time-stamping authority made with openssl alone."""
    folder = tmp_path / "tsa"
    folder.mkdir()
    asked = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=TSA -keyout {folder}/tsa.key -out {folder}/tsa.crt"
    purpose = ["-addext", "extendedKeyUsage=critical,timeStamping"]
    subprocess.run(["openssl", *asked.split(), *purpose], check=True, capture_output=True)
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(TSA.format(folder=folder))
    return folder


def test_a_time_stamp_is_made_and_verified_by_openssl(centre: Centre, tsa: Path) -> None:
    """With an authority the manifest is stamped; another authority, a changed or a dropped stamp is found."""
    settings = settings_for(
        centre.path, ca_path=str(centre.folder.path), storage_reserve_bytes=0, tsa_config=str(tsa / "tsa.cnf")
    )
    number = asked(centre, incident=1)
    runner = JobRunner(settings, centre.store, lambda: START, {bundle_jobs.BUNDLE: bundle_jobs.build})
    runner.start()
    wait_for(lambda: jobs.one(centre.store, number).ended_utc_ms is not None)
    runner.stop()
    assert jobs.one(centre.store, number).note == ""
    bundle = bundle_jobs.path_of(settings, number)
    roots = verify.certificates_in(centre.root.read_bytes())
    assert any(line.startswith("manifest.tsr: a time stamp") for line in told(verify.verify(str(bundle), roots), NOTE))
    lines = verify.verify(str(bundle), roots, str(tsa / "tsa.crt"))
    assert verify.verdict(lines)[0] == 0, lines
    assert any(line.startswith("manifest.tsr: the manifest existed at") for line in told(lines, verify.OK))
    foreign = verify.verify(str(bundle), roots, str(centre.root))
    assert [line.item for line in foreign if line.status == WRONG] == ["manifest.tsr"]
    members = tampering.members_of(bundle)
    dropped = [each for each in members if each[0] != "manifest.tsr"]
    token = tampering.of(members, "manifest.tsr")
    for changed in (dropped, tampering.put(members, "manifest.tsr", token[:-1] + b"!")):
        bundle.write_bytes(tampering.packed(changed))
        assert verify.verdict(verify.verify(str(bundle), roots))[0] == 1


def test_an_authority_that_cannot_stamp_says_why(tmp_path: Path) -> None:
    """A configuration that is not there is one line that names the setting."""
    with pytest.raises(timestamp.CannotStamp, match="mend EMS_TSA_CONFIG"):
        timestamp.token(tmp_path / "none.cnf", b"data")


# --- one language, spoken twice -------------------------------------------------------------------------------------


def test_verify_speaks_the_hubs_language() -> None:
    """The file that travels alone says for itself what the hub says elsewhere: both must be the same."""
    assert (verify.FORMAT, verify.BUNDLE_DOMAIN) == (manifest.FORMAT, manifest.DOMAIN)
    assert (verify.MINUTE_DOMAIN, verify.PURGE_DOMAIN) == (countersign.DOMAIN, purge_list.DOMAIN)
    assert (verify.RECORD_DOMAIN, verify.AUDIT_DOMAIN) == (wire._RECORD_DOMAIN, audit_core._DOMAIN)
    assert verify.code("07" * 32) == countersign.code("07" * 32)
    assert verify.GENESIS == wire.GENESIS


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=20), st.data())
def test_verify_reads_the_hubs_proofs(leaves: list[bytes], data: st.DataObject) -> None:
    """Its own reading of a proof is the hub's."""
    index = data.draw(st.integers(0, len(leaves) - 1))
    assert verify.root_by(leaves[index], index, len(leaves), merkle.proof(leaves, index)) == merkle.root(leaves)


@given(st.text(), st.text(), st.integers(0, 2**53))
def test_verify_hashes_audit_entries_as_the_hub(who: str, what: str, at: int) -> None:
    """Python's own JSON spells an entry as the hub's encoder does, whatever people typed."""
    try:
        who.encode(), what.encode()
    except UnicodeEncodeError:
        return  # no store takes it
    entry = audit_core.sealed(
        audit_core.Entry(1, at, who, "admin", "played", what, audit_core.detail_text({"x": what}), "::1", "", ""),
        audit_core.GENESIS,
    )
    words = list(entry)[:-1]
    text = json.dumps(words, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(verify.AUDIT_DOMAIN + text.encode()).hexdigest() == entry.hash
