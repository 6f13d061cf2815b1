"""Enrolment in the store: requests of desks, decisions of people, certificates, and the end of a unit."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire
from hub.core import enrolment
from hub.store import Store, certificates, enrolling, migrations, planning
from hub.store.certificates import Issued, Standing
from hub.store.enrolling import CannotEnrol, NotEnrolled, Request, Revoked, TooMany
from hub.store.units import units as units_of

NOW = 1_800_000_000_000
MINUTE_MS, DAY_MS = 60_000, enrolment.DAY_MS
YEAR_2040 = 2_208_988_800_000
KEY, OTHER_KEY = "a" * 64, "b" * 64


def ask(store: Store, public_key: str = KEY, csr: str = "csr", now: int = NOW, **told: str) -> Request:
    with store.write() as connection:
        return enrolling.ask(connection, public_key=public_key, csr=csr, now_utc_ms=now, **told)


def approve(
    store: Store,
    request: Request,
    *,
    now: int = NOW,
    room: str = "Hall",
    label: str = "A1",
    unit: str = "",
    replaces: str = "",
) -> str:
    with store.write() as connection:
        return enrolling.approve(
            connection,
            request.enrolment_id,
            who="ada",
            now_utc_ms=now,
            room=room,
            label=label,
            unit=unit,
            replaces=replaces,
        )


def reject(store: Store, request: Request, reason: str = "not ours") -> None:
    with store.write() as connection:
        enrolling.reject(connection, request.enrolment_id, reason=reason, who="ada", now_utc_ms=NOW)


def revoke(store: Store, unit: str, why: str = "stolen") -> bool:
    with store.write() as connection:
        return enrolling.revoke(connection, unit, who="ada", why=why, now_utc_ms=NOW)


def renew(store: Store, unit: str, public_key: str = KEY, csr: str = "csr", now: int = NOW) -> Request:
    with store.write() as connection:
        return enrolling.ask_renewal(connection, unit=unit, public_key=public_key, csr=csr, now_utc_ms=now)


def grant(store: Store, number: str, now: int = NOW, days: int = 90) -> bool:
    """Sign the oldest approved request, as the worker does."""
    with store.write() as connection:
        request = enrolling.approved(connection)[0]
        issued = Issued(number, request.unit, "f" * 64, now - DAY_MS, now + days * DAY_MS)
        return enrolling.grant(connection, request, f"PEM {number}", issued, now)


def enrolled(store: Store, public_key: str = KEY, number: str = "aa", *, unit: str = "", label: str = "A1") -> str:
    unit = approve(store, ask(store, public_key), unit=unit, label=label)
    assert grant(store, number)
    return unit


def newest(store: Store, public_key: str = KEY) -> Request:
    with store.read() as connection:
        found = enrolling.newest(connection, public_key)
    assert found is not None
    return found


def in_use(connection: sqlite3.Connection, now: int) -> list[Standing]:
    return [each for each in certificates.standing(connection, now) if each.is_in_use]


def waiting(store: Store) -> list[Request]:
    with store.read() as connection:
        return enrolling.waiting(connection)


# --- asking ---------------------------------------------------------------------------------------------------------


def test_asking_again_is_the_same_request(store: Store) -> None:
    """The code stays, what the desk tells newly counts, and the request is heard of again."""
    first = ask(store, serial="1", wanted="c.desk-7")
    again = ask(store, csr="another", now=NOW + MINUTE_MS, serial="2", address="10.0.0.9")
    assert (again.enrolment_id, again.code, again.state) == (first.enrolment_id, first.code, "waiting")
    assert (again.csr, again.serial, again.wanted, again.address) == ("another", "2", "", "10.0.0.9")
    assert (again.asked_utc_ms, again.heard_utc_ms) == (NOW, NOW + MINUTE_MS)
    assert waiting(store) == [again] == [newest(store)]


def test_each_desk_has_a_code_of_its_own(store: Store) -> None:
    """However it is typed, the code finds its request and no other."""
    mine, theirs = ask(store), ask(store, OTHER_KEY)
    assert mine.code != theirs.code
    with store.read() as connection:
        assert enrolling.by_code(connection, f" {mine.code.lower().replace('-', ' ')} ") == mine
        with pytest.raises(CannotEnrol, match="eight characters"):
            enrolling.by_code(connection, "12")
        with pytest.raises(CannotEnrol, match="no request with the code AAAA-AAAA"):
            enrolling.by_code(connection, "aaaaaaaa")


def test_a_room_full_of_strangers_is_bounded(store: Store) -> None:
    """At most 200 wait; those that nobody repeats for a day make room, those that are repeated stay."""
    keys = [f"{number:064x}" for number in range(enrolment.MOST_WAITING)]
    for number, key in enumerate(keys):
        ask(store, key, address=f"10.0.0.{number // enrolment.MOST_WAITING_OF_ONE}")
    with pytest.raises(TooMany, match="200 requests wait"):
        ask(store, KEY)
    assert ask(store, keys[0], now=NOW + 1).public_key == keys[0]
    ask(store, keys[1], now=NOW + DAY_MS)
    later = ask(store, KEY, now=NOW + DAY_MS + 1)
    assert {each.public_key for each in waiting(store)} == {keys[0], keys[1], later.public_key}


def test_one_address_does_not_fill_the_list(store: Store) -> None:
    """A stranger who makes up keys takes forty places, and desks elsewhere are heard all the same."""
    for number in range(enrolment.MOST_WAITING_OF_ONE):
        ask(store, f"{number:064x}", address="10.0.0.66")
    with pytest.raises(TooMany, match=r"40 requests from 10\.0\.0\.66 wait"):
        ask(store, KEY, address="10.0.0.66")
    assert ask(store, KEY, address="10.0.0.7").state == "waiting"


def test_nobody_is_known_before_asking(store: Store) -> None:
    with store.read() as connection:
        assert enrolling.newest(connection, KEY) is None


# --- deciding -------------------------------------------------------------------------------------------------------


def test_an_approved_desk_has_name_key_seat_and_plan(store: Store) -> None:
    """The unit stands at its seat with the key that it asked with, its plan is made, and the desk hears `approved`."""
    request = ask(store, serial="S1", model="Pi 5")
    assert approve(store, request) == "centre.desk-01"
    found = newest(store)
    assert (found.state, found.unit, found.decided_by, found.decided_utc_ms) == (
        "approved",
        "centre.desk-01",
        "ada",
        NOW,
    )
    with store.read() as connection:
        row = units_of(connection)[0]
        plan = connection.execute("select payload from plans where unit = 'centre.desk-01'").fetchone()
    assert (row.unit, row.public_key, row.room, row.seat) == ("centre.desk-01", KEY, "Hall", "A1")
    assert (row.serial, row.model, row.is_revoked, row.certificate_ends_utc_ms) == ("S1", "Pi 5", False, None)
    assert msgspec.json.decode(plan["payload"], type=wire.Plan).sittings == ()
    assert waiting(store) == []


def test_a_room_with_a_sitting_gives_it_to_the_new_desk(store: Store) -> None:
    """A desk that is let in while an exam is planned has it in its plan at once."""
    with store.write() as connection:
        planning.put_seat(connection, room="Hall", label="A1")
        planning.plan_sitting(
            connection,
            sitting="s",
            exam="Physics",
            room="Hall",
            start_utc_ms=NOW,
            end_utc_ms=NOW + DAY_MS,
            now_utc_ms=NOW,
        )
    unit = approve(store, ask(store))
    with store.read() as connection:
        plan = connection.execute("select payload from plans where unit = ?", [unit]).fetchone()
    assert [each.exam for each in msgspec.json.decode(plan["payload"], type=wire.Plan).sittings] == ["Physics"]


def test_names_follow_the_room_then_the_centre(store: Store) -> None:
    """The name a desk wants if it is free; else the next number under the name that the room's units share."""
    assert approve(store, ask(store, "1" * 64, wanted="graz.front"), label="1") == "graz.front"
    assert approve(store, ask(store, "2" * 64), label="2") == "graz.desk-01"
    assert approve(store, ask(store, "3" * 64, wanted="graz.front"), label="3") == "graz.desk-02"
    assert approve(store, ask(store, "4" * 64, wanted="wien.a"), room="Annex", label="1") == "wien.a"
    assert approve(store, ask(store, "5" * 64), room="Annex", label="2") == "wien.desk-01"
    assert approve(store, ask(store, "6" * 64, wanted="x.y"), label="6", unit="graz.desk-09") == "graz.desk-09"


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"room": ""}, "which room"),
        ({"label": " "}, "which seat"),
        ({"label": "x" * 201}, "which seat"),
        ({"unit": "Desk 1"}, "is not a unit's name"),
        ({"unit": "c.desk/1"}, "is not a unit's name"),
        ({"unit": "c.taken"}, "enrolled with another key"),
        ({"label": "T"}, r"has the unit c\.taken"),
        ({"replaces": "c.nobody"}, r"no unit is called c\.nobody"),
        ({"unit": "c.gone"}, "enrolled with another key"),
    ],
)
def test_what_cannot_be_approved_says_why_and_changes_nothing(store: Store, choice: dict[str, str], words: str) -> None:
    enrolled(store, OTHER_KEY, unit="c.taken", label="T")
    enrolled(store, "c" * 64, "cc", unit="c.gone", label="G")
    revoke(store, "c.gone")
    request = ask(store)
    with pytest.raises(CannotEnrol, match=words) as found:
        approve(store, request, **choice)  # type: ignore[arg-type]
    assert "\n" not in str(found.value)
    assert waiting(store) == [request]
    with store.read() as connection:
        assert len(units_of(connection)) == 2


