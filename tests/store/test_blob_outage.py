"""The store of large messages is away: a temporary error on every protocol, and nothing is lost."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from agentpost.errors import Overloaded
from agentpost.limits import SubmissionLimits
from agentpost.model.actor import system_actor
from agentpost.model.upload import NewUpload
from agentpost.smtp.desk import Terms
from agentpost.smtp.session import Session
from agentpost.store.sweeps import Sweeps
from tests.isolation.world import World, open_world
from tests.smtp.fakes import FakeMemory

LARGE = b"Subject: large\r\n\r\n" + b"0123456789abcdef" * 20_000 + b"\r\n"


class Directory:
    """The place of large messages, which can be taken away and come back with all that is in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_name("aside")

    def go_away(self) -> None:
        if self._path.exists():
            self._path.rename(self._aside)
        self._path.write_text("a file server that is away")

    def come_back(self) -> None:
        self._path.unlink()
        if self._aside.exists():
            self._aside.rename(self._path)


async def submitted(world: World, octets: bytes) -> str:
    """What SMTP answers to a message from acme to itself."""
    session = Session(
        Terms("mail.shared.test", SubmissionLimits()),
        world.submission,
        FakeMemory(),
        tls=True,
        peer="192.0.2.1",
    )
    address = world.acme.address.encode()
    login = base64.b64encode(b"\0" + address + b"\0" + world.acme.password.encode())
    message = b"From: <" + address + b">\r\n" + octets
    lines = [b"EHLO client.test", b"AUTH PLAIN " + login, b"MAIL FROM:<" + address + b">"]
    lines += [b"RCPT TO:<" + address + b">", b"DATA", message + b"."]
    replies = b""
    for line in lines:
        session.receive(line + b"\r\n")
        replies = b""
        while not (session.starved or session.closing):
            replies += await session.advance()
    return replies.decode().strip()


async def count(world: World, table: str) -> int:
    found: int = await world.store.database.run(
        "*", lambda c: c.value(f"SELECT count(*) FROM {table}")
    )
    return found


async def test_an_outage_is_temporary_everywhere_and_loses_nothing(
    database_url: str, tmp_path: Path
) -> None:
    directory = Directory(tmp_path / "blobs")
    async with open_world(database_url, tmp_path / "blobs") as world:
        imap = world.session(world.acme.owner, world.acme.where)
        await imap.ok("SELECT INBOX")
        literal = b"APPEND INBOX {%d}\r\n" % len(LARGE) + LARGE
        await imap.ok(literal)
        before = await count(world, "messages")
        directory.go_away()

        assert (await submitted(world, LARGE)).startswith("451 4.3.2")
        assert b"NO [UNAVAILABLE]" in await imap.command(literal)
        answer = await imap.command("FETCH 2 BODY.PEEK[]")
        assert b"NO [UNAVAILABLE]" in answer
        assert await count(world, "messages") == before
        # What fits into a row goes its way all the same.
        assert (await submitted(world, b"Subject: small\r\n\r\nx\r\n")).startswith("250 ")

        directory.come_back()
        assert (await submitted(world, LARGE)).startswith("250 ")
        assert LARGE in await imap.ok("FETCH 2 BODY.PEEK[]")


async def test_a_sweep_waits_for_the_store(database_url: str, tmp_path: Path) -> None:
    directory = Directory(tmp_path / "blobs")
    async with open_world(database_url, tmp_path / "blobs") as world:
        sweeps = Sweeps(world.store.door, world.store.blobs)
        await world.store.uploads.announce(world.acme.owner, NewUpload("x.txt", "text/plain", 1))
        await world.store.database.run(
            "*", lambda c: c.execute("UPDATE uploads SET expires_at = now() - interval '2 hours'")
        )
        directory.go_away()
        with pytest.raises(Overloaded):
            await sweeps.remove_uploads(system_actor(), 100)
        assert await count(world, "uploads") == 1
        directory.come_back()
        assert await sweeps.remove_uploads(system_actor(), 100) == 1
        assert await count(world, "uploads") == 0
