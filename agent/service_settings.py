"""The settings of the desk's service, for commands that a person types in another folder and another environment."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from agent import config

ENVIRONMENT_FILE = Path("/etc/ems-agent/agent.env")
"""As `systemd/ems-agent.service` names it."""


def load(
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    file: Path = ENVIRONMENT_FILE,
    *,
    may_be_nobody: bool = False,
) -> tuple[config.Settings, dict[str, str]]:
    """(settings, the environment they came from): this process's own and `.env` when one of them says anything of a
    desk, else those that the service is started with. Raises BadSetting."""
    given = dict(os.environ if environ is None else environ)
    dotenv = (Path.cwd() if folder is None else folder) / ".env"
    is_own = dotenv.exists() or any(name.startswith("EMS_") or name == "STORAGE_PATH" for name in given)
    if is_own or not file.parent.is_dir():
        return config.load(given, dotenv, may_be_nobody=may_be_nobody), given
    try:
        text = dotenv_values(file) if file.exists() else {}
    except OSError as error:
        raise config.BadSetting(f"{file}: {error.strerror}; try with sudo") from None
    merged = {**given, **_of_the_unit(), **{name: value for name, value in text.items() if value is not None}}
    return config.load(merged, None, may_be_nobody=may_be_nobody), merged


def _of_the_unit() -> dict[str, str]:
    command = ["systemctl", "show", "--property=Environment", "--value", "ems-agent"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
        pairs = [pair.partition("=") for pair in shlex.split(done.stdout)]
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return {name: value for name, sign, value in pairs if sign}
