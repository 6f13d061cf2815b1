"""What-if on the command line: both lists side by side, one line for whatever is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from agent.core.judge import AlertChange, Judge, State
from agent.core.observation import Face, Observation, Scene, Seat
from agent.core.obslog import Encoder, Ended, Entry, Header, JudgeBy, Missed, whole_log
from agent.core.replay import Pair, alerts_of, judged_again, side_by_side
from agent.wire import DEFAULT_RULES, AlertKind, Instant, Rule
from tests.agent.test_agent_cli import agent, only_line, said

UTC_MS = 1_800_000_000_000
HEADER = Header(
    sitting="maths-1", software="0.1.0", model_sha256="", began=Instant(UTC_MS, 0), unit="hall.desk-01", boot=7
)
TWO = Rule(kind=AlertKind.MORE_THAN_ONE_FACE, raise_s=3, clear_s=5, threshold=0.6)
PATIENT = json.dumps([{"kind": "more_than_one_face", "raise_s": 8, "clear_s": 5}])


def look(up_ms: int, faces: int) -> Observation:
    shown = tuple(Face((0.25, 0.25, 0.25, 0.25), 0.9) for _ in range(faces))
    return Observation(up_ms, UTC_MS + up_ms, shown, Scene(100.0, 30.0, False), seat=None if faces else Seat(0.0, 0.0))


def sitting(script: list[tuple[int, int]], from_ms: int = 60_000, first_n: int = 1) -> list[Entry]:
    """(seconds, faces) after another, judged as the desk does."""
    judge = Judge((TWO,), first_n=first_n)
    entries: list[Entry] = [HEADER, JudgeBy(rules=(TWO,), first_n=first_n)]
    up_ms = from_ms
    for seconds, faces in script:
        for _ in range(seconds * 5):
            observation = look(up_ms, faces)
            entries += (observation, *judge.step(observation))
            up_ms += 200
    now = Instant(UTC_MS + up_ms, up_ms)
    return [*entries, *judge.end(now), Ended(now=now)]


def written(path: Path, entries: list[Entry]) -> Path:
    path.write_bytes(whole_log(entries))
    return path


VISITS = [(5, 1), (4, 2), (20, 1), (12, 2), (20, 1)]
"""A second person for four seconds, and later for twelve."""


def test_the_same_rules_say_the_same(tmp_path: Path) -> None:
    """Each alert beside its own replay; nothing is complained of."""
    path = written(tmp_path / "a.obslog", sitting(VISITS))
    done = agent(tmp_path, "replay", str(path))
    assert (done.returncode, said(done)) == (0, [])
    lines = done.stdout.splitlines()
    assert lines[0] == "hall.desk-01 maths-1 305 looks"
    assert lines[-1] == "as it was: 2 alerts; judged again by the same rules: 2"
    rows = [re.split(r" {2,}", line.strip()) for line in lines[2:-1]]
    assert rows[0] == ["more_than_one_face", "was", "2027-01-15 08:01:05", "5.0", "8.0", "14.0", "9.0"]
    assert rows[1] == ["would be", *rows[0][2:]]
    assert [row[-4] for row in rows[2:]] == ["29.0", "29.0"]


def test_other_rules_beside_what_was(tmp_path: Path) -> None:
    """A longer dwell leaves the short visit out and raises the long one later; both lists are written."""
    path = written(tmp_path / "a.obslog", sitting(VISITS))
    (tmp_path / "patient.json").write_text(PATIENT)
    done = agent(tmp_path, "replay", str(path), "--rules", "patient.json", "--json", "out.json")
    assert (done.returncode, said(done)) == (0, [])
    rows = [line.split() for line in done.stdout.splitlines()[2:-1]]
    assert rows[1] == ["would", "be", "-", "-", "-", "-", "-"]
    assert (rows[2][-3], rows[3][-3]) == ("32.0", "37.0")
    assert done.stdout.splitlines()[-1] == "as it was: 2 alerts; with these rules: 1"
    out = json.loads((tmp_path / "out.json").read_text())
    assert (out["sitting"], out["unit"]) == ("maths-1", "hall.desk-01")
    assert [alert["raised_s"] for alert in out["was"]] == [8.0, 32.0]
    (would,) = out["would"]
    assert would == {
        "log": "a.obslog",
        "kind": "more_than_one_face",
        "began_s": 29.0,
        "raised_s": 37.0,
        "cleared_s": 46.0,
        "began_utc_ms": UTC_MS + 89_000,
        "faces": 2,
        "score": 0.9,
        "rule": would["rule"],
    }
    assert would["rule"]["raise_s"] == 8


def test_the_logs_of_one_sitting_are_one_replay(tmp_path: Path) -> None:
    """A sitting that a restart cut in two, in the order given; each log's seconds are its own."""
    first = written(tmp_path / "maths-1_000007.obslog", sitting(VISITS))
    second = written(tmp_path / "maths-1_000008.obslog", sitting([(5, 2)], 200_000))
    done = agent(tmp_path, "replay", first.name, second.name)
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "hall.desk-01 maths-1 330 looks"
    assert done.stdout.splitlines()[-1] == "as it was: 3 alerts; judged again by the same rules: 3"
    assert done.stdout.splitlines()[-2].split()[-4:] == ["0.0", "3.0", "5.0", "5.0"]


