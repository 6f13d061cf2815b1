"""The pages of exams and profiles: what is wrong stands beside its field, typed text stays, nothing is half done."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from werkzeug.test import TestResponse

from agent.wire import Plan
from hub.core import profiles
from hub.core.profiles import Profile
from hub.store import audit
from tests.hub.seed import now_ms
from tests.hub.website import Site, site, token

DAY = "2037-06-01"
EXAM = {"exam": "Maths", "paper": "Paper 2", "day": DAY, "zone": "Europe/Berlin", "profile": "Standard"}
TIMES = {"start": f"{DAY}T09:00", "end": f"{DAY}T12:00", "empty": "15", "profile": "Standard"}
NAME = "maths-hall-20370601t0700z"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    """Two rooms with a desk each, and nothing planned."""
    with site(tmp_path) as found:
        for name, unit in (("Hall", "c.d1"), ("Annex", "c.d2")):
            found.centre.seat(found.centre.room(name, exam=None), "A1", unit)
        yield found


def post(place: Site, path: str, form: Mapping[str, object], who: str = "Root") -> TestResponse:
    client = place.client(who)
    return client.post(path, data={**form, "csrf_token": token(client, "/")}, follow_redirects=True)


def planned(place: Site, rooms: list[str] | None = None, **times: str) -> TestResponse:
    post(place, "/exams/", EXAM)
    return post(place, "/exams/sittings", TIMES | times | {"exam": "Maths", "room": rooms or ["Hall"]})


def plan_of(place: Site, unit: str = "c.d1") -> Plan:
    with place.store.read() as connection:
        row = connection.execute("select payload from plans where unit = ?", (unit,)).fetchone()
    return msgspec.json.decode(row[0], type=Plan)


def test_an_exam_is_made_and_its_sittings_are_planned_in_several_rooms_at_once(place: Site) -> None:
    """In the exam's own zone; each desk gets its plan with the time of its empty seat."""
    response = planned(place, ["Hall", "Annex"])
    assert response.status_code == 200
    assert "2 sittings are planned." in response.text
    assert "2037-06-01 09:00" in response.text
    for unit in ("c.d1", "c.d2"):
        (sitting,) = plan_of(place, unit).sittings
        start = int(dt.datetime(2037, 6, 1, 7, tzinfo=dt.UTC).timestamp() * 1000)
        assert (sitting.start_utc_ms, sitting.empty_from_utc_ms) == (start, start - 900_000)
    assert re.search(r"2 planned", place.client("Ada").get("/exams/").text.replace("\n", " "))


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"exam": " "}, "exam", "Give the exam a name"),
        ({"day": "tomorrow"}, "day", "tomorrow is no day"),
        ({"zone": "Mars/Base"}, "zone", "There is no time zone Mars/Base"),
        ({"profile": "Other"}, "profile", "There is no profile of that name"),
        ({"paper": "x" * 201}, "paper", "longer than 200 characters"),
    ],
)
def test_a_wrong_exam_comes_back_with_what_was_typed(
    place: Site, changed: dict[str, str], field: str, words: str
) -> None:
    response = post(place, "/exams/", EXAM | {"exam": "<b>Maths</b>"} | changed)
    assert response.status_code == 422
    assert re.search(rf'id="wrong-{field}".*?{words}', response.text, re.DOTALL)
    assert "<b>Maths" not in response.text
    if field != "exam":
        assert 'value="&lt;b&gt;Maths' in response.text
    assert "Maths" not in place.client("Ada").get("/exams/").text


