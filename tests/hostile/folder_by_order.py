"""A FUSE file system over a folder, whose errors and delays stand in a second folder; see `tests.hostile.failing_card`.

    python -m tests.hostile.folder_by_order MOUNT BEHIND ORDERS

A file in ORDERS is in force as soon as it is there. `write`, `fsync`, `open`, `read`: this call fails with the errno in
the file; `write_s`, `fsync_s` and so on: it takes so many seconds, or until the file is taken away. The process ends
when MOUNT is unmounted.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

import mfusepy


class Through(mfusepy.Operations):  # type: ignore[misc]
    """Every call is made on the folder behind."""

    use_ns = True

    def __init__(self, behind: str, orders: Path) -> None:
        self._behind, self._orders = behind, orders
        self._pause = threading.Event()

    def _obey(self, call: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            slow = self._orders / f"{call}_s"
            for _ in range(round(float(slow.read_text()) / 0.02)):
                if not slow.exists():
                    break
                self._pause.wait(0.02)
        with contextlib.suppress(FileNotFoundError):
            raise mfusepy.FuseOSError(int((self._orders / call).read_text()))

    def _real(self, path: str) -> str:
        return self._behind + path

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._real(path)) if fh is None else os.fstat(fh)
        names = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size")
        told = {name: getattr(found, name) for name in names}
        return told | {name: getattr(found, f"{name}_ns") for name in ("st_atime", "st_mtime", "st_ctime")}

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._real(path))]

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._real(path))
        names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize", "f_files", "f_ffree", "f_namemax")
        return {name: getattr(found, name) for name in names}

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self._obey("open")
        return os.open(self._real(path), os.O_RDWR | os.O_CREAT, mode)

    def open(self, path: str, flags: int) -> int:
        self._obey("open")
        return os.open(self._real(path), flags & ~os.O_APPEND)

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._obey("read")
        return os.pread(fh, size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._obey("write")
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        os.truncate(self._real(path) if fh is None else fh, length)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._obey("fsync")
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._obey("fsync")
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        os.mkdir(self._real(path), mode)
        return 0

    def unlink(self, path: str) -> int:
        os.unlink(self._real(path))
        return 0

    def rename(self, old: str, new: str) -> int:
        os.rename(self._real(old), self._real(new))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        os.chmod(self._real(path), mode)
        return 0

    def utimens(self, path: str, times: tuple[int, int]) -> int:
        os.utime(self._real(path), ns=times)
        return 0


if __name__ == "__main__":
    mfusepy.FUSE(Through(sys.argv[2], Path(sys.argv[3])), sys.argv[1], foreground=True, allow_other=True)
