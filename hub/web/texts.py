"""Texts that both the server and the page's scripts say, in one place, so that a translation finds them whole.

`{n}` and the like are filled in; a name ending in `_one` is for exactly one.
"""

from __future__ import annotations

TEXTS: dict[str, str] = {
    "no_picture_for": "No picture for {length}",
    "no_picture": "No picture yet",
    "recording": "{n} of {m} seats recording",
    "recording_none": "No seats yet",
    "to_review_one": "1 to review, waiting {length}",
    "to_review": "{n} to review, oldest {length}",
    "to_review_none": "Nothing to review",
    "offline_one": "1 unit offline",
    "offline": "{n} units offline",
    "offline_none": "All units online",
    "faults_one": "1 fault",
    "faults": "{n} faults",
    "faults_none": "No faults",
    "exam_left": "{length} left",
    "exam_starts": "starts in {length}",
    "exam_more": "{exam}, {n} more",
    "exam_none": "No sitting now",
    "faces_one": "1 face",
    "faces": "{n} faces",
    "faces_unknown": "\N{EN DASH} faces",
    "seat_empty": "Nobody in view",
    "seat_somebody": "Somebody there, no face visible",
    "seat_unknown": "Cannot tell",
    "seat_empty_short": "Nobody",
    "seat_somebody_short": "Somebody",
    "seat_unknown_short": "Cannot tell",
    "fps": "{n}/s",
    "since": "since {time}",
    "seen_by": "{name} is on it",
    "still_so": "still so",
    "over": "cleared",
    "waiting": "waiting {length}",
    "seat_picture": "Newest picture of seat {label}",
    "lamp": "Lamp: {words}",
    "lamp_unknown": "Lamp not known",
    "buzzing": "{words}, buzzer on",
    "hidden_one": "1 seat hidden by the filter",
    "hidden": "{n} seats hidden by the filter",
    "lost": "No connection to the hub for {length}. What you see is from {time}; it updates again by itself.",
    "polling": "The hub serves as many live viewers as it may. This page asks every {n} s instead.",
    "store_down": "The hub cannot read its store. What you see is from {time}.",
    "logged_out": "You are logged out, or your rights changed. Log in again to go on.",
    "newest_incident": "The last one came at {time}.",
    "act_failed": "That did not reach the hub. Nothing was changed; try again.",
    "film_missing": "No film from {from} to {until}.",
    "film_end": "The film ends here.",
    "film_none": "There is no film at the hub to play here.",
    "film_failed": "The film cannot be loaded now. Choose a moment to try again.",
    "film_asked": "The desk is asked to send it before all else.",
    "wall_of": "{n} of {m}",
    "wall_page": "{n} of {m}",
    "wall_review": "to review",
    "wall_oldest": "to review, oldest {length}",
    "wall_next": "starts, {room}",
    "wall_no_seats": "No seats in this room",
    "wall_lost": "No connection since {time}",
    "wall_ended": "This screen is no longer let in",
    "wall_blind": "The hub cannot read its store",
    "overtaken_acknowledged": "{name} acknowledged this at {time}, before you.",
    "overtaken_commented": "{name} wrote a comment at {time}, while you were looking.",
    "overtaken_closed": "{name} closed this at {time}, before you.",
    "overtaken_reopened": "{name} reopened this at {time}, while you were looking.",
}


def text(name: str, /, **values: object) -> str:
    """The text called `name`, filled in."""
    return TEXTS[name].format(**values)


def counted(name: str, n: int, /, **values: object) -> str:
    """The text called `name` for a count: its `_none` or `_one` form where it has one."""
    form = f"{name}_none" if n == 0 and f"{name}_none" in TEXTS else name
    form = f"{name}_one" if n == 1 and f"{name}_one" in TEXTS else form
    return text(form, n=n, **values)


def in_view(faces: int | None, seat: str, form: str = "") -> str:
    """What a desk sees at its seat: the faces, or in words why there is none; on a tile in the form `_short`. `seat` is
    a heartbeat's; a later desk's word, unknown here, leaves the count."""
    if f"seat_{seat}_short" in TEXTS:
        return text(f"seat_{seat}{form}")
    return text("faces_unknown") if faces is None else counted("faces", faces)
