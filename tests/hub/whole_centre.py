"""A centre with something on every page: every state of a seat, an exam day, evidence, people, and long names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hub.core import purge_list
from hub.core.breaks import Kind
from hub.core.closing import ITEMS, digest
from hub.live import LiveFolder
from hub.room_watch import RoomWatch
from hub.store import bookmarks, breaks, closing, purge_plans, sitting_report, walls
from hub.store.audit import Actor
from hub.store.holds import Place
from tests.hub import preflights
from tests.hub.keeping import ZONE, Hall
from tests.hub.seed import SEED, Centre, fill, fill_film, now_ms
from tests.hub.website import film_storage

ADA = Actor("Ada", "proctor")
TOKEN = "w" * 43
LONG_NAME = "Advanced Structural Mechanics and the Theory of Plates & Shells, resit for candidates of 2021/22"
LONG_WORD = "x" * 120


class Filled(NamedTuple):
    """What the addresses of pages name."""

    incident: int
    room_incident: int
    hold: int
    plan: int
    candidate: int
    closing: int


def fill_centre(centre: Centre, folder: Path) -> Filled:
    units = fill(centre, 24)
    fill_film(centre, film_storage(folder), [unit for unit in centre.units][:8])
    last = now_ms() + 3_600_000
    centre.execute("update presence set heartbeat_utc_ms = :at where heartbeat_utc_ms > :now", at=last, now=now_ms())
    assert units
    candidate = _exams(centre)
    room_incident = _work(centre)
    _desks(centre)
    hold, plan = _keeping(centre, folder)
    return Filled(1, room_incident, hold, plan, candidate, _closed(centre))


def _exams(centre: Centre) -> int:
    """Rosters, breaks, bookmarks, an incident by hand; answers a candidate."""
    centre.execute("insert or ignore into exams (exam) select distinct exam from sittings")
    preflights.hall(centre, 7, name="East hall", broken=6)
    centre.execute("insert into exams (exam, paper, day) values ('Mathematics, paper 1', '', '2037-06-01')")
    centre.execute("update exams set paper = :paper", paper=LONG_NAME)
    first = 0
    for number, (name, seat) in enumerate((("Zoe Quiet", "A1"), (LONG_WORD[:80], "A2"), ("ليلى", "A3")), start=1):
        values = {"sitting": "sitting-1", "number": f"10{number}", "name": name, "seat": seat}
        made = centre.insert("candidates", **values)
        centre.insert("stays", candidate_id=made, sitting="sitting-1", seat=seat)
        first = first or made
    now = now_ms()
    breaks.begin(centre.store, 1, Kind.TOILET, now, ADA)
    over = breaks.begin(centre.store, 3, Kind.REST, now, ADA)
    centre.execute(
        "update breaks set began_utc_ms = began_utc_ms - 3600000, limit_utc_ms = :now - 60000 where break_id = :it",
        now=now,
        it=over.break_id,
    )
    bookmarks.mark_seat(centre.store, 1, now, "Asked for paper", now, ADA)
    bookmarks.open_incident(centre.store, 5, now, "Spoke to the neighbour", now, ADA)
    return first


def _work(centre: Centre) -> int:
    """An incident of a whole room, and one that is closed; answers the first."""
    for number in range(6, 12):
        centre.alert(f"centre.desk-{number:02d}", "seat_empty", age_ms=1_000, still=number)
    centre.facts()
    RoomWatch(centre.store, LiveFolder(centre.folder.path)).turn(now_ms())
    with centre.store.read() as connection:
        made = int(connection.execute("select max(incident_id) from incidents").fetchone()[0])
    done = centre.alert("centre.desk-13", "more_than_one_face", still=4)
    centre.clear(done)
    centre.execute(
        "update incidents set state = 'closed', verdict = 'no_concern', closed_utc_ms = :now where incident_id = :it",
        now=now_ms(),
        it=done,
    )
    centre.alert("centre.desk-14", "seat_empty", is_drill=True)
    return made


def _desks(centre: Centre) -> None:
    centre.request("XKCD-4711")
    centre.request("ABCD-0815", replaces="centre.desk-03")
    for unit, age_days in (("centre.desk-01", 10), ("centre.desk-02", 85), ("centre.desk-03", 100)):
        centre.certificate(unit, age_days=age_days)
    centre.security_event("centre.desk-04", detail="10.4.0.99 and 10.4.0.31", count=3)
    centre.insert("units", unit="centre.spare", public_key="e" * 64, first_seen_utc_ms=1)
    centre.worker()
    centre.bundle({"incident_id": 1, "incident": 1}, "done", content=b"zip")
    centre.bundle({"incident_id": 1, "incident": 1, "purpose": LONG_WORD}, "failed", note="no space is left")
    centre.bundle({"incident_id": 1, "incident": 1}, "running", done=3, total=12)
    walls.add(centre.store, "left", TOKEN, "", True, SEED, now_ms())
    walls.add(centre.store, "right", "v" * 43, "Main hall", False, SEED, now_ms())
    walls.revoke(centre.store, 2, SEED, now_ms())


def _keeping(centre: Centre, folder: Path) -> tuple[int, int]:
    """An exam long over with film that fell due, holds, a removal that is planned; answers a hold and the plan."""
    hall = Hall(centre.store, folder)
    hall.now = now_ms()
    hall.sitting("old-1", "Maths", start=1_700_000_000_000, end=1_700_010_000_000)
    hall.film("old-1", "A1", 4, unit="centre.desk-01")
    hall.rule()
    plan = purge_plans.make(centre.store, ZONE, ADA, hall.now)
    assert plan is not None
    hold = hall.hold(Place(sitting="sitting-1"), LONG_WORD)
    hall.release(hall.hold(Place(incident_id=1), "an appeal"))
    return hold, plan.plan_id


def _closed(centre: Centre) -> int:
    """The old sitting, closed with a reason for whatever was open, and its report; answers the closing."""
    now = now_ms()
    seen = digest(closing.read(centre.store, "old-1", now).items)
    number, _ = closing.close(centre.store, "old-1", seen, dict.fromkeys(ITEMS, LONG_NAME), ADA, now)
    told = purge_list.canonical(sitting_report.document(centre.store, "old-1", now)).decode()
    signed = {"made_utc_ms": now, "statement": told, "signature": "0" * 128, "chain_pem": ""}
    centre.insert("sitting_reports", closing_id=number, **signed)
    return number
