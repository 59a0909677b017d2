"""Polling webhooks: made with AgentMail's SDK, read with Svix's, neither of them changed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import trio
from agentmail.core.api_error import ApiError
from agentmail.events.types import DomainVerifiedEvent, MessageReceivedEvent
from svix import AutoConfigConsumer
from svix.api.errors.http_error import HttpError
from svix.api.errors.http_validation_error import HTTPValidationError
from svix.api_internal.message_pollerv2 import MessagePollerv2ConsumerPollOptions as Options
from svix.models import SinkInCommon, StartingPosition

from agentpost.ids import EnvironmentId, InboxId
from agentpost.model.inbox import Inbox
from agentpost.store.inboxes import InboxRequest
from agentpost.store.keys import KeyChange
from tests.http.compat.conftest import Sdk
from tests.http.resources.conftest import Api, Caller, Tenant, deliver, letter, write_event
from tests.http.resources.test_domains import publish

T = TypeVar("T")
RECEIVED = ["message.received"]
AT_ONCE = Options(lease_duration_ms=1)
"""A lease that is over before anybody can ask again."""


async def off(work: Callable[..., T], *args: Any) -> T:
    """Run what waits on a thread of its own."""
    return await trio.to_thread.run_sync(lambda: work(*args))


Consumer = Callable[..., AutoConfigConsumer]


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    """Makes consumers of tokens, whose connections are closed in the end."""
    made: list[AutoConfigConsumer] = []

    def make(token: str, sink: SinkInCommon | None = None) -> AutoConfigConsumer:
        made.append(AutoConfigConsumer(token, sink or SinkInCommon()))
        return made[-1]

    yield make
    for one in made:
        if one._httpx_client is not None:
            one._httpx_client.close()


def subjects(out: Any) -> list[str]:
    return [one.payload["message"]["subject"] for one in out.data]


def content(token: str) -> dict[str, str]:
    """What a token says."""
    found: dict[str, str] = json.loads(base64.b64decode(token.removeprefix("auto_v1_") + "==="))
    return found


async def refused(work: Callable[..., Any], *args: Any) -> tuple[int, str]:
    """The status and the code that Svix's SDK is told."""
    with pytest.raises((HttpError, HTTPValidationError)) as caught:
        await off(work, *args)
    error: Any = caught.value
    code = error.code if isinstance(error, HttpError) else error["code"]
    return error.status_code, code


async def mails(tenant: Tenant, inbox: Inbox, *names: str) -> None:
    for name in names:
        octets = letter(name, message_id=name, to=inbox.address)
        await deliver(tenant.store, inbox, octets, events=("message.received",))


async def make(sdk: Sdk, **given: Any) -> Any:
    """A polling webhook of the organization."""
    return await sdk(
        "webhooks.polling.create", **{"client_id": "agent", "event_types": RECEIVED, **given}
    )


async def test_what_happens_is_received_and_committed(
    acme: Tenant, sdk: Sdk, consumer: Consumer
) -> None:
    inbox = await acme.inbox()
    await mails(acme, inbox, "before")
    made = await make(sdk)
    assert content(made.token)["surl"] == f"http://127.0.0.1:{sdk.port}"
    reader = consumer(made.token)
    assert (await off(reader.subscribe)).id == made.webhook_id
    assert (await off(reader.receive, "a")).done
    await mails(acme, inbox, "one", "two", "three")
    out = await off(reader.receive, "a", Options(limit=2))
    assert (subjects(out), out.done) == (["one", "two"], False)
    for each in out.data:
        event = MessageReceivedEvent.model_validate(each.payload)
        assert event.message.text == "Good morning.\n"
        assert (each.event_type, each.id) == ("message.received", event.event_id)
    await off(reader.commit, "a", out.data[-1].offset)
    await off(reader.commit, "a", out.data[-1].offset)
    out = await off(reader.receive, "a")
    assert (subjects(out), out.done) == (["three"], True)
    await off(reader.commit, "a", out.data[-1].offset)
    out = await off(reader.receive, "a")
    assert (out.data, out.done) == ([], True)


async def test_the_asynchronous_consumer_receives_too(
    acme: Tenant, sdk: Sdk, consumer: Consumer
) -> None:
    inbox = await acme.inbox()
    made = await make(sdk)
    await mails(acme, inbox, "one")

    async def work() -> Any:
        reader = consumer(made.token)
        await reader.subscribe_async()
        out = await reader.receive_async("a")
        await reader.commit_async("a", out.data[-1].offset)
        more = await reader.receive_async("a")
        assert reader._httpx_async_client is not None
        await reader._httpx_async_client.aclose()
        return out, more

    first, second = await off(lambda: asyncio.run(work()))
    assert (subjects(first), second.data) == (["one"], [])


