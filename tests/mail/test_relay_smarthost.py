"""The smart host's client, against a real SMTP dialogue on the loopback interface."""

from __future__ import annotations

import base64
import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio

from agentpost import certificate
from agentpost.ids import EnvironmentId, InboxId, MessageId, OrganizationId
from agentpost.limits import SmartHostLimits
from agentpost.mail.transports.conversation import Host
from agentpost.mail.transports.smarthost import SmartHost, parse_url
from agentpost.model.envelope import Notify, Ret
from agentpost.model.relay import Outgoing, RelayRecipient
from tests.mail.smarthost import FakeHost, serving

OCTETS = b"From: a@b.example\r\nSubject: x\r\n\r\n.dot\r\nbody\r\n..two\r\n"


def letter(*addresses: str, octets: bytes = OCTETS) -> Outgoing:
    return Outgoing(
        message=MessageId("msg_1"),
        organization=OrganizationId("org_1"),
        environment=EnvironmentId("env_1"),
        inbox=InboxId("inb_1"),
        thread=None,
        simulated=False,
        reverse_path="agent@agentpost.localhost",
        recipients=tuple(RelayRecipient(one, 1) for one in addresses),
        octets=octets,
        accepted_at=datetime(2026, 3, 8, tzinfo=UTC),
    )


def client(fake: FakeHost, *, limits: SmartHostLimits | None = None, **host: object) -> SmartHost:
    where = Host("127.0.0.1", fake.port, "none")
    made = SmartHost(replace(where, **host), "agentpost.localhost", limits)  # type: ignore[arg-type]
    fake.clients.append(made)
    return made


def client_of(fake: FakeHost, url: str) -> SmartHost:
    made = SmartHost(parse_url(url), "me.example")
    fake.clients.append(made)
    return made


async def test_octets_and_envelope_arrive_as_they_are() -> None:
    async with serving(FakeHost()) as fake:
        mail = letter("x@example.com", "y@example.com")
        outcomes = await client(fake).send(mail)
        (taken,) = fake.taken
        assert taken.data == OCTETS
        size = len(OCTETS)
        assert taken.mail == b"MAIL FROM:<agent@agentpost.localhost> SIZE=%d ENVID=%b" % (
            size,
            mail.message.encode(),
        )
        assert taken.rcpts == [b"RCPT TO:<x@example.com>", b"RCPT TO:<y@example.com>"]
        assert [one.state for one in outcomes] == ["sent", "sent"]
        assert outcomes[0].status == "2.0.0"
        assert outcomes[0].provider_id == "QID1"
        assert outcomes[0].diagnostic == "smtp; 250 2.0.0 Ok: queued as QID1"


async def test_works_without_any_extension() -> None:
    async with serving(FakeHost(offers=[b"HELP"])) as fake:
        (outcome,) = await client(fake).send(letter("x@example.com"))
        assert outcome.state == "sent"
        assert fake.taken[0].mail == b"MAIL FROM:<agent@agentpost.localhost>"


async def test_falls_back_to_helo() -> None:
    say = {b"EHLO": b"502 no such command\r\n", b"HELO": b"250 hello\r\n"}
    async with serving(FakeHost(say=dict(say))) as fake:
        (outcome,) = await client(fake).send(letter("x@example.com"))
        assert outcome.state == "sent"


async def test_each_recipient_has_its_own_outcome() -> None:
    say = {
        b"RCPT TO:<gone": b"550 5.1.1 no such user\r\n",
        b"RCPT TO:<full": b"450-4.2.2 mailbox\r\n450 4.2.2 is full\r\n",
    }
    async with serving(FakeHost(say=dict(say))) as fake:
        found = await client(fake).send(
            letter("gone@example.com", "x@example.com", "full@example.com")
        )
        by_address = {one.recipient: one for one in found}
        assert by_address["x@example.com"].state == "sent"
        assert by_address["gone@example.com"].state == "bounced"
        assert by_address["gone@example.com"].status == "5.1.1"
        assert by_address["full@example.com"].state == "deferred"
        assert by_address["full@example.com"].diagnostic == (
            "smtp; 450 4.2.2 mailbox 4.2.2 is full"
        )
        assert fake.taken[0].rcpts == [b"RCPT TO:<x@example.com>"]


async def test_no_data_when_no_recipient_is_accepted() -> None:
    async with serving(FakeHost(say={b"RCPT": b"550 no\r\n"})) as fake:
        (outcome,) = await client(fake).send(letter("x@example.com"))
        assert (outcome.state, outcome.status) == ("bounced", "5.0.0")
        assert b"DATA" not in fake.heard


