"""What a power cut took: what the desk had promised by then against what its card holds, made whole by its own code."""

from __future__ import annotations

import hashlib
import sqlite3
import statistics
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import av

from agent.core.segments import parse_name
from agent.host import Clock
from agent.recording.repair import closed_segments
from agent.records import Records, RecordsError
from agent.recovery import make_whole
from tests.hostile.cut_disk import Pool
from tests.journey.centre import UNIT

NS = 1_000_000_000
MOST_LOST_S = 1.0
"""Promise P2."""
SPOOLED = 5
"""With more records than this without receipt a desk is said to be spooling."""


class Promise(NamedTuple):
    """What a desk had said by an instant. `records` and `receipts` go by (boot, seq), `closed` by the file's name;
    `phase` is what it was doing; `plan` the number of the plan it had kept, `sitting` what it was recording."""

    phase: str
    first_ns: int | None
    last_ns: int | None
    closed: dict[str, tuple[int, str]]
    records: dict[tuple[int, int], str]
    receipts: set[tuple[int, int]]
    plan: int = 0
    sitting: str = ""

    @classmethod
    def nothing(cls) -> Promise:
        return cls("starting", None, None, {}, {}, set())

    def and_then(self, lines: list[str]) -> Promise:
        """With what was said since, by a new start: its pictures are the ones that count."""
        frames: list[int] = []
        closed, records, receipts = dict(self.closed), dict(self.records), set(self.receipts)
        plan, sitting = self.plan, self.sitting
        for line in lines:
            kind, *words = line.split()
            if kind == "frame":
                frames.append(int(words[0]))
            elif kind == "closed":
                closed[words[0]] = (int(words[1]), words[2])
            elif kind == "record":
                records[int(words[0]), int(words[1])] = words[2]
            elif kind == "receipt":
                receipts.add((int(words[0]), int(words[1])))
            elif kind == "plan":
                plan = int(words[0])
            elif kind == "sitting":
                sitting = "".join(words)
        first, last = (frames[0], frames[-1]) if frames else (None, None)
        ends = [line for line in lines if line.startswith("clos")]
        phase = "starting" if not frames else "closing" if ends and ends[-1] == "closing" else "recording"
        if phase == "recording" and len(records) - len(receipts) > SPOOLED:
            phase = "spooling"
        return Promise(phase, first, last, closed, records, receipts, plan, sitting)


class Cut(NamedTuple):
    """A card as a cut left it, and what stood outside at that instant."""

    image: Path
    promise: Promise


class Outcome(NamedTuple):
    """What one cut took. `faults` are lines that must not be; `video_s` is None when nothing was captured yet."""

    video_s: float | None
    lost_acknowledged: int
    damaged_closed: int
    faults: list[str]
    phase: str = ""


