"""`python -m tests.bench bundle`: how fast a seat's bundle is built and verified, beside hashing the same file."""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from pathlib import Path

from hub.evidence import verify
from tests.bundles import SEGMENT_MS, recorded
from tests.film import record


def main(words: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m tests.bench bundle")
    options.add_argument("--segments", type=int, default=180, help="of 10 s: half an hour by default")
    given = options.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "film").mkdir()
        made_of = record(path / "film", 20, segment_s=SEGMENT_MS / 1000, size=(1280, 720), bitrate_bps=1_200_000)
        films = [file.read_bytes() for _, file in made_of]
        # One and the same few pictures all along: what is measured does not look at them.
        centre = recorded(path / "centre", given.segments, films=[films[at % 2] for at in range(given.segments)])
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
    print(f"bundle of {megabytes:.0f} MB, {made.segments} segments and MP4 of them: {verify.verdict(lines)[1]}")
    print(f"built    {megabytes / built_s:7.0f} MB/s, {built_s:.2f} s")
    print(f"verified {megabytes / verified_s:7.0f} MB/s, {verified_s:.2f} s")
    print(f"sha256   {megabytes / hashed_s:7.0f} MB/s, {hashed_s:.2f} s: the file read and hashed once")
    return verify.verdict(lines)[0]
