"""Every method of AgentMail's SDK: answered in its types, or told that it is not supported."""

from __future__ import annotations

import asyncio
import base64
import inspect
import threading
from datetime import timedelta
from typing import Any, Final

import pytest
import trio
from agentmail import AsyncAgentMail
from agentmail.api_keys.types import ApiKeyPermissions, CreateBearerApiKeyRequest
from agentmail.attachments.types import SendAttachment
from agentmail.core.api_error import ApiError
from agentmail.events.types import MessageReceivedEvent
from agentmail.websockets.types import Subscribe, Subscribed

from agentpost import clock
from agentpost.model.inbox import Inbox
from tests.http.compat.conftest import Sdk, methods
from tests.http.resources.conftest import Tenant, deliver, letter

ABSENT: Final = frozenset(
    f"{place}{name}"
    for place, names in {
        "": ("accounts.list", "accounts.get", "accounts.update"),
        "inboxes.": ("accounts.list", "accounts.get", "authorize"),
        "pods.": ("accounts.list", "accounts.get"),
        "agent.": ("sign_up", "attach_human", "verify"),
        "apps.": ("list", "search", "get", "list_accounts", "connect"),
        "inboxes.calendar.": (
            "get",
            "update",
            "list_events",
            "get_agenda",
            "create_event",
            "get_event",
            "update_event",
            "delete_event",
            "list_event_instances",
            "respond_to_event",
        ),
        "inboxes.files.": ("create", "complete", "get", "list", "delete"),
        "inboxes.messages.": ("create_agent_armor_feedback", "release_agent_armor_message"),
        "organizations.": ("get_labs", "join_labs"),
    }.items()
    for name in names
)
"""What this server does not have."""

