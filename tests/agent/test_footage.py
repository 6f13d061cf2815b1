"""Films and stills from disk, as a camera and read in one go; the films are made here by real encoders."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from agent.camera import VISION_SIZE, CameraLost, MainFrame
from agent.camera.footage import FootageCamera, read_pictures
from agent.camera.paced import Pacer, fit_within, planes, vision_rgb
from tests.support import wait_for


def grey(level: int, size: tuple[int, int] = (160, 120)) -> NDArray[np.uint8]:
    """A plain RGB picture."""
    return np.full((size[1], size[0], 3), level, np.uint8)


def make_film(path: Path, seconds: float, fps: int = 10, size: tuple[int, int] = (160, 120)) -> None:
    """Picture n is grey of level 10 + 4 n; the index stands in front, so that a cut film can still be opened."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as film:
        stream = film.add_stream("libx264", rate=fps, options={"qp": "4", "g": "5", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(round(seconds * fps)):
            frame = av.VideoFrame.from_ndarray(grey(10 + 4 * number % 240, size), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))


def level(rgb: NDArray[np.uint8]) -> int:
    """Which picture of `make_film` this is."""
    return round((float(rgb.mean()) - 10) / 4)


def test_samples_lie_around_the_middle_of_each_second(tmp_path: Path) -> None:
    """At 5 a second: .1 .3 .5 .7 .9 of every second, each the picture nearest to it, to the film's end."""
    make_film(tmp_path / "film.mp4", 3.0)
    samples = list(read_pictures(tmp_path / "film.mp4", 5))
    assert [second for second, _ in samples] == pytest.approx([0.1 + 0.2 * n for n in range(15)])
    assert all(rgb.shape == (120, 160, 3) and rgb.dtype == np.uint8 for _, rgb in samples)
    assert [level(rgb) for _, rgb in samples] == [1 + 2 * n for n in range(15)]


def test_more_samples_than_pictures_repeat_the_nearest(tmp_path: Path) -> None:
    """A slow film asked for many samples gives each picture several times, never one out of order."""
    make_film(tmp_path / "film.mp4", 2.0, fps=2)
    assert [level(rgb) for _, rgb in read_pictures(tmp_path / "film.mp4", 4)] == [0, 1, 1, 2, 2, 3, 3, 3]


@pytest.mark.parametrize("name", ["photo.png", "photo.JPG"])
def test_a_picture_file_is_one_sample_at_nought(tmp_path: Path, name: str) -> None:
    """In RGB, at its own size."""
    red = np.zeros((90, 70, 3), np.uint8)
    red[..., 2] = 200
    cv2.imwrite(str(tmp_path / name), red)
    ((second, rgb),) = read_pictures(tmp_path / name, 5)
    assert second == 0.0
    assert rgb.shape == (90, 70, 3)
    assert rgb.mean(axis=(0, 1)) == pytest.approx((200, 0, 0), abs=3)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.mp4", b""),
        ("b.mp4", b"not a film" * 50),
        ("c.png", b""),
        ("d.jpg", b"\xff\xd8\xff\xe0 no"),
        ("e.mp4", None),
    ],
)
def test_an_unreadable_file_is_one_line_with_its_name(tmp_path: Path, name: str, data: bytes | None) -> None:
    """Empty, garbage or missing: CameraLost, in one line."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(CameraLost, match=name) as caught:
        list(read_pictures(tmp_path / name, 5))
    assert "\n" not in str(caught.value)


def test_a_film_that_breaks_off_gives_what_is_there_and_then_says_so(tmp_path: Path) -> None:
    """The first half of a film's bytes: its samples come, then CameraLost with the file's name."""
    make_film(tmp_path / "film.mp4", 10.0)
    whole = (tmp_path / "film.mp4").read_bytes()
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])
    seconds: list[float] = []

    def read() -> None:
        for second, rgb in read_pictures(tmp_path / "half.mp4", 5):
            assert level(rgb) == round(second * 10)
            seconds.append(second)

    with pytest.raises(CameraLost, match=r"half\.mp4: breaks off"):
        read()
    assert 1.0 < seconds[-1] < 9.0


def test_a_film_runs_at_its_own_pace_and_again_from_the_beginning(tmp_path: Path) -> None:
    """Instants follow the film's time stamps, rise strictly through the end and the new beginning; the picture is
    scaled into the recording's size with black bars."""
    make_film(tmp_path / "film.mp4", 0.8, fps=10)
    frames: list[MainFrame] = []
    camera = FootageCamera(tmp_path / "film.mp4", (320, 180), 15.0)
    camera.start(frames.append)
    wait_for(lambda: len(frames) >= 20)
    camera.stop()
    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    steps = np.diff([frame.up_ns for frame in frames]) / 1e9
    assert (steps > 0).all()
    assert np.median(steps) == pytest.approx(0.1, abs=0.02)
    luma = planes(frames[3].i420)[0]
    assert frames[3].i420.shape == (270, 320)
    assert luma[90, 160] > 20
    assert luma[90, 4] == 16


