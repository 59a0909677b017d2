"""Key pairs that sign mail for a domain (RFC 6376 section 3.3, RFC 8301, RFC 8463)."""

from __future__ import annotations

import base64
from typing import Final, Literal

Algorithm = Literal["rsa", "ed25519"]

RSA_BITS: Final = 2048
"""What every verifier takes (RFC 8301 section 3.2), and a TXT record of two strings holds."""


def new_key_pair(algorithm: Algorithm) -> tuple[str, str]:
    """A new private key, PKCS 8 in PEM, and the p= of its record (RFC 6376 section 3.6.1).

    An RSA key takes some 100 ms of CPU.
    """
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if algorithm == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
        # The bare 32 octets (RFC 8463 section 4).
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private.decode("ascii"), base64.b64encode(public).decode("ascii")
