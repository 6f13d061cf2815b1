"""The signed report of a sitting: made when it is closed, with the hub's evidence key, and checked by anybody.

As a file it is one JSON object: `statement` (hub.core.sitting_report's document), `signature` (Ed25519, over the domain
prefix and the statement's canonical form: JSON with keys in order, no blanks, UTF-8) and `chain_pem`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from cryptography import x509

from hub.core import purge_list, sitting_report
from hub.evidence.seal import Signing, is_sealed, strangers
from hub.store.sitting_report import Signed


def sealed(seal: Signing, closing_id: int, document: dict[str, Any], now_utc_ms: int) -> Signed:
    """The document with its signature."""
    text = purge_list.canonical(document)
    signature = seal.sign(sitting_report.DOMAIN, text)
    return Signed(closing_id, now_utc_ms, text.decode(), signature, seal.chain_pem)


def exported(signed: Signed) -> bytes:
    """The signed report as a file."""
    rest = {"signature": signed.signature, "chain_pem": signed.chain_pem}
    return b'{"statement":' + signed.statement.encode() + b"," + purge_list.canonical(rest)[1:] + b"\n"


def faults(text: bytes, authority: Iterable[bytes] = ()) -> list[str]:
    """A line for each way in which a signed report does not hold; [] is whole. `authority`: the centre's own
    certificates in PEM; without them who signed is not asked."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        return [f"it is no report of a sitting: {error}"]
    statement = document.get("statement") if isinstance(document, dict) else None
    if not isinstance(statement, dict) or statement.get("format") != sitting_report.FORMAT:
        return ["it is no signed report of a sitting"]
    signature, chain = str(document.get("signature", "")), str(document.get("chain_pem", ""))
    if not is_sealed(chain, sitting_report.DOMAIN, purge_list.canonical(statement), signature):
        return ["its signature is not of this report: something in it was changed"]
    roots = [each for pem in authority for each in x509.load_pem_x509_certificates(pem)]
    return strangers(chain, roots) if roots else []
