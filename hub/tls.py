"""TLS as the hub's own servers speak it: version 1.3, with the certificate from the centre's authority."""

from __future__ import annotations

import ssl
from typing import Any

from hub.enrolment import CaFolder


class ServerTls:
    """Makes the context for a new connection; the files are read again when they have changed, so that a new key needs
    no restart. Safe for any thread: at worst two of them read the same files."""

    def __init__(self, folder: CaFolder, kind: type[ssl.SSLContext] = ssl.SSLContext) -> None:
        self._certificate, self._key = folder.server_certificate, folder.server_key
        self._kind = kind
        self._held: tuple[tuple[int, int], ssl.SSLContext] | None = None

    def context(self) -> ssl.SSLContext:
        """Raises OSError (ssl.SSLError among them) when certificate or key cannot be read and none was read before."""
        try:
            written = (self._certificate.stat().st_mtime_ns, self._key.stat().st_mtime_ns)
            if self._held is None or self._held[0] != written:
                self._held = written, self._read()
        except OSError:
            # A key that is just being put in place beside its certificate: the connection gets the pair before.
            if self._held is None:
                raise
        return self._held[1]

    def _read(self) -> ssl.SSLContext:
        context = self._kind(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(self._certificate, self._key)
        return context

    def for_gunicorn(self, _config: Any, _factory: Any) -> ssl.SSLContext:
        """The shape of gunicorn's hook `ssl_context`, which it asks for each connection."""
        return self.context()
