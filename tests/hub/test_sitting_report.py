"""The report of a sitting: page, CSV and JSON say the same, and what the hub signed is checked by anybody."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from hub import cli, report_jobs
from hub.core import closing as core_closing
from hub.core import sitting_report as core
from hub.core.audit import Deed
from hub.enrolment import CaFolder
from hub.evidence import sitting_report as evidence
from hub.evidence.seal import open_seal
from hub.jobs import CannotDo, Work
from hub.store import Store, audit, closing, jobs
from hub.store import sitting_report as store_report
from hub.store.audit import Actor
from hub.web import report
from tests.hub.authorities import Desk, made_folder
from tests.hub.seed import Centre, now_ms
from tests.hub.website import Site, settings, site

EVIL = '=cmd|" /C calc"!A0 <script>\u202e'
ADA = Actor("Ada", "proctor")


def fill(centre: Centre) -> None:
    """A sitting with something in every section."""
    room = centre.room("Main hall")
    for number in (1, 2):
        centre.seat(room, f"A{number}", f"c.d{number}")
        centre.heartbeat(f"c.d{number}", state="waiting")
    now = now_ms()
    centre.execute("update sittings set end_utc_ms = :now", now=now - 60_000)
    centre.film(None, "c.d1", now - 600_000, 6)
    centre.gap("c.d1", began_utc_ms=now - 590_000)
    centre.alert("c.d1")
    centre.alert("c.d2", "camera_covered", is_drill=True)
    centre.fault("c.d2", "camera_lost", EVIL)
    person = centre.insert("candidates", sitting="sitting-1", number="1001", name=EVIL, seat="A1", extra_ms=600_000)
    centre.insert("stays", candidate_id=person, sitting="sitting-1", seat="A2", until_utc_ms=now - 900_000)
    centre.insert("stays", candidate_id=person, sitting="sitting-1", seat="A1", from_utc_ms=now - 900_000)
    times = {"began_utc_ms": now - 500_000, "limit_utc_ms": now - 400_000, "ended_utc_ms": now - 380_000}
    centre.insert("breaks", sitting="sitting-1", seat="A1", candidate_id=person, kind="toilet", given_by="Ada", **times)
    mark = {"at_utc_ms": now, "made_utc_ms": now, "made_by": "Ada", "note": EVIL}
    centre.insert("bookmarks", sitting="sitting-1", seat="A1", **mark)
    at = {"unit": "c.d1", "sitting": "sitting-1", "room": "Main hall", "seat": "A1"}
    centre.insert("signals", given_utc_ms=now, given_by="Ada", **at)
    centre.insert("attended", boot=1, seq=77, at_utc_ms=now, is_signal=1, alerts='["a"]', **at)
    centre.insert("attended", boot=1, seq=78, at_utc_ms=now, is_drill=1, alerts="[]", **at)
    centre.insert("holds", sitting="sitting-1", reason="an appeal", placed_by="Ada", placed_utc_ms=now)


def closed(store: Store) -> int:
    found = closing.read(store, "sitting-1", now_ms())
    reasons = {item.key: "because" for item in found.items if not item.is_done}
    return closing.close(store, "sitting-1", core_closing.digest(found.items), reasons, ADA, now_ms())[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site"), zone="Europe/Berlin") as found:
        fill(found.centre)
        yield found


@pytest.fixture(scope="module")
def ada(place: Site) -> FlaskClient:
    return place.client("Ada")


def tables(page: str) -> dict[str, list[list[str]]]:
    """Of each section of the page, the text of its cells."""
    found = {}
    for name, body in re.findall(r'<section class="part" data-section="(\w+)">(.*?)</section>', page, re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", body.partition("<tbody>")[2], re.DOTALL)
        found[name] = [
            [html.unescape(re.sub("<.*?>", "", cell)) for cell in re.findall(r"<td.*?>(.*?)</td>", row, re.DOTALL)]
            for row in rows
        ]
    return found


def same(shown: str, cell: str, value: Any, form: str) -> bool:
    """Whether the page, the table and the JSON value say the same."""
    if value is None or value == "":
        return shown == cell == ""
    if form == "time":
        return shown != "" and cell.endswith("Z")
    if form == "length":
        hours, minutes, seconds = map(int, shown.split(":"))
        return bool((hours * 3600 + minutes * 60 + seconds) == value // 1000 and round(float(cell) * 1000) == value)
    if form in ("number", "percent"):
        return float(shown) == float(cell) == float(value)
    return cell.lstrip("'").replace("\u202e", "\N{REPLACEMENT CHARACTER}") == shown


def test_page_table_and_json_say_the_same(ada: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row of every section, every value: none is only in one of them."""
    now = now_ms()
    monkeypatch.setattr(report, "now_utc_ms", lambda: now)  # a running sitting's report is another one each second
    document = ada.get("/sittings/sitting-1/report.json").get_json()
    shown = tables(ada.get("/sittings/sitting-1/report").text)
    rows = list(csv.reader(io.StringIO(ada.get("/sittings/sitting-1/report.csv").text.lstrip("\ufeff"))))
    filled = 0
    for section in core.SECTIONS:
        if section.name not in document:
            assert section.name == "overrides"
            continue
        table = [row[1:] for row in rows if row and row[0] == section.name][1:]
        staff = section.name == "staff"  # each look is an act more
        assert len(document[section.name]) == len(table) == len(shown[section.name]), section.name
        for row, cells, texts in zip(document[section.name], table, shown[section.name], strict=True):
            filled += 1
            for column, cell, text in zip(section.columns, cells, texts, strict=True):
                is_moving = staff and column.key in ("acts", "acts_here", "last_utc_ms")
                assert is_moving or same(text, cell, row[column.key], column.form), (section.name, column, row)
    assert filled >= 14


