"""The sheet from film to page, on drawn film with the portraits; and footage that cannot be used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

import models
from agent.core.observation import Face, Observation, Scene, Seat
from agent.core.seat import SeatState
from tests.agent.test_analyse import empty, film, sitting, still
from tests.agent.vision_kit import files_folder
from tests.bench.peers import Answer, PeerProblem, ask_haar, find_python
from tests.eval.__main__ import main
from tests.eval.detectors import BadPeer, Peer, predicted, yunet
from tests.eval.footage import BadFootage, read_footage
from tests.eval.looks import Picture, learned, look_through, pictures_of
from tests.eval.measure import CannotMeasure, Measurement
from tests.eval.quality import BadQuality, Quality, as_text, read_quality
from tests.eval.render import page, part, table
from tests.eval.variants import Grid, Variant, desk

MANIFEST = models.load_manifest()
SHEET = models.MANIFEST_FOLDER


Seconds = Sequence[Mapping[str, object]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds with a man, six without; one picture with him; in `seat/` six empty seconds. Not to be changed."""
    files_folder()
    folder = tmp_path_factory.mktemp("drawn")
    clips, seat = folder / "clips", folder / "seat" / "clips"
    for each in (clips, seat, folder / "images"):
        each.mkdir(parents=True)
    film(clips / "leaves.mp4", [(6, sitting()), (6, empty())])
    film(seat / "nobody.mp4", [(6, empty())])
    still(folder / "images" / "man.png", sitting())
    box = [210, 60, 150, 150]
    seconds = [{"t": n + 0.5, "count": int(n < 6), "boxes": [box] * (n < 6), "unsure": False} for n in range(12)]
    write_truth(clips / "leaves", seconds, ["glasses", "low-light"])
    nobody = [{"t": n + 0.5, "count": 0, "boxes": [], "unsure": False, "person": 0} for n in range(6)]
    write_truth(seat / "nobody", nobody, [])
    picture = {"file": "images/man.png", "height": 360, "count": 1, "boxes": [box], "unsure": False}
    (folder / "images_truth.json").write_text(json.dumps({"images": [picture]}))
    return folder


def write_truth(stem: Path, seconds: Seconds, tags: list[str]) -> None:
    truth = {"clip": f"clips/{stem.name}.mp4", "height": 360, "duration_s": len(seconds), "tags": tags}
    stem.with_name(f"{stem.name}.truth.json").write_text(json.dumps({**truth, "seconds": seconds}))


@pytest.fixture
def footage(drawn: Path, tmp_path: Path) -> Path:
    """A copy of `drawn` to be spoiled."""
    return Path(shutil.copytree(drawn, tmp_path / "footage"))


class LearnerSeat:
    """The reference of a made-up vision: how bright the seat is when nobody is there."""

    def __init__(self) -> None:
        self.reference: int | None = None

    def use(self, reference: int) -> None:
        self.reference = reference


class Learner:
    """A made-up vision that sees no face, and knows an empty seat by the reference it was given."""

    def __init__(self) -> None:
        self.is_said_empty = False
        self.reset()

    def reset(self) -> None:
        self.seat, self._shown = LearnerSeat(), 0

    def observe(self, rgb: Picture, up_ms: int, utc_ms: int) -> Observation:
        self._shown += self.is_said_empty
        if self._shown == 7:
            self.seat.use(int(rgb.mean()))
        reference = self.seat.reference
        changed = None if reference is None else float(abs(rgb.mean() - reference) > 5)
        seat = Seat(person=0.5, change=changed)
        return Observation(up_ms, utc_ms, (), Scene(100, 40, is_covered=False), seat=seat)


@pytest.fixture(scope="module")
def quality(drawn: Path) -> Quality:
    """All that can be measured without an environment of a peer's own."""
    variants, grids = [Variant("the same", desk)], [Grid("a number", "1", {"1": desk, "2": Learner})]
    run = Measurement(read_footage(drawn), desk(), variants, grids, rounds=1)
    run.look()

    def answer(pictures: Sequence[Picture], rounds: int) -> Answer:
        faces = [[(0.1, 0.1, 0.2, 0.2, 0.4 + 0.5 * (n % 2))] for n in range(len(pictures))]
        return Answer(faces, 3.0, [3.0] * len(pictures))

    def refuse(pictures: Sequence[Picture], rounds: int) -> Answer:
        raise PeerProblem("not to be had here")

    run.ask(Peer("every other", 0.5, answer))
    run.ask(Peer("nobody", 0.5, refuse))
    return run.quality()


def test_the_page_is_rendered_from_the_stored_figures() -> None:
    """`models/README.md` is exactly what its figures and the manifest make of it: a figure is never edited by hand."""
    assert (SHEET / "README.md").read_text(encoding="utf-8") == page(read_quality(SHEET / "quality.json"), MANIFEST), (
        "run: python -m tests.eval --render"
    )


