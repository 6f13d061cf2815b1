"""What the machine tells of its own health: power, temperature, memory, watchdog, card. Reads only; None: not told."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from msgspec import Struct

SYNCS = 100
SYNC_BYTES = 4096
_SECTOR_BYTES = 512
THROTTLED = {
    0: "under-voltage now",
    1: "clock capped now",
    2: "throttled now",
    3: "soft temperature limit now",
    16: "under-voltage since the start",
    17: "clock was capped since the start",
    18: "throttled since the start",
    19: "soft temperature limit reached since the start",
}
"""Bits of `vcgencmd get_throttled`, by Raspberry Pi's documentation."""
POWER_BITS = frozenset({0, 16})


class Mount(Struct, frozen=True, kw_only=True):
    """The file system under a folder."""

    source: str
    point: str
    kind: str
    options: tuple[str, ...]
    device: str

    @property
    def is_read_only(self) -> bool:
        return "ro" in self.options


def mount_of(folder: Path, mountinfo: Path = Path("/proc/self/mountinfo")) -> Mount | None:
    """The mount that `folder` lies on."""
    try:
        real, lines = folder.resolve(), mountinfo.read_text().splitlines()
    except OSError:
        return None
    best: Mount | None = None
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, (kind, source, superblock) = before.split(), after.split(" ", 2)
        point = Path(fields[4].encode().decode("unicode_escape"))
        if not real.is_relative_to(point) or (best is not None and len(str(point)) < len(best.point)):
            continue
        options = (*fields[5].split(","), *superblock.split(","))
        best = Mount(source=source, point=str(point), kind=kind, options=options, device=fields[2])
    return best


def card_of(mount: Mount | None) -> str:
    """The kernel's name of the device under a mount (as `mmcblk0p2`), '' when it has none (overlay, tmpfs)."""
    if mount is None:
        return ""
    found = Path("/sys/dev/block") / mount.device
    return found.resolve().name if found.exists() else ""


def file_system_errors(device: str, sys: Path = Path("/sys/fs/ext4")) -> int | None:
    """Errors that ext4 has noted in its superblock; they stay until fsck."""
    return _number(sys / device / "errors_count") if device else None


def bytes_written(device: str, sys: Path = Path("/sys")) -> int | None:
    """All that was ever written to this file system, or else to its device since the machine's boot."""
    if not device:
        return None
    kilobytes = _number(sys / "fs/ext4" / device / "lifetime_write_kbytes")
    if kilobytes is not None:
        return kilobytes * 1024
    try:
        return int((sys / "class/block" / device / "stat").read_text().split()[6]) * _SECTOR_BYTES
    except (OSError, ValueError, IndexError):
        return None


def measure_sync_ms(folder: Path, within_s: float = 10.0) -> list[float]:
    """How long each of SYNCS small fdatasyncs took, in milliseconds, ascending; fewer when time runs out. Raises
    OSError. The file is gone afterwards."""
    found: list[float] = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".sync-") as file:
        for _ in range(SYNCS):
            os.write(file.fileno(), os.urandom(SYNC_BYTES))
            began_ns = time.monotonic_ns()
            os.fdatasync(file.fileno())
            found.append((time.monotonic_ns() - began_ns) / 1e6)
            if sum(found) > within_s * 1000:
                break
    return sorted(found)


def percentile(ascending: list[float], share: float) -> float:
    """The value that `share` (0..1) of them do not exceed."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * share))]


def throttled(program: str = "vcgencmd") -> int | None:
    """The firmware's flags, see THROTTLED."""
    try:
        done = subprocess.run([program, "get_throttled"], capture_output=True, text=True, timeout=5, check=True)
        return int(done.stdout.strip().partition("=")[2], 16)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def memory_bytes(meminfo: Path = Path("/proc/meminfo")) -> tuple[int, int] | None:
    """(total, available)."""
    try:
        fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        total, available = (int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
        return total, available
    except (OSError, ValueError, KeyError, IndexError):
        return None


def watchdog(sys: Path = Path("/sys/class/watchdog")) -> str | None:
    """The state of the first hardware watchdog (`active`, `inactive`); '' when it does not tell, None without one."""
    for found in sorted(sys.glob("watchdog*")):
        try:
            return (found / "state").read_text().strip()
        except OSError:
            return ""
    return None


def model(path: Path = Path("/proc/device-tree/model")) -> str:
    """What board this is, '' where the machine does not tell."""
    try:
        return path.read_text(errors="replace").strip("\0\n ")
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
