"""A bundle from an enemy: whatever its bytes, `verify` answers with a line, soon, and unpacks nothing."""

from __future__ import annotations

import io
import json
import random
import struct
import time
import zipfile
import zlib
from pathlib import Path

import pytest

from hub.evidence import verify
from hub.evidence.verify import CERTIFICATES, MANIFEST, RECORDS, SEAL, WRONG, Member, directory, local_header
from tests.tampering import packed

SOON_S = 30.0


def wrong(path: Path, data: bytes) -> list[str]:
    path.write_bytes(data)
    began = time.monotonic()
    found = [f"{line.item}: {line.says}" for line in verify.verify(str(path)) if line.status == WRONG]
    assert time.monotonic() - began < SOON_S
    assert all(len(line) < 600 for line in found)
    return found


def zipped(name: str, data: bytes, *, mode: int = 0o100640, method: int = zipfile.ZIP_STORED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr, info.compress_type = mode << 16, method
        archive.writestr(info, data)
    return held.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bundle.zip"


def test_a_bomb_is_not_unpacked(path: Path) -> None:
    """Nothing in a bundle is packed, so nothing packed is looked at."""
    assert "packed" in wrong(path, zipped(MANIFEST, b"0" * 20_000_000, method=zipfile.ZIP_DEFLATED))[0]


def test_members_that_overlap_are_not_read(path: Path) -> None:
    """A thousand names for one and the same stretch of the file."""
    data = b"0" * 1_000_000
    entries = [Member(f"film/{number}", len(data), zlib.crc32(data), 0) for number in range(1000)]
    head = local_header(entries[0])
    found = wrong(path, head + data + directory(entries, len(head) + len(data)))
    assert "changed or added" in found[0]


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/passwd", "a/../../b", "a\\b", "a\nb", "a\x1b[31m", "x" * 300, "./a", "a/.."]
)
def test_names_that_lead_elsewhere_are_refused(path: Path, name: str) -> None:
    """They are told in a way that no terminal obeys."""
    (found,) = wrong(path, packed([(name, b"x")]))
    assert "a name that no bundle has" in found
    assert found.isprintable()


def test_links_are_refused(path: Path) -> None:
    """A symbolic link is not a plain file, as every member is."""
    assert wrong(path, zipped(MANIFEST, b"/etc/passwd", mode=0o120777))


def test_too_many_members_are_not_looked_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The count is bounded before anything is read."""
    monkeypatch.setattr(verify, "MOST_MEMBERS", 10)
    assert "are not looked at" in wrong(path, packed([(f"{number}", b"") for number in range(11)]))[0]


def test_texts_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manifest larger than any is not read."""
    monkeypatch.setattr(verify, "MOST_TEXT_BYTES", 1000)
    assert any("larger than any" in line for line in wrong(path, packed([(MANIFEST, b" " * 1001)])))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"null",
        b"[" * 200_000,
        b'{"format":' + b"9" * 10_000 + b"}",
        b'{"format":"ems-bundle-1"}',
        b'{"format":"ems-bundle-1","scope":[],"items":{},"absent":0,"made_utc_ms":"x"}',
        b'{"format":"ems-bundle-1","scope":{"units":[{"unit":1,"public_key":"zz"}]},"items":[{}],"absent":[[]]}',
        json.dumps({"format": verify.FORMAT, "made_utc_ms": 1e999, "items": [{"name": []}], "absent": {}}).encode(),
        b"\xff\xfe",
    ],
    ids=range(11),
)
def test_any_manifest_is_answered(path: Path, text: bytes) -> None:
    """Bytes that are no manifest, or one of another world, are a line and never a traceback."""
    others = [(name, text) for name in (RECORDS, CERTIFICATES, verify.MINUTES, verify.AUDIT)]
    assert wrong(path, packed([*others, (MANIFEST, text), (SEAL, text)]))
    assert wrong(path, packed([(MANIFEST, text)]))


def test_words_of_a_stranger_are_shown_as_text(path: Path) -> None:
    """What a terminal would obey is not printed, and nothing is longer than a line."""
    evil = {"format": "\x1b[2J\nverified", "made_utc_ms": 0, "items": [], "absent": []}
    unit = {"unit": "a" * 9000 + "\x1b[2J", "public_key": "00" * 32}
    for manifest in (evil, evil | {"format": verify.FORMAT, "scope": {"units": [unit]}}):
        path.write_bytes(packed([(RECORDS, b""), (MANIFEST, json.dumps(manifest).encode())]))
        for line in verify.verify(str(path)):
            assert (line.item + line.says).isprintable()
            assert len(line.item + line.says) <= 600


def test_huge_numbers_anywhere_are_answered(path: Path) -> None:
    """Sizes and places that lie far outside of the file."""
    data = packed([(MANIFEST, b"{}")])
    for at in range(len(data) - 4):
        assert wrong(path, data[:at] + struct.pack("<L", 0xFFFFFFFE) + data[at + 4 :])


def test_noise_is_answered(path: Path) -> None:
    """Files that are no zip, or none at all."""
    dice = random.Random(7)
    for size in (0, 1, 21, 22, 1000):
        assert wrong(path, dice.randbytes(size))
    assert verify.verdict(verify.verify(str(path.parent / "none.zip")))[0] == 1
    assert verify.verdict(verify.verify(str(path.parent)))[0] == 1
