"""Changes of a roster, each within the caller's transaction: a file that was confirmed, and every late change.

A change names the version of the entry that its maker saw: somebody else's change in between is shown, not overwritten.
The plans of all desks that it touches follow at once, and the audit log has it before and after.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence

from hub.core import durations
from hub.core.audit import Deed
from hub.core.roster import Candidate, Comparison, Entry
from hub.store import QUERIES, Row, audit, planning
from hub.store.audit import Actor
from hub.store.roster import Sitting, at_seats, candidate_in, candidates, seats, sitting_of


class CannotChange(Exception):
    """The roster cannot be as asked; the text says why."""


class Overtaken(Exception):
    """Somebody else changed the entry first; nothing was changed. `now` is how it stands, None: it is there no more."""

    def __init__(self, now: Candidate | None) -> None:
        super().__init__("somebody else changed this candidate's entry first")
        self.now = now


def add(
    connection: sqlite3.Connection, actor: Actor, sitting: str, entry: Entry, now_utc_ms: int, *, is_walk_in: bool
) -> int:
    """A candidate more, at a seat that nobody has; answers the candidate's id. Raises CannotChange."""
    found = _open_sitting(connection, sitting)
    _check_free(connection, sitting, entry.seat)
    if any(each.number == entry.number for each in candidates(connection, sitting)):
        raise CannotChange(f"candidate {entry.number} is on this roster already")
    words = "walk-in" if is_walk_in else "added"
    candidate_id = _insert(connection, actor, found, entry, now_utc_ms, words, is_walk_in=is_walk_in)
    _note(connection, actor, sitting, now_utc_ms, act=words, candidate=entry.number, after=entry._asdict())
    _follow(connection, sitting, now_utc_ms)
    return candidate_id


def _insert(
    connection: sqlite3.Connection,
    actor: Actor,
    found: Sitting,
    entry: Entry,
    now_utc_ms: int,
    words: str,
    *,
    is_walk_in: bool = False,
) -> int:
    _check_goes_on(found, entry._replace(extra_ms=0), entry, now_utc_ms)
    candidate_id = int(
        QUERIES.roster_insert(
            connection,
            sitting=found.sitting,
            is_walk_in=is_walk_in,
            now=now_utc_ms,
            who=actor.who,
            changed=words,
            **entry._asdict(),
        )
    )
    since = now_utc_ms if is_walk_in and now_utc_ms > found.start_utc_ms else None
    QUERIES.roster_begin_stay(
        connection, candidate_id=candidate_id, sitting=found.sitting, seat=entry.seat, from_utc_ms=since
    )
    return candidate_id


def move(
    connection: sqlite3.Connection,
    actor: Actor,
    sitting: str,
    candidate_id: int,
    version: int,
    seat: str,
    now_utc_ms: int,
    *,
    is_swap: bool = False,
) -> Candidate:
    """Give the candidate another seat from now on; with `is_swap` whoever has it gets theirs. Extra time goes along.
    Raises CannotChange, Overtaken."""
    found = _open_sitting(connection, sitting)
    before = _seen(connection, sitting, candidate_id, version)
    if before.seat == seat:
        return before
    if before.is_no_show:
        raise CannotChange(f"candidate {before.number} is marked as not having come: undo that first")
    other = _holder(connection, sitting, seat)
    if other is not None and not is_swap:
        raise CannotChange(
            f"seat {seat} is candidate {other.number}'s: choose a free seat, or have the two change places"
        )
    _check_known(connection, sitting, seat)
    QUERIES.roster_park(connection, candidate_id=candidate_id)
    if other is not None:
        _save(connection, actor, found, other, other.entry._replace(seat=before.seat), now_utc_ms)
    _save(connection, actor, found, before, before.entry._replace(seat=seat), now_utc_ms)
    _follow(connection, sitting, now_utc_ms)
    return _one(connection, sitting, candidate_id)


def change(
    connection: sqlite3.Connection,
    actor: Actor,
    sitting: str,
    candidate_id: int,
    version: int,
    now_utc_ms: int,
    *,
    name: str | None = None,
    extra_ms: int | None = None,
    break_ms: int | None = None,
) -> Candidate:
    """Change what is granted to a candidate, or the name; None: as it is. Raises CannotChange, Overtaken."""
    found = _open_sitting(connection, sitting)
    before = _seen(connection, sitting, candidate_id, version)
    after = before.entry._replace(
        name=before.name if name is None else name,
        extra_ms=before.extra_ms if extra_ms is None else extra_ms,
        break_ms=before.break_ms if break_ms is None else break_ms,
    )
    if after == before.entry:
        return before
    _save(connection, actor, found, before, after, now_utc_ms)
    _follow(connection, sitting, now_utc_ms)
    return _one(connection, sitting, candidate_id)