def test_two_people_cannot_decide_one_request(store: Store) -> None:
    """The second hears who was first; the same of a request that is no longer there."""
    request = ask(store)
    approve(store, request)
    with pytest.raises(CannotEnrol, match="was approved already by ada"):
        approve(store, request, label="A2")
    grant(store, "aa")
    with pytest.raises(CannotEnrol, match="was approved already by ada"):
        reject(store, request)
    with pytest.raises(CannotEnrol, match="no longer here"):
        approve(store, request._replace(enrolment_id=99))


def test_a_rejected_desk_hears_why_and_may_ask_anew(store: Store) -> None:
    """The same request again is answered with the rejection; a new CSR is a new request, with a new code."""
    first = ask(store)
    with pytest.raises(CannotEnrol, match="say why"):
        reject(store, first, "  ")
    reject(store, first, "  wrong room ")
    again = ask(store, now=NOW + MINUTE_MS)
    assert (again.state, again.reason, again.enrolment_id) == ("rejected", "wrong room", first.enrolment_id)
    assert waiting(store) == []
    anew = ask(store, csr="another")
    assert (anew.state, newest(store)) == ("waiting", anew)
    assert anew.code != first.code


def test_rejections_do_not_pile_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrolling, "KEPT_REJECTED", 3)
    for number in range(5):
        reject(store, ask(store, f"{number:064x}"))
    with store.read() as connection:
        kept = [enrolling.newest(connection, f"{number:064x}") is not None for number in range(5)]
    assert kept == [False, False, True, True, True]


