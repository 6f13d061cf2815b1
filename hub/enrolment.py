"""The centre's own certificate authority: which files there are, and who may read which."""

from __future__ import annotations

from pathlib import Path

INGEST_NAME = "ems-hub-ingest"
"""Common name of the hub's own client at the broker. No unit can have it: a unit's name has a dot."""


class CaFolder:
    """The files under EMS_CA_PATH. Keys are 0600 in folders that are 0700; certificates, in PEM, are public.

    `root/` is needed only to make or rotate an issuing authority: keep it on a stick in a safe. `issuing/` is read by
    the worker alone, `server/` by broker, door and web, `ingest/` by ingest, `public/` by all.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.root_key = self.path / "root" / "root.key"
        self.root_certificate = self.path / "root" / "root.crt"
        self.issuing_key = self.path / "issuing" / "issuing.key"
        self.issuing_certificate = self.path / "issuing" / "issuing.crt"
        self.server_key = self.path / "server" / "server.key"
        self.server_certificate = self.path / "server" / "server.crt"
        """Leaf first, then the issuing authority's."""
        self.ingest_key = self.path / "ingest" / "ingest.key"
        self.ingest_certificate = self.path / "ingest" / "ingest.crt"
        """Leaf first, then the issuing authority's."""
        self.authorities = self.path / "public" / "authorities.pem"
        """Every root that is trusted now."""
        self.revoked = self.path / "public" / "units.crl"
        """One list for each issuing authority that ever signed a unit's certificate, in PEM."""
