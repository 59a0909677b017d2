"""Public keys as they stand in the DNS (RFC 6376 section 3.6, RFC 8463 section 4, RFC 8301)."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from agentpost.auth import tags
from agentpost.auth.tags import Tags, TagSyntax
from agentpost.limits import AuthenticationLimits

_ED25519_OCTETS = 32


class KeyFault(Exception):
    """There is no key to verify with; the text says why."""


class KeyRefused(Exception):
    """There is a key, and it is one that nobody may rely on."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and what its owner wants it used for."""

    key: rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    strict_identity: bool
    """Whether ``i=`` must name exactly the signing domain (flag ``s``)."""
    testing: bool

    @property
    def kind(self) -> str:
        return "rsa" if isinstance(self.key, rsa.RSAPublicKey) else "ed25519"

    def verifies(self, signature: bytes, octets: bytes) -> bool:
        """Whether ``signature`` was made over ``octets``, which are hashed with SHA-256."""
        try:
            if isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(signature, octets, padding.PKCS1v15(), SHA256())
            else:
                self.key.verify(signature, hashlib.sha256(octets).digest())
        except InvalidSignature:
            return False
        return True


def read_key(records: tuple[bytes, ...], limits: AuthenticationLimits) -> PublicKey:
    """The first usable key among TXT records; others may stand under the name (wildcards).

    Raises: KeyFault, KeyRefused.
    """
    fault: KeyFault | KeyRefused = KeyFault("there is no key record")
    for record in records:
        if len(record) > limits.max_key_octets:
            fault = KeyFault("the key record is too long")
            continue
        try:
            found = tags.parse(record)
            if b"p" in found:
                return _key(found, limits)
        except TagSyntax as error:
            fault = KeyFault(f"the key record cannot be read: {error}")
        except (KeyFault, KeyRefused) as error:
            fault = error
    raise fault


def _key(found: Tags, limits: AuthenticationLimits) -> PublicKey:
    if b"v" in found and (next(iter(found)) != b"v" or found[b"v"].value != b"DKIM1"):
        raise KeyFault("the key record is of another version")
    if b"h" in found and b"sha256" not in tags.words(found[b"h"].value):
        raise KeyFault("the key is not for sha256")
    if b"s" in found and not {b"*", b"email"} & {*tags.words(found[b"s"].value)}:
        raise KeyFault("the key is not for mail")
    octets = tags.decoded(found[b"p"].value)
    if not octets:
        raise KeyFault("the key has been revoked")
    kind = found[b"k"].value if b"k" in found else b"rsa"
    flags = tags.words(found[b"t"].value) if b"t" in found else ()
    return PublicKey(_loaded(kind, octets, limits), b"s" in flags, b"y" in flags)


def _loaded(
    kind: bytes, octets: bytes, limits: AuthenticationLimits
) -> rsa.RSAPublicKey | ed25519.Ed25519PublicKey:
    if kind == b"ed25519":
        if len(octets) != _ED25519_OCTETS:
            raise KeyFault("an Ed25519 key has 32 octets")
        return ed25519.Ed25519PublicKey.from_public_bytes(octets)
    if kind != b"rsa":
        raise KeyFault("the key is of a type that is not known")
    try:
        with warnings.catch_warnings():
            # About keys that are too short, which are refused below.
            warnings.simplefilter("ignore")
            key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyFault("the key is not an RSA key") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise KeyFault("the key is not an RSA key")
    if key.key_size < limits.min_key_bits:
        raise KeyRefused(f"the key has {key.key_size} bits, which is too short (RFC 8301)")
    if key.key_size > limits.max_key_bits:
        raise KeyRefused(f"the key has {key.key_size} bits, which is too long")
    return key