def test_a_desk_that_takes_anothers_place(store: Store) -> None:
    """It gets the seat; the old unit loses seat and certificates for good, and keeps its name and history."""
    old = enrolled(store)
    request = ask(store, OTHER_KEY, replaces=old)
    assert approve(store, request, room="", label="", replaces=old) == "centre.desk-02"
    with store.read() as connection:
        rows = {row.unit: row for row in units_of(connection)}
        assert [each.serial_number for each in certificates.revoked_certificates(connection)] == ["aa"]
    assert (rows["centre.desk-02"].room, rows["centre.desk-02"].seat) == ("Hall", "A1")
    assert (rows[old].seat, rows[old].is_revoked, rows[old].revoked_by) == ("", True, "ada")
    assert rows[old].revoked_why == "replaced by centre.desk-02"
    with pytest.raises(CannotEnrol, match=r"has the unit centre\.desk-02"):
        approve(store, ask(store, "c" * 64), room="", label="", replaces=old)


def test_a_replacement_at_another_seat_leaves_the_old_one_empty(store: Store) -> None:
    """A revoked unit stands nowhere, and has nothing planned."""
    old = enrolled(store)
    approve(store, ask(store, OTHER_KEY), label="B2", replaces=old)
    with store.read() as connection:
        assert {row.unit: row.seat for row in units_of(connection)} == {old: "", "centre.desk-02": "B2"}
        plan = connection.execute("select payload from plans where unit = ?", [old]).fetchone()
    assert msgspec.json.decode(plan["payload"], type=wire.Plan).sittings == ()
    assert approve(store, ask(store, "c" * 64), label="A1") == "centre.desk-03"


# --- certificates ---------------------------------------------------------------------------------------------------


def test_a_granted_desk_has_its_certificate(store: Store) -> None:
    """And hears of it as often as it asks with the same CSR."""
    unit = enrolled(store)
    assert (newest(store).state, newest(store).certificate) == ("granted", "PEM aa")
    assert ask(store, now=NOW + MINUTE_MS).certificate == "PEM aa"
    with store.read() as connection:
        assert enrolling.approved(connection) == []
        assert units_of(connection)[0].certificate_ends_utc_ms == NOW + 90 * DAY_MS
        assert [each.unit for each in in_use(connection, NOW)] == [unit]
        assert in_use(connection, NOW + 90 * DAY_MS) == []


