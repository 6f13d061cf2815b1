"""Texts that both the server and the page's scripts say, in one place, so that a translation finds them whole.

`{n}` and the like are filled in; a name ending in `_one` is for exactly one.
"""

from __future__ import annotations

from agent.wire_lamp import PatternName
from hub.core import board, breaks, exam_day, room_events
from hub.web.language import tr

TEXTS: dict[str, str] = {
    "no_picture_for": "No picture for {length}",
    "no_picture": "No picture yet",
    "recording": "{n} of {m} seats recording",
    "recording_unknown": "{dash} of {m} seats recording",
    "recording_none": "No seats yet",
    "coverage": "{n} % recorded",
    "coverage_unknown": "{dash} % recorded",
    "not_hearing": "The hub's ingest is not running, nothing is heard of desks since {time}. Desks go on recording.",
    "not_hearing_broker": "The hub's broker does not answer, nothing is heard of desks since {time}. "
    "Desks go on recording.",
    "not_hearing_ever": "The hub's ingest is not running, nothing is heard of desks. Desks go on recording.",
    "unknown_since": "Not known since {time}",
    "offline_unknown": "{dash} units offline",
    "opened_by": "{name} opened it",
    "break_left": "{length} left",
    "break_over": "{length} over",
    "break_of": "{length} of {limit}",
    "choose_seat": "Choose a seat first: focus its tile with Tab and the arrow keys, or open it with Enter.",
    "no_break": "There is no break at {label} to end.",
    "undo": "Undo",
    "nothing_to_undo": "There is nothing to undo now.",
    "undone": "{said} Undo with Z.",
    "mark_seat": "Mark {time} at seat {label}",
    "mark_room": "Mark {time}, whole room",
    "strip_unknown": "Last 10 minutes: not known",
    "strip": "Last 10 minutes: {told}",
    "strip_part": "{what} {length}",
    "strip_f": "a face",
    "strip_s": "somebody, no face",
    "strip_b": "break",
    "strip_e": "nobody, as expected",
    "strip_n": "nobody",
    "strip_m": "more than one face",
    "strip_g": "not recording",
    "strip_a": "alert",
    "strip_.": "not known",
    "tiles_room": "{room}",
    "signal_asked": "Asked at {time} by {name}",
    "signal_attended": "Asked at {asked}, attended at {time}",
    "to_review_one": "1 to review, waiting {length}",
    "to_review": "{n} to review, oldest {length}",
    "to_review_none": "Nothing to review",
    "offline_one": "1 unit offline",
    "offline": "{n} units offline",
    "offline_none": "All units online",
    "faults_one": "1 fault",
    "faults": "{n} faults",
    "faults_none": "No faults",
    "exam_left": "{length} left, until {end}",
    "exam_left_last": "{length} left, until {end}, last {last}",
    "exam_last": "extra time, last {last}",
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
    "video_start": "Watch live",
    "video_stop": "Stop watching",
    "video_is_live": "Live",
    "video_behind": "picture of {time}, {age} s old",
    "video_connecting": "Asking the desk for live video",
    "video_live": "Live, {age} s old",
    "video_stale": "No picture for {length}",
    "video_offline": "The desk is offline: there is no live video. Watching goes on when it is back.",
    "video_camera": "The desk has lost its camera: there is no live video. Watching goes on when it is back.",
    "video_none": "No desk unit is assigned to this seat.",
    "video_full": "As many people watch live video as the hub serves. This is tried again by itself.",
    "video_lost": "No connection to the hub. This is tried again by itself.",
    "video_asking": "Nobody has touched this page for ten minutes, so live video was given up.",
    "video_paused": "Not watched while this page is hidden",
    "video_refused": "You are logged out, or your rights changed. Log in again to go on.",
    "video_gone": "This seat is there no more.",
    "map_moved": "Seat {label}: column {x}, row {y}.",
    "map_swapped": "Seats {label} and {other} have changed places.",
    "map_edge": "Seat {label}: no free place in that direction.",
    "map_undone": "Undone.",
    "map_unsaved_one": "1 seat moved, not saved yet",
    "map_unsaved": "{n} seats moved, not saved yet",
    "map_size_unsaved": "The size is changed, not saved yet",
    "mask_name": "Mask {n}",
    "mask_corner": "Corner {n} of mask {mask}: {x} percent from the left, {y} percent from the top",
    "mask_draw": "Click the corners on the picture, one after the other. The first corner, or Enter, closes the mask.",
    "mask_drawn": "Mask {n} is closed. Its corners can be dragged, or moved with the arrow keys.",
    "mask_few": "A mask needs at least three corners.",
    "mask_full": "A mask has no more corners than this.",
    "mask_unsaved": "Not saved yet",
    "wall_of": "{n} of {m}",
    "wall_page": "{n} of {m}",
    "wall_review": "to review",
    "wall_oldest": "to review, oldest {length}",
    "wall_next": "starts, {room}",
    "wall_no_seats": "No seats in this room",
    "wall_lost": "No connection since {time}",
    "wall_ended": "This screen is no longer let in",
    "wall_blind": "The hub cannot read its store",
}

BOARD_WORDS = (
    *board.ALERT_WORDS.values(),
    *board.FAULT_WORDS.values(),
    *(f"DRILL: {words}" for words in board.ALERT_WORDS.values()),
    *breaks.KIND_WORDS.values(),
    *breaks.OVER_WORDS.values(),
    *board.INCIDENT_WORDS.values(),
    *(counted for _, counted in room_events.WORDS.values()),
    *(name.replace("_", " ") for name in PatternName),
    exam_day.NOBODY_EXPECTED,
    exam_day.NO_SHOW,
    "Not known",
    "No desk unit",
    "Offline",
    "Never connected",
    "Not recording",
    "Low light",
    "To review",
    "Recording",
    "Waiting",
    "nothing is heard of it any more",
)
"""What a tile, the queue and the list of faults say (`hub.core.board`)."""


def text(name: str, /, **values: object) -> str:
    """The text called `name`, filled in."""
    return tr(TEXTS[name]).format(**values)


def of_page() -> dict[str, str]:
    """All of them for a page's scripts, in the reader's language, and the board's words (`say` in base.js): the board
    is encoded once for all viewers, in English."""
    return {name: tr(words) for name, words in TEXTS.items()} | {
        f"={words}": said for words in BOARD_WORDS if (said := tr(words)) != words
    }


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
