"""Telling webhooks (R108, R109): signed, in time, again after failures, and never by mistake."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix
import trio
from svix.webhooks import WebhookVerificationError

from agentpost import clock
from agentpost.client import SignatureInvalid
from agentpost.client._signatures import verify
from agentpost.events.bus import Bus
from agentpost.ids import EnvironmentId, EventId, InboxId, MessageId, new_id
from agentpost.jobs.attempting import Attempting, retry_after
from agentpost.jobs.posting import Posting
from agentpost.jobs.webhook import WebhookWork
from agentpost.limits import WebhookLimits
from agentpost.mail.telling import Telling
from agentpost.mime.summary import summarise
from agentpost.model.actor import SCOPES, Actor, Scope, system_actor, widen
from agentpost.model.inbox import Inbox
from agentpost.model.job import Done
from agentpost.model.message import Arrival
from agentpost.model.page import PageRequest
from agentpost.model.webhook import Due, Outcome, Webhook, WebhookDelivery, Window
from agentpost.net.egress import Address, Egress
from agentpost.net.networks import networks
from agentpost.store.depositing import Deposit
from agentpost.store.inboxes import InboxRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.webhook_queue import WebhookQueue
from agentpost.store.webhooks import WebhookChange, WebhookRequest, Webhooks
from tests.http.resources.conftest import SETTINGS, letter
from tests.jobs.receiver import Receiver, Request, answer, receiving

QUICK = WebhookLimits(poll_s=0.05, rest_s=0.05, pauses_s=(0.01,) * 8)
LOOPBACK = networks(("127.0.0.1/32",))
ACTOR = system_actor("webhooks")
_SOAK = os.environ.get("AGENTPOST_TEST_PROFILE") == "soak"


async def nowhere(host: str) -> tuple[Address, ...]:
    raise AssertionError(f"{host} was looked up")


@dataclass
class House:
    """A store, an organization in it, and workers that tell its webhooks."""

    store: Store
    actor: Actor
    inbox: Inbox
    bus: Bus
    lookup: Callable[[str], Awaitable[tuple[Address, ...]]] = nowhere
    limits: WebhookLimits = QUICK
    workers: list[trio.CancelScope] = field(default_factory=list)

    async def hook(self, url: str, **wanted: Any) -> Webhook:
        wanted.setdefault("event_types", ("*",))
        many = replace(self.limits, max_webhooks=1_000)
        webhooks = Webhooks(self.store.door, SETTINGS, self.store.committed.tell_queued, many)
        made, _ = await webhooks.create(self.actor, WebhookRequest(url, **wanted))
        return made

    async def arrive(self, octets: bytes) -> MessageId:
        """A message comes, as from another server."""
        message = MessageId(new_id("msg"))
        arrival = Arrival(
            organization=self.inbox.organization,
            inbox=self.inbox.id,
            message=message,
            direction="inbound",
            source="smtp",
            state="received",
            role="inbox",
            events=("message.received",),
        )
        where = Scope(self.inbox.organization, self.inbox.environment, self.inbox.id)
        deposit = Deposit(octets, summarise(octets), (arrival,))
        await self.store.messages.deposit(ACTOR, None, where, deposit)
        return message

    def queue(self) -> WebhookQueue:
        return WebhookQueue(self.store.door, SETTINGS, self.limits)

    def posting(self) -> Posting:
        telling = Telling(self.store.events, self.store.messages)
        egress = Egress(self.lookup, LOOPBACK)
        attempting = Attempting(telling, egress, self.limits, random.random)
        return Posting(self.queue(), attempting, lambda: self.bus.watch(None), self.limits)

    async def work(
        self, task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """A worker, until its scope is cancelled."""
        posting = self.posting()
        self.store.committed.queued.append(posting.wake)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                for task in posting.tasks():
                    nursery.start_soon(task)
                task_status.started(scope)

    async def happen(
        self, count: int = 1, kind: str = "message.deferred", **at: Any
    ) -> list[EventId]:
        """Write events; nobody is woken."""
        ids = [EventId(new_id("evt")) for _ in range(count)]
        await self.store.database.run(
            "*",
            lambda c: c.execute(
                "INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)"
                " SELECT $2, i, $3, $4, $5, '{\"n\": 1}' FROM unnest($1::text[]) AS i",
                ids,
                at.get("environment", self.actor.environment),
                self.actor.organization,
                at.get("inbox", self.inbox.id),
                kind,
            ),
        )
        self.bus.committed_alone(self.inbox.id)
        return ids

    async def execute(self, sql: str, *arguments: object) -> None:
        await self.store.database.run("*", lambda c: c.execute(sql, *arguments))

    async def deliveries(self, webhook: Webhook) -> list[WebhookDelivery]:
        page = PageRequest(limit=100, descending=False)
        return list((await self.store.webhook_log.page(self.actor, webhook.id, page)).rows)

    async def until(self, claim: Callable[[], Awaitable[bool]]) -> None:
        with trio.fail_after(20):
            while not await claim():
                await trio.sleep(0.01)

    async def settled(self, webhook: Webhook, count: int = 1) -> list[WebhookDelivery]:
        """The deliveries of a webhook, when so many have ended and none waits."""
        found: list[WebhookDelivery] = []

        async def ended() -> bool:
            found[:] = await self.deliveries(webhook)
            return len(found) >= count and all(one.state != "pending" for one in found)

        await self.until(ended)
        return found

    async def attempted(self, webhook: Webhook, attempts: int = 1) -> WebhookDelivery:
        """The one delivery of a webhook, when it has been tried so often."""
        found: list[WebhookDelivery] = []

        async def tried() -> bool:
            found[:] = await self.deliveries(webhook)
            return bool(found) and found[0].attempts >= attempts

        await self.until(tried)
        return found[0]


@asynccontextmanager
async def open_house(database_url: str, blobs: Path) -> AsyncIterator[House]:
    async with open_store(database_url, blobs, SETTINGS, alone=True) as store:
        organization, environment = await store.organizations.create(
            system_actor(), "Acme", "acme", "enterprise"
        )
        actor = Actor(organization.id, "key_x", widen(SCOPES), environment=environment.id)
        made, _ = await store.inboxes.create(actor, InboxRequest("agent"))
        bus = Bus()
        store.committed.listeners.append(bus.committed_alone)
        yield House(store, actor, made.inbox, bus)


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(database_url, tmp_path / "blobs") as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def working(house: House, nursery: trio.Nursery) -> House:
    await nursery.start(house.work)
    return house


def by_standard(request: Request, secret: str) -> None:
    standardwebhooks.Webhook(secret).verify(request.body, request.fields)


def by_svix(request: Request, secret: str) -> None:
    fields = {name: value for name, value in request.fields.items() if name.startswith("svix-")}
    svix.Webhook(secret).verify(request.body, fields)


def by_ours(request: Request, secret: str) -> None:
    fields = {n: v for n, v in request.fields.items() if n.startswith("x-agentpost-")}
    verify(request.body, fields, secret)


VERIFIERS = (by_standard, by_svix, by_ours)
REFUSALS = (
    standardwebhooks.WebhookVerificationError,
    WebhookVerificationError,
    SignatureInvalid,
)


@pytest.mark.proves("R108", "R109")
async def test_a_message_is_told_at_once_and_every_signature_is_good(
    working: House, receiver: Receiver
) -> None:
    fields = (("Authorization", "Bearer x"),)
    only = ("message.received",)
    hook = await working.hook(receiver.url("/a?b=c"), headers=fields, event_types=only)
    began = trio.current_time()
    message = await working.arrive(letter("Your code", text="It is 4711."))
    (done,) = await working.settled(hook)
    assert trio.current_time() - began < 5
    (request,) = receiver.requests
    assert request.path == "/a?b=c"
    assert request.fields["authorization"] == "Bearer x"
    assert request.fields["content-type"] == "application/json"
    assert request.fields["user-agent"].startswith("AgentPost/")
    assert request.fields["x-agentpost-event"] == "message.received"
    assert request.fields["x-agentpost-attempt"] == "1"
    assert request.fields["webhook-id"] == request.fields["svix-id"] == request.json["id"]
    assert request.json["data"]["message_id"] == message
    assert "It is 4711." in request.json["data"]["text_body"]
    for check in VERIFIERS:
        check(request, hook.secret)
        with pytest.raises(REFUSALS):
            check(replace(request, body=request.body + b" "), hook.secret)
        with pytest.raises(REFUSALS):
            check(request, "whsec_" + "A" * 44)
    assert (done.state, done.status, done.attempts) == ("succeeded", 200, 1)
    # Nothing that proves or opens anything stays in the log.
    told = json.dumps(done.request_headers)
    assert "Bearer" not in told
    assert request.fields["x-agentpost-signature"] not in told


@pytest.mark.proves("R109")
async def test_after_a_rotation_both_secrets_are_good_for_a_day(
    working: House, receiver: Receiver
) -> None:
    hook = await working.hook(receiver.url())
    rotated = await working.store.webhooks.rotate(working.actor, hook.id)
    assert rotated.secret != hook.secret
    await working.happen()
    await working.settled(hook)
    for check in VERIFIERS:
        check(receiver.requests[0], hook.secret)
        check(receiver.requests[0], rotated.secret)
    await working.execute("UPDATE webhooks SET old_secret_until = now() - interval '1 s'")
    await working.happen()
    await working.settled(hook, 2)
    for check in VERIFIERS:
        check(receiver.requests[1], rotated.secret)
        with pytest.raises(REFUSALS):
            check(receiver.requests[1], hook.secret)


async def test_payloads(working: House, receiver: Receiver) -> None:
    for payload in ("full", "thin", "agentmail"):
        only = ("message.received",)
        await working.hook(receiver.url("/" + payload), payload=payload, event_types=only)
    await working.arrive(letter("Hello", text="Good morning."))

    async def told() -> bool:
        return len(receiver.requests) == 3

    await working.until(told)
    bodies = {one.path: one.json for one in receiver.requests}
    assert bodies["/full"]["data"]["text_body"].startswith("Good morning.")
    assert bodies["/thin"]["data"]["subject"] == "Hello"
    assert "text_body" not in bodies["/thin"]["data"]
    theirs = bodies["/agentmail"]
    assert (theirs["type"], theirs["event_type"]) == ("event", "message.received")
    assert theirs["message"]["inbox_id"] == theirs["thread"]["inbox_id"] == working.inbox.address
    assert theirs["message"]["from"] == "Ada <ada@example.org>"
    assert theirs["message"]["text"].startswith("Good morning.")
    assert theirs["message"]["message_id"].startswith("<")


async def test_only_what_is_wanted_is_told(working: House, receiver: Receiver) -> None:
    other, _ = await working.store.inboxes.create(working.actor, InboxRequest("other"))
    second, _ = await working.store.environments.create(working.actor, "Second")
    await working.happen(kind="message.sent")  # Before there was a webhook.
    hooks = {
        "types": await working.hook(receiver.url("/types"), event_types=("message.sent",)),
        "inbox": await working.hook(receiver.url("/inbox"), inboxes=(other.inbox.address,)),
        "second": await working.hook(receiver.url("/second"), environments=(second.id,)),
        "seven": await working.hook(receiver.url("/seven"), event_types=()),
    }
    (sent,) = await working.happen(kind="message.sent")
    (there,) = await working.happen(inbox=other.inbox.id)
    (far,) = await working.happen(environment=second.id, inbox=None)
    for name, event in (("types", sent), ("inbox", there), ("second", far)):
        found = await working.settled(hooks[name])
        assert [one.event for one in found] == [event], name
    assert await working.deliveries(hooks["seven"]) == []


async def test_a_test_reaches_one_webhook_alone(working: House, receiver: Receiver) -> None:
    hook = await working.hook(receiver.url("/one"), event_types=("message.sent",))
    other = await working.hook(receiver.url("/other"))
    made = await working.store.webhook_log.test(working.actor, hook.id)
    (done,) = await working.settled(hook)
    assert done.id == made.id
    assert [one.path for one in receiver.requests] == ["/one"]
    assert receiver.requests[0].json["type"] == "webhook.test"
    await working.happen()
    await working.settled(other)


async def test_what_fails_comes_again_with_the_same_id_and_then_is_failed(
    working: House, receiver: Receiver
) -> None:
    receiver.says = lambda _: answer(500, "set-cookie: secret\r\nx-a: b\r\n", "no\0pe")
    hook = await working.hook(receiver.url())
    (event,) = await working.happen()
    (done,) = await working.settled(hook)
    assert (done.state, done.attempts, done.status, done.error) == ("failed", 9, 500, "status")
    assert {one.fields["webhook-id"] for one in receiver.requests} == {event}
    attempts = [one.fields["x-agentpost-attempt"] for one in receiver.requests]
    assert attempts == [str(number) for number in range(1, 10)]
    assert done.response_body == "nope"
    assert done.response_headers["x-a"] == "b"
    assert "secret" not in json.dumps(done.response_headers)
    assert len(done.history) == 9
    # Never lost: it can be tried again.
    receiver.says = lambda _: answer(204)
    await working.store.webhook_log.retry(working.actor, done.id)
    (again,) = await working.settled(hook)
    assert (again.state, again.attempts) == ("succeeded", 1)
    assert (await working.store.webhooks.get(working.actor, hook.id)).failures == 0


def test_the_pauses_are_those_of_the_contract() -> None:
    assert WebhookLimits().pauses_s == (5, 30, 120, 600, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
    attempting = Attempting(None, None, spread=lambda: 1.0)  # type: ignore[arg-type]
    due = Due("dlv_x", 0, "", None, None)  # type: ignore[arg-type]
    assert attempting._pause(due) == 6.0
    assert attempting._pause(replace(due, attempts=7)) == pytest.approx(24 * 3600 * 1.2)
    assert attempting._pause(replace(due, attempts=8)) is None
    assert attempting._pause(due, 100.0) == 100.0
    assert attempting._pause(due, 1e9) == 4 * 3600


def test_retry_after() -> None:
    soon = clock.now() + timedelta(seconds=90)
    assert retry_after("120") == 120.0
    assert 80 < retry_after(soon.strftime("%a, %d %b %Y %H:%M:%S GMT")) <= 90
    for nothing in (None, "", "soon", "-5", "1e9", "Mon, 99 Foo 2026", "\u0664", "9" * 5000):
        assert retry_after(nothing) == 0.0


async def test_retry_after_is_obeyed(working: House, receiver: Receiver) -> None:
    receiver.says = lambda _: answer(429, "retry-after: 3600\r\n")
    hook = await working.hook(receiver.url())
    await working.happen()
    tried = await working.attempted(hook)
    assert tried.run_at is not None
    assert timedelta(minutes=59) < tried.run_at - clock.now() <= timedelta(minutes=60)


async def test_a_redirect_is_a_failure(working: House, receiver: Receiver) -> None:
    receiver.says = lambda _: answer(307, f"location: {receiver.url('/elsewhere')}\r\n")
    hook = await working.hook(receiver.url())
    await working.happen()
    tried = await working.attempted(hook)
    assert (tried.status, tried.error) == (307, "status")
    assert {one.path for one in receiver.requests} == {"/hook"}


async def test_gone_disables_and_is_told(working: House, receiver: Receiver) -> None:
    async def gone(path: str) -> bytes:
        return answer(410 if path.startswith("/gone") else 200)

    receiver.says = lambda request: gone(request.path)
    watching = await working.hook(receiver.url("/watch"), event_types=("webhook.disabled",))
    hook = await working.hook(receiver.url("/gone?token=secret"), event_types=("message.sent",))
    await working.happen(kind="message.sent")
    await working.settled(watching)
    told = receiver.requests[-1].json
    assert told["type"] == "webhook.disabled"
    assert told["data"]["webhook_id"] == hook.id
    assert told["data"]["reason"] == "gone"
    assert "secret" not in json.dumps(told)
    found = await working.store.webhooks.get(working.actor, hook.id)
    assert (found.enabled, found.disabled_reason) == (False, "gone")
    # What happens meanwhile is not queued; what was queued goes on when it is enabled.
    (missed,) = await working.happen(kind="message.sent")
    receiver.says = lambda _: answer(200)
    await working.store.webhooks.enable(working.actor, hook.id)
    await working.execute("UPDATE webhook_deliveries SET run_at = now() WHERE state = 'pending'")
    (event,) = await working.happen(kind="message.sent")
    done = await working.settled(hook, 2)
    assert {one.state for one in done} == {"succeeded"}
    assert event in {one.event for one in done}
    assert missed not in {one.event for one in done}


@pytest.mark.proves("R109")
@pytest.mark.parametrize(("hours", "enabled"), [(23, True), (25, False)])
async def test_fifty_failures_in_a_row_disable_after_a_day(
    house: House, hours: int, enabled: bool
) -> None:
    hook = await house.hook("https://receiver.test/")
    queue = house.queue()
    events = await house.happen(50)
    await queue.fan_out(ACTOR)
    batch = list((await queue.due(ACTOR, hook.id, ())).deliveries)
    assert {one.event.id for one in batch if one.event} == set(events)
    failed = [Outcome(one.id, 0, False, 5.0, status=500) for one in batch]
    assert await queue.settle(ACTOR, failed[:49]) == ()
    await house.execute(
        "UPDATE webhook_queues SET failing_since = now() - make_interval(hours => $1)", hours
    )
    ended = await queue.settle(ACTOR, failed[49:])
    assert ended == (() if enabled else (hook.id,))
    found = await house.store.webhooks.get(house.actor, hook.id)
    assert (found.enabled, found.failures) == (enabled, 50)


async def test_an_outcome_that_somebody_else_has_written_counts_once(house: House) -> None:
    hook = await house.hook("https://receiver.test/")
    queue = house.queue()
    await house.happen()
    await queue.fan_out(ACTOR)
    (due,) = (await queue.due(ACTOR, hook.id, ())).deliveries
    for _ in range(2):
        await queue.settle(ACTOR, [Outcome(due.id, 0, False, 5.0, error="timeout")])
    (found,) = await house.deliveries(hook)
    assert found.attempts == 1
    assert (await house.store.webhooks.get(house.actor, hook.id)).failures == 1


async def test_ordered_by_inbox(working: House, receiver: Receiver) -> None:
    """Each inbox's events come in order and one at a time, also over failures."""
    other, _ = await working.store.inboxes.create(working.actor, InboxRequest("other"))
    failing = Counter[str]()
    busy: set[str] = set()
    told: dict[str, list[str]] = {}

    async def say(request: Request) -> bytes:
        body = request.json
        inbox, event = body["inbox_id"], body["id"]
        assert inbox not in busy, "two at once in one inbox"
        busy.add(inbox)
        await trio.sleep(0.001)
        busy.discard(inbox)
        failing[event] += 1
        if failing[event] == 1 and event[-1] in "02468ACEGJMPRTWY":
            return answer(500)
        told.setdefault(inbox, []).append(event)
        return answer(200)

    receiver.says = say
    hook = await working.hook(
        receiver.url(), ordering="inbox", inboxes=(working.inbox.id, other.inbox.id)
    )
    wanted: dict[str, list[str]] = {working.inbox.id: [], other.inbox.id: []}
    for _ in range(15):
        for inbox in wanted:
            wanted[inbox] += await working.happen(inbox=InboxId(inbox))
    await working.settled(hook, 30)
    assert told == wanted


