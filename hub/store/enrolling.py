"""Requests of units to be let in, their certificates and their end: the store's verbs, each within the caller's
transaction. Where a verb changes something, it must be one of `Store.write`.

    ask, ask_renewal      the door: a desk's request, added or refreshed; safe to repeat
    newest, hear          the door: what became of it, and that the desk asked
    waiting, by_code      people: what there is to decide
    approve, reject       people: the decision
    approved, grant       the worker: what is to be signed, and the certificate
    revoke                people: the end of a unit; all of them are in `units`
"""

from __future__ import annotations

import secrets
import sqlite3
from typing import NamedTuple

from hub.core import enrolment
from hub.store import QUERIES, Row, planning
from hub.store.certificates import Issued

KEPT_REJECTED = 1_000


class CannotEnrol(Exception):
    """It cannot be as asked; the text is one sentence for a person."""


class TooMany(CannotEnrol):
    """So many requests wait, or came from this unit today, that this one is not kept."""


class AnotherRequest(CannotEnrol):
    """The number is now that of another desk's request: numbers are used again, claim codes are not."""


class NotEnrolled(CannotEnrol):
    """No unit of that name has that key."""


class Revoked(CannotEnrol):
    """The unit was cut off: it stays so under this key."""


class Request(NamedTuple):
    """One row of `enrolments`; the migration tells the columns. `unit` '' until approved, `certificate` '' until
    granted, `decided_utc_ms` None until decided."""

    enrolment_id: int
    kind: str
    state: str
    public_key: str
    code: str
    csr: str
    serial: str
    model: str
    software: str
    wanted: str
    replaces: str
    address: str
    asked_utc_ms: int
    heard_utc_ms: int
    decided_utc_ms: int | None
    decided_by: str
    reason: str
    unit: str
    certificate: str


# --- what desks ask -------------------------------------------------------------------------------------------------


def ask(
    connection: sqlite3.Connection,
    *,
    public_key: str,
    csr: str,
    now_utc_ms: int,
    serial: str = "",
    model: str = "",
    software: str = "",
    wanted: str = "",
    replaces: str = "",
    address: str = "",
) -> Request:
    """Keep a desk's wish to be let in, or refresh the one it has waiting. What was granted or rejected for the same CSR
    is answered as it is; another CSR after a rejection asks anew, and one of a unit that is enrolled is a renewal.
    Raises TooMany, Revoked."""
    told = {"csr": csr, "serial": serial, "model": model, "software": software, "address": address}
    known: Row | None = QUERIES.unit_of_key(connection, public_key=public_key)
    if known is not None:
        return ask_renewal(connection, unit=known["unit"], public_key=public_key, now_utc_ms=now_utc_ms, **told)
    told |= {"wanted": wanted, "replaces": replaces}
    found = _repeated(connection, public_key, told, now_utc_ms)
    if found is not None:
        return found
    QUERIES.forget_enrolments(connection, before=now_utc_ms - enrolment.FORGOTTEN_AFTER_MS)
    count = QUERIES.count_waiting(connection, address=address)
    if count["of_one"] >= (most := enrolment.MOST_WAITING_OF_ONE):
        raise TooMany(f"{most} requests from {address} wait for a person already: approve or reject some first")
    if count["waiting"] >= (most := enrolment.MOST_WAITING):
        raise TooMany(f"{most} requests wait for a person already: approve or reject some first")
    return _insert(connection, "enrolment", "waiting", public_key, told, None, now_utc_ms)


def check_enrolled(connection: sqlite3.Connection, unit: str, public_key: str) -> None:
    """Raises NotEnrolled, Revoked."""
    known: Row | None = QUERIES.unit_by_name(connection, unit=unit)
    if known is None or known["public_key"] != public_key:
        raise NotEnrolled(f"no unit {unit} with this key is enrolled here")
    if known["is_revoked"]:
        raise Revoked(revoked_words(unit))


