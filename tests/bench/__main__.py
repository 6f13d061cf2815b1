"""`python -m tests.bench NAME ...`, one of BENCHES: measurements side by side, printed as ratios of one run."""

from __future__ import annotations

import importlib
import sys

BENCHES = ("vision", "ingest", "fleet", "purge", "tamper", "bundle", "upload", "recording", "remux", "live", "hub")


def main(argv: list[str]) -> int:
    """Run the named bench with the rest of the arguments; its result is the exit status."""
    if not argv or argv[0] not in BENCHES:
        print(f"use: python -m tests.bench {'|'.join(BENCHES)} [--help]", file=sys.stderr)
        return 2
    bench = importlib.import_module(f"tests.bench.{argv[0]}")
    return int(bench.main(argv[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
