"""A message that goes out once: what is in doubt is settled by events, and never merely repeated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import trio

from agentpost.ids import MessageId
from agentpost.jobs.relay import RelayWork
from agentpost.limits import RelayLimits
from agentpost.mail.relay import Ways
from agentpost.mail.transports.simulator import Simulator
from agentpost.model.actor import system_actor
from agentpost.model.job import Job, Settled
from agentpost.model.relay import Doubts, Outgoing, RecipientOutcome
from tests.jobs.test_relay import Scripted, fail, say
from tests.jobs.world import World

_ACTOR = system_actor("relay")
_FAR = "12 hours"


class Once(Scripted):
    """As Amazon SES: what was handed over is not repeated."""

    name = "ses"
    once = True


class Crash(BaseException):
    """The end of a worker."""


def crash(_: Outgoing) -> tuple[RecipientOutcome, ...]:
    raise Crash


def relaying(
    world: World, transport: Scripted, doubts: Doubts | None = None, **more: Any
) -> RelayWork:
    return RelayWork(
        world.relays,
        Ways(transport, Simulator(_nowhere), **more),
        "agentpost.localhost",
        RelayLimits(),
        spread=lambda: 0.5,
        doubts=doubts,
    )


async def _nowhere(inbox: str, octets: bytes) -> None:
    raise AssertionError("nothing is delivered here")


async def claim(world: World) -> Job:
    (job,) = await world.jobs.claim(_ACTOR, [("relay", 10)], 60)
    return job


async def again(world: World, work: RelayWork) -> Settled:
    await world.due()
    verdict = await work.run(await claim(world))
    assert isinstance(verdict, Settled)
    return verdict


async def later(world: World, time: str = _FAR) -> None:
    """Let time pass for everything that is in doubt and for the line of events."""
    await world.execute("UPDATE deliveries SET begun_at = begun_at - $1::text::interval", time)
    await world.execute(
        "UPDATE feedback_line SET up_since = up_since - $1::text::interval,"
        " heard_at = heard_at - $1::text::interval",
        time,
    )


async def hear_of_another(world: World) -> None:
    """Another message is sent, and its Send event comes."""
    other = await world.send("other@example.com")
    work = relaying(world, Once(say()))
    jobs = await world.jobs.claim(_ACTOR, [("relay", 10)], 60)
    for job in jobs:
        if job.payload["message_id"] == other:
            await work.run(job)
        else:
            await world.jobs.release(_ACTOR, [job])
    await world.relays.confirm(_ACTOR, other, 1, "0102", ["other@example.com"])


async def in_doubt(world: World, *recipients: str, doubts: Doubts | None = None) -> MessageId:
    """A message whose answer was lost."""
    message = await world.send(*(recipients or ("a@example.com",)))
    await relaying(world, Once(say(**{one[0]: "sending" for one in recipients or "a"}))).run(
        await claim(world)
    )
    return message


async def test_a_lost_answer_is_told_to_nobody_and_repeated_by_nobody(world: World) -> None:
    message = await world.send("a@example.com")
    transport = Once(say(a="sending"))
    work = relaying(world, transport)
    verdict = await work.run(await claim(world))
    assert isinstance(verdict, Settled)
    assert verdict.delay_s == pytest.approx(600, abs=1)
    assert await world.states(message) == {"a@example.com": "sending"}
    assert await world.events() == []
    # Whenever the job runs before time.
    for _ in range(3):
        verdict = await again(world, work)
        assert verdict.delay_s == pytest.approx(600, abs=5)
    assert len(transport.sent) == 1


@pytest.mark.parametrize("end", [crash, fail])
async def test_what_a_worker_leaves_behind_is_in_doubt(
    world: World, end: Callable[[Outgoing], tuple[RecipientOutcome, ...]]
) -> None:
    message = await world.send("a@example.com")
    work = relaying(world, Once(end))
    if end is crash:
        with pytest.raises(Crash):
            await work.run(await claim(world))
    else:
        await work.run(await claim(world))
    transport = Once()
    await again(world, relaying(world, transport))
    assert transport.sent == []
    assert await world.states(message) == {"a@example.com": "sending"}


async def test_an_event_settles_the_doubt(world: World) -> None:
    message = await in_doubt(world)
    world.woken.clear()
    assert await world.relays.confirm(_ACTOR, message, 1, "0102-a", ["A@example.com"])
    assert await world.states(message) == {"a@example.com": "sent"}
    assert await world.value("SELECT provider_id FROM deliveries") == "0102-a"
    assert await world.value("SELECT state FROM messages WHERE id = $1", message) == "sent"
    assert world.woken == [world.inbox]
    ((kind, data),) = await world.events()
    assert kind == "message.sent"
    assert data["message_id"] == message
    assert data["thread_id"].startswith("thr_")
    assert (data["provider"], data["provider_message_id"]) == ("ses", "0102-a")
    assert data["recipients"] == ["a@example.com"]
    assert data["sent_at"].endswith("Z")
    # Told twice, it changes nothing.
    assert not await world.relays.confirm(_ACTOR, message, 1, "0102-a", ["a@example.com"])
    # The job finds nothing left to do and ends.
    transport = Once()
    assert await again(world, relaying(world, transport)) == Settled()
    assert transport.sent == []
    assert await world.value("SELECT count(*) FROM relays") == 0
    assert len(await world.events()) == 1


async def test_an_event_may_come_before_the_answer_is_written(world: World) -> None:
    message = await world.send("a@example.com")

    class Fast(Once):
        async def send(self, outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
            outcomes = await super().send(outgoing)
            await world.relays.confirm(_ACTOR, message, outgoing.attempt, "0102", ["a@example.com"])
            # And the next one after it.
            await world.execute("UPDATE deliveries SET state = 'delivered'")
            return outcomes

    await relaying(world, Fast(say())).run(await claim(world))
    assert await world.states(message) == {"a@example.com": "delivered"}
    assert [kind for kind, _ in await world.events()] == ["message.sent"]
    assert await world.value("SELECT count(*) FROM relays") == 0
    assert await world.value("SELECT jsonb_array_length(history) FROM deliveries") == 1


async def test_silence_on_a_line_that_works_proves_that_nothing_was_sent(world: World) -> None:
    message = await in_doubt(world)
    await world.relays.listening(_ACTOR)
    await later(world)
    await world.execute("UPDATE feedback_line SET up_since = now() - interval '1 day'")
    await hear_of_another(world)
    transport = Once(say())
    await again(world, relaying(world, transport))
    (outgoing,) = transport.sent
    assert (outgoing.message, outgoing.attempt) == (message, 2)
    assert outgoing.recipients[0].attempts == 2
    assert await world.states(message) == {"a@example.com": "sent"}
    assert await world.value("SELECT count(*) FROM relays") == 0


@pytest.mark.parametrize(
    "missing", ["time", "an event", "an event of a later attempt", "a listener all along"]
)
async def test_nothing_less_proves_it(world: World, missing: str) -> None:
    message = await in_doubt(world)
    if missing == "time":
        await world.execute("UPDATE deliveries SET begun_at = now() - interval '9 minutes'")
    else:
        await later(world)
    up = "1 minute" if missing == "a listener all along" else "1 day"
    await world.execute("UPDATE feedback_line SET up_since = now() - $1::text::interval", up)
    if missing == "an event of a later attempt":
        await world.execute("UPDATE feedback_line SET heard_at = now() - interval '13 hours'")
    elif missing != "an event":
        await hear_of_another(world)
    transport = Once()
    verdict = await again(world, relaying(world, transport))
    assert transport.sent == []
    assert verdict.delay_s == pytest.approx(60 if missing == "time" else 150, abs=2)
    assert await world.states(message) == {"a@example.com": "sending"}


async def test_a_break_in_listening_begins_a_new_period(world: World) -> None:
    await world.relays.listening(_ACTOR)
    first = await world.value("SELECT up_since FROM feedback_line")
    await world.execute("UPDATE feedback_line SET up_at = now() - interval '20 seconds'")
    await world.relays.listening(_ACTOR)
    assert await world.value("SELECT up_since FROM feedback_line") == first
    await world.execute("UPDATE feedback_line SET up_at = now() - interval '40 seconds'")
    await world.relays.listening(_ACTOR)
    assert await world.value("SELECT up_since FROM feedback_line") > first


async def test_an_operator_may_want_it_sent_again_without_proof(world: World) -> None:
    message = await in_doubt(world)
    transport = Once(say())
    work = relaying(world, transport, Doubts(resend="always"))
    await again(world, work)
    assert transport.sent == []
    await later(world)
    await again(world, work)
    assert [outgoing.attempt for outgoing in transport.sent] == [2]
    assert await world.states(message) == {"a@example.com": "sent"}


@pytest.mark.parametrize(
    ("doubts", "pause"),
    [(Doubts(resend="never", patience_s=0), "11 minutes"), (Doubts(), "73 hours")],
)
async def test_what_stays_in_doubt_is_given_up_and_told(
    world: World, doubts: Doubts, pause: str
) -> None:
    message = await in_doubt(world)
    transport = Once()
    work = relaying(world, transport, doubts)
    await again(world, work)
    assert await world.states(message) == {"a@example.com": "sending"}
    await later(world, pause)
    assert await again(world, work) == Settled()
    assert transport.sent == []
    assert await world.states(message) == {"a@example.com": "failed"}
    ((_, bounced),) = await world.events("message.bounced")
    assert "may have been sent" in bounced["bounced_recipients"][0]["diagnostic_code"]
    # The sender is told by mail too.
    assert await world.value("SELECT count(*) FROM jobs WHERE kind = 'report'") == 1
    assert await world.value("SELECT count(*) FROM relays") == 0


async def test_each_recipient_has_an_outcome_of_its_own(world: World) -> None:
    message = await world.send("a@example.com", "b@example.com", "c@example.com")
    transport = Once(say(a="sending", b="deferred"), say())
    work = relaying(world, transport)
    verdict = await work.run(await claim(world))
    assert isinstance(verdict, Settled)
    # The deferred one comes first.
    assert verdict.delay_s == pytest.approx(60, abs=1)
    await again(world, work)
    assert [one.address for one in transport.sent[1].recipients] == ["b@example.com"]
    expected = {"a@example.com": "sending", "b@example.com": "sent", "c@example.com": "sent"}
    assert await world.states(message) == expected
    assert await world.relays.confirm(_ACTOR, message, 1, "0102", ["a@example.com"])
    assert await world.states(message) == expected | {"a@example.com": "sent"}
    # One of three was told before.
    assert [kind for kind, _ in await world.events("message.sent")] == ["message.sent"]


async def test_an_outcome_that_comes_too_late_changes_nothing(world: World) -> None:
    """A worker that slept through its lease must not undo what happened meanwhile."""
    message = await world.send("a@example.com")
    held: list[RelayWork] = []

    class Slow(Once):
        async def send(self, outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
            await later(world)
            await world.due()
            await held[0].run(await claim(world))
            return (RecipientOutcome("a@example.com", "deferred", "4.3.2", "no"),)

    second = Once(say(a="sending"))
    held.append(relaying(world, second, Doubts(resend="always")))
    await relaying(world, Slow()).run(await claim(world))
    assert second.sent[0].attempt == 2
    assert await world.states(message) == {"a@example.com": "sending"}
    assert await world.value("SELECT attempts FROM deliveries") == 2


async def test_an_event_about_an_earlier_attempt_ends_further_ones(world: World) -> None:
    """SES had taken it after all, and was asked again: there is no third time."""
    message = await in_doubt(world)
    await later(world)
    await again(world, relaying(world, Once(say(a="deferred")), Doubts(resend="always")))
    assert await world.relays.confirm(_ACTOR, message, 1, "0102", ["a@example.com"])
    transport = Once()
    await again(world, relaying(world, transport))
    assert transport.sent == []
    assert await world.states(message) == {"a@example.com": "sent"}


async def test_an_event_about_a_later_attempt_than_ours_is_not_believed(world: World) -> None:
    message = await in_doubt(world)
    assert not await world.relays.confirm(_ACTOR, message, 2, "0102", ["a@example.com"])
    assert not await world.relays.confirm(_ACTOR, message, 1, "0102", ["b@example.com"])
    unknown = MessageId("msg_01JQ8X5K2M3N4P5R6S7T8V9W00")
    assert not await world.relays.confirm(_ACTOR, unknown, 1, "0102", ["a@example.com"])
    assert await world.states(message) == {"a@example.com": "sending"}
    assert await world.events() == []


async def test_an_event_names_a_domain_as_the_wire_does(world: World) -> None:
    message = await world.send("a@b\u00fccher.example")
    await relaying(world, Once(say(a="sending"))).run(await claim(world))
    told = ["a@xn--bcher-kva.example"]
    assert await world.relays.confirm(_ACTOR, message, 1, "0102", told)
    assert await world.states(message) == {"a@b\u00fccher.example": "sent"}


async def test_an_outcome_that_is_known_is_not_undone_by_an_event(world: World) -> None:
    message = await world.send("a@example.com", "b@example.com")
    await relaying(world, Once(say(a="rejected"))).run(await claim(world))
    everybody = ["a@example.com", "b@example.com"]
    assert not await world.relays.confirm(_ACTOR, message, 1, "0102", everybody)
    assert await world.states(message) == {"a@example.com": "rejected", "b@example.com": "sent"}


async def test_a_doubt_of_one_transport_is_not_sent_by_another(world: World) -> None:
    message = await in_doubt(world)
    ses, smtp = Once(), Scripted()
    await again(world, relaying(world, smtp, others=(ses,)))
    assert (ses.sent, smtp.sent) == ([], [])
    assert await world.states(message) == {"a@example.com": "sending"}


@pytest.mark.proves("R46")
async def test_an_environment_may_have_a_transport_of_its_own(world: World) -> None:
    ses, smtp = Once(say(), say()), Scripted(say())
    work = relaying(world, ses, others=(smtp,))
    for relay, transport in ((None, ses), ("smtp", smtp), ("ses", ses)):
        await world.execute("UPDATE environments SET relay = $1", relay)
        before = len(transport.sent)
        message = await world.send("a@example.com")
        await work.run(await claim(world))
        assert len(transport.sent) == before + 1
        assert transport.sent[-1].relay == transport.name
        assert await world.states(message) == {"a@example.com": "sent"}
    assert [data["provider"] for _, data in await world.events()] == ["ses", "smtp", "ses"]


async def test_a_test_environment_never_leaves_the_machine(world: World) -> None:
    await world.execute("UPDATE environments SET kind = 'test', relay = 'ses'")
    message = await world.send("a@example.com")
    ses = Once()
    await relaying(world, ses).run(await claim(world))
    assert ses.sent == []
    assert await world.states(message) == {"a@example.com": "delivered"}


async def test_a_transport_that_is_not_set_up_is_waited_for(world: World) -> None:
    await world.execute("UPDATE environments SET relay = 'smtp'")
    message = await world.send("a@example.com")
    ses = Once()
    verdict = await relaying(world, ses).run(await claim(world))
    assert isinstance(verdict, Settled)
    assert verdict.delay_s == pytest.approx(60, abs=1)
    assert ses.sent == []
    assert await world.states(message) == {"a@example.com": "deferred"}
    # It was not sent: no doubt remains when the environment chooses another.
    await world.execute("UPDATE environments SET relay = NULL")
    ses.script.append(say())
    await again(world, relaying(world, ses))
    assert await world.states(message) == {"a@example.com": "sent"}


async def test_mail_leaves_with_a_signature(world: World) -> None:
    async def sign(outgoing: Outgoing) -> bytes:
        assert b"Bcc" not in outgoing.octets
        return b"DKIM-Signature: x\r\n" + outgoing.octets

    await world.send("a@example.com")
    ses = Once(say())
    work = RelayWork(world.relays, Ways(ses, Simulator(_nowhere)), "own.example", sign=sign)
    await work.run(await claim(world))
    assert ses.sent[0].octets.startswith(b"DKIM-Signature: x\r\nFrom: ")


async def test_a_message_that_cannot_be_signed_waits_and_is_not_in_doubt(world: World) -> None:
    async def sign(_: Outgoing) -> bytes:
        raise OSError("the key is away")

    message = await world.send("a@example.com")
    ses = Once()
    work = RelayWork(world.relays, Ways(ses, Simulator(_nowhere)), "own.example", sign=sign)
    await work.run(await claim(world))
    assert ses.sent == []
    assert await world.states(message) == {"a@example.com": "deferred"}


async def test_a_message_deleted_while_in_doubt_is_settled_too(world: World) -> None:
    message = await in_doubt(world)
    await world.messages.delete(_ACTOR, message, permanent=True)
    assert await world.relays.confirm(_ACTOR, message, 1, "0102", ["a@example.com"])
    await again(world, relaying(world, Once()))
    for table in ("jobs", "relays", "deliveries", "blobs"):
        assert await world.value(f"SELECT count(*) FROM {table}") == 0


async def test_the_three_days_end_what_is_deferred_beside_a_doubt(world: World) -> None:
    message = await world.send("a@example.com", "b@example.com")
    await world.execute("UPDATE relays SET created_at = now() - $1::interval", timedelta(days=3))
    work = relaying(world, Once(say(a="sending", b="deferred")))
    verdict = await work.run(await claim(world))
    assert isinstance(verdict, Settled)
    assert verdict.delay_s == pytest.approx(600, abs=1)
    assert await world.states(message) == {"a@example.com": "sending", "b@example.com": "failed"}


async def test_a_worker_that_slept_since_it_began_does_not_send(world: World) -> None:
    """By now another may have: the attempt has no call."""
    message = await world.send("a@example.com")
    transport = Once()
    work = relaying(world, transport, Doubts(wait_s=0.8))
    begin = work._begin

    async def slowly(one: MessageId) -> Outgoing | None:
        outgoing = await begin(one)
        await trio.sleep(0.15)
        return outgoing

    work._begin = slowly  # type: ignore[assignment]
    await work.run(await claim(world))
    assert transport.sent == []
    assert await world.states(message) == {"a@example.com": "deferred"}
