"""Drills on the pages: stamped wherever they are shown, and never counted among what waits for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub.test_web_incidents import act
from tests.hub.website import Site, site


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        room = found.centre.room("Main hall")
        for number in (1, 2):
            found.centre.seat(room, f"A{number}", f"c.d{number}")
            found.centre.heartbeat(f"c.d{number}")
        yield found


def test_a_drill_is_stamped_on_every_page_that_shows_it(place: Site) -> None:
    """And the real one beside it on none."""
    drill = place.centre.alert("c.d1", "seat_empty", is_drill=True)
    real = place.centre.alert("c.d2", "seat_empty")
    place.settle()
    client = place.client("Ada")
    shown = {path: client.get(path).text for path in ("/", "/incidents/", f"/incidents/{drill}", "/seats/1")}
    stamp = '<strong class="stamp" >DRILL</strong>'
    assert "DRILL: Nobody in view" in shown["/"]
    assert [shown[path].count(stamp) for path in ("/", "/incidents/", "/seats/1")] == [1, 1, 1]
    assert "<strong>DRILL</strong>" in shown[f"/incidents/{drill}"]
    for path in (f"/incidents/{real}", "/seats/2"):
        assert "DRILL" not in client.get(path).text


def test_drills_are_counted_apart(place: Site) -> None:
    """The bar's number and the list that it leads to hold real ones; the list says how many are drills."""
    drill = place.centre.alert("c.d1", "seat_empty", is_drill=True)
    place.settle()
    client = place.client("Ada")
    assert "Nothing to review" in client.get("/").text
    assert "1 incident, of which 1 drill" in client.get("/incidents/").text
    real = place.centre.alert("c.d2", "seat_empty")

    def numbers(query: str) -> list[int]:
        return [int(found) for found in re.findall(r'<tr data-id="(\d+)"', client.get(f"/incidents/{query}").text)]

    assert numbers("?state=open&drills=none") == [real]
    assert numbers("?drills=only") == [drill]
    assert numbers("?drills=nonsense") == [drill, real]
    metrics = client.get("/metrics").text
    assert 'ems_incidents{state="open"} 1.0' in metrics
    assert 'ems_alerts_total{kind="seat_empty"} 1.0' in metrics


def test_a_drill_is_worked_on_like_an_alert_but_blames_nobody(place: Site) -> None:
    """It is acknowledged and closed; a verdict that says more than no concern is neither offered nor taken."""
    drill = place.centre.alert("c.d1", "seat_empty", is_drill=True)
    client = place.client("Ada")
    seen = client.get(f"/incidents/{drill}")
    assert 'value="no_concern"' in seen.text
    assert 'value="refer"' not in seen.text
    refused = act(client, drill, seen, "close", verdict="refer")
    assert refused.status_code == 422
    assert "A drill is closed with no concern" in refused.text
    assert act(client, drill, seen, "close", verdict="no_concern").status_code == 303
    assert "Closed at" in client.get(f"/incidents/{drill}").text
