"""The dialogues of AUTH PLAIN (RFC 4616) and AUTH LOGIN (no RFC; as mail programs speak it).

A dialogue takes the decoded responses one after the other and answers each with a challenge or
with the credentials.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from agentpost.smtp.wire.commands import Refused
from agentpost.smtp.wire.replies import BAD_CREDENTIALS, BAD_RESPONSE, Reply, challenge

_EMPTY: Final = challenge("")
_USERNAME: Final = challenge("VXNlcm5hbWU6")
_PASSWORD: Final = challenge("UGFzc3dvcmQ6")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims to be and to know."""

    username: str
    password: str = field(repr=False)


class Dialogue:
    """One run of a mechanism, ``PLAIN`` or ``LOGIN``."""

    __slots__ = ("_mechanism", "_username")

    def __init__(self, mechanism: str) -> None:
        self._mechanism = mechanism
        self._username: str | None = None

    def begin(self) -> Reply:
        """The first challenge, for a client that sent no initial response."""
        return _EMPTY if self._mechanism == "PLAIN" else _USERNAME

    def respond(self, response: bytes) -> Reply | Credentials:
        """The next challenge, or the credentials when they are complete.

        Raises: Refused when the response is not of the mechanism's form.
        """
        if self._mechanism == "PLAIN":
            return _plain(response)
        text = _text(response)
        if self._username is None:
            self._username = text
            return _PASSWORD
        return Credentials(self._username, text)


def _plain(response: bytes) -> Credentials:
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise Refused(BAD_RESPONSE)
    authorization, username, password = map(_text, parts)
    if not username:
        raise Refused(BAD_RESPONSE)
    if authorization not in ("", username):
        # Nobody may act for another here (RFC 4616 section 2).
        raise Refused(BAD_CREDENTIALS)
    return Credentials(username, password)


def _text(octets: bytes) -> str:
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(BAD_RESPONSE) from None
    if "\0" in text:
        raise Refused(BAD_RESPONSE)
    return text
