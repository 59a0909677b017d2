"""API keys and mail credentials: their form, and what is kept of them."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost import log
from agentpost.auth.keys import matches, new_api_key, new_mail_credential, parse_secret
from agentpost.errors import AuthenticationFailed
from agentpost.model.organization import Kind


@pytest.mark.proves("R77", "R78")
@pytest.mark.parametrize("kind", ["live", "dev", "test"])
def test_a_new_key_names_its_environment_and_is_random(kind: Kind) -> None:
    one, other = new_api_key(kind), new_api_key(kind)
    assert re.fullmatch(rf"ap_sk_{kind}_[A-Za-z0-9]{{32}}", one.text)
    assert one.text != other.text
    assert (one.kind, one.environment) == ("api_key", kind)
    assert parse_secret(one.text) == one


def test_a_new_mail_credential_is_40_ascii_characters() -> None:
    secret = new_mail_credential()
    assert re.fullmatch(r"ap_mail_[A-Za-z0-9]{32}", secret.text)
    assert secret.kind == "mail_credential"


@pytest.mark.proves("R77")
def test_a_key_of_the_documents_form_is_one() -> None:
    secret = parse_secret("ap_sk_a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6")
    assert (secret.kind, secret.environment, secret.prefix) == ("api_key", None, "ap_sk_a1b2c3")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ap_sk_",
        "ap_sk_live_" + "a" * 31,
        "ap_sk_live_" + "a" * 65,
        "ap_sk_prod_" + "a" * 32,
        "AP_SK_live_" + "a" * 32,
        " ap_sk_live_" + "a" * 32,
        "ap_sk_live_" + "a" * 32 + "\n",
        "ap_sk_live_" + "a" * 31 + "\u0661",
        "ap_sk_live_" + "a" * 31 + "\0",
        "ap_mail_" + "a" * 31 + "-",
        "ap_mail_" + "\ud800" * 32,
    ],
)
def test_what_is_no_secret_of_ours_is_refused_without_a_reason(text: str) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        parse_secret(text)
    assert refused.value.message == AuthenticationFailed.column.message


@given(st.text(max_size=100))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        secret = parse_secret(text)
    except AuthenticationFailed:
        return
    assert secret.text == text
    assert text.isascii()


@pytest.mark.proves("R81")
def test_the_secret_is_in_no_representation_and_in_no_log() -> None:
    for secret in (new_api_key("live"), new_mail_credential()):
        assert secret.text not in repr(secret)
        assert secret.text not in log.redact(f"presented {secret.text} here")
        assert len(secret.prefix) < len(secret.text) - 20


@pytest.mark.proves("R81")
def test_a_secret_matches_its_hash_and_no_other() -> None:
    secret = new_api_key("live")
    assert secret.hash == hashlib.sha256(secret.text.encode()).digest()
    assert matches(secret.text, secret.hash)
    assert not matches(secret.text + "x", secret.hash)
    assert not matches("\ud800", secret.hash)
