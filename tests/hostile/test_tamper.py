"""Somebody without the keys tampers with a bundle: every kind is found, and a clean one never called tampered with.

`python -m tests.bench tamper` does a thousand of each.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509

from hub.evidence import verify
from hub.evidence.verify import WRONG
from tests import tampering
from tests.bundles import filmed, recorded
from tests.tampering import Members

EACH = 4


class Bundles(NamedTuple):
    ours: Members
    other: Members
    roots: list[x509.Certificate]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundles]:
    """A seat's bundle, and the one of the desk beside it."""
    path = tmp_path_factory.mktemp("centre")
    centre = recorded(path / "centre", segments=6, films=filmed(path / "film", 6))
    centre.bundle_of_seat("A1", path / "ours.zip")
    centre.bundle_of_seat("A2", path / "other.zip")
    roots = verify.certificates_in(centre.root.read_bytes())
    yield Bundles(tampering.members_of(path / "ours.zip"), tampering.members_of(path / "other.zip"), roots)
    centre.close()


def _wrong(path: Path, data: bytes, roots: list[x509.Certificate] | None) -> list[str]:
    path.write_bytes(data)
    return [f"{line.item}: {line.says}" for line in verify.verify(str(path), roots) if line.status == WRONG]


@pytest.mark.parametrize("kind", tampering.ALL)
def test_tampering_is_named(kind: str, bundles: Bundles, tmp_path: Path) -> None:
    """Each attack leaves a line that says what is wrong."""
    clean = tampering.packed(bundles.ours)
    for number in range(EACH):
        dice = random.Random(f"{kind} {number}")
        data = tampering.tampered(kind, bundles.ours, bundles.other, dice)
        if data != clean:
            assert _wrong(tmp_path / "bundle.zip", data, bundles.roots), f"{kind} {number}"


def test_a_clean_bundle_raises_no_alarm(bundles: Bundles, tmp_path: Path) -> None:
    """Neither as it was made nor packed again from its members, which gives the same bytes."""
    for members in (bundles.ours, bundles.other):
        assert _wrong(tmp_path / "bundle.zip", tampering.packed(members), bundles.roots) == []


@pytest.mark.parametrize("kind", ["flip: film", "swap: film", "drop: film", "foreign: film", "drop: record"])
def test_without_the_manifest_the_desks_own_signatures_tell(kind: str, bundles: Bundles, tmp_path: Path) -> None:
    """Even where the manifest was made to fit, the line is about the very item: the desk's records contradict it."""
    dice = random.Random(kind)
    data = tampering.tampered(f"remake: {kind}", bundles.ours, bundles.other, dice)
    found = _wrong(tmp_path / "bundle.zip", data, bundles.roots)
    assert any(line.startswith(("film/", "c.desk-01 record")) for line in found), found
    assert "manifest.json: changed: it is not the one that the centre's hub signed" in found


def test_a_cut_tail_is_called_so(bundles: Bundles, tmp_path: Path) -> None:
    """The countersigned head names the record that is not there."""
    data = tampering.tampered("remake: cut: tail with its film", bundles.ours, bundles.other, random.Random(1))
    found = _wrong(tmp_path / "bundle.zip", data, bundles.roots)
    assert any(line.startswith("c.desk-01: cut off: countersignature") for line in found), found
