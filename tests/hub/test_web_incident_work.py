"""Work on incidents through their pages: who has it, what it was about, the second person, rooms and their members."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.core.access import Role
from hub.core.review_list import Filter
from hub.live import LiveFolder
from hub.room_watch import RoomWatch
from hub.store import incidents, people, review_list
from tests.hub.seed import SEED, now_ms
from tests.hub.test_web_incidents import act, said
from tests.hub.website import PASSWORD, Site, site


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        room = found.centre.room("Main hall")
        for n in range(1, 6):
            seat = found.centre.seat(room, f"A{n}", f"c.d{n}")
            found.centre.execute("update seats set map_x = :x, map_y = 0 where seat_id = :s", x=n - 1, s=seat)
            found.centre.heartbeat(f"c.d{n}")
        yield found


def row(place: Site, number: int) -> dict[str, object]:
    return incidents.one(place.store, number).row


def test_assigning_to_oneself_and_to_others_who_may_review(place: Site) -> None:
    number, client = place.centre.alert("c.d1"), place.client("Ada")
    page = f"/incidents/{number}"
    assert act(client, number, client.get(page), "take").status_code == 303
    assert row(place, number)["assigned_to"] == "Ada"
    seen = client.get(page)
    assert "Assigned to <strong>Ada</strong>" in seen.text
    assert 'value="take"' not in seen.text
    names = re.findall(
        r"<option[^>]*>([^<]+)</option>", seen.text[seen.text.index('id="assignee"') :].split("</select>")[0]
    )
    assert names == ["Nobody", "Ada", "Grace", "Root"], "a technician and an auditor review nothing"
    assert act(client, number, seen, "assign", assignee="Tim").status_code == 422
    assert act(client, number, client.get(page), "assign", assignee="Grace").status_code == 303
    assert said(client.get(page))[1:] == ["Ada assigned it to Ada", "Ada assigned it to Grace"]
    rows = re.findall(r'<tr data-id="(\d+)"', client.get("/incidents/?assigned=Grace").text)
    assert rows == [str(number)]
    assert f'data-id="{number}"' not in client.get("/incidents/?assigned=Ada").text


def test_a_closed_account_is_given_nothing(place: Site) -> None:
    """It leaves the list, also between the look and the act; what it had shows its name all the same."""
    number, client = place.centre.alert("c.d1"), place.client("Ada")
    seen = client.get(f"/incidents/{number}")
    people.set_active(place.store, "Grace", False, 1, SEED)
    response = act(client, number, seen, "assign", assignee="Grace", text="please look")
    assert response.status_code == 422
    assert "Grace has no open account" in response.text
    assert "please look</textarea>" in response.text


def test_sorting_by_a_fixed_list(place: Site) -> None:
    number, client = place.centre.alert("c.d1"), place.client("Ada")
    page = f"/incidents/{number}"
    assert (
        act(client, number, client.get(page), "categorise", category="candidate.unwell", text="went pale").status_code
        == 303
    )
    assert said(client.get(page))[1:] == ["Ada commented: went pale", "Ada sorted it: Candidate: Unwell"]
    assert "Candidate: Unwell" in client.get("/incidents/").text
    refused = act(client, number, client.get(page), "categorise", category="candidate.guilty")
    assert refused.status_code == 422
    assert row(place, number)["category"] == "candidate.unwell"


def test_a_category_chosen_with_the_verdict_is_kept(place: Site) -> None:
    number, client = place.centre.alert("c.d1"), place.client("Ada")
    page = f"/incidents/{number}"
    form = {"verdict": "no_concern", "category": "invigilator.at_desk"}
    assert act(client, number, client.get(page), "close", **form).status_code == 303
    assert said(client.get(page))[1:] == ["Ada sorted it: Invigilator: Was at the desk", "Ada closed: No concern"]


def test_the_second_person_confirms_what_the_first_proposed(place: Site) -> None:
    """The first sees that it waits, and is offered neither button; the second is shown who proposed it."""
    number, ada, grace = place.centre.alert("c.d1"), place.client("Ada"), place.client("Grace")
    page = f"/incidents/{number}"
    assert act(ada, number, ada.get(page), "close", verdict="confirmed_by_centre", text="spoken to").status_code == 303
    assert (row(place, number)["state"], row(place, number)["proposed_by"]) == ("acknowledged", "Ada")
    mine = ada.get(page)
    assert "Waits for a second person" in mine.text
    assert 'value="confirm"' not in mine.text
    assert 'value="confirmed_by_centre"' not in mine.text
    assert act(ada, number, mine, "confirm").status_code == 422
    theirs = grace.get(page)
    assert "Ada proposed" in theirs.text
    assert act(grace, number, theirs, "confirm", text="I looked too").status_code == 303
    assert (row(place, number)["state"], row(place, number)["verdict"]) == ("closed", "confirmed_by_centre")
    assert said(grace.get(page))[1:] == [
        "Ada proposed: confirmed by the centre. It waits for a second person: spoken to",
        "Grace closed: Confirmed by the centre: I looked too",
    ]
    assert act(grace, number, grace.get(page), "reopen").status_code == 303
    assert row(place, number)["proposed_by"] is None


def test_a_rejected_proposal_leaves_it_to_be_closed_otherwise(place: Site) -> None:
    number, ada, grace = place.centre.alert("c.d1"), place.client("Ada"), place.client("Grace")
    page = f"/incidents/{number}"
    act(ada, number, ada.get(page), "close", verdict="confirmed_by_centre")
    assert act(grace, number, grace.get(page), "reject", text="not enough").status_code == 303
    assert row(place, number)["proposed_by"] is None
    assert act(ada, number, ada.get(page), "close", verdict="refer").status_code == 303


def test_a_proposal_made_meanwhile_is_shown_before_anything_else_is_done(place: Site) -> None:
    number, ada, grace = place.centre.alert("c.d1"), place.client("Ada"), place.client("Grace")
    seen = grace.get(f"/incidents/{number}")
    act(ada, number, ada.get(f"/incidents/{number}"), "close", verdict="confirmed_by_centre")
    form = {"verdict": "no_concern", "text": "nothing", "category": "other.unclear", "assignee": "Root"}
    response = act(grace, number, seen, "close", **form)
    assert response.status_code == 409
    assert re.search(r"Ada proposed “confirmed by the centre” at \d\d:\d\d:\d\d, before you", response.text)
    for kept in (
        "nothing</textarea>",
        '<option value="other.unclear" selected>',
        '"no_concern" checked',
        "selected>Root",
    ):
        assert kept in response.text, kept


def test_a_drill_takes_no_other_verdict(place: Site) -> None:
    number, client = place.centre.alert("c.d1", is_drill=True), place.client("Ada")
    seen = client.get(f"/incidents/{number}")
    assert act(client, number, seen, "close", verdict="confirmed_by_centre").status_code == 422
    assert act(client, number, seen, "close", verdict="no_concern").status_code == 303


def test_the_times_of_response_are_on_the_page(place: Site) -> None:
    number, client = place.centre.alert("c.d1", age_ms=120_000), place.client("Ada")
    page = f"/incidents/{number}"
    assert "not yet" in client.get(page).text
    act(client, number, client.get(page), "acknowledge")
    act(client, number, client.get(page), "close", verdict="refer")
    text = " ".join(re.sub("<[^>]+>", "", client.get(page).text).split())
    assert re.search(r"Acknowledged ?(1|2) min after it was opened, by Ada", text)
    assert re.search(r"Closed ?(1|2) min after it was opened", text)


def test_the_minute_around_is_drawn(place: Site) -> None:
    """What was seen, the dwell before it was raised, a break, a press and a bookmark, each with its time."""
    number = place.centre.alert("c.d2", "seat_empty", age_ms=30_000)
    began = int(str(row(place, number)["began_utc_ms"]))
    place.centre.observed("c.d2", began - 30_000, (30, "face", 1), (40, "empty", 0))
    at = {"sitting": "sitting-1", "seat": "A2"}
    given = {"began_utc_ms": began - 20_000, "limit_utc_ms": began - 1_000, "ended_utc_ms": began - 5_000}
    place.centre.insert("breaks", **at, **given, kind="toilet", given_by="Ada", ended_by="Ada")
    marked = {"at_utc_ms": began + 5_000, "made_utc_ms": 1, "made_by": "Ada", "note": "<b>look</b> here"}
    place.centre.insert("bookmarks", **at, **marked)
    pressed = {"unit": "c.d2", "boot": 1, "seq": 9, "room": "Main hall", "at_utc_ms": began + 20_000}
    place.centre.insert("attended", **at, **pressed, received_utc_ms=1, is_signal=0, is_drill=0, alerts="[]")
    text = place.client("Ada").get(f"/incidents/{number}").text
    drawn = text[text.index('class="timeline-moment"') : text.index("As a table")]
    for shape in ("seen-face", "seen-empty", "bar-dwell", "bar-alert", "bar-break", "bar-bookmark", "bar-press"):
        assert f'class="{shape}"' in drawn, shape
    assert 'data-moment="Raised"' in drawn
    assert "&lt;b&gt;look&lt;/b&gt; here" in drawn
    assert "10.0 s" in drawn
    assert "style=" not in drawn
    film = text[text.index("data-timeline") :]
    assert "<title>Raised</title>" in film, "the film's own timeline marks both moments"


def test_the_seats_beside_and_what_was_here_before(place: Site) -> None:
    earlier = place.centre.alert("c.d2", "camera_covered")
    other = place.centre.alert("c.d4", "seat_empty")
    place.centre.execute("update incidents set sitting = 'before' where incident_id = :i", i=earlier)
    beside = place.centre.alert("c.d3", age_ms=300_000)
    number = place.centre.alert("c.d2", "seat_empty")
    began = int(str(row(place, number)["began_utc_ms"]))
    place.centre.observed("c.d1", began - 10_000, (30, "face", 2))
    text = place.client("Ada").get(f"/incidents/{number}").text
    around = " ".join(
        re.sub("<[^>]+>", " ", text[text.index('<section class="around"') :].split("</section>")[0]).split()
    )
    assert "A1 More than one face" in around
    assert "A3 More than one face" in around
    assert "A4" not in around
    assert "1 before, 0 of them in this sitting" in around
    assert f"{earlier} Camera covered" in around
    assert "another sitting" in around
    assert beside
    assert other


def test_who_sat_there_is_for_who_may_see_the_roster(place: Site) -> None:
    """The one who sat there when it began, not who came later; a technician sees no incident at all, an auditor may."""
    number = place.centre.alert("c.d1", "seat_empty")
    began = int(str(row(place, number)["began_utc_ms"]))
    long = "C" * 40
    for candidate, seat, since, until in (
        (long, "A1", None, began + 5),
        ("later", "A1", began + 5, None),
        ("x", "A2", None, None),
    ):
        values = {"sitting": "sitting-1", "number": candidate, "name": "<i>N</i>", "seat": seat}
        is_gone = {"no_show_utc_ms": 1} if candidate == "later" else {}
        made = place.centre.insert("candidates", **values, **is_gone)
        stay = {"candidate_id": made, "sitting": "sitting-1", "seat": seat}
        place.centre.insert("stays", **stay, from_utc_ms=since, until_utc_ms=until)
    text = place.client("Ada").get(f"/incidents/{number}").text
    section = text[text.index("Who sat there") : text.index("Seats beside")]
    assert long in section
    assert "later" not in section
    assert "&lt;i&gt;" in section
    assert "Who sat there" in place.client("Olga").get(f"/incidents/{number}").text


def emptied(place: Site) -> tuple[list[int], int]:
    members = [place.centre.alert(f"c.d{n}", "seat_empty", age_ms=1_000) for n in range(1, 5)]
    place.centre.facts()
    RoomWatch(place.store, LiveFolder(place.centre.folder.path)).turn(now_ms())
    [number] = [r["incident_id"] for r in review_list.page(place.store, Filter(state="unfinished", drills="none")).rows]
    return members, number


def test_a_room_incident_shows_its_members_and_closes_them(place: Site) -> None:
    members, number = emptied(place)
    client = place.client("Ada")
    listing = client.get("/incidents/").text
    assert "4 seats empty at once" in listing
    assert re.findall(r'<tr data-id="(\d+)"', listing) == [str(number)]
    seen = client.get(f"/incidents/{number}")
    assert [int(n) for n in re.findall(r'data-member="(\d+)"', seen.text)] == members
    assert "4 members that nobody has worked on are closed with it" in " ".join(seen.text.split())
    assert f"room incident {number}" in client.get(f"/incidents/{members[0]}").text
    shown = re.search(r'name="members" value="([^"]*)"', seen.text)
    assert shown
    assert act(client, number, seen, "close", verdict="no_concern").status_code == 422, "not without what was shown"
    assert act(client, number, seen, "close", verdict="no_concern", members=shown[1]).status_code == 303
    assert {row(place, n)["verdict"] for n in [*members, number]} == {"no_concern"}
    place.settle()
    assert "4 seats empty at once" not in client.get("/").text


def test_a_member_is_taken_out_from_the_rooms_page(place: Site) -> None:
    members, number = emptied(place)
    client = place.client("Ada")
    page = client.get(f"/incidents/{number}").text
    form = re.search(rf'action="/incidents/{members[0]}/act">(.*?)</form>', page, flags=re.DOTALL)
    assert form
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))
    assert client.post(f"/incidents/{members[0]}/act", data=fields).status_code == 303
    assert row(place, members[0])["part_of"] is None
    assert f"Ada took A1, incident {members[0]} out of this" in said(client.get(f"/incidents/{number}"))[-1]


def test_equipment_that_is_taken_out_says_so_once(place: Site) -> None:
    values = {"unit": "c.d1", "kind": "room_gone", "sitting": "sitting-1", "room": "Main hall", "seat": ""}
    number = place.centre.insert("incidents", **values, opened_utc_ms=now_ms(), began_utc_ms=now_ms())
    for n in range(1, 4):
        member = {"unit": f"c.d{n}", "seat": f"A{n}", "what": "offline", "at_utc_ms": now_ms()}
        place.centre.insert("room_members", incident_id=number, **member)
    client = place.client("Ada")
    page = client.get(f"/incidents/{number}").text
    assert "3 desks gone at once" in page
    csrf = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert csrf
    form = {"csrf_token": csrf[1], "unit": "c.d2", "what": "offline"}
    assert "Taken out" in client.post(f"/incidents/{number}/members/take-out", data=form, follow_redirects=True).text
    again = client.post(f"/incidents/{number}/members/take-out", data=form, follow_redirects=True).text
    assert "not part of it any more" in again
    assert "2 desks gone at once" in again


def test_what_people_write_stays_text_in_every_sentence(place: Site) -> None:
    evil = "<script>alert(1)</script>{who}{0}%(x)s\u202e"
    place.centre.person("{what} %s <b>", PASSWORD, Role.PROCTOR)
    number, client = place.centre.alert("c.d1"), place.client("{what} %s <b>")
    page = f"/incidents/{number}"
    act(client, number, client.get(page), "comment", text=evil)
    act(client, number, client.get(page), "take")
    act(client, number, client.get(page), "close", verdict="confirmed_by_centre", text=evil)
    text = client.get(page).text
    assert "<script>alert" not in text
    assert "%s <b>" not in text
    assert "{what} %s &lt;b&gt;" in text
    assert place.client("Ada").get("/incidents/").status_code == 200


# --- how alerts turned out ------------------------------------------------------------------------------------------


def cells(text: str, table: str) -> list[list[str]]:
    found = text[text.index(f'id="{table}"') :].split("</table>")[0]
    rows = re.findall(r"<tr data-kind.*?</tr>", found, flags=re.DOTALL)
    return [
        [" ".join(re.sub("<[^>]+>", " ", cell).split()) for cell in re.findall(r"<td.*?</td>", r, flags=re.DOTALL)]
        for r in rows
    ]


def test_how_alerts_turned_out_by_rule_and_seat(place: Site) -> None:
    """Drills and members of a room incident are left out; a share stands with its range, and says when it is small."""
    client = place.client("Ada")
    for n, verdict in ((1, "no_concern"), (1, "no_concern"), (2, "refer")):
        number = place.centre.alert(f"c.d{n}")
        act(client, number, client.get(f"/incidents/{number}"), "close", verdict=verdict)
    place.centre.alert("c.d3", is_drill=True)
    emptied(place)
    text = client.get("/incidents/budget").text
    assert [r[:4] for r in cells(text, "budget-rules")] == [["More than one face", "3", "3", "2"]]
    assert "67 % 21 to 94 %; few, says little" in cells(text, "budget-rules")[0][4]
    seats = cells(text, "budget-seats")
    assert [r[:5] for r in seats] == [
        ["A1 Main hall", "More than one face", "2", "2", "2"],
        ["A2 Main hall", "More than one face", "1", "1", "0"],
    ]
    assert seats[0][6] == "0.7", "42 minutes so far"
    assert "Nothing was raised" in client.get("/incidents/budget?exam=none").text
    wrong = client.get("/incidents/budget?from=yesterday&to=2001-01-01").text
    assert "write it as 2026-05-04" in wrong
    assert 'value="yesterday"' in wrong


def test_what_another_dwell_would_have_raised(place: Site) -> None:
    number = place.centre.alert("c.d1", "seat_empty", age_ms=60_000)
    began = int(str(row(place, number)["began_utc_ms"]))
    place.centre.observed("c.d1", began - 20_000, (6, "empty", 0), (14, "face", 1), (12, "empty", 0), (9, "face", 1))
    client = place.client("Ada")
    where = "/incidents/budget/what-if?sitting=sitting-1&seat=A1&kind=seat_empty"
    text = " ".join(client.get(where).text.split())
    assert "1 alert would have been raised" in text
    assert "1 was raised" in text
    assert "2 alerts would have been raised" in " ".join(client.get(f"{where}&raise_s=5&clear_s=3").text.split())
    later = client.get(f"{where}&raise_s=20&clear_s=3").text
    assert "0 alerts would have been raised" in " ".join(later.split())
    assert "raise_s = 20" in later
    assert "ems-agent replay --rules rules.toml" in later
    assert "sitting-1_*.obslog" in later
    wrong = client.get(f"{where}&raise_s=soon&clear_s=3").text
    assert "Write a number of seconds" in wrong
    assert 'value="soon"' in wrong
    assert "cannot be judged again here" in client.get(where.replace("seat_empty", "camera_moved")).text
    assert client.get(where.replace("seat_empty", "guilt")).status_code == 400
    assert client.get(where.replace("sitting-1", "other")).status_code == 404


def test_the_rules_file_that_is_shown_is_one(place: Site) -> None:
    """What the page says to put into rules.toml is read by the desk as the very rule."""
    from agent.wire import rules_in

    place.centre.alert("c.d1", "seat_empty")
    where = "/incidents/budget/what-if?sitting=sitting-1&seat=A1&kind=seat_empty&raise_s=12.5&clear_s=4"
    shown = re.search(r"<code>(\[\[rules.*?)</code>", place.client("Ada").get(where).text, flags=re.DOTALL)
    assert shown
    [rule] = rules_in(shown[1].replace("&#34;", '"').encode(), is_toml=True)
    assert (rule.kind, rule.raise_s, rule.clear_s) == ("seat_empty", 12.5, 4)
