"""Tests run beside each other: what one of them was given, another cannot take."""

from __future__ import annotations

import subprocess
import sys

from tests.brokers import REPOSITORY, free_port

ASK = "from tests.brokers import free_port; print(*[free_port() for _ in range(50)])"


def test_two_processes_are_never_given_the_same_port() -> None:
    """Nor is it one that the kernel may give away while its server is being started again."""
    mine = {free_port() for _ in range(50)}
    done = subprocess.run([sys.executable, "-c", ASK], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    others = {int(port) for port in done.stdout.split()}
    assert len(mine) == len(others) == 50
    assert not mine & others
    assert max(mine | others) < 32_768
