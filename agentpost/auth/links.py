"""Links that open one file for a while without a key: sealed tokens that stand in a URL (R8).

A token is what it opens, until when, and by which method, behind a seal (HMAC-SHA-256 over all of
it).  Nobody can make one up, stretch it or point it elsewhere; whoever has it may use it, so it is
never logged.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, Literal

import msgspec

from agentpost.errors import LinkExpired, LinkInvalid

LinkMethod = Literal["GET", "PUT"]
LinkKind = Literal["raw", "attachment", "upload", "export"]

_SEAL_OCTETS: Final = 32
_MAX_TOKEN: Final = 1024


class Link(msgspec.Struct, frozen=True, array_like=True):
    """One file, and who may do what to it until when."""

    method: LinkMethod
    kind: LinkKind
    expires: int
    """Seconds of Unix time; from then on the link opens nothing."""
    organization: str
    environment: str
    """Empty for an export, which may concern several."""
    inbox: str
    """Empty for an upload, which belongs to its environment, and for an export."""
    subject: str
    """The message, the key of the upload, or the export."""
    part: str
    """The attachment; empty for a whole message or an upload."""
    credential: str
    """Who made the link."""
    octets: int = 0
    """Of an upload: exactly so many."""


class Links:
    """Seals and opens links with a secret of the deployment, shared by all workers."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.sha256(b"agentpost file link 1\0" + secret).digest()

    def seal(self, link: Link) -> str:
        """The token of a link: letters, digits, ``-`` and ``_``."""
        content = msgspec.msgpack.encode(link)
        return urlsafe_b64encode(self._seal(content) + content).decode("ascii").rstrip("=")

    def open(self, token: str, method: LinkMethod, now: float) -> Link:
        """What a token opens by ``method`` at ``now`` (Unix time).

        Raises: LinkInvalid when it was not sealed here or is for another method; LinkExpired.
        """
        octets = _octets(token)
        seal, content = octets[:_SEAL_OCTETS], octets[_SEAL_OCTETS:]
        if not hmac.compare_digest(seal, self._seal(content)):
            raise LinkInvalid
        link = msgspec.msgpack.decode(content, type=Link)
        if link.method != method:
            raise LinkInvalid(f"The link is for {link.method} only.")
        if now >= link.expires:
            raise LinkExpired
        return link

    def _seal(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")


def _octets(token: str) -> bytes:
    """The octets of a token.  One spelling only: base64 has spare bits at its end."""
    if len(token) > _MAX_TOKEN or not token.isascii():
        raise LinkInvalid
    try:
        octets = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raise LinkInvalid from None
    if urlsafe_b64encode(octets).decode("ascii").rstrip("=") != token:
        raise LinkInvalid
    return octets
