"""The simulated internet, and what relaying means for customers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agentpost.config import Config
from agentpost.ids import EnvironmentId, InboxId, MessageId, OrganizationId
from agentpost.mail.relay import events_of, prepared
from agentpost.mail.transports import choose, doubts
from agentpost.mail.transports.ses import Ses
from agentpost.mail.transports.simulator import Simulator
from agentpost.mail.transports.smarthost import SmartHost
from agentpost.mime.summary import summarise
from agentpost.model.relay import Outgoing, RecipientOutcome, RelayRecipient

NOW = datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
OCTETS = (
    b"From: Agent <agent@agentpost.localhost>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <m1@agentpost.localhost>\r\nDate: Sun, 8 Mar 2026 14:30:00 +0000\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    b"\r\nHallo Gr=C3=BC=C3=9Fe\r\n"
)


def letter(*addresses: str, octets: bytes = OCTETS, attempts: int = 1) -> Outgoing:
    return Outgoing(
        message=MessageId("msg_01JQ8X5K2M3N4P5R6S7T8V9W00"),
        organization=OrganizationId("org_1"),
        environment=EnvironmentId("env_1"),
        inbox=InboxId("inb_1"),
        thread=None,
        simulated=True,
        reverse_path="agent@agentpost.localhost",
        recipients=tuple(RelayRecipient(one, attempts) for one in addresses),
        octets=octets,
        accepted_at=NOW,
    )


class Postman:
    def __init__(self) -> None:
        self.delivered: list[tuple[InboxId, bytes]] = []

    async def __call__(self, inbox: InboxId, octets: bytes) -> None:
        self.delivered.append((inbox, octets))


SIMULATOR = "simulator.agentpost.localhost"


async def states(*addresses: str, attempts: int = 1) -> list[tuple[str, str, str | None]]:
    outcomes = await Simulator(Postman()).send(letter(*addresses, attempts=attempts))
    return [(one.recipient.partition("@")[0], one.state, one.status) for one in outcomes]


async def test_the_local_part_says_what_happens() -> None:
    found = await states(
        f"bounce@{SIMULATOR}",
        f"soft-bounce@{SIMULATOR}",
        f"reject@{SIMULATOR}",
        f"Complaint+tag@{SIMULATOR}",
        f"anyone@{SIMULATOR}",
        "bounce@example.com",
    )
    assert found == [
        ("bounce", "bounced", "5.1.1"),
        ("soft-bounce", "deferred", "4.2.2"),
        ("reject", "rejected", "5.7.1"),
        ("Complaint+tag", "delivered", "2.1.5"),
        ("Complaint+tag", "complained", "2.1.5"),
        ("anyone", "delivered", "2.1.5"),
        ("bounce", "delivered", "2.1.5"),
    ]
    assert await states(f"soft-bounce@{SIMULATOR}", attempts=2) == [
        ("soft-bounce", "delivered", "2.1.5")
    ]


async def test_an_automatic_reply_comes_back() -> None:
    postman = Postman()
    simulator = Simulator(postman)
    mail = letter(f"ooo@{SIMULATOR}", "other@example.com")
    await simulator.settled(mail, await simulator.send(mail))
    ((inbox, octets),) = postman.delivered
    assert inbox == mail.inbox
    assert octets.startswith(b"Return-Path: <>\r\nAuto-Submitted: auto-replied\r\n")
    summary = summarise(octets)
    assert summary.automated
    assert summary.in_reply_to == "m1@agentpost.localhost"
    assert summary.references == ("m1@agentpost.localhost",)
    assert summary.subject == "Automatic reply: Grüße"
    assert [one.email for one in summary.from_] == [f"ooo@{SIMULATOR}"]
    assert [one.email for one in summary.to] == ["agent@agentpost.localhost"]


async def test_an_echo_says_the_same_text() -> None:
    postman = Postman()
    simulator = Simulator(postman)
    mail = letter(f"echo@{SIMULATOR}")
    await simulator.settled(mail, await simulator.send(mail))
    ((_, octets),) = postman.delivered
    summary = summarise(octets)
    assert summary.subject == "Re: Grüße"
    assert summary.preview == "Hallo Grüße"


@pytest.mark.parametrize(
    "change",
    [
        {"reverse_path": ""},
        {"octets": b"Auto-Submitted: auto-generated\r\n" + OCTETS},
        {"octets": b"Precedence: bulk\r\n" + OCTETS},
    ],
)
async def test_machines_do_not_answer_machines(change: dict[str, object]) -> None:
    postman = Postman()
    simulator = Simulator(postman)
    mail = replace(letter(f"ooo@{SIMULATOR}", f"echo@{SIMULATOR}"), **change)  # type: ignore[arg-type]
    await simulator.settled(mail, await simulator.send(mail))
    assert postman.delivered == []


async def test_a_hostile_message_is_answered_safely() -> None:
    octets = b"Subject: x\r\n =?utf-8?q?=0D=0ABcc:_evil=40example.com?=\r\n\r\n\x00\xff\r\n"
    postman = Postman()
    simulator = Simulator(postman)
    mail = letter(f"echo@{SIMULATOR}", f"ooo@{SIMULATOR}", octets=octets)
    await simulator.settled(mail, await simulator.send(mail))
    assert len(postman.delivered) == 2
    for _, answer in postman.delivered:
        assert b"\r\nBcc:" not in answer


def test_the_settings_choose() -> None:
    ways = choose(Config(), Postman())
    assert isinstance(ways.of(replace(letter(), simulated=False)), Simulator)
    host = "smtps://u:p@mail.example.com"
    ways = choose(Config(relay="smtp", smtp_relay_url=host), Postman())
    assert isinstance(ways.of(replace(letter(), simulated=False)), SmartHost)
    # What is made in a test environment never leaves the machine.
    assert isinstance(ways.of(letter()), Simulator)
    with pytest.raises(ValueError, match="smtp_relay_url"):
        choose(Config(relay="smtp"), Postman())
    # An environment may choose any transport that is set up, and no other.
    ways = choose(
        Config(relay="ses", smtp_relay_url=host, ses_configuration_set="events"), Postman()
    )
    chosen = replace(letter(), simulated=False)
    assert isinstance(ways.of(chosen), Ses)
    assert isinstance(ways.of(replace(chosen, relay="smtp")), SmartHost)
    assert isinstance(ways.of(replace(chosen, relay="simulator")), Simulator)
    assert isinstance(ways.of(replace(letter(), relay="ses")), Simulator)
    assert choose(Config(), Postman()).of(replace(chosen, relay="ses")) is None
    assert ways.once() == ("ses",)


@pytest.mark.parametrize(
    ("word", "events", "resend", "patience_s"),
    [
        ("wait", "events", "proven", 3 * 24 * 3600),
        # No event can ever prove anything: there is nothing to wait for.
        ("wait", None, "never", 0),
        ("resend", None, "always", 3 * 24 * 3600),
        ("hold", "events", "never", 0),
    ],
)
def test_the_settings_say_what_follows_a_doubt(
    word: str, events: str | None, resend: str, patience_s: float
) -> None:
    found = doubts(Config(ses_in_doubt=word, ses_configuration_set=events))
    assert (found.wait_s, found.resend, found.patience_s) == (600, resend, patience_s)


def test_a_null_reverse_path_still_gets_a_message_id() -> None:
    bare = replace(letter(octets=b"From: a@b.example\r\n\r\n"), reverse_path="")
    octets = prepared(bare, "agentpost.localhost").octets
    assert b"Message-ID: <01jq8x5k2m3n4p5r6s7t8v9w00@agentpost.localhost>\r\n" in octets


def test_events_say_what_the_api_promises() -> None:
    mail = letter("a@x.example", "b@x.example", "c@x.example")
    outcomes = (
        RecipientOutcome("a@x.example", "delivered", "2.1.5", "smtp; 250 ok", "Q1"),
        RecipientOutcome("b@x.example", "bounced", "5.2.2", "smtp; 552 full"),
        RecipientOutcome("c@x.example", "deferred", "4.2.1", "smtp; 450 later"),
        RecipientOutcome("a@x.example", "complained"),
    )
    events = events_of(mail, outcomes, "ses", NOW)
    assert [one.type for one in events] == [
        "message.sent",
        "message.delivered",
        "message.deferred",
        "message.bounced",
        "message.complained",
    ]
    sent, delivered, _, bounced, complained = (one.data for one in events)
    assert sent["provider_message_id"] == "Q1"
    assert sent["sent_at"] == "2026-03-08T14:30:00.000Z"
    assert delivered["smtp_response"] == "smtp; 250 ok"
    assert bounced["bounce_type"] == "permanent"
    assert bounced["bounce_sub_type"] == "mailbox_full"
    assert complained["complained_recipients"] == ["a@x.example"]
    again = replace(mail, recipients=(RelayRecipient("c@x.example", 2),))
    assert events_of(again, outcomes[2:3], "ses", NOW) == ()