@pytest.mark.parametrize(
    ("answer", "state"), [(b"550 5.7.1 no\r\n", "rejected"), (b"451 4.3.0 later\r\n", "deferred")]
)
async def test_a_refused_sender_decides_for_all(answer: bytes, state: str) -> None:
    for offers in ([b"PIPELINING"], [b"HELP"]):
        async with serving(FakeHost(offers=offers, say={b"MAIL": answer})) as fake:
            outcomes = await client(fake).send(letter("x@example.com", "y@example.com"))
            assert [one.state for one in outcomes] == [state, state]


@pytest.mark.parametrize(
    ("answer", "state"), [(b"554 5.6.0 spam\r\n", "bounced"), (b"452 4.3.1 full\r\n", "deferred")]
)
async def test_the_verdict_on_the_data_decides(answer: bytes, state: str) -> None:
    async with serving(FakeHost(final=answer)) as fake:
        smarthost = client(fake)
        (outcome,) = await smarthost.send(letter("x@example.com"))
        assert outcome.state == state
        # The same connection is fit for the next message.
        fake.final = b"250 ok\r\n"
        (outcome,) = await smarthost.send(letter("x@example.com"))
        assert (outcome.state, fake.connections) == ("sent", 1)


async def test_too_many_recipients_go_in_further_transactions() -> None:
    async with serving(FakeHost(most_recipients=2)) as fake:
        addresses = [f"r{n}@example.com" for n in range(5)]
        outcomes = await client(fake).send(letter(*addresses))
        assert sorted(one.recipient for one in outcomes) == addresses
        assert {one.state for one in outcomes} == {"sent"}
        assert [len(one.rcpts) for one in fake.taken] == [2, 2, 1]


async def test_a_transaction_has_at_most_fifty_recipients() -> None:
    async with serving(FakeHost()) as fake:
        outcomes = await client(fake).send(letter(*[f"r{n}@example.com" for n in range(120)]))
        assert len(outcomes) == 120
        assert [len(one.rcpts) for one in fake.taken] == [50, 50, 20]


@pytest.mark.parametrize("place", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "final"])
async def test_a_lost_connection_defers(place: str) -> None:
    fake = FakeHost()
    if place == "greeting":
        fake.greeting = None
    elif place == "final":
        fake.final = None
    else:
        fake.say[place.encode()] = None
    async with serving(fake):
        smarthost = client(fake)
        outcomes = await smarthost.send(letter("x@example.com", "y@example.com"))
        assert [one.state for one in outcomes] == ["deferred", "deferred"]
        assert outcomes[0].status == "4.4.2"
        assert smarthost.idle == 0


async def test_what_was_refused_before_the_loss_stays_refused() -> None:
    fake = FakeHost(say={b"RCPT TO:<gone": b"550 5.1.1 no\r\n"}, final=None)
    async with serving(fake):
        found = await client(fake).send(letter("gone@example.com", "x@example.com"))
        assert {one.recipient: one.state for one in found} == {
            "gone@example.com": "bounced",
            "x@example.com": "deferred",
        }


async def test_nobody_listens() -> None:
    fake = FakeHost()
    async with serving(fake):
        pass
    (outcome,) = await client(fake).send(letter("x@example.com"))
    assert (outcome.state, outcome.status) == ("deferred", "4.4.1")


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n",
        b"250-a\r\n251 b\r\n",
        b"999 x\r\n",
        b"250 " + b"x" * 9000 + b"\r\n",
        b"250-x\r\n" * 5000,
    ],
)
async def test_what_is_no_smtp_is_a_temporary_failure(garbage: bytes) -> None:
    async with serving(FakeHost(say={b"MAIL": garbage})) as fake:
        (outcome,) = await client(fake).send(letter("x@example.com"))
        assert outcome.state == "deferred"


async def test_every_wait_has_a_deadline() -> None:
    short = SmartHostLimits(
        greeting_s=0.05, command_s=0.05, data_s=0.05, final_s=0.05, quit_s=0.05, handshake_s=0.05
    )
    for fake in (
        FakeHost(greeting=b""),
        FakeHost(say={b"EHLO": b""}),
        FakeHost(say={b"RCPT": b""}),
        FakeHost(say={b"DATA": b""}),
        FakeHost(final=b""),
    ):
        async with serving(fake):
            with trio.fail_after(2):
                (outcome,) = await client(fake, limits=short).send(letter("x@example.com"))
            assert (outcome.state, outcome.status) == ("deferred", "4.4.2")
    async with serving(FakeHost(greeting=b"")) as fake:
        (outcome,) = await client(fake, limits=short, tls="implicit").send(letter("x@example.com"))
        assert outcome.state == "deferred"


