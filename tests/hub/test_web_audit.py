"""The audit page: what was done in plain words, whether the chain is whole, and copies for elsewhere."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.core import audit as core
from hub.core import audit_words
from hub.core.audit import Deed
from hub.store import Store, audit
from hub.web.audit import WHOLE_EVERY_MS, ChainWatch
from tests.hub.website import Site, site

EVE = audit.Actor("=cmd|' /C calc'!A0", "proctor", "10.0.0.7")
HOUR_MS = 3_600_000
NOON = 1_800_014_400_000


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path, zone="Europe/Berlin") as found:
        found.centre.seat(found.centre.room("Hall"), "A1", "c.d1")
        found.centre.alert("c.d1", still=1)
        for number in range(3):
            detail = {"reason": "<b>bold</b>", "until_utc_ms": NOON}
            audit.note(found.store, EVE, Deed.HELD, f"incident {number}", NOON + number * HOUR_MS, detail)
        yield found


def shown(place: Site, query: str = "") -> str:
    return place.client("Olga").get(f"/audit/{query}").text


def test_entries_are_told_in_words_and_can_be_narrowed(place: Site) -> None:
    """By person, deed, object and time of the centre; a word that is markup stays text."""
    text = shown(place)
    assert "put a hold on incident 2" in text
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "<b>bold</b>" not in text
    assert shown(place, "?object=incident+1").count("<tr data-deed") == 1
    assert shown(place, "?object=incident&deed=held").count("<tr data-deed") == 3
    assert shown(place, "?deed=released").count("<tr data-deed") == 0
    assert "No entry matches" in shown(place, "?who=Nobody")
    berlin = "2027-01-15T14:00"  # 13:00 UTC, an hour after the first
    assert shown(place, f"?deed=held&from={berlin}").count("<tr data-deed") == 2
    assert shown(place, f"?deed=held&until={berlin}").count("<tr data-deed") == 1
    assert "is no time" in shown(place, "?from=yesterday")
    assert shown(place, "?from=9999-12-31T23:59&before=99999999999999999999").count("<tr data-deed") == 0


def test_the_page_says_whether_the_chain_is_whole(place: Site) -> None:
    """Up to which entry and when it was checked; a changed entry and a cut end are said loudly."""
    client = place.client("Olga")
    assert "The chain is whole: checked up to entry" in client.get("/audit/").text
    with place.store.write() as connection:
        connection.execute("drop trigger audit_remains")
        newest = connection.execute("select max(audit_id) from audit").fetchone()[0]
        connection.execute("delete from audit where audit_id >= ?", [newest - 1])
    text = client.get("/audit/?who=Ada").text
    assert "The log is not whole" in text
    assert "the end of the log was cut off" in text


@pytest.mark.parametrize("is_long", [False, True])
def test_the_whole_chain_is_checked_anew(store: Store, is_long: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is changed in what was checked already is found at the next look, of a long log within ten minutes."""
    monkeypatch.setattr("hub.web.audit.QUICK_ENTRIES", 0 if is_long else 50_000)
    watch = ChainWatch()
    for number in range(4):
        audit.note(store, EVE, Deed.PLAYED, f"seat {number}", number)
    first = watch.look(store, 1_000)
    assert first
    assert first.last
    assert (first.last.audit_id, first.found) == (4, [])
    with store.write() as connection:
        connection.execute("drop trigger audit_stays")
        connection.execute("update audit set object = 'seat 9' where audit_id = 2")
    audit.note(store, EVE, Deed.PLAYED, "seat 5", 5)
    soon = watch.look(store, 2_000)
    assert soon
    assert soon.last
    assert soon.last.audit_id == 5
    assert soon.found == ([] if is_long else ["entry 2 was changed"])
    later = watch.look(store, 1_000 + WHOLE_EVERY_MS)
    assert later
    assert later.found == ["entry 2 was changed"]
    still = watch.look(store, 2_000 + WHOLE_EVERY_MS)
    assert still
    assert still.found == ["entry 2 was changed"]


def test_a_table_is_harmless_in_a_spreadsheet(place: Site) -> None:
    """No cell begins like a formula; all entries that the filter wants are there, oldest first, with their words."""
    response = place.client("Root").get("/audit/export.csv?deed=held")
    assert "attachment" in response.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(response.text)))
    assert [row["object"] for row in rows] == ["incident 0", "incident 1", "incident 2"]
    assert rows[0]["who"] == "'" + EVE.who
    assert rows[0]["at"] == "2027-01-15T12:00:00.000+00:00"
    assert rows[0]["words"] == "put a hold on incident 0"
    for row in rows:
        assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_copy_with_hashes_is_the_log(place: Site) -> None:
    """Each line is an entry whose hash holds; together they are the chain, this export's own entry included."""
    response = place.client("Root").get("/audit/export.jsonl")
    entries = [audit.entry_of(line) for line in response.data.splitlines()]
    assert core.faults_of(entries) == []
    assert entries[-1].deed == Deed.EXPORTED_AUDIT
    assert entries == list(audit.entries(place.store))
    assert place.client("Root").get("/audit/export.jsonl?from=never").status_code == 400
    assert place.client("Root").get("/audit/export.exe").status_code == 404


def test_an_incident_shows_who_looked_to_those_who_may_know(place: Site) -> None:
    """Admins and auditors see who looked at it; a proctor sees the incident alone."""
    place.client("Ada").get("/incidents/1")
    for name, is_told in (("Olga", True), ("Root", True), ("Grace", False)):
        text = place.client(name).get("/incidents/1").text
        assert ("Who looked" in text) == is_told
        assert ("<bdi>Ada</bdi>" in text) == is_told
        assert 'href="/audit/?object=incident+1"' in text or not is_told


def test_older_entries_are_a_page_away(place: Site) -> None:
    """A page has a hundred, the next begins below its last and keeps the filter."""
    for number in range(audit.PAGE_ROWS):
        audit.note(place.store, EVE, Deed.PLAYED, f"seat {number}", NOON)
    client = place.client("Olga")
    first = client.get("/audit/?deed=played").text
    assert first.count("<tr data-deed") == audit.PAGE_ROWS
    more = first.partition("Older entries")[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "deed=played" in more
    assert client.get(more).text.count("<tr data-deed") == 0


def test_every_deed_has_its_words() -> None:
    """No deed is told by its name in the code."""
    assert set(audit_words.WORDS) == set(Deed)
    entry = core.Entry(1, NOON, "Ada", "proctor", "sneezed_loudly", "seat 7", "[1]", "x", "p", "h")
    assert audit_words.sentence(entry) == "sneezed loudly: seat 7"
    assert audit_words.details(entry, str) == [audit_words.Detail("", "[1]")]
    assert audit_words.details(entry._replace(detail="{"), str) == [audit_words.Detail("unreadable", "{")]
    told = entry._replace(
        detail=core.detail_text({"from_utc_ms": 5, "still": "ab" * 32, "x": "y" * 999, "is_ok": True})
    )
    assert dict(audit_words.details(told, lambda at: f"at {at}")) == {
        "from": "at 5",
        "picture": "abababababab\N{HORIZONTAL ELLIPSIS}",
        "x": "y" * 300 + "\N{HORIZONTAL ELLIPSIS}",
        "is ok": "yes",
    }
