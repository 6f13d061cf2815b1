"""The worker's part in bundles: building one as a job with progress, and removing those that lay long enough."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hub.config import Settings
from hub.core.manifest import Scope
from hub.enrolment import AuthorityProblem, CaFolder
from hub.evidence import bundle, timestamp
from hub.evidence.bundle import Builder, CannotBuild
from hub.evidence.bundle_extras import Asked
from hub.evidence.bundle_folder import folder_of
from hub.evidence.seal import open_seal
from hub.evidence.storage import StorageProblem, open_storage
from hub.evidence.timestamp import CannotStamp
from hub.jobs import CannotDo, Work
from hub.store import Store
from hub.store.bundle_requests import KIND
from hub.store.jobs import Job

BUNDLE = KIND
KEPT_MS = 7 * 86_400_000
"""A bundle is a copy for somebody who asked; a week is time to fetch it. It can be built again as long as what is in it
is kept, so no rule of retention and no hold applies to the copy: what went out by purge must not live on in it."""
TELL_EVERY_MS = 500


def wish_of(*, incident: int = 0, sitting: str = "", seat: str = "", why: str = "") -> dict[str, Any]:
    """What a job is asked with: an incident, or a seat (its label) of a sitting; and for what."""
    return {"incident": incident, "sitting": sitting, "seat": seat, "why": why}


def scope_of(store: Store, wish: Mapping[str, Any], now_utc_ms: int) -> Scope:
    """Raises CannotBuild."""
    if wish.get("incident"):
        return bundle.scope_of_incident(store, int(wish["incident"]), now_utc_ms)
    return bundle.scope_of_seat(store, str(wish.get("sitting", "")), str(wish.get("seat", "")), now_utc_ms)


def asked_of(job: Job) -> Asked:
    told = {name: str(job.wish.get(name, "")) for name in ("why", "recipient", "purpose")}
    return Asked(job.asked_by, number=job.job_id, **told)


def path_of(settings: Settings, job_id: int) -> Path:
    """Where the bundle of a job lies, as long as it does."""
    return folder_of(settings) / f"{job_id}.zip"


def build(work: Work) -> Mapping[str, Any]:
    """Build the bundle that the job wishes for; one that was killed begins anew. Raises CannotDo."""
    now, told_utc_ms = work.now_utc_ms(), 0

    def tell(done: int, total: int, what: str) -> None:
        nonlocal told_utc_ms
        if abs(work.now_utc_ms() - told_utc_ms) >= TELL_EVERY_MS or done == total:
            told_utc_ms = work.now_utc_ms()
            work.tell(done, total, what)

    path = path_of(work.settings, work.job.job_id)
    try:
        scope = scope_of(work.store, work.job.wish, now)
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        for left in path.parent.glob(f"{bundle.MAKING}*"):  # by a worker that was killed: there is one at a time
            shutil.rmtree(left, ignore_errors=True)
        seal = open_seal(CaFolder(work.settings.ca_path))
        zone = ZoneInfo(work.settings.zone)
        storage, stamp = open_storage(work.settings), stamp_of(work.settings)
        builder = Builder(work.store, storage, seal, scope, now, tell, zone, stamp)
        _check_room(work.settings, builder.needed_bytes())
        made = builder.build(path, asked_of(work.job))
    except (CannotBuild, CannotStamp, StorageProblem, AuthorityProblem) as problem:
        raise CannotDo(str(problem)) from None
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        what = "there is no room for the bundle: make room, then ask again" if is_full else error.strerror or str(error)
        raise CannotDo(f"{path.parent}: {what}") from None
    return {"file": path.name, "kept_until_utc_ms": now + KEPT_MS, **made._asdict()}


def stamp_of(settings: Settings) -> Callable[[bytes], bytes] | None:
    """How manifests are stamped with the time; None where no authority for that is set."""
    return partial(timestamp.token, Path(settings.tsa_config)) if settings.tsa_config else None


def _check_room(settings: Settings, needed_bytes: int) -> None:
    """The hub's database and what desks send need the same disk: a bundle leaves the reserve alone. Raises CannotDo."""
    free_bytes = shutil.disk_usage(folder_of(settings)).free - settings.storage_reserve_bytes
    if free_bytes < needed_bytes:
        raise CannotDo(
            f"the bundle needs about {needed_bytes // 1_000_000} MB, and {max(free_bytes, 0) // 1_000_000} MB are free "
            f"above the reserve (EMS_STORAGE_RESERVE_BYTES) in {folder_of(settings)}: make room, then ask again"
        )


def remove(settings: Settings, job_id: int) -> bool:
    """Remove the bundle of a job; False when it was gone. Raises OSError."""
    try:
        path_of(settings, job_id).unlink()
    except FileNotFoundError:
        return False
    return True


def sweep(settings: Settings, now_utc_ms: int) -> list[int]:
    """Remove what lay longer than KEPT_MS; answers the jobs whose bundles went. Raises OSError."""
    gone = []
    for path in folder_of(settings).glob("*.zip"):
        with contextlib.suppress(FileNotFoundError, ValueError):
            if path.stat().st_mtime * 1000 < now_utc_ms - KEPT_MS:
                path.unlink()
                gone.append(int(path.stem))
    return gone
