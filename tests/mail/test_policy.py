"""What may be sent and received, the same for every way in (R64, R65, R102-R105, R130)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from agentpost.errors import (
    Problem,
    QuotaExceeded,
    RateLimited,
    RecipientNotAllowed,
    RecipientSuppressed,
    SendBlocked,
    SendingPaused,
    TooLarge,
)
from agentpost.http.ratelimit import Governor
from agentpost.limits import MessageLimits, PolicyLimits
from agentpost.mail.delivery import Delivery
from agentpost.mail.logins import Logins
from agentpost.mail.policy import make_policy
from agentpost.mail.submission import Outgoing, Submission, SubmissionSettings
from agentpost.model.actor import Actor
from agentpost.model.envelope import Envelope, ForwardPath
from agentpost.model.message import Receipt
from agentpost.smtp.desk import Terms
from agentpost.smtp.session import Session
from agentpost.store.rules import RuleRequest
from agentpost.store.suppressions import SuppressionRequest
from tests.isolation.world import Tenant, World, open_world
from tests.smtp.fakes import FakeMemory

DOMAINS = frozenset({"shared.test"})


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(database_url, tmp_path) as opened:
        yield opened


def office(
    world: World, take: Any = None, message: MessageLimits | None = None, **mails: int | None
) -> Submission:
    store = world.store
    more = () if take is None else (take,)
    return Submission(
        store.messages,
        store.directory,
        Logins(store.authentication),
        make_policy(store, DOMAINS),
        store.approvals,
        SubmissionSettings(dict(mails), message or MessageLimits()),
        *more,
    )


def agent(world: World, tenant: Tenant, tier: str = "enterprise") -> Actor:
    """The tenant's SMTP session."""
    return replace(world.actor_at(tenant), source="smtp", tier=tier)


def letter(sender: str, name: str, *fields: str) -> bytes:
    lines = (f"From: {sender}", f"Subject: {name}", f"Message-ID: <{name}@x>", *fields, "", "Hi.")
    return "\r\n".join((*lines, "")).encode()


async def send(
    world: World, *to: str, octets: bytes | None = None, desk: Submission | None = None
) -> Receipt:
    acme = world.acme
    actor = agent(world, acme)
    envelope = Envelope(acme.address, tuple(ForwardPath(one) for one in to))
    chosen = desk or world.submission
    return await chosen.submit(actor, envelope, octets or letter(acme.address, "note"))


async def events(world: World, *types: str) -> list[dict[str, Any]]:
    found = await world.store.database.run(
        "*",
        lambda c: c.rows(
            "SELECT type, data FROM events WHERE type = ANY ($1) ORDER BY seq", list(types)
        ),
    )
    return [msgspec.json.decode(row["data"]) for row in found]


async def count(world: World, table: str) -> int:
    counted: int = await world.store.database.run(
        "*", lambda c: c.value(f"SELECT count(*) FROM {table}")
    )
    return counted


async def block(world: World, direction: Any, value: str, action: Any = "block") -> None:
    kind: Any = "address" if "@" in value else "subdomain_wildcard" if "*" in value else "domain"
    request = RuleRequest(direction, action, kind, value)
    await world.store.rules.create(world.acme.owner, request)


async def test_what_a_rule_blocks_is_refused_before_anything_is_written(world: World) -> None:
    await block(world, "send", "blocked.example")
    before = await count(world, "messages")
    with pytest.raises(SendBlocked):
        await send(world, "ada@elsewhere.example", "eve@blocked.example")
    assert await count(world, "messages") == before
    assert await count(world, "relays") == 0
    (told,) = await events(world, "message.rejected")
    assert told["reason_code"] == "send_block"
    assert told["recipients"] == ["eve@blocked.example"]
    assert told["message_id"] is None


