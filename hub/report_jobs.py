"""The worker's part in closing a sitting: its report, made and signed with the hub's evidence key, which no other
process holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.enrolment import AuthorityProblem, CaFolder
from hub.evidence import sitting_report
from hub.evidence.seal import open_seal
from hub.jobs import CannotDo, Work
from hub.store import sitting_report as store
from hub.store.closing import NoSuchSitting


def sign(work: Work) -> Mapping[str, Any]:
    """Make the report of a closing and sign it. Made again after the worker was killed, the first one kept stands."""
    closing_id, sitting = int(work.job.wish["closing_id"]), str(work.job.wish["sitting"])
    work.tell(0, 1)
    try:
        seal = open_seal(CaFolder(work.settings.ca_path))
        now = work.now_utc_ms()
        signed = sitting_report.sealed(seal, closing_id, store.document(work.store, sitting, now), now)
    except AuthorityProblem as problem:
        raise CannotDo(f"{problem}; the report can be signed again: open the sitting again and close it") from None
    except NoSuchSitting as gone:
        raise CannotDo(str(gone)) from None
    with work.store.write() as connection:
        store.keep(connection, signed)
    return {"closing_id": closing_id}
