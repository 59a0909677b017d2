"""What the server says about itself: one line a record, JSON or text, on standard error.

Every record carries the connection, request and actor it belongs to, from context variables that
the edges set.  Nothing that looks like a credential reaches the output: the finished line is
searched for our key formats, bearer tokens and tokens in URLs, so that a careless message or a
traceback that quotes a request cannot leak one.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

connection_id: ContextVar[str | None] = ContextVar("connection_id", default=None)
"""The connection at work, for example ``imap-1f3a``."""
request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The HTTP request at work."""
actor_id: ContextVar[str | None] = ContextVar("actor_id", default=None)
"""The id (never the secret) of the credential that was presented."""

MASK: Final = "[redacted]"
MAX_CHARACTERS: Final = 1024
"""Of a message and of each of its extras: a peer's words must not fill the disk."""
MAX_TRACEBACK_CHARACTERS: Final = 16 * 1024
"""Of a traceback, whose last lines say what happened."""

_SECRET = re.compile(
    # Our keys and mail passwords, webhook secrets, and the formats of the older documents.
    r"(?P<kind>\b(?:ap_sk|ap_mail|inai|whsec)_(?:live_|dev_|test_)?)[A-Za-z0-9_\-+/=]{8,}"
    r"|(?P<scheme>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<parameter>[?&;](?:token|key|api_key|access_token|password|secret|code)=)[^&\s\"'\\]+"
    r"|(?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"']{0,200}:)[^\s/@\"']{1,200}(?=@)"
    r"|(?P<jwt>\beyJ[A-Za-z0-9_-]{5})[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    # SASL: the octets after AUTH PLAIN, AUTHENTICATE PLAIN and the like.
    r"|(?P<sasl>\bAUTH(?:ENTICATE)?\s+(?:PLAIN|LOGIN|SCRAM-[A-Z0-9-]{3,20}|XOAUTH2|OAUTHBEARER)\s+)[A-Za-z0-9+/=]{8,}",
    re.IGNORECASE,
)

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(text: str) -> str:
    """``text`` without anything that looks like a credential; its prefix stays, to find it by."""
    return _SECRET.sub(lambda match: (match[match.lastgroup or 0] or "") + MASK, text)


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time, level, logger, message, context, extras, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
            **_context(),
            **_extras(record),
        }
        if record.exc_info:
            fields["traceback"] = _cut_traceback(self.formatException(record.exc_info))
        # Redaction comes after encoding: nothing in a nested extra escapes it, and the mask
        # holds no character that JSON would have to escape.  ASCII only: a terminal must not
        # obey what a peer wrote (direction marks, C1 controls).
        return redact(json.dumps(fields, default=str))


class TextFormatter(logging.Formatter):
    """A line for a human at a terminal; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        context = {**_context(), **_extras(record)}
        tail = "".join(f" {name}={_one_line(value)}" for name, value in context.items())
        line = (
            f"{_moment(record)[11:23]} {record.levelname.lower():7} "
            f"{record.name.removeprefix('agentpost.')}: {_one_line(record.getMessage())}{tail}"
        )
        if record.exc_info:
            line += "\n" + _cut_traceback(self.formatException(record.exc_info))
        return redact(line)


def configure(level: str, form: str, stream: TextIO | None = None, **constant: str) -> None:
    """Send every record of the process to ``stream`` (standard error) in ``form``: json or text.

    ``constant`` is added to each record, for example ``worker="0"``.  Libraries are heard from
    warning on only, unless the level is debug.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    if constant:
        handler.addFilter(_constant(constant))
    root = logging.getLogger()
    for previous in root.handlers[:]:
        root.removeHandler(previous)
    root.addHandler(handler)
    number = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(number, logging.WARNING) if number > logging.DEBUG else number)
    logging.getLogger("agentpost").setLevel(number)
    logging.captureWarnings(capture=True)
    # A closed pipe on standard error must not end the server, nor print for each record.
    logging.raiseExceptions = False


def _constant(fields: Mapping[str, str]) -> Callable[[logging.LogRecord], bool]:
    def add(record: logging.LogRecord) -> bool:
        vars(record).update(fields)
        return True

    return add


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _context() -> dict[str, str]:
    known = {
        "connection": connection_id.get(),
        "request": request_id.get(),
        "actor": actor_id.get(),
    }
    return {name: value for name, value in known.items() if value is not None}


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {
        name: value if value is None or isinstance(value, int | float) else _cut(value)
        for name, value in vars(record).items()
        if name not in _STANDARD
    }


def _cut(value: object) -> str:
    """``value`` as text of bounded length; half a secret is not left at the cut."""
    text = str(value)
    if len(text) <= MAX_CHARACTERS:
        return text
    return redact(text)[:MAX_CHARACTERS] + f"[{len(text)} characters]"


def _cut_traceback(text: str) -> str:
    return (
        text if len(text) <= MAX_TRACEBACK_CHARACTERS else redact(text)[-MAX_TRACEBACK_CHARACTERS:]
    )


def _one_line(value: object) -> str:
    text = _cut(value)
    # A record is one line: text of a peer must not be able to forge a second one.
    return text if text.isprintable() else ascii(text)[1:-1]
