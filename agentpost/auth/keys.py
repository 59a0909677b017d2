"""API keys and mail credentials: how they look, how they are made, what is kept of them.

A secret is random (190 bits), so its SHA-256 is all that is needed to recognise it: a slow
password hash would only turn a storm of logins into a denial of service.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import Final, Literal, cast

from agentpost.errors import AuthenticationFailed
from agentpost.model.organization import Kind

SecretKind = Literal["api_key", "mail_credential", "polling_token"]

KEY_FORM: Final = "ap_sk_ (then live_, dev_ or test_ if wanted) and 32 to 64 letters or digits"
"""What an API key looks like, in words, for errors."""

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM_CHARACTERS: Final = 32
_SHOWN_CHARACTERS: Final = 6
_KEY: Final = re.compile(r"(ap_sk_(?:(live|dev|test)_)?)([A-Za-z0-9]{32,64})", re.ASCII)
_OTHERS: Final[tuple[tuple[SecretKind, re.Pattern[str]], ...]] = (
    ("mail_credential", re.compile(r"(ap_mail_)([A-Za-z0-9]{32,64})", re.ASCII)),
    ("polling_token", re.compile(r"(ap_poll_)([A-Za-z0-9]{32,64})", re.ASCII)),
)


@dataclass(frozen=True, slots=True)
class Secret:
    """A credential in clear, with what may be shown and kept of it; never logged."""

    text: str = field(repr=False)
    kind: SecretKind
    environment: Kind | None
    """What the key says of itself; a key of the first release may say nothing."""
    prefix: str
    """Shown in lists: enough to tell keys apart, too little to guess from."""

    @property
    def hash(self) -> bytes:
        """The SHA-256 that the credential is stored and found by."""
        return secret_hash(self.text)


def new_api_key(kind: Kind) -> Secret:
    """A new API key for an environment of this kind (R77, R78)."""
    return parse_secret(f"ap_sk_{kind}_{_random()}")


def new_mail_credential() -> Secret:
    """A new password for one inbox over IMAP and SMTP; it has 40 ASCII letters and digits."""
    return parse_secret("ap_mail_" + _random())


def new_polling_token() -> Secret:
    """A new token that reads one polling webhook."""
    return parse_secret("ap_poll_" + _random())


def parse_secret(text: str) -> Secret:
    """A presented API key, mail credential or token of a polling webhook.

    Raises: AuthenticationFailed when it is none, without saying what is wrong with it.
    """
    key = _KEY.fullmatch(text)
    if key is not None:
        head, kind, random = key.groups()
        shown = head + random[:_SHOWN_CHARACTERS]
        return Secret(text, "api_key", cast("Kind | None", kind), shown)
    for other, form in _OTHERS:
        match = form.fullmatch(text)
        if match is not None:
            return Secret(text, other, None, match[1] + match[2][:_SHOWN_CHARACTERS])
    raise AuthenticationFailed


def secret_hash(text: str) -> bytes:
    """SHA-256 of a credential."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def matches(text: str, stored_hash: bytes) -> bool:
    """Whether ``text`` is the credential whose hash is stored, in time that tells nothing."""
    return hmac.compare_digest(secret_hash(text), stored_hash)


def _random() -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(_RANDOM_CHARACTERS))
