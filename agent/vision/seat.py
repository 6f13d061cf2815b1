"""The witnesses beside the faces: is the seat empty, or does somebody sit there whose face does not show?

Segmentation and pose know what persons look like; the reference knows what this seat looks like without one. None of
them is clean alone: metal and laid tables look like persons, a torso without a head does not always, and a seat that
was left with the chair pushed back is not the seat that was learned. So:

- A cell that segmentation takes for a person on the empty seat itself is not heard, nor is a body found there.
- The reference is learned while the plan says that the seat is empty, from a view that stands still: in seconds when
  the two models see nobody, after a minute without the slightest movement when they see somebody, for that is
  furniture.
- It follows the light slowly as long as all witnesses agree that nobody is there.
- A seat that is empty to the two models and stands still for ADOPT_MS is a seat as it was left, and becomes the
  reference. Standing still alone proves nothing, people do so for seconds: the two models must agree all the while, and
  the view is held against that of the beginning, so that slow movement shows.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from agent.core.observation import Seat
from agent.vision.person import GRID, Cells
from agent.vision.runtime import TfliteModel
from agent.wire import Witnesses

Rgb = NDArray[np.uint8]
Grey = NDArray[np.float32]

ASK_EVERY_MS = 500
"""How often the witnesses are asked while no face shows: twice in a dwell's shortest second, at about 2 % of a core."""
STALE_MS = 2 * ASK_EVERY_MS
ADOPT_MS = 20_000
LEARN_MS = 2_000
"""How long the view must stand still before it is learned in the plan's empty time: someone who sets up the room
walks through sooner."""
FURNITURE_MS = 60_000
STILL = 0.01
"""Share of cells that may differ from the beginning in a view that stands still; see `changed`."""
FOLLOW = 0.02
"""How much of the reference is renewed at each agreement: with two a second, a change of light is followed in half a
minute."""
_ENERGY = np.float32(800)
_SAME = np.float32(0.5)
_WINDOW = (5, 5)
_SPILL = np.ones((7, 7), np.uint8)
"""So far beyond a mask its edge reaches into `changed`: half a window and the kernel of the gradient."""
_GREY = 127


class Reference(msgspec.Struct, frozen=True, array_like=True):
    """The empty seat: `grey` is luma, uint8, row by row in GRID; `person` the cells that segmentation takes for a
    person there, packed bits; `body` the score of a body there, 0..1."""

    grey: bytes
    person: bytes
    body: float
    version: int = 1


def decode_reference(data: bytes) -> Reference | None:
    """The reference in `data`, None when it is none of this version: it is learned again."""
    try:
        found = msgspec.msgpack.decode(data, type=Reference)
    except msgspec.MsgspecError:
        return None
    cells = GRID[0] * GRID[1]
    is_right = found.version == 1 and len(found.grey) == cells and len(found.person) == cells // 8
    return found if is_right and 0 <= found.body <= 1 else None


def encode_reference(reference: Reference) -> bytes:
    return msgspec.msgpack.encode(reference)


def thumbnail(rgb: Rgb) -> Grey:
    """Luma, float32, one value a cell of GRID."""
    small = cv2.resize(rgb, GRID, interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)


def changed(before: Grey, now: Grey) -> Cells:
    """The cells where `now` shows something else than `before`, both thumbnails.

    Compared are the steps between neighbouring cells, direction and height, in a window of 5 x 5 cells, as the
    structure term of SSIM does (Wang et al. 2004, IEEE TIP 13(4)), on gradients: a lamp switched on, an exposure that
    settles or a wall that brightens towards the window changes the luma everywhere and the steps hardly. `_ENERGY`
    keeps noise and gentle slopes from counting.
    """
    across_before, across_now = cv2.Sobel(before, cv2.CV_32F, 1, 0), cv2.Sobel(now, cv2.CV_32F, 1, 0)
    down_before, down_now = cv2.Sobel(before, cv2.CV_32F, 0, 1), cv2.Sobel(now, cv2.CV_32F, 0, 1)
    common = cv2.blur(across_before * across_now + down_before * down_now, _WINDOW)
    energy = cv2.blur(across_before**2 + down_before**2 + across_now**2 + down_now**2, _WINDOW)
    return np.asarray((2 * common + _ENERGY) < _SAME * (energy + _ENERGY))


def _share(cells: Cells, may: Cells) -> float:
    """How many of the cells that `may` be spoken of are in `cells`, 0..1."""
    return round(float((cells & may).sum()) / max(1, int(may.sum())), 3)


class Person(Protocol):
    """Which cells show a person: `agent.vision.person.PersonCells`."""

    @property
    def model(self) -> TfliteModel: ...

    def look(self, rgb: Rgb) -> Cells: ...


class Body(Protocol):
    """How sure a body is seen: `agent.vision.person.BodyScore`."""

    @property
    def model(self) -> TfliteModel: ...

    def look(self, rgb: Rgb) -> float: ...


