"""Whatever happens is told in the transaction that makes it happen: each type by its cause."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agentpost.limits import MessageLimits
from agentpost.mail.appending import Appending
from agentpost.model.actor import SCOPES, Actor, Scope, system_actor, widen
from agentpost.model.event import TYPES
from agentpost.model.inbox import Inbox
from agentpost.model.mailbox import Flag, FlagChange, Mailbox
from agentpost.model.message import MessageChange
from agentpost.model.organization import NewApiKey
from agentpost.store.inboxes import InboxChange, InboxRequest
from agentpost.store.keys import KeyRequest
from agentpost.store.opening import Store, open_store
from agentpost.store.pool import Connection
from tests.http.resources.conftest import SETTINGS, deliver, letter

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Scene:
    """An organization with an inbox, and somebody with a mail program."""

    store: Store
    actor: Actor
    inbox: Inbox
    person: Actor
    where: Scope

    async def told(self, *types: str) -> list[tuple[str, dict[str, Any]]]:
        """What was told since the last call, of these types."""

        async def operation(connection: Connection) -> list[Any]:
            found = await connection.rows("SELECT type, data, inbox_id FROM events ORDER BY seq")
            await connection.execute("DELETE FROM events")
            return found

        rows = await self.store.database.run("*", operation, atomic=True)
        pairs = [(row["type"], json.loads(row["data"])) for row in rows]
        return [pair for pair in pairs if not types or pair[0] in types]

    async def one(self, kind: str) -> dict[str, Any]:
        """The one event that was told since the last call, which is of this type."""
        [(found, data)] = await self.told()
        assert found == kind
        return data

    async def box(self, name: str) -> Mailbox:
        return await self.store.mailboxes.find(self.person, self.where, name)

    async def uids(self, name: str) -> list[int]:
        box = await self.box(name)

        async def operation(connection: Connection) -> list[Any]:
            return await connection.rows(
                "SELECT uid FROM placements WHERE mailbox_id = $1 ORDER BY uid", box.id
            )

        return [row["uid"] for row in await self.store.database.run("*", operation)]


@pytest.fixture
async def scene(database_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_store(database_url, tmp_path, SETTINGS, alone=True) as store:
        organization, environment = await store.organizations.create(
            system_actor(), "Acme", "acme", "enterprise"
        )
        actor = Actor(organization.id, "key_x", widen(SCOPES), environment=environment.id)
        made, _ = await store.inboxes.create(actor, InboxRequest("told"))
        where = Scope(organization.id, environment.id, made.inbox.id)
        person = replace(actor, credential="mc_x", source="imap", at=where)
        scene = Scene(store, actor, made.inbox, person, where)
        yield scene


BY_KEY = {"source": "rest", "actor": {"type": "api_key", "id": "key_x"}}
BY_PERSON = {"source": "imap", "actor": {"type": "credential", "id": "mc_x"}}


def test_every_type_has_its_cause() -> None:
    """Written somewhere in the store or above it."""
    parts = [
        path
        for part in ("store", "mail", "jobs")
        for path in (ROOT / "agentpost" / part).rglob("*")
        if path.suffix in (".py", ".sql")
    ]
    words = "".join(path.read_text("utf-8") for path in parts)
    made = {kind for kind in TYPES if f'"{kind}"' in words or f"'{kind}'" in words}
    composed = {"approval.approved", "approval.rejected", "approval.expired"}
    assert "'approval.' ||" in words
    assert set(TYPES) - made - composed == set()


def test_every_type_is_documented() -> None:
    page = (ROOT / "docs" / "events.md").read_text("utf-8")
    assert [kind for kind in TYPES if f"`{kind}`" not in page] == []


async def test_inboxes(scene: Scene) -> None:
    created = (await scene.told("inbox.created"))[0][1]
    assert (created["email"], created["actor"]) == (scene.inbox.address, BY_KEY["actor"])
    inboxes, actor, name = scene.store.inboxes, scene.actor, scene.inbox.id
    await inboxes.update(actor, name, InboxChange(display_name="New"))
    assert (await scene.one("inbox.updated"))["changed"] == ["display_name"]
    await inboxes.delete(actor, name)
    assert (await scene.one("inbox.deleted"))["email"] == scene.inbox.address
    await inboxes.restore(actor, name)
    await scene.one("inbox.updated")
    await inboxes.purge(actor, name)
    assert await scene.one("inbox.deleted") == {"inbox_id": name, "purged": True}


async def test_keys_and_credentials(scene: Scene) -> None:
    store, actor = scene.store, scene.actor
    await scene.told()
    made, _ = await store.keys.create(actor, KeyRequest("bot", ("messages:read",)))
    assert isinstance(made, NewApiKey)
    told = await scene.one("api_key.created")
    assert (told["key_id"], told["name"], told["scopes"]) == (made.key.id, "bot", ["messages:read"])
    assert made.secret not in json.dumps(told)
    rotated = await store.keys.rotate(actor, made.key.id, 0)
    kinds = dict(await scene.told())
    assert kinds["api_key.created"]["replaces"] == made.key.id
    assert kinds["api_key.revoked"]["key_id"] == made.key.id
    await store.keys.revoke(actor, rotated.key.id)
    assert (await scene.one("api_key.revoked"))["actor"] == BY_KEY["actor"]
    bound, _ = await store.keys.create(
        actor, KeyRequest("bound", ("messages:read",), inboxes=(scene.inbox.id,))
    )
    credential = await store.credentials.create(actor, scene.inbox.id, "phone")
    await store.credentials.rotate(actor, scene.inbox.id, credential.credential.id)
    await store.credentials.revoke(actor, scene.inbox.id, credential.credential.id)
    told_of = await scene.told("credential.created", "credential.revoked")
    assert [(kind, data["rotated"]) for kind, data in told_of] == [
        ("credential.created", False),
        ("credential.created", True),
        ("credential.revoked", False),
    ]
    assert credential.secret not in json.dumps(told_of)
    await store.inboxes.purge(actor, scene.inbox.id)
    assert isinstance(bound, NewApiKey)
    assert dict(await scene.told())["api_key.revoked"]["key_id"] == bound.key.id


async def test_conversations_begin_and_go_on(scene: Scene) -> None:
    await scene.told()
    first = await deliver(scene.store, scene.inbox, letter("Hi", message_id="a"))
    second = await deliver(scene.store, scene.inbox, letter("Re: Hi", answers="a"))
    assert [(kind, data["message_id"]) for kind, data in await scene.told()] == [
        ("thread.created", first.message),
        ("thread.updated", second.message),
    ]
    await scene.store.threads.label(scene.actor, first.thread, ("vip",), ())
    told = await scene.one("thread.updated")
    assert told["changes"] == {"labels": {"added": ["vip"], "removed": []}}
    await scene.store.threads.label(scene.actor, first.thread, ("vip",), ("none",))
    assert await scene.told() == []


async def test_marks_over_rest(scene: Scene) -> None:
    placed = await deliver(scene.store, scene.inbox)
    await scene.told()
    change = MessageChange(seen=True, add_labels=("Billing", "vip"))
    await scene.store.messages.update(scene.actor, placed.message, change)
    told = await scene.one("message.updated")
    assert told == {
        "message_id": placed.message,
        "changes": {"seen": True, "labels": {"added": ["billing", "vip"], "removed": []}},
        **BY_KEY,
    }
    await scene.store.messages.update(scene.actor, placed.message, change)
    assert await scene.told() == []
    change = MessageChange(seen=False, remove_labels=("VIP",), folder="Archive")
    await scene.store.messages.update(scene.actor, placed.message, change)
    [(_, marks), (_, folder)] = await scene.told("message.updated")
    assert marks["changes"] == {"seen": False, "labels": {"added": [], "removed": ["vip"]}}
    assert folder["changes"] == {"folder": {"from": "INBOX", "to": "Archive"}}
    assert folder["thread_id"] == placed.thread


async def test_marks_over_imap(scene: Scene) -> None:
    placed = await deliver(scene.store, scene.inbox)
    await scene.told()
    box = await scene.box("INBOX")

    async def store(mode: Any, flags: Flag, *words: str) -> list[dict[str, Any]]:
        change = FlagChange(mode, flags, words)
        await scene.store.mailboxes.store_flags(
            scene.person, scene.where, box.id, [placed.uid], change
        )
        return [data["changes"] for _, data in await scene.told("message.updated")]

    assert await store("add", Flag.SEEN | Flag.FLAGGED) == [{"seen": True, "flagged": True}]
    assert await store("add", Flag.SEEN) == []
    assert await store("add", Flag.DELETED) == []
    assert await store("add", Flag(0), "$Work") == [{"labels": {"added": ["$work"], "removed": []}}]
    assert await store("replace", Flag.ANSWERED, "Other") == [
        {
            "seen": False,
            "answered": True,
            "flagged": False,
            "labels": {"added": ["other"], "removed": ["$work"]},
        }
    ]
    await scene.store.mailboxes.store_flags(
        scene.person, scene.where, box.id, [placed.uid], FlagChange("remove", Flag.ANSWERED, ())
    )
    assert (await scene.one("message.updated")) == {
        "message_id": placed.message,
        "changes": {"answered": False},
        **BY_PERSON,
    }


async def test_many_marks_at_once_are_told_together(scene: Scene) -> None:
    placed = [await deliver(scene.store, scene.inbox, letter(str(n))) for n in range(30)]
    await scene.told()
    box, uids = await scene.box("INBOX"), [one.uid for one in placed]

    async def store(change: FlagChange, some: Sequence[int]) -> list[dict[str, Any]]:
        await scene.store.mailboxes.store_flags(scene.person, scene.where, box.id, some, change)
        return [data for _, data in await scene.told("message.updated")]

    each = await store(FlagChange("add", Flag.SEEN, ()), uids[:25])
    assert [one["message_id"] for one in each] == [one.message for one in placed[:25]]
    [many] = await store(FlagChange("add", Flag.SEEN, ("x",)), uids)
    assert many == {
        "message_id": None,
        "message_ids": [one.message for one in placed],
        "changes": {"seen": True, "labels": {"added": ["x"]}},
        **BY_PERSON,
    }
    [some] = await store(FlagChange("replace", Flag.SEEN, ()), uids)
    assert some["changes"] == {
        "seen": True,
        "answered": False,
        "flagged": False,
        "labels": {"set": []},
    }
    assert await store(FlagChange("replace", Flag.SEEN, ()), uids) == []


async def test_deleting_and_restoring(scene: Scene) -> None:
    placed = await deliver(scene.store, scene.inbox)
    await scene.told()
    messages = scene.store.messages
    assert not await messages.delete(scene.actor, placed.message)
    assert await scene.one("message.deleted") == {
        "message_id": placed.message,
        "thread_id": placed.thread,
        "changes": {"folder": {"from": "INBOX", "to": "Trash"}},
        "permanent": False,
        **BY_KEY,
    }
    await messages.restore(scene.actor, placed.message)
    assert (await scene.one("message.restored"))["message_id"] == placed.message
    assert await messages.delete(scene.actor, placed.message, permanent=True)
    gone = await scene.one("message.deleted")
    assert (gone["message_id"], gone["permanent"]) == (placed.message, True)


async def test_moving_and_expunging_over_imap(scene: Scene) -> None:
    first, second = [await deliver(scene.store, scene.inbox, letter(str(n))) for n in (1, 2)]
    await scene.told()
    boxes, inbox = scene.store.mailboxes, await scene.box("INBOX")
    for one, name, kind in (
        (first, "Archive", "message.updated"),
        (second, "Trash", "message.deleted"),
    ):
        await boxes.copy(scene.person, scene.where, inbox.id, [one.uid], name, moving=True)
        told = await scene.one(kind)
        assert told["changes"] == {"folder": {"from": "INBOX", "to": name}}
        assert told["source"] == "imap"
    trash = await scene.box("Trash")
    [uid] = await scene.uids("Trash")
    await boxes.copy(scene.person, scene.where, trash.id, [uid], "INBOX", moving=True)
    assert (await scene.one("message.restored"))["message_id"] == second.message
    [uid] = await scene.uids("INBOX")
    await boxes.copy(scene.person, scene.where, inbox.id, [uid], "Archive")
    assert await scene.told() == []
    await boxes.expunge(scene.person, scene.where, inbox.id, [uid], only_deleted=False)
    assert await scene.told() == []  # There is a copy of it elsewhere.
    archive = await scene.box("Archive")
    await boxes.expunge(scene.person, scene.where, archive.id, only_deleted=False)
    gone = await scene.told()
    assert [(kind, data["message_id"], data["permanent"]) for kind, data in gone] == [
        ("message.deleted", first.message, True),
        ("message.deleted", second.message, True),
    ]


async def test_drafts_of_mail_programs(scene: Scene) -> None:
    await scene.told()
    appending = Appending(scene.store.messages, scene.store.mailboxes, MessageLimits())
    drafts = await scene.box("Drafts")
    placed = await appending.append(
        scene.person, scene.where, drafts, letter(), Flag.DRAFT | Flag.SEEN, (), None
    )
    created = await scene.one("draft.created")
    assert created["draft_id"] == "drf_" + placed.message[4:]
    boxes = scene.store.mailboxes
    await boxes.store_flags(
        scene.person, scene.where, drafts.id, [placed.uid], FlagChange("add", Flag.FLAGGED, ())
    )
    assert await scene.told() == []
    await boxes.expunge(scene.person, scene.where, drafts.id, only_deleted=False)
    gone = await scene.one("draft.deleted")
    assert (gone["draft_id"], gone["source"]) == (created["draft_id"], "imap")


async def test_a_message_that_every_server_refuses_to_take_in_time_has_failed(
    scene: Scene,
) -> None:
    placed = await deliver(scene.store, scene.inbox, role="sent")
    await scene.told()

    async def operation(connection: Connection) -> None:
        await connection.execute(
            "INSERT INTO deliveries (message_id, recipient, organization_id, inbox_id, state)"
            " VALUES ($1, 'a@x.example', $2, $3, 'failed')",
            placed.message,
            scene.where.organization,
            scene.where.inbox,
        )
        for state in ("failed", "failed"):
            await connection.execute(
                "UPDATE messages SET state = $2 WHERE id = $1", placed.message, state
            )

    await scene.store.database.run("*", operation, atomic=True)
    told = await scene.one("message.failed")
    assert told["message_id"] == placed.message
    assert [each["email_address"] for each in told["failed_recipients"]] == ["a@x.example"]
