"""The newest plan a second time, as the file `unit.plan` beside the unit's key: a card that loses its database in the
middle of a sitting records on, hub or not. Read only then; else the database's own plan holds."""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path

from agent import wire
from agent.core import plans
from agent.unit_key import write_synced

log = logging.getLogger(__name__)

NAME = "unit.plan"


def keep(folder: Path, payload: bytes) -> None:
    """Put the plan on the card, as the hub wrote it. One that refuses is no reason not to follow the plan."""
    try:
        write_synced(folder / NAME, payload, 0o640)
    except OSError as error:
        log.warning("the plan is not kept beside the key: %s", error)


def kept(folder: Path) -> bytes | None:
    """The plan that was kept last, if one can be read."""
    with contextlib.suppress(OSError, wire.BadMessage):
        payload = (folder / NAME).read_bytes()
        plans.read_plan(payload)
        return payload
    return None