def test_a_certificate_for_a_key_that_the_desk_gave_up_is_thrown_away(store: Store) -> None:
    """The desk sent another CSR while the worker was signing: only the newer one is granted."""
    approve(store, ask(store))
    with store.read() as connection:
        signed = enrolling.approved(connection)[0]
    ask(store, csr="newer")
    issued = Issued("aa", signed.unit, "f" * 64, NOW, NOW + DAY_MS)
    with store.write() as connection:
        assert not enrolling.grant(connection, signed, "PEM", issued, NOW)
    assert (newest(store).state, newest(store).csr) == ("approved", "newer")
    assert grant(store, "bb")
    with store.read() as connection:
        assert [each.serial_number for each in in_use(connection, NOW)] == ["bb"]


def test_renewal_needs_nobody(store: Store) -> None:
    """An enrolled unit's request is approved at once; after the grant the newest certificate counts."""
    unit = enrolled(store)
    assert (renew(store, unit, csr="2").kind, newest(store).state) == ("renewal", "approved")
    assert renew(store, unit, csr="2") == newest(store)
    assert grant(store, "bb", NOW + 60 * DAY_MS)
    with store.read() as connection:
        assert certificates.expiring(connection, NOW + 100 * DAY_MS) == []
        found = certificates.expiring(connection, NOW + 200 * DAY_MS)
    assert [each.serial_number for each in found] == ["bb"]
    assert ask(store, csr="3").kind == "renewal"  # it has lost its certificate, not its key


def test_a_desk_that_keeps_its_tls_key_can_renew_too(store: Store) -> None:
    """The CSR of two months ago is no repetition."""
    unit = enrolled(store)
    assert renew(store, unit, now=NOW + 60 * DAY_MS).state == "approved"


def test_only_the_unit_itself_renews(store: Store) -> None:
    unit = enrolled(store)
    for name, key in ((unit, OTHER_KEY), ("c.nobody", KEY)):
        with pytest.raises(NotEnrolled, match=r"no unit .* with this key"):
            renew(store, name, key)


def test_a_desk_gone_wrong_gets_no_thousand_certificates(store: Store) -> None:
    """Twenty within a day; a day later again."""
    unit = enrolled(store)
    for number in range(1, enrolment.MOST_CERTIFICATES_A_DAY):
        renew(store, unit, csr=f"{number}")
        assert grant(store, f"{number:x}")
    with pytest.raises(TooMany, match="20 certificates within a day"):
        renew(store, unit, csr="more")
    assert renew(store, unit, csr="more", now=NOW + DAY_MS + 1).state == "approved"


def test_revoking_cuts_off_for_good(store: Store) -> None:
    """All its certificates are on the list, what was to be signed is refused, and it cannot ask or renew again."""
    unit = enrolled(store)
    renew(store, unit, csr="2")
    with pytest.raises(CannotEnrol, match="say why"):
        revoke(store, unit, " ")
    assert revoke(store, unit)
    assert not revoke(store, unit, "again")
    assert newest(store).state == "rejected"
    with pytest.raises(Revoked, match="was revoked"):
        renew(store, unit, csr="3")
    with pytest.raises(Revoked, match="was revoked"):
        ask(store, csr="4")
    with store.read() as connection:
        assert [each.serial_number for each in certificates.revoked_certificates(connection)] == ["aa"]
        assert in_use(connection, NOW) == []
        assert certificates.expiring(connection, NOW + 999 * DAY_MS) == []
        row = units_of(connection)[0]
    assert (row.is_revoked, row.revoked_why, row.certificate_ends_utc_ms) == (True, "stolen", None)
    with pytest.raises(CannotEnrol, match="no unit is called"):
        revoke(store, "c.nobody")


