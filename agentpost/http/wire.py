"""HTTP/1.1 message heads and bodies as octets (RFC 9110; RFC 9112 sections 2 to 7).

Pure: takes octets, gives values, does no I/O.

The parser is strict where leniency is what request smuggling lives on.  A head is accepted only
when every octet of it matches one grammar, checked by one regular expression without
backtracking: no bare LF, no folded lines, no space before the colon, no control characters, one
framing field.  Anything else is :class:`MalformedRequest`, after which the connection must close,
because nobody can say where the next request begins.

Two things that RFC 9112 permits are refused on purpose: the absolute form of a request target
(section 3.2.2; only proxies are sent it, and it makes two hosts of one request) and a repeated
Content-Length, even with equal values (section 6.3).
"""

from __future__ import annotations

import re
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, Literal

import msgspec

CRLF: Final = b"\r\n"
END_OF_HEAD: Final = b"\r\n\r\n"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
_HEAD: Final = re.compile(
    rb"(" + _TOKEN + rb"{1,32}) ([!-~]++) HTTP/1\.([01])"
    rb"((?:\r\n" + _TOKEN + rb"++:[\t -~\x80-\xff]*+)*+)"
)
_VERSION: Final = re.compile(rb"[!-~]+ [!-~]+ HTTP/[0-9]\.[0-9](?:\r\n|\Z)")
_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")
_TARGET: Final = re.compile(rb"/[!$&-;=@-Z_a-z~%]*+(?:\?[!$&-;=?-\[\]_a-z~%]*+)?")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t -~\x80-\xff]{0,256})?")
_TRAILER: Final = re.compile(_TOKEN + rb"++:[\t -~\x80-\xff]*+")

_SINGLE: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"idempotency-key",
        b"agentpost-environment",
        b"transfer-encoding",
    }
)
"""Fields that may stand once: a second one is a way to make two readers disagree."""

Framing = Literal["none", "length", "chunked"]


class MalformedRequest(Exception):
    """Octets that are not an HTTP request we take: answer ``status`` and close."""

    def __init__(self, reason: str, status: int = 400) -> None:
        self.reason = reason
        self.status = status
        super().__init__(reason)


class Head(msgspec.Struct, frozen=True, gc=False):
    """One request head.  Field names are in lower case; repeated fields are joined by commas."""

    method: str
    target: str
    path: str
    query: str
    minor: int
    """The minor version: HTTP/1.0 or HTTP/1.1."""
    fields: dict[bytes, bytes]
    framing: Framing
    length: int
    """Octets of the body when ``framing`` is ``length``, else 0."""
    keep_alive: bool
    expects_continue: bool
    upgrade: bool
    """Whether the client asks for another protocol (RFC 9110 section 7.8)."""

    def field(self, name: bytes) -> str | None:
        """The value of a field as text (one character an octet), or ``None`` when absent."""
        value = self.fields.get(name)
        return None if value is None else value.decode("latin-1")


def parse_head(octets: bytes) -> Head:
    """The head that ``octets`` are: everything before, not including, the empty line.

    Raises: MalformedRequest with the reason, which is safe to tell.
    Source: RFC 9112 sections 2.2 to 6.3, RFC 9110 sections 5.3 and 7.2.
    """
    match = _HEAD.fullmatch(octets)
    if match is None:
        raise _why(octets)
    method, target, minor_digit, block = match.groups()
    fields = _fields(block)
    minor = 1 if minor_digit == b"1" else 0
    _check_host(fields, minor)
    path, query = _target(method, target)
    framing, length = _framing(fields, minor)
    connection = fields.get(b"connection", b"").lower()
    options = {option.strip(b" \t") for option in connection.split(b",")} if connection else ()
    return Head(
        method.decode("ascii"),
        target.decode("ascii"),
        path,
        query,
        minor,
        fields,
        framing,
        length,
        minor == 1 and b"close" not in options,
        fields.get(b"expect", b"").lower() == b"100-continue" and minor == 1,
        b"upgrade" in options and b"upgrade" in fields,
    )


def _why(octets: bytes) -> MalformedRequest:
    if b"\0" in octets:
        return MalformedRequest("The request head holds a NUL.")
    lines = octets.split(CRLF)
    if b"\n" in octets.replace(CRLF, b"") or b"\r" in octets.replace(CRLF, b""):
        return MalformedRequest("Lines of the request head must end with CR LF.")
    if any(line.startswith((b" ", b"\t")) for line in lines[1:]):
        return MalformedRequest("Header fields must not be folded.")
    if _VERSION.match(octets) and not re.search(rb" HTTP/1\.[01]\Z", lines[0]):
        return MalformedRequest("This server speaks HTTP/1.1.", 505)
    return MalformedRequest("The request head is not well formed.")


