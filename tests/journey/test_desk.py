"""One real desk against a real hub: what it tells, and what it does after it was killed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av

from agent.records import Records
from tests.journey.centre import UNIT, Centre
from tests.support import wait_for


def test_an_empty_seat_becomes_an_incident_and_clears(place: Centre, leaving: Path) -> None:
    """The alert arrives with its picture, opens one incident, clears when the candidate is back, and joins the same
    incident when the seat is empty again within a minute."""
    place.start_ingest()
    place.start_desk(f"footage:{leaving}")
    place.plan()
    wait_for(lambda: len(place.rows("select * from alerts where kind = 'seat_empty' and state = 'cleared'")) >= 2, 90)
    alerts = place.rows("select * from alerts where kind = 'seat_empty' order by began_up_ms")
    incidents = place.rows("select * from incidents where kind = 'seat_empty'")
    assert len(incidents) == 1
    assert {alert["incident_id"] for alert in alerts} == {incidents[0]["incident_id"]}
    assert all(alert["raised_up_ms"] - alert["began_up_ms"] >= 2000 for alert in alerts)
    first = alerts[0]["still_sha256"]
    wait_for(lambda: place.rows("select * from stills where sha256 = ?", first))
    assert place.stop(UNIT) == 0
    assert place.rows("select * from rejected") == []


def test_a_killed_desk_resumes_and_tells_the_gap(place: Centre, sitting: Path) -> None:
    """After kill -9 the desk takes the sitting up again by itself, repairs the open segment, tells the gap with its
    cause, and neither loses nor doubles a record."""
    place.start_ingest()
    place.start_desk(f"footage:{sitting}")
    place.plan()
    wait_for(lambda: len(place.rows("select * from segments")) >= 2, 60)
    place.kill(UNIT)
    place.start_desk(f"footage:{sitting}")
    wait_for(lambda: place.rows("select * from gaps where cause = 'power_or_crash'"), 60)
    gap = place.rows("select * from gaps where cause = 'power_or_crash'")[0]
    before = place.rows(
        "select * from segments where boot = 2 and is_cut = 1 or ended_utc_ms <= ?", gap["began_utc_ms"]
    )
    assert any(row["ended_utc_ms"] == gap["began_utc_ms"] for row in before)
    assert place.stop(UNIT) == 0
    with Records(place.folder / UNIT, UNIT) as records:
        assert records.verify() == []
        mine = {(row["boot"], row["seq"]) for row in place.rows("select boot, seq from records")}
        assert records.depth() == 0
    with place.store.read() as connection:
        count = connection.execute("select count(*) from records").fetchone()[0]
    assert count == len(mine)
    for boot in (1, 2):
        seqs = sorted(seq for own, seq in mine if own == boot)
        assert seqs == list(range(1, len(seqs) + 1))


def test_every_second_of_the_sitting_is_in_a_segment_or_a_gap(place: Centre, sitting: Path) -> None:
    """Segments and gaps join without a hole of more than a second, over a clean restart in the middle."""
    place.start_ingest()
    place.start_desk(f"footage:{sitting}")
    place.plan()
    wait_for(lambda: len(place.rows("select * from segments")) >= 2, 60)
    assert place.stop(UNIT) == 0
    place.start_desk(f"footage:{sitting}")
    wait_for(lambda: len(place.rows("select * from segments where boot = 2")) >= 2, 60)
    assert place.stop(UNIT) == 0
    stretches = sorted(
        (row["began_utc_ms"], row["ended_utc_ms"])
        for table in ("segments", "gaps")
        for row in place.rows(f"select began_utc_ms, ended_utc_ms from {table}")
    )
    for (_, ended), (began, _) in pairwise(stretches):
        assert began - ended <= 1000
    assert place.rows("select * from gaps where cause = 'restart'")


def test_recordings_play(place: Centre, sitting: Path) -> None:
    """What the segment records name lies on the disk, has that hash, and decodes."""
    place.start_ingest()
    place.start_desk(f"footage:{sitting}")
    place.plan()
    wait_for(lambda: len(place.rows("select * from segments")) >= 2, 60)
    assert place.stop(UNIT) == 0
    for row in place.rows("select * from segments"):
        path = place.folder / UNIT / "segments" / row["name"]
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == row["frames"]


def test_a_lost_camera_is_a_fault_within_seconds(place: Centre, sitting: Path, tmp_path: Path) -> None:
    """A camera that is not there is told as `camera_lost`, in a sitting also as `recording_stopped`."""
    place.start_ingest()
    place.start_desk(f"footage:{tmp_path / 'none.mp4'}")
    place.plan()
    wait_for(lambda: place.rows("select * from faults where kind = 'camera_lost'"), 30)
    fault = wait_for(lambda: place.rows("select * from faults where kind = 'recording_stopped'"), 30)[0]
    began, raised = fault["began_utc_ms"], fault["raised_utc_ms"]
    assert raised - began <= 5000


def test_a_desk_without_hub_goes_on_by_itself(place: Centre, sitting: Path) -> None:
    """With the broker gone the desk records on, and after kill -9 resumes from the plan on its own disk; when the
    broker is back, everything arrives."""
    place.start_ingest()
    place.start_desk(f"footage:{sitting}")
    place.plan()
    wait_for(lambda: place.rows("select * from segments"), 60)
    place.broker.kill()
    place.kill(UNIT)
    known = len(place.rows("select * from segments"))
    place.start_desk(f"footage:{sitting}")
    folder = place.folder / UNIT / "segments"
    wait_for(lambda: len(list(folder.glob("b000002-*.ts"))) >= 2, 60)
    place.broker.start()
    wait_for(lambda: len(place.rows("select * from segments where boot = 2")) >= 2, 90)
    assert len(place.rows("select * from segments")) > known
    wait_for(lambda: [beat for beat in [place.heartbeat()] if beat and (beat.boot, beat.state) == (2, "recording")], 60)
