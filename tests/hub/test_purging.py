"""Purging: a dry run that people see, then exactly that or nothing; holds first; whole after every kill; certified."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hub.core.audit import Deed
from hub.enrolment import CaFolder
from hub.evidence import purge_certificate, purging
from hub.evidence.purging import CannotPurge, Result
from hub.evidence.storage import LocalStorage, StorageFull, StorageProblem
from hub.jobs import Cancelled
from hub.store import Store, audit, purge_plans
from hub.store import purging as purges
from hub.store.holds import Place
from hub.store.purge_plans import WorldChanged
from hub.store.uploads import BeingRemoved, store_segment
from tests.hub.authorities import made_folder
from tests.hub.keeping import ADA, DAY_MS, LATER, RULE, START, Hall


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CaFolder:
    return made_folder(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def hall(store: Store, tmp_path: Path, ca: CaFolder) -> Hall:
    """Three seats with 30 segments each in one sitting of an exam whose rule has fallen due."""
    hall = Hall(store, tmp_path, ca)
    hall.room("Hall", ["a1", "a2", "a3"])
    hall.sitting("one")
    for seat in ("a1", "a2", "a3"):
        hall.film("one", seat, 30)
    hall.rule()
    return hall


def apply(hall: Hall, plan_id: int | None = None, **tools: object) -> Result:
    return purging.apply(hall.tools(**tools), plan_id if plan_id is not None else hall.planned().plan_id, ADA)


def certificate(hall: Hall, number: int) -> dict[str, object]:
    text = b"".join(purge_certificate.exported(hall.store, purges.one(hall.store, number)))
    assert hall.ca is not None
    assert purge_certificate.faults(text, [hall.ca.authorities.read_bytes()]) == []
    found: dict[str, object] = json.loads(text)
    return found


def test_a_plan_removes_nothing_and_says_what_it_would(hall: Hall) -> None:
    """How many, how large, why; what stays and why; the same list again is the same plan."""
    before = hall.there()
    hall.sitting("two", "Physics")
    hall.film("two", "a1", 2)
    hall.hold(Place(incident_id=hall.incident("one", "a1", 105, 118)))
    hall.incident("one", "a2", 50, 60, verdict="refer")
    plan = hall.planned()
    assert (plan.item_count, hall.planned().plan_id) == (23 + 30, plan.plan_id)
    assert [(part.seat, part.item_count, part.why) for part in purge_plans.parts(hall.store, plan.plan_id)] == [
        ("a1", 23, "30 days after the sitting, which was on 2027-01-15"),
        ("a3", 30, "30 days after the sitting, which was on 2027-01-15"),
    ]
    assert [(kept.sitting, kept.seat, kept.items, kept.why) for kept in plan.kept] == [
        ("one", "a1", 7, "held: hold 1"),
        ("one", "a2", 30, "an incident at this seat was referred or confirmed: its whole sitting is kept"),
        ("two", "a1", 2, "no rule: kept for ever"),
    ]
    assert before <= hall.there()


def test_the_certificate_is_the_difference_of_the_files(hall: Hall) -> None:
    """What it lists is what went from storage and store, no more and no less, signed and anchored in the centre's
    authority; a flipped letter anywhere is found."""
    hall.hold(Place(sitting="one", seat="a2"))
    rows = dict(hall.rows("select name, sha256 from segments"))
    before, files = hall.there(), hall.files()
    result = apply(hall)
    found = certificate(hall, result.number)
    items = found["items"]
    assert isinstance(items, list)
    assert {item["name"] for item in items} == before - hall.there()
    assert {item["sha256"] for item in items} == files - hall.files() == {rows[item["name"]] for item in items}
    assert (len(items), result.items, result.kept) == (60, 60, 0)
    assert len(hall.rows("select 1 from blobs")) == 30
    assert hall.rows("select 1 from garbage") == []
    marked = hall.rows(
        "select name from segments where purge_number = :n and purged_utc_ms is not null", n=result.number
    )
    assert {name for (name,) in marked} == {item["name"] for item in items}
    text = b"".join(purge_certificate.exported(hall.store, purges.one(hall.store, result.number)))
    for old, new in (
        (b'"a1"', b'"a9"'),
        (b'"is_complete":true', b'"is_complete":null'),
        (b'"items":60', b'"items":61'),
    ):
        assert purge_certificate.faults(text.replace(old, new, 1))
    assert purge_certificate.faults(text.replace(b'"size_bytes"', b'"size"', 1))
    assert purge_certificate.faults(b"[]")
    stranger = made_folder(hall.folder / "other")
    assert purge_certificate.faults(text, [stranger.authorities.read_bytes()]) == [
        "who signed it does not belong to this centre"
    ]


def test_nothing_due_is_no_plan(hall: Hall) -> None:
    """Before the last day is over, without a rule, and until the results are known."""
    hall.now = START + 30 * DAY_MS
    assert hall.plan() is None
    hall.now = LATER
    hall.rule(rule=None)
    assert hall.plan() is None


def test_a_picture_of_two_sittings_goes_with_the_last_and_never_from_under_a_hold(hall: Hall) -> None:
    """A camera that stands still shows the same in two sittings: one picture. The sitting that is due first does not
    take it from the other's, neither when that is held nor when it is not due; a hold that comes after the plan too."""
    hall.sitting("two", "Physics", start=START + DAY_MS, end=START + DAY_MS + 3_600_000)
    hall.rule("Physics", None)
    hall.incident("one", "a1", 50, 60, picture=b"frozen")
    later = hall.incident("two", "a1", 86_500, 86_510)
    hall.execute(
        "update alerts set still_sha256 = (select sha256 from stills) where incident_id = :number", number=later
    )
    apply(hall)
    assert len(hall.rows("select 1 from stills")) == 1
    hall.rule("Physics")
    number = hall.hold(Place(incident_id=later))
    assert hall.plan() is None
    hall.release(number)
    plan = hall.planned()
    assert (plan.item_count, [part.sitting for part in purge_plans.parts(hall.store, plan.plan_id)]) == (1, ["two"])
    hall.hold(Place(incident_id=hall.rows("select min(incident_id) from incidents")[0][0]))
    with pytest.raises(WorldChanged):
        apply(hall, plan.plan_id)
    assert len(hall.rows("select 1 from stills")) == 1


