"""The review queue: its order, its filters, pages that lose and double nothing, counts, and its CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from hub.core import review_list as core
from hub.core.review_list import START, Filter, Group, Key
from hub.store import Store, audit, review_list
from tests.hub.seed import Centre
from tests.hub.website import Site, site


def add(centre: Centre, number: int, state: str = "open", **values: object) -> int:
    verdict = values.pop("verdict", "no_concern" if state == "closed" else None)
    plain = {"unit": "c.d1", "kind": "seat_empty", "sitting": "sitting-1", "room": "Main hall", "seat": "A1"}
    at = {"opened_utc_ms": 1_000 + number, "began_utc_ms": 1_000 + number}
    return centre.insert("incidents", **{**plain, **at, "state": state, "verdict": verdict, **values})


@pytest.fixture
def centre(store: Store, tmp_path: Path) -> Centre:
    found = Centre(store, tmp_path / "live")
    found.seat(found.room("Main hall"), "A1", "c.d1")
    return found


def shown(store: Store, wanted: Filter) -> list[int]:
    """Every incident of the queue, page by page."""
    found: list[int] = []
    after: Key | None = START
    while after is not None:
        page = review_list.page(store, wanted, after)
        found += [row["incident_id"] for row in page.rows]
        after = page.after
    assert page.counts.total == len(found)
    return found


def test_what_nobody_looked_at_comes_first_and_the_oldest_of_it(store: Store, centre: Centre) -> None:
    closed, seen = add(centre, 1, "closed"), add(centre, 2, "acknowledged")
    newer, older = add(centre, 9), add(centre, 3)
    assert shown(store, Filter(state="")) == [older, newer, seen, closed]
    assert shown(store, Filter()) == [older, newer, seen]


def test_pages_lose_and_double_nothing_while_people_work(
    store: Store, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two pages the last one shown is closed and another comes: the next page goes on behind it."""
    monkeypatch.setattr(review_list, "PAGE_ROWS", 3)
    numbers = [add(centre, number) for number in range(7)]
    assert shown(store, Filter()) == numbers
    first = review_list.page(store, Filter())
    centre.execute("update incidents set state = 'closed', verdict = 'refer' where incident_id = :n", n=numbers[2])
    add(centre, -5)
    assert first.after is not None
    second = review_list.page(store, Filter(), first.after)
    assert [row["incident_id"] for row in second.rows] == numbers[3:6]


def test_each_filter(store: Store, centre: Centre) -> None:
    centre.room("Annex")
    plain = add(centre, 1)
    other = add(centre, 2, sitting="sitting-2", room="Annex", seat="B%2", kind="camera_covered", assigned_to="Ada")
    sorted_out = add(centre, 3, "closed", verdict="refer", category="environment.noise", is_drill=1)
    for wanted, numbers in (
        (Filter(sitting="sitting-2"), [other]),
        (Filter(room="Annex"), [other]),
        (Filter(seat="B%2"), [other]),
        (Filter(kind="camera_covered"), [other]),
        (Filter(assigned="Ada"), [other]),
        (Filter(assigned="-"), [plain]),
        (Filter(state="closed"), [sorted_out]),
        (Filter(state="", verdict="refer"), [sorted_out]),
        (Filter(state="", verdict="none"), [plain, other]),
        (Filter(state="", category="environment"), [sorted_out]),
        (Filter(state="", category="environment.noise"), [sorted_out]),
        (Filter(state="", category="environ"), []),
        (Filter(state="", drills="only"), [sorted_out]),
        (Filter(state="", drills="none"), [plain, other]),
        (Filter(text="b%"), [other]),
        (Filter(text="%"), [other]),
        (Filter(text="_"), []),
    ):
        assert shown(store, wanted) == numbers, wanted


def test_a_candidates_number_finds_what_happened_while_they_sat_there(store: Store, centre: Centre) -> None:
    person = centre.insert("candidates", sitting="sitting-1", number="10-X", seat="A2")
    centre.insert("stays", candidate_id=person, sitting="sitting-1", seat="A1", until_utc_ms=1_005)
    centre.insert("stays", candidate_id=person, sitting="sitting-1", seat="A2", from_utc_ms=1_005)
    theirs, not_theirs, moved = add(centre, 1), add(centre, 8), add(centre, 9, seat="A2")
    assert shown(store, Filter(text="0-x")) == [theirs, moved]
    rows = review_list.page(store, Filter()).rows
    assert {row["incident_id"]: row["candidate"] for row in rows} == {theirs: "10-X", not_theirs: None, moved: "10-X"}


