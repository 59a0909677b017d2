"""Whether a webhook comes from the server it claims to come from.

AgentPost signs each delivery in three ways at once: as Standard Webhooks (``webhook-id``,
``webhook-timestamp``, ``webhook-signature``), the same under ``svix-``, and by
``x-agentpost-signature``.  Any of them proves it; one that is there and false refutes it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any, Final

from agentpost.client._errors import SignatureInvalid

TOLERANCE_S: Final = 300


def verify(
    payload: bytes | str,
    headers: Mapping[str, str],
    secret: str,
    *,
    tolerance_s: int = TOLERANCE_S,
) -> dict[str, Any]:
    """The event in ``payload``, which is the request's body exactly as it came.

    ``secret`` is the webhook's, ``whsec_...``.  Raises: SignatureInvalid.
    """
    body = payload.encode() if isinstance(payload, str) else bytes(payload)
    fields = {name.lower(): value for name, value in headers.items()}
    checks = [
        _standard(body, fields, secret, prefix, tolerance_s)
        for prefix in ("webhook", "svix")
        if f"{prefix}-signature" in fields
    ]
    if "x-agentpost-signature" in fields:
        checks.append(_own(body, fields, secret, tolerance_s))
    if not checks:
        raise SignatureInvalid("The request carries no signature of AgentPost.")
    if not all(checks):
        raise SignatureInvalid("The signature is not one of this secret and this body.")
    event: dict[str, Any] = json.loads(body)
    return event


def _standard(
    body: bytes, fields: Mapping[str, str], secret: str, prefix: str, tolerance_s: int
) -> bool:
    identifier = fields.get(f"{prefix}-id", "")
    moment = _moment(fields.get(f"{prefix}-timestamp"), tolerance_s)
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"))
    except binascii.Error:
        raise SignatureInvalid("The secret is not one of a webhook (whsec_...).") from None
    signed = f"{identifier}.{moment}.".encode() + body
    wanted = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    offered = [
        value
        for version, _, value in (
            each.partition(",") for each in fields[f"{prefix}-signature"].split(" ")
        )
        if version == "v1"
    ]
    return any(_same(each, wanted) for each in offered)


def _own(body: bytes, fields: Mapping[str, str], secret: str, tolerance_s: int) -> bool:
    moment = _moment(fields.get("x-agentpost-timestamp"), tolerance_s)
    signed = f"{moment}.".encode() + body
    wanted = hmac.digest(secret.encode(), signed, hashlib.sha256).hex()
    offered = [each.strip() for each in fields["x-agentpost-signature"].split(",")]
    return any(_same(each, wanted) for each in offered)


def _moment(text: str | None, tolerance_s: int) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 12:
        raise SignatureInvalid("The request carries no timestamp.")
    moment = int(text)
    if abs(time.time() - moment) > tolerance_s:
        raise SignatureInvalid("The request is too old, or its clock and yours differ.")
    return moment


def _same(offered: str, wanted: str) -> bool:
    return hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), wanted.encode())
