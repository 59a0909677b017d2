"""Relaying: what is committed before and after, and what survives faults."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest
import trio

from agentpost.jobs.relay import RelayWork
from agentpost.limits import RelayLimits
from agentpost.mail.relay import Ways
from agentpost.mail.transports.simulator import Simulator
from agentpost.model.actor import system_actor
from agentpost.model.job import Done, GivenUp, Job, Settled
from agentpost.model.relay import Outgoing, RecipientOutcome
from tests.jobs.world import World


class Scripted:
    """A transport that does as it is told, and remembers."""

    name = "smtp"
    once = False

    def __init__(self, *script: Callable[[Outgoing], tuple[RecipientOutcome, ...]]) -> None:
        self.script = list(script)
        self.sent: list[Outgoing] = []

    async def send(self, outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
        await trio.lowlevel.checkpoint()
        self.sent.append(outgoing)
        return self.script.pop(0)(outgoing)

    async def settled(self, outgoing: Outgoing, outcomes: Sequence[RecipientOutcome]) -> None:
        pass

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return ()


def say(**states: str) -> Callable[[Outgoing], tuple[RecipientOutcome, ...]]:
    """Outcomes by the recipients' local parts; others are sent."""

    def outcomes(outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
        found = []
        for one in outgoing.recipients:
            state = states.get(one.address.partition("@")[0], "sent")
            found.append(RecipientOutcome(one.address, state, "2.0.0", f"smtp; {state}"))  # type: ignore[arg-type]
        return tuple(found)

    return outcomes


def fail(_: Outgoing) -> tuple[RecipientOutcome, ...]:
    raise RuntimeError("a fault of ours")


def relaying(world: World, transport: Scripted, **limits: float) -> RelayWork:
    ways = Ways(transport, Simulator(_nowhere))
    return RelayWork(
        world.relays,
        ways,
        "agentpost.localhost",
        RelayLimits(**limits),  # type: ignore[arg-type]
        spread=lambda: 0.5,
    )


async def _nowhere(inbox: str, octets: bytes) -> None:
    raise AssertionError("nothing is delivered here")


async def claim(world: World) -> Job:
    (job,) = await world.jobs.claim(system_actor(), [("relay", 10)], 60)
    return job


async def test_octets_leave_without_what_is_private(world: World) -> None:
    message = await world.send("a@example.com")
    transport = Scripted(say())
    assert await relaying(world, transport).run(await claim(world)) == Settled()
    (outgoing,) = transport.sent
    assert outgoing.message == message
    assert outgoing.reverse_path == world.address
    assert b"Bcc" not in outgoing.octets
    assert b"X-AgentPost" not in outgoing.octets
    assert outgoing.octets.endswith(b"\r\n\r\nThe body.\r\n")


async def test_success_writes_everything_and_ends_the_job(world: World) -> None:
    message = await world.send("a@example.com", "b@example.com")
    world.woken.clear()
    await relaying(world, Scripted(say(b="delivered"))).run(await claim(world))
    assert await world.states(message) == {"a@example.com": "sent", "b@example.com": "delivered"}
    assert await world.value("SELECT state FROM messages WHERE id = $1", message) == "sent"
    assert await world.value("SELECT count(*) FROM jobs WHERE kind = 'relay'") == 0
    assert await world.value("SELECT count(*) FROM relays") == 0
    assert [kind for kind, _ in await world.events()] == ["message.sent", "message.delivered"]
    assert world.woken == [world.inbox]
    (_, sent), (_, delivered) = await world.events()
    assert sent["message_id"] == message
    assert sent["thread_id"].startswith("thr_")
    assert sent["provider"] == "smtp"
    assert delivered["recipients"] == ["b@example.com"]
    history = await world.value("SELECT history ->> 0 FROM deliveries WHERE recipient ~ '^a'")
    assert '"sent"' in history


async def test_sending_is_committed_before_anything_is_sent(world: World) -> None:
    message = await world.send("a@example.com")
    seen: list[dict[str, str]] = []

    class Looking(Scripted):
        async def send(self, outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
            seen.append(await world.states(message))
            return await super().send(outgoing)

    await relaying(world, Looking(say())).run(await claim(world))
    assert seen == [{"a@example.com": "sending"}]


async def test_deferred_recipients_alone_are_tried_again(world: World) -> None:
    message = await world.send("a@example.com", "b@example.com")
    transport = Scripted(say(b="deferred"), say())
    work = relaying(world, transport)
    verdict = await work.run(await claim(world))
    assert isinstance(verdict, Settled)
    assert verdict.delay_s == pytest.approx(60, abs=1)
    assert await world.states(message) == {"a@example.com": "sent", "b@example.com": "deferred"}
    assert await world.jobs.claim(system_actor(), [("relay", 10)], 60) == ()
    await world.due()
    await work.run(await claim(world))
    assert [one.address for one in transport.sent[1].recipients] == ["b@example.com"]
    assert transport.sent[1].octets == transport.sent[0].octets
    assert await world.states(message) == {"a@example.com": "sent", "b@example.com": "sent"}
    kinds = [kind for kind, _ in await world.events()]
    assert kinds == ["message.sent", "message.deferred"]
    assert await world.value("SELECT count(*) FROM jobs WHERE kind = 'relay'") == 0


async def test_pauses_grow_and_end(world: World) -> None:
    await world.send("a@example.com")
    work = relaying(world, Scripted(*[say(a="deferred")] * 9))
    delays = []
    for _ in range(9):
        verdict = await work.run(await claim(world))
        assert isinstance(verdict, Settled)
        delays.append(round(verdict.delay_s or 0))
        await world.due()
    assert delays == [60, 120, 240, 480, 960, 1920, 3840, 7200, 7200]


async def test_after_three_days_it_fails_and_bounces(world: World) -> None:
    message = await world.send("a@example.com", "b@example.com")
    work = relaying(world, Scripted(say(a="deferred")))
    await world.execute("UPDATE relays SET created_at = now() - $1::interval", timedelta(days=3))
    assert await work.run(await claim(world)) == Settled()
    assert await world.states(message) == {"a@example.com": "failed", "b@example.com": "sent"}
    ((_, bounced),) = await world.events("message.bounced")
    assert bounced["bounce_type"] == "transient"
    assert bounced["bounce_sub_type"] == "expired"
    assert bounced["bounced_recipients"][0]["status"] == "5.4.7"
    assert await world.value("SELECT count(*) FROM jobs WHERE kind = 'relay'") == 0


async def test_a_refusal_is_told_as_a_bounce(world: World) -> None:
    message = await world.send("a@example.com", "b@example.com")
    await relaying(world, Scripted(say(a="bounced", b="rejected"))).run(await claim(world))
    assert await world.value("SELECT state FROM messages WHERE id = $1", message) == "bounced"
    assert [kind for kind, _ in await world.events()] == ["message.bounced", "message.rejected"]


async def test_a_transport_that_raises_loses_nothing(world: World) -> None:
    message = await world.send("a@example.com")
    work = relaying(world, Scripted(fail, say()))
    await work.run(await claim(world))
    assert await world.states(message) == {"a@example.com": "deferred"}
    await world.due()
    await work.run(await claim(world))
    assert await world.states(message) == {"a@example.com": "sent"}


async def test_a_crash_between_sending_and_outcome_repeats_the_message(world: World) -> None:
    message = await world.send("a@example.com")
    transport = Scripted(say(), say())
    work = relaying(world, transport)

    async def crash(*_: object) -> None:
        raise KeyboardInterrupt

    work._settle = crash  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        await work.run(await claim(world))
    assert await world.states(message) == {"a@example.com": "sending"}
    # Nobody renews the lease of the dead worker's job.
    await world.due()
    await relaying(world, transport).run(await claim(world))
    assert await world.states(message) == {"a@example.com": "sent"}
    first, second = transport.sent
    assert first.octets == second.octets
    assert second.recipients[0].attempts == 2


async def test_a_message_deleted_meanwhile_is_still_sent(world: World) -> None:
    message = await world.send("a@example.com")
    await world.messages.delete(system_actor(), message, permanent=True)
    assert await world.value("SELECT count(*) FROM messages") == 0
    transport = Scripted(say())
    await relaying(world, transport).run(await claim(world))
    assert len(transport.sent) == 1
    assert transport.sent[0].thread is None
    for table in ("jobs", "relays", "deliveries", "blobs"):
        assert await world.value(f"SELECT count(*) FROM {table}") == 0


async def test_large_octets_come_from_their_file(world: World) -> None:
    octets = b"From: a@b.example\r\n\r\n" + b"x" * 70 + b"\r\n" + b"y" * 300_000 + b"\r\n"
    await world.send("a@example.com", octets=octets)
    transport = Scripted(say())
    await relaying(world, transport).run(await claim(world))
    assert transport.sent[0].octets.endswith(octets.partition(b"\r\n\r\n")[2])


async def test_what_is_missing_is_added_alike_at_each_attempt(world: World) -> None:
    await world.send("a@example.com", octets=b"From: a@b.example\r\n\r\nhi\r\n")
    transport = Scripted(say(a="deferred"), say())
    work = relaying(world, transport)
    await work.run(await claim(world))
    await world.due()
    await work.run(await claim(world))
    first, second = transport.sent
    assert first.octets == second.octets
    assert b"Date: " in first.octets
    assert b"@agentpost.localhost>\r\n" in first.octets


async def test_a_job_without_its_relay_is_done(world: World) -> None:
    await world.send("a@example.com")
    await world.execute("DELETE FROM relays")
    assert await relaying(world, Scripted()).run(await claim(world)) == Done()


async def test_a_job_that_names_nothing_is_given_up(world: World) -> None:
    await world.jobs.add(system_actor(), "relay", {})
    assert isinstance(await relaying(world, Scripted()).run(await claim(world)), GivenUp)


async def test_many_at_once_are_settled_together(world: World) -> None:
    messages = [await world.send("a@example.com", "b@example.com") for _ in range(20)]
    work = relaying(world, Scripted(*[say(b="bounced")] * 20))
    jobs = await world.jobs.claim(system_actor(), [("relay", 50)], 60)
    async with trio.open_nursery() as nursery:
        for job in jobs:
            nursery.start_soon(work.run, job)
    for message in messages:
        assert await world.states(message) == {"a@example.com": "sent", "b@example.com": "bounced"}
    assert len(await world.events("message.bounced")) == 20
    assert await world.value("SELECT count(*) FROM jobs WHERE kind = 'relay'") == 0


async def test_a_second_settlement_of_the_same_relay_has_no_effect(world: World) -> None:
    message = await world.send("a@example.com")
    job = await claim(world)
    slow, fast = relaying(world, Scripted(say(a="bounced"))), relaying(world, Scripted(say()))
    await fast.run(job)

    outgoing = Outgoing(
        message,
        world.where.organization,
        world.where.environment,  # type: ignore[arg-type]
        world.inbox,
        None,
        False,
        "",
        (),
        b"",
        job.created_at,
    )

    async def found(_: object) -> Outgoing:
        return outgoing

    slow._begin = found  # type: ignore[assignment]
    await slow.run(job)
    assert await world.states(message) == {"a@example.com": "sent"}
    assert [kind for kind, _ in await world.events()] == ["message.sent"]
