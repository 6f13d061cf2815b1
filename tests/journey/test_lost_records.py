"""A card loses its database in the middle of a sitting: recording goes on, and what was known comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from agent import wire
from agent.records import Records
from tests.journey.test_trust import ROOM, SEAT, begin_sitting, code_of, unit_at
from tests.journey.trusted import TrustedCentre, trusted_centre
from tests.support import wait_for


@pytest.fixture
def place(tmp_path: Path) -> Iterator[TrustedCentre]:
    with trusted_centre(tmp_path) as made:
        yield made


def test_a_database_that_is_gone_is_rebuilt_while_the_sitting_goes_on(place: TrustedCentre, leaving: Path) -> None:
    """Killed, the database removed, started again with the hub away: recording goes on at once, by the plan beside the
    key. With the hub back the restart says that the chain begins anew; the records of before return, each once, and
    every film has a row. The hub's own check names the new chain and finds no damage."""
    place.start_desk("one", f"footage:{leaving}", EMS_UNIT="hall.desk-01")
    place.hub("unit", "approve", code_of(place, "one"), ROOM, SEAT)
    unit = unit_at(place, SEAT)
    begin_sitting(place)
    wait_for(lambda: len(place.rows("select * from segments")) >= 2, 90)
    place.processes["one"].kill()
    place.processes["one"].wait()
    known = {row["hash"] for row in place.rows("select hash from records where unit = ?", unit)}
    films = place.segments("one")
    storage = place.folder / "one"
    for path in storage.glob("records.db*"):
        path.unlink()

    hub = ("ingest", "door")
    for name in hub:
        assert place.stop(name) == 0
    place.start_desk("one", f"footage:{leaving}")
    wait_for(lambda: place.segments("one") - films, 60)
    place.start_hub(*hub)
    wait_for(lambda: place.rows("select * from records where boot = 2 and kind = 'restart'"), 60)
    (row,) = place.rows("select body from records where boot = 2 and kind = 'restart'")
    assert msgspec.json.decode(row["body"], type=wire.Restart).is_chain_new
    wait_for(lambda: (storage / "unit.restored").exists(), 90)
    assert place.stop("one") == 0
    with Records(storage, unit) as records:
        assert records.verify() == []
        assert len(records.beginnings()) == 1
        rows = records._rows("SELECT hash FROM records WHERE boot = 1")
        assert known <= {row[0] for row in rows}
        assert set(records.segment_states()) == place.segments("one")
    checked = place.try_hub("check")
    assert "record 2/1: the chain begins anew" in checked.stdout
    assert "record 2/1" not in checked.stderr
    assert "predecessor" not in checked.stderr
