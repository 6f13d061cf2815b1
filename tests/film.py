"""Real film for tests: pictures through the desk's own encoder and segment files, as a desk would have left them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from agent.core.segments import ClosedSegment, SegmentName
from agent.recording.encoder import SoftwareEncoder
from agent.recording.segments import SegmentFile

FPS = 15.0
SIZE = (320, 180)
Picture = NDArray[np.uint8]


class Shot(NamedTuple):
    """One captured picture, as `agent.recording.encoder.Frame`."""

    up_ns: int
    i420: Picture


def numbered(number: int, size: tuple[int, int] = SIZE) -> Picture:
    """A picture (BGR) that differs from its neighbours: a bar that moves, and its number."""
    width, height = size
    view = np.full((height, width, 3), (96, 84, 70), np.uint8)
    left = number * 4 % width
    cv2.rectangle(view, (left, 0), (left + 12, height), (80, 190, 120), -1)
    cv2.putText(view, str(number), (20, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (255, 255, 255), 3)
    return view


def record(
    folder: Path,
    seconds: float,
    *,
    sitting: str = "sitting-1",
    segment_s: float = 2.0,
    began_utc_ms: int = 1_700_000_000_000,
    began_up_ms: int = 60_000,
    boot: int = 1,
    first: int = 0,
    fps: float = FPS,
    size: tuple[int, int] = SIZE,
    bitrate_bps: int = 300_000,
    picture: Callable[[int], Picture] | None = None,
) -> Iterator[tuple[ClosedSegment, Path]]:
    """Film of `seconds`, in files of `segment_s` within `folder`; (what the desk's record says, the file) of each.
    `first` is the number of the first one."""
    draw = picture or (lambda number: numbered(number, size))
    with SoftwareEncoder(size, fps, bitrate_bps) as encoder:
        open_file: SegmentFile | None = None
        ordinal = first
        for number in range(round(seconds * fps)):
            up_ns = began_up_ms * 1_000_000 + round(number * 1e9 / fps)
            if open_file is None or up_ns - open_file.first_up_ns >= segment_s * 1e9 - 1e6:
                if open_file is not None:
                    yield _closed(open_file, up_ns, folder)
                up_ms = up_ns // 1_000_000
                name = SegmentName(boot, ordinal, up_ms, began_utc_ms + up_ms - began_up_ms, sitting)
                open_file = SegmentFile(folder, name, size, fps, up_ns)
                ordinal += 1
                encoder.force_key()
            i420 = cv2.cvtColor(draw(number), cv2.COLOR_BGR2YUV_I420)
            for packet in encoder.encode(Shot(up_ns, np.asarray(i420, np.uint8))):
                open_file.write(packet)
        if open_file is not None:
            yield _closed(open_file, None, folder)


def _closed(file: SegmentFile, next_up_ns: int | None, folder: Path) -> tuple[ClosedSegment, Path]:
    closed = file.close(next_up_ns)
    return closed, folder / closed.name


def decoded(path: Path | Any) -> Sequence[float]:
    """The times, in seconds, of every picture that can be decoded from a film."""
    import av

    with av.open(str(path) if isinstance(path, Path) else path) as container:
        return [float(frame.time or 0.0) for frame in container.decode(video=0)]