def test_a_drawn_corpus_is_measured_from_film_to_page(quality: Quality) -> None:
    """Faces right on every second, peers beside them, an empty seat known by the truth, costs, steps and choices."""
    mine, theirs = quality.faces
    assert (mine.films.seconds, mine.films.right, mine.pictures.right, mine.seat.empty) == (12, 12, 1, 6)
    assert mine.groups["glasses"] == mine.groups["low light"] == mine.films
    assert mine.groups["above 15 %"].seconds == 7
    assert theirs.films.seconds == 12
    assert theirs.films.right == 6
    assert (theirs.attended_ms, theirs.unattended_ms) == (3.0, 3.0)
    assert [missing.name for missing in quality.missing] == ["nobody"]
    with_face = quality.cost[0]
    assert with_face.looks == 30
    assert with_face.whole_ms > 0
    assert with_face.runs["face_detection_full_range"] > 0
    assert quality.steps[0].faces == mine.films + mine.pictures
    assert quality.choices[0].chosen == {"1": 2}
    assert quality.scene[0].said_wrongly == 0
    text = page(quality, MANIFEST)
    assert "| **films and pictures**, 13 | the desk | 1.000 |" in text
    assert "Not measured: nobody, because: not to be had here." in text
    assert "$" not in text


def test_figures_survive_being_stored(quality: Quality, tmp_path: Path) -> None:
    """What is read back renders the same page, time after time, and equals what was stored but for the rounding."""
    stored = tmp_path / "quality.json"
    stored.write_text(as_text(quality))
    again = read_quality(stored)
    assert again.faces[0].films == quality.faces[0].films
    assert as_text(again) == stored.read_text()


