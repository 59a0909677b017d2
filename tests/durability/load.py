"""Clients that work while the server is killed under them, and write down what they are told.

Each is a thread with a connection of its own.  One that loses its connection, or is told to come
again, makes a new one and repeats the same octets, as a good mail client does.
"""

from __future__ import annotations

import random
import re
import smtplib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.corpus.strict import Client, Refused, Result
from tests.durability.ledger import Ledger, Promise, compose
from tests.server import Server

_PATIENCE_S = 60.0
_AGAIN_S = 0.05
_SIZES = (700, 1_500, 4_096, 4_096, 20_000, 300_000)
_APPENDUID = re.compile(rb"\[APPENDUID (\d+) (\d+)\]")


@dataclass(frozen=True)
class Account:
    """An inbox and how to log in to it."""

    id: str
    address: str
    password: str


class Lost(Exception):
    """The command was not answered, or the server asks to come again."""


class Worker(threading.Thread, ABC):
    """One client of the load."""

    def __init__(self, server: Server, ledger: Ledger, account: Account, number: int) -> None:
        super().__init__(name=f"{type(self).__name__}-{number}", daemon=True)
        self.server = server
        self.ledger = ledger
        self.account = account
        self.random = random.Random(f"{self.name} {account.address}")
        self.made = 0
        self.failure: BaseException | None = None
        self._stopping = threading.Event()

    def finish(self) -> None:
        """Have it end once what it is doing has been answered."""
        self._stopping.set()

    def run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.step()
                time.sleep(0.002)
        except BaseException as error:
            self.failure = error
        finally:
            self.disconnect()

    def token(self) -> str:
        self.made += 1
        return f"{self.name.lower()}-{self.made}"

    def insist(self, attempt: Callable[[], None], promise: Promise | None = None) -> None:
        """Repeat ``attempt`` until it was answered."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                attempt()
                return
            except (Lost, OSError, EOFError, smtplib.SMTPException) as error:
                self.disconnect()
                if promise is not None:
                    self.ledger.doubt(promise)
                if time.monotonic() > until:
                    raise AssertionError(f"{self.name}: no answer for a minute") from error
                time.sleep(_AGAIN_S)

    @abstractmethod
    def step(self) -> None:
        """One piece of work, until it is acknowledged."""

    @abstractmethod
    def disconnect(self) -> None:
        """Forget the connection."""


class Submitter(Worker):
    """Submits to local inboxes over SMTP; every message has a Message-ID."""

    def __init__(
        self, server: Server, ledger: Ledger, account: Account, number: int, to: list[Account]
    ) -> None:
        super().__init__(server, ledger, account, number)
        self.to = to
        self._client: smtplib.SMTP_SSL | None = None

    def step(self) -> None:
        chosen = self.random.sample(self.to, self.random.randint(1, len(self.to)))
        addresses = [one.address for one in chosen]
        token = self.token()
        size = self.random.choice(_SIZES)
        octets = compose(token, self.account.address, addresses[0], size)
        boxes = [(self.account.address, "Sent"), *((one, "INBOX") for one in addresses)]
        promise = self.ledger.promise(token, octets, boxes, once=True)
        self.insist(lambda: self._submit(octets, addresses), promise)
        self.ledger.acknowledge(promise)

    def _submit(self, octets: bytes, addresses: list[str]) -> None:
        client = self._client or self._connect()
        for command in (
            f"MAIL FROM:<{self.account.address}>",
            *(f"RCPT TO:<{address}>" for address in addresses),
        ):
            self._expect(*client.docmd(command))
        self._expect(*client.data(octets))

    def _connect(self) -> smtplib.SMTP_SSL:
        client = smtplib.SMTP_SSL(
            "127.0.0.1", self.server.port("smtps"), context=self.server.tls, timeout=20
        )
        try:
            client.login(self.account.address, self.account.password)
        except BaseException:
            client.close()
            raise
        self._client = client
        return client

    def _expect(self, code: int, text: bytes) -> None:
        if code >= 500:
            self.ledger.complaints.append(f"{self.name} was refused: {code} {text!r}")
        if code != 250:
            raise Lost(f"{code} {text!r}")

    def disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


class ImapWorker(Worker):
    """Whatever works over IMAP."""

    _client: Client | None = None

    def ask(self, command: bytes, literal: bytes | None = None) -> Result:
        """A command on a connection that has logged in and selected.  Raises: Lost."""
        try:
            if self._client is None:
                self._client = Client.connect(self.server.port("imaps"), self.server.tls)
                self._client.login(self.account.address, self.account.password)
                for line in self._client.command(b"SELECT INBOX").untagged:
                    if found := re.match(rb"OK \[UIDVALIDITY (\d+)\]", line):
                        self.ledger.validity((self.account.address, "INBOX"), int(found[1]))
            return self._client.command(command, literal)
        except Refused as refused:
            if refused.status != b"NO" or not re.match(
                rb"\[(?:UNAVAILABLE|INUSE|SERVERBUG)\]", refused.text
            ):
                self.ledger.complaints.append(f"{self.name} was refused: {refused}")
            raise Lost(str(refused)) from refused

    def append(self, flags: bytes = b"") -> tuple[str, int]:
        """APPEND a new message to INBOX; its token and uid."""
        token = self.token()
        address = self.account.address
        octets = compose(token, "someone@elsewhere.example", address, self.random.choice(_SIZES))
        promise = self.ledger.promise(token, octets, [(address, "INBOX")], once=False)
        uids: list[int] = []

        def attempt() -> None:
            answer = self.ask(b"APPEND INBOX" + flags, octets)
            uids[:] = [self._given(answer.text, token)]

        self.insist(attempt, promise)
        self.ledger.acknowledge(promise)
        return token, uids[0]

    def _given(self, text: bytes, token: str) -> int:
        found = _APPENDUID.match(text)
        assert found is not None, text
        box = (self.account.address, "INBOX")
        self.ledger.given(box, int(found[1]), int(found[2]), token)
        return int(found[2])

    def disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


class Appender(ImapWorker):
    """Appends to its INBOX."""

    def step(self) -> None:
        self.append()


class Sorter(ImapWorker):
    """Appends, flags, and moves what it appended to Archive."""

    def step(self) -> None:
        token, uid = self.append()
        flags = self.random.sample(["\\Seen", "\\Flagged", "\\Answered", "$Work"], 2)
        words = " ".join(flags).encode()
        self.insist(lambda: self._flag(uid, words))
        self.ledger.flagged(token, flags)
        if self.random.random() < 0.7:
            self.insist(lambda: self._move(uid, token))
            self.ledger.moved((self.account.address, "INBOX"), uid, token)

    def _flag(self, uid: int, words: bytes) -> None:
        self.ask(b"UID STORE %d +FLAGS.SILENT (%b)" % (uid, words))

    def _move(self, uid: int, token: str) -> None:
        # A repetition finds the message gone; then the OK has no COPYUID.
        for line in self.ask(b"UID MOVE %d Archive" % uid).untagged:
            if line.startswith(b"OK [COPYUID "):
                self._copied(line, token)

    def _copied(self, line: bytes, token: str) -> None:
        found = re.match(rb"OK \[COPYUID (\d+) \d+ (\d+)\]", line)
        assert found is not None, line
        box = (self.account.address, "Archive")
        self.ledger.given(box, int(found[1]), int(found[2]), token)


@dataclass
class Load:
    """The clients of a run."""

    ledger: Ledger
    workers: list[Worker]

    def start(self) -> None:
        """Set all of them to work."""
        for worker in self.workers:
            worker.start()

    def go_on(self, acknowledgements: int, deadline_s: float = 60.0) -> None:
        """Wait until so many more answers have come."""
        wanted = self.ledger.acknowledged + acknowledgements
        until = time.monotonic() + deadline_s
        while self.ledger.acknowledged < wanted:
            self._look()
            assert time.monotonic() < until, f"{self.ledger.acknowledged} of {wanted} answers"
            time.sleep(0.005)

    def finish(self) -> None:
        """Let every client have its last answer.  Raises: what ended one before its time."""
        for worker in self.workers:
            worker.finish()
        for worker in self.workers:
            worker.join(_PATIENCE_S + 10)
            assert not worker.is_alive(), worker.name
        self._look()

    def abandon(self) -> None:
        """End all clients, whatever they wait for."""
        for worker in self.workers:
            worker.finish()
            with suppress(OSError):
                worker.disconnect()

    def _look(self) -> None:
        for worker in self.workers:
            if worker.failure is not None:
                raise AssertionError(f"{worker.name} failed") from worker.failure