async def test_a_window_is_replayed(working: House, receiver: Receiver) -> None:
    began = clock.now()
    hook = await working.hook(receiver.url())
    await working.happen(3)
    await working.happen(2, kind="message.sent")
    await working.settled(hook, 5)
    window = Window(began, clock.now() + timedelta(minutes=1), None)
    for types, count in ((None, 5), (("message.sent",), 2)):
        receiver.requests.clear()
        await working.store.webhook_log.replay(working.actor, hook.id, replace(window, types=types))
        (job,) = await working.store.jobs.claim(ACTOR, [("webhook", 1)], 60)
        small = replace(working, limits=replace(QUICK, replay=2))
        verdict = await WebhookWork(small.queue(), working.posting()).run(job)
        assert verdict == Done()
        await working.store.jobs.finish(ACTOR, [job])
        working.store.committed.tell_queued()

        async def told(count: int = count) -> bool:
            return len(receiver.requests) == count

        await working.until(told)
        await working.settled(hook, 5)
    ids = {one.json["id"] for one in receiver.requests}
    assert ids < {one.event for one in await working.deliveries(hook)}


async def test_an_event_is_told_again(working: House, receiver: Receiver) -> None:
    hook = await working.hook(receiver.url())
    (event,) = await working.happen()
    await working.settled(hook)
    (queued,) = await working.store.webhook_log.redeliver(working.actor, event)
    assert queued.event == event

    async def twice() -> bool:
        return len(receiver.requests) == 2

    await working.until(twice)
    assert {one.fields["webhook-id"] for one in receiver.requests} == {event}


