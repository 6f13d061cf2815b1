"""Whether the disk that is recorded to is still there: a folder's path outlives the disk that was mounted under it."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class Place:
    """`folder` on the disk that it was on when this was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mount = folder.absolute()
        while not os.path.ismount(self._mount):
            self._mount = self._mount.parent

    def check(self) -> None:
        """Raises OSError (ENODEV) when nothing is mounted there any more: whatever is written to the path now would lie
        on the disk below, and be hidden when this one is back."""
        if not os.path.ismount(self._mount):
            raise OSError(errno.ENODEV, f"the disk is gone, nothing is mounted at {self._mount}", str(self.folder))
