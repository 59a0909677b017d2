"""Telling senders by mail: what arrives, when nothing does, and what survives faults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import pytest

from agentpost.ids import MessageId
from agentpost.jobs.report import ReportWork
from agentpost.mail.delivery import Delivery
from agentpost.model.actor import system_actor
from agentpost.model.job import Done, GivenUp, Job
from agentpost.model.relay import Outgoing, RecipientOutcome
from agentpost.store.directory import Directory
from tests.jobs.test_relay import Scripted, claim, relaying, say
from tests.jobs.world import LETTER, World, policy_over

HOST = "agentpost.localhost"


def reporting(world: World) -> ReportWork:
    door = world.messages._door
    directory = Directory(door)
    delivery = Delivery(world.messages, directory, policy_over(door, directory))
    return ReportWork(world.relays, world.messages, delivery, HOST)


async def reports_due(world: World) -> tuple[Job, ...]:
    return await world.jobs.claim(system_actor(), [("report", 10)], 60)


async def tell(world: World) -> None:
    """Run and end what reports there are."""
    work = reporting(world)
    for job in await reports_due(world):
        assert await work.run(job) == Done()
        await world.jobs.finish(system_actor(), [job])


async def arrived(world: World) -> list[EmailMessage]:
    """The messages in INBOX, in order."""
    found = await world.rows(
        "SELECT b.octets FROM messages m JOIN blobs b ON b.id = m.blob_id"
        " WHERE m.direction = 'inbound' ORDER BY m.id"
    )
    return [message_from_bytes(row["octets"], policy=policy.default) for row in found]


def status_fields(report: EmailMessage) -> list[dict[str, str]]:
    """The groups of a notification's part for programs, names in lower case."""
    part = report.get_payload(1)
    groups = cast("list[Any]", cast("EmailMessage", part).get_payload())
    return [{name.lower(): str(value) for name, value in group.items()} for group in groups]


async def bounce(world: World, script: dict[str, str], *recipients: str, **sent: Any) -> MessageId:
    """Send, let the next server say this, and tell the sender."""
    message = await world.send(*(recipients or ("a@example.com",)), **sent)
    await relaying(world, Scripted(say(**script))).run(await claim(world))
    await tell(world)
    return message


async def test_a_refusal_arrives_as_a_notification_in_the_thread(world: World) -> None:
    message = await world.send("a@example.com", "b@example.com")
    outcomes = (
        RecipientOutcome("a@example.com", "bounced", "5.1.1", "smtp; 550 5.1.1 no such user"),
        RecipientOutcome("b@example.com", "sent", "2.0.0", "smtp; 250 ok"),
    )
    await relaying(world, Scripted(lambda _: outcomes)).run(await claim(world))
    await tell(world)
    (report,) = await arrived(world)
    assert report["Return-Path"] == "<>"
    assert report["Auto-Submitted"] == "auto-replied"
    assert report["From"] == f"Mail Delivery System <mailer-daemon@{HOST}>"
    assert report["To"] == world.address
    assert report["Subject"] == "Undeliverable: hello"
    assert report["In-Reply-To"] == report["References"] == "<letter@agentpost.localhost>"
    assert report.get_content_type() == "multipart/report"
    assert report.get_param("report-type") == "delivery-status"
    words, status, returned = cast("list[EmailMessage]", report.get_payload())
    assert "a@example.com" in words.get_content()
    assert "no such user" in words.get_content()
    assert "b@example.com" not in words.get_content()
    assert status.get_content_type() == "message/delivery-status"
    about, recipient = status_fields(report)
    assert about["reporting-mta"] == f"dns; {HOST}"
    assert "arrival-date" in about
    assert recipient["final-recipient"] == "rfc822; a@example.com"
    assert (recipient["action"], recipient["status"]) == ("failed", "5.1.1")
    assert recipient["diagnostic-code"] == "smtp; 550 5.1.1 no such user"
    assert returned.get_content_type() == "text/rfc822-headers"
    header = returned.get_content()
    assert "Subject: hello" in header
    assert "hidden@example.net" not in header
    assert "The body" not in header
    threads = await world.rows("SELECT DISTINCT thread_id FROM messages")
    assert len(threads) == 1
    assert await world.value("SELECT automated FROM messages WHERE id <> $1", message)
    assert [kind for kind, _ in await world.events()] == [
        "message.sent",
        "message.bounced",
        "suppression.added",
        "message.received",
    ]
    assert await world.value("SELECT count(*) FROM jobs") == 0
    assert world.woken[-1] == world.inbox


async def test_after_days_of_trying_the_sender_is_told(world: World) -> None:
    await world.send("a@example.com")
    await world.execute("UPDATE relays SET created_at = now() - $1::interval", timedelta(days=3))
    await relaying(world, Scripted(say(a="deferred"))).run(await claim(world))
    await tell(world)
    (report,) = await arrived(world)
    _, recipient = status_fields(report)
    assert (recipient["action"], recipient["status"]) == ("failed", "5.4.7")