def ask_renewal(
    connection: sqlite3.Connection,
    *,
    unit: str,
    public_key: str,
    csr: str,
    now_utc_ms: int,
    serial: str = "",
    model: str = "",
    software: str = "",
    address: str = "",
) -> Request:
    """Keep an enrolled unit's wish for another certificate: approved at once, to be signed by the worker. The same CSR
    again is answered as it stands. Raises NotEnrolled, Revoked, TooMany."""
    check_enrolled(connection, unit, public_key)
    told = {"csr": csr, "serial": serial, "model": model, "software": software, "address": address}
    told |= {"wanted": unit, "replaces": ""}
    found = _repeated(connection, public_key, told, now_utc_ms)
    if found is not None:
        return found
    since = now_utc_ms - enrolment.DAY_MS
    if QUERIES.count_certificates_since(connection, unit=unit, since=since, now=now_utc_ms)["issued"] >= (
        enrolment.MOST_CERTIFICATES_A_DAY
    ):
        raise TooMany(f"{unit} had {enrolment.MOST_CERTIFICATES_A_DAY} certificates within a day: ask again tomorrow")
    return _insert(connection, "renewal", "approved", public_key, told, unit, now_utc_ms)


def _repeated(connection: sqlite3.Connection, public_key: str, told: dict[str, str], now_utc_ms: int) -> Request | None:
    """The key's request that this one repeats, with what is newly told; None when it is another."""
    found: Row | None = QUERIES.enrolment_pending(connection, public_key=public_key)
    if found is not None:
        QUERIES.refresh_enrolment(connection, enrolment_id=found["enrolment_id"], now=now_utc_ms, **told)
        return request_of(connection, found["enrolment_id"])
    found = QUERIES.enrolment_newest(connection, public_key=public_key)
    if found is None or found["csr"] != told["csr"]:
        return None
    if found["state"] == "granted" and not 0 <= now_utc_ms - found["decided_utc_ms"] <= enrolment.DAY_MS:
        return None  # a desk that renews with the key it has; or the hub's clock was in the future when it was granted
    QUERIES.hear_enrolment(connection, enrolment_id=found["enrolment_id"], now=now_utc_ms)
    return request_of(connection, found["enrolment_id"])


def _insert(
    connection: sqlite3.Connection,
    kind: str,
    state: str,
    public_key: str,
    told: dict[str, str],
    unit: str | None,
    now_utc_ms: int,
) -> Request:
    code = enrolment.claim_code(secrets.randbelow)
    while QUERIES.enrolment_by_code(connection, code=code) is not None:
        code = enrolment.claim_code(secrets.randbelow)
    enrolment_id = QUERIES.insert_enrolment(
        connection,
        kind=kind,
        state=state,
        public_key=public_key,
        code=code,
        unit=unit,
        now=now_utc_ms,
        decided=None if state == "waiting" else now_utc_ms,
        **told,
    )
    return request_of(connection, enrolment_id)


def newest(connection: sqlite3.Connection, public_key: str) -> Request | None:
    """The newest request of a key, None when there is none."""
    return _request(QUERIES.enrolment_newest(connection, public_key=public_key))


def hear(connection: sqlite3.Connection, enrolment_id: int, now_utc_ms: int) -> None:
    """The desk has asked what became of its request: it is still there."""
    QUERIES.hear_enrolment(connection, enrolment_id=enrolment_id, now=now_utc_ms)


class KeyHolder(NamedTuple):
    """The unit that a key is of."""

    unit: str
    is_revoked: bool


def unit_of(connection: sqlite3.Connection, public_key: str) -> KeyHolder | None:
    """Whose key this is; None when no unit has it."""
    row: Row | None = QUERIES.unit_of_key(connection, public_key=public_key)
    return None if row is None else KeyHolder(row["unit"], bool(row["is_revoked"]))


def revoked_words(unit: str) -> str:
    return f"{unit} was revoked: set the desk up anew with `ems-agent replace`"


# --- what people decide ---------------------------------------------------------------------------------------------


def waiting(connection: sqlite3.Connection) -> list[Request]:
    """Requests that wait for a person, oldest first."""
    return [_filled(row) for row in QUERIES.enrolments_waiting(connection)]


def request_of(connection: sqlite3.Connection, enrolment_id: int) -> Request:
    """Raises CannotEnrol when there is none of that number."""
    found = _request(QUERIES.enrolment_of(connection, enrolment_id=enrolment_id))
    if found is None:
        raise CannotEnrol("that request is no longer here: the desk has not repeated it for a day")
    return found