def test_the_way_from_one_to_the_next_goes_on_when_it_was_closed(store: Store, centre: Centre) -> None:
    first, second, third = (add(centre, number) for number in range(3))
    at = Key(0, 1_001, second)
    centre.execute("update incidents set state = 'closed', verdict = 'refer' where incident_id = :n", n=second)
    found = review_list.neighbours(store, Filter(), at)
    assert found == ((first, Key(0, 1_000, first)), (third, Key(0, 1_002, third)))
    assert review_list.neighbours(store, Filter(), Key(0, 1_000, first)).before is None


groups = st.lists(
    st.builds(
        Group,
        state=st.sampled_from(["open", "acknowledged", "closed"]),
        kind=st.sampled_from(["a", "b"]),
        verdict=st.sampled_from(["none", "refer"]),
        category=st.sampled_from(["", "x", "x.y", "z"]),
        is_drill=st.booleans(),
        assigned=st.sampled_from(["", "Ada"]),
        incidents=st.integers(1, 9),
    ),
    max_size=8,
)
filters = st.builds(
    Filter,
    state=st.sampled_from(["", "unfinished", "open", "closed"]),
    kind=st.sampled_from(["", "a"]),
    verdict=st.sampled_from(["", "refer"]),
    category=st.sampled_from(["", "x", "x.y"]),
    assigned=st.sampled_from(["", "Ada", "-"]),
    drills=st.sampled_from(["", "only", "none"]),
)


@given(groups, filters)
def test_a_count_beside_a_choice_is_what_choosing_it_shows(found: list[Group], wanted: Filter) -> None:
    """For each value of each facet."""
    told = core.counts(found, wanted)
    for facet, values in told.by.items():
        for value, count in values.items():
            assert core.counts(found, wanted._replace(**{facet: value})).total == count, (facet, value)


@given(st.dictionaries(st.sampled_from([*Filter._fields, "other"]), st.text(max_size=300)))
def test_any_address_is_a_filter(given_values: dict[str, str]) -> None:
    found = core.filter_of(given_values)
    assert core.filter_of(found.told()) == found
    for text in given_values.values():
        key = core.key_of(text)
        assert key is None or core.key_of(str(key)) == key


# --- the page -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site")) as found:
        found.centre.seat(found.centre.room("Main hall"), "A1", "c.d1")
        for number in range(3):
            add(found.centre, number, seat=("A1", "=1+1", "<b>")[number])
        yield found


@pytest.fixture(scope="module")
def ada(place: Site) -> FlaskClient:
    return place.client("Ada")


def test_links_keep_the_filter_and_lead_on(ada: FlaskClient) -> None:
    page = ada.get("/incidents/?state=open&drills=none").text
    links = re.findall(r'href="(/incidents/\d+\?[^"]*)"', page)
    assert len(links) == 3
    first = ada.get(links[0].replace("&amp;", "&")).text
    assert 'data-walk="k"' not in first
    following = re.search(r'data-walk="j" href="([^"]+)"', first)
    assert following
    assert "drills=none" in following[1]
    assert 'data-walk="k"' in ada.get(following[1].replace("&amp;", "&")).text
    assert "data-walk" not in ada.get("/incidents/1").text


def test_the_table_holds_what_the_filter_shows_and_calculates_nothing(place: Site, ada: FlaskClient) -> None:
    text = ada.get("/incidents/list.csv?state=open&text=1").text
    rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff"))))
    assert [row[3] for row in rows[1:]] == ["A1", "'=1+1"]
    entry = audit.page(place.store, limit=1)[0]
    assert (entry.deed, entry.detail) == ("exported_incidents", '{"state":"open","text":"1"}')


def test_a_hostile_address_shows_a_page(ada: FlaskClient) -> None:
    evil = "%22%3E%3Cscript%3E"
    for query in (
        f"text={evil}",
        f"seat={evil}",
        f"sitting={evil}",
        f"after={evil}",
        f"assigned={evil}",
        f"category={evil}",
    ):
        answer = ada.get(f"/incidents/?{query}")
        assert answer.status_code == 200
        assert "<script>" not in answer.text.replace("<script type", "").partition("<main")[2]
    assert ada.get(f"/incidents/1?at={evil}").status_code == 200
    assert ada.get("/incidents/1?at=0-99999999999999-1&text=x").status_code == 200