async def test_smtp_is_told_at_rcpt_and_goes_on_with_the_others(world: World) -> None:
    """R130: send-block rules hold for SMTP as for REST."""
    acme = world.acme
    await block(world, "send", "blocked.example")
    await world.store.suppressions.add(acme.owner, SuppressionRequest("gone@elsewhere.example"))
    session = Session(Terms("mail.test"), world.submission, FakeMemory(), tls=True, peer="x")
    secret = base64.b64encode(f"\0{acme.address}\0{acme.password}".encode()).decode()
    said = b""
    for line in (
        "EHLO client.test",
        f"AUTH PLAIN {secret}",
        f"MAIL FROM:<{acme.address}>",
        "RCPT TO:<eve@blocked.example>",
        "RCPT TO:<gone@elsewhere.example>",
        "RCPT TO:<ada@elsewhere.example>",
        "RCPT TO:<eve@blocked.example>",
    ):
        session.receive(line.encode() + b"\r\n")
        while not (session.starved or session.closing):
            said += await session.advance()
        said += await session.advance()
    replies = [line[:9] for line in said.split(b"\r\n")]
    assert replies[-5:-1] == [b"550 5.7.1", b"550 5.7.1", b"250 2.1.5", b"550 5.7.1"]
    told = await events(world, "message.rejected")
    # The client may ask as often as it wants; it is told once.
    assert [one["reason_code"] for one in told] == ["send_block", "suppressed"]


async def test_of_several_recipients_a_suppressed_one_is_left_out(world: World) -> None:
    await world.store.suppressions.add(
        world.acme.owner, SuppressionRequest("gone@elsewhere.example")
    )
    receipt = await send(world, "Gone@ELSEWHERE.example", "ada@elsewhere.example")
    assert receipt.suppressed == ("Gone@ELSEWHERE.example",)
    assert receipt.status == "queued"
    states = {
        one.recipient: (one.state, one.status)
        for one in await world.store.messages.deliveries(world.acme.owner, receipt.message_id)
    }
    assert states == {
        "Gone@ELSEWHERE.example": ("rejected", "5.7.1"),
        "ada@elsewhere.example": ("queued", None),
    }
    (told,) = await events(world, "message.rejected")
    assert (told["message_id"], told["reason_code"]) == (receipt.message_id, "suppressed")
    assert told["recipients"] == ["Gone@ELSEWHERE.example"]


async def test_when_all_are_suppressed_nothing_is_sent(world: World) -> None:
    await world.store.suppressions.add(
        world.acme.owner, SuppressionRequest("gone@elsewhere.example")
    )
    with pytest.raises(RecipientSuppressed):
        await send(world, "gone@elsewhere.example")
    assert await count(world, "relays") == 0
    await world.store.suppressions.remove(world.acme.owner, ("gone@elsewhere.example",) * 2)
    assert (await send(world, "gone@elsewhere.example")).suppressed == ()


async def test_another_environment_has_a_list_of_its_own(world: World) -> None:
    there = replace(world.acme.owner, environment=world.elsewhere)
    await world.store.suppressions.add(there, SuppressionRequest("gone@elsewhere.example"))
    assert (await send(world, "gone@elsewhere.example")).suppressed == ()


async def test_a_block_of_everyone_makes_a_list_of_the_allowed(world: World) -> None:
    await block(world, "send", "*")
    await block(world, "send", "partner.example", "allow")
    with pytest.raises(RecipientNotAllowed):
        await send(world, "ada@elsewhere.example")
    assert (await send(world, "ada@partner.example")).status == "queued"
    (told,) = await events(world, "message.rejected")
    assert told["reason_code"] == "not_allowed"


async def test_whoever_wrote_may_be_answered_and_nobody_else(world: World) -> None:
    """A Message-ID that is known here opens the way to the people of that message alone."""
    acme = world.acme
    await block(world, "send", "*")
    await block(world, "reply", "*", "allow")
    answer = letter(acme.address, "answer", "In-Reply-To: <plan@elsewhere>")
    assert (await send(world, "a@elsewhere.example", octets=answer)).status == "queued"
    for octets, to in (
        (letter(acme.address, "new"), "a@elsewhere.example"),
        (letter(acme.address, "sly", "In-Reply-To: <plan@elsewhere>"), "eve@elsewhere.example"),
        (letter(acme.address, "lie", "In-Reply-To: <none@elsewhere>"), "a@elsewhere.example"),
    ):
        with pytest.raises(RecipientNotAllowed):
            await send(world, to, octets=octets)
    # At RCPT it is not known yet what the message will be.
    await world.submission.forward_path(agent(world, acme), "a@elsewhere.example")


