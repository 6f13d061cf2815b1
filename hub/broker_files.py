"""The broker's files on the disk: written for its account, and a damaged memory moved aside before it starts."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

from hub.broker import Place, access_rules, configuration, empty_control

TRIAL_TIMEOUT_S = 60
"""How long a trial start may take: a memory of many megabytes on a slow disk."""


class BrokerProblem(Exception):
    """The broker's files cannot be made or looked at; the text says what to do."""


class Written(NamedTuple):
    """One file as it is now."""

    path: Path
    mode: int
    owner: str
    is_changed: bool


def write_files(place: Place) -> list[Written]:
    """Make the files of `place` what they must be; safe to repeat. Raises BrokerProblem.

    Run by root, what the broker itself reads becomes its account's: later versions of mosquitto refuse access rules
    that belong to anybody else. The plugin's file is the broker's own and is left alone once it is there.
    """
    try:
        account = pwd.getpwnam(place.user)
    except KeyError:
        raise BrokerProblem(
            f"there is no account {place.user!r}: install mosquitto, which makes it, or name one with --user"
        ) from None
    may_give = os.geteuid() == 0
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        if not place.state.exists():
            place.state.mkdir(parents=True, mode=0o700)
            if may_give:
                os.chown(place.state, account.pw_uid, account.pw_gid)
        wanted = [
            (place.configuration_file, configuration(place), 0o644, False),
            (place.access_file, access_rules(), 0o600, True),
        ]
        if not place.control_file.exists():
            wanted.append((place.control_file, empty_control(), 0o600, True))
        return [_write(path, text, mode, account if own and may_give else None) for path, text, mode, own in wanted]
    except OSError as error:
        raise BrokerProblem(f"the broker's files cannot be written: {error}") from error


def _write(path: Path, text: str, mode: int, account: pwd.struct_passwd | None) -> Written:
    is_changed = not path.exists() or path.read_text() != text
    if is_changed:
        beside = path.with_name(f".{path.name}.new")
        beside.write_text(text)
        beside.chmod(mode)
        if account is not None:
            os.chown(beside, account.pw_uid, account.pw_gid)
        beside.replace(path)
    path.chmod(mode)
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)
    return Written(path, mode, path.owner(), is_changed)


def mosquitto_path() -> str:
    """Where mosquitto is; Debian puts it in /usr/sbin, which is not on everybody's PATH. Raises BrokerProblem."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BrokerProblem("mosquitto is not installed; on Debian: apt-get install mosquitto")
    return found


def set_aside_if_damaged(persistence_file: Path, now_utc_ms: int) -> Path | None:
    """Rename a memory that mosquitto cannot start with; answers its new name, None when it is sound or not there.

    What mosquitto makes of a damaged file differs from version to version, so mosquitto itself is asked: it is started
    with a copy. Raises BrokerProblem when it does not start without the file either.
    """
    if not persistence_file.exists():
        return None
    if _starts_with(persistence_file):
        return None
    if not _starts_with(None):
        raise BrokerProblem("mosquitto does not start with an empty memory either: reinstall it")
    aside = persistence_file.with_name(f"{persistence_file.name}.damaged-{now_utc_ms}")
    persistence_file.rename(aside)
    return aside


def _starts_with(memory: Path | None) -> bool:
    """Whether mosquitto, alone in a folder of its own and reachable by nobody, runs with a copy of this memory."""
    with tempfile.TemporaryDirectory(prefix="ems-") as name:
        folder = Path(name)
        if memory is not None:
            shutil.copyfile(memory, folder / "mosquitto.db")
        trial = folder / "trial.conf"
        trial.write_text(
            f"listener 0 {folder}/socket\nallow_anonymous false\npersistence true\npersistence_location {folder}/\n"
            f"user {pwd.getpwuid(os.geteuid()).pw_name}\nlog_dest stderr\nlog_type all\n"
        )
        process = subprocess.Popen(
            [mosquitto_path(), "-c", str(trial)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        patience = threading.Timer(TRIAL_TIMEOUT_S, process.kill)
        patience.start()
        try:
            assert process.stderr is not None
            return any(line.rstrip().endswith(" running") for line in process.stderr)
        finally:
            patience.cancel()
            process.kill()
            process.communicate()


def must_be_read(place: Place) -> list[Path]:
    """The files that the broker opens as its own account and that somebody else makes."""
    own = [] if place.credentials is not None else [place.ca.server_certificate, place.ca.server_key]
    return [*own, place.ca.authorities, place.ca.revoked]


def is_readable_by(user: str, path: Path) -> bool:
    """Whether this account can open the file; taken for granted where only root could find out."""
    account = pwd.getpwnam(user)
    if os.geteuid() != 0 or account.pw_uid == 0:
        return True
    tried = subprocess.run(
        ["test", "-r", path], user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/", check=False
    )
    return tried.returncode == 0
