"""Secrets taken out of texts before they leave the desk in a support bundle. Pure.

Two ways at once, for neither is enough alone: what looks like a secret is cut by its form (PEM private keys,
`name=value` with a telling name, Authorization headers, passwords in URLs, claim codes, 128 hexadecimal digits), and
what is known to be one is cut by its value, in every writing in which it may stand.
"""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Iterable, Mapping

CUT = "[redacted]"
LEAST_KNOWN = 6
"""A known secret shorter than this would cut ordinary words."""

_TELLING = r"(?:secret|passw(?:or)?d|passwd|passphrase|token|private[_-]?key|api[_-]?key|credential|claim[_-]?code|psk)"
_PEM_NAME = r"[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_PEM = re.compile(rf"-----BEGIN {_PEM_NAME}.*?(?:-----END {_PEM_NAME}|\Z)", re.DOTALL)
_HEADER = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(\"?\s*[:=]\s*\"?)[^\r\n\"]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/._~=-]{8,}")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*):[^\s/]+@")
_PAIR = re.compile(rf"(?i)([\w.-]*{_TELLING}[\w.-]*)([\"']?\s*[:=]\s*)(\"(?:[^\"\\\r\n]|\\.)*\"|'[^'\r\n]*'|\S+)")
_CLAIM = re.compile(r"(?i)(\bclaim(?:\s+code)?(?:\s+is)?\s+)([A-Z0-9]{2,}(?:-[A-Z0-9]{2,})*)")
_LONG_HEX = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{128}(?![0-9A-Fa-f])")


def redact(text: str, known: Iterable[str] = ()) -> str:
    """`text` without what looks like a secret, nor any of the `known` ones. Redacting twice changes nothing more."""
    for secret in sorted({each for each in known if len(each) >= LEAST_KNOWN}, key=len, reverse=True):
        text = text.replace(secret, CUT)
    text = _PEM.sub(CUT, text)
    text = _HEADER.sub(rf"\1\2{CUT}", text)
    text = _BEARER.sub(rf"\1 {CUT}", text)
    text = _URL.sub(rf"\1:{CUT}@", text)
    text = _PAIR.sub(rf"\1\2{CUT}", text)
    text = _CLAIM.sub(rf"\1{CUT}", text)
    return _LONG_HEX.sub(CUT, text)


def writings_of(secret: bytes) -> frozenset[str]:
    """The texts in which these bytes may stand: as they are, in hexadecimal, in base64 (standard and URL, padded or
    not), escaped for a URL or JSON; for a key's PEM each of its lines too."""
    found = {secret.hex(), secret.hex().upper()}
    for coded in (base64.b64encode(secret).decode(), base64.urlsafe_b64encode(secret).decode()):
        found |= {coded, coded.rstrip("=")}
    try:
        text = secret.decode().strip()
    except UnicodeDecodeError:
        return frozenset(found)
    found |= {text, urllib.parse.quote(text, safe=""), text.replace("\n", "\\n")}
    if "PRIVATE KEY" in text:
        found |= {line for line in text.splitlines() if not line.startswith("-----")}
    return frozenset(each for each in found if len(each) >= LEAST_KNOWN)


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret."""
    return re.search(_TELLING, name, re.IGNORECASE) is not None


def redacted_settings(values: Mapping[str, object]) -> dict[str, str]:
    """Settings as texts, with secrets cut."""
    texts = {name: "" if value is None else str(value) for name, value in values.items()}
    return {name: CUT if is_secret_name(name) and text else redact(text) for name, text in texts.items()}
