"""`python -m tests.bench tamper`: a thousand bundles tampered with in each way, and a thousand clean ones.

P6: all that is tampered with is named, no clean one is. A tampered file that is by chance the clean one does not count.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from cryptography import x509

from hub.evidence import verify
from hub.evidence.verify import WRONG
from tests import tampering
from tests.bundles import filmed, recorded


def main(words: list[str]) -> int:
    options = argparse.ArgumentParser(prog="python -m tests.bench tamper")
    options.add_argument("--each", type=int, default=1000)
    options.add_argument("--clean", type=int, default=1000)
    given = options.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        return run(Path(folder), given.each, given.clean)


def run(path: Path, each: int, clean: int) -> int:
    """1 when something was not found or a clean bundle was called tampered with."""
    centre = recorded(path / "centre", segments=6, films=filmed(path / "film", 6))
    centre.bundle_of_seat("A1", path / "ours.zip")
    centre.bundle_of_seat("A2", path / "other.zip")
    ours, other = tampering.members_of(path / "ours.zip"), tampering.members_of(path / "other.zip")
    roots = verify.certificates_in(centre.root.read_bytes())
    same, missed_in_all, count_in_all = tampering.packed(ours), 0, 0
    for kind in tampering.ALL:
        count = missed = 0
        for number in range(each):
            data = tampering.tampered(kind, ours, other, random.Random(f"{kind} {number}"))
            if data != same:
                count += 1
                missed += not is_wrong(path / "bundle.zip", data, roots)
        print(f"{kind:40} {count - missed:6} of {count} named", flush=True)
        missed_in_all, count_in_all = missed_in_all + missed, count_in_all + count
    centre.close()
    false = sum(is_clean_called_wrong(path / f"clean-{number}", number) for number in range(clean))
    print(f"all: {count_in_all - missed_in_all} of {count_in_all} named")
    print(f"clean bundles called tampered with: {false} of {clean}")
    return int(bool(missed_in_all or false))


def is_wrong(path: Path, data: bytes, roots: list[x509.Certificate]) -> bool:
    path.write_bytes(data)
    return any(line.status == WRONG for line in verify.verify(str(path), roots))


def is_clean_called_wrong(path: Path, number: int) -> bool:
    """A centre of its own each, of another length and with other film; seat and incident in turn."""
    dice = random.Random(number)
    centre = recorded(path, segments=dice.randrange(4, 10), size_bytes=dice.randrange(1, 5_000), seed=number)
    try:
        bundle = path / "bundle.zip"
        if number % 2:
            centre.bundle_of_seat("A1", bundle)
        else:
            centre.bundle_of_incident(1, bundle)
        roots = verify.certificates_in(centre.root.read_bytes())
        return verify.verdict(verify.verify(str(bundle), roots))[0] != 0
    finally:
        centre.close()
