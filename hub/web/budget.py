"""How alerts turned out, rule by rule and seat by seat, and what another dwell would have raised."""

from __future__ import annotations

import datetime as dt
import math
import shlex
from typing import NamedTuple

import msgspec
from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue

from agent.wire import DEFAULT_RULES, AlertKind, Rule
from hub.core import budget as core
from hub.core import what_if
from hub.core.access import Action
from hub.core.audit import Deed
from hub.core.board import ALERT_WORDS, words_of
from hub.core.what_if import Would
from hub.store import budget as store
from hub.web import deeds
from hub.web.clock import now_utc_ms
from hub.web.language import gettext as _
from hub.web.language import tr
from hub.web.login import may
from hub.web.parts import parts

blueprint = Blueprint("budget", __name__, url_prefix="/incidents/budget")

MOST_SEAT_ROWS = 200
DAY_MS = 86_400_000
DEFAULT_DAYS = 30
LONGEST_S = 3_600.0


class Asked(NamedTuple):
    """The dwell that the form asks for; `trouble` by field, in words."""

    raise_s: float
    clear_s: float
    is_referenced: bool
    typed: dict[str, str]
    trouble: dict[str, str]


@blueprint.get("")
@may(Action.SEE_BUDGET)
def page() -> ResponseReturnValue:
    now = now_utc_ms()
    typed = {name: request.args.get(name, "")[:200] for name in ("exam", "sitting", "from", "to")}
    since, until, trouble = _stretch(typed["from"], typed["to"], now)
    wanted = store.Wanted(typed["exam"], typed["sitting"], since, until)
    in_time = store.sittings(parts().store, wanted._replace(sitting=""))
    found = store.outcome(parts().store, wanted, now)
    return render_template(
        "budget.html",
        budget=found,
        seats=found.seats[:MOST_SEAT_ROWS],
        typed=typed,
        trouble=trouble,
        exams=store.exams(parts().store),
        sittings=in_time,
        sitting_count=sum(each.sitting == typed["sitting"] for each in in_time) if typed["sitting"] else len(in_time),
        default_days=DEFAULT_DAYS,
        words=_kind_words,
        small=core.SMALL,
        can_judge=what_if.CAN_JUDGE,
        first_sitting=_first_of(in_time),
    )


def _kind_words(kind: str) -> str:
    return tr(words_of(ALERT_WORDS, kind))


def _first_of(sittings: list[store.Sitting]) -> dict[str, str]:
    """room -> the newest sitting of those chosen: where one clicks through to."""
    return {each.room: each.sitting for each in reversed(sittings)}


def _stretch(since: str, until: str, now: int) -> tuple[int, int, dict[str, str]]:
    """Days of the centre's zone, both included; the last DEFAULT_DAYS without. A day that is none is said."""
    trouble: dict[str, str] = {}
    low, high = now - DEFAULT_DAYS * DAY_MS, now + DAY_MS
    for name, typed in (("from", since), ("to", until)):
        if not typed:
            continue
        try:
            day = dt.datetime.combine(dt.date.fromisoformat(typed), dt.time(), parts().zone)
            at = int(day.timestamp() * 1000)
        except (ValueError, OverflowError):
            trouble[name] = _("That is no date: write it as 2026-05-04.")
            continue
        if name == "from":
            low = at
        else:
            high = at + DAY_MS
    if low >= high:
        trouble["to"] = _("The last day lies before the first: nothing can be in between.")
    return low, high, trouble


# --- what if --------------------------------------------------------------------------------------------------------


@blueprint.get("/what-if")
@may(Action.SEE_BUDGET)
def what_if_page() -> ResponseReturnValue:
    """One seat's sitting judged again with another dwell, beside what was raised."""
    sitting, seat = request.args.get("sitting", "")[:64], request.args.get("seat", "")[:200]
    if not sitting or not seat:
        abort(400)
    try:
        kind = AlertKind(request.args.get("kind", AlertKind.SEAT_EMPTY.value))
        found = store.case(parts().store, sitting, seat, kind)
    except ValueError:
        abort(400)
    except store.NoSuchCase:
        abort(404)
    what = f"seat {found.seat_id}" if found.seat_id is not None else f"sitting {sitting}"
    deeds.saw(Deed.VIEWED_COVERAGE, what, sitting=sitting)
    rule = _rule_of(found, kind)
    asked = _asked(rule, found)
    judged = _judged(found, kind, asked, rule) if kind in what_if.CAN_JUDGE and not asked.trouble else None
    own = _judged(found, kind, asked._replace(raise_s=rule.raise_s, clear_s=rule.clear_s), rule) if judged else None
    return render_template(
        "what_if.html",
        case=found,
        seat=seat,
        kind=kind,
        words=_kind_words(kind),
        kind_words=_kind_words,
        kinds=sorted(what_if.CAN_JUDGE),
        rule=rule,
        asked=asked,
        would=judged[0] if judged else None,
        own=own[0] if own else None,
        watched_ms=judged[1] if judged else 0,
        tolerance_s=what_if.TOLERANCE_MS / 1000,
        longest_s=LONGEST_S,
        command=_command(sitting, kind, asked, rule),
    )


