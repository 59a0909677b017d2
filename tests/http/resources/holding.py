"""Held messages in the tests of REST: a second key, and the job that lets messages go."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from agentpost import clock
from agentpost.clock import rfc3339
from agentpost.ids import MessageId
from agentpost.jobs.release import ReleaseWork
from agentpost.mail.policy import make_policy
from agentpost.mail.releasing import Releasing
from agentpost.model.actor import Actor, system_actor
from agentpost.model.inbox import Inbox
from agentpost.model.job import Verdict
from agentpost.store.inboxes import InboxChange
from agentpost.store.jobs import Jobs
from agentpost.store.opening import Store

ADA = "ada@elsewhere.example"
LETTER: dict[str, Any] = {"to": ADA, "subject": "Your invoice", "text_body": "Here it is."}


def ahead(**spans: float) -> str:
    """A moment so far from now, as the API takes it."""
    return rfc3339(clock.now() + timedelta(**spans))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def demand(store: Store, owner: Actor, inbox: Inbox, approval: str) -> None:
    """Have the inbox ask for approvals."""
    await store.inboxes.update(owner, inbox.id, InboxChange(settings={"approval": approval}))


async def release(store: Store, *, hurry: bool = False) -> list[Verdict]:
    """Run the release jobs that are due; with ``hurry`` everything is."""

    async def late(connection: Any) -> None:
        await connection.execute("UPDATE holds SET due_at = now(), send_at = now()")
        await connection.execute("UPDATE jobs SET run_at = now() WHERE kind = 'release'")

    if hurry:
        await store.database.run("*", late)
    system = system_actor()
    work = ReleaseWork(
        Releasing(store.holds, make_policy(store, frozenset({"shared.test"}))),
        store.holds,
        lambda: None,
    )
    jobs = Jobs(store.door)
    return [await work.run(job) for job in await jobs.claim(system, [("release", 100)], 60)]


async def told(store: Store, *types: str) -> list[tuple[str, dict[str, Any]]]:
    """Events of these types in their order, with their data."""
    rows = await store.database.run(
        "*",
        lambda c: c.rows(
            "SELECT type, data FROM events WHERE type = ANY ($1) ORDER BY seq", list(types)
        ),
    )
    return [(row["type"], msgspec.json.decode(row["data"])) for row in rows]


async def row(store: Store, sql: str, *arguments: object) -> Any:
    """One value of the database."""
    return await store.database.run("*", lambda c: c.value(sql, *arguments))


async def folders(store: Store, message: str) -> list[str]:
    """The mailboxes that hold a message."""
    found = await store.database.run(
        "*",
        lambda c: c.rows(
            "SELECT b.name FROM placements p JOIN mailboxes b ON b.id = p.mailbox_id"
            " WHERE p.message_id = $1 ORDER BY b.name",
            MessageId(message),
        ),
    )
    return [each["name"] for each in found]