async def test_what_is_not_committed_is_given_again_after_its_lease(
    acme: Tenant, sdk: Sdk, consumer: Consumer
) -> None:
    inbox = await acme.inbox()
    reader = consumer((await make(sdk)).token)
    await mails(acme, inbox, "one", "two", "three")
    first = await off(reader.receive, "a", AT_ONCE)
    again = await off(reader.receive, "a")
    assert [one.offset for one in again.data] == [one.offset for one in first.data]
    assert subjects(again) == subjects(first) == ["one", "two", "three"]
    assert await refused(reader.receive, "a") == (423, "consumer_busy")
    # Another one reads at its own pace, and one that begins at the end is given what comes.
    assert subjects(await off(reader.receive, "b")) == ["one", "two", "three"]
    late = Options(starting_position=StartingPosition.LATEST)
    assert (await off(reader.receive, "c", late)).data == []
    await off(reader.commit, "a", first.data[0].offset)
    await mails(acme, inbox, "four")
    assert subjects(await off(reader.receive, "a")) == ["two", "three", "four"]
    assert subjects(await off(reader.receive, "c", late)) == ["four"]


async def test_a_number_that_was_not_given_is_not_committed(
    acme: Tenant, sdk: Sdk, consumer: Consumer
) -> None:
    inbox = await acme.inbox()
    reader = consumer((await make(sdk)).token)
    assert await refused(reader.commit, "a", 1) == (404, "not_found")
    await mails(acme, inbox, "one")
    out = await off(reader.receive, "a", AT_ONCE)
    assert (await refused(reader.commit, "a", out.data[0].offset + 1))[0] == 422
    await off(reader.commit, "a", out.data[0].offset - 1)
    assert subjects(await off(reader.receive, "a")) == ["one"]


async def test_making_it_again_gives_a_token_anew(
    acme: Tenant, sdk: Sdk, consumer: Consumer
) -> None:
    inbox = await acme.inbox()
    made = await make(sdk)
    old = consumer(made.token)
    await mails(acme, inbox, "one", "two")
    out = await off(old.receive, "a", Options(limit=1))
    await off(old.commit, "a", out.data[0].offset)
    await off(old.receive, "a", Options(lease_duration_ms=600_000))
    again = await make(sdk, event_types=["message.sent"])
    assert (again.webhook_id, again.event_types) == (made.webhook_id, RECEIVED)
    assert await refused(old.receive, "a") == (401, "unauthenticated")
    assert await refused(old.commit, "a", 2) == (401, "unauthenticated")
    # A program that was ended goes on at once, where it had come to.
    assert subjects(await off(consumer(again.token).receive, "a")) == ["two"]
    found = await sdk("webhooks.polling.get", "agent")
    assert found.webhook_id == made.webhook_id
    assert "token" not in found.model_dump()
    await sdk("webhooks.polling.delete", "agent")
    assert (await refused(consumer(again.token).receive, "a"))[0] in (401, 404)
    with pytest.raises(ApiError) as caught:
        await sdk("webhooks.polling.get", made.webhook_id)
    assert caught.value.status_code == 404


async def test_its_token_opens_nothing_else(
    acme: Tenant, globex: Tenant, sdk: Sdk, consumer: Consumer
) -> None:
    inbox = await acme.inbox()
    made, other = await make(sdk), await make(sdk, client_id="other")
    await mails(acme, inbox, "one")
    told = content(made.token)
    bearer = Caller(sdk.port, told["tok"])
    acme.callers.append(bearer)
    for path in ("/me", "/events", "/webhooks", "/v0/webhooks/polling"):
        assert (await bearer("GET", path)).status == 401, path
    at = "/api/v1/app/{}/polling-endpoint/{}/consumer/a"
    path = at.format(told["aid"], told["eid"])
    # Nor does a key, or the token of another one, open this.
    for caller in (acme.call, globex.call):
        assert (await caller("GET", path)).status == 401
    for foreign in (
        at.format(told["aid"], other.webhook_id),
        at.format(globex.organization.id, told["eid"]),
        at.format(told["aid"], "whk_01JQ8X5K2M3N4P5R6S7T8V9W00"),
    ):
        assert (await bearer("GET", foreign)).status in (401, 404), foreign
    assert len((await bearer("GET", path)).json["data"]) == 1


