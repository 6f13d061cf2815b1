"""What so few hours of film allow to be said. Pure."""

from __future__ import annotations

import math

SURENESS = 0.95


def poisson_at_most(count: int, mean: float) -> float:
    """The probability, 0..1, of `count` events or fewer when `mean` are expected."""
    if mean <= 0:
        return 1.0
    # each term through its logarithm: e to the minus mean alone underflows from 745 on
    return math.fsum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))


def upper_mean(count: int, sureness: float = SURENESS) -> float:
    """The exact one-sided upper bound of a Poisson mean of which `count` events were seen: the mean at which so few
    have a probability of only 1 - `sureness`. It is half the chi-square quantile of 2 (count + 1) degrees of freedom,
    found by bisection; for no event at 95 % it is 2.996.
    """
    if count < 0 or not 0 < sureness < 1:
        raise ValueError(f"no bound for {count} events at {sureness}")
    low, high = 0.0, count + 1.0
    while poisson_at_most(count, high) > 1 - sureness:
        low, high = high, high * 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if poisson_at_most(count, middle) > 1 - sureness:
            low = middle
        else:
            high = middle
    return high


def upper_rate(count: int, hours: float) -> float:
    """The upper bound of events an hour when `count` were seen in `hours`; infinite without hours."""
    return upper_mean(count) / hours if hours > 0 else math.inf
