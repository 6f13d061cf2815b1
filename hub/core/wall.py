"""What a wall screen shows, taken from the board: of the rooms with a sitting, by seat label only. Pure.

Fields are named one by one: what the Live page comes to say of candidates does not reach a wall by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from hub.core.board import GONE, Board, natural

_TILE = ("id", "label", "room", "state", "words", "since_utc_ms", "is_seen")
_ALERT = ("id", "label", "room", "words", "state", "opened_utc_ms", "is_drill")


def token_sha256(token: str) -> str:
    """What is kept of a token: it has 256 bits of chance, so that no slow hash is needed."""
    return hashlib.sha256(token.encode()).hexdigest()


def rooms_of(board: Board, room: str) -> set[str]:
    """The rooms whose seats are shown: those with a sitting now, else with the next; a wall of one room shows that."""
    rooms = {sitting["room"] for sitting in board.bar.get("sittings", ()) if room in ("", sitting["room"])}
    return rooms or ({room} if room else set())


def units_of(board: Board, room: str) -> set[str]:
    """The units whose pictures may be shown there."""
    rooms = rooms_of(board, room)
    return {tile["unit"] for tile in board.tiles.values() if tile["room"] in rooms and tile["unit"]}


def view(
    board: Board, room: str, may_show_pictures: bool, per_cent: Mapping[str, float | None], now_utc_ms: int
) -> dict[str, Any]:
    """The wall as JSON values. `room` '': every room with a sitting. `per_cent`: coverage by sitting, None: unknown."""
    rooms = rooms_of(board, room)
    tiles = [tile for tile in board.tiles.values() if tile["room"] in rooms]
    tiles.sort(key=lambda tile: (natural(tile["room"]), natural(tile["label"]), tile["id"]))
    queue: Sequence[Mapping[str, Any]] = [row for row in board.queue if room in ("", row["room"])]
    waiting = [row for row in queue if row["state"] == "open" and not row["is_drill"]]
    sittings = [each for each in board.bar.get("sittings", ()) if each["room"] in rooms]
    return {
        "is_running": bool(board.bar.get("is_running")) and bool(sittings),
        "sittings": [
            {
                **{name: each[name] for name in ("exam", "room", "start_utc_ms", "end_utc_ms")},
                "per_cent": per_cent.get(each["sitting"]),
                "is_running": each["start_utc_ms"] <= now_utc_ms,
            }
            for each in sittings
        ],
        "tiles": [
            {name: tile[name] for name in _TILE} | {"unit": tile["unit"] if may_show_pictures else ""} for tile in tiles
        ],
        "alerts": [{name: row[name] for name in _ALERT} for row in queue],
        "unreviewed": len(waiting),
        "oldest_utc_ms": min((row["opened_utc_ms"] for row in waiting), default=None),
        "offline": sum(tile["presence"] in GONE for tile in tiles),
        "recording": sum(tile["is_recording"] for tile in tiles),
        "seats": sum(bool(tile["unit"]) for tile in tiles),
    }
