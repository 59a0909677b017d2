"""Mail credentials at rest: a SCRAM-SHA-256 verifier, and the secret sealed for the export.

Source: RFC 5802 section 3 and RFC 7677 for the verifier; its text form is the one PostgreSQL
uses, which other programs read as well.  The seal is AES-256-GCM under a key derived from the
deployment's master key; the credential's id is bound to it, so that a sealed secret cannot be
moved to another row.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from typing import Final

ITERATIONS: Final = 4096
"""The least that RFC 7677 section 4 allows: the secret is random, so more would protect nothing."""

MASTER_KEY_OCTETS: Final = 32

_SALT_OCTETS: Final = 16
_NONCE_OCTETS: Final = 12
_VERSION: Final = b"\x01"
_PURPOSE: Final = b"agentpost mail credential seal 1"
_VERIFIER: Final = re.compile(
    r"SCRAM-SHA-256\$([1-9][0-9]{3,6}):([A-Za-z0-9+/=]{4,88})\$"
    r"([A-Za-z0-9+/]{43}=):([A-Za-z0-9+/]{43}=)",
    re.ASCII,
)


class Unsealable(Exception):
    """A sealed secret cannot be opened: another master key, another row, or damage."""


def scram_verifier(secret: str, salt: bytes | None = None) -> str:
    """``SCRAM-SHA-256$4096:<salt>$<StoredKey>:<ServerKey>`` of a secret (about 1 ms of CPU)."""
    salt = os.urandom(_SALT_OCTETS) if salt is None else salt
    stored, server = _scram_keys(secret, salt, ITERATIONS)
    return f"SCRAM-SHA-256${ITERATIONS}:{_base64(salt)}${_base64(stored)}:{_base64(server)}"


def verifies(secret: str, verifier: str) -> bool:
    """Whether ``secret`` is the one of the verifier.  Raises: ValueError for a malformed one."""
    match = _VERIFIER.fullmatch(verifier)
    if match is None:
        raise ValueError("not a SCRAM-SHA-256 verifier")
    salt = base64.b64decode(match[2], validate=True)
    stored, server = _scram_keys(secret, salt, int(match[1]))
    same = hmac.compare_digest(_base64(stored), match[3])
    return same & hmac.compare_digest(_base64(server), match[4])


def seal(master_key: bytes, credential: str, secret: str) -> bytes:
    """The secret of the credential with this id, readable only under ``master_key``."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE_OCTETS)
    sealed = AESGCM(_sealing_key(master_key)).encrypt(nonce, secret.encode(), credential.encode())
    return _VERSION + nonce + sealed


def unseal(master_key: bytes, credential: str, sealed: bytes) -> str:
    """What ``seal`` was given.  Raises: Unsealable."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce, text = sealed[1 : 1 + _NONCE_OCTETS], sealed[1 + _NONCE_OCTETS :]
    if sealed[:1] != _VERSION or len(text) < 16:
        raise Unsealable("not a sealed secret of this release")
    try:
        opened = AESGCM(_sealing_key(master_key)).decrypt(nonce, text, credential.encode())
    except InvalidTag:
        raise Unsealable("sealed under another master key, or damaged") from None
    return opened.decode()


def _scram_keys(secret: str, salt: bytes, iterations: int) -> tuple[bytes, bytes]:
    # Our secrets are ASCII letters, digits and underscores, which SASLprep leaves as they are.
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256")


def _sealing_key(master_key: bytes) -> bytes:
    if len(master_key) != MASTER_KEY_OCTETS:
        raise ValueError(f"a master key has {MASTER_KEY_OCTETS} octets")
    # Not the master key itself: what else it protects can then never be confused with a seal.
    return hmac.digest(master_key, _PURPOSE, "sha256")


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
