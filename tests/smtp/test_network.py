"""Real sockets and TLS: Python's own smtplib against both ports."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agentpost import net
from agentpost.limits import SubmissionLimits
from agentpost.smtp.server import SubmissionServer
from tests.smtp.fakes import ADDRESS, PASSWORD, FakeDesk, plain, small_terms
from tests.smtp.test_server import FakeBudget

_TERMS = small_terms(limits=SubmissionLimits(failed_login_s=0.05))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost, and its key."""
    place = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (place / "chain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (place / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return place / "chain.pem", place / "key.pem"


class Ports:
    """A running server with both ports."""

    def __init__(self, implicit: int, explicit: int, chain: Path, desk: FakeDesk) -> None:
        self.implicit = implicit
        self.explicit = explicit
        self.desk = desk
        self.trust = ssl.create_default_context(cafile=str(chain))


@asynccontextmanager
async def serving(pair: tuple[Path, Path]) -> AsyncIterator[Ports]:
    limits = net.NetLimits()
    tls = net.ServerTls(*pair)
    desk = FakeDesk()

    async def secure(stream: net.Stream) -> net.Stream:
        assert isinstance(stream, net.PlainStream)
        return await net.starttls(stream, tls, unread=b"", limits=limits)

    server = SubmissionServer(_TERMS, desk, FakeBudget(), secure)
    stopping = trio.Event()
    tally = net.Tally(limits)
    async with trio.open_nursery() as nursery:
        ports = []
        for with_tls in (tls, None):
            listener = socket.create_server(("127.0.0.1", 0))
            listener.setblocking(False)
            ports.append(listener.getsockname()[1])

            async def listen(listener: socket.socket, with_tls: net.ServerTls | None) -> None:
                await net.serve_listener(
                    listener,
                    server.serve,
                    stopping=stopping,
                    tally=tally,
                    limits=limits,
                    tls=with_tls,
                )

            nursery.start_soon(listen, listener, with_tls)
        nursery.start_soon(server.drain_when, stopping)
        yield Ports(ports[0], ports[1], pair[0], desk)
        stopping.set()
        nursery.cancel_scope.deadline = trio.current_time() + 5
    assert not nursery.cancel_scope.cancelled_caught
    assert server.open == 0


async def in_thread(work: Callable[[], None]) -> None:
    with trio.fail_after(20):
        await trio.to_thread.run_sync(work)


def message() -> EmailMessage:
    made = EmailMessage()
    made["From"] = ADDRESS
    made["To"] = "rcpt@ext.test"
    made["Subject"] = "hello"
    made.set_content("one\n.two\n..three\n" + "long " * 20_000)
    return made


async def test_smtplib_on_465(pair: tuple[Path, Path]) -> None:
    async with serving(pair) as ports:

        def work() -> None:
            with smtplib.SMTP_SSL("localhost", ports.implicit, context=ports.trust) as smtp:
                smtp.login(ADDRESS, PASSWORD)
                assert smtp.send_message(message()) == {}
                assert smtp.sendmail(ADDRESS, ["x@ext.test"], b"8-bit: \xe9\r\n") == {}

        await in_thread(work)
        assert b"\r\n.two\r\n..three\r\n" in ports.desk.submitted[0][1]
        assert ports.desk.submitted[1][1] == b"8-bit: \xe9\r\n"


async def test_smtplib_on_587(pair: tuple[Path, Path]) -> None:
    async with serving(pair) as ports:

        def work() -> None:
            with smtplib.SMTP("localhost", ports.explicit) as smtp:
                smtp.ehlo()
                assert not smtp.has_extn("auth")
                assert smtp.docmd("AUTH", f"PLAIN {plain()}")[0] == 538
                smtp.starttls(context=ports.trust)
                smtp.ehlo()
                assert not smtp.has_extn("starttls")
                with pytest.raises(smtplib.SMTPAuthenticationError):
                    smtp.login(ADDRESS, "wrong")
                smtp.login(ADDRESS, PASSWORD)
                assert smtp.send_message(message()) == {}

        await in_thread(work)
        assert len(ports.desk.submitted) == 1


async def test_injection_before_tls_is_not_executed(pair: tuple[Path, Path]) -> None:
    async with serving(pair) as ports:

        def work() -> None:
            with socket.create_connection(("localhost", ports.explicit)) as sock:
                reader = sock.makefile("rb")
                assert reader.readline().startswith(b"220")
                sock.sendall(b"STARTTLS\r\nEHLO injected\r\nNOOP\r\n")
                assert reader.readline().startswith(b"220")
                with ports.trust.wrap_socket(sock, server_hostname="localhost") as tls:
                    secured = tls.makefile("rb")
                    tls.sendall(b"MAIL FROM:<inbox-a@shared.test>\r\n")
                    assert secured.readline().startswith(b"503 5.5.1 Send EHLO first")

        await in_thread(work)


async def test_plain_text_on_465_is_not_answered(pair: tuple[Path, Path]) -> None:
    async with serving(pair) as ports:

        def work() -> None:
            with socket.create_connection(("localhost", ports.implicit)) as sock:
                sock.settimeout(5)
                sock.sendall(b"EHLO x\r\nEHLO x\r\n")
                try:
                    assert b"250" not in sock.recv(1000)
                except ConnectionResetError:
                    pass

        await in_thread(work)


async def test_last_reply_is_not_lost(pair: tuple[Path, Path]) -> None:
    """The client goes on sending while the server closes: 421 must reach it all the same."""
    async with serving(pair) as ports:

        def work() -> None:
            with (
                socket.create_connection(("localhost", ports.implicit)) as sock,
                ports.trust.wrap_socket(sock, server_hostname="localhost") as tls,
            ):
                tls.sendall(b"NOOP\r\n" * 300)
                said = b""
                while chunk := tls.recv(65_536):
                    said += chunk
                assert said.count(b"250 2.0.0") == 100
                assert said.endswith(b"421 4.7.0 Too many commands that send no mail\r\n")

        await in_thread(work)
