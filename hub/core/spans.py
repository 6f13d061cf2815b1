"""Stretches of time as values: sorted, disjoint half-open pairs (from, until) of integers, in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[int, int]


def union(spans: Iterable[Span], *, closing_ms: int = 0) -> list[Span]:
    """All of them put together; two that are less than `closing_ms` apart become one. Empty ones vanish."""
    joined: list[Span] = []
    for begin, end in sorted(span for span in spans if span[1] > span[0]):
        if joined and begin - joined[-1][1] < max(closing_ms, 1):
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def within(spans: Sequence[Span], bounds: Sequence[Span]) -> list[Span]:
    """What of `spans` lies in `bounds`; both sorted and disjoint."""
    found: list[Span] = []
    here = there = 0
    while here < len(spans) and there < len(bounds):
        begin = max(spans[here][0], bounds[there][0])
        end = min(spans[here][1], bounds[there][1])
        if begin < end:
            found.append((begin, end))
        if spans[here][1] < bounds[there][1]:
            here += 1
        else:
            there += 1
    return found


def without(spans: Sequence[Span], taken: Sequence[Span]) -> list[Span]:
    """What is left of `spans` when `taken` is cut out; both sorted and disjoint."""
    if not spans:
        return []
    low, high = spans[0][0], spans[-1][1]
    left: list[Span] = []
    place = low
    for begin, end in taken:
        if begin > place:
            left.append((place, min(begin, high)))
        place = max(place, end)
        if place >= high:
            break
    if place < high:
        left.append((place, high))
    return within(spans, left)


def length_ms(spans: Iterable[Span]) -> int:
    return sum(end - begin for begin, end in spans)
