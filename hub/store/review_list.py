"""The review queue: pages of incidents by a filter, in the queue's order, and their counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from hub.core.review_list import START, Counts, Filter, Group, Key, counts
from hub.store import QUERIES, Row, Store

PAGE_ROWS = 100
EXPORT_ROWS = 2_000


class Page(NamedTuple):
    """`rows` in the queue's order, at most PAGE_ROWS. `after`: where the next page begins, None when there is none."""

    rows: list[dict[str, Any]]
    after: Key | None
    counts: Counts


class Neighbours(NamedTuple):
    """The incidents before and after a place: (number, its place), None at an end."""

    before: tuple[int, Key] | None
    after: tuple[int, Key] | None


def page(store: Store, wanted: Filter, after: Key = START) -> Page:
    """The incidents that match, behind `after`."""
    with store.read() as connection:
        asked = _asked(wanted)
        rows = _rows(connection, asked, after, PAGE_ROWS + 1)
        found = counts(_groups(connection, asked), wanted)
    more = _key(rows[PAGE_ROWS - 1]) if len(rows) > PAGE_ROWS else None
    return Page(rows[:PAGE_ROWS], more, found)


def everything(store: Store, wanted: Filter) -> Iterator[dict[str, Any]]:
    """All that match, read in pages so that no reader holds the store for long."""
    after: Key | None = START
    while after is not None:
        with store.read() as connection:
            rows = _rows(connection, _asked(wanted), after, EXPORT_ROWS)
        yield from rows
        after = _key(rows[-1]) if len(rows) == EXPORT_ROWS else None


def neighbours(store: Store, wanted: Filter, at: Key) -> Neighbours:
    """What is before and after that place in the filtered queue; what stood there may have left it."""
    with store.read() as connection:
        asked = _asked(wanted)
        behind = _rows(connection, asked, at, 1)
        ahead: Row | None = QUERIES.review_before(connection, **asked, **_place(at))
    return Neighbours(
        (ahead["incident_id"], _key(ahead)) if ahead is not None else None,
        (behind[0]["incident_id"], _key(behind[0])) if behind else None,
    )


def newest_utc_ms(store: Store) -> int | None:
    """When an incident was last opened, hub time."""
    with store.read() as connection:
        found: int | None = QUERIES.review_newest(connection)[0]
        return found


def choices(store: Store) -> tuple[list[str], list[tuple[str, str]]]:
    """The rooms, and the newest sittings with their exams."""
    with store.read() as connection:
        rooms = [row["name"] for row in QUERIES.review_rooms(connection)]
        return rooms, [(row["sitting"], row["exam"]) for row in QUERIES.review_sittings(connection)]


def _asked(wanted: Filter) -> dict[str, str]:
    text = wanted.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {**wanted._asdict(), "text": f"%{text}%" if text else ""}


def _rows(connection: sqlite3.Connection, asked: dict[str, str], after: Key, limit: int) -> list[dict[str, Any]]:
    return [dict(row) for row in QUERIES.review_page(connection, **asked, **_place(after), limit=limit)]


def _place(key: Key) -> dict[str, int]:
    return {"rank": key.rank, "opened": key.opened_utc_ms, "number": key.incident_id}


def _key(row: Any) -> Key:
    return Key(row["review_rank"], row["opened_utc_ms"], row["incident_id"])


def _groups(connection: sqlite3.Connection, asked: dict[str, str]) -> list[Group]:
    base = {name: asked[name] for name in ("room", "sitting", "seat", "text")}
    return [
        Group(**{**dict(row), "is_drill": bool(row["is_drill"])}) for row in QUERIES.review_counts(connection, **base)
    ]