def test_a_revoked_unit_leaves_its_seat_and_is_remembered_there(store: Store) -> None:
    """The seat is free for anybody, and for a desk that replaces the unit; its plan stays, so that a desk which is not
    cut off yet goes on with its sitting."""
    old, other = enrolled(store), enrolled(store, OTHER_KEY, "bb", label="A2")
    with store.read() as connection:
        plan = planning.plan_of(connection, old)
    for unit in (old, other):
        revoke(store, unit)
        revoke(store, unit, "again")
    with store.read() as connection:
        rows = {row.unit: row for row in units_of(connection)}
        assert planning.plan_of(connection, old) == plan
        assert planning.unseated(connection, [old]) == set()
    assert (rows[old].room, rows[old].seat, rows[old].last_room, rows[old].last_seat) == ("", "", "Hall", "A1")
    new = approve(store, ask(store, "c" * 64), room="", label="", replaces=old)
    assert approve(store, ask(store, "d" * 64), label="A2") != new
    with store.read() as connection:
        rows = {row.unit: row for row in units_of(connection)}
    assert (rows[new].room, rows[new].seat, rows[old].revoked_why) == ("Hall", "A1", "stolen")
    with store.write() as connection, pytest.raises(planning.CannotPlan, match="was revoked"):
        planning.put_seat(connection, room="Hall", label="A3", unit=old)


def test_who_stands_nowhere_cannot_be_replaced_without_a_seat(store: Store) -> None:
    with store.write() as connection:
        connection.execute(
            "insert into units (unit, public_key, first_seen_utc_ms) values ('c.old', ?, 1)", [OTHER_KEY]
        )
    with pytest.raises(CannotEnrol, match=r"c\.old has no seat"):
        approve(store, ask(store), room="", label="", replaces="c.old")


def test_a_unit_revoked_while_its_certificate_was_signed_gets_none(store: Store) -> None:
    unit = approve(store, ask(store))
    with store.read() as connection:
        signed = enrolling.approved(connection)[0]
    revoke(store, unit)
    with store.write() as connection:
        assert not enrolling.grant(connection, signed, "PEM", Issued("aa", unit, "f" * 64, NOW, NOW + 1), NOW)
        assert in_use(connection, NOW) == []


def test_the_hub_remembers_the_latest_time(store: Store) -> None:
    """Of what it wrote while it trusted its clock: when it issued certificates, and what a person accepted."""

    def latest() -> int:
        with store.read() as connection:
            return certificates.newest_hub_time(connection)

    assert latest() == 0
    ask(store, now=YEAR_2040)
    unit = approve(store, ask(store, now=YEAR_2040), now=YEAR_2040)
    assert latest() == 0
    assert grant(store, "aa", YEAR_2040)
    assert latest() == YEAR_2040
    with store.write() as connection:
        certificates.accept_time(connection, who="ada", now_utc_ms=NOW)
        told = dict(connection.execute("select * from accepted_times").fetchone())
    assert (told["accepted_utc_ms"], told["newest_utc_ms"], told["accepted_by"]) == (NOW, YEAR_2040, "ada")
    assert latest() == NOW
    renew(store, unit, csr="2", now=NOW + 5)
    assert grant(store, "bb", NOW + 5)
    assert latest() == NOW + 5


def test_what_was_granted_in_the_future_is_no_repetition(store: Store) -> None:
    """Nor does it count for this day: a hub whose clock was in 2040 gives desks certificates of today."""
    unit = approve(store, ask(store, now=YEAR_2040), now=YEAR_2040)
    assert grant(store, "a0", YEAR_2040)
    for number in range(1, enrolment.MOST_CERTIFICATES_A_DAY):
        renew(store, unit, csr=f"{number}", now=YEAR_2040)
        assert grant(store, f"{number:x}", YEAR_2040)
    with store.write() as connection:
        connection.execute("update enrolments set decided_utc_ms = ?", [YEAR_2040])
    assert renew(store, unit, csr=f"{enrolment.MOST_CERTIFICATES_A_DAY - 1}").state == "approved"


# --- whatever happens -----------------------------------------------------------------------------------------------

STEPS = ("ask", "again", "approve", "reject", "grant", "revoke", "renew", "replace")


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 3), st.integers(0, 2)), max_size=40), st.integers())
def test_whatever_happens_the_store_stays_sound(steps: list[tuple[str, int, int]], seed: int) -> None:
    """No order of requests and decisions gives one name two keys, one seat two units, a revoked unit a certificate
    that holds, or anything but CannotEnrol."""
    draw = random.Random(seed)
    with _memory() as store:
        for number, (step, who, where) in enumerate(steps):
            _step(store, step, f"{who}" * 64, f"S{where}", number, draw)
            _check(store)


