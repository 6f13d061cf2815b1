"""Plans of purge: made by looking, kept with their exact lists, compared with the world before anything goes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from hub.core import purge_list
from hub.core.audit import Deed
from hub.core.purge_list import SEGMENT, Item, Kept, Part, Standing, State
from hub.store import QUERIES, Row, Store, audit, retention
from hub.store.audit import Actor

MOST_LISTED = 50
KEPT_FOR_MS = 30 * 86_400_000
"""So long a plan that nobody applied is kept."""
MADE_WITHIN_MS = 3_600_000
"""One that is not whole after this was left by somebody who died."""
STATES_AT_ONCE = 1_000

Tell = Callable[[int, int, str], None]
"""How far it is: done, total, and about what; may raise to stop the work."""


class NoSuchPlan(Exception):
    """No plan has that number; the text says what to do."""


class WorldChanged(Exception):
    """What the plan was made from is no longer so; the text says what changed."""


class Plan(NamedTuple):
    """One plan. `number` is the purge that it became, None: not applied; `ended_utc_ms` when that was done."""

    plan_id: int
    made_utc_ms: int
    made_by: str
    digest: str
    item_count: int
    size_bytes: int
    kept: list[Kept]
    number: int | None
    ended_utc_ms: int | None


def nothing(_done: int, _total: int, _note: str) -> None:
    """For whoever does not tell anybody."""


def make(store: Store, zone: dt.tzinfo, actor: Actor, now_utc_ms: int, tell: Tell = nothing) -> Plan | None:
    """Look what is due and keep the list, in small transactions; None when nothing is. The same list again is the same
    plan. Nothing is removed."""
    _forget_old(store, now_utc_ms)
    with store.read() as connection:
        standings = retention.standings(connection, zone)
    due = [each for each in standings if each.is_due(now_utc_ms) and each.place.items > each.place.held]
    parts: list[tuple[Part, bytes]] = []
    for done, each in enumerate(due):
        tell(done, len(due), f"{each.place.sitting}, seat {each.place.seat}")
        if (part := _part(store, each)) is not None:
            parts.append(part)
    if not parts:
        return None
    digest = purge_list.plan_digest([part for part, _ in parts])
    with store.read() as connection:
        same: Row | None = QUERIES.purge_plan_of_digest(connection, digest=digest)
    if same is None:
        kept = purge_list.kept(standings, now_utc_ms, zone)
        return one(store, _keep(store, actor, digest, parts, kept, now_utc_ms))
    return one(store, int(same["plan_id"]))


def _part(store: Store, standing: Standing) -> tuple[Part, bytes] | None:
    place = standing.place
    named = {"sitting": place.sitting, "unit": place.unit, "seat": place.seat}
    with store.read() as connection:
        rows = [*QUERIES.free_segments(connection, **named), *QUERIES.free_stills(connection, **named)]
    items = [Item(*row) for row in rows]
    if not items or place.exam is None or place.rule_text is None or standing.due_utc_ms is None:
        return None
    text = purge_list.lines(items)
    part = Part(
        exam=place.exam,
        rule=place.rule_text,
        results_utc_ms=place.results_utc_ms,
        due_utc_ms=standing.due_utc_ms,
        why=standing.why,
        item_count=len(items),
        size_bytes=sum(item.size_bytes for item in items),
        sha256=purge_list.sha256(text),
        **named,
    )
    return part, purge_list.deflated(text)


def _keep(
    store: Store,
    actor: Actor,
    digest: str,
    parts: Sequence[tuple[Part, bytes]],
    kept: Sequence[Kept],
    now_utc_ms: int,
) -> int:
    items, size_bytes = (sum(getattr(part, name) for part, _ in parts) for name in ("item_count", "size_bytes"))
    with store.write() as connection:
        plan_id = int(
            QUERIES.insert_purge_plan(
                connection,
                now=now_utc_ms,
                who=actor.who,
                digest=digest,
                items=items,
                size_bytes=size_bytes,
                kept=msgspec.json.encode(kept).decode(),
            )
        )
    for number, (part, blob) in enumerate(parts):
        with store.write() as connection:
            QUERIES.insert_purge_part(connection, plan_id=plan_id, part=number, lines=blob, **part._asdict())
    with store.write() as connection:
        QUERIES.finish_purge_plan(connection, plan_id=plan_id)
        detail = {"digest": digest, "items": items, "size_bytes": size_bytes}
        audit.add(connection, actor, Deed.PLANNED_PURGE, f"purge plan {plan_id}", now_utc_ms, detail)
    return plan_id


def _forget_old(store: Store, now_utc_ms: int) -> None:
    with store.read() as connection:
        ages = {"before": now_utc_ms - KEPT_FOR_MS, "unfinished_before": now_utc_ms - MADE_WITHIN_MS}
        old = [row["plan_id"] for row in QUERIES.old_purge_plans(connection, **ages)]
    for plan_id in old:
        with store.write() as connection:
            if QUERIES.purge_of_plan(connection, plan_id=plan_id) is None:
                QUERIES.drop_purge_parts(connection, plan_id=plan_id)
                QUERIES.drop_purge_plan(connection, plan_id=plan_id)


def one(store: Store, plan_id: int) -> Plan:
    """Raises NoSuchPlan."""
    with store.read() as connection:
        row: Row | None = QUERIES.purge_plan_by_id(connection, plan_id=min(plan_id, 2**62))
    if row is None:
        raise NoSuchPlan(f"there is no purge plan {plan_id}: make one with `ems-hub retention plan`")
    return _plan(row)


def newest(store: Store, limit: int = MOST_LISTED) -> list[Plan]:
    with store.read() as connection:
        return [_plan(row) for row in QUERIES.purge_plans_newest(connection, limit=limit)]


def _plan(row: Row) -> Plan:
    values: dict[str, Any] = {field: row[field] for field in Plan._fields}
    values["kept"] = [Kept(*each) for each in msgspec.json.decode(row["kept"])]
    return Plan(**values)


def parts(store: Store, plan_id: int) -> list[Part]:
    with store.read() as connection:
        return [Part(*row) for row in QUERIES.purge_parts_of(connection, plan_id=plan_id)]


def items(store: Store, plan_id: int, part: int) -> list[Item]:
    """The exact list of one part, by its place in `parts`."""
    with store.read() as connection:
        row: Row = QUERIES.purge_lines_of(connection, plan_id=plan_id, part=part)
    return purge_list.read_lines(purge_list.inflated(row["lines"]))


def states(connection: Any, part: Part, found: Sequence[Item]) -> list[tuple[int, State]]:
    """(row number, state) of each of these items of a part, in their order."""
    known: dict[tuple[str, str], Row] = {}
    for kind, query in ((SEGMENT, QUERIES.segment_states), (purge_list.STILL, QUERIES.still_states)):
        names = [item.name for item in found if item.kind == kind]
        if names:
            text = msgspec.json.encode(names).decode()
            rows: Iterable[Row] = query(connection, sitting=part.sitting, unit=part.unit, seat=part.seat, names=text)
            known |= {(kind, row["name"]): row for row in rows}
    return [_state(item, known.get((item.kind, item.name))) for item in found]


def _state(item: Item, row: Row | None) -> tuple[int, State]:
    if row is None:
        return 0, State(is_same=False, is_held=False)
    is_same = bool(row["is_here"]) and row["sha256"] == item.sha256
    return int(row["thing"]), State(is_same, bool(row["is_held"]), int(row["purge_number"]))


def check(store: Store, plan: Plan, zone: dt.tzinfo, tell: Tell = nothing) -> None:
    """See whether the world is as it was. Raises WorldChanged."""
    found: list[str] = []
    done = 0
    for number, part in enumerate(parts(store, plan.plan_id)):
        tell(done, plan.item_count, "comparing the plan with what is here")
        listed = items(store, plan.plan_id, number)
        with store.read() as connection:
            now = retention.standing_of(connection, part.sitting, part.unit, part.seat, zone)
            now_states = [
                state
                for first in range(0, len(listed), STATES_AT_ONCE)
                for _, state in states(connection, part, listed[first : first + STATES_AT_ONCE])
            ]
        found += [line for line in (purge_list.moved(part, now), purge_list.changed(part, now_states)) if line]
        done += len(listed)
    if found:
        raise WorldChanged(f"not applied, make a new plan; since this one was made: {purge_list.in_few(found)}")