def by_code(connection: sqlite3.Connection, typed: str) -> Request:
    """The waiting request with this claim code, as a person types it. Raises CannotEnrol."""
    try:
        code = enrolment.read_code(typed)
    except ValueError as error:
        raise CannotEnrol(str(error)) from None
    found = _request(QUERIES.enrolment_by_code(connection, code=code))
    if found is None:
        raise CannotEnrol(f"no request with the code {code} waits: compare it with `ems-agent status` at the desk")
    return found


def replaced_by(connection: sqlite3.Connection, request: Request) -> str:
    """The unit whose place the request asks for; '' when it names none that there is."""
    known = QUERIES.unit_by_name(connection, unit=request.replaces) if request.replaces else None
    return request.replaces if known is not None else ""


def name_for(connection: sqlite3.Connection, request: Request, room: str) -> str:
    """The name this request's unit gets in `room` when nobody chooses one: the one it wants if that is free, else the
    first free of the centre."""
    taken = {row["unit"]: row["public_key"] for row in QUERIES.units_all(connection)}
    if request.wanted and taken.get(request.wanted, request.public_key) == request.public_key:
        return request.wanted
    nearest = [row["unit"] for row in QUERIES.units_of_room(connection, room=room)]
    return enrolment.propose_name(enrolment.centre_of(nearest, taken), taken)


def approve(
    connection: sqlite3.Connection,
    enrolment_id: int,
    *,
    who: str,
    now_utc_ms: int,
    room: str = "",
    label: str = "",
    unit: str = "",
    replaces: str = "",
    code: str | None = None,
) -> str:
    """Let a unit in, at the seat `label` of `room`; answers its name. `unit` '' takes `name_for`. `replaces` names the
    unit whose place it takes, which is unseated and revoked; then '' for room and seat means its seat. `code`: the
    claim code that the person compared. The worker makes the certificate. Raises CannotEnrol."""
    request = request_of(connection, enrolment_id)
    _check_code(request, code)
    _check_waiting(request)
    room, label = _place(connection, room.strip(), label.strip(), replaces)
    unit = unit.strip() or name_for(connection, request, room)
    _check_name(connection, unit, request.public_key)
    if replaces:
        if replaces == unit:
            raise CannotEnrol(f"{unit} cannot replace itself: the new card gets a name of its own")
        revoke(connection, replaces, who=who, why=f"replaced by {unit}", now_utc_ms=now_utc_ms)
    if QUERIES.unit_by_name(connection, unit=unit) is None:
        QUERIES.add_unit(connection, unit=unit, public_key=request.public_key, now=now_utc_ms)
    QUERIES.describe_unit(connection, unit=unit, serial=request.serial, model=request.model)
    try:
        planning.put_seat(connection, room=room, label=label, unit=unit)
        planning.replan(connection, now_utc_ms)
    except planning.CannotPlan as cannot:
        raise CannotEnrol(str(cannot)) from None
    QUERIES.approve_enrolment(connection, enrolment_id=enrolment_id, unit=unit, who=who, now=now_utc_ms)
    return unit


def _place(connection: sqlite3.Connection, room: str, label: str, replaces: str) -> tuple[str, str]:
    if replaces:
        if QUERIES.unit_by_name(connection, unit=replaces) is None:
            raise CannotEnrol(f"no unit is called {replaces}: it cannot be replaced")
        if not room and not label:
            seat: Row | None = QUERIES.place_of_unit(connection, unit=replaces)
            seat = seat or QUERIES.last_seat_of(connection, unit=replaces)
            if seat is None:
                raise CannotEnrol(f"{replaces} has no seat: say which room and seat the new unit gets")
            room, label = seat["room"], seat["seat"]
    for what, text in (("room", room), ("seat", label)):
        if not 1 <= len(text) <= 200:
            raise CannotEnrol(f"say which {what} the unit gets, in 1 to 200 characters")
    holder: Row | None = QUERIES.seat_holder(connection, room=room, label=label)
    if holder is not None and holder["unit"] not in (None, replaces):
        raise CannotEnrol(
            f"seat {label} in {room} has the unit {holder['unit']}: choose another seat, or replace that unit"
        )
    return room, label


def _check_code(request: Request, code: str | None) -> None:
    if code is not None and code != request.code:
        raise AnotherRequest("that request is no longer the one you looked at: compare the code again")


