"""The life of a desk that a centre can trust: let in by a person, renewed by itself, cut off, and replaced."""

from __future__ import annotations

import re
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.wire import Mode
from hub.store import planning
from tests.journey.centre import QUICK_RULES
from tests.journey.trusted import TrustedCentre, trusted_centre
from tests.support import wait_for

ROOM, SEAT = "Hall A", "A1"
CODE = r"\b[0-9A-Z]{4}-[0-9A-Z]{4}\b"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[TrustedCentre]:
    with trusted_centre(tmp_path) as made:
        yield made


def code_of(place: TrustedCentre, desk: str, but: tuple[str, ...] = ()) -> str:
    """The claim code that the desk itself shows."""
    return str(wait_for(lambda: [code for code in re.findall(CODE, place.log(desk)) if code not in but], 60)[-1])


def unit_at(place: TrustedCentre, seat: str) -> str:
    return str(place.rows("select unit from seats where label = ?", seat)[0]["unit"])


def members_of(bundle: Path) -> dict[str, str]:
    with tarfile.open(bundle) as archive:
        files = [member for member in archive if member.isfile()]
        return {member.name: archive.extractfile(member).read().decode(errors="replace") for member in files}  # type: ignore[union-attr]


def begin_sitting(place: TrustedCentre) -> None:
    planning.keep_sitting(
        place.store,
        room=ROOM,
        exam="Paper 1",
        now_ms=time.time_ns() // 1_000_000,
        length_ms=3_600_000,
        mode=Mode.AUTOMATED,
        rules=QUICK_RULES,
    )


def test_a_desk_is_let_in_records_is_renewed_cut_off_and_replaced(place: TrustedCentre, leaving: Path) -> None:
    """Enrol, approve, record, alert, renew after weeks off, revoke, be refused, replace: with nothing but what desk,
    technician and proctor have."""
    # A person compares the code at the desk with the one at the hub and lets it in.
    place.start_desk("one", f"footage:{leaving}", EMS_UNIT="hall.desk-01")
    code = code_of(place, "one")
    assert code in place.hub("unit", "requests")
    assert place.rows("select * from units") == []
    place.hub("unit", "approve", code, ROOM, SEAT)
    unit = unit_at(place, SEAT)
    assert unit == "hall.desk-01"
    wait_for(lambda: place.heartbeat(unit), 60)

    # It records and tells.
    begin_sitting(place)
    wait_for(lambda: place.rows("select * from alerts where kind = 'seat_empty'"), 90)
    wait_for(lambda: place.rows("select * from segments"), 60)
    assert place.rows("select * from rejected") == []

    # Off for weeks: its certificate has expired, and nobody needs to walk to it.
    assert place.stop("one") == 0
    before = place.rows("select serial_number from certificates where unit = ?", unit)
    place.expire_certificate("one", unit)
    place.start_desk("one", f"footage:{leaving}")
    wait_for(lambda: len(place.rows("select * from certificates where unit = ?", unit)) > len(before), 60)
    boot = place.rows("select boot from presence where unit = ?", unit)[0]["boot"]
    wait_for(lambda: (beat := place.heartbeat(unit)) is not None and beat[0].boot > boot - 1 and beat[0].boot == 2, 60)

    # Cut off: the live session ends, and the old certificate opens nothing any more.
    place.hub("unit", "revoke", unit, "--why", "left in a taxi")
    revoked_s = time.monotonic()
    wait_for(lambda: place.is_at_broker(unit) is False, 30)
    print(f"cut off at the broker after {time.monotonic() - revoked_s:.1f} s (wanted: 10)")
    records = place.rows("select count(*) as n from records")
    refused, films = place.refused(), place.segments("one")
    wait_for(lambda: place.refused() > refused, 60)
    wait_for(lambda: len(place.segments("one") - films) >= 2, 60)
    assert not place.is_at_broker(unit)
    assert place.rows("select count(*) as n from records") == records
    wait_for(lambda: "revoked" in place.log("one"), 90)  # by the broker's word, or half a minute later by the door's
    assert place.stop("one") == 0

    # The card begins anew, with another name and key, at the same seat; what the old one recorded stays.
    assert "sitting" in place.agent("one", "replace").stderr  # not in the middle of an exam, unless somebody insists
    done = place.agent("one", "replace", "--force")
    assert done.returncode == 0, done.stdout + done.stderr
    place.start_desk("one", f"footage:{leaving}")
    again = code_of(place, "one", but=(code,))
    place.hub("unit", "approve", again, "--replaces", unit)
    new = unit_at(place, SEAT)
    assert new != unit
    wait_for(lambda: place.heartbeat(new), 60)
    wait_for(lambda: place.rows("select * from segments where unit = ?", new), 60)
    assert list((place.folder / "one" / "retired").glob(f"{unit}*/records.db"))

    # Nothing that anybody may read has a secret in it.
    bundle = place.folder / "bundle.tar.gz"
    done = place.agent("one", "support-bundle", "--out", str(bundle))
    assert done.returncode == 0, done.stdout + done.stderr
    told = place.told() | members_of(bundle) | {"the command's own words": done.stdout + done.stderr}
    secrets = place.secrets()
    assert len(secrets) > 30
    assert len(told) > 15
    assert [(where, len(secret)) for where, text in told.items() for secret in secrets if secret in text] == []
    assert place.stop("one") == 0
