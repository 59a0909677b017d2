"""What a session is, and which command is legal then (RFC 5321 section 4.1.4).

A state is a value of one of five types.  ``refusal`` is the whole law: a table from command and
state to the reply that refuses it.  What a command does to the state is said by the session.

=============  =========================================================
Unprotected    no TLS yet: nothing but EHLO, STARTTLS and small talk
Anonymous      TLS, and nobody has authenticated
Ready          authenticated, no transaction
Addressing     MAIL was accepted; recipients are being collected
Chunking       at least one BDAT was accepted, its LAST is still to come
=============  =========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agentpost.model.actor import Actor
from agentpost.model.envelope import Envelope, ForwardPath
from agentpost.smtp.wire import replies
from agentpost.smtp.wire.commands import Mail
from agentpost.smtp.wire.replies import Reply


@dataclass(frozen=True, slots=True)
class Hello:
    """The client has introduced itself; ``extended`` by EHLO."""

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class Unprotected:
    hello: Hello | None = None


@dataclass(frozen=True, slots=True)
class Anonymous:
    hello: Hello | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    actor: Actor
    hello: Hello | None = None


@dataclass(frozen=True, slots=True)
class Addressing:
    ready: Ready
    mail: Mail
    forward_paths: tuple[ForwardPath, ...] = ()

    @property
    def hello(self) -> Hello | None:
        return self.ready.hello

    def envelope(self) -> Envelope:
        mail = self.mail
        return Envelope(
            mail.address,
            self.forward_paths,
            mail.ret,
            mail.envid,
            mail.smtputf8,
            mail.body,
            mail.release,
        )


@dataclass(frozen=True, slots=True)
class Chunking:
    addressing: Addressing

    @property
    def hello(self) -> Hello | None:
        return self.addressing.ready.hello


State = Unprotected | Anonymous | Ready | Addressing | Chunking

COMMANDS: Final = frozenset(
    {
        b"EHLO",
        b"HELO",
        b"STARTTLS",
        b"AUTH",
        b"MAIL",
        b"RCPT",
        b"DATA",
        b"BDAT",
        b"RSET",
        b"NOOP",
        b"VRFY",
        b"HELP",
        b"QUIT",
    }
)
"""What is implemented."""

NOT_IMPLEMENTED: Final = frozenset(
    {b"EXPN", b"TURN", b"ETRN", b"ATRN", b"SEND", b"SOML", b"SAML", b"BURL"}
)
"""What is known and answered 502."""

_Row = Mapping[type[State], Reply]

_UNPROTECTED: Final[_Row] = {Unprotected: replies.STARTTLS_FIRST}
_TRANSACTION: Final[_Row] = {
    Unprotected: replies.STARTTLS_FIRST,
    Anonymous: replies.AUTH_FIRST,
    Ready: replies.MAIL_FIRST,
}

_REFUSALS: Final[Mapping[bytes, _Row]] = {
    b"STARTTLS": {
        Anonymous: replies.TLS_ALREADY,
        Ready: replies.TLS_ALREADY,
        Addressing: replies.TLS_ALREADY,
        Chunking: replies.TLS_ALREADY,
    },
    b"AUTH": {
        Unprotected: replies.ENCRYPTION_REQUIRED,
        Ready: replies.AUTHENTICATED_ALREADY,
        Addressing: replies.NO_AUTH_IN_TRANSACTION,
        Chunking: replies.NO_AUTH_IN_TRANSACTION,
    },
    b"MAIL": {
        Unprotected: replies.STARTTLS_FIRST,
        Anonymous: replies.AUTH_FIRST,
        Addressing: replies.NESTED_MAIL,
        Chunking: replies.NESTED_MAIL,
    },
    b"RCPT": {**_TRANSACTION, Chunking: replies.CHUNKS_OPEN},
    b"DATA": {**_TRANSACTION, Chunking: replies.CHUNKS_BEGUN},
    b"BDAT": _TRANSACTION,
    b"VRFY": _UNPROTECTED,
}

_NEED_HELLO: Final = frozenset({b"MAIL", b"RCPT", b"DATA", b"BDAT"})
_NEED_RECIPIENT: Final = frozenset({b"DATA", b"BDAT"})


def refusal(verb: bytes, state: State) -> Reply | None:
    """Why ``verb`` is not legal in ``state``; ``None`` when it is."""
    row = _REFUSALS.get(verb)
    if row is None:
        return None
    if verb in _NEED_HELLO and state.hello is None and not isinstance(state, Unprotected):
        return replies.HELLO_FIRST
    refused = row.get(type(state))
    if refused is None and verb in _NEED_RECIPIENT and isinstance(state, Addressing):
        return None if state.forward_paths else replies.RCPT_FIRST
    return refused
