"""Keeps what vision learned of the empty seat for the next run. No evidence: what is lost is learned again."""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)

_NAME = "empty-seat"
_LARGEST_BYTES = 65_536


def kept_reference(folder: Path) -> bytes | None:
    """The reference kept in `folder`; None when there is none that can be read."""
    try:
        with (folder / _NAME).open("rb") as file:
            return file.read(_LARGEST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning("the reference of the empty seat cannot be read, it is learned again: %s", error)
        return None


def keep_reference(folder: Path, data: bytes) -> None:
    """Keep `data` in `folder`, whole or not at all. A card that refuses is told elsewhere."""
    part = folder / f".{_NAME}.part"
    try:
        part.write_bytes(data)
        part.replace(folder / _NAME)
    except OSError as error:
        log.warning("the reference of the empty seat cannot be kept: %s", error)