def test_the_command_renders_what_is_stored_and_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With figures: the page. Without: one line that says how to make them, and no page."""
    assert main(["--render", "--out", str(tmp_path)]) == 1
    assert "make eval" in capsys.readouterr().err
    assert not (tmp_path / "README.md").exists()
    (tmp_path / "quality.json").write_bytes((SHEET / "quality.json").read_bytes())
    assert main(["--render", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "README.md").read_bytes() == (SHEET / "README.md").read_bytes()
    (tmp_path / "quality.json").write_text("{")
    with pytest.raises(BadQuality):
        read_quality(tmp_path / "quality.json")


def test_a_reference_is_learned_from_the_first_empty_second_and_given_afresh(drawn: Path) -> None:
    """Vision is told that the seat is empty until it has its reference; then it is no more, and knows the empty seat;
    what cannot learn is left alone."""
    items = read_footage(drawn)
    vision = Learner()
    run = Measurement(items, vision, rounds=1)
    run.look()
    assert set(run.looked.taught) == {"nobody"}
    assert run.looked.lessons["nobody"] == {0.5}
    assert not vision.is_said_empty
    assert {look.observation.seat for look in run.looked.taught["nobody"]} == {Seat(person=0.5, change=0.0)}
    assert {look.observation.seat for look in run.looked.desk["nobody"]} == {Seat(person=0.5)}
    pictures = pictures_of(items[0])
    assert learned(vision, pictures[:5]) == int(pictures[1].rgb.mean())
    assert learned(vision, []) is None
    tables = {seat.title: seat.by_witness for seat in run.quality().seat}
    heard = tables["the same films, with their first empty second as the reference"]
    assert heard["change from the reference"]["empty"][SeatState.EMPTY] == 5
    assert heard["segmentation"]["empty"][SeatState.SOMEBODY] == 5


def test_each_round_begins_afresh_and_only_its_time_counts(drawn: Path) -> None:
    """A vision that remembers is reset before each round; what it said the first time is what counts."""

    class Remembering:
        def __init__(self) -> None:
            self.resets = self.seen = 0

        def reset(self) -> None:
            self.resets, self.seen = self.resets + 1, 0

        def observe(self, rgb: Picture, up_ms: int, utc_ms: int) -> Observation:
            self.seen += 1
            faces = tuple(Face((0, 0, 1, 1), 0.9) for _ in range(self.seen))
            return Observation(up_ms, utc_ms, faces, Scene(100, 40, is_covered=False))

    pictures = pictures_of(read_footage(drawn)[0])[:3]
    vision = Remembering()
    looks = look_through(vision, pictures, rounds=3)
    assert [len(look.observation.faces) for look in looks] == [1, 2, 3]
    assert vision.resets == 3


def no_folder(folder: Path) -> None:
    (folder / "clips").rename(folder / "films")
    (folder / "seat").rename(folder / "films" / "seat")
    (folder / "images_truth.json").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (no_folder, ["no clips/*.truth.json and no images_truth.json"]),
        (lambda folder: (folder / "clips/leaves.mp4").unlink(), ["leaves.truth.json: no leaves.mp4 beside it"]),
        (lambda folder: (folder / "clips/leaves.truth.json").unlink(), ["leaves.mp4: no leaves.truth.json beside it"]),
        (lambda folder: (folder / "images/man.png").unlink(), ["images_truth.json: no images/man.png beside it"]),
        (lambda folder: (folder / "clips/leaves.truth.json").write_text("{}"), ["leaves.truth.json: Object missing"]),
        (
            lambda folder: [path.write_text("[") for path in folder.rglob("*truth.json")],
            ["leaves.truth.json: ", "images_truth.json: ", "nobody.truth.json: "],
        ),
        (lambda folder: (folder / "seat/clips/nobody.mp4").rename(folder / "x"), ["nobody.truth.json: no nobody.mp4"]),
    ],
)
def test_footage_that_does_not_fit_together_is_named_and_nothing_is_written(
    footage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], object], said: list[str]
) -> None:
    """One line for each thing that is wrong, before any work, and status 1."""
    spoil(footage)
    with pytest.raises(BadFootage) as caught:
        read_footage(footage)
    assert len(caught.value.lines) == len(said)
    assert all(word in line for word, line in zip(said, caught.value.lines, strict=True))
    assert main(["--footage", str(footage), "--only-desk", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.splitlines() == [f"eval: {line}" for line in caught.value.lines]
    assert not (tmp_path / "quality.json").exists()


def test_no_folder_and_an_unreadable_film_are_one_line_each(footage: Path, tmp_path: Path) -> None:
    """The others are still looked at, so that all broken ones are named in one run."""
    with pytest.raises(BadFootage, match="nowhere: no such folder"):
        read_footage(tmp_path / "nowhere")
    (footage / "clips" / "leaves.mp4").write_bytes(b"no film")
    (footage / "images" / "man.png").write_bytes(b"no picture")
    run = Measurement(read_footage(footage), Learner(), rounds=1)
    with pytest.raises(CannotMeasure) as caught:
        run.look()
    assert [line.partition(":")[0] for line in caught.value.lines] == ["leaves.mp4", "man.png"]
    assert set(run.looked.desk) == {"nobody"}


def test_predictions_are_read_in_the_form_that_analyse_writes(tmp_path: Path) -> None:
    """By stem or by path, from a score on; a slip on the command line is one line."""
    file = tmp_path / "p.json"
    samples = [{"t": 0.5, "faces": [{"box": [1, 2, 3, 4], "score": 0.7}, {"score": 0.9}, {}]}]
    file.write_text(json.dumps({"clips/a.mp4": samples, "b": samples}))
    assert [look.faces for look in predicted(f"me={file}@0.8").looks["a"]] == [2]
    assert [look.faces for look in predicted(f"me={file}").looks["b"]] == [3]
    wrong = {str(file): "NAME=", f"me={file}@high": "no score", f"me={tmp_path}/no.json": "No such file"}
    for given, word in wrong.items():
        with pytest.raises(BadPeer, match=word):
            predicted(given)
    with pytest.raises(BadPeer, match="no such file"):
        yunet("nowhere.onnx@0.7")


def test_tables_are_safe_and_shares_are_not_rounded_up_to_all() -> None:
    """A bar in a cell does not end it; 0.9996 is shown as less than 1, no share at all as a dash."""
    assert table(["a", "b"], [["x|y", "z"]]) == "| a | b |\n| --- | --- |\n| x\\|y | z |"
    assert [part(value) for value in (1.0, 0.9996, 0.5, 0.0, None)] == ["1.000", "0.999", "0.500", "0.000", "-"]


@pytest.mark.timeout(900)
@pytest.mark.skipif(find_python(("3.11", "3.12")) is None, reason="needs Python 3.11 or 3.12 for mediapipe 0.10.21")
def test_opencvs_detectors_are_asked_in_an_environment_of_their_own(tmp_path: Path) -> None:
    """The cascade finds the man and nobody in the empty room, at a cost; a broken model is one line."""
    answer = ask_haar([sitting(), empty()], rounds=1)
    assert [len(faces) for faces in answer.faces] == [1, 0]
    x, y, width, height, score = answer.faces[0][0]
    assert 0.3 < x + width / 2 < 0.6
    assert 0 < y < y + height < 1
    assert score == 1
    assert len(answer.each_ms) == 2
    assert min(answer.each_ms) > 0
    broken = tmp_path / "yunet.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(PeerProblem, match=r"^yunet failed: [^\n]+\Z"):
        yunet(str(broken)).ask([empty()], 0)
