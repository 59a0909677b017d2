"""A client of IMAP that takes nothing on trust: blocking, and strict about the grammar.

What a server says is read by the formal syntax of RFC 9051 section 9, one space where it says
one space; anything else is an error.  Written without our own cursor, so that it can judge it.
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass
from typing import TypeAlias, cast


class Atom(bytes):
    """An unquoted word: a flag, an item's name, ``BODY[...]`` with its section."""


Value: TypeAlias = "Atom | bytes | int | list[Value] | None"

_ATOM = re.compile(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\[\]]+(?:\[[^\]\r\n]*\](?:<\d+>)?)?|\\\*")
_QUOTED = re.compile(rb"\"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\[\"\\])*+)\"")
_NUMBER = re.compile(rb"(?:0|[1-9][0-9]*)(?=[ )\r])")
_LITERAL = re.compile(rb"~?\{(0|[1-9][0-9]*)\}\r\n")
_ESCAPED = re.compile(rb"\\(.)")
_OPENED = re.compile(rb"\{(\d+)\}\r\n\Z")


class Ungrammatical(AssertionError):
    """The server said what the formal syntax does not know."""


class Refused(Exception):
    """A command was answered NO or BAD; ``status`` is which, ``text`` the rest."""

    def __init__(self, status: bytes, text: bytes) -> None:
        super().__init__(f"{status.decode()} {text.decode('utf-8', 'replace')}")
        self.status = status
        self.text = text


def parse(octets: bytes) -> list[Value]:
    """The values of one response after its ``* ``, up to its CRLF.  Raises: Ungrammatical."""
    values: list[Value] = []
    position = 0
    while True:
        value, position = _value(octets, position)
        values.append(value)
        if octets.startswith(b"\r\n", position) and position + 2 == len(octets):
            return values
        position = _space(octets, position)


def _space(octets: bytes, position: int) -> int:
    if octets[position : position + 1] != b" ":
        raise Ungrammatical(f"no space at {octets[max(0, position - 60) : position + 20]!r}")
    return position + 1


def _value(octets: bytes, position: int) -> tuple[Value, int]:
    if octets.startswith(b"(", position):
        return _list(octets, position + 1)
    if literal := _LITERAL.match(octets, position):
        end = literal.end() + int(literal[1])
        return octets[literal.end() : end], end
    if quoted := _QUOTED.match(octets, position):
        return _ESCAPED.sub(rb"\1", quoted[1]), quoted.end()
    if number := _NUMBER.match(octets, position):
        return int(number[0]), number.end()
    if atom := _ATOM.match(octets, position):
        return None if atom[0] == b"NIL" else Atom(atom[0]), atom.end()
    raise Ungrammatical(f"no value at {octets[max(0, position - 60) : position + 60]!r}")


def _list(octets: bytes, position: int) -> tuple[Value, int]:
    values: list[Value] = []
    if octets.startswith(b")", position):
        return values, position + 1
    while True:
        value, position = _value(octets, position)
        values.append(value)
        if octets.startswith(b")", position):
            return values, position + 1
        # Bodies of a multipart and addresses of a field stand side by side.
        if isinstance(value, list) and octets.startswith(b"(", position):
            continue
        position = _space(octets, position)


def check_envelope(value: Value) -> None:
    """RFC 9051 section 9, ``envelope``.  Raises: Ungrammatical."""
    _want(isinstance(value, list) and len(value) == 10, value)
    fields = cast("list[Value]", value)
    for at in (0, 1, 8, 9):
        _want(_nstring(fields[at]), value)
    for addresses in fields[2:8]:
        if addresses is None:
            continue
        _want(isinstance(addresses, list) and bool(addresses), value)
        for address in cast("list[Value]", addresses):
            _want(isinstance(address, list) and len(address) == 4, value)
            _want(all(_nstring(part) for part in cast("list[Value]", address)), value)


def check_body(value: Value, *, extended: bool) -> None:
    """RFC 9051 section 9, ``body``; without extension data unless ``extended``."""
    _want(isinstance(value, list) and len(value) >= 2, value)
    fields = cast("list[Value]", value)
    if isinstance(fields[0], list):
        count = next((n for n, one in enumerate(fields) if not isinstance(one, list)), 0)
        _want(count > 0, value)
        for one in fields[:count]:
            check_body(one, extended=extended)
        _want(_string(fields[count]), value)
        rest = fields[count + 1 :]
        if rest:
            _want(extended and _parameters(rest[0]), value)
            _check_extension(rest[1:], value)
        return
    _want(len(fields) >= 7, value)
    _want(_string(fields[0]) and _string(fields[1]) and _parameters(fields[2]), value)
    _want(_nstring(fields[3]) and _nstring(fields[4]) and _string(fields[5]), value)
    _want(isinstance(fields[6], int), value)
    kind = cast("bytes", fields[0]).lower(), cast("bytes", fields[1]).lower()
    rest = fields[7:]
    if kind in ((b"message", b"rfc822"), (b"message", b"global")):
        _want(len(rest) >= 3 and isinstance(rest[2], int), value)
        check_envelope(rest[0])
        check_body(rest[1], extended=extended)
        rest = rest[3:]
    elif kind[0] == b"text":
        _want(bool(rest) and isinstance(rest[0], int), value)
        rest = rest[1:]
    if rest:
        _want(extended and _nstring(rest[0]), value)
        _check_extension(rest[1:], value)