@pytest.mark.parametrize(
    ("times", "field", "words"),
    [
        ({"start": "2037-03-29T02:30"}, "start", "02:30 does not exist on 2037-03-29"),
        ({"end": "2037-10-25T02:30"}, "end", "02:30 comes twice on 2037-10-25"),
        ({"end": f"{DAY}T09:00"}, "end", "must end after it starts"),
        ({"start": "2027-01-01T09:00", "end": "2020-01-01T10:00"}, "end", "must end after"),
        ({"start": "2020-01-01T09:00", "end": "2020-01-01T10:00"}, "end", "past already"),
        ({"empty": "a while"}, "empty", "Write minutes from 0 to 720"),
        ({"profile": "Other"}, "profile", "There is no profile"),
    ],
)
def test_wrong_times_are_told_beside_their_field(place: Site, times: dict[str, str], field: str, words: str) -> None:
    """A time that the change of the clocks leaves out or brings twice is never guessed; nothing is half planned."""
    response = planned(place, ["Hall", "Annex"], **times)
    assert response.status_code == 422
    assert re.search(rf'id="wrong-{field}".*?{words}', response.text, re.DOTALL), response.text
    assert f'value="{(TIMES | times)["start"]}"' in response.text
    assert 'value="Annex" checked' in response.text
    with place.store.read() as connection:
        assert connection.execute("select count(*) from sittings").fetchone()[0] == 0


def test_no_room_and_a_taken_room_are_refused_and_nothing_is_half_planned(place: Site) -> None:
    planned(place)
    none = post(place, "/exams/sittings", TIMES | {"exam": "Maths"})
    assert (none.status_code, "Choose at least one room" in none.text) == (422, True)
    taken = post(place, "/exams/sittings", TIMES | {"exam": "Maths", "room": ["Annex", "Hall"]})
    assert taken.status_code == 422
    assert f"itting {NAME}-2 and sitting {NAME} (Maths) would be on in Hall at once" in taken.text
    with place.store.read() as connection:
        assert connection.execute("select count(*) from sittings").fetchone()[0] == 1


def running(place: Site) -> str:
    """The planned sitting, begun ten minutes ago and on for fifty more."""
    planned(place)
    now = now_ms()
    place.centre.execute(
        "update sittings set start_utc_ms = :start, end_utc_ms = :end, empty_from_utc_ms = null,"
        " empty_until_utc_ms = null",
        start=now - 600_000,
        end=now + 3_000_000,
    )
    return f"/exams/sittings/{NAME}"


def local(utc_ms: int) -> str:
    zone = dt.timezone(dt.timedelta(0))
    return f"{dt.datetime.fromtimestamp(utc_ms / 1000, zone):%Y-%m-%dT%H:%M}"


def test_a_running_sitting_gets_more_time_for_everybody_and_keeps_its_start(place: Site) -> None:
    path = running(place)
    place.centre.execute("update exams set zone = 'UTC'")
    with place.store.read() as connection:
        start, end = connection.execute("select start_utc_ms, end_utc_ms from sittings").fetchone()
    form = {"version": "1", "start": local(start), "end": local(end + 1_800_000), "empty": ""}
    assert "new times" in post(place, f"{path}/times", form).text
    assert (plan_of(place).sittings[0].end_utc_ms - end) // 60_000 in (29, 30)
    assert plan_of(place).sittings[0].start_utc_ms == start
    form["version"] = "2"
    for changed, words in (
        ({"start": local(start - 600_000)}, "start can no longer be changed"),
        ({"end": local(end)}, "to end it sooner, end it now and say why"),
    ):
        response = post(place, f"{path}/times", form | changed)
        assert (response.status_code, words in response.text) == (422, True)
    cancelled = post(place, f"{path}/cancel", {"version": "2", "reason": "no"})
    assert (cancelled.status_code, "end it now instead" in cancelled.text) == (422, True)


def test_a_running_sitting_is_ended_with_a_reason(place: Site) -> None:
    path = running(place)
    silent = post(place, f"{path}/end", {"version": "1", "reason": " "})
    assert (silent.status_code, "Write a reason" in silent.text) == (422, True)
    assert "is ended" in post(place, f"{path}/end", {"version": "1", "reason": "fire alarm"}).text
    assert "fire alarm" in audit.page(place.store, limit=1)[0].detail
    assert not plan_of(place).sittings
    again = post(place, f"{path}/end", {"version": "2", "reason": "once more"})
    assert (again.status_code, "is over or cancelled" in again.text) == (422, True)


