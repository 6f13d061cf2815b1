"""The Wall: a page without controls for a screen in the control room, and what keeps it live. Let in by its own cookie
alone (`hub.web.wall_screen`); no person's log-in opens it, and its cookie opens nothing else."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from flask import Blueprint, Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import ServiceUnavailable

from hub.core import wall as core
from hub.core.coverage import together
from hub.store import Store, coverage, walls
from hub.store.walls import Wall
from hub.web import wall_screen
from hub.web.clock import now_utc_ms
from hub.web.language import gettext as _
from hub.web.live import RETRY_AFTER_S
from hub.web.login import PER_ADDRESS, limiter
from hub.web.parts import parts
from hub.web.tail import Tail
from hub.web.wall_screen import let_in, the_wall, wall_here

blueprint = Blueprint("wall", __name__)

BEAT_S = 1.0
SEEN_EVERY_MS = 60_000
COVERAGE_EVERY_MS = 15_000
"""Adding up a running sitting of 60 seats takes about a tenth of a second."""


class Shares:
    """Coverage in per cent of running sittings, added up once for all walls. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[int, float | None]] = {}

    def of(self, store: Store, names: list[str], now: int) -> dict[str, float | None]:
        with self._lock:
            for name in names:
                if now - self._known.get(name, (0, None))[0] >= COVERAGE_EVERY_MS:
                    self._known[name] = (now, self._add_up(store, name, now))
            self._known = {name: self._known[name] for name in self._known if name in names or len(self._known) < 50}
            return {name: self._known[name][1] for name in names}

    @staticmethod
    def _add_up(store: Store, name: str, now: int) -> float | None:
        found = coverage.sitting(store, name)
        if found is None:
            return None
        recorded, due = together(seat.report for seat in coverage.read(store, found, now))
        return recorded * 10_000 // due / 100 if due else None


_shares = Shares()


@functools.cache
def _version() -> str:
    return wall_screen.version()


def _view(tail: Tail, store: Store, wall: Wall, now: int) -> dict[str, Any]:
    names = [each["sitting"] for each in tail.board.bar.get("sittings", ()) if each["start_utc_ms"] <= now]
    shown = core.view(tail.board, wall.room, wall.may_show_pictures, _shares.of(store, names, now), now)
    return {**shown, "version": _version(), "is_store_readable": tail.is_store_readable}


@blueprint.get("/wall")
def page() -> ResponseReturnValue:
    wall = wall_here()
    if wall is None:
        return render_template("wall_enter.html", notice="")
    return render_template("wall.html", wall=wall, version=_version())


@blueprint.post("/wall/enter")
@limiter.limit(PER_ADDRESS, deduct_when=lambda response: response.status_code == 401)
def enter() -> ResponseReturnValue:
    """Take a token for the wall's cookie."""
    wall = walls.by_token(parts().store, request.form.get("token", "").strip()[:200])
    if wall is None:
        notice = _("That address lets no screen in: it was revoked, or is not whole. An admin can make another.")
        return Response(render_template("wall_enter.html", notice=notice), 401)
    walls.seen(parts().store, wall.wall_id, now_utc_ms())
    return let_in(Response(status=303, headers={"Location": url_for("wall.page")}), wall)


@blueprint.get("/wall/board.json")
def board_json() -> ResponseReturnValue:
    wall, now = the_wall(), now_utc_ms()
    shown = _view(parts().tail, parts().store, wall, now)
    data = msgspec.json.encode({"now": now, "beat": parts().tail.stills.beat, **shown})
    return Response(data, mimetype="application/json")


@blueprint.get("/wall/stills")
def stills() -> ResponseReturnValue:
    wall = the_wall()
    since = request.args.get("since", "0")
    if not wall.may_show_pictures:
        abort(403)
    if not since.isdecimal() or len(since) > 15:
        abort(400)
    batch = parts().tail.stills.batch(int(since))
    if batch is None:
        return Response(status=204)
    units = core.units_of(parts().tail.board, wall.room)
    return Response(_only(batch, units), mimetype="application/octet-stream")


def _only(batch: bytes, units: set[str]) -> bytes:
    """The batch (`hub.web.stills`) with the pictures of these units alone."""
    head, _, pictures = batch.partition(b"\n")
    told = msgspec.json.decode(head)
    kept, parts_of, at = [], [], 0
    for unit, received_utc_ms, size_bytes in told["stills"]:
        if unit in units:
            kept.append([unit, received_utc_ms, size_bytes])
            parts_of.append(pictures[at : at + size_bytes])
        at += size_bytes
    return b"".join([msgspec.json.encode({**told, "stills": kept}), b"\n", *parts_of])


@blueprint.get("/wall/stream")
def stream() -> ResponseReturnValue:
    wall, streams = the_wall(), parts().streams
    if not streams.take():
        raise ServiceUnavailable(retry_after=RETRY_AFTER_S)
    store = parts().store

    def let() -> Wall | None:
        return walls.standing(store, wall.wall_id, wall.token_sha256)

    response = Response(_events(parts().tail, store, let), mimetype="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(streams.give_back)
    return response


def _events(tail: Tail, store: Store, let: Callable[[], Wall | None]) -> Iterator[bytes]:
    """The wall whenever it changed, and a beat a second; ends within a second of the revocation."""
    yield b"retry: 2000\n\n"
    place, last, seen_utc_ms = tail.first()[0], b"", 0
    while not tail.is_stopping:
        wall, now = let(), now_utc_ms()
        if wall is None:
            yield b"event: ended\ndata: {}\n\n"
            return
        if now - seen_utc_ms >= SEEN_EVERY_MS:
            walls.seen(store, wall.wall_id, now)
            seen_utc_ms = now
        data = msgspec.json.encode(_view(tail, store, wall, now))
        time = b'"now":%d,"beat":%d' % (now, tail.stills.beat)
        yield (
            b"event: beat\ndata: {%s}\n\n" % time
            if data == last
            else b"event: wall\ndata: {%s,%s\n\n" % (time, data[1:])
        )
        last = data
        place, _ = tail.next(place, BEAT_S)