def _fields(block: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in block.split(CRLF)[1:]:
        name, _, value = line.partition(b":")
        name = name.lower()
        value = value.strip(b" \t")
        if name in fields:
            if name in _SINGLE:
                shown = name.decode("ascii")
                raise MalformedRequest(f"The header field {shown} stands twice.")
            value = fields[name] + (b"; " if name == b"cookie" else b", ") + value
        fields[name] = value
    return fields


def _check_host(fields: dict[bytes, bytes], minor: int) -> None:
    host = fields.get(b"host")
    if host is None:
        if minor == 1:
            raise MalformedRequest("The header field Host is missing.")
    elif _HOST.fullmatch(host) is None:
        raise MalformedRequest("The header field Host is not a host name with an optional port.")


def _target(method: bytes, target: bytes) -> tuple[str, str]:
    if target == b"*" and method == b"OPTIONS":
        return "*", ""
    if _TARGET.fullmatch(target) is None:
        raise MalformedRequest("The request target must be a path with an optional query.")
    if _BAD_ESCAPE.search(target):
        raise MalformedRequest("The request target holds %00, or a % without two digits after it.")
    path, _, query = target.partition(b"?")
    return path.decode("ascii"), query.decode("ascii")


def _framing(fields: dict[bytes, bytes], minor: int) -> tuple[Framing, int]:
    length = fields.get(b"content-length")
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise MalformedRequest("Content-Length and Transfer-Encoding exclude each other.")
        if minor == 0 or coding.lower() != b"chunked":
            raise MalformedRequest("The only transfer coding here is chunked, over HTTP/1.1.")
        return "chunked", 0
    if length is None:
        return "none", 0
    if _LENGTH.fullmatch(length) is None:
        raise MalformedRequest("Content-Length must be one decimal number.")
    octets = int(length)
    return ("length", octets) if octets else ("none", 0)


class ChunkedBody:
    """Takes a chunked body apart as it arrives (RFC 9112 section 7.1), whatever the pieces are.

    ``feed`` returns the data that is complete; ``rest`` holds what followed once ``done``.
    Lines are bounded, so the memory is: one line or one piece, never what the client announces.
    """

    MAX_LINE: Final = 512
    MAX_TRAILERS: Final = 32

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._left = 0
        self._state: Literal["size", "data", "end", "trailers"] = "size"
        self._trailers = 0
        self.done = False

    @property
    def rest(self) -> bytes:
        """What came after the body; meaningful once ``done``."""
        return bytes(self._buffer)

    def feed(self, octets: bytes) -> bytes:
        """The body octets that ``octets`` complete.

        Raises: MalformedRequest when the coding is broken; the body's end is then unknown.
        """
        self._buffer += octets
        out = bytearray()
        while not self.done:
            if self._state == "data":
                piece = self._buffer[: self._left]
                if not piece:
                    break
                del self._buffer[: len(piece)]
                out += piece
                self._left -= len(piece)
                if self._left:
                    break
                self._state = "end"
            elif not self._line():
                break
        return bytes(out)

    def _line(self) -> bool:
        end = self._buffer.find(b"\n", 0, self.MAX_LINE)
        if end < 0:
            if len(self._buffer) >= self.MAX_LINE:
                raise MalformedRequest("A line of the chunked body is too long.")
            return False
        line = bytes(self._buffer[: end - 1]) if end else b""
        if end == 0 or self._buffer[end - 1] != 0x0D or b"\r" in line:
            raise MalformedRequest("Lines of the chunked body must end with CR LF.")
        del self._buffer[: end + 1]
        self._take_line(line)
        return True

    def _take_line(self, line: bytes) -> None:
        if self._state == "size":
            match = _CHUNK.fullmatch(line)
            if match is None:
                raise MalformedRequest("A chunk size is not a hexadecimal number of 1 to 8 digits.")
            self._left = int(match[1], 16)
            self._state = "data" if self._left else "trailers"
        elif self._state == "end":
            if line:
                raise MalformedRequest("A chunk is longer than its size says.")
            self._state = "size"
        elif not line:
            self.done = True
        else:
            self._trailers += 1
            if self._trailers > self.MAX_TRAILERS or _TRAILER.fullmatch(line) is None:
                raise MalformedRequest("The trailer section is not well formed.")


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")


_STATUS_LINES: Final = {status: _status_line(status) for status in range(200, 600)}
_UNSAFE_VALUE: Final = re.compile(r"[^\t -~\x80-\xff]")


class DateLine:
    """The Date field (RFC 9110 section 6.6.1), rendered once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._line = b""

    def at(self, seconds: float) -> bytes:
        """``date: ...`` with its CR LF for a time in seconds since 1970."""
        second = int(seconds)
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n".encode("ascii")
        return self._line


def response_head(
    status: int,
    fields: list[tuple[str, str]],
    *,
    date: bytes,
    length: int | None,
    close: bool,
    chunked: bool = False,
) -> bytes:
    """A response head with its empty line.

    ``length`` is the body's octets; ``None`` means ``chunked``, or a body that ends with the
    connection.  204 and 304 have no body and say nothing about one (RFC 9112 section 6).
    Raises: ValueError when a field's value holds a line end or another control character; such
    a value must never reach the wire.
    """
    text = "".join([f"{name}: {value}\r\n" for name, value in fields])
    if _UNSAFE_VALUE.search(text.replace("\r\n", "")) or text.count("\n") != len(fields):
        raise ValueError("a response field holds a character that may not stand in one")
    if status in (204, 304):
        framing = b""
    elif length is None:
        framing = b"transfer-encoding: chunked\r\n" if chunked else b""
    else:
        framing = b"content-length: %d\r\n" % length
    return b"".join(
        (
            _STATUS_LINES[status],
            text.encode("latin-1"),
            framing,
            date,
            b"connection: close\r\n\r\n" if close else CRLF,
        )
    )


def chunk(octets: bytes) -> bytes:
    """One chunk of a chunked body; ``octets`` must not be empty, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(octets), octets)
