"""From what was seen to the figures of the sheet. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

import models
from agent.core.judge import CONDITIONS
from agent.core.observation import Scene
from agent.wire import DEFAULT_RULES, Rule
from tests.eval import alerts
from tests.eval.choosing import leave_one_out
from tests.eval.detectors import PeerLooks
from tests.eval.footage import Item, Second
from tests.eval.looks import Look
from tests.eval.quality import (
    Choice,
    Cost,
    Faces,
    FalseAlert,
    KindRun,
    SceneRow,
    SeatRun,
    SeatStretch,
    SeatTable,
    Step,
)
from tests.eval.scoring import LEAST_SCORE, NEAREST_S, Seen, Tally, score, total
from tests.eval.seats import WITNESSES, confusion, said_state

Looks = Mapping[str, Sequence[Look]]
States = Mapping[str, alerts.Instants]

PICTURES = "pictures"
"""The row of `Faces.items` that stands for all pictures of the main set."""
LIGHT = ("low light", "backlight", "any other light")
DISTANCE = ("below 10 %", "10 to 15 %", "above 15 %")
"""Height of the largest face, as a share of the frame's."""
OCCLUSION: dict[str, frozenset[str]] = {
    "hand at or before the face": frozenset({"occlusion-hand", "hands"}),
    "profile": frozenset({"profile"}),
    "glasses": frozenset({"glasses"}),
    "beard": frozenset({"beard"}),
    "dark skin": frozenset({"dark-skin"}),
    "backs of heads": frozenset({"back-of-head"}),
    "two or more faces": frozenset({"multi", "two-faces", "second-person-enters"}),
}
"""Films by their tags."""


def groups_of(item: Item, second: Second) -> Iterator[str]:
    """The names of all groups that a labelled second belongs to. Pictures carry no tags: of them only the distance."""
    if item.is_film:
        dark, backlit, other = LIGHT
        yield dark if "low-light" in item.tags else backlit if "backlight" in item.tags else other
        yield from (name for name, tags in OCCLUSION.items() if tags & item.tags)
    if second.count > 0 and second.boxes:
        share = max(box[3] for box in second.boxes) / item.height
        yield DISTANCE[(share >= 0.10) + (share > 0.15)]


def seen_by_desk(looks: Sequence[Look]) -> list[Seen]:
    """How many faces the desk saw at each look."""
    return [Seen(look.second, sum(f.score >= LEAST_SCORE for f in look.observation.faces)) for look in looks]


def faces_of(name: str, items: Iterable[Item], seen: Mapping[str, Sequence[Seen]]) -> Faces:
    """All that is counted of one detector's faces, without its cost."""
    films, pictures, seat, groups, by_item = Tally(), Tally(), Tally(), dict[str, Tally](), dict[str, Tally]()
    for item in items:
        looks = seen.get(item.stem, ())
        tally = score(item, looks)
        if item.is_of_seat:
            seat += tally
            continue
        films, pictures = (films + tally, pictures) if item.is_film else (films, pictures + tally)
        row = item.stem if item.is_film else PICTURES
        by_item[row] = by_item.get(row, Tally()) + tally
        for second in item.seconds:
            for group in groups_of(item, second):
                groups[group] = groups.get(group, Tally()) + score(item, looks, [second])
    return Faces(name, films, pictures, seat, groups, by_item)


def of_desk(name: str, items: Sequence[Item], looks: Looks) -> Faces:
    """The desk's row."""
    attended, unattended = (_mean_ms(looks_while(items, looks, wanted)) for wanted in (True, False))
    faces = faces_of(name, items, {stem: seen_by_desk(each) for stem, each in looks.items()})
    return _with_cost(faces, attended, unattended)


def of_peer(peer: PeerLooks, items: Sequence[Item]) -> Faces:
    """A peer's row. Of a set of which it saw nothing at all nothing is told: its predictions are for the other one."""
    known = [
        item
        for item in items
        if any(other.stem in peer.looks for other in items if other.is_of_seat is item.is_of_seat)
    ]
    return _with_cost(faces_of(peer.name, known, peer.looks), peer.attended_ms, peer.unattended_ms)


def _with_cost(faces: Faces, attended_ms: float | None, unattended_ms: float | None) -> Faces:
    return msgspec.structs.replace(faces, attended_ms=attended_ms, unattended_ms=unattended_ms)


