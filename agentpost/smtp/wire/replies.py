"""Replies: a code, an enhanced code and text (RFC 5321 section 4.2, RFC 2034, RFC 3463).

Text is printable ASCII whatever it is made from, and a line never passes 512 octets
(RFC 5321 section 4.5.3.1.5); nothing that a client sent is repeated to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_PRINTABLE: Final = {code: chr(code) for code in range(32, 127)}
_MAX_TEXT: Final = 480


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply in its octets; ``code`` is what the session counts and decides by."""

    code: int
    octets: bytes

    @property
    def final(self) -> bool:
        """Whether the connection ends with it."""
        return self.code in (221, 421)


def reply(code: int, enhanced: str | None, *lines: str) -> Reply:
    """A reply of one or more lines; the enhanced code stands on each (RFC 2034 section 4)."""
    head = "" if enhanced is None else f"{enhanced} "
    last = len(lines) - 1
    text = "".join(
        f"{code}{' ' if index == last else '-'}{head}{_clean(line)}\r\n"
        for index, line in enumerate(lines)
    )
    return Reply(code, text.encode("ascii"))


def _clean(text: str) -> str:
    if text.isascii() and text.isprintable() and len(text) <= _MAX_TEXT:
        return text
    return "".join(_PRINTABLE.get(ord(character), "?") for character in text[:_MAX_TEXT])


def problem(smtp: tuple[int, str], message: str, fix: str) -> Reply:
    """What a failure of the table in ``agentpost.errors`` reads like here."""
    text = f"{message} {fix}"
    return reply(smtp[0], smtp[1], text if len(text) <= _MAX_TEXT else message)


def accepted(message_id: str, thread_id: str, *, duplicate: bool) -> Reply:
    """The message is ours now, under these ids; ``duplicate``: it was so before."""
    origin = "duplicate of " if duplicate else ""
    return Reply(250, f"250 2.0.0 {origin}{message_id} {thread_id}\r\n".encode("ascii"))


def hello(hostname: str, extensions: Iterable[str]) -> Reply:
    """The answer to EHLO (RFC 5321 section 4.1.1.1); it carries no enhanced codes (RFC 2034)."""
    return reply(250, None, f"{hostname} at your service", *extensions)


def greeting(hostname: str) -> Reply:
    return reply(220, None, f"{hostname} ESMTP AgentPost")


def challenge(base64: str) -> Reply:
    """A SASL challenge; the space stays when it is empty (RFC 4954 section 4)."""
    return reply(334, None, base64)


# What is said often is made once.
READY_FOR_TLS: Final = reply(220, "2.0.0", "Ready to start TLS")
BYE: Final = reply(221, "2.0.0", "Bye")
AUTHENTICATED: Final = reply(235, "2.7.0", "Authenticated")
OK: Final = reply(250, "2.0.0", "OK")
SENDER_OK: Final = reply(250, "2.1.0", "Sender OK")
RECIPIENT_OK: Final = reply(250, "2.1.5", "Recipient OK")
CHUNK_OK: Final = reply(250, "2.0.0", "Chunk received")
CANNOT_VERIFY: Final = reply(252, "2.0.0", "Send some mail and see")
START_DATA: Final = reply(354, None, "End data with <CRLF>.<CRLF>")
HELP: Final = reply(
    214,
    "2.0.0",
    "Message submission: EHLO, AUTH, MAIL, RCPT, DATA or BDAT, QUIT",
    "The user name is the inbox address, the password an API key or a mail password",
)

TIMED_OUT: Final = reply(421, "4.4.2", "Too slow, closing the connection")
SHUTTING_DOWN: Final = reply(421, "4.3.2", "The server is shutting down, try again")
TOO_LATE: Final = reply(421, "4.3.0", "The command took too long here, try again later")
TOO_MANY_BAD: Final = reply(421, "4.7.0", "Too many bad commands")
TOO_MANY_JUNK: Final = reply(421, "4.7.0", "Too many commands that send no mail")
TOO_MANY_LOGINS: Final = reply(421, "4.7.0", "Too many failed logins")
ENDLESS: Final = reply(421, "4.7.0", "A line without end, closing the connection")
TOO_MUCH: Final = reply(421, "4.3.4", "Too much data beyond the limit, closing the connection")
PIPELINED_LF: Final = reply(
    421, "4.7.0", "More was sent behind a bare LF; end every line with CR LF"
)

INTERNAL: Final = reply(451, "4.3.0", "Internal error; it is logged, try again later")
NO_MEMORY: Final = reply(452, "4.3.1", "The server is busy with large messages, try again")
TOO_MANY_RECIPIENTS: Final = reply(
    452, "4.5.3", "Too many recipients; send the others in another message"
)

BARE_LF: Final = reply(500, "5.5.2", "Line ended by a bare LF; end every line with CR LF")
TOO_LONG: Final = reply(500, "5.5.2", "Line too long")
UNKNOWN: Final = reply(500, "5.5.2", "Command not recognized")
CANCELLED: Final = reply(501, "5.7.0", "Authentication cancelled")
NOT_BASE64: Final = reply(501, "5.5.2", "The response is not valid base64")
BAD_RESPONSE: Final = reply(501, "5.5.2", "The response is not what this mechanism expects")
RESPONSE_TOO_LONG: Final = reply(501, "5.5.2", "The response is too long")
NOT_IMPLEMENTED: Final = reply(502, "5.5.1", "Command not implemented")
TOO_FAR_AHEAD: Final = reply(501, "5.5.4", "The time is past, or too far ahead to hold the message")
HELLO_FIRST: Final = reply(503, "5.5.1", "Send EHLO first")
MAIL_FIRST: Final = reply(503, "5.5.1", "Send MAIL FROM first")
RCPT_FIRST: Final = reply(503, "5.5.1", "No valid recipients; send RCPT TO first")
NESTED_MAIL: Final = reply(503, "5.5.1", "Sender already given; RSET begins anew")
CHUNKS_BEGUN: Final = reply(503, "5.5.1", "Not after BDAT; the transaction is closed")
CHUNKS_OPEN: Final = reply(503, "5.5.1", "Not after BDAT; send the last chunk or RSET")
AUTHENTICATED_ALREADY: Final = reply(503, "5.5.1", "Already authenticated")
NO_AUTH_IN_TRANSACTION: Final = reply(503, "5.5.1", "Already authenticated; in a transaction")
TLS_ALREADY: Final = reply(503, "5.5.1", "TLS is active already")
NO_MECHANISM: Final = reply(504, "5.5.4", "Mechanism not supported; use PLAIN or LOGIN")
STARTTLS_FIRST: Final = reply(530, "5.7.0", "Must issue a STARTTLS command first")
AUTH_FIRST: Final = reply(530, "5.7.0", "Authentication required")
BAD_CREDENTIALS: Final = reply(535, "5.7.8", "Authentication credentials invalid")
ENCRYPTION_REQUIRED: Final = reply(
    538, "5.7.11", "Encryption required for authentication; use STARTTLS or port 465"
)
NO_NULL_SENDER: Final = reply(550, "5.7.1", "The null reverse-path cannot be submitted here")
BARE_LINE_ENDING: Final = reply(
    550, "5.6.11", "The message holds a bare CR, a bare LF or a NUL; end lines with CR LF"
)
TOO_LARGE: Final = reply(552, "5.3.4", "The message is larger than this server accepts")