def mark_no_show(
    connection: sqlite3.Connection,
    actor: Actor,
    sitting: str,
    candidate_id: int,
    version: int,
    now_utc_ms: int,
    *,
    is_no_show: bool,
) -> Candidate:
    """Say that the candidate did not come, or take that back: then the seat must still be free. Raises CannotChange,
    Overtaken."""
    found = _open_sitting(connection, sitting)
    before = _seen(connection, sitting, candidate_id, version)
    if before.is_no_show == is_no_show:
        return before
    if is_no_show:
        QUERIES.roster_end_stay(connection, candidate_id=candidate_id, now=now_utc_ms)
    else:
        other = _holder(connection, sitting, before.seat)
        if other is not None:
            raise CannotChange(
                f"seat {before.seat} is candidate {other.number}'s now: move them first, or enter {before.number} anew "
                "as a walk-in under another number"
            )
        since = now_utc_ms if now_utc_ms > found.start_utc_ms else None
        QUERIES.roster_begin_stay(
            connection, candidate_id=candidate_id, sitting=sitting, seat=before.seat, from_utc_ms=since
        )
    words = "did not come" if is_no_show else "came after all"
    _update(connection, actor, before, before.entry, now_utc_ms, words, now_utc_ms if is_no_show else None)
    _note(connection, actor, sitting, now_utc_ms, act=words, candidate=before.number, seat=before.seat)
    _follow(connection, sitting, now_utc_ms)
    return _one(connection, sitting, candidate_id)


def import_all(
    connection: sqlite3.Connection,
    actor: Actor,
    sitting: str,
    compared: Comparison,
    now_utc_ms: int,
    *,
    removed: Collection[str] = (),
    detail: dict[str, str] | None = None,
) -> None:
    """Do what was shown, and remove those of `compared.missing` whose numbers are in `removed`. The caller compares
    within this transaction. Raises CannotChange."""
    found = _open_sitting(connection, sitting)
    going = [each for each in compared.missing if each.number in removed]
    if going and now_utc_ms >= found.start_utc_ms:
        raise CannotChange("the sitting has begun, so nobody is removed any more: mark who did not come as that")
    for each in going:
        _remove(connection, each)
    for change_ in compared.changed:
        if "seat" in change_.fields:
            QUERIES.roster_park(connection, candidate_id=change_.before.candidate_id)
    try:
        for change_ in compared.changed:
            _save(connection, actor, found, change_.before, change_.after, now_utc_ms, is_import=True)
        for entry in compared.new:
            _insert(connection, actor, found, entry, now_utc_ms, "imported")
    except sqlite3.IntegrityError as error:
        raise CannotChange("two candidates would have the same seat: look at the list again") from error
    if compared.new or compared.changed or going:
        told = {
            "act": "imported",
            "new": [entry.number for entry in compared.new],
            "changed": {each.before.number: _difference(each.before.entry, each.after) for each in compared.changed},
            "removed": [each.number for each in going],
            **(detail or {}),
        }
        audit.add(connection, actor, Deed.CHANGED_ROSTER, f"sitting {sitting}", now_utc_ms, told)
        _follow(connection, sitting, now_utc_ms)


def _remove(connection: sqlite3.Connection, candidate: Candidate) -> None:
    if QUERIES.roster_has_breaks(connection, candidate_id=candidate.candidate_id)["has_breaks"]:
        raise CannotChange(f"candidate {candidate.number} had a break, so the entry stays")
    QUERIES.roster_delete_stays(connection, candidate_id=candidate.candidate_id)
    QUERIES.roster_delete(connection, candidate_id=candidate.candidate_id)


