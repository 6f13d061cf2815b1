"""Seats made by a pattern: rows and columns, labelled in the centre's own scheme, laid onto a room's map. Pure."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import NamedTuple

from hub.core.room_map import MOST_COLUMNS, MOST_ROWS, Cell, Layout, Row, layout

MOST_SEATS = 600
"""Of one room: what a page with a field for each can still send."""
MOST_PREFIX = 40
MOST_DIGITS = 6
MOST_START = 100_000


class Scheme(enum.StrEnum):
    """How seats are called."""

    ROW_LETTER = "row_letter"
    COLUMN_LETTER = "column_letter"
    NUMBER = "number"


class Order(enum.StrEnum):
    """Which way a row is counted. TURNING: the first from the left, the next from the right, and so on."""

    LEFT = "left"
    RIGHT = "right"
    TURNING = "turning"


SCHEME_WORDS = {
    Scheme.ROW_LETTER: "A letter for the row, then a number: A1, A2 ... B1, B2",
    Scheme.COLUMN_LETTER: "A letter for the column, then a number: A1, B1 ... A2, B2",
    Scheme.NUMBER: "One running number: 1, 2, 3",
}
ORDER_WORDS = {
    Order.LEFT: "From left to right",
    Order.RIGHT: "From right to left",
    Order.TURNING: "Turning: one row from the left, the next from the right",
}


class BadPattern(Exception):
    """The pattern makes no seats; `field` is the one of `Pattern` to look at, the text says why."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class Pattern(NamedTuple):
    """`start` is the first number, written with at least `digits` digits; `prefix` stands before all else."""

    columns: int
    rows: int
    scheme: Scheme = Scheme.ROW_LETTER
    prefix: str = ""
    start: int = 1
    digits: int = 1
    order: Order = Order.LEFT


class Proposal(NamedTuple):
    """What a pattern would do to a room: nothing to the seats in `kept`, which are there already and placed."""

    added: list[tuple[str, Cell]]
    placed: list[tuple[int, str, Cell]]
    """Seats that are there and have no cell yet: (seat_id, label, cell)."""
    kept: list[str]
    columns: int
    rows: int


def checked(pattern: Pattern) -> Pattern:
    """The pattern itself. Raises BadPattern."""
    bounds = (
        ("columns", 1, MOST_COLUMNS),
        ("rows", 1, MOST_ROWS),
        ("start", 0, MOST_START),
        ("digits", 1, MOST_DIGITS),
    )
    for field, least, most in bounds:
        if not least <= getattr(pattern, field) <= most:
            raise BadPattern(field, f"between {least} and {most}")
    if len(pattern.prefix) > MOST_PREFIX or not pattern.prefix.isprintable():
        raise BadPattern("prefix", f"at most {MOST_PREFIX} visible characters")
    if pattern.columns * pattern.rows > MOST_SEATS:
        raise BadPattern("rows", f"a room has at most {MOST_SEATS} seats: choose fewer rows or columns")
    return pattern


def labels(pattern: Pattern) -> list[tuple[str, Cell]]:
    """Each seat's label and its cell within the block, row by row in the order of counting. Raises BadPattern."""
    checked(pattern)
    found = []
    for y in range(pattern.rows):
        is_back = pattern.order is Order.RIGHT or (pattern.order is Order.TURNING and y % 2 == 1)
        for place in range(pattern.columns):
            x = pattern.columns - 1 - place if is_back else place
            found.append((_label(pattern, place, y), (x, y)))
    return found


def _label(pattern: Pattern, place: int, y: int) -> str:
    match pattern.scheme:
        case Scheme.ROW_LETTER:
            letters, number = _letters(y), place
        case Scheme.COLUMN_LETTER:
            letters, number = _letters(place), y
        case Scheme.NUMBER:
            letters, number = "", y * pattern.columns + place
    return f"{pattern.prefix}{letters}{pattern.start + number:0{pattern.digits}}"


def _letters(index: int) -> str:
    """A to Z, AA, AB and so on, as columns of a spreadsheet."""
    found = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        found = chr(ord("A") + rest) + found
    return found


def propose(pattern: Pattern, seats: Sequence[Row], reserved: Sequence[str] = ()) -> Proposal:
    """What the pattern adds to a room with these seats (rows as `layout` takes them). A label that is there stays as it
    is; one without a cell gets the pattern's. The block lies at the top left where all its new cells are free there,
    else below everything. `reserved`: labels that nobody may have. Raises BadPattern."""
    known = {seat["label"]: seat for seat in seats}
    placed = [seat for seat in seats if seat["map_x"] is not None and seat["map_y"] is not None]
    there = {seat["label"] for seat in placed}
    taken = {(seat["map_x"], seat["map_y"]) for seat in placed}
    wanted = labels(pattern)
    new = [(label, cell) for label, cell in wanted if label not in there]
    lost = sorted({label for label, _ in new} & set(reserved))
    if lost:
        raise BadPattern("prefix", f"{lost[0]} was the label of another seat here, whose recordings carry it")
    if len(known) + sum(label not in known for label, _ in new) > MOST_SEATS:
        raise BadPattern("rows", f"a room has at most {MOST_SEATS} seats: choose fewer rows or columns")
    below = max((y + 1 for _, y in taken), default=0) if any(cell in taken for _, cell in new) else 0
    if new and below + pattern.rows > MOST_ROWS:
        raise BadPattern("rows", f"the map would have more than {MOST_ROWS} rows: choose fewer")
    moved = [(label, (x, y + below)) for label, (x, y) in new]
    whole = layout(placed)
    return Proposal(
        added=[(label, cell) for label, cell in moved if label not in known],
        placed=[(known[label]["seat_id"], label, cell) for label, cell in moved if label in known],
        kept=[label for label, _ in wanted if label in there],
        columns=max([whole.columns, *(x + 1 for _, (x, _) in moved)]),
        rows=max([whole.rows, *(y + 1 for _, (_, y) in moved)]),
    )


def preview(proposal: Proposal, seats: Sequence[Row]) -> Layout:
    """The map as it would be; new seats are numbered -1, -2 and so on in the order of `added`."""
    moved = {seat_id: cell for seat_id, _, cell in proposal.placed}
    rows = [
        {**seat, "map_x": moved[seat["seat_id"]][0], "map_y": moved[seat["seat_id"]][1]}
        if seat["seat_id"] in moved
        else seat
        for seat in seats
    ]
    rows += [
        {"seat_id": -number, "label": label, "map_x": x, "map_y": y}
        for number, (label, (x, y)) in enumerate(proposal.added, 1)
    ]
    return layout(rows, proposal.columns, proposal.rows)
