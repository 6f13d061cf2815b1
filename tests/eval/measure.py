"""From a folder of footage to the figures of the sheet: every film is looked at as a desk does, then the peers are
asked about the pictures by which the labelled seconds are judged."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import models
from agent.camera import CameraLost
from agent.core.seat import SeatState
from agent.vision import VisionProblem
from agent.vision.runtime import TfliteModel
from tests.bench.peers import PeerProblem, cpu_model, cpu_ms
from tests.eval import figures
from tests.eval.detectors import Peer, PeerLooks, Reference, asked
from tests.eval.footage import Item
from tests.eval.looks import FPS, Look, Taken, VisionLike, learned, look_through, pictures_of
from tests.eval.quality import Basis, Missing, Quality
from tests.eval.scoring import NEAREST_S
from tests.eval.seats import read_moving, read_notes, true_states
from tests.eval.variants import Grid, Variant

LESSON_S = 1
"""So many empty seconds of a film, its first, serve as the reference of its empty seat; they are not scored then."""


class CannotMeasure(Exception):
    """Some film or picture could not be looked at; `lines` has one line for each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


@dataclass
class Looked:
    """All that was seen, by item: by the desk, by the desk that had a reference of the empty seat (`taught`, without
    the seconds in `lessons`), by each variant and by each value of each grid."""

    desk: dict[str, list[Look]] = field(default_factory=dict)
    taught: dict[str, list[Look]] = field(default_factory=dict)
    lessons: dict[str, frozenset[float]] = field(default_factory=dict)
    variants: dict[str, dict[str, list[Look]]] = field(default_factory=dict)
    grids: dict[str, dict[str, dict[str, list[Look]]]] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)


class Measurement:
    """One run over the footage: `look` first, then `ask`, then `quality`."""

    def __init__(
        self,
        items: Sequence[Item],
        desk: VisionLike,
        variants: Sequence[Variant] = (),
        grids: Sequence[Grid] = (),
        rounds: int = 2,
    ) -> None:
        """`rounds`: how often each film is looked at, so that what else runs on the machine is not measured."""
        self.items = tuple(items)
        self.states = {item.stem: true_states(item, read_notes(), read_moving()) for item in items}
        self.looked = Looked()
        self.peers: list[PeerLooks] = []
        self.missing: list[Missing] = []
        self._desk, self._rounds = desk, rounds
        self._cpu = cpu_model()  # now, for whoever measures may bind this process to one core
        self._variants = [(variant.name, variant.open()) for variant in variants]
        self._grids = [(grid, {value: make() for value, make in grid.values.items()}) for grid in grids]

    def look(self, say: Callable[[str], None] = lambda now: None) -> None:
        """Look at every item, calling `say` with its name before each. Raises CannotMeasure after the last one."""
        problems = []
        for item in self.items:
            say(item.stem)
            try:
                self._look_at(item, pictures_of(item))
            except (CameraLost, VisionProblem) as error:
                problems.append(str(error) if item.path.name in str(error) else f"{item.path.name}: {error}")
        if problems:
            raise CannotMeasure(problems)

    def _look_at(self, item: Item, pictures: list[Taken]) -> None:
        seen = self.looked
        seen.desk[item.stem] = look_through(self._desk, pictures, self._rounds)
        self._teach(item, pictures)
        for name, vision in self._variants:
            seen.variants.setdefault(name, {})[item.stem] = look_through(vision, pictures, self._rounds)
        for grid, visions in self._grids:
            for value, vision in visions.items():
                by_item = seen.grids.setdefault(grid.name, {}).setdefault(value, {})
                by_item[item.stem] = look_through(vision, pictures)
        for second in item.seconds:
            taken = min(pictures, key=lambda one: abs(one.second - second.t))
            if not item.is_film or abs(taken.second - second.t) <= NEAREST_S:
                is_attended = second.count > 0 if item.is_film and not second.is_unsure else None
                seen.references.append(Reference(item.stem, second.t, taken.rgb, is_attended))

    def _teach(self, item: Item, pictures: list[Taken]) -> None:
        empty = [second.t for second, state in self.states[item.stem] if state is SeatState.EMPTY][:LESSON_S]
        if not item.is_film or not empty:
            return
        shown = [taken for taken in pictures if any(abs(taken.second - t) <= NEAREST_S for t in empty)]
        lesson = learned(self._desk, shown)
        if lesson is not None:
            self.looked.taught[item.stem] = look_through(self._desk, pictures, lesson=lesson)
            self.looked.lessons[item.stem] = frozenset(empty)

    def ask(self, peer: Peer) -> None:
        """Ask one peer about the pictures of the labelled seconds; one that cannot be had is kept as missing."""
        try:
            self.peers.append(asked(peer, self.looked.references, self._rounds))
        except PeerProblem as error:
            self.missing.append(Missing(peer.name, str(error)))

    def quality(self) -> Quality:
        """The figures of all that was seen."""
        seen, items = self.looked, self.items
        invoke_ms = _invoke_ms(seen)
        return Quality(
            basis=self._basis(),
            faces=(
                figures.of_desk("the desk", items, seen.desk),
                *(figures.of_peer(peer, items) for peer in self.peers),
            ),
            missing=tuple(self.missing),
            seat=figures.seat_tables(items, self.states, seen.desk, seen.taught, seen.lessons),
            seat_runs=figures.seat_runs(items, self.states, seen.desk, seen.taught),
            kinds=figures.kinds(items, self.states, seen.desk),
            scene=figures.scene(items, seen.desk),
            cost=figures.costs(items, seen.desk, invoke_ms),
            invoke_ms=invoke_ms,
            steps=tuple(figures.step(name, items, looks) for name, looks in seen.variants.items()),
            choices=tuple(
                figures.choice(grid.name, grid.used, items, seen.grids[grid.name]) for grid, _ in self._grids
            ),
        )

    def predictions(self) -> dict[str, list[dict[str, object]]]:
        """What the desk saw of the faces, item -> samples with `t` and the faces' scores."""
        return {
            stem: [{"t": look.second, "faces": [{"score": f.score} for f in look.observation.faces]} for look in looks]
            for stem, looks in self.looked.desk.items()
        }

    def _basis(self) -> Basis:
        def count(is_film: bool, is_of_seat: bool) -> int:
            return sum(item.is_film is is_film and item.is_of_seat is is_of_seat for item in self.items)

        return Basis(
            version=version("exam-monitoring-system"),
            cpu=self._cpu,
            python=platform.python_version(),
            films=count(True, False),
            pictures=count(False, False),
            seat_films=count(True, True),
            seat_pictures=count(False, True),
            film_s=sum(item.duration_s for item in self.items),
            looks_a_second=FPS,
            rounds=self._rounds,
        )


def _invoke_ms(seen: Looked) -> dict[str, float]:
    """CPU milliseconds of the bare inference of each model that was run, by its name in the manifest."""
    ran = {file for looks in seen.desk.values() for look in looks for file in look.runs}
    entries = [entry for entry in models.load_manifest().files if entry.file in ran]
    works = []
    for entry in entries:
        model = TfliteModel(models.checked(entry.name), entry.input_shape, tuple(entry.outputs.values()))
        model.run()
        works.append(lambda _, model=model: model.invoke())
    return dict(zip((entry.name for entry in entries), cpu_ms(works, range(20), 5), strict=True))