def test_pictures_go_with_the_film_and_a_held_one_stays(hall: Hall) -> None:
    """They are listed, and pages can tell that they went; the records that name them stay."""
    free, held = (
        hall.incident("one", "a1", 50, 60, picture=b"free"),
        hall.incident("one", "a3", 50, 60, picture=b"held"),
    )
    hall.hold(Place(incident_id=held))
    result = apply(hall)
    assert hall.rows("select jpeg from stills") == [(b"held",)]
    items = certificate(hall, result.number)["items"]
    assert isinstance(items, list)
    assert [item["unit"] for item in items if item["kind"] == "still"] == ["c.a1"]
    assert list(purges.purged_stills(hall.store, free).values()) == [result.number]
    assert purges.purged_stills(hall.store, held) == {}
    assert len(hall.rows("select 1 from alerts")) == 2


def test_two_equal_segments_share_a_file_and_a_held_one_keeps_it(hall: Hall) -> None:
    """The file goes with the last one that needs it."""
    hall.sitting("two", "Physics")
    free = hall.segment("one", "a1", 500, data=b"equal")
    hall.segment("two", "a1", 0, data=b"equal")
    apply(hall)
    [(purged, sha256)] = hall.rows("select purged_utc_ms, sha256 from segments where name = :name", name=free)
    assert purged is not None
    assert sha256 in hall.files()
    assert hall.rows("select count(*) from blobs") == [(1,)]
    hall.rule("Physics")
    apply(hall)
    assert hall.files() == set()