async def test_it_ends_with_its_key_and_pauses_with_its_inbox(
    acme: Tenant, sdk: Sdk, consumer: Consumer
) -> None:
    inbox = await acme.inbox()
    made = await sdk(
        "inboxes.webhooks.polling.create", inbox.address, client_id="a", event_types=RECEIVED
    )
    assert (made.inbox_id, made.inbox_ids) == (inbox.address, [inbox.address])
    assert made.pod_id == inbox.environment
    reader = consumer(made.token)
    await acme.store.inboxes.delete(acme.actor, inbox.id)
    assert await refused(reader.receive, "a") == (404, "not_found")
    await acme.store.inboxes.restore(acme.actor, inbox.id)
    assert (await off(reader.receive, "a")).done
    me = await acme.call("GET", "/me")
    await acme.store.keys.revoke(acme.actor, me.json["key_id"])
    assert await refused(reader.receive, "a") == (401, "unauthenticated")


async def test_places_have_their_own(acme: Tenant, sdk: Sdk, consumer: Consumer) -> None:
    inbox, pod = await acme.inbox(), acme.environment.id
    other = await sdk("pods.create", name="Other")
    elsewhere = replace(acme.actor, environment=EnvironmentId(other.pod_id))
    away = await acme.store.inboxes.create(elsewhere, InboxRequest("away"))
    whole = await make(sdk)
    of_pod = await sdk("pods.webhooks.polling.create", pod, client_id="agent", event_types=RECEIVED)
    mixed = await make(sdk, client_id="mixed", pod_ids=[other.pod_id], inbox_ids=[inbox.address])
    assert len({whole.webhook_id, of_pod.webhook_id, mixed.webhook_id}) == 3
    assert (whole.pod_ids, whole.pod_id) == (None, None)
    assert (of_pod.pod_ids, of_pod.pod_id) == ([pod], pod)
    listed = await sdk("webhooks.polling.list", ascending=True)
    assert [one.client_id for one in listed.polling_webhooks] == ["agent", "mixed"]
    listed = await sdk("pods.webhooks.polling.list", pod)
    assert [one.webhook_id for one in listed.polling_webhooks] == [of_pod.webhook_id]
    second = await acme.inbox("second")
    for mailbox in (inbox, second, away[0].inbox):
        await mails(acme, mailbox, mailbox.address)
    told = {
        name: subjects(await off(consumer(made.token).receive, "a"))
        for name, made in (("whole", whole), ("pod", of_pod), ("mixed", mixed))
    }
    assert told["whole"] == [inbox.address, second.address, away[0].inbox.address]
    assert told["pod"] == [inbox.address, second.address]
    assert told["mixed"] == [inbox.address, away[0].inbox.address]


async def test_nobody_is_told_more_than_his_key_may_know(
    acme: Tenant, sdk: Sdk, consumer: Consumer
) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    everything = await make(sdk, event_types=["*"])
    held = ("webhooks:write", "webhooks:read", "messages:read")
    bound = await acme.caller(*held, inboxes=(InboxId(inbox.id),))
    body = {"client_id": "mine", "event_types": ["message.received.spam"]}
    path = "/v0/webhooks/polling"
    answer = await bound("POST", path, body)
    assert (answer.status, answer.code) == (403, "forbidden")
    answer = await bound("POST", path, {**body, "event_types": ["*"]})
    assert answer.json["inbox_ids"] == [inbox.address]
    reader = consumer(answer.json["token"])
    # It neither sees what tells of others nor gets a token for it.
    listed = await bound("GET", path)
    assert [one["client_id"] for one in listed.json["polling_webhooks"]] == ["mine"]
    answer = await bound("POST", path, {"client_id": "agent", "event_types": ["*"]})
    assert (answer.status, answer.code) == (409, "conflict")
    answer = await bound("POST", path, {**body, "client_id": "x", "inbox_ids": [other.address]})
    assert answer.status in (403, 404)
    answer = await bound(
        "POST", path, {"client_id": "x", "event_types": ["*"], "inbox_ids": [other.address]}
    )
    assert answer.status == 404
    for place in (inbox, other):
        await write_event(acme, "message.received.spam", place.id)
        await mails(acme, place, place.address)
    out = await off(reader.receive, "a")
    assert {one.event_type for one in out.data} == {"message.received", "thread.created"}
    assert {one.payload.get("message", {}).get("inbox_id") for one in out.data} <= {
        inbox.address,
        None,
    }
    out = await off(consumer(everything.token).receive, "a")
    assert [one.event_type for one in out.data].count("message.received.spam") == 2
    # A key that is narrowed later tells less at once.
    me = await acme.call("GET", "/me")
    scopes = tuple(one for one in me.json["scopes"] if one != "spam:read")
    await acme.store.keys.update(acme.actor, me.json["key_id"], KeyChange(scopes=scopes))
    out = await off(consumer(everything.token).receive, "b")
    assert "message.received.spam" not in [one.event_type for one in out.data]