SDKS_OWN: Final = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""The SDK uses an older face of its WebSocket library."""

FILE: Final = (
    b"From: Ada <ada@example.org>\r\nTo: support@shared.test\r\nSubject: With a file\r\n"
    b"Message-ID: <file@example.org>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nSee the file.\r\n--b\r\n"
    b"Content-Type: text/csv\r\nContent-Disposition: attachment; filename=plan.csv\r\n\r\n"
    b"a,b\r\n--b--\r\n"
)


async def test_every_method_is_answered_or_is_not_supported(acme: Tenant, sdk: Sdk) -> None:
    inbox = await acme.inbox()
    await deliver(acme.store, inbox, letter("Hello", message_id="one", to=inbox.address))
    await deliver(acme.store, inbox, FILE.replace(b"support@shared.test", inbox.address.encode()))
    await _searches(sdk, inbox)
    await _messages(sdk, inbox)
    await _threads(sdk, inbox)
    await _drafts(sdk, inbox)
    await _inboxes(sdk, acme)
    await _domains(sdk, acme)
    await _lists(sdk, inbox)
    await _keys(sdk, inbox)
    await _organization(sdk)
    await _metrics(sdk, inbox)
    await _webhooks(sdk, inbox)
    every = {name for name, _ in methods(sdk.client())}
    assert sdk.done | ABSENT == every
    assert not sdk.done & ABSENT
    assert len(sdk.done) == 145


async def _messages(sdk: Sdk, inbox: Inbox) -> None:
    at, one, file = inbox.address, "<one@example.org>", "<file@example.org>"
    found = await sdk("inboxes.messages.list", at, labels=["unread"], limit=1)
    assert found.count == 1
    assert found.messages[0].attachments[0].filename == "plan.csv"
    found = await sdk(
        "inboxes.messages.list", at, page_token=found.next_page_token, limit=1, labels=["unread"]
    )
    assert [message.message_id for message in found.messages] == [one]
    assert found.messages[0].labels == ["received", "unread"]
    message = await sdk("inboxes.messages.get", at, one)
    assert (message.from_, message.text) == ("Ada <ada@example.org>", "Good morning.\n")
    both = await sdk("inboxes.messages.batch_get", at, message_ids=[one, file, "<no@where>"])
    assert [each.message_id for each in both.messages] == [one, file]
    changed = await sdk(
        "inboxes.messages.update", at, one, add_labels="Billing", remove_labels=["unread"]
    )
    assert changed.labels == ["billing", "received"]
    changed = await sdk(
        "inboxes.messages.batch_update", at, message_ids=[one, "<no@where>"], add_labels=["unread"]
    )
    assert [each.labels for each in changed.updates] == [["billing", "received", "unread"]]
    history = await sdk("inboxes.events.list", at)
    assert (history.events[0].label, history.events[0].event_type) == ("unread", "label.added")
    assert {each.message_id for each in history.events} == {one}
    whole = await sdk("inboxes.messages.get", at, file)
    attached = whole.attachments[0].attachment_id
    link = await sdk("inboxes.messages.get_attachment", at, file, attached)
    assert link.filename == "plan.csv"
    raw = await sdk("inboxes.messages.get_raw", at, file)
    assert raw.size > len(FILE)
    given = SendAttachment(filename="a.txt", content=base64.b64encode(b"text").decode())
    sent = await sdk(
        "inboxes.messages.send",
        at,
        to="bob@example.org",
        cc=["Cy <cy@example.org>"],
        subject="A letter",
        text="Text",
        html="<p>Text</p>",
        labels=["note"],
        attachments=[given],
        headers={"X-Mine": "yes"},
    )
    stored = await sdk("inboxes.messages.get", at, sent.message_id)
    assert stored.labels == ["note", "sent"]
    assert (stored.to, stored.cc) == (["bob@example.org"], ["Cy <cy@example.org>"])
    assert stored.attachments[0].filename == "a.txt"
    reply = await sdk("inboxes.messages.reply", at, one, text="Thank you.")
    stored = await sdk("inboxes.messages.get", at, reply.message_id)
    assert (stored.to, stored.in_reply_to) == (["Ada <ada@example.org>"], one)
    reply = await sdk("inboxes.messages.reply", at, one, text="To you.", to=["dan@example.org"])
    assert (await sdk("inboxes.messages.get", at, reply.message_id)).to == ["dan@example.org"]
    await sdk("inboxes.messages.reply_all", at, one, text="Thank you all.")
    forwarded = await sdk("inboxes.messages.forward", at, file, to="bob@example.org", text="See.")
    stored = await sdk("inboxes.messages.get", at, forwarded.message_id)
    assert stored.attachments[0].filename == "plan.csv"
    await sdk("inboxes.messages.delete", at, forwarded.message_id)
    assert "trash" in (await sdk("inboxes.messages.get", at, forwarded.message_id)).labels


async def _searches(sdk: Sdk, inbox: Inbox) -> None:
    at, pod = inbox.address, inbox.environment
    found = await sdk("inboxes.messages.search", at, q="ADA file:", limit=5)
    assert found.count == 0
    found = await sdk("inboxes.messages.search", at, q="ADA file", limit=1)
    assert (found.count, found.limit, found.next_page_token) == (1, 1, None)
    (message,) = found.messages
    assert message.message_id == "<file@example.org>"
    assert message.attachments[0].filename == "plan.csv"
    assert message.highlights.from_ == ["**Ada** <**ada**@example.org>"]
    assert message.highlights.subject == ["With a **file**"]
    assert message.highlights.text == ["See the **file**."]
    assert message.highlights.recipients is None
    places: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("threads", ()),
        ("inboxes.threads", (at,)),
        ("pods.threads", (pod,)),
    )
    for name, place in places:
        first = await sdk(f"{name}.search", *place, q="ada", limit=1)
        assert first.next_page_token is not None
        rest = await sdk(f"{name}.search", *place, q="ada", page_token=first.next_page_token)
        subjects = [thread.subject for thread in (*first.threads, *rest.threads)]
        assert subjects == ["With a file", "Hello"]
        assert first.threads[0].inbox_id == at
        assert first.threads[0].highlights.subject is None
        past = clock.now() - timedelta(days=1)
        assert (await sdk(f"{name}.search", *place, q="ada", before=past)).count == 0


async def _threads(sdk: Sdk, inbox: Inbox) -> None:
    at, pod = inbox.address, inbox.environment
    places: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("threads", ()),
        ("inboxes.threads", (at,)),
        ("pods.threads", (pod,)),
    )
    for name, place in places:
        found = await sdk(f"{name}.list", *place, subject=["file"], include_trash=True)
        thread = next(each for each in found.threads if each.last_message_id)
        assert thread.inbox_id == at
        whole = await sdk(f"{name}.get", *place, thread.thread_id)
        assert whole.count == len(whole.messages) >= 1
        assert "received" in whole.labels
        attached = whole.messages[0].attachments[0].attachment_id
        link = await sdk(f"{name}.get_attachment", *place, thread.thread_id, attached)
        assert link.size == 3
        changed = await sdk(
            f"{name}.update",
            *place,
            thread.thread_id,
            add_labels=["seen-by-me"],
            remove_labels=["unread"],
        )
        assert "seen-by-me" in changed.labels
        assert "unread" not in changed.labels
        hello = await sdk(f"{name}.list", *place, subject=["file"])
        await sdk(f"{name}.delete", *place, hello.threads[0].thread_id)
        await sdk(
            f"{name}.update",
            *place,
            thread.thread_id,
            remove_labels=["trash"],
            add_labels=["unread"],
        )


async def _drafts(sdk: Sdk, inbox: Inbox) -> None:
    at, pod = inbox.address, inbox.environment
    given = SendAttachment(filename="a.txt", content=base64.b64encode(b"text").decode())
    draft = await sdk(
        "inboxes.drafts.create",
        at,
        to=["bob@example.org"],
        subject="Soon",
        text="Text",
        attachments=[given],
        labels=["mine"],
        client_id="draft-1",
    )
    assert draft.attachments[0].filename == "a.txt"
    same = await sdk("inboxes.drafts.create", at, client_id="draft-1")
    assert same.draft_id == draft.draft_id
    answer = await sdk("inboxes.drafts.create", at, in_reply_to="<one@example.org>", text="Yes.")
    assert (answer.in_reply_to, answer.to) == ("<one@example.org>", ["Ada <ada@example.org>"])
    one: Any = None
    for name, place in (("drafts", ()), ("inboxes.drafts", (at,)), ("pods.drafts", (pod,))):
        found = await sdk(f"{name}.list", *place, labels=["mine"])
        assert [each.draft_id for each in found.drafts] == [draft.draft_id]
        one = await sdk(f"{name}.get", *place, draft.draft_id)
        assert one.text == "Text\n"
        link = await sdk(
            f"{name}.get_attachment", *place, draft.draft_id, one.attachments[0].attachment_id
        )
        assert link.size == 4
    changed = await sdk(
        "inboxes.drafts.update",
        at,
        draft.draft_id,
        subject="Now",
        add_labels=["more"],
        remove_labels=["mine"],
        remove_attachments=[one.attachments[0].attachment_id],
    )
    assert (changed.subject, changed.labels, changed.attachments) == ("Now", ["more"], None)
    sent = await sdk("inboxes.drafts.send", at, draft.draft_id, add_labels=["gone"])
    stored = await sdk("inboxes.messages.get", at, sent.message_id)
    assert {"gone", "more", "sent"} <= set(stored.labels)
    later = clock.now() + timedelta(days=1)
    timed = await sdk("inboxes.drafts.update", at, answer.draft_id, send_at=later)
    assert timed.send_status == "scheduled"
    await sdk("inboxes.drafts.delete", at, answer.draft_id)


async def _inboxes(sdk: Sdk, acme: Tenant) -> None:
    pod = acme.environment.id
    places: tuple[tuple[str, tuple[str, ...]], ...] = (("inboxes", ()), ("pods.inboxes", (pod,)))
    for number, (name, place) in enumerate(places):
        new: dict[str, Any] = {
            "username": f"made{number}",
            "display_name": "Made",
            "metadata": {"a": "b"},
        }
        if name == "inboxes":
            new = {"request": new}
        made = await sdk(f"{name}.create", *place, **new)
        assert made.inbox_id == made.email
        assert (made.pod_id, made.status) == (pod, "active")
        assert (await sdk(f"{name}.list", *place, limit=1)).count == 1
        found = await sdk(f"{name}.search", *place, q=f"made{number}")
        assert [each.inbox_id for each in found.inboxes] == [made.inbox_id]
        changed = await sdk(
            f"{name}.update", *place, made.inbox_id, status="paused", metadata={"a": None, "c": 1}
        )
        assert (changed.status, changed.metadata) == ("paused", {"c": 1})
        assert (await sdk(f"{name}.get", *place, made.inbox_id)).display_name == "Made"
        await sdk(f"{name}.delete", *place, made.inbox_id)


async def _domains(sdk: Sdk, acme: Tenant) -> None:
    places = (("domains", ()), ("pods.domains", (acme.environment.id,)))
    for number, (name, place) in enumerate(places):
        made = await sdk(f"{name}.create", *place, domain=f"acme{number}.example")
        assert made.status == "PENDING"
        assert {record.type for record in made.records} <= {"TXT", "MX", "CNAME"}
        assert (await sdk(f"{name}.list", *place)).domains[0].domain == made.domain
        assert (await sdk(f"{name}.get", *place, made.domain_id)).domain_id == made.domain_id
        changed = await sdk(f"{name}.update", *place, made.domain_id, subdomains_enabled=True)
        assert changed.subdomains_enabled
        assert made.domain.encode() in await sdk(f"{name}.get_zone_file", *place, made.domain_id)
        await sdk(f"{name}.verify", *place, made.domain_id)
        if name == "domains":
            assert not (await sdk("domains.get_setup_link", made.domain_id)).supported
        await sdk(f"{name}.delete", *place, made.domain_id)


async def _lists(sdk: Sdk, inbox: Inbox) -> None:
    places: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("lists", ()),
        ("pods.lists", (inbox.environment,)),
        ("inboxes.lists", (inbox.address,)),
    )
    for name, place in places:
        made = await sdk(
            f"{name}.create", *place, "send", "block", entry="Evil.example", reason="No"
        )
        assert (made.entry, made.entry_type, made.reason) == ("evil.example", "domain", "No")
        assert (await sdk(f"{name}.list", *place, "send", "block")).entries == [made]
        assert await sdk(f"{name}.get", *place, "send", "block", "EVIL.example") == made
        await sdk(f"{name}.delete", *place, "send", "block", "evil.example")
        assert (await sdk(f"{name}.list", *place, "send", "block")).count == 0


async def _keys(sdk: Sdk, inbox: Inbox) -> None:
    places: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("api_keys", ()),
        ("pods.api_keys", (inbox.environment,)),
        ("inboxes.api_keys", (inbox.address,)),
    )
    made: Any = None
    for name, place in places:
        new = CreateBearerApiKeyRequest(
            name="Reader", permissions=ApiKeyPermissions(message_read=True)
        )
        made = await sdk(f"{name}.create", *place, request=new)
        assert made.permissions.message_read
        assert not made.permissions.message_send
        found = await sdk(f"{name}.list", *place)
        assert made.api_key_id in [key.api_key_id for key in found.api_keys]
        changed = await sdk(f"{name}.update", *place, made.api_key_id, name="Renamed")
        assert changed.name == "Renamed"
        await sdk(f"{name}.delete", *place, made.api_key_id)
        if name == "inboxes.api_keys":
            assert made.inbox_id == inbox.address
    await sdk("api_keys.get", made.api_key_id)


async def _organization(sdk: Sdk) -> None:
    identity = await sdk("auth.me")
    assert (identity.scope_type, identity.scope_id) == ("organization", identity.organization_id)
    assert (await sdk("organizations.get")).inbox_count >= 1
    made = await sdk("pods.create", name="Staging", client_id="staging")
    assert (await sdk("pods.get", made.pod_id)).name == "Staging"
    assert (await sdk("pods.list")).count == 2
    await sdk("pods.delete", made.pod_id)


async def _metrics(sdk: Sdk, inbox: Inbox) -> None:
    places: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("metrics", ()),
        ("pods.metrics", (inbox.environment,)),
        ("inboxes.metrics", (inbox.address,)),
    )
    end = clock.now()
    for name, place in places:
        events = await sdk(
            f"{name}.query_events", *place, event_types=["message.received"], period=3600
        )
        assert set(events) <= {"message.received"}
        await sdk(f"{name}.query_events", *place, start=end - timedelta(days=30), end=end)
        usage = await sdk(f"{name}.query_usage", *place, usage_types=["storage_bytes"])
        assert list(usage) == ["storage_bytes"]
        rates = await sdk(f"{name}.query_rates", *place, limit=2, descending=True)
        assert [len(points) for points in rates.values()] == [2, 2]
        assert rates["bounce"][0].timestamp > rates["bounce"][1].timestamp


async def _webhooks(sdk: Sdk, inbox: Inbox) -> None:
    at, pod = inbox.address, inbox.environment
    places: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("webhooks", ()),
        ("pods.webhooks", (pod,)),
        ("inboxes.webhooks", (at,)),
    )
    for name, place in places:
        made = await sdk(
            f"{name}.create",
            *place,
            url="https://agent.example/hooks",
            event_types=["message.received"],
            headers={"X-Mine": "secret"},
            client_id=name,
        )
        assert made.secret.startswith("whsec_")
        assert (made.enabled, made.pod_ids) == (True, [pod])
        assert made.inbox_ids == ([at] if name == "inboxes.webhooks" else None)
        assert await sdk(f"{name}.get", *place, made.webhook_id) == made
        found = await sdk(f"{name}.list", *place)
        assert made in found.webhooks
        await sdk(
            f"{name}.update_headers",
            *place,
            made.webhook_id,
            headers={"X-More": "too"},
            remove_headers=["x-mine"],
        )
        names = await sdk(f"{name}.get_headers", *place, made.webhook_id)
        assert names.header_names == ["X-More"]
        more: dict[str, Any] = {} if name == "inboxes.webhooks" else {"add_inbox_ids": [at]}
        changed = await sdk(f"{name}.update", *place, made.webhook_id, enabled=False, **more)
        assert (changed.enabled, changed.inbox_ids) == (False, [at])
        await sdk(f"{name}.delete", *place, made.webhook_id)
        polled = f"{name}.polling"
        made = await sdk(
            f"{polled}.create", *place, client_id="agent", event_types=["message.received"]
        )
        assert made.token.startswith("auto_v1_")
        found = await sdk(f"{polled}.get", *place, made.webhook_id)
        assert found.model_dump() == made.model_dump(exclude={"token"})
        assert (await sdk(f"{polled}.list", *place)).polling_webhooks == [found]
        await sdk(f"{polled}.delete", *place, "agent")


async def test_what_is_absent_says_what_to_do_instead(sdk: Sdk) -> None:
    called = dict(methods(sdk.client()))
    for name in sorted(ABSENT):
        given = {
            each.name: "2026-01-01" if each.name in ("start", "end") else "x"
            for each in inspect.signature(called[name]).parameters.values()
            if each.default is inspect.Parameter.empty
        }
        with pytest.raises(ApiError) as caught:
            await sdk(name, **given, request_options={"max_retries": 0})
        assert caught.value.status_code == 501, name
        assert caught.value.body["code"] == "not_supported"
        assert caught.value.body["fix"]


async def test_the_asynchronous_client_sends_and_reads(acme: Tenant, sdk: Sdk) -> None:
    inbox = await acme.inbox()
    await deliver(acme.store, inbox, letter("Hello", message_id="one", to=inbox.address))

    async def work(client: AsyncAgentMail) -> tuple[str | None, str]:
        message = await client.inboxes.messages.get(inbox.address, "<one@example.org>")
        sent = await client.inboxes.messages.reply(
            inbox.address, message.message_id, text="Thank you."
        )
        found = await client.threads.get(sent.thread_id)
        return message.subject, found.messages[-1].message_id if found.messages else ""

    subject, last = await sdk.asyncio(work)
    assert subject == "Hello"
    assert last.startswith("<")


@SDKS_OWN
async def test_the_websocket_tells_what_happens(acme: Tenant, sdk: Sdk) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")

    async def work(client: AsyncAgentMail) -> list[Any]:
        async with asyncio.timeout(20), client.websockets.connect() as socket:
            await socket.send_subscribe(
                Subscribe(event_types=["message.received"], inbox_ids=[inbox.address])
            )
            first = await socket.recv()
            subscribed.set()
            return [first, await socket.recv()]

    subscribed = threading.Event()
    told: list[Any] = []

    async def listen() -> None:
        told.extend(await sdk.asyncio(work))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            await trio.to_thread.run_sync(subscribed.wait, 20)
            sent = await sdk(
                "inboxes.messages.send", other.address, to=inbox.address, text="Good morning."
            )
    first, event = told
    assert isinstance(first, Subscribed)
    assert first.inbox_ids == [inbox.address]
    MessageReceivedEvent.model_validate(event.model_dump(by_alias=True))
    assert event.message.inbox_id == inbox.address
    assert event.message.message_id == sent.message_id
    assert event.message.text is not None
    assert event.message.text.strip() == "Good morning."


@SDKS_OWN
async def test_the_websocket_tells_the_synchronous_client_too(acme: Tenant, sdk: Sdk) -> None:
    inbox = await acme.inbox()

    def work() -> Any:
        with sdk.client().websockets.connect(api_key=sdk.key) as socket:
            socket.send_subscribe(Subscribe(inbox_ids=["nobody@elsewhere.example"]))
            refused = socket.recv()
            socket.send_subscribe(Subscribe(pod_ids=[inbox.environment]))
            return refused, socket.recv()

    with trio.fail_after(30):
        refused, subscribed = await trio.to_thread.run_sync(work)
    assert (refused.type, refused.name) == ("error", "NotFound")
    assert (subscribed.type, subscribed.pod_ids) == ("subscribed", [inbox.environment])
