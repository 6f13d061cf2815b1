"""Passwords: argon2id in, a yes or no out. What is kept is the encoded hash; the password itself is nowhere."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_CHARS = 12
MAX_CHARS = 256
"""Longer input is refused before hashing, so that nobody buys CPU time with a megabyte of password."""

_HASHER = PasswordHasher()
"""The library's defaults: RFC 9106's second recommendation (argon2id, 64 MiB, 3 passes, 4 lanes)."""
_NOBODYS = _HASHER.hash(secrets.token_urlsafe(16))
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without i, l, o, 0 and 1, which people misread from a terminal."""


class WeakPassword(Exception):
    """The password cannot be taken; the text says why."""


def hash_password(password: str) -> str:
    """The encoded argon2id hash. Raises WeakPassword."""
    if len(password) < MIN_CHARS:
        raise WeakPassword(f"the password has {len(password)} characters, it must have {MIN_CHARS} or more")
    if len(password) > MAX_CHARS:
        raise WeakPassword(f"the password has {len(password)} characters, it may have {MAX_CHARS} at most")
    return _HASHER.hash(password)


def is_right(encoded: str | None, password: str) -> bool:
    """Whether `password` is the one of `encoded`; takes as long for nobody (None) as for somebody."""
    if len(password) > MAX_CHARS:
        return False
    try:
        is_match = _HASHER.verify(encoded or _NOBODYS, password)
    except (VerificationError, InvalidHashError):
        return False
    return is_match and encoded is not None


def needs_rehash(encoded: str) -> bool:
    """Whether the hash was made with weaker parameters than today's."""
    return _HASHER.check_needs_rehash(encoded)


def generate() -> str:
    """A fresh password of 79 bits, easy to read out: four groups of four."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
