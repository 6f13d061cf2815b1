"""The certificate of a purge: what went under which rule, signed with the hub's evidence key, checked by anybody.

As a file it is one JSON object: `statement` (what was done, in total, with the SHA-256 of the list), `items` (the list,
one object a file), `signature` (Ed25519, over the domain prefix and the statement) and `chain_pem`. Statement and list
are hashed in one canonical form: JSON with keys in order, no blanks, UTF-8; in the list a line feed after each item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography import x509

from hub.core import purge_list
from hub.evidence.seal import Signing, is_sealed, strangers
from hub.store import Store, purging
from hub.store.purging import Purge


class NotEnded(Exception):
    """The purge is under way; the text says so."""


def sealed(seal: Signing, statement: dict[str, Any]) -> tuple[str, str, str]:
    """(the statement's exact text, its signature, the chain)."""
    text = purge_list.canonical(statement)
    return text.decode(), seal.sign(purge_list.DOMAIN, text), seal.chain_pem


def exported(store: Store, purge: Purge) -> Iterator[bytes]:
    """The certificate as a file, in pieces. Raises NotEnded."""
    if purge.statement is None:
        raise NotEnded(f"purge {purge.number} is under way: its certificate is made when it has ended")
    return _pieces(store, purge)


def _pieces(store: Store, purge: Purge) -> Iterator[bytes]:
    yield b'{"statement":' + (purge.statement or "").encode()
    for name in ("signature", "chain_pem"):
        yield f',"{name}":'.encode() + purge_list.canonical(getattr(purge, name))
    yield b',"items":[\n'
    is_first = True
    for chunk in purging.lines(store, purge.number):
        text = chunk.rstrip(b"\n").replace(b"\n", b",\n")  # a line feed within a value is written \n
        yield text if is_first else b",\n" + text
        is_first = False
    yield b"\n]}\n"


def faults(text: bytes, authority: Iterable[bytes] = ()) -> list[str]:
    """A line for each way in which a certificate does not hold; [] is whole. `authority`: the centre's own
    certificates in PEM; without them who signed is not asked."""
    try:
        document = json.loads(text)
    except ValueError as error:
        return [f"it is no certificate of a purge: {error}"]
    if not isinstance(document, dict):
        return ["it is no certificate of a purge"]
    found = purge_list.faults_of(document)
    signature, chain = str(document.get("signature", "")), str(document.get("chain_pem", ""))
    if not is_sealed(chain, purge_list.DOMAIN, purge_list.canonical(document.get("statement")), signature):
        return [*found, "its signature is not of this statement"]
    roots = [each for pem in authority for each in x509.load_pem_x509_certificates(pem)]
    return found + (strangers(chain, roots) if roots else [])
