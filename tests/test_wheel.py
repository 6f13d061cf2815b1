"""What is installed is what was tested: the files that are not Python are the ones that get forgotten."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_carries_all_that_the_product_needs(tmp_path: Path) -> None:
    """Every file of agent, hub and models that git tracks, folder READMEs aside, is in the built wheel, and no test."""
    tracked = subprocess.run(
        ["git", "ls-files", "agent", "hub", "models", "pyproject.toml", "README.md", "LICENSE"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    source = tmp_path / "source"
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(tmp_path), str(source)], check=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    expected = {name for name in tracked if "/" in name and not name.endswith("README.md")}
    assert expected - inside == set()
    assert not [name for name in inside if name.startswith("tests/")]