class SeatWatch:
    """Asks the witnesses while no face shows, and keeps the reference. One camera, one thread; `reset` before another
    view. `nobody` has the thresholds below which the two models say nobody: the sitting's own, so that what is asked is
    what its rule decides by."""

    def __init__(self, person: Person, body: Body, nobody: Witnesses | None = None) -> None:
        self.person, self.body = person, body
        self.nobody = nobody or Witnesses()
        self._ignored: Cells = np.zeros((GRID[1], GRID[0]), bool)
        self._unheard = self._ignored
        self.reset()

    def mask(self, ignored: Cells) -> None:
        """From now on no witness speaks of the cells `ignored`, the plan's masks; and the reference forgets them: what
        is private must not stay on the card."""
        self._ignored = ignored
        self._unheard = np.asarray(cv2.dilate(ignored.astype(np.uint8), _SPILL), bool)
        if self.reference is not None:
            grey = np.frombuffer(self.reference.grey, np.uint8).copy()
            grey[ignored.ravel()] = 0
            self.use(msgspec.structs.replace(self.reference, grey=grey.tobytes()))

    def reset(self) -> None:
        """Forget everything, the reference too."""
        self.reference: Reference | None = None
        self._grey: Grey | None = None
        self._own_person: Cells = np.zeros((GRID[1], GRID[0]), bool)
        self.leave()

    def leave(self) -> None:
        """A face is visible: the witnesses are not needed, and what stood still is over."""
        self._seat: Seat | None = None
        self._asked_up_ms: int | None = None
        self._anchor: Grey | None = None
        self._still_since_up_ms = 0

    def use(self, reference: Reference | None) -> None:
        """Compare with `reference` from now on."""
        self.reference, self._grey = reference, None
        self._own_person = np.zeros((GRID[1], GRID[0]), bool)
        if reference is not None:
            self._grey = np.frombuffer(reference.grey, np.uint8).reshape(GRID[1], GRID[0]).astype(np.float32)
            bits = np.unpackbits(np.frombuffer(reference.person, np.uint8))
            self._own_person = bits.reshape(GRID[1], GRID[0]).astype(bool)

    def learn(self, rgb: Rgb) -> None:
        """Take `rgb`, a picture of the empty seat, as the reference at once. Raises VisionProblem."""
        self._adopt(thumbnail(rgb), self.person.look(rgb), self.body.look(self._without_ignored(rgb)))

    def look(self, rgb: Rgb, up_ms: int, *, is_said_empty: bool = False) -> Seat | None:
        """What the witnesses say of `rgb`, captured at `up_ms`, in which no face is visible. `is_said_empty`: by the
        plan nobody is there yet. Between two questions the last answer holds. Raises VisionProblem."""
        if self._asked_up_ms is not None and 0 <= up_ms - self._asked_up_ms < ASK_EVERY_MS:
            return self._seat
        if self._asked_up_ms is None or not 0 <= up_ms - self._asked_up_ms <= STALE_MS:
            self._anchor = None
        self._asked_up_ms = up_ms
        now = thumbnail(rgb)
        cells = self.person.look(rgb)
        person = _share(cells & ~self._own_person, ~self._ignored)
        body = self.body.look(self._without_ignored(rgb)) if person < self.nobody.person or is_said_empty else None
        change = None if self._grey is None else _share(changed(self._grey, now), ~self._unheard)
        heard = self._heard(body)
        is_nobody = person < self.nobody.person and (heard is None or heard < self.nobody.pose)
        self._stand(now, up_ms, may_stand=is_said_empty or is_nobody)
        if self._anchor is not None:
            self._follow(now, cells, body, change, up_ms, is_said_empty=is_said_empty, is_nobody=is_nobody)
        self._seat = Seat(person, heard, change)
        return self._seat

    def _without_ignored(self, rgb: Rgb) -> Rgb:
        """`rgb` with plain grey where nobody may be spoken of: a neighbour is no body at this seat."""
        if not self._ignored.any():
            return rgb
        height, width = rgb.shape[:2]
        hidden = cv2.resize(self._ignored.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
        seen = rgb.copy()
        seen[hidden.astype(bool)] = _GREY
        return seen

    def _heard(self, body: float | None) -> float | None:
        """A model that takes the empty seat itself for a body cannot witness here."""
        is_deaf = self.reference is not None and self.reference.body >= self.nobody.pose
        return None if body is None or is_deaf else round(body, 3)

    def _stand(self, now: Grey, up_ms: int, *, may_stand: bool) -> None:
        """Note since when the view stands still, or that it does not."""
        if not may_stand:
            self._anchor = None
        elif self._anchor is None or _share(changed(self._anchor, now), ~self._unheard) > STILL:
            self._anchor, self._still_since_up_ms = now, up_ms

    def _follow(
        self,
        now: Grey,
        cells: Cells,
        body: float | None,
        change: float | None,
        up_ms: int,
        *,
        is_said_empty: bool,
        is_nobody: bool,
    ) -> None:
        """Learn, renew or adopt the reference, as this file's head says."""
        wait_ms = ADOPT_MS if not is_said_empty else LEARN_MS if is_nobody else FURNITURE_MS
        if self._grey is not None and change is not None and change <= STILL:
            self._grey += FOLLOW * (now - self._grey)
        elif up_ms - self._still_since_up_ms >= wait_ms:
            self._adopt(now, cells, body)

    def _adopt(self, now: Grey, cells: Cells, body: float | None) -> None:
        grey = np.where(self._ignored, 0, np.clip(np.rint(now), 0, 255)).astype(np.uint8)
        self.use(
            Reference(
                grey=grey.tobytes(),
                person=np.packbits(cells).tobytes(),
                body=0.0 if body is None else body,
            )
        )