def _check_extension(rest: list[Value], whole: Value) -> None:
    """``[SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]``"""
    _want(len(rest) <= 3, whole)
    if rest and rest[0] is not None:
        disposition = rest[0]
        _want(isinstance(disposition, list) and len(disposition) == 2, whole)
        name, parameters = cast("list[Value]", disposition)
        _want(_string(name) and _parameters(parameters), whole)
    if len(rest) > 1 and not _nstring(rest[1]):
        languages = rest[1]
        _want(isinstance(languages, list) and bool(languages), whole)
        _want(all(_string(one) for one in cast("list[Value]", languages)), whole)
    if len(rest) > 2:
        _want(_nstring(rest[2]), whole)


def _parameters(value: Value) -> bool:
    if value is None:
        return True
    if not isinstance(value, list) or not value or len(value) % 2:
        return False
    return all(_string(one) for one in value)


def _string(value: Value) -> bool:
    return isinstance(value, bytes) and not isinstance(value, Atom)


def _nstring(value: Value) -> bool:
    return value is None or _string(value)


def _want(holds: bool, value: Value) -> None:
    if not holds:
        raise Ungrammatical(repr(value)[:400])


@dataclass
class Result:
    """A command's answer: its untagged responses as octets, and what follows its OK."""

    untagged: list[bytes]
    text: bytes

    def items(self) -> list[dict[bytes, Value]]:
        """The FETCH responses, each by item name; ``SEQ`` is the sequence number."""
        found = []
        for octets in self.untagged:
            if octets.partition(b" ")[2].startswith(b"FETCH "):
                number, _, pairs = parse(octets)
                assert isinstance(pairs, list)
                names = cast("list[bytes]", pairs[::2])
                found.append({**dict(zip(names, pairs[1::2], strict=True)), b"SEQ": number})
        return found


@dataclass
class Client:
    """One connection under TLS.  OSError and EOFError mean that it is lost."""

    sock: ssl.SSLSocket

    def __post_init__(self) -> None:
        self._buffered = self.sock.makefile("rb")
        self._number = 0
        self.greeting = self._response()

    @classmethod
    def connect(cls, port: int, tls: ssl.SSLContext, timeout_s: float = 20.0) -> Client:
        """A connection that has been greeted."""
        plain = socket.create_connection(("127.0.0.1", port), timeout_s)
        try:
            protected = tls.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise
        try:
            return cls(protected)
        except BaseException:
            protected.close()
            raise

    def close(self) -> None:
        """Let go of it without a word."""
        self._buffered.close()
        self.sock.close()

    def login(self, username: str, password: str) -> None:
        """LOGIN.  Raises: Refused."""
        self.command(f'LOGIN "{username}" "{password}"'.encode())

    def command(self, command: bytes, literal: bytes | None = None) -> Result:
        """Run a command, which may end in a literal.  Raises: Refused."""
        self._number += 1
        tag = b"c%d " % self._number
        if literal is None:
            self.sock.sendall(tag + command + b"\r\n")
        else:
            self.sock.sendall(tag + command + b" {%d}\r\n" % len(literal))
        untagged: list[bytes] = []
        while True:
            octets = self._response()
            if octets.startswith(b"+ ") and literal is not None:
                self.sock.sendall(literal + b"\r\n")
            elif octets.startswith(b"* "):
                untagged.append(octets[2:])
            elif octets.startswith(tag):
                status, _, text = octets[len(tag) : -2].partition(b" ")
                if status != b"OK":
                    raise Refused(status, text)
                return Result(untagged, text)
            else:
                raise Ungrammatical(repr(octets[:200]))

    def _response(self) -> bytes:
        pieces = []
        while True:
            line = self._buffered.readline()
            if not line.endswith(b"\r\n"):
                raise EOFError
            pieces.append(line)
            opened = _OPENED.search(line)
            if opened is None:
                return b"".join(pieces)
            octets = self._buffered.read(int(opened[1]))
            if len(octets) != int(opened[1]):
                raise EOFError
            pieces.append(octets)