async def test_names_are_checked_at_each_delivery(house: House, nursery: trio.Nursery) -> None:
    """R03.21, R03.28, R03.29 of the attacks: what a name leads to decides, every time."""
    asked: list[str] = []

    async def lookup(host: str) -> tuple[Address, ...]:
        asked.append(host)
        return {
            "rebind.test": (ip_address("10.0.0.1"),),
            "mixed.test": (ip_address("9.9.9.9"), ip_address("::1")),
            "metadata.google.internal": (ip_address("169.254.169.254"),),
            "nat64.test": (ip_address("64:ff9b::a00:1"),),
        }[host]

    house.lookup = lookup
    house.limits = replace(QUICK, pauses_s=(3600.0,))
    await nursery.start(house.work)
    for host in ("rebind.test", "mixed.test", "metadata.google.internal", "nat64.test"):
        hook = await house.hook(f"http://{host}/")
        await house.happen()
        tried = await house.attempted(hook)
        assert (tried.error, tried.took_ms, tried.status) == ("address_refused", None, None), host
        await house.store.webhooks.delete(house.actor, hook.id)


async def test_a_receiver_that_hangs_ends_in_time(house: House, receiver: Receiver) -> None:
    async def hang() -> bytes:
        await trio.sleep(60)
        return b""

    egress = Egress(nowhere, LOOPBACK)
    telling = Telling(house.store.events, house.store.messages)
    receiver.says = lambda _: hang()
    hook = replace(await house.hook(receiver.url()), timeout_s=0)
    hook = replace(hook, timeout_s=0.05)  # type: ignore[arg-type]
    await house.happen()
    queue = house.queue()
    await queue.fan_out(ACTOR)
    (due,) = (await queue.due(ACTOR, hook.id, ())).deliveries
    outcome = await Attempting(telling, egress).attempt(hook, due)
    assert (outcome.ok, outcome.error) == (False, "timeout")