class Verdict(NamedTuple):
    """All cuts of a run."""

    outcomes: list[Outcome]

    @property
    def lost_acknowledged(self) -> int:
        return sum(outcome.lost_acknowledged for outcome in self.outcomes)

    @property
    def damaged_closed(self) -> int:
        return sum(outcome.damaged_closed for outcome in self.outcomes)

    @property
    def faults(self) -> list[str]:
        return [fault for outcome in self.outcomes for fault in outcome.faults]

    @property
    def videos_s(self) -> list[float]:
        return sorted(outcome.video_s for outcome in self.outcomes if outcome.video_s is not None)

    @property
    def max_video_s(self) -> float:
        return max(self.videos_s, default=0.0)

    @property
    def is_kept(self) -> bool:
        """Whether the promises hold."""
        is_whole = not (self.lost_acknowledged or self.damaged_closed or self.faults)
        return is_whole and self.max_video_s <= MOST_LOST_S

    def line(self) -> str:
        videos = self.videos_s or [0.0]
        p99 = videos[min(len(videos) - 1, len(videos) * 99 // 100)]
        phases = Counter(outcome.phase or "unborn" for outcome in self.outcomes)
        where = " ".join(f"{phase} {number}" for phase, number in sorted(phases.items()))
        return f"fell while: {where}\n" + (
            f"cuts {len(self.outcomes)} lost_acknowledged {self.lost_acknowledged} damaged_closed {self.damaged_closed}"
            f" max_video_s {self.max_video_s:.2f} p99_video_s {p99:.2f} median_video_s {statistics.median(videos):.2f}"
            f" verdict {'kept' if self.is_kept else 'BROKEN'}"
        )


def judge(pool: Pool, cut: Cut) -> Outcome:
    """Start on a cut card as the agent does, and compare with what was promised."""
    promise = cut.promise
    with pool.mounted(cut.image) as card:
        folder = card / "desk"
        try:
            told, faults = start_on(folder, promise)
        except (RecordsError, OSError) as error:
            if not (promise.records or promise.closed):
                return Outcome(_seconds(promise, None), 0, 0, [f"no start: {error}"] if folder.exists() else [])
            lost = len(promise.records), len(promise.closed)
            return Outcome(_seconds(promise, None), *lost, [f"no start: {error}"], promise.phase)
        rows = rows_in(folder / "records.db")
        lost_acknowledged = sum(rows.get(key, ("", None))[0] != digest for key, digest in promise.records.items())
        forgotten = [key for key in promise.receipts if key in rows and rows[key][1] is None]
        faults += [f"the receipt of {key} is forgotten" for key in forgotten]
        segments = folder / "segments"
        names = closed_segments(segments)
        faults += [f"{name} has no record" for name in names if name not in told]
        faults += [f"{path.name} is left" for path in segments.glob("*.part")]
        # in room that was set aside, bytes that were never synced are noughts
        faults += [f"{path.name} holds film" for path in segments.glob("*.aside*") if any(path.read_bytes())]
        files = {name: of_file(segments / name) for name in {*names, *told, *promise.closed}}
        damaged = {name for wanted in (told, promise.closed) for name in wanted if files[name] != wanted[name]}
        last_ns = last_picture_ns(segments, [name for name in names if files[name]])
    return Outcome(_seconds(promise, last_ns), lost_acknowledged, len(damaged), faults, promise.phase)


def start_on(folder: Path, promise: Promise) -> tuple[dict[str, tuple[int, str]], list[str]]:
    """What the agent does with its card before it records: (bytes and hash of each segment by the records, what is
    wrong with them). Raises RecordsError or OSError where an agent would not start."""
    clock = Clock(is_trusted=True)
    (folder / "segments").mkdir(exist_ok=True)
    with Records(folder, UNIT) as records:
        make_whole(folder / "segments", records, lambda body, now: void(records.append(body, now, True)), clock.now())
        faults = records.verify()
        if records.damaged is not None or records.trouble is not None:
            faults.append(f"the records: damaged {records.damaged}, trouble {records.trouble}")
        plan = records.plan()
        if promise.plan > (0 if plan is None else plan.number):
            faults.append(f"plan {promise.plan} is lost")
        if promise.sitting and records.sitting() != promise.sitting:
            faults.append(f"the sitting {promise.sitting} is forgotten")
        told = [segment.closed for segment in records.segments() if segment.state != "freed"]
    names = [each.name for each in told]
    faults += [f"{name} has two records" for name in names if names.count(name) > 1]
    return {each.name: (each.size_bytes, each.sha256) for each in told}, faults


def void(_: object) -> None:
    """A record's end."""


def of_file(path: Path) -> tuple[int, str] | None:
    """Bytes and hash; None when there is no such file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    return len(data), hashlib.sha256(data).hexdigest()


def rows_in(path: Path) -> dict[tuple[int, int], tuple[str, int | None]]:
    """Hash and moment of receipt of each record."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT boot, seq, hash, receipted_utc_ms FROM records").fetchall()
    return {(boot, seq): (digest, receipted) for boot, seq, digest, receipted in rows}


def last_picture_ns(folder: Path, names: list[str]) -> int | None:
    """The capture instant of the newest picture that can be decoded, in ns since boot."""
    for name in reversed(names):
        parsed = parse_name(name)
        assert parsed is not None
        try:
            with av.open(str(folder / name), format="mpegts") as container:
                stamps = [frame.time for frame in container.decode(video=0) if frame.time is not None]
        except av.error.FFmpegError:
            stamps = []
        if stamps:
            return parsed[0].began_up_ms * 1_000_000 + round((stamps[-1] - stamps[0]) * NS)
    return None


def _seconds(promise: Promise, last_ns: int | None) -> float | None:
    """Captured and not to be seen any more."""
    if promise.first_ns is None or promise.last_ns is None:
        return None
    return max(0.0, (promise.last_ns - max(last_ns or 0, promise.first_ns)) / NS)
