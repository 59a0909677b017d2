"""A stand-in for Amazon SNS: it signs as SNS does, with a certificate of its own."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from agentpost import clock
from agentpost.ids import ulid

TOPIC = "arn:aws:sns:eu-west-1:123456789012:agentpost"
CERTIFICATE_URL = (
    "https://sns.eu-west-1.amazonaws.com/"
    "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
)
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        "Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type",
    ),
}  # fmt: skip
_SIGNED["UnsubscribeConfirmation"] = _SIGNED["SubscriptionConfirmation"]


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """A key; making one takes a while, so each is made once."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate(
    key: rsa.RSAPrivateKey | None = None,
    begins: datetime | None = None,
    ends: datetime | None = None,
) -> bytes:
    """A PEM certificate of ``key``, valid about now."""
    key = key or rsa_key()
    now = clock.now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins or now - timedelta(days=1))
        .not_valid_after(ends or now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def stamp(moment: datetime) -> str:
    """A moment as SNS writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def unsigned(message: str, **fields: Any) -> dict[str, Any]:
    """The fields of a notification before it is signed; ``fields`` replace them."""
    made: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": ulid().lower(),
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": stamp(clock.now()),
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    }
    return made | fields


def confirmation(kind: str = "SubscriptionConfirmation", **fields: Any) -> dict[str, Any]:
    """The fields of a confirmation before it is signed."""
    url = (
        f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=0f"
    )
    text = "You have chosen to subscribe."
    return unsigned(text, Type=kind, Token="0f", SubscribeURL=url, **fields)


def sign(fields: dict[str, Any], key: rsa.RSAPrivateKey | None = None) -> dict[str, Any]:
    """``fields`` with the signature that SNS would make."""
    text = "".join(
        f"{name}\n{fields[name]}\n"
        for name in _SIGNED[fields["Type"]]
        if fields.get(name) is not None
    )
    algorithm = hashes.SHA1() if fields["SignatureVersion"] == "1" else hashes.SHA256()
    made = (key or rsa_key()).sign(text.encode(), padding.PKCS1v15(), algorithm)
    return fields | {"Signature": base64.b64encode(made).decode()}


def posted(message: Any, **fields: Any) -> bytes:
    """The body of the request by which SNS tells ``message`` (text, or JSON to be)."""
    text = message if isinstance(message, str) else json.dumps(message)
    return json.dumps(sign(unsigned(text, **fields))).encode()
