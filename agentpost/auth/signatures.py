"""Signatures of webhooks, three at once (R109; API.md, Webhook delivery).

Standard Webhooks signs ``id.timestamp.body`` with HMAC-SHA-256 under the octets that the secret
``whsec_<base64>`` encodes, and Svix does the same under names of its own.  AgentPost's first form
signs ``timestamp.body`` under the whole text of the secret.  While a secret is being replaced both
sign: signatures are separated by a space in the former two, by a comma in the last.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
_SECRET_OCTETS: Final = 32


def new_secret() -> str:
    """A new signing secret."""
    return PREFIX + base64.b64encode(os.urandom(_SECRET_OCTETS)).decode("ascii")


def signed(
    secrets: Sequence[str], identifier: str, moment: int, body: bytes
) -> tuple[tuple[str, str], ...]:
    """The header fields that prove who sent ``body``; ``moment`` is in seconds since 1970.

    ``secrets`` are those that count now, the newest first; ``identifier`` has no dot.
    """
    standard = f"{identifier}.{moment}.".encode() + body
    versioned = " ".join(f"v1,{_base64(_key(each), standard)}" for each in secrets)
    own = f"{moment}.".encode() + body
    plain = ",".join(hmac.digest(each.encode(), own, hashlib.sha256).hex() for each in secrets)
    fields: list[tuple[str, str]] = []
    for name in ("webhook", "svix"):
        fields += [
            (f"{name}-id", identifier),
            (f"{name}-timestamp", str(moment)),
            (f"{name}-signature", versioned),
        ]
    fields += [("x-agentpost-timestamp", str(moment)), ("x-agentpost-signature", plain)]
    return tuple(fields)


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))


def _base64(key: bytes, octets: bytes) -> str:
    return base64.b64encode(hmac.digest(key, octets, hashlib.sha256)).decode("ascii")
