"""The two small files that make a desk unit itself: its Ed25519 key and the counter of agent starts."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def load_key(path: Path, *, may_make: bool) -> Ed25519PrivateKey:
    """The unit's key; made, for its owner alone to read, if there is none and `may_make`. Raises ValueError for what
    is no Ed25519 key in PEM, or is gone; OSError when it can be neither read nor written."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        if not may_make:
            raise ValueError(
                f"{path} is gone but its records are there: enrol this unit anew, in an empty folder"
            ) from None
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate()
        pem = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_synced(path, pem, 0o600)
        return made
    except ValueError as error:
        raise ValueError(f"{path} is not a key: {error}") from None
    except TypeError:
        raise ValueError(f"{path} wants a password: an agent that starts by itself has none") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} is not an Ed25519 key")
    return key


def read_boot(path: Path) -> int:
    """How often the agent has started; 0 before the first. Raises ValueError for what is no number."""
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0
    except ValueError:
        raise ValueError(f"{path} is not a number") from None


def write_synced(path: Path, data: bytes, mode: int) -> None:
    """Put a whole new file in place of `path`, on the card when this returns."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(part, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the card."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
