"""Whether Amazon SNS really said it: what is signed, by whose key, and where that key may lie.

Source: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages".  A message
is JSON; its signature (RSA, PKCS #1 v1.5) covers some of its fields, which ones depends on its
type, each as its name and its value on lines of their own in the order of the names.  Version 1
signs with SHA-1, version 2 with SHA-256.  The message itself names the certificate, so the address
of that certificate is all that tells Amazon from a stranger: it is matched as a whole, and only
the region of the topic counts.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_TOPIC: Final = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):sns:([a-z0-9-]{3,40}):[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?",
    re.ASCII,
)
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z", re.ASCII
)
_CERTIFICATE_PATH: Final = r"/SimpleNotificationService-[a-z0-9]{1,128}\.pem"
_CONFIRMATION_PATH: Final = r"/\?[A-Za-z0-9%&=:._~+-]{1,2048}"
_LEAST_KEY_BITS: Final = 2048
_MOST_SIGNATURE: Final = 4096
"""Characters of a signature; one of a key of 4,096 bits has 684."""
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "1": hashes.SHA1(),  # noqa: S303  # what SNS signs with unless a topic says otherwise
    "2": hashes.SHA256(),
}

NOTIFICATION: Final = "Notification"
SUBSCRIPTION: Final = "SubscriptionConfirmation"
UNSUBSCRIPTION: Final = "UnsubscribeConfirmation"


class NotGenuine(Exception):
    """The message is not what SNS signs; the text says which rule it breaks."""


class SnsMessage(msgspec.Struct, frozen=True, rename="pascal"):
    """What SNS posts; fields that are neither signed nor used are left out."""

    type: str
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(default=None, name="SubscribeURL")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The public key of a certificate, and when it may be used."""

    key: rsa.RSAPublicKey
    begins: datetime
    ends: datetime


def region_of(topic: str) -> str | None:
    """The region of a topic's ARN, None when ``topic`` is no such ARN."""
    match = _TOPIC.fullmatch(topic)
    return None if match is None else match[2]


def is_certificate_url(url: str, topic: str) -> bool:
    """Whether the certificate of messages of ``topic`` may be fetched from ``url``."""
    return _is_below(url, topic, _CERTIFICATE_PATH)


def is_confirmation_url(url: str, topic: str) -> bool:
    """Whether a subscription to ``topic`` may be confirmed by asking for ``url``."""
    return _is_below(url, topic, _CONFIRMATION_PATH)


def _is_below(url: str, topic: str, path: str) -> bool:
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return False
    ending = r"\.amazonaws\.com\.cn" if match[1] == "aws-cn" else r"\.amazonaws\.com"
    whole = rf"https://sns\.{re.escape(match[2])}{ending}{path}"
    return re.fullmatch(whole, url, re.ASCII) is not None


def moment_of(message: SnsMessage) -> datetime:
    """When SNS took the message.  Raises: NotGenuine when it is not written as SNS writes it."""
    if _MOMENT.fullmatch(message.timestamp) is None:
        raise NotGenuine("its Timestamp is no moment")
    try:
        return datetime.fromisoformat(message.timestamp)
    except ValueError:
        raise NotGenuine("its Timestamp is no moment") from None


def canonical(message: SnsMessage) -> bytes:
    """The octets that are signed.  Raises: NotGenuine when the type has none."""
    fields: list[tuple[str, str | None]]
    if message.type == NOTIFICATION:
        fields = [
            ("Message", message.message),
            ("MessageId", message.message_id),
            ("Subject", message.subject),
            ("Timestamp", message.timestamp),
            ("TopicArn", message.topic_arn),
            ("Type", message.type),
        ]
    elif message.type in (SUBSCRIPTION, UNSUBSCRIPTION):
        if message.token is None or message.subscribe_url is None:
            raise NotGenuine("a confirmation has a Token and a SubscribeURL")
        fields = [
            ("Message", message.message),
            ("MessageId", message.message_id),
            ("SubscribeURL", message.subscribe_url),
            ("Timestamp", message.timestamp),
            ("Token", message.token),
            ("TopicArn", message.topic_arn),
            ("Type", message.type),
        ]
    else:
        raise NotGenuine("its Type is unknown")
    text = "".join(f"{name}\n{value}\n" for name, value in fields if value is not None)
    return text.encode("utf-8", "surrogatepass")


def signing_key(certificate: bytes) -> SigningKey:
    """The key in a PEM certificate.  Raises: NotGenuine when there is none that SNS could use."""
    try:
        found = x509.load_pem_x509_certificate(certificate)
        key = found.public_key()
    except (ValueError, TypeError, x509.InvalidVersion):
        raise NotGenuine("what lies at SigningCertURL is no certificate") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _LEAST_KEY_BITS:
        raise NotGenuine("the certificate holds no RSA key of 2,048 bits or more")
    return SigningKey(key, found.not_valid_before_utc, found.not_valid_after_utc)


def verify(message: SnsMessage, key: SigningKey, now: datetime) -> None:
    """Refuse a message that ``key`` did not sign.  Raises: NotGenuine."""
    algorithm = _HASHES.get(message.signature_version)
    if algorithm is None:
        raise NotGenuine("its SignatureVersion is neither 1 nor 2")
    if not key.begins <= now <= key.ends:
        raise NotGenuine("its certificate is not valid now")
    if len(message.signature) > _MOST_SIGNATURE:
        raise NotGenuine("its Signature is too long")
    try:
        signature = base64.b64decode(message.signature, validate=True)
    except (binascii.Error, ValueError):
        raise NotGenuine("its Signature is not base64") from None
    try:
        key.key.verify(signature, canonical(message), padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise NotGenuine("its Signature is wrong") from None
