"""`python -m tests.hub.cut_off WHAT FOLDER`: kill a change of the authority before its first step, its second, and so
on until one runs to its end; look at what lies there, run it again, and look once more. Prints how many were killed."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hub import authority, enrolment, rotation
from hub.enrolment import CaFolder, Pair
from tests.hub.authorities import NAMES, Desk, connect, connect_ingest

NOW = time.time_ns() // 1_000_000
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.chmod"}
Change = Callable[[CaFolder], object]


def _in_child(change: Callable[[], object], killed_before: int | None) -> bool:
    """Run in a child; True when it came to its end. It kills itself before its step of that number."""
    child = os.fork()
    if child == 0:
        steps = 0

        def audit(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal steps
            is_opened_to_write = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
            if event in _CHANGES or is_opened_to_write:
                if steps == killed_before:
                    os.kill(os.getpid(), signal.SIGKILL)
                steps += 1

        if killed_before is not None:
            sys.addaudithook(audit)
        try:
            change()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 1:
        raise SystemExit(f"it failed (killed before step {killed_before})")
    return not os.WIFSIGNALED(status)


def _check_whole(folder: CaFolder, root: Pair) -> None:
    enrolment.read_signer(root)
    signer = enrolment.issuing(folder)
    assert authority.is_issued_by(signer.certificate, enrolment.read_signer(root).certificate)
    assert not list(folder.path.rglob("*.next.*")), "a change is not complete"
    assert enrolment.renew(folder, NAMES, NOW) == []
    assert not enrolment.put_revoked(folder, [])
    connect_ingest(folder)
    connect(folder, folder.authorities.read_text(), Desk(folder, folder.path / "desk", "c.desk-09", NOW))


def main(what: str, place: Path) -> int:
    base = CaFolder(place / "base")
    change: Change = {
        "init": lambda folder: enrolment.init(folder, NAMES, list, NOW),
        "rotate": lambda folder: rotation.rotate(folder, folder.root.folder, NAMES, list, NOW),
        "new_root": lambda folder: rotation.new_root(folder, folder.root.folder, NAMES, list, NOW),
        "retire_root": lambda folder: rotation.retire_root(folder, list, NAMES, NOW),
    }[what]
    desk, roots = None, []
    if what == "init":
        base.path.mkdir()
    else:
        enrolment.init(base, NAMES, list, NOW)
        roots = [base.authorities.read_text()]
        if what == "retire_root":
            rotation.new_root(base, base.root.folder, NAMES, list, NOW)
            roots = [base.root.certificate.read_text()]
        desk = Desk(base, place / "desk", "c.desk-01", NOW)
    step = 0
    while True:
        folder = CaFolder(place / f"cut-{step}")
        shutil.copytree(base.path, folder.path)
        is_complete = _in_child(lambda folder=folder: change(folder), step)  # type: ignore[misc]
        if desk is not None:
            for known in roots:
                connect(folder, known, desk)
            connect_ingest(folder)
        if not is_complete:
            _again(what, change, folder)
        _check_whole(folder, folder.root)
        if desk is not None:
            connect(folder, roots[0], desk)
        if is_complete:
            return step
        step += 1


def _again(what: str, change: Change, folder: CaFolder) -> None:
    """The same command; retiring a root says that there is only one where nothing was left to do."""
    if what == "retire_root" and not folder.bridge.exists() and len(enrolment.roots(folder)) == 1:
        _in_child(lambda: enrolment.renew(folder, NAMES, NOW), None)
        return
    assert _in_child(lambda: change(folder), None)


if __name__ == "__main__":
    print(main(sys.argv[1], Path(sys.argv[2])))
