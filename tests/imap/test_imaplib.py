"""A mail program of Python's own library against the server under TLS, from login to logout."""

from __future__ import annotations

import imaplib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import trio

from agentpost import certificate
from agentpost.imap.server import ImapServer
from agentpost.net import NetLimits, ServerTls, Tally, serve_listener
from tests.imap.harness import Place

LETTER = (
    b"From: Someone <someone@example.com>\r\nTo: agent@shared.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <1@example.com>\r\nDate: Sun, 8 Mar 2026 14:30:05 +0100\r\n\r\nHello.\r\n"
)


@asynccontextmanager
async def tls_server(place: Place, directory: Path) -> AsyncIterator[int]:
    """The port of a server under TLS with a certificate of its own; stopped at the end."""
    chain, key = certificate.make(["127.0.0.1"], datetime.now(UTC))
    paths = directory / "chain.pem", directory / "key.pem"
    for path, octets in zip(paths, (chain, key), strict=True):
        path.write_bytes(octets)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    stopping = trio.Event()
    limits = NetLimits(close_s=0.1)
    server = ImapServer(place.desk)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.drain_when, stopping)

        async def listen() -> None:
            await serve_listener(
                listener,
                server.serve,
                stopping=stopping,
                tally=Tally(limits),
                limits=limits,
                tls=ServerTls(*paths),
            )

        nursery.start_soon(listen)
        yield port
        stopping.set()


def _trust() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _journey(port: int, address: str, password: str) -> None:
    with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=_trust(), timeout=10) as client:
        assert "IMAP4REV1" in client.capabilities
        client.login(address, password)
        assert client.create("Work/2026") == ("OK", [b"CREATE completed."])
        assert (
            client.append("Work/2026", r"(\Seen)", '" 8-Mar-2026 14:30:05 +0100"', LETTER)[0]
            == "OK"
        )
        assert client.append("INBOX", None, None, LETTER)[0] == "OK"
        assert client.select("INBOX") == ("OK", [b"1"])
        assert client.search(None, "UNSEEN") == ("OK", [b"1"])
        subject = '"Grüße"'.encode()
        assert client.search("UTF-8", "SUBJECT", subject)[1] == [b"1"]  # type: ignore[arg-type]
        fetched = client.fetch("1", "(RFC822)")[1][0]
        assert isinstance(fetched, tuple)
        assert fetched[1] == LETTER
        assert client.store("1", "+FLAGS", r"(\Flagged)")[0] == "OK"
        assert client.copy("1", "Work/2026")[0] == "OK"
        assert client.status("Work/2026", "(MESSAGES UIDNEXT)")[1] == [
            b"Work/2026 (MESSAGES 2 UIDNEXT 3)"
        ]
        assert client.store("1", "+FLAGS.SILENT", r"(\Deleted)")[0] == "OK"
        assert client.expunge() == ("OK", [b"1"])
        assert client.close()[0] == "OK"
        assert client.rename("Work/2026", "Archive/2026")[0] == "OK"
        names = client.list()[1]
        assert b'(\\HasNoChildren) "/" Archive/2026' in names
        assert client.select("Archive/2026", readonly=True) == ("OK", [b"2"])
        assert client.uid("SEARCH", "FLAGGED") == ("OK", [b"2"])
        assert client.unselect()[0] == "OK"
        assert client.delete("Archive/2026")[0] == "OK"
        assert client.select("Archive/2026")[0] == "NO"
        assert client.noop()[0] == "OK"


async def test_a_client_goes_through_all_of_it(place: Place, tmp_path: Path) -> None:
    async with tls_server(place, tmp_path) as port:
        address = str(place.actor.address)
        await trio.to_thread.run_sync(_journey, port, address, place.password)
    assert place.desk.connections == {}


async def test_a_client_that_vanishes_while_idling_is_forgotten(
    place: Place, tmp_path: Path
) -> None:
    async with tls_server(place, tmp_path) as port:
        address = str(place.actor.address)
        sock = await trio.to_thread.run_sync(_vanish, port, address, place.password)
        assert place.desk.connections
        sock.close()
        with trio.fail_after(5):
            while place.desk.connections:
                await trio.sleep(0.01)


def _vanish(port: int, address: str, password: str) -> socket.socket:
    """An idling client's bare socket: closing it says nothing in the words of TLS."""
    client = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=_trust(), timeout=10)
    client.login(address, password)
    client.select("INBOX")
    client.send(b"i IDLE\r\n")
    assert client.readline().startswith(b"+")
    return socket.socket(fileno=client.sock.detach())
