"""Keys of our own, and the signatures that outgoing mail carries (RFC 6376 section 5, RFC 8463).

Relaxed forms, because relays refold; every field that people or programs act on is named once more
than it stands there, so that nobody can add another (section 5.4.2).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from agentpost.auth.canonical import Message, canonical_body, canonical_field, read
from agentpost.auth.dkim import signed_fields
from agentpost.limits import AuthenticationLimits

SES_REWRITES: Final = frozenset({b"message-id", b"date"})
"""Fields that SES writes anew on their way out; a signature that goes through it leaves them out."""

_SEALED: Final = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"in-reply-to",
    b"references",
    b"mime-version",
    b"content-type",
)
"""Named once more than they stand there."""
_COVERED: Final = (
    b"sender",
    b"content-transfer-encoding",
    b"list-id",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
)
"""Named as often as they stand there: one-click unsubscription wants it (RFC 8058 section 4)."""
_RSA_BITS: Final = 2_048
_LINE: Final = 72
_STRING_OCTETS: Final = 255
"""One string of a TXT record (RFC 1035 section 3.3.14)."""
_DOMAIN: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+", re.ASCII)
_SELECTOR: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class DkimKey:
    """Who signs, under which selector, with which key.  Made by :func:`load_key`."""

    domain: str
    selector: str
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """As ``a=`` has it."""
        return "rsa-sha256" if isinstance(self.private, rsa.RSAPrivateKey) else "ed25519-sha256"

    @property
    def record(self) -> str:
        """The TXT record of the public key, for ``selector._domainkey.domain``."""
        return _record(self.private)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: what to keep sealed, and what to publish."""

    private_pem: bytes = field(repr=False)
    record: str


def new_rsa() -> NewKey:
    """A key that every receiver understands: RSA of 2048 bits (RFC 8301).  Takes about 0.1 s."""
    return _new(rsa.generate_private_key(public_exponent=65_537, key_size=_RSA_BITS))


def new_ed25519() -> NewKey:
    """A key of 44 characters that not every receiver understands yet (RFC 8463)."""
    return _new(ed25519.Ed25519PrivateKey.generate())


def load_key(domain: str, selector: str, private_pem: bytes) -> DkimKey:
    """A key to sign with; keep it, because reading it costs as much as a signature.

    Raises: ValueError for what is no key of ours, or a name that cannot stand in a signature.
    """
    if not _DOMAIN.fullmatch(domain) or not _SELECTOR.fullmatch(selector):
        raise ValueError("a domain and a selector are lower-case names in ASCII")
    private = load_pem_private_key(private_pem, password=None)
    if not isinstance(private, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("a DKIM key is RSA or Ed25519")
    return DkimKey(domain, selector, private)


def record_strings(record: str) -> tuple[str, ...]:
    """A record in strings of at most 255 octets, as a zone file and the DNS hold it."""
    return tuple(
        record[start : start + _STRING_OCTETS] for start in range(0, len(record), _STRING_OCTETS)
    )


def sign(
    octets: bytes,
    keys: Sequence[DkimKey],
    now: float,
    *,
    left_out: Collection[bytes] = (),
    limits: AuthenticationLimits | None = None,
) -> bytes:
    """The DKIM-Signature fields, one for each key, to be put before ``octets``.

    ``octets`` must be in their last form, with CRLF line ends.  ``now`` in seconds since 1970.
    ``left_out`` are lower-case names of fields that are not signed, such as ``SES_REWRITES``.
    Raises: ValueError when there is no From field; canonical.HeaderTooLarge.
    """
    message = read(octets, limits or AuthenticationLimits())
    if not message.named(b"from"):
        raise ValueError("a message without From cannot be signed")
    names = _names(message, left_out)
    body = hashlib.sha256(canonical_body(message.body, "relaxed")).digest()
    header = b"".join(
        canonical_field(each.octets, "relaxed") for each in signed_fields(message, names)
    )
    return b"".join(_signed(each, header, names, body, now) for each in keys)


def _names(message: Message, left_out: Collection[bytes]) -> list[bytes]:
    counts = dict.fromkeys((*_SEALED, *_COVERED), 0)
    for each in message.fields:
        if each.name in counts:
            counts[each.name] += 1
    names: list[bytes] = []
    for name, count in counts.items():
        if name not in left_out:
            names += [name] * (count + (name in _SEALED))
    return names


def _signed(key: DkimKey, header: bytes, names: list[bytes], body: bytes, now: float) -> bytes:
    tags = [
        b"v=1;",
        f"a={key.algorithm};".encode(),
        b"c=relaxed/relaxed;",
        f"d={key.domain};".encode(),
        f"s={key.selector};".encode(),
        f"t={int(now)};".encode(),
        *_listed(names),
        b"bh=" + base64.b64encode(body) + b";",
        b"b=",
    ]
    unsigned = _folded(tags)
    covered = header + canonical_field(unsigned + b"\r\n", "relaxed").removesuffix(b"\r\n")
    encoded = base64.b64encode(_signature(key, covered))
    pieces = [encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE)]
    return unsigned + b"\r\n\t" + b"\r\n\t".join(pieces) + b"\r\n"


def _listed(names: list[bytes]) -> list[bytes]:
    """The h= tag in pieces that a line can end after."""
    pieces = [name + b":" for name in names]
    pieces[0] = b"h=" + pieces[0]
    pieces[-1] = pieces[-1].removesuffix(b":") + b";"
    return pieces


def _folded(pieces: list[bytes]) -> bytes:
    """The field, folded between its pieces; names of fields stand close together."""
    lines = [b"DKIM-Signature: " + pieces[0]]
    for piece in pieces[1:]:
        space = b"" if lines[-1].endswith(b":") else b" "
        if len(lines[-1]) + 1 + len(piece) > _LINE:
            lines.append(b"\t" + piece)
        else:
            lines[-1] += space + piece
    return b"\r\n".join(lines)


def _signature(key: DkimKey, octets: bytes) -> bytes:
    if isinstance(key.private, rsa.RSAPrivateKey):
        return key.private.sign(octets, padding.PKCS1v15(), SHA256())
    return key.private.sign(hashlib.sha256(octets).digest())


def _new(private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> NewKey:
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return NewKey(pem, _record(private))


def _record(private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> str:
    """Source: RFC 6376 section 3.6.1; RFC 8463 section 4 for the bare 32 octets."""
    public = private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        kind = "rsa"
        octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        kind, octets = "ed25519", public.public_bytes_raw()
    return f"v=DKIM1; k={kind}; p={base64.b64encode(octets).decode()}"
