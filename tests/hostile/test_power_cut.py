"""Real power cuts of a real desk and a real hub: nothing promised is lost, at most a second of film is, no closed
segment is harmed (promises P1 and P2). `make power-cuts CUTS=500` cuts as often as wanted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.brokers import REPOSITORY
from tests.hostile import cut_hub, power_cut
from tests.hostile.cut_disk import NoDisks, Pool, take_away_leftovers
from tests.hostile.cut_verdict import MOST_LOST_S

T = TypeVar("T")


def or_skipped(run: Callable[[], T]) -> T:
    try:
        return run()
    except NoDisks as problem:
        pytest.skip(f"no power can be cut here: {problem}")


def test_power_cuts_at_any_moment_keep_what_was_promised(tmp_path: Path) -> None:
    """Fifty cuts of a plain and a forgetful card, over the very first start, recording, closing, restarts after a cut,
    a deaf hub, the draining spool: every committed record and receipt, every closed segment, the film to within a
    second; hub and card agree."""
    verdict = or_skipped(lambda: power_cut.run(50, 1, tmp_path))
    assert verdict.faults == []
    assert (verdict.lost_acknowledged, verdict.damaged_closed) == (0, 0), verdict.line()
    assert verdict.max_video_s <= MOST_LOST_S, verdict.line()
    assert len(verdict.videos_s) >= 25, "too few cuts fell into the recording"


def test_the_power_cuts_are_real_ones(tmp_path: Path) -> None:
    """The positive control: the same desk without one sync loses records, closed segments and seconds of film."""
    verdict = or_skipped(lambda: power_cut.run_control(1, tmp_path))
    assert verdict.lost_acknowledged > 0
    assert verdict.damaged_closed > 0
    assert verdict.max_video_s > MOST_LOST_S


def test_power_cuts_of_the_hub_keep_what_it_confirmed(tmp_path: Path) -> None:
    """Every receipted record is in the store of each cut, every file called stored is there whole, none is missing."""
    verdict = or_skipped(lambda: cut_hub.run(15, 1, tmp_path))
    assert verdict.faults == []
    assert (verdict.lost_acknowledged, verdict.lost_film) == (0, 0), verdict.line()
    assert verdict.receipted > 50
    assert verdict.stored > 5


def test_the_hubs_power_cuts_are_real_ones(tmp_path: Path) -> None:
    """The positive control: a hub that does not sync loses what it receipted and film that it called stored."""
    verdict = or_skipped(lambda: cut_hub.run(4, 1, tmp_path, "unsynced"))
    assert verdict.lost_acknowledged > 0
    assert verdict.lost_film > 0


def test_what_a_killed_harness_left_is_taken_away() -> None:
    """Mounts and loop devices of one that was killed are gone at the next start, those of one that lives are not."""
    script = (
        "import os, signal\n"
        "from tests.hostile.cut_disk import Pool\n"
        "pool = Pool()\n"
        "card = pool.mounted(pool.new_image('card.img'))\n"
        "card.__enter__()\n"
        "print(pool.base, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with or_skipped(Pool) as mine:
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=False
        )
        assert done.returncode == -signal.SIGKILL
        left = Path(done.stdout.strip())
        assert f"{left}/pool/card.img.mounted" in Path("/proc/mounts").read_text()
        take_away_leftovers()
        assert not left.exists()
        assert str(left) not in Path("/proc/mounts").read_text()
        with mine.mounted(mine.new_image("card.img")) as card:
            (card / "file").touch()


def test_a_forgetful_card_loses_what_was_not_flushed() -> None:
    """A file synced through a file system that never flushes its disk: on such a card a cut takes it, else it does
    not."""
    with or_skipped(Pool) as pool:
        for is_forgetful, image in enumerate((pool.new_image("plain.img"), pool.new_forgetful_image("other.img"))):
            with pool.mounted(image, "noatime,barrier=0") as card:
                (card / "file").write_bytes(b"film" * 100_000)
                descriptor = os.open(card / "file", os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
                cut = pool.cut(image, f"cut-{is_forgetful}.img")
            with pool.mounted(cut) as card:
                is_there = (card / "file").exists() and (card / "file").read_bytes() == b"film" * 100_000
            assert is_there != bool(is_forgetful)