def test_what_the_report_says_of_a_sitting(ada: FlaskClient) -> None:
    document = ada.get("/sittings/sitting-1/report.json").get_json()
    facts = document["facts"]
    assert (facts["incidents"], facts["drill_incidents"], facts["drill_alerts"], facts["drill_presses"]) == (1, 1, 1, 1)
    assert (facts["segments"], facts["segments_pending"], facts["candidates"]) == (3, 3, 1)
    (person,) = document["roster"]
    assert (person["moves"], person["breaks"], person["break_ms"], person["over_ms"]) == ("A2", 1, 120_000, 20_000)
    (incident,) = document["incidents"]
    assert (incident["candidate"], incident["rule"]) == ("1001", "after 3 s, cleared after 5 s, threshold 0.5")
    assert [(row["who"], row["role"]) for row in document["staff"] if row["role"] != "terminal"] == [("Ada", "proctor")]
    assert {row["unit"]: row["software"] for row in document["units"]} == {"c.d1": "0.1.0", "c.d2": "0.1.0"}


def test_staff_is_who_acted_or_was_there(store: Store) -> None:
    """Who logged in before the start and not out again is on duty without an act; who left, or came after, is not."""
    hour = 3_600_000
    start, end = 100 * hour, 103 * hour
    at = [
        (80, "Old", Deed.LOGGED_IN, "user Old"),
        (99, "Eve", Deed.LOGGED_IN, "user Eve"),
        (99, "Left", Deed.LOGGED_IN, "user Left"),
        (99.5, "Left", Deed.LOGGED_OUT, "user Left"),
        (101, "Ada", Deed.VIEWED_REPORT, "sitting s"),
        (102, "Ada", Deed.VIEWED_SEAT, "seat 1"),
        (104, "Late", Deed.LOGGED_IN, "user Late"),
    ]
    for hours, who, deed, what in at:
        audit.note(store, Actor(who, "proctor"), deed, what, int(hours * hour))
    with store.read() as connection:
        found = store_report.staff(connection, "s", start, end)
    assert [(row["who"], row["acts"], row["acts_here"]) for row in found] == [("Ada", 2, 1), ("Eve", 0, 0)]


def test_names_can_be_left_out_everywhere(ada: FlaskClient) -> None:
    assert "/C calc" in ada.get("/sittings/sitting-1/report").text
    for form in ("report", "report.csv", "report.json"):
        text = ada.get(f"/sittings/sitting-1/{form}?names=no").text
        assert "1001" in text
        assert text.count("/C calc") == 2, "the note of a bookmark and of a fault, no name"


def test_what_people_typed_neither_runs_nor_calculates(ada: FlaskClient) -> None:
    page = ada.get("/sittings/sitting-1/report").text
    assert "<script>\u202e" not in page
    assert "\u202e" not in page
    table = ada.get("/sittings/sitting-1/report.csv").text
    assert all(not cell.startswith("=") for row in csv.reader(io.StringIO(table)) for cell in row)


def test_before_closing_it_says_that_nobody_signed_it(ada: FlaskClient) -> None:
    assert "DRAFT, not signed" in ada.get("/sittings/sitting-1/report").text
    assert ada.get("/sittings/sitting-1/report/signed-1.json").status_code == 404
    assert ada.get("/sittings/none/report").status_code == 404