def _rule_of(found: store.Case, kind: AlertKind) -> Rule:
    """What the desk judged by: as its newest alert says, else the sitting's plan, else the default."""
    if found.raised:
        told = found.raised[-1]["body"].get("rule", {})
        base = next((each for each in (*found.sitting.rules, *DEFAULT_RULES) if each.kind is kind), None)
        unreferenced_s = told.get("witnesses", {}).get("unreferenced_s", base.witnesses.unreferenced_s if base else 0)
        return _with_wait(
            Rule(kind=kind, raise_s=float(told.get("raise_s", 10)), clear_s=float(told.get("clear_s", 3))),
            float(unreferenced_s),
        )
    planned = [each for each in (*DEFAULT_RULES, *found.sitting.rules) if each.kind is kind]
    return planned[-1] if planned else Rule(kind=kind, raise_s=10, clear_s=3)


def _with_wait(rule: Rule, unreferenced_s: float) -> Rule:
    witnesses = msgspec.structs.replace(rule.witnesses, unreferenced_s=unreferenced_s)
    return msgspec.structs.replace(rule, witnesses=witnesses)


def _asked(rule: Rule, found: store.Case) -> Asked:
    trouble: dict[str, str] = {}
    typed = {name: request.args.get(name, "")[:20] for name in ("raise_s", "clear_s")}
    told = {"raise_s": rule.raise_s, "clear_s": rule.clear_s}
    for name, text in typed.items():
        if not text:
            typed[name] = f"{told[name]:g}"
            continue
        try:
            told[name] = float(text.replace(",", "."))
        except ValueError:
            told[name] = math.nan
        if not 0 <= told[name] <= LONGEST_S:
            trouble[name] = _("Write a number of seconds from 0 to %(most)g.", most=LONGEST_S)
    if "raise_s" in request.args:
        is_referenced = "referenced" in request.args
    else:
        is_referenced = _is_referenced(found)
    return Asked(told["raise_s"], told["clear_s"], is_referenced, typed, trouble)


def _is_referenced(found: store.Case) -> bool:
    """Whether the desk compared with its picture of the empty seat when it raised; where it raised nothing, it is taken
    to have had one."""
    told = [row["body"].get("evidence", {}).get("change") is not None for row in found.raised]
    return any(told) if told else True


def _judged(found: store.Case, kind: AlertKind, asked: Asked, rule: Rule) -> tuple[list[Would], int]:
    pauses = found.pauses if kind in what_if.SUSPENDED_BY_BREAKS else []
    wait_s = 0.0 if asked.is_referenced or kind not in what_if.SUSPENDED_BY_BREAKS else rule.witnesses.unreferenced_s
    would: list[Would] = []
    watched = 0
    for observed in found.observed.values():
        starts = what_if.seen_of(observed, found.sitting.sitting, pauses)
        would += what_if.judge(starts, kind, asked.raise_s, asked.clear_s, wait_s)
        watched += what_if.watched_ms(starts)
    return sorted(would), watched


def _command(sitting: str, kind: AlertKind, asked: Asked, rule: Rule) -> dict[str, str]:
    """The rules file and the command for the desk, to judge its own log again with all that the hub does not have."""
    lines = ["[[rules]]", f'kind = "{kind.value}"', f"raise_s = {asked.raise_s:g}", f"clear_s = {asked.clear_s:g}"]
    if kind in what_if.SUSPENDED_BY_BREAKS and rule.witnesses.unreferenced_s:
        lines += ["[rules.witnesses]", f"unreferenced_s = {rule.witnesses.unreferenced_s:g}"]
    log = f'"$STORAGE_PATH"/observations/{shlex.quote(sitting)}_*.obslog'
    return {"rules": "\n".join(lines), "line": f"ems-agent replay --rules rules.toml {log}"}
