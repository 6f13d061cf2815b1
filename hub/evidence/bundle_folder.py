"""Where finished evidence bundles lie until they are fetched: a folder of the hub's own, also where film is at S3."""

from __future__ import annotations

from pathlib import Path

from hub.config import Settings


def folder_of(settings: Settings) -> Path:
    return Path(settings.storage_path).resolve() / "bundles"
