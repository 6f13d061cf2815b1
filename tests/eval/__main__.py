"""`python -m tests.eval --footage DIR`: measure how good vision and judge are, and write the quality sheet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import models
from agent.vision import VisionProblem
from tests.bench.peers import one_core
from tests.eval.detectors import PEERS, BadPeer, Peer, predicted, yunet
from tests.eval.footage import BadFootage, read_footage
from tests.eval.measure import CannotMeasure, Measurement
from tests.eval.quality import BadQuality, Missing, Quality, as_text, read_quality, write_whole
from tests.eval.render import overall, page
from tests.eval.variants import GRIDS, VARIANTS, desk


def main(argv: Sequence[str] | None = None) -> int:
    """Measure or render; 0, or 1 with one line for each thing that is wrong, and then nothing is written."""
    parser = _parser()
    given = parser.parse_args(argv)
    if (given.footage is None) is not given.render:
        parser.error("give either --footage DIR or --render")
    try:
        if given.render:
            quality = read_quality(given.out / "quality.json")
        else:
            quality = _measured(given)
            print(overall(quality.faces))
            write_whole(given.out / "quality.json", as_text(quality))
            # what is rendered is what was stored, rounded as it was
            quality = read_quality(given.out / "quality.json")
        write_whole(given.out / "README.md", page(quality, models.load_manifest()))
    except (BadFootage, CannotMeasure) as error:
        return _complain(*error.lines)
    except (BadPeer, BadQuality, models.ModelProblem, VisionProblem, OSError) as error:
        return _complain(str(error))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.eval", description=__doc__)
    parser.add_argument(
        "--footage", type=Path, help="folder of film and pictures with truth (see tests/eval/footage.py)"
    )
    parser.add_argument("--render", action="store_true", help="only write the page anew from the stored figures")
    parser.add_argument(
        "--out", type=Path, default=models.MANIFEST_FOLDER, help="folder of the sheet (default: models)"
    )
    parser.add_argument("--yunet", metavar="MODEL.onnx[@SCORE]", help="measure OpenCV's FaceDetectorYN too")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        metavar="NAME=PREDICTIONS.json[@SCORE]",
        help="set a detector's stored predictions beside the desk; may be repeated",
    )
    parser.add_argument("--rounds", type=int, default=2, help="times each film is looked at (default: %(default)s)")
    parser.add_argument("--only-desk", action="store_true", help="no peers of MediaPipe or OpenCV, no other variants")
    parser.add_argument("--predictions", type=Path, metavar="OUT.json", help="keep the desk's faces, as analyse does")
    return parser


def _measured(given: argparse.Namespace) -> Quality:
    items = read_footage(given.footage)
    stored = [predicted(each) for each in given.peer]
    asked: list[Peer] = [] if given.only_desk else list(PEERS)
    asked += [yunet(given.yunet)] if given.yunet else []
    variants, grids = ((), ()) if given.only_desk else (VARIANTS, GRIDS)
    run = Measurement(items, desk(), variants, grids, max(1, given.rounds))
    one_core()
    console = Console(stderr=True)
    with _progress(console) as progress:
        whole = progress.add_task("", total=len(items) + len(asked), now="")

        def say(now: str) -> None:
            progress.update(whole, now=now, advance=1)

        run.look(say)
        for peer in asked:
            say(peer.name)
            run.ask(peer)
    run.peers += stored
    if not given.yunet and not any("yunet" in each.name.lower() for each in stored):
        run.missing.append(Missing("YuNet", "no model and no predictions were given (--yunet, --peer)"))
    if given.predictions:
        write_whole(given.predictions, msgspec.json.encode(run.predictions()).decode())
    return run.quality()


def _progress(console: Console) -> Progress:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[now]}", markup=False))
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _complain(*lines: str) -> int:
    for line in lines:
        print(f"eval: {line}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
