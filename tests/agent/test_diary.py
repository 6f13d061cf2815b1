"""What a sitting leaves behind: one log that judges as the desk did, and the minutes of its timeline."""

from __future__ import annotations

import msgspec

from agent.core.bodies import Maker
from agent.core.judge import Judge
from agent.core.observation import Face, Observation, Scene
from agent.core.obslog import Ended, Entry, Header, JudgeBy
from agent.core.replay import judged_again, said
from agent.diary import Diary
from agent.wire import DEFAULT_RULES, Body, Instant, Observed, PlannedSitting, Rule

MAKER = Maker(boot=7, software="0.1.0", model_sha256="ab" * 32)
MATHS = PlannedSitting(sitting="maths-1", exam="Maths", room="Hall", seat="A1", start_utc_ms=0, end_utc_ms=10**12)
PHYSICS = msgspec.structs.replace(MATHS, sitting="physics-1")


class Desk:
    """A judge with a diary, and what the diary told."""

    def __init__(self) -> None:
        self.current: PlannedSitting | None = None
        self.logs: list[tuple[str, list[Entry]]] = []
        self.is_open = False
        self.records: list[tuple[Body, Instant]] = []
        self.diary = Diary(lambda: self.current, self, lambda *told: self.records.append(told), "hall.desk-01", MAKER)
        self.up_ms = 1_000
        self.judge: Judge | None = None

    def begin(self, name: str, header: Header) -> None:
        self.logs.append((name, [header]))
        self.is_open = True

    def add(self, entry: Entry) -> None:
        assert self.is_open
        self.logs[-1][1].append(entry)

    def end(self) -> None:
        assert self.is_open
        self.is_open = False

    @property
    def now(self) -> Instant:
        return Instant(self.up_ms + 10**12, self.up_ms)

    def start(self, sitting: PlannedSitting, rules: tuple[Rule, ...] = DEFAULT_RULES) -> None:
        self.current = sitting
        self.judge = Judge(rules, first_n=1 if self.judge is None else self.judge.next_n)
        self.diary.judge_by(rules, self.judge.next_n, self.now)
        self.diary.follow(sitting)

    def show(self, seconds: int, faces: int = 0) -> None:
        assert self.judge is not None
        for _ in range(seconds * 5):
            self.up_ms += 200
            shown = tuple(Face((0.25, 0.25, 0.25, 0.25), 0.9) for _ in range(faces))
            observation = Observation(self.up_ms, self.up_ms + 10**12, shown, Scene(100.0, 30.0, False))
            self.diary.saw(observation, self.judge.step(observation))

    def stop(self, *, is_over: bool = True) -> None:
        assert self.judge is not None
        self.diary.ended(self.now, self.judge.end(self.now))
        if is_over:
            self.current = None
            self.diary.follow(None)


def test_a_sittings_log_judges_as_the_desk_did() -> None:
    """Named after the sitting and the start of the agent, closed when the sitting is over."""
    desk = Desk()
    desk.start(MATHS)
    desk.show(5, 1)
    desk.show(10, 2)
    desk.stop()
    ((name, entries),) = desk.logs
    assert name == "maths-1_000007"
    assert not desk.is_open
    assert entries[0] == Header(
        sitting="maths-1",
        software="0.1.0",
        model_sha256="ab" * 32,
        began=Instant(10**12 + 1_000, 1_000),
        unit="hall.desk-01",
        boot=7,
    )
    assert entries[-1] == Ended(now=desk.now)
    assert len(said(entries)) == 2
    assert judged_again(entries) == said(entries)


def test_changed_rules_go_on_in_the_same_log() -> None:
    """One sitting and one start is one file; the numbers of alerts run on."""
    desk = Desk()
    strict = (msgspec.structs.replace(DEFAULT_RULES[1], raise_s=1),)
    desk.start(MATHS)
    desk.show(10, 2)
    desk.stop(is_over=False)
    desk.start(MATHS, strict)
    desk.show(10, 2)
    desk.stop()
    ((_, entries),) = desk.logs
    assert [(e.rules, e.first_n) for e in entries if isinstance(e, JudgeBy)] == [(DEFAULT_RULES, 1), (strict, 2)]
    assert [change.n for change in said(entries)] == [1, 1, 2, 2]
    assert judged_again(entries) == said(entries)


def test_the_next_sitting_has_its_own_log() -> None:
    """Also when it follows at once."""
    desk = Desk()
    desk.start(MATHS)
    desk.show(1)
    desk.stop(is_over=False)
    desk.start(PHYSICS)
    desk.show(1)
    desk.stop()
    assert [name for name, _ in desk.logs] == ["maths-1_000007", "physics-1_000007"]
    assert not desk.is_open


def test_the_timeline_is_recorded_by_the_minute_and_at_the_end() -> None:
    """Each minute when it is full, as of that moment, and what is left when the sitting ends."""
    desk = Desk()
    desk.start(MATHS)
    desk.show(90, 1)
    (minute,) = [body for body, _ in desk.records]
    assert isinstance(minute, Observed)
    desk.stop()
    minute, rest = [body for body, _ in desk.records]
    assert isinstance(rest, Observed)
    assert [(span.seat, span.faces) for span in (*minute.spans, *rest.spans)] == [("face", 1)] * 2  # type: ignore[union-attr]
    assert minute.looks + rest.looks == 450  # type: ignore[union-attr]
    assert (rest.began, rest.ended) == (Instant(10**12 + 61_200, 61_200), desk.now)
    assert [now.up_ms for _, now in desk.records] == [61_200, desk.up_ms]


def test_without_a_sitting_nothing_is_kept() -> None:
    """A judge that nobody planned, or an end without a beginning."""
    desk = Desk()
    desk.diary.judge_by(DEFAULT_RULES, 1, desk.now)
    desk.diary.follow(None)
    assert (desk.logs, desk.records) == ([], [])
