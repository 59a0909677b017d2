"""What a client proves in PLAIN (RFC 4616) and LOGIN (no RFC; as mail programs speak it).

These functions take decoded responses; framing, base64 and challenges belong to the protocols.
Identities and passwords are compared octet by octet: ours are ASCII, so that no preparation
(SASLprep) could change them, and what is not ASCII cannot match.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from agentpost.errors import AuthenticationFailed, InvalidRequest

MAX_OCTETS: Final = 1024
"""One identity or password; RFC 4616 section 2 wants 255 accepted, ours have under 330."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who a client says it is, and the password that shall prove it; never logged."""

    username: str
    password: str = field(repr=False)


def plain(message: bytes) -> Login:
    """The message of PLAIN: ``[authzid] NUL authcid NUL passwd``.

    Raises: InvalidRequest when it is not of that form; AuthenticationFailed when the client
    wants to act as someone else than it logs in as, which nobody may here.
    """
    parts = message.split(b"\0", 3)
    if len(parts) != 3:
        raise InvalidRequest("A PLAIN message has exactly two NULs.")
    authorization = _text(parts[0])
    login = Login(answer(parts[1]), answer(parts[2]))
    if authorization not in ("", login.username):
        raise AuthenticationFailed
    return login


def answer(octets: bytes) -> str:
    """One answer of LOGIN.  Raises: InvalidRequest when it is empty, too long or not text."""
    if not octets:
        raise InvalidRequest("The user name or the password is empty.")
    return _text(octets)


def _text(octets: bytes) -> str:
    if len(octets) > MAX_OCTETS:
        raise InvalidRequest(f"The user name or the password has more than {MAX_OCTETS} octets.")
    if b"\0" in octets:
        raise InvalidRequest("The user name or the password holds a NUL.")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("The user name or the password is not UTF-8.") from None