@contextmanager
def _memory() -> Iterator[sqlite3.Connection]:
    """A store in memory: a file for each of hypothesis's examples would take minutes."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        migrations.migrate(connection)
        connection.execute("pragma foreign_keys = on")
        yield connection


def _step(connection: sqlite3.Connection, step: str, key: str, seat: str, number: int, draw: random.Random) -> None:
    connection.execute("begin")
    try:
        _act(connection, step, key, seat, number, draw)
        connection.execute("commit")
    except CannotEnrol:
        connection.execute("rollback")


def _act(connection: sqlite3.Connection, step: str, key: str, seat: str, number: int, draw: random.Random) -> None:
    now = NOW + number
    units = [row.unit for row in units_of(connection)] or ["c.none"]
    pending = enrolling.waiting(connection) + enrolling.approved(connection)
    if step in ("ask", "again"):
        csr = "csr" if step == "again" else f"csr {number}"
        enrolling.ask(connection, public_key=key, csr=csr, now_utc_ms=now, wanted=draw.choice(["", "c.a", "c.b"]))
    elif step in ("approve", "replace") and pending:
        replaces = draw.choice(units) if step == "replace" else ""
        request = draw.choice(pending)
        enrolling.approve(
            connection, request.enrolment_id, who="a", now_utc_ms=now, room="R", label=seat, replaces=replaces
        )
    elif step == "reject" and pending:
        enrolling.reject(connection, draw.choice(pending).enrolment_id, reason="r", who="a", now_utc_ms=now)
    elif step == "grant":
        for request in enrolling.approved(connection)[:1]:
            issued = Issued(f"{number:x}", request.unit, "f" * 64, now, now + DAY_MS)
            enrolling.grant(connection, request, "PEM", issued, now)
    elif step == "revoke":
        enrolling.revoke(connection, draw.choice(units), who="a", why="w", now_utc_ms=now)
    elif step == "renew":
        enrolling.ask_renewal(connection, unit=draw.choice(units), public_key=key, csr=f"csr {number}", now_utc_ms=now)


def _check(connection: sqlite3.Connection) -> None:
    rows = units_of(connection)
    assert len({row.public_key for row in rows}) == len(rows)
    seats = [row.seat for row in rows if row.seat]
    assert not any(row.seat for row in rows if row.is_revoked)
    assert len(seats) == len(set(seats))
    revoked = {row.unit for row in rows if row.is_revoked}
    assert not revoked & {each.unit for each in in_use(connection, NOW)}
    assert not revoked & {each.unit for each in enrolling.approved(connection)}
    codes = [each.code for each in enrolling.waiting(connection)]
    assert len(codes) == len(set(codes))


# --- rules ----------------------------------------------------------------------------------------------------------


@given(st.integers())
def test_codes_are_read_back_however_they_are_typed(seed: int) -> None:
    draw = random.Random(seed)
    code = enrolment.claim_code(draw.randrange)
    assert len(code) == 9
    assert not set(code) & set("0O1IL2Z5S8B")
    typed = "".join(draw.choice([letter, letter.lower(), f" {letter}", f"{letter}-"]) for letter in code)
    assert enrolment.read_code(typed) == code


@given(st.text())
def test_anything_else_is_no_code(typed: str) -> None:
    """Whatever was typed is a code or is refused in words, never another failure."""
    if len("".join(typed.split())) < enrolment.CODE_LENGTH:
        with pytest.raises(ValueError, match="is not a claim code"):
            enrolment.read_code(typed)
        return
    with contextlib.suppress(ValueError):
        assert enrolment.read_code(enrolment.read_code(typed)) == enrolment.read_code(typed)


@given(st.sets(st.integers(1, 120)))
def test_a_proposed_name_is_free_and_the_first(numbers: set[int]) -> None:
    taken = {f"c.desk-{number:02}" for number in numbers}
    name = enrolment.propose_name("c", taken)
    assert name not in taken
    assert enrolment.is_unit_name(name)
    assert all(f"c.desk-{number:02}" in taken for number in range(1, int(name.rpartition("-")[2])))


@given(st.lists(st.from_regex(wire.UNIT_PATTERN, fullmatch=True)))
def test_a_centre_is_named_as_its_units_name_it(units: list[str]) -> None:
    centre = enrolment.centre_of(units)
    assert enrolment.is_unit_name(f"{centre}.desk-01")
    assert centre == enrolment.centre_of([], units) == enrolment.centre_of(reversed(units), ["x.y"] * bool(units))


@given(st.integers(1, 10**12), st.integers(0, 10**13))
def test_a_certificate_is_due_for_its_last_third(life_ms: int, now: int) -> None:
    ends = now + life_ms
    assert not enrolment.is_due(ends, life_ms, now) or life_ms < 2
    assert enrolment.is_due(ends, life_ms, ends - life_ms // 3)
    assert enrolment.is_due(ends, life_ms, ends + now)
