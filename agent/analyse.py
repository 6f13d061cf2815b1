"""Vision and judge over films and pictures on disk, as fast as they go: `ems-agent analyse`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agent.camera import VISION_SIZE, CameraLost
from agent.camera.footage import PICTURE_SUFFIXES, read_pictures
from agent.core.judge import MAX_GAP_S, AlertChange, Judge, State
from agent.core.observation import Observation, quantised
from agent.core.obslog import SUFFIX, Ended, Entry, Header, JudgeBy, whole_log
from agent.vision import Vision, VisionProblem, open_vision
from agent.wire import DEFAULT_RULES, BadMessage, Instant, Rule, rules_in
from models import ModelProblem

Sample = dict[str, Any]
FileAlert = dict[str, Any]


class BadRules(Exception):
    """The file of rules does not hold rules; one line."""


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules in `path`: JSON, a list of rules; or TOML, `[[rules]]` tables. They replace the default ones.

    Raises BadRules; see `wire.rules_in` for what is refused.
    """
    try:
        return rules_in(path.read_bytes(), is_toml=path.suffix.lower() == ".toml")
    except (OSError, BadMessage) as error:
        raise BadRules(f"{path}: {error}") from error


def analyse(
    files: Sequence[Path],
    out: Path,
    alerts: Path | None = None,
    fps: float = 5.0,
    rules: Path | None = None,
    models_folder: Path | None = None,
    *,
    logs: Path | None = None,
    empty: Path | None = None,
    face_model: str = "full_range",
    console: Console | None = None,
) -> int:
    """Look `fps` times a second of film at each of `files`, judge what is seen, and write it.

    `out` becomes one object, file stem -> samples: `t` in seconds, `faces` with `box` [x, y, w, h] in the file's own
    pixels and `score` 0..1, and the whole `observation`. `alerts` becomes file stem -> alerts with `began_s`,
    `raised_s` and `cleared_s`, the last null for one that stood when the file ended. A still picture is judged at
    once, without dwell. `rules` is a file for `read_rules`. `logs` is a folder that gets an observation log of each
    file, for `agent.replay`. `empty` is a folder with pictures of empty seats: the one with a film's stem is what that
    film's seat looks like when nobody is there.

    Returns 0, or 1 when anything could not be read or written; each such file is one line on `console`
    (default: the terminal's error stream), and the others are still done.
    """
    say = console or Console(stderr=True)
    try:
        chosen = DEFAULT_RULES if rules is None else read_rules(rules)
        vision = open_vision(face_model, models_folder)
        _check_places((out, alerts), empty)
    except (BadRules, ModelProblem, VisionProblem, OSError) as error:
        _complain(say, str(error))
        return 1
    samples: dict[str, list[Sample]] = {}
    raised: dict[str, list[FileAlert]] = {}
    problems = []
    for unjudged in Judge(chosen).unjudged:
        _complain(say, f"rule {unjudged}: not judged from pictures alone, left out")
    with _progress(say) as progress:
        whole = progress.add_task("", total=len(files), now="")
        for path in files:
            if path.stem in samples:
                problems.append(f"{path}: another file of this call has the same name, left out")
            else:
                look = _File(path, vision, chosen, fps, _empty_seat_of(path, empty))
                for second in look.run():
                    progress.update(whole, now=f"{path.name} {second:.0f} s")
                if logs is not None:
                    look.keep_log(logs)
                if look.samples:  # nothing read is not the same as nothing seen: an unreadable file is left out
                    samples[path.stem], raised[path.stem] = look.samples, look.alerts
                problems += [look.problem] if look.problem else []
            progress.advance(whole)
    try:
        write_json(out, samples)
        if alerts is not None:
            write_json(alerts, raised)
    except OSError as error:
        problems.append(str(error))
    for problem in problems:
        _complain(say, problem)
    return 1 if problems else 0


def _check_places(targets: Iterable[Path | None], empty: Path | None) -> None:
    """Now, and not after an hour's work, is the time to find that a file cannot be written. Raises OSError."""
    if empty is not None and not empty.is_dir():
        raise NotADirectoryError(f"{empty}: no folder of pictures of empty seats")
    for target in filter(None, targets):
        write_json(target, {})