async def test_receivers_that_hang_delay_nobody_else(
    house: House, receiver: Receiver, nursery: trio.Nursery
) -> None:
    """A hundred that never answer, and one that does (R04.01 of the attacks)."""

    async def say(path: str) -> bytes:
        if path == "/hang":
            await trio.sleep_forever()
        return answer(200)

    receiver.says = lambda request: say(request.path)
    await nursery.start(house.work)
    for _ in range(100):
        await house.hook(receiver.url("/hang"))
    healthy = await house.hook(receiver.url("/healthy"))
    await house.happen(20)
    with trio.fail_after(10):
        while receiver.open < 100:
            await trio.sleep(0.01)
    delays = []
    for _ in range(40):
        began = trio.current_time()
        seen = sum(one.path == "/healthy" for one in receiver.requests)
        await house.happen()
        with trio.fail_after(10):
            while sum(one.path == "/healthy" for one in receiver.requests) <= seen:
                await trio.sleep(0.005)
        delays.append(trio.current_time() - began)
    assert max(delays) < 2.0
    await house.settled(healthy, 60)


async def test_what_nobody_wants_costs_no_row(working: House) -> None:
    found = await working.queue().fan_out(ACTOR)
    assert found.idle
    await working.happen(10)
    count = await working.store.database.run(
        "*", lambda c: c.value("SELECT count(*) FROM webhook_deliveries")
    )
    assert count == 0