async def test_answers_can_be_blocked_where_mail_may_be_sent(world: World) -> None:
    await block(world, "reply", "elsewhere.example")
    answer = letter(world.acme.address, "answer", "In-Reply-To: <plan@elsewhere>")
    with pytest.raises(SendBlocked):
        await send(world, "a@elsewhere.example", octets=answer)
    assert (await send(world, "a@elsewhere.example")).status == "queued"


async def test_mail_of_a_blocked_sender_does_not_reach_the_inbox(world: World) -> None:
    globex = world.globex
    request = RuleRequest("receive", "block", "address", world.acme.address)
    await world.store.rules.create(globex.owner, request)
    before = await count(world, "messages")
    receipt = await send(world, globex.address)
    assert receipt.status == "delivered"
    assert await count(world, "messages") == before + 2
    (lies,) = await world.store.database.run(
        "*",
        lambda c: c.rows(
            "SELECT b.role, m.state, p.keywords FROM messages m"
            " JOIN placements p ON p.message_id = m.id JOIN mailboxes b ON b.id = p.mailbox_id"
            " WHERE m.inbox_id = $1 AND m.source = 'smtp'",
            globex.where.inbox,
        ),
    )
    assert (lies["role"], lies["state"], list(lies["keywords"])) == (
        "junk",
        "blocked",
        ["blocked"],
    )
    assert len(await events(world, "message.received.blocked")) == 1
    assert await events(world, "message.received") == []


@pytest.mark.parametrize(
    ("author", "blocked"),
    [
        ("From: eve@blocked.example\r\n", True),
        ("From: ada@fine.example\r\n", False),
        ("From: ada@fine.example, eve@blocked.example\r\n", True),
        ("", False),
    ],
)
async def test_mail_from_outside_is_judged_by_its_author(
    world: World, author: str, blocked: bool
) -> None:
    store, acme = world.store, world.acme
    await block(world, "receive", "blocked.example")
    delivery = Delivery(store.messages, store.directory, make_policy(store, DOMAINS))
    octets = f"{author}Subject: x\r\n\r\nHi.\r\n".encode()
    await delivery.deliver(acme.address, octets, "smtp")
    assert len(await events(world, "message.received.blocked")) == blocked


async def test_who_does_not_say_who_he_is_is_not_on_the_list_of_the_allowed(world: World) -> None:
    store, acme = world.store, world.acme
    await block(world, "receive", "*")
    delivery = Delivery(store.messages, store.directory, make_policy(store, DOMAINS))
    await delivery.deliver(acme.address, b"Subject: x\r\n\r\nHi.\r\n", "smtp")
    assert len(await events(world, "message.received.blocked")) == 1


async def test_a_paused_inbox_sends_nothing_and_goes_on_receiving(world: World) -> None:
    """R64."""
    acme = world.acme
    await world.store.inboxes.pause(acme.owner, acme.address, "holidays")
    with pytest.raises(SendingPaused):
        await world.submission.reverse_path(agent(world, acme), acme.address)
    with pytest.raises(SendingPaused):
        await send(world, "ada@elsewhere.example")
    codes = [one["reason_code"] for one in await events(world, "message.rejected")]
    assert codes == ["inbox_paused", "inbox_paused"]
    globex = agent(world, world.globex)
    envelope = Envelope(world.globex.address, (ForwardPath(acme.address),))
    octets = letter(world.globex.address, "hello")
    assert (await world.submission.submit(globex, envelope, octets)).status == "delivered"
    (paused,) = await events(world, "inbox.paused")
    assert (paused["reason"], paused["email"]) == ("holidays", acme.address)


async def test_two_programs_that_answer_each_other_are_stopped(world: World) -> None:
    """L01.02: after twenty messages within ten minutes the inbox is paused, with an event."""
    acme, globex = world.acme, world.globex
    sides = ((agent(world, acme), acme, globex), (agent(world, globex), globex, acme))

    async def answer(number: int) -> None:
        actor, one, other = sides[number % 2]
        octets = letter(one.address, f"m{number}", f"In-Reply-To: <m{number - 1}@x>")
        envelope = Envelope(one.address, (ForwardPath(other.address),))
        await world.submission.submit(actor, envelope, octets)

    bound = PolicyLimits().loop_messages
    for number in range(bound):
        await answer(number)
    actor, one, other = sides[bound % 2]
    octets = letter(one.address, "rehearsed", f"In-Reply-To: <m{bound - 1}@x>")
    with pytest.raises(SendingPaused):
        await world.submission.rehearse(
            actor, one.address, Envelope(one.address, (ForwardPath(other.address),)), octets
        )
    assert await events(world, "inbox.paused") == []
    with pytest.raises(SendingPaused):
        await answer(bound)
    with pytest.raises(SendingPaused):
        await world.submission.reverse_path(actor, one.address)
    (paused,) = await events(world, "inbox.paused")
    assert paused["reason"] == "mail_loop"
    assert paused["paused_by"] == "system"


