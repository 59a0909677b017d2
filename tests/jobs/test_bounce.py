"""Reports that arrive as mail: what counts, what it changes, and that it counts once (R48, R75)."""

from __future__ import annotations

from typing import Any

import pytest

from agentpost.ids import MessageId, new_id
from agentpost.jobs.bounce import BounceWork
from agentpost.limits import BounceLimits
from agentpost.mail.bounces import Reports, finding_of, has_failed
from agentpost.mime.summary import summarise
from agentpost.model.actor import system_actor
from agentpost.model.bounce import ReportedRecipient
from agentpost.model.job import Again, Done, GivenUp, Job, Verdict
from agentpost.model.message import Arrival
from agentpost.store.bounces import Bounces
from agentpost.store.depositing import Deposit
from tests.jobs.test_relay import Scripted, claim, relaying, say
from tests.jobs.test_report import reporting
from tests.jobs.world import LETTER, World, make_world

OWN_ID = "letter@agentpost.localhost"
A, B = "a@example.com", "b@example.com"


def bounce(
    *recipients: str,
    message_id: str = OWN_ID,
    action: str = "failed",
    status: str = "5.1.1",
    envid: str = "",
) -> bytes:
    fields = "".join(
        f"\nFinal-Recipient: rfc822; {one}\nAction: {action}\nStatus: {status}\n"
        f"Diagnostic-Code: smtp; 550 {status} so it is\n"
        for one in recipients
    )
    named = f"Original-Envelope-Id: {envid}\n" if envid else ""
    return (
        (
            "Return-Path: <>\nFrom: MAILER-DAEMON@mx.example.net\nSubject: Undelivered\n"
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
            f"--b\n\nIt failed.\n--b\nContent-Type: message/delivery-status\n\n{named}"
            f"Reporting-MTA: dns; mx.example.net\n{fields}\n"
            f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{message_id}>\n\n--b--\n"
        )
        .replace("\n", "\r\n")
        .encode()
    )


def complaint(recipient: str) -> bytes:
    return (
        bounce()
        .replace(b"report-type=delivery-status", b"report-type=feedback-report")
        .replace(b"message/delivery-status", b"message/feedback-report")
        .replace(
            b"Reporting-MTA: dns; mx.example.net\r\n",
            b"Feedback-Type: abuse\r\nUser-Agent: Loop/1\r\nOriginal-Rcpt-To: "
            + recipient.encode()
            + b"\r\n",
        )
    )


async def sent(world: World, *recipients: str, **states: str) -> MessageId:
    """A message that the relay has handed on."""
    message = await world.send(*recipients)
    await relaying(world, Scripted(say(**states))).run(await claim(world))
    return message


async def arrive(
    world: World, octets: bytes, source: str = "ses", authentication: dict[str, Any] | None = None
) -> MessageId:
    """Deliver from outside, as an inbound channel does."""
    message = MessageId(new_id("msg"))
    arrival = Arrival(
        organization=world.where.organization,
        inbox=world.inbox,
        message=message,
        direction="inbound",
        source=source,
        state="received",
        role="inbox",
        authentication=authentication or {},
    )
    deposit = Deposit(octets, summarise(octets), (arrival,))
    await world.messages.deposit(system_actor(), None, world.where, deposit)
    return message


def work(world: World, looks: int = 20) -> BounceWork:
    limits = BounceLimits(in_flight_looks=looks)
    return BounceWork(world.messages, Reports(Bounces(world.messages._door), limits), limits)


async def due(world: World) -> tuple[Job, ...]:
    return await world.jobs.claim(system_actor(), [("bounce", 10)], 60)


async def read(world: World) -> None:
    """Run and end the reports that wait."""
    for job in await due(world):
        assert await work(world).run(job) == Done()
        await world.jobs.finish(system_actor(), [job])


async def state(world: World, message: MessageId) -> str:
    found: str = await world.value("SELECT state FROM messages WHERE id = $1", message)
    return found


async def events(world: World) -> list[tuple[str, dict[str, Any]]]:
    return await world.events(
        "message.bounced", "message.deferred", "message.delivered", "message.complained"
    )


async def test_r75_a_bounce_changes_delivery_message_and_tells_it(world: World) -> None:
    message = await sent(world, A, B)
    world.woken.clear()
    report = await arrive(world, bounce(A))
    world.woken.clear()
    await read(world)
    assert await world.states(message) == {A: "bounced", B: "sent"}
    assert await state(world, message) == "sent"
    ((kind, data),) = await events(world)
    assert kind == "message.bounced"
    assert data["message_id"] == message
    assert data["thread_id"]
    assert (data["bounce_type"], data["bounce_sub_type"]) == ("permanent", "no_such_address")
    assert data["bounced_recipients"] == [
        {
            "email_address": A,
            "status": "5.1.1",
            "diagnostic_code": "smtp; 550 5.1.1 so it is",
            "action": "failed",
        }
    ]
    assert data["bounced_at"].endswith("Z")
    history = await world.value(
        "SELECT history->-1 FROM deliveries WHERE message_id = $1 AND recipient = $2", message, A
    )
    assert report in history
    assert world.woken == [world.inbox]