# --- signed ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CaFolder:
    return made_folder(tmp_path_factory.mktemp("ca") / "ca", now_ms())


def work(store: Store, folder: Path, ca: CaFolder) -> Work:
    job = jobs.take(store, now_ms())
    assert job is not None
    return Work(job, settings(folder, ca_path=str(ca.path)), store, now_ms, threading.Event())


def test_the_worker_signs_what_was_closed_and_anybody_checks_it(tmp_path: Path, ca: CaFolder) -> None:
    """The page then shows the signed document, the file verifies with the centre's root, and a change shows."""
    with site(tmp_path) as place:
        fill(place.centre)
        number = closed(place.store)
        ada = place.client("Ada")
        assert "is making the signed report" in ada.get("/sittings/sitting-1/report").text
        report_jobs.sign(work(place.store, tmp_path, ca))
        assert "Signed by the hub" in ada.get("/sittings/sitting-1/report").text
        data = ada.get(f"/sittings/sitting-1/report/signed-{number}.json").data
        shown = ada.get("/sittings/sitting-1/report.json").get_json()
        assert shown == json.loads(data)["statement"]
        assert {row["reason"] for row in shown["reasons"]} == {"because"}
    root = ca.root_certificate.read_bytes()
    assert evidence.faults(data) == evidence.faults(data, [root]) == []
    other = made_folder(tmp_path / "other", now_ms()).root_certificate.read_bytes()
    assert evidence.faults(data, [other]) == ["who signed it does not belong to this centre"]
    assert "was changed" in evidence.faults(data.replace(b"because", b"Because"))[0]
    for bad in (b"", b"{}", b"[]", b"\xff", b'{"statement": {}}', b"[" * 100_000):
        assert evidence.faults(bad) != []


def test_a_desks_certificate_signs_no_report(tmp_path: Path, ca: CaFolder) -> None:
    """Its holder has a certificate of this centre; it vouches neither for a report nor for another certificate."""
    desk = Desk(ca, tmp_path / "desk", now=now_ms())
    chain = desk.certificate.read_text() + ca.root_certificate.read_text()
    document = core.document({}, {})
    signed = evidence.sealed(open_seal(ca), 1, document, 1)
    found = evidence.faults(
        evidence.exported(
            signed._replace(chain_pem=signed.chain_pem.split("-----END")[0] + "-----END CERTIFICATE-----\n" + chain)
        ),
        [ca.root_certificate.read_bytes()],
    )
    assert found == ["its chain of certificates is broken"]
    assert evidence.faults(evidence.exported(signed._replace(chain_pem=chain)), []) != []


def test_a_report_that_cannot_be_signed_says_what_to_do(tmp_path: Path, store: Store) -> None:
    centre = Centre(store, tmp_path / "live")
    fill(centre)
    closed(store)
    with pytest.raises(CannotDo, match="signed again"):
        report_jobs.sign(work(store, tmp_path, CaFolder(tmp_path / "none")))
    assert store_report.kept(store, "sitting-1") is None


def test_the_commands(tmp_path: Path, ca: CaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sitting report` writes each form and never over a file; `report verify` tells by its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/hub.db")
    monkeypatch.setenv("APP_ENV", "development")
    opened = Store(tmp_path / "hub.db")
    fill(Centre(opened, tmp_path / "live"))
    run = CliRunner().invoke
    assert "no signed report" in run(cli.main, ["sitting", "report", "sitting-1", "--out", "r.json"]).output
    closed(opened)
    report_jobs.sign(work(opened, tmp_path, ca))
    opened.close()
    assert run(cli.main, ["sitting", "report", "sitting-1", "--out", "r.json"]).exit_code == 0
    again = run(cli.main, ["sitting", "report", "sitting-1", "--out", "r.json"])
    assert again.exit_code == 1
    assert "File exists" in again.output
    bare = ["sitting", "report", "sitting-1", "--form", "csv", "--without-names", "--out", "r.csv"]
    assert run(cli.main, bare).exit_code == 0
    assert "1001,,A1" in (tmp_path / "r.csv").read_text()
    root = str(ca.root_certificate)
    assert run(cli.main, ["report", "verify", "r.json"]).exit_code == 4
    assert run(cli.main, ["report", "verify", "r.json", "--ca", root]).exit_code == 0
    (tmp_path / "x.json").write_bytes((tmp_path / "r.json").read_bytes().replace(b"because", b"Because"))
    assert run(cli.main, ["report", "verify", "x.json", "--ca", root]).exit_code == 1
