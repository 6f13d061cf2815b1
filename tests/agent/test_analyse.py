"""Films and pictures analysed in one go: the two files written, and what happens to files that cannot be read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import av
import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from agent.analyse import BadRules, analyse, as_the_desk_sees, read_rules
from agent.core.observation import Observation
from agent.core.obslog import read_log
from agent.core.replay import alerts_of, judged_again
from agent.wire import AlertKind, Rule
from tests.agent.vision_kit import PORTRAITS, files_folder, portrait

FPS = 10
QUICK = json.dumps([{"kind": kind, "raise_s": 1, "clear_s": 0.4} for kind in ("seat_empty", "camera_covered")])


def sitting() -> NDArray[np.uint8]:
    """A 640x360 room with one person in it."""
    picture = empty()
    picture[:, 150:457] = cv2.resize(portrait("portrait_hopper"), (307, 360), interpolation=cv2.INTER_AREA)
    return picture


def empty() -> NDArray[np.uint8]:
    room = np.full((360, 640, 3), 140, np.uint8)
    room[240:] = 90
    return room


def film(path: Path, script: list[tuple[float, NDArray[np.uint8]]]) -> Path:
    """A film of (seconds, picture) after another, ten pictures a second, each with a sensor's noise: without it, it
    would be the film of a frozen camera."""
    chance = np.random.default_rng(5)
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": "5", "crf": "16"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for seconds, picture in script:
            for _ in range(round(seconds * FPS)):
                noisy = np.clip(picture + chance.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)
                made.mux(stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")))
        made.mux(stream.encode())
    return path


def still(path: Path, picture: NDArray[np.uint8]) -> Path:
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return path


def run(folder: Path, files: list[Path], **more: Any) -> tuple[int, dict[str, Any], dict[str, Any], str]:
    """Status, samples, alerts and what was said."""
    said, out, alerts = io.StringIO(), folder / "out.json", folder / "alerts.json"
    console = Console(file=said, width=200)
    status = analyse(files, out, alerts, models_folder=files_folder(), console=console, **more)
    return status, json.loads(out.read_bytes()), json.loads(alerts.read_bytes()), said.getvalue()


def rules_file(folder: Path, text: str = QUICK) -> Path:
    path = folder / "rules.json"
    path.write_text(text)
    return path


def test_a_film_is_sampled_and_judged(tmp_path: Path) -> None:
    """Sits, leaves for two seconds, comes back: five samples a second, boxes in the film's pixels, one alert with its
    three times. Two looks must miss a face before it is gone, one that is beyond doubt brings it back."""
    path = film(tmp_path / "leaves.mp4", [(1.0, sitting()), (2.0, empty()), (1.0, sitting())])
    status, samples, alerts, said = run(tmp_path, [path], rules=rules_file(tmp_path))
    assert (status, said) == (0, "")
    assert [sample["t"] for sample in samples["leaves"]] == pytest.approx([0.1 + n / 5 for n in range(20)])
    assert [len(sample["faces"]) for sample in samples["leaves"]] == [1] * 6 + [0] * 9 + [1] * 5
    x, y, width, height = samples["leaves"][0]["faces"][0]["box"]
    assert 250 < x + width / 2 < 350
    assert 90 < y + height / 2 < 180
    assert samples["leaves"][0]["observation"]["scene"]["is_covered"] is False
    assert samples["leaves"][3]["observation"]["up_ms"] == 700
    (alert,) = alerts["leaves"]
    assert alert == {
        "kind": "seat_empty",
        "began_s": pytest.approx(1.3),
        "raised_s": pytest.approx(2.3),
        "cleared_s": pytest.approx(3.5),
    }


def test_a_film_leaves_a_log_to_replay(tmp_path: Path) -> None:
    """Every sample as it was judged, and the alerts; a picture is judged without dwell in the replay too."""
    path = film(tmp_path / "leaves.mp4", [(1.0, sitting()), (2.0, empty()), (1.0, sitting())])
    picture = still(tmp_path / "wall.png", empty())
    logs = tmp_path / "new" / "logs"
    status, samples, alerts, said = run(tmp_path, [path, picture], rules=rules_file(tmp_path), logs=logs)
    assert (status, said) == (0, "")
    for stem, name in (("leaves", "leaves.mp4"), ("wall", "wall.png")):
        log = read_log((logs / f"{stem}.obslog").read_bytes())
        assert (log.header.sitting, log.problem, log.is_ended) == (name, "", True)
        looks = [entry for entry in log.entries if isinstance(entry, Observation)]
        assert json.loads(msgspec.json.encode(looks)) == [sample["observation"] for sample in samples[stem]]
        again = alerts_of(judged_again(log.entries))
        assert [change.raised.up_ms / 1000 for change in again] == [alert["raised_s"] for alert in alerts[stem]]
        assert len(again) == 1


def test_a_log_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """The samples are still there, and exit code 1 says that something is missing."""
    (tmp_path / "logs").write_text("in the way")
    picture = still(tmp_path / "wall.png", empty())
    status, samples, _, said = run(tmp_path, [picture], rules=rules_file(tmp_path), logs=tmp_path / "logs")
    assert status == 1
    assert list(samples) == ["wall"]
    assert said.startswith("analyse: wall.png: its log cannot be written: ")
    assert len(said.splitlines()) == 1


def test_a_film_may_bring_a_picture_of_its_empty_seat(tmp_path: Path) -> None:
    """Given by the film's name, the seat is compared from the first look on, and the rule does not wait for it; the
    next film knows nothing of it."""
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rules]]\nkind = "seat_empty"\nraise_s = 1\nclear_s = 1\n[rules.witnesses]\nunreferenced_s = 60\n'
    )
    (tmp_path / "empty").mkdir()
    still(tmp_path / "empty" / "known.png", empty())
    films = [film(tmp_path / f"{name}.mp4", [(3.0, empty())]) for name in ("known", "new")]
    status, samples, alerts, said = run(tmp_path, films, rules=rules, empty=tmp_path / "empty")
    assert (status, said) == (0, "")
    assert [len(alerts[name]) for name in ("known", "new")] == [1, 0]
    changes = {name: {sample["observation"]["seat"]["change"] for sample in samples[name]} for name in samples}
    assert changes["new"] == {None}
    assert max(changes["known"]) <= 0.01
    status, *_, said = run(tmp_path, films, empty=tmp_path / "nowhere")
    assert (status, "no folder of pictures of empty seats" in said) == (1, True)


def test_a_picture_is_judged_at_once(tmp_path: Path) -> None:
    """One sample at 0 and no dwell: an empty room and two faces raise, one face does not; box in its own pixels."""
    pair = np.concatenate([portrait(name)[:512, :512] for name in PORTRAITS], axis=1)
    files = [
        still(tmp_path / "one.jpg", portrait("portrait_astronaut")),
        still(tmp_path / "none.png", empty()),
        still(tmp_path / "two.png", pair),
        still(tmp_path / "black.png", np.zeros((200, 300, 3), np.uint8)),
    ]
    status, samples, alerts, _ = run(tmp_path, files)
    assert status == 0
    assert [[sample["t"] for sample in rows] for rows in samples.values()] == [[0.0]] * 4
    at_once = {"began_s": 0.0, "raised_s": 0.0, "cleared_s": None}
    assert alerts == {
        "one": [],
        "none": [{"kind": "seat_empty", **at_once}],
        "two": [{"kind": "more_than_one_face", **at_once}],
        "black": [{"kind": "camera_covered", **at_once}],
    }
    x, y, width, height = samples["one"][0]["faces"][0]["box"]
    assert 150 < x < x + width < 320
    assert 50 < y < y + height < 220


def test_a_low_rate_still_raises(tmp_path: Path) -> None:
    """One look in four seconds: the dwell counts from look to look instead of starting anew each time."""
    path = film(tmp_path / "away.mp4", [(16.0, empty())])
    rules = tmp_path / "slow.json"
    rules.write_text(json.dumps([{"kind": "seat_empty", "raise_s": 10, "clear_s": 3}]))
    _, samples, alerts, _ = run(tmp_path, [path], fps=0.25, rules=rules)
    assert len(samples["away"]) == 4
    assert [alert["kind"] for alert in alerts["away"]] == ["seat_empty"]


def test_files_that_cannot_be_read_cost_the_others_nothing(tmp_path: Path) -> None:
    """Missing, not a film, cut off in the middle, the same name twice: one line each, status 1, the rest done; what
    was read before a film broke off is kept."""
    whole = film(tmp_path / "whole.ts", [(2.0, sitting())])
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(b"\0\0\0\x18ftypisom" + bytes(500))
    text = tmp_path / "notes.jpg"
    text.write_text("not a picture")
    again = still(tmp_path / "whole.png", empty())
    status, samples, _, said = run(tmp_path, [tmp_path / "gone.mp4", torn, text, whole, again])
    assert status == 1
    assert len(samples["whole"]) == 10
    assert all(len(sample["faces"]) == 1 for sample in samples["whole"])
    lines = said.splitlines()
    assert len(lines) == 4
    for name, line in zip(["gone.mp4", "torn.mp4", "notes.jpg", "whole.png"], lines, strict=True):
        assert line.startswith("analyse: ")
        assert name in line


def test_rules_are_read_from_json_and_toml(tmp_path: Path) -> None:
    """Both forms give the same rules."""
    toml = tmp_path / "rules.toml"
    toml.write_text('[[rules]]\nkind = "seat_empty"\nraise_s = 2\nclear_s = 1\nthreshold = 0.7\n')
    given = rules_file(tmp_path, '[{"kind": "seat_empty", "raise_s": 2, "clear_s": 1, "threshold": 0.7}]')
    expected = (Rule(kind=AlertKind.SEAT_EMPTY, raise_s=2, clear_s=1, threshold=0.7),)
    assert read_rules(toml) == read_rules(given) == expected


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "3",
        '{"rule": []}',
        '[{"kind": "yawning", "raise_s": 1, "clear_s": 1}]',
        '[{"raise": 1}]',
        "[1]",
        '[{"kind": "seat_empty", "raise_s": 1, "clear_s": 1, "witnesses": {"persons": 1}}]',
        '[{"kind": "seat_empty", "raise_s": 1, "clear_s": 1}, {"kind": "seat_empty", "raise_s": 2, "clear_s": 1}]',
    ],
)
def test_what_is_no_rule_is_refused_before_any_work(tmp_path: Path, text: str) -> None:
    """One line that names the file, status 1, nothing written."""
    path, said = rules_file(tmp_path, text), io.StringIO()
    with pytest.raises(BadRules, match=r"rules\.json"):
        read_rules(path)
    out = tmp_path / "out.json"
    assert analyse([], out, rules=path, models_folder=files_folder(), console=Console(file=said, width=200)) == 1
    assert said.getvalue().startswith(f"analyse: {path}: ")
    assert said.getvalue().count("\n") == 1
    assert not out.exists()


def test_no_models_and_no_place_to_write_are_said_at_once(tmp_path: Path) -> None:
    """Each is one line and status 1, before hours of work."""
    for folder, out, word in (
        (tmp_path, tmp_path / "out.json", "models.fetch"),
        (files_folder(), tmp_path / "nowhere" / "out.json", "nowhere"),
    ):
        said = io.StringIO()
        assert analyse([], out, models_folder=folder, console=Console(file=said, width=400)) == 1
        assert word in said.getvalue()
        assert said.getvalue().count("\n") == 1


def test_large_pictures_are_scaled_to_what_a_desk_sees() -> None:
    """Within 640x360 with the aspect kept; smaller ones untouched."""
    assert as_the_desk_sees(np.zeros((720, 1280, 3), np.uint8)).shape == (360, 640, 3)
    assert as_the_desk_sees(np.zeros((1000, 500, 3), np.uint8)).shape == (360, 180, 3)
    assert as_the_desk_sees(np.zeros((2, 5000, 3), np.uint8)).shape == (1, 640, 3)
    small = np.zeros((100, 100, 3), np.uint8)
    assert as_the_desk_sees(small) is small