def _empty_seat_of(path: Path, folder: Path | None) -> Path | None:
    """The picture in `folder` that shows the seat of the film `path` empty."""
    if folder is None:
        return None
    return next(
        (folder / (path.stem + s) for s in sorted(PICTURE_SUFFIXES) if (folder / (path.stem + s)).exists()), None
    )


class _File:
    """One film or picture: its samples, alerts and what went wrong with it."""

    def __init__(
        self, path: Path, vision: Vision, rules: tuple[Rule, ...], fps: float, empty: Path | None = None
    ) -> None:
        self.samples: list[Sample] = []
        self.problem: str | None = None
        self._path, self._vision, self._fps, self._empty = path, vision, fps, empty
        is_still = path.suffix.lower() in PICTURE_SUFFIXES
        # at a rate so low that neighbouring samples lie further apart, they still are neighbours
        by = JudgeBy(rules=rules, first_n=1, is_still=is_still, max_gap_s=max(MAX_GAP_S, 1.5 / fps))
        self._judge = Judge(by.rules, by.is_still, max_gap_s=by.max_gap_s)
        self._entries: list[Entry] = [_header(path, vision), by]
        self._changes: dict[int, AlertChange] = {}

    def run(self) -> Iterable[float]:
        """Do the work, yielding the second after each sample."""
        self._vision.reset()
        try:
            if self._empty is not None:
                _, rgb = next(iter(read_pictures(self._empty, self._fps)))
                self._vision.seat.learn(as_the_desk_sees(rgb))
            for second, rgb in read_pictures(self._path, self._fps):
                self._look(second, rgb)
                yield second
        except (CameraLost, VisionProblem) as error:
            # what was seen before a film broke off stays
            self.problem = str(error) if self._path.name in str(error) else f"{self._path.name}: {error}"

    def _look(self, second: float, rgb: NDArray[np.uint8]) -> None:
        up_ms = round(second * 1000)
        observation = quantised(self._vision.observe(as_the_desk_sees(rgb), up_ms, up_ms))
        height, width = rgb.shape[:2]
        self.samples.append(_sample(second, observation, width, height))
        changes = self._judge.step(observation)
        self._changes.update({change.n: change for change in changes})
        self._entries += (observation, *changes)

    def keep_log(self, folder: Path) -> None:
        """Write the observation log into `folder`. It alone is told of an end: in `alerts` what stood when the film
        ended was not cleared."""
        if not self.samples:
            return
        last = self.samples[-1]["observation"]
        now = Instant(last["utc_ms"], last["up_ms"])
        data = whole_log((*self._entries, *self._judge.end(now), Ended(now=now)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write_whole(folder / f"{self._path.stem}{SUFFIX}", data)
        except OSError as error:
            self.problem = f"{self._path.name}: its log cannot be written: {error}"

    @property
    def alerts(self) -> list[FileAlert]:
        return [_file_alert(change) for _, change in sorted(self._changes.items())]


def as_the_desk_sees(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Scaled down to what a desk's camera hands to vision; smaller pictures as they are."""
    height, width = rgb.shape[:2]
    scale = min(VISION_SIZE[0] / width, VISION_SIZE[1] / height)
    if scale >= 1:
        return rgb
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _sample(second: float, observation: Observation, width: int, height: int) -> Sample:
    faces = []
    for face in observation.faces:
        x, y, w, h = face.box
        box = [round(x * width, 2), round(y * height, 2), round(w * width, 2), round(h * height, 2)]
        faces.append({"box": box, "score": round(face.score, 4)})
    return {"t": round(second, 3), "faces": faces, "observation": msgspec.to_builtins(observation)}


def _file_alert(change: AlertChange) -> FileAlert:
    cleared = change.cleared.up_ms / 1000 if change.state is State.CLEARED and change.cleared else None
    return {
        "kind": str(change.kind),
        "began_s": change.began.up_ms / 1000,
        "raised_s": change.raised.up_ms / 1000,
        "cleared_s": cleared,
    }


def _header(path: Path, vision: Vision) -> Header:
    software = metadata.version("exam-monitoring-system")
    return Header(sitting=path.name, software=software, model_sha256=vision.model_sha256, began=Instant(0, 0))


def write_json(path: Path, value: object) -> None:
    _write_whole(path, msgspec.json.encode(value))


def _write_whole(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _progress(console: Console) -> Progress:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}", markup=False),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _complain(console: Console, line: str) -> None:
    console.print(f"analyse: {line}", markup=False, highlight=False, soft_wrap=True)