def test_a_film_faster_than_the_camera_is_thinned_out(tmp_path: Path) -> None:
    """50 pictures a second for a camera of 10: every fifth."""
    make_film(tmp_path / "film.mp4", 1.0, fps=50)
    frames: list[MainFrame] = []
    camera = FootageCamera(tmp_path / "film.mp4", (160, 120), 10.0)
    camera.start(frames.append)
    wait_for(lambda: len(frames) >= 9)
    camera.stop()
    assert np.diff([frame.up_ns for frame in frames[:9]]) / 1e9 == pytest.approx(0.1, abs=0.045)


def test_a_folder_of_stills_is_shown_in_the_order_of_names(tmp_path: Path) -> None:
    """The first still stands at the camera's rate; a folder without one is refused."""
    cv2.imwrite(str(tmp_path / "b.png"), grey(200))
    cv2.imwrite(str(tmp_path / "a.png"), grey(50))
    camera = FootageCamera(tmp_path, (320, 240), 20.0)
    camera.start(None)
    first = camera.newest(0, 5)
    later = camera.newest(first.number if first else 0, 5)
    camera.stop()
    assert first is not None
    assert later is not None
    assert later.number > first.number
    assert abs(float(first.rgb.mean()) - 50) < 4
    (tmp_path / "none").mkdir()
    with pytest.raises(CameraLost, match="no pictures"):
        FootageCamera(tmp_path / "none").start(None)


def test_a_stopped_camera_gives_nothing_more(tmp_path: Path) -> None:
    """`newest` says CameraLost instead of waiting, and `stop` may come twice."""
    cv2.imwrite(str(tmp_path / "a.png"), grey(50))
    camera = FootageCamera(tmp_path / "a.png", (320, 240), 20.0)
    camera.start(None)
    newest = camera.newest(0, 5)
    assert newest is not None
    assert camera.newest(newest.number + 1000, 0.01) is None
    camera.stop()
    camera.stop()
    with pytest.raises(CameraLost, match="stopped"):
        camera.newest(0, 5)


EVEN = st.integers(8, 2000).map(lambda half: half * 2)


@given(EVEN, EVEN, EVEN, EVEN)
def test_what_is_fitted_lies_within_at_even_places(w: int, h: int, outer_w: int, outer_h: int) -> None:
    """Never outside, always even, and it touches two sides of the outer picture but for rounding."""
    x, y, width, height = fit_within((w, h), (outer_w, outer_h))
    assert all(value % 2 == 0 for value in (x, y, width, height))
    assert x >= 0 < width
    assert y >= 0 < height
    assert x + width <= outer_w
    assert y + height <= outer_h
    assert width >= outer_w - 2 or height >= outer_h - 2


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 3 * 10**9)), min_size=1, max_size=50))
def test_instants_rise_and_late_pictures_are_not_hurried(steps: list[tuple[int, int]]) -> None:
    """Whatever stamps and delays: strictly rising, and never more than a second behind the present."""
    pacer, at_ns, now_ns = Pacer(5), 0, 5
    last_ns = 0
    for stamp_step, delay in steps:
        at_ns, now_ns = at_ns + stamp_step, now_ns + delay
        due_ns = pacer.due_ns(at_ns, now_ns)
        assert due_ns > last_ns
        assert due_ns >= now_ns - Pacer.MAX_LAG_NS
        last_ns = due_ns


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (320, 180), (1920, 1080), (480, 640)])
def test_the_picture_for_vision_has_the_frame_s_colours(size: tuple[int, int]) -> None:
    """Within 640x360, same aspect, same colours as the whole frame converted."""
    rng = np.random.default_rng(3)
    small = rng.integers(0, 255, (9, 16, 3), dtype=np.uint8)
    bgr = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    i420 = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420), np.uint8)
    rgb = vision_rgb(i420)
    assert rgb.shape[1] <= VISION_SIZE[0]
    assert rgb.shape[0] <= VISION_SIZE[1]
    assert rgb.shape[1] / rgb.shape[0] == pytest.approx(size[0] / size[1], rel=0.01)
    whole = cv2.resize(bgr, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_AREA)[..., ::-1]
    assert float(np.abs(rgb.astype(int) - whole).mean()) < 4
