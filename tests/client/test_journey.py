"""What a program does with the client, over the real API (R57-R61, R71-R73, R135-R138)."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable
from typing import TypeVar

import pytest
import trio

from agentpost import AgentPost, AsyncAgentPost
from agentpost.client import (
    AgentPostError,
    AuthenticationFailed,
    Forbidden,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
)
from tests.http.resources.conftest import ALL, Api, Tenant

T = TypeVar("T")


async def key_of(tenant: Tenant, *scopes: str) -> str:
    """A key of the tenant with these scopes."""
    caller = await tenant.caller(*scopes)
    assert caller.key is not None
    return caller.key


async def blocking(api: Api, key: str, program: Callable[[AgentPost], T]) -> T:
    """``program`` with a client, in a thread of its own."""

    def run() -> T:
        with AgentPost(key, base_url=f"http://127.0.0.1:{api.port}", max_retries=0) as client:
            return program(client)

    return await trio.to_thread.run_sync(run)


async def test_a_program_makes_an_inbox_writes_to_it_and_answers(api: Api, acme: Tenant) -> None:
    def program(client: AgentPost) -> None:
        inbox = client.inboxes.create(username="support", client_id="support-1")
        assert client.inboxes.create(username="support", client_id="support-1").id == inbox.id
        assert inbox.credential is not None
        assert inbox.credential.password
        assert client.inboxes.create(username="x", client_id="support-1").credential is None
        sent = client.messages.send(
            inbox.id,
            to=[{"email": inbox.email, "name": "Wir"}],
            subject="Grüße",
            text_body="Hallo",
            attachments=[{"content": b"\x00\xffPDF", "filename": "q.pdf"}],
        )
        assert sent.status == "delivered"
        received = client.messages.list(inbox.id, folder="INBOX").data
        assert [each.subject for each in received] == ["Grüße"]
        message = client.messages.get(received[0].id)
        assert message.text_body == "Hallo\n" or message.text_body == "Hallo"
        assert message.attachments is not None
        content = client.attachments.content(message.id, message.attachments[0].id)
        assert content == b"\x00\xffPDF"
        assert client.messages.raw(message.id).endswith(b"\r\n")
        assert sent.thread_id == message.thread_id
        answer = client.messages.reply(message.id, text_body="Danke")
        assert answer.thread_id == message.thread_id
        thread = client.threads.get(message.thread_id)
        assert thread.message_count == 4
        assert client.messages.add_labels(message.id, labels=["Billing"]).labels == ["billing"]
        assert client.messages.update(message.id, seen=True).seen is True
        csv_rows = list(csv.DictReader(client.inboxes.export_credentials().splitlines()))
        assert [row["email"] for row in csv_rows] == [inbox.email]
        client.inboxes.delete(inbox.id)
        assert client.inboxes.list().data == []
        assert client.inboxes.restore(inbox.id).email == inbox.email

    await blocking(api, await key_of(acme, *ALL), program)


async def test_a_list_goes_over_its_pages_by_itself(api: Api, acme: Tenant) -> None:
    def program(client: AgentPost) -> None:
        made = [client.inboxes.create(username=f"n{number}").id for number in range(5)]
        page = client.inboxes.list(limit=2, order="asc")
        assert [each.id for each in page.data] == made[:2]
        assert page.has_more
        assert [each.id for each in page] == made
        following = page.next_page()
        assert following is not None
        assert [each.id for each in following.data] == made[2:4]
        resumed = client.inboxes.list(limit=2, order="asc", cursor=page.next_cursor)
        assert [each.id for each in resumed] == made[2:]
        assert client.inboxes.list(limit=10).next_page() is None

    await blocking(api, await key_of(acme, *ALL), program)


async def test_drafts_and_moments(api: Api, acme: Tenant) -> None:
    def program(client: AgentPost) -> None:
        inbox = client.inboxes.create(username="writer")
        draft = client.drafts.create(inbox.id, to=inbox.email, subject="one", text_body="a")
        changed = client.drafts.update(draft.id, subject="two")
        assert changed.subject == "two"
        assert changed.updated_at >= draft.created_at
        assert client.messages.list(after=draft.created_at, folder="Sent").data == []
        sent = client.drafts.send(draft.id)
        assert client.messages.get(sent.id).subject == "two"
        with pytest.raises(NotFound):
            client.drafts.get(draft.id)

    await blocking(api, await key_of(acme, *ALL), program)


async def test_refusals_say_what_to_do(api: Api, acme: Tenant) -> None:
    def program(client: AgentPost) -> None:
        with pytest.raises(NotFound) as missing:
            client.inboxes.get("nobody@shared.test")
        assert missing.value.code == "not_found"
        assert missing.value.fix
        assert missing.value.request_id
        with pytest.raises(InvalidRequest) as wrong:
            client.inboxes.create(username=".dot")
        assert wrong.value.errors[0].path == "username"
        assert "username" in str(wrong.value)
        inbox = client.inboxes.create()
        with pytest.raises(PreconditionFailed):
            client.inboxes.update(inbox.id, display_name="x", if_match='"99"')
        with pytest.raises(ValueError, match="empty"):
            client.inboxes.get("")

    await blocking(api, await key_of(acme, *ALL), program)

    def forbidden(client: AgentPost) -> None:
        with pytest.raises(Forbidden):
            client.inboxes.create()

    await blocking(api, await key_of(acme, "inboxes:read"), forbidden)

    def stranger(client: AgentPost) -> None:
        with pytest.raises(AuthenticationFailed):
            client.me.get()

    await blocking(api, "ap_sk_test_" + "x" * 32, stranger)


async def test_an_idempotency_key_is_sent_once(api: Api, acme: Tenant) -> None:
    def program(client: AgentPost) -> None:
        inbox = client.inboxes.create()
        first, again = (
            client.messages.send(
                inbox.id, to=inbox.email, subject="s", text_body="t", idempotency_key="k-1"
            )
            for _ in range(2)
        )
        assert first.id == again.id
        other = client.messages.send(inbox.id, to=inbox.email, subject="s", text_body="t")
        assert other.id != first.id

    await blocking(api, await key_of(acme, *ALL), program)


async def _async_program(port: int, key: str) -> None:
    async with AsyncAgentPost(key, base_url=f"http://127.0.0.1:{port}") as client:
        me = await client.me.get()
        assert me.organization.slug == "acme"
        made = [(await client.inboxes.create(username=f"n{number}")).id for number in range(3)]
        page = await client.inboxes.list(limit=2, order="asc")
        assert [each.id for each in page.data] == made[:2]
        assert [each.id async for each in client.inboxes.list(limit=1, order="asc")] == made
        await client.messages.send(made[0], to=[page.data[1].email], subject="hi", text_body="x")
        assert [each.subject async for each in client.messages.list(made[1])] == ["hi"]
        with pytest.raises(NotFound):
            await client.messages.get("msg_" + "0" * 26)


async def test_the_asynchronous_client_under_trio(api: Api, acme: Tenant) -> None:
    await _async_program(api.port, await key_of(acme, *ALL))


async def test_the_asynchronous_client_under_asyncio(api: Api, acme: Tenant) -> None:
    key = await key_of(acme, *ALL)
    await trio.to_thread.run_sync(lambda: asyncio.run(_async_program(api.port, key)))


async def test_an_environment_is_chosen_by_the_client(api: Api, acme: Tenant) -> None:
    def program(client: AgentPost) -> None:
        second = client.environments.create(name="Second")
        with client.with_environment(second.id) as there:
            inbox = there.inboxes.create()
            assert inbox.environment_id == second.id

    await blocking(api, await key_of(acme, *ALL), program)


def test_without_a_key_there_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTPOST_API_KEY", raising=False)
    with pytest.raises(AgentPostError, match="AGENTPOST_API_KEY"):
        AgentPost()
    with pytest.raises(AgentPostError, match="http://"):
        AgentPost("ap_sk_live_x", base_url="mail.example")


def test_key_and_address_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTPOST_API_KEY", "ap_sk_live_secret")
    monkeypatch.setenv("AGENTPOST_BASE_URL", "https://mail.example/api/v1/")
    client = AgentPost()
    assert repr(client) == "AgentPost(base_url='https://mail.example')"
    assert "secret" not in repr(vars(client))
