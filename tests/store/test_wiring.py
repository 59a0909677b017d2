"""The store as a worker opens it: what one part changes, the others forget at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentpost.errors import AuthenticationFailed
from agentpost.ids import InboxId
from agentpost.store.bootstrap import bootstrap
from agentpost.store.inboxes import InboxRequest
from agentpost.store.opening import open_store
from agentpost.store.pool import Database
from tests.imap.harness import open_place
from tests.store.conftest import SETTINGS


async def test_logins_and_addresses_are_forgotten_when_they_change(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    first = await bootstrap(database)
    assert first is not None
    async with open_store(database_url, tmp_path, SETTINGS, alone=True) as store:
        actor = await store.authentication.by_key(first.secret, peer=None)
        made, _ = await store.inboxes.create(actor, InboxRequest("support"))
        inbox, credential = made.inbox, made.credential
        assert credential is not None

        async def logs_in(password: str) -> bool:
            try:
                await store.authentication.by_login(
                    inbox.address, password, protocol="imap", peer=None
                )
            except AuthenticationFailed:
                return False
            return True

        assert await logs_in(credential.secret)
        new = await store.credentials.rotate(actor, inbox.id, credential.credential.id)
        assert not await logs_in(credential.secret)
        assert await logs_in(new.secret)
        local = await store.directory.resolve(inbox.address)
        assert local is not None
        assert not local.send_paused
        await store.inboxes.pause(actor, inbox.id, "bounces")
        local = await store.directory.resolve(inbox.address)
        assert local is not None
        assert local.send_paused
        await store.inboxes.purge(actor, inbox.id)
        assert not await logs_in(new.secret)
        assert await store.directory.resolve(inbox.address) is None
        await store.keys.revoke(actor, first.key.id)
        with pytest.raises(AuthenticationFailed):
            await store.authentication.by_key(first.secret, peer=None)


async def test_what_brings_no_job_wakes_the_queue_for_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with open_place(database_url, tmp_path) as place:
        changed: list[InboxId] = []
        queued: list[bool] = []
        place.store.committed.listeners.append(changed.append)
        place.store.committed.queued.append(lambda: queued.append(True))
        inbox = place.where.inbox
        await place.put(b"Subject: hello\r\n\r\n")
        client = await place.selected()
        await client.ok("STORE 1 +FLAGS (\\Seen)")
        await client.ok("MOVE 1 Archive")
        assert (changed, queued) == ([inbox] * 3, [])