async def test_when_all_recipients_bounced_the_message_has(world: World) -> None:
    message = await sent(world, A, B)
    await arrive(world, bounce(A, B))
    await read(world)
    assert await state(world, message) == "bounced"
    ((_, data),) = await events(world)
    assert [one["email_address"] for one in data["bounced_recipients"]] == [A, B]


async def test_the_same_news_count_once(world: World) -> None:
    await sent(world, A)
    await arrive(world, bounce(A))
    (job,) = await due(world)
    # The worker dies after the commit, and the job runs again; then another report comes.
    assert await work(world).run(job) == Done()
    assert await work(world).run(job) == Done()
    await arrive(world, bounce(A))
    await read(world)
    assert len(await events(world)) == 1


async def test_what_the_relay_has_told_is_not_told_again(world: World) -> None:
    message = await sent(world, A, B, a="bounced")
    before = await events(world)
    await arrive(world, bounce(A))
    await read(world)
    assert await world.states(message) == {A: "bounced", B: "sent"}
    assert await events(world) == before


async def test_a_delay_keeps_the_state_and_is_told(world: World) -> None:
    """Were the delivery ours again, the relay would send it twice."""
    message = await sent(world, A)
    await arrive(world, bounce(A, action="delayed", status="4.4.1"))
    await read(world)
    assert await world.states(message) == {A: "sent"}
    ((kind, data),) = await events(world)
    assert kind == "message.deferred"
    assert data["deferred_recipients"][0]["action"] == "delayed"


async def test_a_receipt_delivers_and_a_later_bounce_counts_more(world: World) -> None:
    message = await sent(world, A)
    await arrive(world, bounce(A, action="delivered", status="2.0.0"))
    await read(world)
    assert await world.states(message) == {A: "delivered"}
    assert await state(world, message) == "delivered"
    await arrive(world, bounce(A))
    await read(world)
    assert await world.states(message) == {A: "bounced"}
    await arrive(world, bounce(A, action="delivered", status="2.0.0"))
    await read(world)
    assert await world.states(message) == {A: "bounced"}
    assert [kind for kind, _ in await events(world)] == ["message.delivered", "message.bounced"]


async def test_being_passed_on_is_noted_only(world: World) -> None:
    message = await sent(world, A)
    await arrive(world, bounce(A, action="expanded", status="2.1.5"))
    await read(world)
    assert await world.states(message) == {A: "sent"}
    assert await events(world) == []
    assert "expanded" in await world.value(
        "SELECT history->-1 FROM deliveries WHERE message_id = $1", message
    )


async def test_r75_a_complaint_counts(world: World) -> None:
    message = await sent(world, A)
    await arrive(world, complaint(A))
    await read(world)
    assert await world.states(message) == {A: "complained"}
    assert await state(world, message) == "complained"
    ((kind, data),) = await events(world)
    assert kind == "message.complained"
    assert data["complained_recipients"] == [A]
    assert (data["complaint_type"], data["feedback_agent"]) == ("abuse", "Loop/1")


async def test_the_envelope_identifier_finds_the_message(world: World) -> None:
    message = await sent(world, A)
    await arrive(world, bounce(A, message_id="other@example.net", envid=message))
    await read(world)
    assert await world.states(message) == {A: "bounced"}


async def test_the_providers_name_finds_the_message(world: World) -> None:
    message = await sent(world, A)
    await world.execute("UPDATE deliveries SET provider_id = '0100-abc-000'")
    await arrive(world, bounce(A, message_id="0100-abc-000@email.amazonses.com"))
    await read(world)
    assert await world.states(message) == {A: "bounced"}


async def test_addresses_compare_as_mail_does(world: World) -> None:
    message = await sent(world, "Ada@Bücher.Example")
    await arrive(world, bounce("ada@xn--bcher-kva.example"))
    await read(world)
    assert list((await world.states(message)).values()) == ["bounced"]


async def test_a_free_form_counts_too(world: World) -> None:
    message = await sent(world, A)
    octets = (
        b"From: MAILER-DAEMON@mx.example.net\r\nSubject: failure notice\r\n\r\n"
        b"Hi. This is the qmail-send program at mx.example.net.\r\n\r\n"
        b"<a@example.com>:\r\nRemote host said: 550 5.1.1 no\r\n\r\n"
        b"--- Below this line is a copy of the message.\r\n\r\n" + LETTER
    )
    await arrive(world, octets)
    await read(world)
    assert await world.states(message) == {A: "bounced"}


