"""Evidence bundles: what goes in, what is only told of, and that `verify` says so with nothing but the file."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.evidence import verify
from hub.evidence.verify import WRONG, Line
from tests.bundles import Centre, authority_of, recorded


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    made = recorded(tmp_path / "centre")
    yield made
    made.close()


def lines_of(centre: Centre, bundle: Path) -> list[Line]:
    roots = verify.certificates_in(centre.root.read_bytes())
    return verify.verify(str(bundle), roots)


def test_a_seats_bundle_verifies_with_nothing_but_the_file(centre: Centre, tmp_path: Path) -> None:
    """The verify.py inside the bundle, run alone, proves every item when it is given the centre's root."""
    bundle = tmp_path / "seat.zip"
    made = centre.bundle_of_seat("A1", bundle)
    assert (made.segments, made.absent, made.size_bytes) == (7, 0, bundle.stat().st_size)
    assert bundle.stat().st_mode & 0o777 == 0o640
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        (tmp_path / "alone").mkdir()
        alone = Path(archive.extract("verify.py", tmp_path / "alone"))
    done = subprocess.run(
        [sys.executable, "-I", alone, bundle, "--ca", centre.root],
        capture_output=True,
        text=True,
        cwd=tmp_path / "alone",
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("the film that desk c.desk-01 signed") == 7
    assert "the picture whose hash the desk signed" in done.stdout
    assert "signed by the centre's hub, code" in done.stdout
    assert done.stdout.endswith("0 WRONG)\n")


def test_without_the_authority_the_signer_is_unproven(centre: Centre, tmp_path: Path) -> None:
    """Consistent, but anybody could have made it; another centre's authority refuses it."""
    bundle = tmp_path / "seat.zip"
    centre.bundle_of_seat("A1", bundle)
    assert verify.verdict(verify.verify(str(bundle))) == (4, "consistent, signer unproven")
    other = verify.certificates_in(authority_of(tmp_path / "other").read_bytes())
    found = verify.verify(str(bundle), other)
    assert verify.verdict(found)[0] == 1
    assert {line.item for line in found if line.status == WRONG} >= {"manifest.json", "c.desk-01"}