async def test_people_who_write_much_are_not_stopped(world: World) -> None:
    """An agent that answers the last of thirty letters is no loop."""
    store, acme = world.store, world.acme
    delivery = Delivery(store.messages, store.directory, make_policy(store, DOMAINS))
    for number in range(30):
        octets = letter("ada@elsewhere.example", f"q{number}", "References: <top@x>")
        await delivery.deliver(acme.address, octets, "smtp")
    answer = letter(acme.address, "one", "In-Reply-To: <q29@x>", "References: <top@x> <q29@x>")
    assert (await send(world, "ada@elsewhere.example", octets=answer)).status == "queued"


async def test_many_messages_into_one_conversation_are_no_loop(world: World) -> None:
    acme = world.acme
    for number in range(25):
        octets = letter(acme.address, f"n{number}", "In-Reply-To: <plan@elsewhere>")
        assert (await send(world, "ada@elsewhere.example", octets=octets)).status == "queued"


async def test_the_quota_is_told_of_when_it_is_near_and_once_when_it_is_over(
    world: World,
) -> None:
    """R102-R105, and R130: SMTP is under the same bound; the event of its end comes once."""
    desk = office(world, enterprise=5)
    for number in range(5):
        assert len(await events(world, "quota.approaching")) == (number > 3)
        octets = letter(world.acme.address, f"n{number}")
        await send(world, "ada@elsewhere.example", octets=octets, desk=desk)
    (near,) = await events(world, "quota.approaching")
    assert (near["used"], near["limit"]) == (4, 5)
    for number in range(2):
        octets = letter(world.acme.address, f"late{number}")
        with pytest.raises(QuotaExceeded):
            await send(world, "ada@elsewhere.example", octets=octets, desk=desk)
    assert len(await events(world, "quota.exceeded")) == 1
    codes = [one["reason_code"] for one in await events(world, "message.rejected")]
    assert codes == ["quota", "quota"]
    assert await count(world, "relays") == 5


async def test_messages_over_smtp_count_as_requests(
    world: World, autojump_clock: trio.abc.Clock
) -> None:
    """R130: the requests of a minute are bounded for SMTP as for REST."""
    governor = Governor({"free": 3})
    desk = office(world, governor.take, free=None)
    actor = agent(world, world.acme, "free")
    envelope = Envelope(world.acme.address, (ForwardPath(world.globex.address),))
    for number in range(3):
        await desk.submit(actor, envelope, letter(world.acme.address, f"a{number}"))
    with pytest.raises(RateLimited) as refused:
        await desk.submit(actor, envelope, letter(world.acme.address, "a4"))
    assert refused.value.column.smtp == (451, "4.7.1")


async def test_what_is_too_large_is_told_as_such(world: World) -> None:
    desk = office(world, message=MessageLimits(max_octets=10))
    with pytest.raises(TooLarge):
        await send(world, "ada@elsewhere.example", desk=desk)
    (told,) = await events(world, "message.rejected")
    assert told["reason_code"] == "too_large"


async def test_a_rehearsal_refuses_the_same_and_tells_nobody(world: World) -> None:
    acme = world.acme
    await block(world, "send", "blocked.example")
    octets = letter(acme.address, "x")
    actor = agent(world, acme)
    for to in ("eve@blocked.example", "nobody@shared.test"):
        envelope = Envelope(acme.address, (ForwardPath(to),))
        with pytest.raises(Problem) as rehearsed:
            await world.submission.rehearse(actor, acme.address, envelope, octets)
        assert await events(world, "message.rejected") == []
        with pytest.raises(type(rehearsed.value)):
            await world.submission.send(
                actor, acme.where, acme.address, envelope, octets, Outgoing()
            )
        await world.store.database.run("*", lambda c: c.execute("DELETE FROM events"))