def looks_while(items: Iterable[Item], looks: Looks, is_attended: bool) -> list[Look]:
    """The desk's looks at film during the sure seconds with, or without, a face."""
    found = []
    for item in items:
        sure = {int(s.t) for s in item.seconds if not s.is_unsure and (s.count > 0) is is_attended}
        found += [look for look in looks.get(item.stem, ()) if item.is_film and int(look.second) in sure]
    return found


def _mean_ms(looks: Sequence[Look]) -> float | None:
    return sum(look.cpu_ms for look in looks) / len(looks) if looks else None


def at(second: float, looks: Sequence[Look], is_film: bool) -> Look | None:
    """The look that speaks for a labelled second."""
    found = min(looks, key=lambda look: abs(look.second - second), default=None)
    is_near = found is not None and (not is_film or abs(found.second - second) <= NEAREST_S)
    return found if is_near else None


def seat_tables(
    items: Sequence[Item], states: States, plain: Looks, taught: Looks, lessons: Mapping[str, frozenset[float]]
) -> tuple[SeatTable, ...]:
    """What was said of the seat: films without a reference, those that show their own empty seat with it as the
    reference and the same ones without, and pictures."""
    films = [item for item in items if item.is_film]
    own = [item for item in films if item.stem in taught]
    sets: list[tuple[str, list[Item], Looks, Mapping[str, frozenset[float]]]] = [
        ("films, no reference of the empty seat", films, plain, {}),
        ("films that show their empty seat: no reference", own, plain, lessons),
        ("the same films, with their first empty second as the reference", own, taught, lessons),
        ("single pictures", [item for item in items if not item.is_film], plain, {}),
    ]
    return tuple(SeatTable(title, _by_witness(some, states, looks, left)) for title, some, looks, left in sets if some)


def _by_witness(
    items: Sequence[Item], states: States, looks: Looks, lessons: Mapping[str, frozenset[float]]
) -> dict[str, dict[str, dict[str, int]]]:
    rule = alerts.seat_rule()
    told = []
    for item in items:
        for second, state in states[item.stem]:
            look = at(second.t, looks[item.stem], item.is_film)
            if state is not None and look is not None and second.t not in lessons.get(item.stem, ()):
                told.append((state, look.observation))
    return {
        witness: confusion((state, said_state(observation, rule, witness)) for state, observation in told)
        for witness in WITNESSES
    }


def seat_runs(items: Sequence[Item], states: States, plain: Looks, taught: Looks) -> tuple[SeatRun, ...]:
    """The seat's rules at the scored dwell, without any reference and, where a film shows its empty seat, with it."""
    films = [item for item in items if item.is_film]
    own = [item for item in films if item.stem in taught]
    runs = [_seat_run("no reference of the empty seat", films, states, plain)]
    return (
        (*runs, _seat_run("with the film's first empty second as the reference", own, states, taught))
        if own
        else (*runs,)
    )


def _seat_run(title: str, films: Sequence[Item], states: States, looks: Looks) -> SeatRun:
    rules = alerts.scored_rules()
    due: list[SeatStretch] = []
    wrong: list[FalseAlert] = []
    for film in films:
        instants = states[film.stem]
        raised = alerts.judged((look.observation for look in looks[film.stem]), rules)
        false = _false(raised, instants, rules)
        for rule in (rule for rule in rules if rule.kind in CONDITIONS):
            for stretch in alerts.due(alerts.stretches(rule.kind, instants, film.duration_s), rule.raise_s):
                after_s = alerts.raised_for(stretch, rule.kind, raised, false)
                due.append(SeatStretch(film.stem, str(rule.kind), stretch.begin_s, stretch.end_s, after_s))
        wrong += _named(film, false)
    unjudged = tuple(str(rule.kind) for rule in rules if rule.kind not in CONDITIONS)
    return SeatRun(title, len(films), alerts.SCORED_DWELL_S, unjudged, tuple(due), tuple(wrong))


def _false(raised: Iterable[alerts.Raised], instants: alerts.Instants, rules: Iterable[Rule]) -> list[alerts.Raised]:
    clear_s = {rule.kind: rule.clear_s for rule in rules}
    return [alert for alert in raised if alerts.is_false(alert, instants, clear_s[alert.kind])]