def _check_waiting(request: Request) -> None:
    if request.state != "waiting":
        by = f" by {request.decided_by}" if request.decided_by else ""
        done = {"approved": "approved", "granted": "approved"}.get(request.state, request.state)
        raise CannotEnrol(f"the request {request.code} was {done} already{by}")


def _check_name(connection: sqlite3.Connection, unit: str, public_key: str) -> None:
    if not enrolment.is_unit_name(unit):
        raise CannotEnrol(f"{unit!r} is not a unit's name: it is CENTRE.DESK in small letters, digits and dashes")
    known: Row | None = QUERIES.unit_by_name(connection, unit=unit)
    if known is not None and known["public_key"] != public_key:
        raise CannotEnrol(f"{unit} is enrolled with another key: a card with a new key gets a new name")
    if known is not None and known["is_revoked"]:
        raise CannotEnrol(f"{unit} was revoked: its key stays out; set the desk up anew with `ems-agent replace`")
    of_key: Row | None = QUERIES.unit_of_key(connection, public_key=public_key)
    if of_key is not None and of_key["unit"] != unit:
        raise CannotEnrol(f"this desk's key is that of {of_key['unit']}: a second name needs a new card")


def reject(
    connection: sqlite3.Connection,
    enrolment_id: int,
    *,
    reason: str,
    who: str,
    now_utc_ms: int,
    code: str | None = None,
) -> None:
    """Refuse a waiting request, or an approved one that cannot be signed (the worker); the desk shows `reason`. `code`:
    the claim code that the person compared. Raises CannotEnrol."""
    request = request_of(connection, enrolment_id)
    _check_code(request, code)
    if request.state not in ("waiting", "approved"):
        _check_waiting(request)
    if not 1 <= len(reason.strip()) <= 2000:
        raise CannotEnrol("say why, in 1 to 2000 characters: the desk shows it")
    QUERIES.reject_enrolment(connection, enrolment_id=enrolment_id, reason=reason.strip(), who=who, now=now_utc_ms)
    QUERIES.trim_rejected_enrolments(connection, keep=KEPT_REJECTED)


# --- certificates ---------------------------------------------------------------------------------------------------


def approved(connection: sqlite3.Connection) -> list[Request]:
    """Requests whose certificates are to be made, oldest first."""
    return [_filled(row) for row in QUERIES.enrolments_approved(connection)]


def grant(connection: sqlite3.Connection, request: Request, certificate: str, issued: Issued, now_utc_ms: int) -> bool:
    """Hand out `certificate` (PEM, leaf first) for an approved request. False, and nothing is kept, when meanwhile the
    unit was revoked or the desk has sent another CSR: then the certificate must be thrown away."""
    if not QUERIES.grant_enrolment(
        connection, enrolment_id=request.enrolment_id, csr=request.csr, certificate=certificate
    ):
        return False
    QUERIES.insert_certificate(connection, now=now_utc_ms, **issued._asdict())
    QUERIES.describe_unit(connection, unit=issued.unit, serial=request.serial, model=request.model)
    return True


def revoke(connection: sqlite3.Connection, unit: str, *, who: str, why: str, now_utc_ms: int) -> bool:
    """Cut a unit off for good, with all its certificates, and free its seat; False when it was so already. Its plan
    stays: told of another while it is still connected, its desk would end the sitting that it records. Raises
    CannotEnrol."""
    if QUERIES.unit_by_name(connection, unit=unit) is None:
        raise CannotEnrol(f"no unit is called {unit}")
    if not 1 <= len(why.strip()) <= 2000:
        raise CannotEnrol("say why, in 1 to 2000 characters")
    is_changed = bool(QUERIES.revoke_unit(connection, unit=unit, who=who, why=why.strip(), now=now_utc_ms))
    QUERIES.remember_seat(connection, unit=unit)
    QUERIES.unseat_unit(connection, unit=unit)
    QUERIES.revoke_certificates(connection, unit=unit, now=now_utc_ms)
    QUERIES.reject_pending_of_unit(connection, unit=unit, reason="the unit was revoked", who=who, now=now_utc_ms)
    return is_changed


def _request(row: Row | None) -> Request | None:
    return None if row is None else _filled(row)


def _filled(row: Row) -> Request:
    return Request(**dict(row) | {"unit": row["unit"] or "", "certificate": row["certificate"] or ""})
