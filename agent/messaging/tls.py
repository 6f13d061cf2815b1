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


_ALERTS = {
    "CERTIFICATE_REVOKED": "it was revoked",
    "CERTIFICATE_EXPIRED": "it has expired, or is not valid yet by the hub's clock",
    "UNKNOWN_CA": "it is of another authority",
    "CERTIFICATE_REQUIRED": "none was shown",
}
"""TLS alerts (RFC 8446, 6.2) as OpenSSL names them in its errors."""


def refusal_in(text: str) -> str | None:
    """What a broker says by ending the handshake, from a line of the MQTT client's log; None for any other line.
    In TLS 1.3 it comes after the handshake, with the first bytes read."""
    found = next((words for name, words in _ALERTS.items() if name in text.upper().replace(" ", "_")), None)
    return None if found is None else f"the broker refuses this unit's certificate: {found}"
