"""The machine under the desk: its clocks, disk, temperature and name of its boot. The only file that asks for time."""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import os
import shutil
import time
from pathlib import Path

from agent.wire import Instant

_TIME_ERROR = 5
"""adjtimex(2): the kernel's clock is not synchronised."""
_TIMEX_BYTES = 208
_NS_PER_MS = 1_000_000
_ONE_MOMENT_NS, _TRIES = 2_000_000, 5


class Clock:
    """Both clocks of this machine. `is_trusted` says that somebody vouches for the wall clock by other means."""

    def __init__(self, *, is_trusted: bool = False) -> None:
        self._is_trusted = is_trusted
        self._libc = ctypes.CDLL(None, use_errno=True)

    def up_ns(self) -> int:
        """Nanoseconds since the machine's boot (CLOCK_BOOTTIME): never set, counts through suspend."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def now(self) -> Instant:
        utc_ns, up_ns = self._both_ns()
        return Instant(utc_ms=utc_ns // _NS_PER_MS, up_ms=up_ns // _NS_PER_MS)

    def utc_ms_at(self, up_ns: int) -> int:
        """The wall clock's reading, by its present setting, at a past boot-time instant; 0 for what that would put
        before 1970, as the first minutes of a machine whose clock begins there: no name and no record takes less."""
        utc_ns, now_ns = self._both_ns()
        return max(0, utc_ns - (now_ns - up_ns)) // _NS_PER_MS

    def _both_ns(self) -> tuple[int, int]:
        """(wall clock, boot time) of one moment: a process that was put aside between two readings would see a wall
        clock that was set."""
        for _ in range(_TRIES):
            before_ns, utc_ns, after_ns = self.up_ns(), time.time_ns(), self.up_ns()
            if after_ns - before_ns <= _ONE_MOMENT_NS:
                break
        return utc_ns, after_ns

    def is_ok(self) -> bool:
        """Whether the wall clock may be believed: the kernel calls it synchronised (NTP), or it is vouched for."""
        if self._is_trusted:
            return True
        timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only ask
        state = int(self._libc.adjtimex(timex))
        return state not in (-1, _TIME_ERROR)


def hold(folder: Path) -> int:
    """Take `folder` for this process alone, until it ends or closes the returned descriptor: two agents on one card
    would tie two chains into one. Raises BlockingIOError when another has it, OSError when it cannot be opened."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BlockingIOError(f"another agent runs on {folder}: stop it first, or set STORAGE_PATH") from None
    return descriptor


def os_boot_id() -> str:
    """The kernel's name for this boot of the machine; boot times compare only within one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


_SERIAL_FILES = (Path("/proc/device-tree/serial-number"),)
_MACHINE_ID = Path("/etc/machine-id")
_MODEL_FILES = (Path("/proc/device-tree/model"), Path("/sys/class/dmi/id/product_name"))


def machine_serial() -> str:
    """The machine's own serial number: the board's, else made from the system's identity (machine-id(5) wants it hashed
    before it goes anywhere); '' where there is neither."""
    serial = _first_text(_SERIAL_FILES)
    if serial:
        return serial
    identity = _first_text((_MACHINE_ID,))
    return hashlib.sha256(b"ems-desk " + identity.encode()).hexdigest()[:16] if identity else ""


def machine_model() -> str:
    """The machine's model as its firmware says it; '' where it does not."""
    return _first_text(_MODEL_FILES)


def _first_text(paths: tuple[Path, ...]) -> str:
    for path in paths:
        try:
            text = path.read_text(errors="replace").strip("\0 \n")
        except OSError:
            continue
        if text:
            return text[:200]
    return ""


def free_bytes(folder: Path) -> int | None:
    """Free space for us on the disk under `folder`; None when it cannot be read."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def temperature_c() -> float | None:
    """The processor's temperature in degrees Celsius; None where the machine does not tell."""
    try:
        return int(Path("/sys/class/thermal/thermal_zone0/temp").read_text()) / 1000
    except (OSError, ValueError):
        return None


def is_held(folder: Path) -> bool:
    """Whether a process holds `folder` (see `hold`), asked without touching the lock: to try it would be to refuse an
    agent that starts at that very moment."""
    try:
        inode = folder.stat().st_ino
        locks = Path("/proc/locks").read_text()
    except OSError:
        return False
    fields = (line.split() for line in locks.splitlines())
    return any(len(each) > 5 and each[1] == "FLOCK" and each[5].rpartition(":")[2] == str(inode) for each in fields)
