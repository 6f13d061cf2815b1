"""How the link is encrypted."""

from __future__ import annotations

import ssl
from pathlib import Path

from msgspec import Struct


class Tls(Struct, frozen=True, kw_only=True):
    """PEM files: the centre's authority, and this unit's certificate with its key."""

    authority: Path
    certificate: Path | None = None
    key: Path | None = None


def context_of(tls: Tls) -> ssl.SSLContext:
    """TLS 1.3 with the broker's name checked; from the files as they are now, for certificates are renewed. Raises
    OSError (ssl.SSLError is one)."""
    context = ssl.create_default_context(cafile=str(tls.authority))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key)
    return context
