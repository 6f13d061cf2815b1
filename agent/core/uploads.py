"""Which film goes to the hub next, how fast, and when to try again. Pure: values in, values out, `up_ms` of the caller.

Urgent film goes at once, in the middle of a sitting too, and as fast as it can: what somebody at the hub waits for,
and what belongs to an incident, from half a minute before its alert began until a quarter of a minute after it cleared.
All other film waits until no sitting is on. One desk cannot know whether the network is idle: sixty of them share it
with each other's alerts, so an idle link is one between sittings. Only a card that gets full is a reason to send it
earlier, and throttled it is at all times.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from agent.wire import END_OF_TIME_MS, Instant, Stretch

BEFORE_MS, AFTER_MS = 30_000, 15_000
"""What belongs to an incident, around the time from `began` to `cleared`."""
WRONG_AT_MOST = 3
"""So often the hub may say that what came is not what the record says; then the film stays where it is for this run."""
MISSING_MS = 15_000
"""Until a film is offered again whose record the hub did not know: its receipt crossed a restart."""
LEAST_PIECE_BYTES = 32_768
SLOW_PIECE_MS, QUICK_PIECE_MS = 2_000, 500


class Film(NamedTuple):
    """A closed segment that the hub has not confirmed; `boot` and `seq` name its record."""

    boot: int
    seq: int
    name: str
    sitting: str
    began: Instant
    ended: Instant
    size_bytes: int
    sha256: str

    @property
    def key(self) -> tuple[int, int]:
        return self.boot, self.seq


class Trouble(NamedTuple):
    """An alert as its newest record tells it; `cleared` None while it lasts. `boot`: of that record."""

    sitting: str
    began: Instant
    cleared: Instant | None
    boot: int


class _Stretches:
    """When incidents were, on one clock, in milliseconds; those that touch are one: a flapping alert has hundreds."""

    def __init__(self, spans: Iterable[tuple[int, int]]) -> None:
        self._begins: list[int] = []
        self._ends: list[int] = []
        for begin, end in sorted(spans):
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(end, self._ends[-1])
            else:
                self._begins.append(begin)
                self._ends.append(end)

    def touch(self, begin: int, end: int) -> bool:
        found = bisect_right(self._begins, end) - 1
        return found >= 0 and self._ends[found] >= begin


class _Incidents:
    """Film of incidents is told by the wall clock, and within one run of the agent by the boot time too: a clock that
    was set in between is no reason to miss it."""

    def __init__(self, troubles: Iterable[Trouble]) -> None:
        spans: dict[tuple[str, int | None], list[tuple[int, int]]] = {}
        for each in troubles:
            for clock, boot in ((0, None), (1, each.boot)):
                end = END_OF_TIME_MS if each.cleared is None else each.cleared[clock] + AFTER_MS
                spans.setdefault((each.sitting, boot), []).append((each.began[clock] - BEFORE_MS, end))
        self._stretches = {key: _Stretches(found) for key, found in spans.items()}
        self._none = _Stretches(())

    def show(self, film: Film) -> bool:
        return any(
            self._stretches.get((film.sitting, boot), self._none).touch(film.began[clock], film.ended[clock])
            for clock, boot in ((0, None), (1, film.boot))
        )


def is_wanted(film: Film, wanted: Iterable[Stretch]) -> bool:
    """Whether somebody at the hub waits for it."""
    return any(
        each.sitting == film.sitting and film.ended.utc_ms > each.from_utc_ms and film.began.utc_ms < each.until_utc_ms
        for each in wanted
    )


class Row(NamedTuple):
    """What there is to send, in its order."""

    urgent: list[Film]
    rest: list[Film]

    def drop(self, film: Film) -> None:
        """It need not be sent any more."""
        for films in self:
            if film in films:
                films.remove(film)


def in_order(films: Sequence[Film], wanted: Collection[Stretch], troubles: Collection[Trouble], sitting: str) -> Row:
    """Urgent film: what is waited for, then incidents of the sitting that is on, then older ones. The rest: the oldest
    sitting first, as its first segment here tells. Each in the order in which it was recorded."""
    first: dict[str, tuple[int, int]] = {}
    for film in films:
        first[film.sitting] = min(first.get(film.sitting, film.key), film.key)
    incidents = _Incidents(troubles)
    urgent: list[tuple[int, Film]] = []
    rest = []
    for film in films:
        if is_wanted(film, wanted):
            urgent.append((0, film))
        elif incidents.show(film):
            urgent.append((1 if film.sitting == sitting else 2, film))
        else:
            rest.append(film)
    urgent.sort(key=lambda each: (each[0], first[each[1].sitting], each[1].key))
    rest.sort(key=lambda film: (first[film.sitting], film.key))
    return Row([film for _, film in urgent], rest)


class Chosen(NamedTuple):
    film: Film
    is_urgent: bool


class Patience:
    """What is not to be offered now, or not any more in this run."""

    def __init__(self) -> None:
        self._later: dict[str, int] = {}
        self._wrong: dict[str, int] = {}
        self.given_up: dict[str, str] = {}
        """Why, by the film's name."""

    def may_offer(self, film: Film, up_ms: int) -> bool:
        return film.name not in self.given_up and up_ms >= self._later.get(film.name, 0)

    def postpone(self, film: Film, up_ms: int, for_ms: int = MISSING_MS) -> None:
        self._later[film.name] = up_ms + for_ms

    def give_up(self, film: Film, why: str) -> None:
        self.given_up[film.name] = why

    def count_wrong(self, film: Film) -> bool:
        """The hub dropped what came; whether to begin anew."""
        self._wrong[film.name] = self._wrong.get(film.name, 0) + 1
        return self._wrong[film.name] < WRONG_AT_MOST

    def forget(self, film: Film) -> None:
        """It is the hub's."""
        for kept in (self._later, self._wrong, self.given_up):
            kept.pop(film.name, None)