def test_a_log_that_is_cut_or_damaged_is_judged_as_far_as_it_goes(tmp_path: Path) -> None:
    """One line says where it broke off, exit code 1 that something did; a kill at a flush is no damage."""
    entries, path = sitting(VISITS), tmp_path / "a.obslog"
    encoder, blocks = Encoder(), []
    for part in (entries[:200], entries[200:]):
        for entry in part:
            encoder.add(entry)
        blocks.append(encoder.block())
    path.write_bytes(encoder.head + blocks[0])
    done = agent(tmp_path, "replay", "a.obslog")
    assert done.returncode == 0
    (line,) = said(done)
    assert line.startswith("replay: a.obslog: ends in the middle of the sitting: ")
    last, summary = done.stdout.splitlines()[-2:]
    assert last.split()[-2:] == ["stands", "-"]
    assert summary == "as it was: 2 alerts; judged again by the same rules: 2"
    path.write_bytes(encoder.head + blocks[0] + blocks[1][:-1])
    cut = agent(tmp_path, "replay", "a.obslog")
    assert cut.returncode == 1
    assert said(cut) == ["replay: a.obslog: cut off after 195 observations, what follows is not read"]
    assert cut.stdout == done.stdout


def test_what_the_log_lacks_is_said(tmp_path: Path) -> None:
    """Looks that the card did not take may make the replay another one: that is no secret."""
    entries = sitting(VISITS)
    written(tmp_path / "a.obslog", [*entries[:40], Missed(observations=60), *entries[100:]])
    done = agent(tmp_path, "replay", "a.obslog")
    assert done.returncode == 0
    assert said(done) == ["replay: a.obslog: 60 observations were judged then but are not in the log"]


def test_a_judge_that_changed_is_said(tmp_path: Path) -> None:
    """Another version's log that comes out differently by its own rules names both versions."""
    entries = [entry for entry in sitting(VISITS) if not isinstance(entry, AlertChange)]
    written(tmp_path / "a.obslog", [msgspec.structs.replace(HEADER, software="0.0.9"), *entries[1:]])
    done = agent(tmp_path, "replay", "a.obslog")
    assert done.returncode == 0
    (line,) = said(done)
    assert "judged differently by its own rules: by version 0.0.9 then, " in line
    assert done.stdout.splitlines()[-1] == "as it was: 0 alerts; judged again by the same rules: 2"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty, no observation log"),
        (b"\x89PNG\r\n", "no observation log"),
        (b"EMS observations 2\n123", "format 2, this version reads format 1"),
        (None, "No such file"),
    ],
)
def test_what_is_no_log_is_refused_in_one_line(tmp_path: Path, data: bytes | None, words: str) -> None:
    """Nothing is judged, nothing is written, though the other file is a log."""
    written(tmp_path / "good.obslog", sitting(VISITS))
    if data is not None:
        (tmp_path / "bad.obslog").write_bytes(data)
    done = agent(tmp_path, "replay", "good.obslog", "bad.obslog", "--json", "out.json")
    line = only_line(done)
    assert "bad.obslog" in line
    assert words in line
    assert done.stdout == ""
    assert not (tmp_path / "out.json").exists()


