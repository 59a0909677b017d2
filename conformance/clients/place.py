"""What a journey is given: a running server, an inbox, a friend who writes, and a witness."""

from __future__ import annotations

import contextlib
import imaplib
import re
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from conformance.clients.letters import Letter
from tests.server import Server

HOST = "localhost"
"""The name in the server's own certificate that every client can resolve."""
DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Account:
    """An inbox and its mail credential."""

    id: str
    address: str
    password: str


class Place:
    """One client's surroundings; no two clients share an inbox."""

    def __init__(self, server: Server, name: str, directory: Path) -> None:
        self.server = server
        self.directory = directory
        self.inbox = _account(server, name)
        self.friend = _account(server, f"friend-of-{name}")
        directory.mkdir(parents=True)

    @property
    def certificate(self) -> Path:
        """The server's self-signed certificate: what clients are told to trust."""
        return self.server.directory / "data" / "tls" / "certificate.pem"

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """For Python's own clients; checks the certificate and the name in it."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def port(self, service: str) -> int:
        """The port of smtps, submission, imaps or http."""
        return self.server.port(service)

    def write(self, name: str, text: str | bytes) -> Path:
        """A file of the client's, readable by its owner alone (some clients insist)."""
        path = self.directory / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(0o600)
        return path

    def receive(self, *letters: Letter) -> None:
        """The friend sends letters to the inbox."""
        with smtplib.SMTP_SSL(HOST, self.port("smtps"), context=self.tls) as client:
            client.login(self.friend.address, self.friend.password)
            for letter in letters:
                client.sendmail(self.friend.address, [self.inbox.address], letter.octets)

    def witness(self, account: Account | None = None) -> contextlib.AbstractContextManager[Witness]:
        """Someone who looks at an inbox, or changes it, by other means than the client."""
        return _witness(self, account or self.inbox)


def _account(server: Server, username: str) -> Account:
    made = server.make_inbox(username)
    return Account(made["id"], made["email"], made["credential"]["password"])


@contextlib.contextmanager
def _witness(place: Place, account: Account) -> Iterator[Witness]:
    with imaplib.IMAP4_SSL(
        HOST, place.port("imaps"), ssl_context=place.tls, timeout=DEADLINE_S
    ) as client:
        client.login(account.address, account.password)
        yield Witness(client)


class Witness:
    """Plain IMAP, one question at a time."""

    def __init__(self, client: imaplib.IMAP4_SSL) -> None:
        self._client = client

    def mailboxes(self) -> list[str]:
        """The names of all mailboxes that can be selected."""
        lines = _ok(self._client.list())
        found = [re.fullmatch(rb'\(([^)]*)\) "/" "?([^"]*)"?', line) for line in lines]
        return [m[2].decode() for m in found if m is not None and b"\\Noselect" not in m[1]]

    def mail(self, mailbox: str = "INBOX") -> dict[str, bytes]:
        """The octets of all messages by subject, in the order of the mailbox."""
        return {_subject(octets): octets for octets, _ in self._all(mailbox)}

    def flags(self, mailbox: str = "INBOX") -> dict[str, set[str]]:
        """The flags and keywords of all messages by subject, \\Recent left out."""
        return {_subject(octets): flags for octets, flags in self._all(mailbox)}

    def subjects(self, mailbox: str = "INBOX") -> list[str]:
        """The subjects of all messages, one for each."""
        return [_subject(octets) for octets, _ in self._all(mailbox)]

    def _all(self, mailbox: str) -> list[tuple[bytes, set[str]]]:
        _ok(self._client.select(_quoted(mailbox), readonly=True))
        if not _ok(self._client.search(None, "ALL"))[0]:
            return []
        rows = _ok(self._client.fetch("1:*", "(FLAGS BODY.PEEK[])"))
        found: list[tuple[bytes, set[str]]] = []
        for row in rows:
            if isinstance(row, tuple):
                match = re.search(rb"FLAGS \(([^)]*)\)", row[0])
                assert match is not None, row[0]
                found.append((row[1], set(match[1].decode().split()) - {"\\Recent"}))
        return found

    def append(self, letter: Letter, mailbox: str = "INBOX", flags: str = "") -> None:
        """Put a letter into a mailbox."""
        _ok(self._client.append(_quoted(mailbox), flags, "", letter.octets))

    def store(self, subject: str, change: str, flags: str, mailbox: str = "INBOX") -> None:
        """Change flags of a letter: ``change`` is +FLAGS, -FLAGS or FLAGS."""
        number = self._number(subject, mailbox)
        _ok(self._client.store(number, change, f"({flags})"))

    def move(self, subject: str, to: str, mailbox: str = "INBOX") -> None:
        """Move a letter."""
        number = self._number(subject, mailbox)
        _ok(self._client._simple_command("MOVE", number, _quoted(to)))

    def expunge(self, subject: str, mailbox: str = "INBOX") -> None:
        """Remove a letter."""
        self.store(subject, "+FLAGS", "\\Deleted", mailbox)
        _ok(self._client.expunge())

    def create(self, mailbox: str) -> None:
        """Make a mailbox and subscribe to it."""
        _ok(self._client.create(_quoted(mailbox)))
        _ok(self._client.subscribe(_quoted(mailbox)))

    def _number(self, subject: str, mailbox: str) -> str:
        subjects = self.subjects(mailbox)
        _ok(self._client.select(_quoted(mailbox)))
        return str(subjects.index(subject) + 1)


def _ok(answer: tuple[str, Any]) -> list[Any]:
    status, data = answer
    assert status == "OK", answer
    found: list[Any] = data
    return found


def _quoted(mailbox: str) -> str:
    return f'"{mailbox}"'


def _subject(octets: bytes) -> str:
    match = re.search(rb"^subject: *(.*?)\r?$", octets, re.IGNORECASE | re.MULTILINE)
    return match[1].decode("utf-8", "replace") if match else ""