async def test_there_are_ten_at_a_place(acme: Tenant, sdk: Sdk) -> None:
    for number in range(10):
        await make(sdk, client_id=f"n{number}")
    with pytest.raises(ApiError) as caught:
        await make(sdk, client_id="more")
    assert caught.value.body["code"] == "limit_reached"
    await make(sdk, client_id="n3")
    await sdk(
        "pods.webhooks.polling.create",
        acme.environment.id,
        client_id="more",
        event_types=RECEIVED,
    )
    await sdk("webhooks.polling.delete", "n0")
    await make(sdk, client_id="more")


async def test_what_is_forgotten_is_said_once(
    acme: Tenant, sdk: Sdk, api: Api, consumer: Consumer
) -> None:
    inbox = await acme.inbox()
    reader = consumer((await make(sdk)).token)
    assert (await off(reader.receive, "a")).done
    await mails(acme, inbox, "one", "two")

    async def forget(connection: Any) -> None:
        seq = await connection.value("SELECT min(seq) FROM events WHERE type = 'message.received'")
        await connection.execute("DELETE FROM events WHERE seq <= $1", seq)
        await connection.execute("UPDATE organizations SET forgotten_seq = $1", seq)

    await api.store.database.run("*", forget)
    assert await refused(reader.receive, "a") == (410, "events_forgotten")
    assert subjects(await off(reader.receive, "a")) == ["two"]
    # Whoever comes for the first time takes what there is.
    assert subjects(await off(reader.receive, "b")) == ["two"]


async def test_subscribing_changes_nothing(acme: Tenant, sdk: Sdk, consumer: Consumer) -> None:
    token = (await make(sdk)).token
    await off(consumer(token, SinkInCommon(event_types=RECEIVED)).subscribe)
    for other in (
        SinkInCommon(event_types=["message.sent"]),
        SinkInCommon(channels=["x"]),
        SinkInCommon(disabled=True),
    ):
        assert (await refused(consumer(token, other).subscribe))[0] == 422


async def test_a_verified_domain_is_told(
    acme: Tenant, sdk: Sdk, api: Api, consumer: Consumer
) -> None:
    reader = consumer((await make(sdk, event_types=["domain.verified"])).token)
    made = await acme.call("POST", "/domains", {"domain": "acme.example"})
    publish(api, made.json)
    assert (await acme.call("POST", f"/domains/{made.json['id']}/verify")).status == 200
    (one,) = (await off(reader.receive, "a")).data
    told = DomainVerifiedEvent.model_validate(one.payload).domain
    assert (told.domain, told.status) == ("acme.example", "VERIFIED")
    shown = await sdk("domains.get", told.domain_id)
    assert told.created_at == shown.created_at
    assert [record.value for record in told.records] == [record.value for record in shown.records]
    assert {record.status for record in told.records} == {"VALID"}


@pytest.mark.parametrize(
    ("place", "body"),
    [
        ("", {"client_id": "a b", "event_types": RECEIVED}),
        ("", {"client_id": "a", "event_types": []}),
        ("", {"client_id": "a", "event_types": ["no.such"]}),
        ("", {"event_types": RECEIVED}),
        ("", {"client_id": "a", "event_types": RECEIVED, "pod_ids": ["x"] * 11}),
        ("/pods/{pod}", {"client_id": "a", "event_types": RECEIVED, "pod_ids": ["x"]}),
        ("/inboxes/{inbox}", {"client_id": "a", "event_types": RECEIVED, "inbox_ids": ["x"]}),
    ],
)
async def test_what_makes_no_sense_is_refused(
    acme: Tenant, place: str, body: dict[str, Any]
) -> None:
    inbox = await acme.inbox()
    where = place.format(pod=acme.environment.id, inbox=inbox.address)
    answer = await acme.call("POST", f"/v0{where}/webhooks/polling", body)
    assert answer.status in (400, 404, 422), answer.octets
