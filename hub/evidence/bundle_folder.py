"""Where finished evidence bundles lie until they are fetched: a folder of the hub's own, also where film is at S3."""

from __future__ import annotations

from pathlib import Path

from hub.config import Settings


def folder_of(settings: Settings) -> Path:
    return Path(settings.storage_path).resolve() / "bundles"


def file_of(settings: Settings, name: str) -> Path | None:
    """The bundle of that name; None when it is no longer kept, or the name is no plain name."""
    if not name or name != Path(name).name or name.startswith("."):
        return None
    path = folder_of(settings) / name
    return path if path.is_file() and not path.is_symlink() else None
