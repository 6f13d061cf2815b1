"""`python -m tests.bench bundle`: how fast a seat's bundle is built and verified, beside hashing the same file."""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

from hub.evidence import verify
from tests.bundles import recorded


def main(words: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m tests.bench bundle")
    options.add_argument("--segments", type=int, default=360, help="of 10 s: an hour by default")
    options.add_argument("--bytes", type=int, default=1_500_000, help="of one segment")
    given = options.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        centre = recorded(path / "centre", given.segments, given.bytes)
        began = time.perf_counter()
        made = centre.bundle_of_seat("A1", path / "bundle.zip")
        built_s = time.perf_counter() - began
        began = time.perf_counter()
        lines = verify.verify(str(path / "bundle.zip"), verify.certificates_in(centre.root.read_bytes()))
        verified_s = time.perf_counter() - began
        began = time.perf_counter()
        with (path / "bundle.zip").open("rb") as file:
            hashlib.file_digest(file, "sha256")
        hashed_s = time.perf_counter() - began
        centre.close()
    megabytes = made.size_bytes / 1e6
    print(f"bundle of {megabytes:.0f} MB, {made.segments} segments: {verify.verdict(lines)[1]}")
    print(f"built    {megabytes / built_s:7.0f} MB/s, {built_s:.2f} s")
    print(f"verified {megabytes / verified_s:7.0f} MB/s, {verified_s:.2f} s")
    print(f"sha256   {megabytes / hashed_s:7.0f} MB/s, {hashed_s:.2f} s: the file read and hashed once")
    return verify.verdict(lines)[0]