def choose(
    row: Row, patience: Patience, without_receipt: Collection[tuple[int, int]], up_ms: int, *, may_send_rest: bool
) -> Chosen | None:
    """The film to send now; None for none. Never one whose record has no receipt: the hub would not know it."""
    for films, is_urgent in ((row.urgent, True), (row.rest if may_send_rest else (), False)):
        for film in films:
            if film.key not in without_receipt and patience.may_offer(film, up_ms):
                return Chosen(film, is_urgent)
    return None


class Throttle:
    """At most so many bytes a second, a second's worth at once."""

    def __init__(self, bytes_per_s: int) -> None:
        self.bytes_per_s = bytes_per_s
        self._owed_bytes = 0.0
        self._at_up_ms = 0

    def spend(self, size_bytes: int, up_ms: int) -> None:
        self._pay(up_ms)
        self._owed_bytes += size_bytes

    def wait_ms(self, up_ms: int) -> int:
        """How long nothing more may be sent."""
        self._pay(up_ms)
        return max(0, round((self._owed_bytes - self.bytes_per_s) * 1000 / self.bytes_per_s)) if self.bytes_per_s else 0

    def _pay(self, up_ms: int) -> None:
        self._owed_bytes = max(0.0, self._owed_bytes - (up_ms - self._at_up_ms) * self.bytes_per_s / 1000)
        self._at_up_ms = up_ms


class PieceSize:
    """How many bytes to send at once: a second's worth of this link, so that urgent film never waits long behind a
    piece, and a link that breaks costs little."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = most_bytes // 4

    def of(self, film: Film, offset: int, bytes_per_s: int) -> int:
        """The size of the film's next piece; `bytes_per_s` is the throttle, 0 for none."""
        allowed = max(LEAST_PIECE_BYTES, bytes_per_s) if bytes_per_s else self._most_bytes
        return min(self._bytes, allowed, film.size_bytes - offset)

    def sent(self, took_ms: int) -> None:
        if took_ms > SLOW_PIECE_MS:
            self.failed()
        elif took_ms < QUICK_PIECE_MS:
            self._bytes = min(self._most_bytes, self._bytes * 2)

    def failed(self) -> None:
        self._bytes = max(LEAST_PIECE_BYTES, self._bytes // 2)


class Backoff:
    """How long to leave the door alone after it refused or did not answer: longer each time, until it takes something.
    The caller adds the jitter."""

    OF_CODE: Mapping[str, tuple[int, int]] = {
        "wrong_offset": (100, 10_000),
        "too_many": (1_000, 4_000),
        "hub_full": (30_000, 300_000),
        "revoked": (300_000, 600_000),
        "not_enrolled": (300_000, 600_000),
    }
    OTHERS = (2_000, 60_000)

    def __init__(self) -> None:
        self._times = 0
        self._code = ""

    def next_ms(self, code: str) -> int:
        self._times = self._times + 1 if code == self._code else 0
        self._code = code
        first, longest = self.OF_CODE.get(code, self.OTHERS)
        return int(min(longest, first * 2 ** min(self._times, 10)))

    def reset(self) -> None:
        self._times, self._code = 0, ""


class Pace:
    """How fast the hub has taken film in the last ten seconds."""

    WINDOW_MS = 10_000

    def __init__(self) -> None:
        self._taken: list[tuple[int, int]] = []

    def add(self, size_bytes: int, up_ms: int) -> None:
        self._taken = [each for each in self._taken if up_ms - each[0] <= self.WINDOW_MS] + [(up_ms, size_bytes)]

    def bytes_per_s(self, up_ms: int) -> float | None:
        """None while none is sent."""
        taken = [size for at, size in self._taken if up_ms - at <= self.WINDOW_MS]
        return sum(taken) / (self.WINDOW_MS / 1000) if taken else None