def test_logs_of_two_sittings_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.obslog", sitting(VISITS))
    other = msgspec.structs.replace(HEADER, sitting="physics-1")
    written(tmp_path / "b.obslog", [other, *sitting(VISITS)[1:]])
    line = only_line(agent(tmp_path, "replay", "a.obslog", "b.obslog"))
    assert "hall.desk-01 maths-1, hall.desk-01 physics-1" in line


@pytest.mark.parametrize(
    "text", ["", "{}", '[{"kind": "seat_empty"}]', '[{"kind": "nose", "raise_s": 1, "clear_s": 1}]']
)
def test_rules_that_are_wrong_are_refused(tmp_path: Path, text: str) -> None:
    written(tmp_path / "a.obslog", sitting(VISITS))
    (tmp_path / "rules.json").write_text(text)
    assert "rules.json" in only_line(agent(tmp_path, "replay", "a.obslog", "--rules", "rules.json"))


def test_an_answer_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.obslog", sitting(VISITS))
    done = agent(tmp_path, "replay", "a.obslog", "--json", "nowhere/out.json")
    assert "nowhere" in only_line(done)
    assert done.stdout == ""


def alert(n: int, began_s: int, cleared_s: int | None, kind: AlertKind = AlertKind.SEAT_EMPTY) -> AlertChange:
    began = Instant(UTC_MS + began_s * 1000, began_s * 1000)
    cleared = None if cleared_s is None else Instant(UTC_MS + cleared_s * 1000, cleared_s * 1000)
    return AlertChange(
        n=n,
        kind=kind,
        state=State.RAISED if cleared is None else State.CLEARED,
        began=began,
        raised=began,
        cleared=cleared,
        rule=DEFAULT_RULES[0],
    )


def test_by_other_rules_only_the_last_end_ends() -> None:
    """The plan changes while an alert stands and the log breaks off: the alert stands through it, and to the end."""
    before, after = sitting([(10, 2)]), sitting([(10, 2), (1, 1)], 70_000, first_n=2)
    cut = [*before, *after[1:-2]]
    assert [type(entry) for entry in cut if isinstance(entry, Ended | JudgeBy)] == [JudgeBy, Ended, JudgeBy]
    (raised,) = judged_again(cut, (TWO,))
    assert (raised.state, raised.cleared) == (State.RAISED, None)
    *_, last = judged_again([*before, *after[1:]], (TWO,))
    assert (last.n, last.state, last.cleared) == (1, State.CLEARED, Instant(UTC_MS + 81_000, 81_000))
    assert [change.n for change in judged_again(before, (TWO,))] == [1, 1]


def test_alerts_that_stood_at_one_time_are_the_same_breach() -> None:
    """Of one kind, each paired once, the earliest first; what stands has no end."""
    was = [alert(1, 10, 20), alert(2, 30, 40), alert(3, 100, None)]
    would = [alert(1, 15, 35), alert(2, 36, 38), alert(3, 300, 310), alert(4, 15, 16, AlertKind.CAMERA_COVERED)]
    assert side_by_side(was, would) == [
        Pair(was[0], would[0]),
        Pair(None, would[3]),
        Pair(was[1], would[1]),
        Pair(was[2], would[2]),
    ]
    assert side_by_side(was[:1], [alert(1, 21, 22)]) == [Pair(was[0], None), Pair(None, alert(1, 21, 22))]


def test_the_last_word_on_each_alert_counts() -> None:
    raised, cleared = alert(1, 10, None), alert(1, 10, 20)
    assert alerts_of([alert(2, 5, 6), raised, cleared]) == [alert(2, 5, 6), cleared]
