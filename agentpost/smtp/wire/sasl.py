"""The dialogues of AUTH PLAIN (RFC 4616) and AUTH LOGIN (no RFC; as mail programs speak it).

A dialogue takes the decoded responses one after the other and answers each with a challenge or
with the login; what a response means is :mod:`agentpost.auth.sasl`'s to say.
"""

from __future__ import annotations

from typing import Final

from agentpost.auth import sasl
from agentpost.auth.sasl import Login
from agentpost.errors import AuthenticationFailed, InvalidRequest
from agentpost.smtp.wire.commands import Refused
from agentpost.smtp.wire.replies import BAD_CREDENTIALS, BAD_RESPONSE, Reply, challenge

_EMPTY: Final = challenge("")
_USERNAME: Final = challenge("VXNlcm5hbWU6")
_PASSWORD: Final = challenge("UGFzc3dvcmQ6")


class Dialogue:
    """One run of a mechanism, ``PLAIN`` or ``LOGIN``."""

    __slots__ = ("_mechanism", "_username")

    def __init__(self, mechanism: str) -> None:
        self._mechanism = mechanism
        self._username: str | None = None

    def begin(self) -> Reply:
        """The first challenge, for a client that sent no initial response."""
        return _EMPTY if self._mechanism == "PLAIN" else _USERNAME

    def respond(self, response: bytes) -> Reply | Login:
        """The next challenge, or the login when it is complete.

        Raises: Refused when the response is not of the mechanism's form, or acts for another.
        """
        try:
            if self._mechanism == "PLAIN":
                return sasl.plain(response)
            answer = sasl.answer(response)
        except InvalidRequest:
            raise Refused(BAD_RESPONSE) from None
        except AuthenticationFailed:
            raise Refused(BAD_CREDENTIALS) from None
        if self._username is None:
            self._username = answer
            return _PASSWORD
        return Login(self._username, answer)