async def test_an_older_transaction_that_ends_late_loses_nothing(
    working: House, receiver: Receiver, database_url: str
) -> None:
    """Events become visible in the order of their seq, also that of a slow transaction."""

    hook = await working.hook(receiver.url())
    late = new_id("evt")

    async def slow(connection: Any) -> None:
        await connection.execute(
            "INSERT INTO events (environment_id, id, organization_id, inbox_id, type, data)"
            " VALUES ($1, $2, $3, $4, 'message.sent', '{}')",
            working.actor.environment,
            late,
            working.actor.organization,
            working.inbox.id,
        )
        await connection.rows("SELECT pg_sleep(0.4)")

    async with trio.open_nursery() as nursery:

        async def run() -> None:
            await working.store.database.run("*", slow, atomic=True)

        nursery.start_soon(run)
        await trio.sleep(0.1)
        (early,) = await working.happen()
    done = await working.settled(hook, 2)
    assert {one.event for one in done} == {late, early}


async def test_environments_take_their_webhooks_with_them(house: House) -> None:
    second, _ = await house.store.environments.create(house.actor, "Second")
    there = replace(house.actor, environment=EnvironmentId(second.id))
    await house.store.webhooks.create(there, WebhookRequest("https://receiver.test/"))
    await house.store.environments.delete(house.actor, second.id)
    left = await house.store.database.run("*", lambda c: c.value("SELECT count(*) FROM webhooks"))
    assert left == 0