def _named(film: Item, false: Iterable[alerts.Raised]) -> list[FalseAlert]:
    return [FalseAlert(film.stem, str(a.kind), a.began_s, a.raised_s, a.cleared_s) for a in false]


def kinds(items: Sequence[Item], states: States, looks: Looks) -> tuple[KindRun, ...]:
    """Every kind that is judged, by its default rule over all films, without a reference of the empty seat."""
    rules = tuple(rule for rule in DEFAULT_RULES if rule.is_on and rule.kind in CONDITIONS)
    films = [item for item in items if item.is_film]
    raised = {film.stem: alerts.judged((look.observation for look in looks[film.stem]), rules) for film in films}
    rows = []
    for rule in rules:
        mine = {film: [a for a in raised[film.stem] if a.kind is rule.kind] for film in films}
        wrong = [false for film, own in mine.items() for false in _named(film, _false(own, states[film.stem], rules))]
        unknown = sum(not alerts.is_known(alert, states[film.stem]) for film, own in mine.items() for alert in own)
        untrue_s = sum(alerts.untrue_seconds(rule.kind, states[film.stem]) for film in films)
        count = sum(map(len, mine.values()))
        rows.append(KindRun(str(rule.kind), count, unknown, tuple(wrong), float(untrue_s)))
    return tuple(rows)


def scene(items: Sequence[Item], looks: Looks) -> tuple[SceneRow, ...]:
    """Covered, frozen and low light against truth, second by second. Stills cannot be frozen and have no tags."""

    def row(
        what: str, only_films: bool, true: Callable[[Item, Second], bool], said: Callable[[Scene], bool]
    ) -> SceneRow:
        pairs = [
            (true(item, second), said(look.observation.scene))
            for item in items
            if item.is_film or not only_films
            for second in item.seconds
            if (look := at(second.t, looks[item.stem], item.is_film)) is not None
        ]
        counted = Counter(pairs)
        yes, no = counted[True, True], counted[False, True]
        return SceneRow(what, yes + counted[True, False], yes, no + counted[False, False], no)

    return (
        row("covered", False, lambda _, second: second.covered is not None, lambda scene: scene.is_covered),
        row("frozen", True, lambda _, second: second.frozen, lambda scene: bool(scene.is_frozen)),
        row("low light", True, lambda item, _: "low-light" in item.tags, lambda scene: scene.is_low_light),
    )


def costs(items: Sequence[Item], looks: Looks, invoke_ms: Mapping[str, float]) -> tuple[Cost, ...]:
    """The desk's CPU a look with and without a face, beside the bare invoke of the models it ran."""
    by_file = {entry.file: entry.name for entry in models.load_manifest().files}
    rows = []
    for title, is_attended in (("with a face", True), ("without a face", False)):
        some = looks_while(items, looks, is_attended)
        runs = Counter[str]()
        for look in some:
            runs.update({by_file[file]: count for file, count in look.runs.items()})
        if some:
            bare_ms = sum(count * invoke_ms[name] for name, count in runs.items()) / len(some)
            each = {name: count / len(some) for name, count in runs.most_common()}
            rows.append(Cost(title, len(some), _mean_ms(some) or 0.0, bare_ms, each))
    return tuple(rows)


def step(name: str, items: Sequence[Item], looks: Looks) -> Step:
    """One variant of vision."""
    whole = of_desk(name, items, looks)
    return Step(name, whole.films + whole.pictures, whole.attended_ms or 0.0)


def choice(name: str, used: str, items: Sequence[Item], looks: Mapping[str, Looks]) -> Choice:
    """One parameter, chosen for each film or picture of the main set on all the others."""
    scores = {}
    for value, by_item in looks.items():
        tallies = {i.stem: score(i, seen_by_desk(by_item[i.stem])) for i in items if not i.is_of_seat}
        scores[value] = {stem: (tally.right, tally.seconds) for stem, tally in tallies.items()}
    found = leave_one_out(scores)
    return Choice(name, found.right, found.of, found.best, found.chosen, used)


def everything(faces: Faces) -> Tally:
    """Films and pictures of the main set together."""
    return total((faces.films, faces.pictures))
