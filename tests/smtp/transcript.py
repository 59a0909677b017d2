"""Runs the transcripts of ``conformance/smtp`` against a session (the syntax is in its README)."""

from __future__ import annotations

import codecs
import re
from dataclasses import replace
from pathlib import Path

from agentpost.limits import MessageLimits, SubmissionLimits
from agentpost.smtp.desk import Terms
from tests.smtp.fakes import Client, FakeMemory


class Mismatch(AssertionError):
    """The server said something else than the transcript."""


class Run:
    """One transcript at work."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._terms = Terms("mail.shared.test")
        self._memory = FakeMemory()
        self._client: Client | None = None
        self._tls = True
        self._said = b""
        self._number = 0
        self._pending = b""

    def play(self) -> None:
        for number, line in enumerate(self._path.read_text("utf-8").splitlines(), 1):
            self._number = number
            mark, _, text = line.partition(" ")
            match mark:
                case "" | "#":
                    pass
                case "!":
                    self._direct(*text.split())
                case "C:":
                    self._flush()
                    self._pending += _octets(text) + b"\r\n"
                case "C+":
                    self._pending += _octets(text) + b"\r\n"
                case "R:":
                    self._flush()
                    self._pending += _octets(text)
                case "S:":
                    self._flush(silent=False)
                    self._expect(text)
                case _:
                    raise self._error(f"unknown mark {mark!r}")
        self._flush()
        self._silence()

    def _error(self, text: str) -> Mismatch:
        return Mismatch(f"{self._path.name}:{self._number}: {text}")

    @property
    def _speaker(self) -> Client:
        if self._client is None:
            self._client = Client(tls=self._tls, terms=self._terms, memory=self._memory)
        return self._client

    def _flush(self, *, silent: bool = True) -> None:
        """Send what the client has to say; nothing of the answer before may be left over."""
        if self._pending:
            self._silence()
            pending, self._pending = self._pending, b""
            self._said = self._speaker.send(pending)
        elif silent:
            self._silence()

    def _silence(self) -> None:
        if self._said:
            raise self._error(f"unexpected: {self._said!r}")

    def _expect(self, text: str) -> None:
        line, end, self._said = self._said.partition(b"\r\n")
        if not end:
            raise self._error(f"expected {text!r}, and nothing came")
        if not line.decode("ascii").startswith(text):
            raise self._error(f"expected {text!r}, got {line!r}")

    def _direct(self, word: str, *values: str) -> None:
        self._flush()
        match word, values:
            case "port", (port,):
                self._tls = port == "465"
            case "limit", (name, value):
                self._limit(name, int(value))
            case "memory", (octets,):
                self._memory.free = int(octets)
            case "login", ():
                self._speaker.login()
            case "tls", ():
                if not self._speaker.session.tls_due:
                    raise self._error("no handshake is due")
                self._speaker.session.secured()
            case "open", ():
                if self._speaker.session.closing:
                    raise self._error("the connection is closed")
            case "closed", ():
                if not self._speaker.session.closing:
                    raise self._error("the connection is open")
            case "again", ():
                self._client = None
            case "messages", (count,):
                if len(self._speaker.desk.submitted) != int(count):
                    raise self._error(f"{len(self._speaker.desk.submitted)} messages were taken")
            case "body", _:
                wanted = _octets(" ".join(values))
                if self._speaker.desk.submitted[-1][1] != wanted:
                    raise self._error(f"taken was {self._speaker.desk.submitted[-1][1]!r}")
            case "recipients", _:
                envelope = self._speaker.desk.submitted[-1][0]
                found = tuple(path.address for path in envelope.forward_paths)
                if found != values:
                    raise self._error(f"recipients were {found}")
            case _:
                raise self._error(f"unknown directive {word!r} {values}")

    def _limit(self, name: str, value: int) -> None:
        limits, message = SubmissionLimits(), MessageLimits()
        if name in SubmissionLimits.__slots__:
            limits = replace(self._terms.limits, **{name: value})
        else:
            message = replace(self._terms.message, **{name: value})
        self._terms = Terms("mail.shared.test", limits, message)


_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|[rnt\\])")


def _octets(text: str) -> bytes:
    """``text`` in UTF-8 with ``\\r``, ``\\n``, ``\\t``, ``\\xhh`` and ``\\\\`` put in."""
    out, last = [], 0
    for match in _ESCAPE.finditer(text):
        out.append(text[last : match.start()].encode())
        out.append(codecs.decode(match[0], "unicode_escape").encode("latin-1"))
        last = match.end()
    out.append(text[last:].encode())
    return b"".join(out)