def test_a_cancelled_sitting_leaves_the_plans_and_its_room_is_free_again(place: Site) -> None:
    planned(place)
    response = post(place, f"/exams/sittings/{NAME}/cancel", {"version": "1", "reason": "no paper"})
    assert "no desk records it" in response.text
    assert "Cancelled" in response.text
    assert not plan_of(place).sittings
    assert "1 sitting is planned" in planned(place).text
    assert plan_of(place).sittings[0].sitting == f"{NAME}-2"


def test_the_second_of_two_does_not_overwrite_the_first(place: Site) -> None:
    planned(place)
    first = TIMES | {"version": "1", "end": f"{DAY}T13:00"}
    assert post(place, f"/exams/sittings/{NAME}/times", first).status_code == 200
    second = post(place, f"/exams/sittings/{NAME}/times", TIMES | {"version": "1", "end": f"{DAY}T14:00"})
    assert (second.status_code, "Somebody else changed this sitting" in second.text) == (409, True)
    assert f'value="{DAY}T13:00"' in second.text
    exam = EXAM | {"version": "1", "paper": "Other"}
    assert post(place, "/exams/change", exam).status_code == 200
    assert post(place, "/exams/change", exam).status_code == 409


FORM = profiles.typed(Profile()) | {"name": "Quiet", "seat_empty.raise_s": "20", "after_sitting": "30"}


def test_a_sitting_takes_over_its_profile_and_keeps_it_until_somebody_says_otherwise(place: Site) -> None:
    """A changed profile leaves planned sittings alone and offers to be given to those that have not begun; the exam
    takes its retention rule from it when it has none."""
    assert post(place, "/profiles/", FORM).status_code == 200
    planned(place, profile="Quiet")
    assert plan_of(place).sittings[0].rules[0].raise_s == 20
    with place.store.read() as connection:
        assert '"days":30' in connection.execute("select retention from exams").fetchone()[0]
    changed = FORM | {"profile": "Quiet", "version": "1", "seat_empty.raise_s": "40", "toilet": "0:05"}
    response = post(place, "/profiles/change", changed)
    assert "1 sitting that has not begun was planned with this profile" in response.text
    assert plan_of(place).sittings[0].rules[0].raise_s == 20
    assert "1 sitting has it now." in post(place, "/profiles/apply", {"profile": "Quiet"}).text
    assert plan_of(place).sittings[0].rules[0].raise_s == 40
    assert NAME in audit.page(place.store, limit=1)[0].detail
    assert post(place, "/profiles/change", changed).status_code == 409
    with place.store.read() as connection:
        assert connection.execute("select toilet_ms from sittings").fetchone()[0] == 300_000


def test_a_wrong_profile_comes_back_whole(place: Site) -> None:
    response = post(place, "/profiles/", FORM | {"seat_empty.raise_s": "never", "toilet": "7"})
    assert response.status_code == 422
    assert re.search(r'id="wrong-seat_empty-raise_s".*?Write a number from 0.5 to 600', response.text, re.DOTALL)
    assert 'value="never"' in response.text
    assert 'value="7"' in response.text
    for name, words in ((" standard ", "is called"), ("", "Give the profile a name"), ("x" * 101, "Give the profile")):
        again = post(place, "/profiles/", FORM | {"name": name})
        assert (again.status_code, words in again.text) == (422, True), name


def test_the_built_in_profile_is_always_there_and_stays(place: Site) -> None:
    page = place.client("Ada").get("/profiles/one?profile=Standard").text
    assert "disabled" in page
    response = post(place, "/profiles/change", FORM | {"profile": "Standard", "version": "0"})
    assert response.status_code == 422
    assert post(place, "/profiles/apply", {"profile": "Standard"}).status_code == 422
    assert place.client("Ada").get("/profiles/one?profile=Nothing").status_code == 404


def test_a_proctor_sees_exams_and_sets_up_none(place: Site) -> None:
    planned(place)
    page = place.client("Ada").get("/exams/one?exam=Maths").text
    assert "Plan sittings" not in page
    assert "/times" not in page
    assert post(place, "/exams/", EXAM, "Ada").status_code == 403
