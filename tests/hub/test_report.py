"""The readable report of a bundle: it says what is known with its clocks and limits, and nothing that anybody wrote is
obeyed."""

from __future__ import annotations

import datetime as dt
import html.parser
import re
import zoneinfo
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.evidence import report
from hub.evidence.report import (
    AbsentTold,
    ActTold,
    AlertTold,
    CoverageTold,
    FileTold,
    IncidentTold,
    MissingTold,
    ReportValues,
    SealTold,
)

AT = 1_777_882_443_250  # 2026-05-04 10:14:03.250 in Berlin
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
SHA256 = "5e" * 32

ALERT = AlertTold(
    unit="c.desk-07",
    boot=3,
    began_utc_ms=AT,
    began_up_ms=2_400_000,
    raised_utc_ms=AT + 10_000,
    raised_up_ms=2_410_000,
    cleared_utc_ms=AT + 42_000,
    received_utc_ms=AT + 10_180,
    body={
        "alert_kind": "seat_empty",
        "rule": {"raise_s": 10, "clear_s": 3, "threshold": 0.5, "witnesses": {"person": 0.05, "change": 0.1}},
        "evidence": {"person": 0.012, "change": 0.34},
        "faces": 0,
        "mode": "automated",
        "model_sha256": "9c" * 32,
        "software": "0.4.1",
    },
    still=f"stills/{SHA256}.jpg",
)
INCIDENT = IncidentTold(
    number=12,
    kind="seat_empty",
    state="closed",
    verdict="refer",
    is_drill=False,
    alerts=[ALERT],
    acts=[
        ActTold(AT + 10_180, "desk", "opened", text="alert-1"),
        ActTold(
            AT + 60_000, "Ada", "closed", "refer", "Left the room with the invigilator.\nCame back after a minute."
        ),
    ],
)
VALUES = ReportValues(
    bundle=4,
    made_utc_ms=AT + 3_600_000,
    asked_by="Ada",
    recipient="Examination board",
    purpose="An appeal",
    is_incident=True,
    room="Main hall",
    seat="A7",
    exam="Structural Mechanics II",
    sitting="mechanics-1",
    from_utc_ms=AT - 30_000,
    until_utc_ms=AT + 57_000,
    zone=BERLIN,
    units=[("c.desk-07", "ab" * 32)],
    incidents=[INCIDENT],
    coverage=CoverageTold(
        recorded_ms=82_900,
        due_ms=87_000,
        recorded=[(AT - 30_000, AT + 20_000), (AT + 24_100, AT + 57_000)],
        missing=[MissingTold(AT + 20_000, AT + 24_100, "power_or_crash", "no clean end", told="lamp 0.4 s later")],
    ),
    seal=SealTold("7ZK4-0QXW", 20_571, AT + 60_000, "3e" * 32),
    files=[FileTold(f"stills/{SHA256}.jpg", "still", 48_211, SHA256)],
    absent=[AbsentTold("000042.ts", "segment", "still on the desk")],
    software="0.4.1",
)


class Page(html.parser.HTMLParser):
    """Tags, attributes and text of a page, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._is_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._is_style = tag == "style"
        self.words.append("" if tag in ("bdi", "span", "code", "strong", "em") else " ")

    def handle_data(self, data: str) -> None:
        if not self._is_style:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def test_a_report_says_what_is_known() -> None:
    """Who asked, why, the rule with its numbers, both clocks, the verdict and by whom, what is missing and why, the
    seal, the files, and how to check it."""
    text = Page(report.render(VALUES)).text
    for words in (
        "Incident 12: Nobody in view",
        "Asked for by Ada",
        "For Examination board",
        "Because An appeal",
        "2026-05-04 10:14:03.250 +02:00",
        "0:40:00.0 after its machine started (agent start 3)",
        "hub clock",
        "Nobody in view for 10 s raises, gone for 3 s clears",
        "Threshold 0.5",
        "Of the picture, taken for a person: 1.2% (somebody from 5.0% on)",
        "9c" * 32,
        "0.4.1 on c.desk-07",
        "Verdict of a person: Refer",
        "Left the room with the invigilator.",
        "0:01:22.9 of 0:01:27.0 are recorded, 95.28 %",
        "1 stretch is missing",
        "Power cut or crash",
        "lamp 0.4 s later",
        "000042.ts: still on the desk",
        "7ZK4-0QXW",
        "python verify.py BUNDLE.zip --ca root.pem",
        "knows nobody, judges nobody and gives no score",
        SHA256,
    ):
        assert words in text, words


def test_a_whole_sitting_without_incident_or_seal_reads_as_well() -> None:
    """Nothing happened, nothing is missing, nothing was countersigned: each is said."""
    quiet = VALUES._replace(
        is_incident=False,
        incidents=[],
        seal=None,
        recipient="",
        purpose="",
        absent=[],
        files=[],
        units=[],
        coverage=CoverageTold(87_000, 87_000, [(AT - 30_000, AT + 57_000)], []),
    )
    text = Page(report.render(quiet)).text
    for words in (
        "the whole sitting",
        "No rule held long enough",
        "100.00 %",
        "No stretch is missing",
        "not countersigned",
    ):
        assert words in text
    assert "no reason was given" in text
    assert "not due yet" not in text
    none_due = quiet._replace(coverage=CoverageTold(0, 0, [], []))
    assert "white: not due yet" in Page(report.render(none_due)).text
    assert "Nothing was due" in Page(report.render(none_due)).text


def test_a_drill_and_an_open_incident_are_no_verdict() -> None:
    """A drill is stamped; an incident that nobody judged has no verdict, and a later desk's words stand as they are."""
    alert = ALERT._replace(
        cleared_utc_ms=None, still="", body={"alert_kind": "left_hand", "evidence": None, "rule": None}
    )
    drill = INCIDENT._replace(is_drill=True, verdict="", state="open", kind="left_hand", alerts=[alert, alert], acts=[])
    text = Page(report.render(VALUES._replace(incidents=[drill, drill._replace(alerts=[])]))).text
    assert "DRILL: somebody at the desk tried this alert out" in text
    assert "No verdict. Nobody has looked at it yet." in text
    assert "Left hand" in text
    assert "not cleared when this was made" in text
    assert "Alert 2 of 2" in text
    assert "No record of an alert has reached the hub" in text


EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x00\x1b{{ 7*7 }}'


def test_hostile_words_stay_words() -> None:
    """Wherever somebody or some machine wrote a text, it adds no tag, no attribute and no hidden letter."""
    plain = Page(report.render(VALUES))
    acts = [ActTold(AT, EVIL, "commented", "", EVIL)]
    body: dict[str, Any] = {**ALERT.body, "mode": EVIL, "model_sha256": EVIL, "software": EVIL}
    hostile = INCIDENT._replace(acts=acts, alerts=[ALERT._replace(unit=EVIL, body=body)])
    values = VALUES._replace(
        asked_by=EVIL,
        recipient=EVIL,
        purpose=EVIL,
        room=EVIL,
        seat=EVIL,
        exam=EVIL,
        sitting=EVIL,
        units=[(EVIL, EVIL)],
        incidents=[hostile],
        coverage=VALUES.coverage._replace(missing=[MissingTold(AT, AT + 1, EVIL, EVIL, told=EVIL)]),
        seal=SealTold(EVIL, 1, AT, EVIL),
        files=[FileTold(EVIL, EVIL, 1, EVIL)],
        absent=[AbsentTold(EVIL, EVIL, EVIL)],
        software=EVIL,
    )
    text = report.render(values)
    page = Page(text)
    known = {tag for tag, _ in plain.tags}
    assert {tag for tag, _ in page.tags} == known
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert not [a for tag, a in page.tags if tag == "img" and a["src"] != f"stills/{SHA256}.jpg"]
    assert "{{ 7*7 }}" in page.text
    for letter in "\u202e\x00\x1b":
        assert letter not in text


def test_the_report_needs_nothing_from_anywhere() -> None:
    """No script, no address, no form; its own policy says so to the browser."""
    text = report.render(VALUES)
    page = Page(text)
    assert not {"script", "link", "iframe", "form", "object"} & {tag for tag, _ in page.tags}
    assert "default-src 'none'" in text
    assert "http://" not in text
    assert "https://" not in text
    assert not re.search(r"\sstyle=|url\(|@import", text)


@pytest.mark.parametrize(
    ("ms", "words"), [(0, "0.0 s"), (59_949, "59.9 s"), (60_000, "0:01:00.0"), (3_725_250, "1:02:05.2"), (-5, "0.0 s")]
)
def test_lengths_are_written_like_clocks(ms: int, words: str) -> None:
    assert report.length(ms) == words


def test_times_carry_their_distance_to_utc() -> None:
    """Summer, winter, and zones of less than whole hours."""
    assert report.moment(AT, BERLIN) == "2026-05-04 10:14:03.250 +02:00"
    assert report.moment(AT, dt.UTC) == "2026-05-04 08:14:03.250 +00:00"
    assert report.moment(AT, zoneinfo.ZoneInfo("Asia/Kathmandu")).endswith("13:59:03.250 +05:45")
    assert report.moment(AT, zoneinfo.ZoneInfo("America/St_Johns")).endswith("05:44:03.250 -02:30")
    assert report.moment(None, BERLIN) == report.DASH


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(-10_000, 100_000), st.integers(0, 50_000)), max_size=6), st.integers(1, 90_000))
def test_the_bar_stays_within_its_frame(stretches: list[tuple[int, int]], whole_ms: int) -> None:
    """Whatever was recorded before, after or within, no piece leaves the bar, and none is of no width."""
    recorded = [(AT + low, AT + low + length) for low, length in stretches]
    cover = CoverageTold(1, 2, recorded, [])
    values = VALUES._replace(
        from_utc_ms=AT, until_utc_ms=AT + whole_ms, coverage=cover, incidents=[], is_incident=False
    )
    for left, width in report._bars(values):
        assert 0 <= left
        assert width > 0 or left > 0
        assert left + width <= report.BAR_PX + 0.02
        assert left + width <= report._due(values) + 0.02
    assert report.render(values)