async def test_connections_are_reused_and_bounded() -> None:
    async with serving(FakeHost()) as fake:
        smarthost = client(fake, limits=SmartHostLimits(max_connections=2, max_messages=4))
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(smarthost.send, letter("x@example.com"))
        assert len(fake.taken) == 8
        assert fake.connections == 2
        assert smarthost.idle == 0
        assert fake.heard.count(b"QUIT") == 2


async def test_a_connection_closed_meanwhile_is_replaced() -> None:
    async with serving(FakeHost()) as fake:
        smarthost = client(fake)
        await smarthost.send(letter("x@example.com"))
        fake.say[b"RSET"] = None
        (outcome,) = await smarthost.send(letter("x@example.com"))
        assert outcome.state == "sent"
        assert fake.connections == 2


async def test_421_ends_the_connection() -> None:
    async with serving(FakeHost(say={b"RCPT": b"421 4.3.2 closing\r\n"})) as fake:
        smarthost = client(fake)
        (outcome,) = await smarthost.send(letter("x@example.com"))
        assert (outcome.state, smarthost.idle) == ("deferred", 0)


async def test_idle_connections_are_closed() -> None:
    async with serving(FakeHost()) as fake:
        smarthost = client(fake, limits=SmartHostLimits(idle_s=0.05))
        (tend,) = smarthost.beside()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tend)
            await smarthost.send(letter("x@example.com"))
            with trio.fail_after(2):
                while smarthost.idle:
                    await trio.sleep(0.01)
            await smarthost.send(letter("x@example.com"))
            nursery.cancel_scope.cancel()
        assert smarthost.idle == 0


async def test_what_the_sender_asked_to_be_told_is_passed_on() -> None:
    asked = RelayRecipient(
        "x@example.com", 1, frozenset({Notify.DELAY, Notify.FAILURE}), "rfc822;x+y=z@example.com"
    )
    mail = replace(letter(), recipients=(asked,), ret=Ret.HDRS, envid="a b+c")
    async with serving(FakeHost()) as fake:
        await client(fake).send(mail)
        assert fake.taken[0].mail.endswith(b" RET=HDRS ENVID=a+20b+2Bc")
        assert fake.taken[0].rcpts == [
            b"RCPT TO:<x@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;x+2By+3Dz@example.com"
        ]
    async with serving(FakeHost(offers=[b"PIPELINING"])) as fake:
        await client(fake).send(mail)
        assert fake.taken[0].rcpts == [b"RCPT TO:<x@example.com>"]


async def test_without_an_envelope_identifier_ours_is_given() -> None:
    async with serving(FakeHost()) as fake:
        mail = letter("x@example.com")
        await client(fake).send(mail)
        assert fake.taken[0].mail.endswith(b" ENVID=" + mail.message.encode())


EIGHT_BIT = b"From: a@b.example\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
UTF8_HEADER = b"From: a@b.example\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nx\r\n"


async def test_eight_bit_octets_need_8bitmime() -> None:
    async with serving(FakeHost()) as fake:
        await client(fake).send(letter("x@example.com", octets=EIGHT_BIT))
        assert b" BODY=8BITMIME" in fake.taken[0].mail
        assert fake.taken[0].data == EIGHT_BIT
    async with serving(FakeHost(offers=[b"SIZE"])) as fake:
        (outcome,) = await client(fake).send(letter("x@example.com", octets=EIGHT_BIT))
        assert (outcome.state, outcome.status) == ("rejected", "5.6.3")
        assert "8BITMIME" in (outcome.diagnostic or "")
        assert not fake.taken


async def test_utf8_headers_and_addresses_need_smtputf8() -> None:
    async with serving(FakeHost()) as fake:
        await client(fake).send(letter("x@example.com", octets=UTF8_HEADER))
        assert b" SMTPUTF8" in fake.taken[0].mail
        await client(fake).send(letter("grün@example.com"))
        assert b" SMTPUTF8" in fake.taken[1].mail
        assert fake.taken[1].rcpts == ["RCPT TO:<grün@example.com>".encode()]
    async with serving(FakeHost(offers=[b"8BITMIME"])) as fake:
        (outcome,) = await client(fake).send(letter("x@example.com", octets=UTF8_HEADER))
        assert (outcome.state, outcome.status) == ("rejected", "5.6.9")
        found = await client(fake).send(letter("grün@example.com", "x@bücher.example"))
        assert {one.recipient: one.state for one in found} == {
            "grün@example.com": "rejected",
            "x@bücher.example": "sent",
        }
        assert fake.taken[0].rcpts == [b"RCPT TO:<x@xn--bcher-kva.example>"]


async def test_size_is_known_before_sending() -> None:
    async with serving(FakeHost(offers=[b"SIZE 20"])) as fake:
        (outcome,) = await client(fake).send(letter("x@example.com"))
        assert (outcome.state, outcome.status) == ("rejected", "5.3.4")