@pytest.mark.parametrize(
    "forged",
    [
        bounce(A, message_id="never@agentpost.localhost"),
        bounce("stranger@example.com"),
        bounce(A, message_id="never@agentpost.localhost", envid=new_id("msg")),
        b"From: postmaster@example.com\r\nSubject: Undeliverable\r\n\r\n" + LETTER,
    ],
)
async def test_a_forged_report_changes_nothing(world: World, forged: bytes) -> None:
    message = await sent(world, A)
    await arrive(world, forged)
    await read(world)
    assert await world.states(message) == {A: "sent"}
    assert await events(world) == []


async def test_another_inbox_cannot_report_on_it(world: World, tmp_path: Any) -> None:
    message = await sent(world, A)
    other = await make_world(world.database, tmp_path / "others")
    for octets in (bounce(A), bounce(A, envid=message)):
        await arrive(other, octets)
    await read(other)
    assert await world.states(message) == {A: "sent"}
    assert await events(world) == []


@pytest.mark.parametrize("source", ["rest", "smtp", "imap", "relay"])
async def test_who_lives_here_cannot_report(world: World, source: str) -> None:
    message = await sent(world, A)
    await arrive(world, bounce(A), source)
    assert await due(world) == ()
    assert await world.states(message) == {A: "sent"}


async def test_failed_authentication_does_not_count(world: World) -> None:
    message = await sent(world, A)
    await arrive(world, bounce(A), authentication={"dmarc": "fail", "spf": "pass"})
    await read(world)
    assert await world.states(message) == {A: "sent"}
    await arrive(world, bounce(A), authentication={"dmarc": "none", "spf": "none"})
    await read(world)
    assert await world.states(message) == {A: "bounced"}


@pytest.mark.parametrize(
    ("authentication", "failed"),
    [
        ({}, False),
        ({"dmarc": "pass", "spf": "fail"}, False),
        ({"dmarc": "FAIL", "spf": "pass"}, True),
        ({"spf": "fail"}, True),
        ({"spf": "fail", "dkim": [{"domain": "x", "result": "pass"}]}, False),
        ({"spf": "fail", "dkim": [{"domain": "x", "result": "fail"}]}, True),
        ({"spf": "softfail", "dkim": "fail"}, False),
        ({"spf": {"result": "fail"}, "dkim": None}, True),
    ],
)
def test_what_counts_as_failed(authentication: dict[str, Any], failed: bool) -> None:
    assert has_failed(authentication) is failed


async def test_a_report_that_is_too_early_waits(world: World) -> None:
    message = await world.send(A)
    await world.execute("UPDATE deliveries SET state = 'sending'")
    await arrive(world, bounce(A))
    (job,) = await due(world)
    verdict: Verdict = await work(world).run(job)
    assert isinstance(verdict, Again)
    assert verdict.error is not None
    assert await world.states(message) == {A: "sending"}
    assert await work(world, looks=0).run(job) == Done()
    assert await world.states(message) == {A: "bounced"}


async def test_what_was_never_offered_cannot_come_back(world: World) -> None:
    message = await world.send(A)
    await arrive(world, bounce(A))
    await read(world)
    assert await world.states(message) == {A: "queued"}
    assert await events(world) == []


async def test_a_deleted_message_or_report_ends_the_job(world: World) -> None:
    await sent(world, A)
    await arrive(world, bounce(A))
    await world.execute("DELETE FROM messages")
    await read(world)
    nameless = Job(1, "bounce", {}, 1, None, None)  # type: ignore[arg-type]
    assert isinstance(await work(world).run(nameless), GivenUp)


async def test_local_delivery_from_outside_queues_the_look(world: World) -> None:
    message = await sent(world, A)
    delivery = reporting(world)._delivery
    assert await delivery.deliver(world.address, bounce(A), "ses") is not None
    await read(world)
    assert await world.states(message) == {A: "bounced"}


async def test_ordinary_mail_queues_nothing(world: World) -> None:
    await arrive(world, LETTER)
    assert await due(world) == ()


@pytest.mark.parametrize(
    ("action", "status", "diagnostic", "state", "kind"),
    [
        ("failed", "5.1.1", None, "bounced", "permanent"),
        ("failed", "5.2.2", None, "bounced", "transient"),
        ("failed", "5.4.7", None, "failed", "transient"),
        ("failed", "4.4.1", None, "failed", "transient"),
        ("failed", None, "smtp; 550 no", "bounced", "permanent"),
        ("failed", None, "it was not wanted", "bounced", "undetermined"),
        ("delayed", "4.4.1", None, None, None),
        ("relayed", "2.0.0", None, None, None),
        ("delivered", "2.0.0", None, "delivered", None),
        ("complained", None, None, "complained", None),
    ],
)
def test_what_a_report_means(
    action: Any, status: str | None, diagnostic: str | None, state: str | None, kind: str | None
) -> None:
    found = finding_of(ReportedRecipient((A,), action, status, diagnostic))
    assert (found.state, found.bounce_type) == (state, kind)
