"""Webhooks are believed only when they are signed (R109)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost import AgentPost
from agentpost.client import SignatureInvalid
from agentpost.client._signatures import verify

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
BODY = json.dumps({"id": "evt_1", "type": "message.received", "data": {"subject": "ü"}}).encode()


def standard(prefix: str, body: bytes = BODY, secret: str = SECRET, at: int = 0) -> dict[str, str]:
    moment = at or int(time.time())
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = hmac.digest(key, f"evt_1.{moment}.".encode() + body, hashlib.sha256)
    return {
        f"{prefix}-id": "evt_1",
        f"{prefix}-timestamp": str(moment),
        f"{prefix}-signature": "v1,bm90IHRoaXM= v1," + base64.b64encode(signature).decode(),
    }


def own(body: bytes = BODY, at: int = 0) -> dict[str, str]:
    moment = at or int(time.time())
    signature = hmac.digest(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return {"X-AgentPost-Timestamp": str(moment), "X-AgentPost-Signature": signature.hex()}


Headers = Callable[[], dict[str, str]]
"""Made when the test runs, for signatures grow old."""


@pytest.mark.parametrize("made", [lambda: standard("webhook"), lambda: standard("svix"), own])
def test_each_signature_is_enough(made: Headers) -> None:
    headers = made()
    assert verify(BODY, headers, SECRET)["data"]["subject"] == "ü"
    assert (
        AgentPost("ap_sk_test_k").webhooks.verify(BODY.decode(), headers, SECRET)["id"] == "evt_1"
    )


def test_all_of_them_together_are_good() -> None:
    assert verify(BODY, standard("webhook") | standard("svix") | own(), SECRET)


FORGED: list[Headers] = [
    dict,
    lambda: standard("webhook", body=b"{}"),
    lambda: standard("svix", secret="whsec_" + base64.b64encode(b"other").decode()),
    lambda: own(body=b"{}"),
    lambda: standard("webhook") | own(body=b"{}"),
    lambda: standard("webhook", at=int(time.time()) - 3600),
    lambda: own(at=int(time.time()) + 3600),
    lambda: {**standard("webhook"), "webhook-timestamp": "now"},
    lambda: {**standard("webhook"), "webhook-id": "evt_2"},
]


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_not_ours_is_refused(forged: Headers) -> None:
    with pytest.raises(SignatureInvalid):
        verify(BODY, forged(), SECRET)


@given(st.binary(max_size=60), st.text(max_size=60), st.text(max_size=20))
def test_nothing_forged_is_believed_nor_breaks_it(body: bytes, signature: str, at: str) -> None:
    for prefix in ("webhook", "svix", "x-agentpost"):
        headers = {f"{prefix}-signature": signature, f"{prefix}-timestamp": at}
        with pytest.raises(SignatureInvalid):
            verify(body, headers, SECRET)
