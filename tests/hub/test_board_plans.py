"""The board is read up to twenty times a second: what it asks of tables that only grow must not go through them."""

from __future__ import annotations

from pathlib import Path

from hub.store import QUERIES, Store

SMALL = {
    "r",
    "s",
    "u",
    "t",
    "c",
    "n",
    "rooms",
    "seats",
    "units",
    "sittings",
    "candidates",
    "presence",
    "enrolments",
    "former_names",
    "(subquery-2)",
    "CONSTANT",
}
"""What a centre has, and its roster. (Tables by the names that the queries give them.)"""
STANDING = {"alerts_standing", "faults_standing", "incidents_not_closed", "security_events_open", "breaks_on"}
"""Indexes of only those rows that are not over."""
QUERIES_OF_THE_BOARD = (
    "board_seats",
    "board_alerts",
    "board_faults",
    "board_incidents",
    "board_sittings",
    "board_newest_event",
    "board_touched",
    "board_newest_incident",
    "board_units_due",
    "day_expected",
    "day_breaks",
    "day_signals",
)


def test_no_query_of_the_board_goes_through_a_table_that_grows(tmp_path: Path) -> None:
    store = Store(tmp_path / "hub.db")
    values = {"now": 0, "after": 0, "since": 0}
    with store.read() as connection:
        for name in QUERIES_OF_THE_BOARD:
            steps = connection.execute(f"explain query plan {getattr(QUERIES, name).sql}", values)
            scans = [step["detail"] for step in steps if step["detail"].startswith("SCAN")]
            assert [each for each in scans if each.split()[1] not in SMALL and each.split()[-1] not in STANDING] == []
    store.close()