@pytest.mark.parametrize(
    ("state", "notify", "action"),
    [
        ("bounced", (), "failed"),
        ("rejected", (), "failed"),
        ("bounced", ("FAILURE",), "failed"),
        ("bounced", ("FAILURE", "DELAY", "SUCCESS"), "failed"),
        ("bounced", ("NEVER",), None),
        ("bounced", ("SUCCESS",), None),
        ("bounced", ("DELAY",), None),
        ("deferred", (), None),
        ("deferred", ("FAILURE",), None),
        ("deferred", ("DELAY",), "delayed"),
        ("delivered", (), None),
        ("delivered", ("SUCCESS",), "delivered"),
        ("delivered", ("FAILURE", "DELAY"), None),
        ("sent", (), None),
        ("sent", ("SUCCESS",), "relayed"),
        ("sent", ("NEVER",), None),
        ("complained", ("SUCCESS", "FAILURE", "DELAY"), None),
    ],
)
async def test_the_sender_is_told_what_it_asked_for(
    world: World, state: str, notify: tuple[str, ...], action: str | None
) -> None:
    delivery = {"notify": list(notify)} if notify else {}
    await bounce(world, {"a": state}, delivery=delivery)
    found = await arrived(world)
    assert [status_fields(one)[1]["action"] for one in found] == ([action] if action else [])


async def test_a_server_that_notifies_is_trusted_with_success(world: World) -> None:
    await world.send("a@example.com", delivery={"notify": ["SUCCESS"]})

    def taken(outgoing: Outgoing) -> Sequence[RecipientOutcome]:
        return [RecipientOutcome("a@example.com", "sent", "2.0.0", notifies=True)]

    await relaying(world, Scripted(taken)).run(await claim(world))  # type: ignore[arg-type]
    assert await reports_due(world) == ()


async def test_a_delay_is_told_once(world: World) -> None:
    await world.send("a@example.com", delivery={"notify": ["DELAY", "FAILURE"]})
    work = relaying(world, Scripted(*[say(a="deferred")] * 3, say(a="bounced")))
    for _ in range(4):
        await work.run(await claim(world))
        await world.due()
    await tell(world)
    delayed, failed = await arrived(world)
    about = status_fields(delayed)[1]
    assert about["action"] == "delayed"
    assert "will-retry-until" in about
    assert delayed["Subject"] == "Delayed: hello"
    assert "goes on trying until" in cast("EmailMessage", delayed.get_payload(0)).get_content()
    assert status_fields(failed)[1]["action"] == "failed"


async def test_nothing_is_told_to_the_null_reverse_path(world: World) -> None:
    await bounce(world, {"a": "bounced"}, reverse_path="")
    assert await arrived(world) == []
    assert [kind for kind, _ in await world.events("message.received")] == []


async def test_the_sender_s_own_names_come_back(world: World) -> None:
    await bounce(
        world,
        {"a": "bounced"},
        options={"envid": "QQ-314 159"},
        delivery={"orcpt": "rfc822;First@Example.com"},
    )
    about, recipient = status_fields((await arrived(world))[0])
    assert about["original-envelope-id"] == "QQ-314 159"
    assert recipient["original-recipient"] == "rfc822; First@Example.com"


@pytest.mark.parametrize(("ret", "whole"), [(None, False), ("HDRS", False), ("FULL", True)])
async def test_as_much_returns_as_was_asked_for(world: World, ret: str | None, whole: bool) -> None:
    await bounce(world, {"a": "bounced"}, options={} if ret is None else {"ret": ret})
    (report,) = await arrived(world)
    returned = cast("EmailMessage", report.get_payload(2))
    assert returned.get_content_type() == ("message/rfc822" if whole else "text/rfc822-headers")
    assert ("The body." in report.as_string()) is whole
    assert "hidden@example.net" not in report.as_string()


async def test_only_a_failure_returns_the_body(world: World) -> None:
    await bounce(
        world, {"a": "delivered"}, options={"ret": "FULL"}, delivery={"notify": ["SUCCESS"]}
    )
    assert "The body." not in (await arrived(world))[0].as_string()


async def test_a_message_that_is_gone_is_told_of_all_the_same(world: World) -> None:
    message = await world.send("a@example.com")
    await relaying(world, Scripted(say(a="bounced"))).run(await claim(world))
    await world.messages.delete(system_actor(), message, permanent=True)
    await tell(world)
    (report,) = await arrived(world)
    assert len(cast("list[object]", report.get_payload())) == 2
    assert report["Subject"] == "Undeliverable"


async def test_nobody_is_told_in_an_inbox_that_is_gone(world: World) -> None:
    await world.send("a@example.com")
    await relaying(world, Scripted(say(a="bounced"))).run(await claim(world))
    await world.execute("UPDATE inboxes SET deleted_at = now()")
    await tell(world)
    assert await arrived(world) == []
    assert await world.value("SELECT count(*) FROM jobs") == 0


