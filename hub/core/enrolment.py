"""Rules of enrolment that need no store: names, claim codes, and when a request or a certificate has had its time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from agent.wire import UNIT_PATTERN

CODE_ALPHABET = "34679ACDEFGHJKMNPQRTUVWXY"
"""No two that are taken for each other on a small screen or over the telephone: 0 O, 1 I L, 2 Z, 5 S, 8 B."""
CODE_LENGTH = 8
MOST_WAITING = 200
"""Requests that wait for a person at the same time; a centre sets up its desks by rooms, not all at once."""
MOST_WAITING_OF_ONE = 40
"""Of those, from one address: a room's desks behind one, and not a stranger who fills the list."""
FORGOTTEN_AFTER_MS = 24 * 3_600_000
"""A waiting request that nobody has repeated for so long belongs to a desk that has gone."""
MOST_CERTIFICATES_A_DAY = 20
"""For one unit. A desk needs one in two months; more than this is a desk gone wrong."""
DAY_MS = 86_400_000
DEFAULT_CENTRE = "centre"


def claim_code(pick: Callable[[int], int]) -> str:
    """A new claim code, `XXXX-XXXX`; `pick(n)` answers a random number below n (`secrets.randbelow`)."""
    letters = "".join(CODE_ALPHABET[pick(len(CODE_ALPHABET))] for _ in range(CODE_LENGTH))
    return f"{letters[:4]}-{letters[4:]}"


def read_code(typed: str) -> str:
    """A claim code as a person typed it, in the form that `claim_code` gives. Raises ValueError."""
    letters = re.sub(r"[\s-]", "", typed).upper()
    if len(letters) != CODE_LENGTH or not set(letters) <= set(CODE_ALPHABET):
        never = "".join(each for each in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" if each not in CODE_ALPHABET)
        raise ValueError(
            f"{typed!r} is not a claim code: it is eight characters as the desk shows them, and none of {never}"
        )
    return f"{letters[:4]}-{letters[4:]}"


def is_unit_name(name: str) -> bool:
    """Whether a unit may be called so: CENTRE.DESK, each of small letters, digits and dashes."""
    return re.fullmatch(UNIT_PATTERN, name) is not None


def centre_of(nearest: Iterable[str], others: Iterable[str] = ()) -> str:
    """The centre's name as its units have it: what most of `nearest` (the same room's units) say, else most of
    `others`, else DEFAULT_CENTRE."""
    for units in (nearest, others):
        counted = Counter(unit.partition(".")[0] for unit in units if is_unit_name(unit))
        if counted:
            return min(counted, key=lambda centre: (-counted[centre], centre))
    return DEFAULT_CENTRE


def propose_name(centre: str, taken: Collection[str]) -> str:
    """The first free `<centre>.desk-NN`. A name is never used again: `taken` holds those of revoked units too."""
    used, number = set(taken), 1
    while f"{centre}.desk-{number:02}" in used:
        number += 1
    return f"{centre}.desk-{number:02}"


def is_due(ends_utc_ms: int, life_ms: int, now_utc_ms: int) -> bool:
    """Whether a certificate with this life should be renewed: a third of it, or less, is left."""
    return ends_utc_ms - now_utc_ms <= life_ms / 3


def is_urgent(ends_utc_ms: int, life_ms: int, now_utc_ms: int) -> bool:
    """Whether its renewal can no longer wait for a quiet hour: less than a tenth of its life is left."""
    return ends_utc_ms - now_utc_ms < life_ms / 10
