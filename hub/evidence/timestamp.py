"""Time stamps by RFC 3161: that a manifest existed at a time, said by an authority that need not be the centre.

Made by `openssl ts` with the configuration that EMS_TSA_CONFIG names (openssl-ts(1), section `[tsa]`), so that
certificate, key and policy are whoever's they are.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

TIMEOUT_S = 30.0


class CannotStamp(Exception):
    """No time stamp was made; the text says why and what to do."""


def token(config: Path, data: bytes) -> bytes:
    """The authority's response (DER) over the SHA-256 of `data`. Raises CannotStamp."""
    with tempfile.TemporaryDirectory(prefix="ems-ts-") as folder:
        asked, answered, told = (Path(folder) / name for name in ("query.tsq", "reply.tsr", "data"))
        told.write_bytes(data)
        _openssl("ts", "-query", "-sha256", "-cert", "-data", str(told), "-out", str(asked))
        _openssl("ts", "-reply", "-config", str(config), "-queryfile", str(asked), "-out", str(answered))
        return answered.read_bytes()


def _openssl(*words: str) -> None:
    try:
        done = subprocess.run(["openssl", *words], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotStamp(f"openssl cannot be run: {error}; install it, or leave EMS_TSA_CONFIG empty") from None
    if done.returncode != 0:
        why = next((line for line in done.stderr.splitlines() if line.strip()), "no reason given")
        raise CannotStamp(f"openssl {' '.join(words[:2])}: {why[:300]}; mend EMS_TSA_CONFIG, or leave it empty")