CHANGES: dict[str, tuple[Callable[[Hall], object], str]] = {
    "a hold": (lambda hall: hall.hold(Place(sitting="one", seat="a2")), "one, seat a2: 30 of 30 files are held now"),
    "a verdict": (lambda hall: hall.incident("one", "a1", 5, 6, verdict="refer"), "one, seat a1: an incident"),
    "a rule": (lambda hall: hall.rule(rule=None), "the rule of Maths was changed"),
    "a date": (lambda hall: hall.results("2027-06-01"), "the date of the results of Maths was changed"),
    "a file": (
        lambda hall: hall.execute("update segments set stored_utc_ms = null where seat = 'a3' and began_up_ms < 20000"),
        "one, seat a3: 2 of 30 files are gone or were replaced",
    ),
    "the content": (
        lambda hall: hall.execute("update segments set sha256 = :s where name = 'one-000001.ts'", s="ab" * 32),
        "one, seat a1: 1 of 30 files are gone or were replaced",
    ),
    "the sitting": (
        lambda hall: hall.execute("update sittings set end_utc_ms = end_utc_ms + :ms", ms=DAY_MS),
        "one, seat a1: it falls due at another time now, 30 days after the sitting",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_plan_is_refused_when_the_world_changed(hall: Hall, change: str) -> None:
    """It says what changed, nothing goes, and a new plan can be made."""
    plan, before = hall.planned(), hall.files()
    do, words = CHANGES[change]
    do(hall)
    with pytest.raises(WorldChanged, match="make a new plan") as refused:
        apply(hall, plan.plan_id)
    assert words in str(refused.value)
    assert hall.files() == before
    assert hall.rows("select 1 from purges") == []


def test_what_comes_after_the_plan_waits_for_the_next(hall: Hall) -> None:
    """Film that arrives, and a hold that is released, change nothing that was planned and are not taken along."""
    held = hall.hold(Place(sitting="one", seat="a2"))
    plan = hall.planned()
    late = hall.segment("one", "a1", 900)
    hall.release(held)
    assert apply(hall, plan.plan_id).items == 60
    assert late in hall.there()
    assert hall.planned().item_count == 31


def test_a_plan_is_applied_once(hall: Hall) -> None:
    plan = hall.planned()
    apply(hall, plan.plan_id)
    with pytest.raises(CannotPurge, match="applied already: certificate 1"):
        apply(hall, plan.plan_id)


@pytest.mark.parametrize("kind", ["hold", "rule", "verdict"])
def test_what_changes_while_a_purge_runs_saves_what_is_not_gone_yet(hall: Hall, kind: str) -> None:
    """A hold beats a purge that has begun; so do a rule and a verdict. The certificate lists what really went."""
    plan, before = hall.planned(), hall.there()
    done = []

    def rest(_seconds: float) -> None:
        done.append(1)
        if len(done) == 1:  # after the turn of the first seat
            if kind == "hold":
                hall.hold(Place(sitting="one"))
            elif kind == "rule":
                hall.rule(rule=None)
            else:
                for seat in ("a2", "a3"):
                    hall.incident("one", seat, 5, 6, verdict="confirmed_by_centre")

    result = apply(hall, plan.plan_id, rest=rest)
    assert (result.items, result.kept) == (30, 60)
    items = certificate(hall, result.number)["items"]
    assert isinstance(items, list)
    assert {item["name"] for item in items} == before - hall.there()


class Killed(BaseException):
    """The process is gone."""


STEPS = ("begin", "remove", "forget_garbage", "end")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_after", [False, True])
def test_a_purge_that_is_killed_is_completed_by_the_next(
    hall: Hall, monkeypatch: pytest.MonkeyPatch, step: str, is_after: bool
) -> None:
    """Before or after any of its transactions: nothing is held by nobody, nothing is removed twice, and the one
    certificate is the whole difference."""
    plan, before = hall.planned(), hall.there()
    real, calls = getattr(purges, step), []

    def dying(*arguments: object) -> object:
        calls.append(1)
        is_turn = len(calls) == (2 if step == "remove" else 1)
        if is_turn and not is_after:
            raise Killed
        answer = real(*arguments)
        return answer

    def rest(_seconds: float) -> None:
        if is_after and len(calls) == (2 if step == "remove" else 1):
            calls.append(1)
            raise Killed

    monkeypatch.setattr(purges, step, dying)
    if step in ("begin", "end") and is_after:  # nothing rests there: the death is the next call into the store
        following = {"begin": (purge_plans, "parts"), "end": (purging, "Result")}[step]
        old = getattr(*following)

        def dead(*arguments: object) -> object:
            if calls:
                raise Killed
            return old(*arguments)

        monkeypatch.setattr(*following, dead)
    with pytest.raises(Killed):
        apply(hall, plan.plan_id, rest=rest)
    monkeypatch.undo()
    if step == "end" and is_after:
        with pytest.raises(CannotPurge, match="applied already"):
            apply(hall, plan.plan_id)
    else:
        apply(hall, plan.plan_id)
    items = certificate(hall, 1)["items"]
    assert isinstance(items, list)
    assert sorted(item["name"] for item in items) == sorted(before - hall.there()) == sorted(before)
    assert hall.files() == set()
    assert hall.rows("select 1 from garbage") == []


def test_files_that_were_deleted_before_the_kill_are_no_surprise(hall: Hall) -> None:
    """Killed between the storage and the store: the rows of garbage are worked off, the files are gone already."""
    plan = hall.planned()

    class Dying(LocalStorage):
        def delete_many(self, names: object) -> None:
            super().delete_many(names)  # type: ignore[arg-type]
            raise Killed

    with pytest.raises(Killed):
        apply(hall, plan.plan_id, storage=Dying(hall.folder / "storage" / "film"))
    assert hall.files() == set()
    assert len(hall.rows("select 1 from garbage")) == 90
    assert apply(hall, plan.plan_id).items == 90
    assert hall.rows("select 1 from garbage") == []


def test_a_storage_that_fails_leaves_a_purge_that_goes_on_later(hall: Hall) -> None:
    """No certificate says that files went which are still there."""
    plan = hall.planned()

    class Broken(LocalStorage):
        def delete_many(self, names: object) -> None:
            raise StorageProblem("no answer")

    with pytest.raises(StorageProblem, match="no answer"):
        apply(hall, plan.plan_id, storage=Broken(hall.folder / "storage" / "film"))
    with pytest.raises(purge_certificate.NotEnded, match="under way"):
        list(purge_certificate.exported(hall.store, purges.one(hall.store, 1)))
    assert apply(hall, plan.plan_id).number == 1
    assert hall.files() == set()


def test_an_upload_of_equal_content_keeps_its_file(hall: Hall) -> None:
    """Purge has marked the last segment and is about to delete; the same content comes from another desk at each
    moment of that: it is refused for a minute or its file is there, never stored without a file."""
    first = hall.segment("one", "a1", 700, data=b"equal")
    hall.sitting("two", "Physics")
    second = hall.segment("two", "a2", 0, data=b"equal", is_stored=False)
    [(sha256,)] = hall.rows("select sha256 from segments where name = :name", name=first)
    answers: list[str] = []

    def upload() -> None:
        source = hall.folder / "upload"
        source.write_bytes(b"equal")
        try:
            store_segment(hall.store, hall.storage, "c.a2", second, sha256, source, LATER)
            answers.append("stored")
        except BeingRemoved:
            answers.append("later")

    class Watched(LocalStorage):
        def delete_many(self, names: object) -> None:
            upload()
            super().delete_many(names)  # type: ignore[arg-type]
            upload()

    apply(hall, storage=Watched(hall.folder / "storage" / "film"))
    assert answers == ["later", "later"]
    upload()
    assert answers[-1] == "stored"
    assert hall.files() == {sha256}


def test_a_cancelled_purge_certifies_what_went(hall: Hall) -> None:
    """What is marked is deleted to the end; the rest stays, and the plan is over."""
    plan, before = hall.planned(), hall.there()

    def tell(done: int, _total: int, note: str) -> None:
        if done and note.startswith("Maths"):
            raise Cancelled

    with pytest.raises(Cancelled):
        purging.apply(hall.tools(now_utc_ms=_ticking(hall)), plan.plan_id, ADA, tell)
    found = certificate(hall, 1)
    items, statement = found["items"], found["statement"]
    assert isinstance(items, list)
    assert isinstance(statement, dict)
    assert {item["name"] for item in items} == before - hall.there()
    assert (statement["is_complete"], 0 < len(items) < 90) == (False, True)
    with pytest.raises(CannotPurge, match="applied already"):
        apply(hall, plan.plan_id)


def _ticking(hall: Hall) -> Callable[[], int]:
    """A clock that goes on by a second whenever it is asked."""

    def now() -> int:
        hall.now += 1_000
        return hall.now

    return now


def test_a_full_disk_alone_deletes_nothing(hall: Hall) -> None:
    """The storage refuses more and keeps all that it has; only a rule that fell due lets anything go."""
    before = hall.files()
    full = LocalStorage(hall.folder / "storage" / "film", reserve_bytes=2**62)
    source = hall.folder / "more"
    source.write_bytes(b"more")
    with pytest.raises(StorageFull):
        full.put("ab" * 32, source)
    hall.rule(rule=None)
    assert hall.plan() is None
    assert purging.sweep(hall.store, full) == 0
    assert hall.files() == before
    hall.rule(rule=RULE)
    hall.hold(Place(sitting="one"))
    assert hall.plan() is None
    assert hall.files() == before


def test_garbage_that_a_stored_segment_needs_is_never_swept(hall: Hall) -> None:
    """Even if somebody writes a row for it by hand."""
    before = hall.files()
    hall.execute("insert into garbage (sha256, since_utc_ms) select sha256, 1 from blobs")
    assert purging.sweep(hall.store, hall.storage) == 0
    assert hall.files() == before
    assert hall.rows("select 1 from garbage") == []


def test_a_certificate_is_never_changed(hall: Hall) -> None:
    """Neither it nor what it lists, not even by who has the database open; and the audit log has its hash."""
    result = apply(hall)
    for sql in (
        "update purges set statement = '{}'",
        "delete from purges",
        "update purge_items set item_count = 0",
        "delete from purge_items",
    ):
        with pytest.raises(Exception, match="never"):
            hall.execute(sql)
    deeds = [entry for entry in audit.entries(hall.store) if entry.deed in (Deed.PLANNED_PURGE, Deed.PURGED)]
    assert [entry.object for entry in deeds] == ["purge plan 1", "purge 1", "purge 1"]
    assert "certificate_sha256" in deeds[-1].detail
    assert result.number == 1


def test_two_who_delete_do_not_take_what_was_stored_in_between(hall: Hall) -> None:
    """The worker has its list and is about to delete; `check --repair` does the same and is done; the desk sends equal
    film, which is confirmed. Then the worker's list must not take it."""
    content = b"sent twice"
    name = hall.segment("one", "a1", 500, data=content, is_stored=False)
    sha256 = hall.rows("select sha256 from segments where name = :name", name=name)[0][0]
    hall.storage.put(sha256, _laid(hall, content))
    hall.execute("insert into garbage values (:sha256, 1)", sha256=sha256)
    others: list[threading.Thread] = []

    class Slow(LocalStorage):
        def delete_many(self, names: Sequence[str]) -> None:
            other = threading.Thread(target=sweep_and_store)
            other.start()
            other.join(1)  # one who waits for his turn is not done yet
            others.append(other)
            super().delete_many(names)

    def sweep_and_store() -> None:
        purging.sweep(hall.store, hall.storage)
        store_segment(hall.store, hall.storage, "c.a1", name, sha256, _laid(hall, content), hall.now)

    purging.sweep(hall.store, Slow(hall.folder / "storage" / "film"))
    others[0].join(30)
    assert hall.rows("select stored_utc_ms is not null from segments where name = :name", name=name) == [(1,)]
    assert hall.storage.read(sha256) == content


def _laid(hall: Hall, content: bytes) -> Path:
    path = hall.folder / "sent"
    path.write_bytes(content)
    return path