async def test_an_address_cannot_break_out_of_its_command() -> None:
    async with serving(FakeHost()) as fake:
        bad = ["x@e.com>\r\nRCPT TO:<evil@e.com", "a b@e.com", "x@e.com> SIZE=1"]
        found = await client(fake).send(letter(*bad, '"a b"@example.com'))
        assert [one.state for one in found] == ["rejected", "rejected", "rejected", "sent"]
        assert fake.taken[0].rcpts == [b'RCPT TO:<"a b"@example.com>']


@pytest.fixture
def pair(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    public, private = certificate.make(["localhost", "127.0.0.1"], datetime.now(UTC))
    (tmp_path / "chain.pem").write_bytes(public)
    (tmp_path / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    return context, tmp_path / "chain.pem"


@pytest.mark.parametrize("implicit", [True, False])
async def test_tls_and_login(pair: tuple[ssl.SSLContext, Path], implicit: bool) -> None:
    context, chain = pair
    fake = FakeHost(tls=context, implicit=implicit)
    fake.offers += [b"STARTTLS", b"AUTH PLAIN LOGIN"]
    async with serving(fake):
        scheme = "smtps" if implicit else "smtp"
        url = f"{scheme}://us%40er:p%C3%A4ss@localhost:{fake.port}?ca={chain}"
        (outcome,) = await client_of(fake, url).send(letter("x@example.com"))
        assert outcome.state == "sent"
        assert fake.secured == 1
        expected = base64.b64encode("\0us@er\0päss".encode())
        assert fake.login == [b"AUTH PLAIN " + expected]


async def test_login_by_auth_login_and_its_refusal(pair: tuple[ssl.SSLContext, Path]) -> None:
    context, chain = pair
    fake = FakeHost(tls=context, implicit=True)
    fake.offers += [b"AUTH LOGIN"]
    async with serving(fake):
        url = f"smtps://user:secret@localhost:{fake.port}?ca={chain}"
        (outcome,) = await client_of(fake, url).send(letter("x@example.com"))
        assert outcome.state == "sent"
        assert fake.login == [base64.b64encode(b"user"), base64.b64encode(b"secret")]
        fake.say[b"AUTH"] = b"535 5.7.8 no\r\n"
        (outcome,) = await client_of(fake, url).send(letter("x@example.com"))
        assert (outcome.state, outcome.status) == ("deferred", "4.7.8")
        assert "secret" not in (outcome.diagnostic or "")


async def test_an_unknown_certificate_is_refused(pair: tuple[ssl.SSLContext, Path]) -> None:
    context, _ = pair
    fake = FakeHost(tls=context, implicit=True)
    async with serving(fake):
        url = f"smtps://localhost:{fake.port}"
        (outcome,) = await client_of(fake, url).send(letter("x@example.com"))
        assert (outcome.state, outcome.status) == ("deferred", "4.7.5")
        assert not fake.heard


async def test_starttls_is_required(pair: tuple[ssl.SSLContext, Path]) -> None:
    async with serving(FakeHost()) as fake:
        url = f"smtp://user:secret@localhost:{fake.port}"
        (outcome,) = await client_of(fake, url).send(letter("x@example.com"))
        assert (outcome.state, outcome.status) == ("deferred", "4.7.4")
        assert fake.heard == [b"EHLO me.example"]


async def test_text_in_clear_after_starttls_is_an_attack() -> None:
    injected = b"220 go\r\n250 injected\r\n"
    async with serving(FakeHost(offers=[b"STARTTLS"], say={b"STARTTLS": injected})) as fake:
        url = f"smtp://localhost:{fake.port}"
        (outcome,) = await client_of(fake, url).send(letter("x@example.com"))
        assert (outcome.state, outcome.status) == ("deferred", "4.7.5")


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "smtp://",
        "smtp://host:99999",
        "smtp://mail.example.com?tls=none",
        "smtps://localhost?tls=none",
        "smtp://localhost?tls=maybe",
        "smtp://localhost?wat=1",
    ],
)
def test_a_wrong_url_is_named(url: str) -> None:
    with pytest.raises(ValueError, match=r"smart host|tls=none"):
        parse_url(url)


def test_a_url_says_everything() -> None:
    host = parse_url("smtps://u:hunter2@mail.example.com?ca=/x.pem")
    assert host == Host("mail.example.com", 465, "implicit", "u", "hunter2", Path("/x.pem"))
    assert parse_url("smtp://127.0.0.1:2525?tls=none") == Host("127.0.0.1", 2525, "none")
    assert parse_url("smtp://mail.example.com") == Host("mail.example.com", 587, "starttls")
    assert "hunter2" not in repr(host)