async def test_a_worker_that_dies_before_it_says_so_tells_once(world: World) -> None:
    await world.send("a@example.com")
    await relaying(world, Scripted(say(a="bounced"))).run(await claim(world))
    (job,) = await reports_due(world)
    assert await reporting(world).run(job) == Done()
    # It dies here; nobody renews its lease, and another one takes the job.
    await world.due()
    await tell(world)
    assert len(await arrived(world)) == 1
    assert [kind for kind, _ in await world.events("message.received")] == ["message.received"]


async def test_what_was_read_and_deleted_meanwhile_does_not_come_back(world: World) -> None:
    await world.send("a@example.com")
    await relaying(world, Scripted(say(a="bounced"))).run(await claim(world))
    (job,) = await reports_due(world)
    await reporting(world).run(job)
    told = await world.value("SELECT id FROM messages WHERE direction = 'inbound'")
    await world.messages.delete(system_actor(), told, permanent=True)
    await world.due()
    await tell(world)
    assert await arrived(world) == []


async def test_an_outcome_that_was_not_written_is_not_told(world: World) -> None:
    """The worker dies between the refusal and its commit: one attempt more, one notification."""
    await world.send("a@example.com")
    work = relaying(world, Scripted(say(a="bounced")))

    async def crash(*_: object) -> None:
        raise KeyboardInterrupt

    work._settle = crash  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        await work.run(await claim(world))
    assert await reports_due(world) == ()
    await world.due()
    await relaying(world, Scripted(say(a="bounced"))).run(await claim(world))
    await tell(world)
    assert len(await arrived(world)) == 1


async def test_many_refusals_of_one_recipient_are_told_once_and_send_nothing(world: World) -> None:
    """L01.03: no bounce makes mail that leaves this server."""
    await world.send("a@example.com")
    said = tuple(
        RecipientOutcome("a@example.com", "bounced", "5.1.1", f"smtp; 550 {n}") for n in range(50)
    )
    job = await claim(world)
    work = relaying(world, Scripted(lambda _: said, lambda _: said))
    await work.run(job)
    await work.run(job)
    await tell(world)
    (report,) = await arrived(world)
    assert status_fields(report)[1]["diagnostic-code"] == "smtp; 550 49"
    assert len(status_fields(report)) == 2
    assert await world.value("SELECT count(*) FROM relays") == 0
    assert await world.value("SELECT count(*) FROM messages WHERE direction = 'outbound'") == 1


async def test_hostile_words_stay_words(world: World) -> None:
    octets = LETTER.replace(b"hello", b"=?utf-8?q?a=0D=0ABcc:_evil@x.test?=")
    await world.send(
        "a@example.com",
        octets=octets,
        options={"envid": "x\r\nAction: delivered", "ret": "FULL"},
        delivery={"orcpt": "rfc822;a\r\n\r\nFinal-Recipient: rfc822; evil@x.test"},
    )
    said = RecipientOutcome(
        "a@example.com",
        "bounced",
        "5.1.1",
        "smtp; 550\r\n\r\nAction: delivered\r\n--=_" + "y" * 9_000,
    )
    await relaying(world, Scripted(lambda _: (said,))).run(await claim(world))
    await tell(world)
    (report,) = await arrived(world)
    about, recipient = status_fields(report)
    assert recipient["action"] == "failed"
    assert "action" not in about
    assert report["Bcc"] is None
    assert len(report.get_all("Subject", [])) == 1
    (found,) = await world.rows(
        "SELECT b.octets FROM messages m JOIN blobs b ON b.id = m.blob_id"
        " WHERE m.direction = 'inbound'"
    )
    assert all(len(line) <= 998 for line in found["octets"].split(b"\r\n"))
    assert b"\n" not in found["octets"].replace(b"\r\n", b"")


async def test_success_on_this_server_is_told_from_its_deliveries(world: World) -> None:
    message = await world.send("a@example.com")
    await world.execute(
        "UPDATE deliveries SET local = true, state = 'delivered', options ="
        """ '{"notify": ["SUCCESS"], "envid": "e-1", "orcpt": "rfc822;a@example.com"}'"""
    )
    await world.jobs.add(system_actor(), "report", {"message_id": message})
    await tell(world)
    about, recipient = status_fields((await arrived(world))[0])
    assert about["original-envelope-id"] == "e-1"
    assert (recipient["action"], recipient["status"]) == ("delivered", "2.1.5")


async def test_a_job_that_says_nothing_is_given_up(world: World) -> None:
    await world.jobs.add(system_actor(), "report", {})
    (job,) = await reports_due(world)
    assert isinstance(await reporting(world).run(job), GivenUp)
    gone = replace(job, payload={"message_id": "msg_gone"})
    assert await reporting(world).run(gone) == Done()
