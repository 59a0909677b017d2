"""The rules by which SNS is known: what is signed, by whose key, from where (R05.01, R05.03)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost import clock
from agentpost.auth.sns import (
    NotGenuine,
    SnsMessage,
    canonical,
    is_certificate_url,
    is_confirmation_url,
    moment_of,
    region_of,
    signing_key,
    verify,
)
from tests import sns

CHINA = "arn:aws-cn:sns:cn-north-1:123456789012:mail"
PEM = "SimpleNotificationService-0123456789abcdef.pem"


def read(fields: dict[str, Any]) -> SnsMessage:
    return msgspec.convert(fields, SnsMessage)


def genuine(fields: dict[str, Any]) -> bool:
    try:
        verify(read(fields), signing_key(sns.certificate()), clock.now())
    except NotGenuine:
        return False
    return True


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", [{}, {"Subject": None}, {"Subject": "Amazon SES"}])
def test_what_sns_signs_is_genuine(version: str, subject: dict[str, Any]) -> None:
    assert genuine(
        sns.sign(sns.unsigned("text\nof two lines", SignatureVersion=version, **subject))
    )


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_confirmations_sign_their_own_fields(kind: str) -> None:
    signed = sns.sign(sns.confirmation(kind))
    assert genuine(signed)
    assert not genuine(signed | {"SubscribeURL": signed["SubscribeURL"] + "0"})
    assert not genuine(signed | {"Token": "1f"})
    with pytest.raises(NotGenuine):
        canonical(read({name: value for name, value in signed.items() if name != "Token"}))


@given(
    name=st.sampled_from(["Type", "MessageId", "TopicArn", "Message", "Timestamp", "Subject"]),
    value=st.text(min_size=1, max_size=40),
)
def test_no_signed_field_can_be_changed(name: str, value: str) -> None:
    signed = sns.sign(sns.unsigned("{}", Subject="s"))
    if value != signed[name]:
        assert not genuine(signed | {name: value})


def test_a_signature_is_good_for_its_version_and_type_only() -> None:
    first = sns.sign(sns.unsigned("{}", SignatureVersion="1"))
    assert not genuine(first | {"SignatureVersion": "2"})
    assert not genuine(sns.sign(sns.unsigned("{}")) | {"SignatureVersion": "1"})
    assert not genuine(first | {"SignatureVersion": "3"})
    assert not genuine(sns.sign(sns.confirmation()) | {"Type": "Notification"})
    assert not genuine(sns.sign(sns.confirmation()) | {"Type": "UnsubscribeConfirmation"})


@pytest.mark.parametrize("signature", ["", "?", "AAAA", "A" * 344, "A" * 5000, "=" * 8, "é"])
def test_octets_that_are_no_signature(signature: str) -> None:
    assert not genuine(sns.sign(sns.unsigned("{}")) | {"Signature": signature})


def test_another_key_signs_nothing() -> None:
    assert not genuine(sns.sign(sns.unsigned("{}"), sns.rsa_key(number=1)))


def test_certificates_that_sns_would_not_use() -> None:
    for octets in (b"", b"not PEM", sns.certificate()[:200], sns.certificate(sns.rsa_key(1024))):
        with pytest.raises(NotGenuine):
            signing_key(octets)
    now = clock.now()
    message = read(sns.sign(sns.unsigned("{}")))
    past = sns.certificate(begins=now - timedelta(days=3), ends=now - timedelta(days=1))
    future = sns.certificate(begins=now + timedelta(days=1), ends=now + timedelta(days=3))
    for pem in (past, future):
        with pytest.raises(NotGenuine, match="not valid now"):
            verify(message, signing_key(pem), now)


@pytest.mark.parametrize(
    "url",
    [
        f"https://evil.s3.amazonaws.com/{PEM}",
        f"https://sns.eu-west-1.amazonaws.com.evil.test/{PEM}",
        f"https://sns.eu-west-1.amazonaws.com@evil.test/{PEM}",
        f"http://sns.eu-west-1.amazonaws.com/{PEM}",
        f"https://sns.eu-west-1.amazonaws.com:8443/{PEM}",
        f"https://sns.eu-west-1.amazonaws.com:443/{PEM}",
        f"https://sns.us-east-1.amazonaws.com/{PEM}",
        f"https://sns.eu-west-1.amazonaws.com.cn/{PEM}",
        f"https://sns.eu-west-1.amazonaws.com/x/../{PEM}",
        f"https://sns.eu-west-1.amazonaws.com/{PEM}?x",
        f"https://sns.eu-west-1.amazonaws.com/{PEM}#x",
        f"https://sns.eu-west-1.amazonaws.com/{PEM}\n",
        f"https://sns.eu-west-1xamazonaws.com/{PEM}",
        f"https://SNS.eu-west-1.amazonaws.com/{PEM}",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-é.pem",
        f" https://sns.eu-west-1.amazonaws.com/{PEM}",
        "",
    ],
)
def test_certificates_lie_at_amazon_only(url: str) -> None:
    assert not is_certificate_url(url, sns.TOPIC)


def test_the_addresses_that_amazon_uses() -> None:
    assert is_certificate_url(sns.CERTIFICATE_URL, sns.TOPIC)
    assert is_certificate_url(f"https://sns.cn-north-1.amazonaws.com.cn/{PEM}", CHINA)
    assert not is_certificate_url(f"https://sns.cn-north-1.amazonaws.com/{PEM}", CHINA)
    assert is_confirmation_url(sns.confirmation()["SubscribeURL"], sns.TOPIC)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test/?Action=ConfirmSubscription",
        "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com@evil.test/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com/redirect?to=evil",
        "https://sns.eu-west-1.amazonaws.com/?a=b\r\nHost: evil.test",
    ],
)
def test_subscriptions_are_confirmed_at_amazon_only(url: str) -> None:
    assert not is_confirmation_url(url, sns.TOPIC)


@given(st.text(max_size=200))
def test_no_other_text_is_an_address_of_amazon(text: str) -> None:
    assert not is_certificate_url(text, sns.TOPIC)
    assert not is_certificate_url(sns.CERTIFICATE_URL, text)


def test_topics() -> None:
    assert region_of(sns.TOPIC) == "eu-west-1"
    for text in ("", "arn:aws:sqs:eu-west-1:123456789012:x", sns.TOPIC + "/", "arn:aws:sns:::x"):
        assert region_of(text) is None


@pytest.mark.parametrize("text", ["", "date", "2026-13-01T00:00:00Z", "2026-01-01", "1", "٢٠٢٦"])
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(NotGenuine):
        moment_of(read(sns.sign(sns.unsigned("{}")) | {"Timestamp": text}))
