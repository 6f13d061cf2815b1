"""A card whose power can be cut at any instant, as often as wanted, while it goes on working.

The card is an image file on a btrfs file system; a loop device with direct I/O stands over it, an ext4 file system on
that. A reflink copy of the image is the card at one instant: it holds what the device had been given by then and
nothing of the page cache. Mounting the copy replays ext4's journal, as a desk does when its power is back. A plain copy
of a live image is no instant, and would show damage that never was.

Everything made here lies in a folder named after this process, so that the next start can take away what a killed one
left mounted.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_FICLONE = 0x40049409
"""linux/fs.h; what `cp --reflink=always` asks for, without the time that starting a process takes."""
_PREFIX = "ems-power-cut-"
_POOL_BYTES = 6 * 2**30
CARD_BYTES = 256 * 2**20
OPTIONS = "noatime"
_FORGETFUL, _INNER = ".forgetful", "card.img"
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class NoDisks(Exception):
    """This machine cannot make such a card; the text says why."""


def _run(*command: str) -> str:
    if shutil.which(command[0], path=_PATH) is None:
        raise NoDisks(f"{command[0]} is missing: apt-get install btrfs-progs e2fsprogs mount")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": _PATH})
    if done.returncode != 0:
        raise NoDisks(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def _base() -> Path:
    """Memory where there is enough: the shared disk of a test machine stalls for longer than any card may."""
    shared = Path("/dev/shm")
    with suppress(OSError):
        space = os.statvfs(shared)
        if space.f_bavail * space.f_frsize > 2 * 2**30:
            return shared
    return Path(tempfile.gettempdir())


class Pool:
    """A mounted btrfs file system that holds cards and their cuts; gone when closed. Raises NoDisks."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise NoDisks("only root can mount a card of its own")
        take_away_leftovers()
        self.base = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_base()))
        self.folder = self.base / "pool"
        self.folder.mkdir()
        try:
            image = self.base / "pool.img"
            with image.open("wb") as file:
                file.truncate(_POOL_BYTES)
            _run("mkfs.btrfs", "-q", str(image))
            # with checksums the kernel writes through the page cache, where a copy would find what no device was given
            _run("mount", "-o", "loop,nodatasum,noatime", str(image), str(self.folder))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        _take_away(self.base)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def new_image(self, name: str, size_bytes: int = CARD_BYTES, *more: str) -> Path:
        """An empty card; `more` are arguments of mkfs.ext4."""
        image = self.folder / name
        _make_ext4(image, size_bytes, *more)
        return image

    def new_forgetful_image(self, name: str) -> Path:
        """An empty card that forgets part of what it was given and not told to flush. It lies on one more file system,
        which brings new room for it to its own disk only when it is flushed: a write to such room is lost by a cut
        before, a write over older ones is not, whichever of them came first."""
        image = (self.folder / name).with_suffix(_FORGETFUL)
        _make_ext4(image, CARD_BYTES * 5 // 4)
        with _attached(image, OPTIONS) as folder:
            _make_ext4(folder / _INNER, CARD_BYTES)
        return image

    @contextmanager
    def mounted(self, image: Path, options: str = OPTIONS) -> Iterator[Path]:
        """The card's folder while the block runs; the image afterwards is as after an orderly end."""
        if image.suffix != _FORGETFUL:
            with _attached(image, options) as folder:
                yield folder
            return
        with _attached(image, f"{OPTIONS},commit=300") as outer, _attached(outer / _INNER, options) as folder:
            yield folder

    def cut(self, image: Path, name: str) -> Path:
        """The card as a power cut at this instant leaves it."""
        copy = (self.folder / name).with_suffix(image.suffix)
        with image.open("rb") as source, copy.open("wb") as target:
            fcntl.ioctl(target, _FICLONE, source.fileno())
        return copy


def _make_ext4(image: Path, size_bytes: int, *more: str) -> None:
    with image.open("wb") as file:
        file.truncate(size_bytes)
    # lazily it would go on in the background, for minutes after the first mount
    _run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", *more, str(image))


@contextmanager
def _attached(image: Path, options: str) -> Iterator[Path]:
    folder = Path(f"{image}.mounted")
    folder.mkdir(exist_ok=True)  # a cut of a forgetful card has it
    device = _run("losetup", "--find", "--show", "--direct-io=on", str(image))
    try:
        _run("mount", "-o", options, device, str(folder))
        yield folder
    finally:
        for command in (("umount", str(folder)), ("umount", "-l", str(folder)), ("losetup", "-d", device)):
            subprocess.run(command, capture_output=True, check=False)
        with suppress(OSError):
            folder.rmdir()


def device_of(folder: Path) -> str:
    """The block device that is mounted at `folder`, as `loop3`."""
    return _run("findmnt", "-n", "-o", "SOURCE", "--mountpoint", str(folder)).removeprefix("/dev/")


def written(device: str) -> tuple[int, int]:
    """Bytes that a block device was given to write since it was made, and how often it was asked to flush: fields 7 (in
    sectors of 512 bytes) and 16 of Documentation/block/stat.rst."""
    fields = Path(f"/sys/block/{device}/stat").read_text().split()
    return int(fields[6]) * 512, int(fields[15])


def take_away_leftovers() -> None:
    """What processes that were killed left mounted."""
    for where in {Path("/dev/shm"), Path(tempfile.gettempdir())}:
        for base in where.glob(f"{_PREFIX}*") if where.exists() else ():
            owner = base.name.removeprefix(_PREFIX).partition("-")[0]
            if owner.isdigit() and not Path(f"/proc/{owner}").exists():
                _take_away(base)


def _take_away(base: Path) -> None:
    """Unmount, detach and delete all that lies under `base`; the innermost first."""
    with suppress(OSError, NoDisks):
        # listed before anything is unmounted: afterwards the kernel does not know any more where their files lay
        listed = _run("losetup", "--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE").splitlines()
        devices = [name for name, _, backing in (line.partition(" ") for line in listed) if f"{base}/" in backing]
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for folder in sorted((each for each in mounts if each.startswith(f"{base}/")), key=len, reverse=True):
            subprocess.run(["umount", "-l", folder], capture_output=True, check=False)
        for device in devices:
            subprocess.run(["losetup", "-d", device], capture_output=True, check=False)
    shutil.rmtree(base, ignore_errors=True)