def _save(
    connection: sqlite3.Connection,
    actor: Actor,
    found: Sitting,
    before: Candidate,
    after: Entry,
    now_utc_ms: int,
    *,
    is_import: bool = False,
) -> None:
    """The entry as it is now; a new seat is a new stay, from now on when the sitting has begun."""
    if after.seat != before.seat and now_utc_ms >= found.latest_end_utc_ms:
        raise CannotChange("the sitting is over: who sat where is no longer changed")
    _check_goes_on(found, before.entry, after, now_utc_ms)
    difference = _difference(before.entry, after)
    words = "; ".join(
        f"{FIELDS[field]}: {_short(field, old)} \N{RIGHTWARDS ARROW} {_short(field, new)}"
        for field, (old, new) in difference.items()
    )
    _update(connection, actor, before, after, now_utc_ms, words[:1000], before.no_show_utc_ms)
    if after.seat != before.seat and not before.is_no_show:
        if now_utc_ms <= found.start_utc_ms:
            QUERIES.roster_delete_stays(connection, candidate_id=before.candidate_id)
            since = None
        else:
            QUERIES.roster_end_stay(connection, candidate_id=before.candidate_id, now=now_utc_ms)
            since = now_utc_ms
        QUERIES.roster_begin_stay(
            connection, candidate_id=before.candidate_id, sitting=found.sitting, seat=after.seat, from_utc_ms=since
        )
    if not is_import:
        _note(connection, actor, found.sitting, now_utc_ms, act="changed", candidate=before.number, **difference)


def _check_goes_on(found: Sitting, before: Entry, after: Entry, now_utc_ms: int) -> None:
    """Extra time changes while the desk still records. Raises CannotChange."""
    if after.extra_ms != before.extra_ms and now_utc_ms >= found.end_utc_ms + before.extra_ms:
        raise CannotChange(f"candidate {after.number}'s time is over: their desk has ended its recording")


def _update(
    connection: sqlite3.Connection,
    actor: Actor,
    before: Candidate,
    after: Entry,
    now_utc_ms: int,
    words: str,
    no_show_utc_ms: int | None,
) -> None:
    QUERIES.roster_update(
        connection,
        candidate_id=before.candidate_id,
        name=after.name,
        seat=after.seat,
        extra_ms=after.extra_ms,
        break_ms=after.break_ms,
        no_show_utc_ms=no_show_utc_ms,
        now=now_utc_ms,
        who=actor.who,
        changed=words,
    )


def _follow(connection: sqlite3.Connection, sitting: str, now_utc_ms: int) -> None:
    """Plans follow. Raises CannotChange where a seat's end now lies in the room's next sitting."""
    try:
        planning.check_room_free(connection, sitting)
        planning.replan(connection, now_utc_ms)
    except planning.CannotPlan as cannot:
        raise CannotChange(str(cannot)) from None


def _open_sitting(connection: sqlite3.Connection, name: str) -> Sitting:
    found = sitting_of(connection, name)
    if found is None:
        raise CannotChange(f"there is no sitting {name}")
    if found.cancelled_utc_ms is not None:
        raise CannotChange(f"sitting {name} was cancelled: its roster stays as it was")
    if found.closed_utc_ms is not None:
        raise CannotChange(f"sitting {name} is closed: its roster stays as it is")
    return found


def _seen(connection: sqlite3.Connection, sitting: str, candidate_id: int, version: int) -> Candidate:
    row: Row | None = QUERIES.roster_candidate(connection, sitting=sitting, candidate_id=candidate_id)
    found = None if row is None else candidate_in(row)
    if found is None or found.version != version:
        raise Overtaken(found)
    return found


def _one(connection: sqlite3.Connection, sitting: str, candidate_id: int) -> Candidate:
    return candidate_in(QUERIES.roster_candidate(connection, sitting=sitting, candidate_id=candidate_id))


def _holder(connection: sqlite3.Connection, sitting: str, seat: str) -> Candidate | None:
    found = at_seats(connection, sitting).get(seat)
    return None if found is None or found.is_no_show else found


def _check_known(connection: sqlite3.Connection, sitting: str, seat: str) -> None:
    if seat not in {each.label for each in seats(connection, sitting)}:
        raise CannotChange(f"the room has no seat {seat}")


def _check_free(connection: sqlite3.Connection, sitting: str, seat: str) -> None:
    _check_known(connection, sitting, seat)
    other = _holder(connection, sitting, seat)
    if other is not None:
        raise CannotChange(f"seat {seat} is candidate {other.number}'s: choose a free one")


FIELDS = {"name": "name", "seat": "seat", "extra_ms": "extra time", "break_ms": "breaks"}


def _short(field: str, value: object) -> str:
    text = durations.write(int(str(value))) if field.endswith("_ms") else str(value)
    return text or "\N{EN DASH}"


def _difference(before: Entry, after: Entry) -> dict[str, Sequence[object]]:
    return {
        field: (getattr(before, field), getattr(after, field))
        for field in Entry._fields
        if getattr(before, field) != getattr(after, field)
    }


def _note(connection: sqlite3.Connection, actor: Actor, sitting: str, now_utc_ms: int, **detail: object) -> None:
    audit.add(connection, actor, Deed.CHANGED_ROSTER, f"sitting {sitting}", now_utc_ms, detail)
