"""Signatures of webhooks are those of the public libraries (R109)."""

from __future__ import annotations

import base64
import time

import pytest
import standardwebhooks
import svix
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth.signatures import new_secret, signed
from agentpost.client._signatures import verify


@pytest.mark.proves("R109")
@given(st.text(max_size=200), st.integers(1, 3))
def test_every_library_believes_every_secret(text: str, count: int) -> None:
    secrets = [new_secret() for _ in range(count)]
    body = ('{"a": "' + base64.b64encode(text.encode("utf-8", "replace")).decode() + '"}').encode()
    fields = dict(signed(secrets, "evt_1", int(time.time()), body))
    for secret in secrets:
        assert standardwebhooks.Webhook(secret).verify(body, fields)
        svix.Webhook(secret).verify(body, fields)
        assert verify(body, fields, secret)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(new_secret()).verify(body, fields)


def test_secrets_are_long_and_never_the_same() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(base64.b64decode(each.removeprefix("whsec_"))) for each in made} == {32}