async def test_secrets_are_sealed(house: House) -> None:
    hook = await house.hook("https://receiver.test/", headers=(("X-Token", "hidden-token"),))
    row = await house.store.database.run(
        "*", lambda c: c.row("SELECT secret, headers FROM webhooks WHERE id = $1", hook.id)
    )
    assert row is not None
    assert hook.secret.encode() not in row["secret"]
    assert b"hidden-token" not in row["headers"]
    assert "hidden-token" not in repr(hook)
    assert hook.secret not in repr(hook)


async def test_a_paused_webhook_keeps_what_is_queued(working: House, receiver: Receiver) -> None:
    receiver.says = lambda _: answer(500, "retry-after: 100\r\n")
    hook = await working.hook(receiver.url())
    await working.happen()
    await working.attempted(hook)
    change = WebhookChange(enabled=False)
    paused = await working.store.webhooks.update(working.actor, hook.id, change)
    assert (paused.enabled, paused.disabled_reason) == (False, "paused")
    (kept,) = await working.deliveries(hook)
    assert kept.state == "pending"


@pytest.mark.proves("R108")
async def test_none_is_lost_over_failures_and_deaths_of_workers(
    house: House, receiver: Receiver, nursery: trio.Nursery
) -> None:
    """Receivers that fail three times in ten, workers that die: each event arrives, and what
    comes twice has the same id."""
    total = 10_000 if _SOAK else 200
    house.limits = replace(QUICK, lease_s=0.6, pauses_s=(0.01,) * 30)
    chance = random.Random(7)
    accepted: Counter[str] = Counter()

    def say(request: Request) -> bytes:
        if chance.random() < 0.3:
            return answer(chance.choice([500, 503, 302]))
        assert request.fields["webhook-id"] == request.json["id"]
        accepted[request.json["id"]] += 1
        return answer(200)

    receiver.says = say
    hooks = [await house.hook(receiver.url(f"/{n}")) for n in range(3)]
    happened: set[str] = set()
    workers = [await nursery.start(_dying, house), await nursery.start(_dying, house)]
    for _ in range(total // 10):
        happened |= set(await house.happen(10))
        if chance.random() < 0.3:
            workers.pop(0).cancel()
            workers.append(await nursery.start(_dying, house))
        await trio.sleep(0.01)
    open_ = -1
    with trio.fail_after(900 if _SOAK else 60):
        while open_ != 0:
            await trio.sleep(0.1)
            open_ = await house.store.database.run(
                "*",
                lambda c: c.value(
                    "SELECT (SELECT count(*) FROM events WHERE type = 'message.deferred') * $1"
                    " - count(*) FROM webhook_deliveries WHERE state = 'succeeded'",
                    len(hooks),
                ),
            )
    assert set(accepted) == happened
    assert min(accepted.values()) >= len(hooks)


async def _dying(
    house: House, task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED
) -> None:
    """A worker whose death gives nothing back: its leases have to end."""
    posting = house.posting()

    async def dead(*_: object) -> None:
        return None

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            for task in posting.tasks():
                nursery.start_soon(task)
            task_status.started(scope)
            try:
                await trio.sleep_forever()
            finally:
                posting._queue.release = dead  # type: ignore[method-assign, assignment]
