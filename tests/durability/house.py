"""A running server with inboxes in it, and a look at all it holds."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from agentpost.store.inboxes import InboxRequest
from agentpost.store.opening import open_store
from tests.corpus.strict import Client, Value
from tests.durability.ledger import Box, Contents, Ledger, Stored
from tests.durability.load import Account, Appender, Load, Sorter, Submitter, Worker
from tests.durability.reading import SETTINGS, Everything, Readers, address_of, everything
from tests.server import Server

MAILBOXES = ("INBOX", "Sent", "Archive")


def furnish(server: Server, *usernames: str) -> list[Account]:
    """New inboxes, each with its mail credential, made over the store itself."""

    async def make() -> list[Account]:
        made = []
        async with open_store(
            address_of(server), server.directory / "data" / "blobs", SETTINGS, alone=False
        ) as store:
            actor = await store.authentication.by_key(server.key, peer=None)
            for username in usernames:
                new, _ = await store.inboxes.create(actor, InboxRequest(username))
                assert new.credential is not None
                made.append(Account(new.inbox.id, new.inbox.address, new.credential.secret))
        return made

    return trio.run(make)


def mixed_load(server: Server, ledger: Ledger, accounts: Sequence[Account]) -> Load:
    """Submitters to local inboxes, an appender, and clients that flag and move."""
    one, two, three = accounts
    workers: list[Worker] = [
        Submitter(server, ledger, one, 1, [two, three]),
        Submitter(server, ledger, two, 2, [one, three]),
        Submitter(server, ledger, three, 3, [one, two, three]),
        Appender(server, ledger, one, 1),
        Sorter(server, ledger, two, 1),
        Sorter(server, ledger, three, 2),
    ]
    return Load(ledger, workers)


def readers(server: Server, accounts: Sequence[Account]) -> Readers:
    """Readers of the changes in all inboxes and of the event log."""
    blobs = server.directory / "data" / "blobs"
    return Readers(address_of(server), blobs, server.key, [one.id for one in accounts])


def told(server: Server, accounts: Sequence[Account]) -> dict[Box, Contents]:
    """Everything in all mailboxes, as an IMAP client is told it."""
    found: dict[Box, Contents] = {}
    for account in accounts:
        client = Client.connect(server.port("imaps"), server.tls)
        try:
            client.login(account.address, account.password)
            for name in MAILBOXES:
                found[account.address, name] = _contents(client, name)
        finally:
            client.close()
    return found


def _contents(client: Client, name: str) -> Contents:
    validity = 0
    for line in client.command(b"EXAMINE " + name.encode()).untagged:
        if line.startswith(b"OK [UIDVALIDITY "):
            validity = int(line[16:].partition(b"]")[0])
    answer = client.command(b"UID FETCH 1:* (UID FLAGS BODY.PEEK[])")
    return Contents(validity, [_stored(items) for items in answer.items()])


def _stored(items: dict[bytes, Value]) -> Stored:
    uid, flags, octets = items[b"UID"], items[b"FLAGS"], items[b"BODY[]"]
    assert isinstance(uid, int)
    assert isinstance(flags, list)
    assert isinstance(octets, bytes)
    words = frozenset(one.decode() for one in flags if isinstance(one, bytes))
    return Stored(uid, 0, words, octets)


def kept(server: Server) -> Everything:
    """The tables at the end."""

    async def look() -> Everything:
        async with open_store(
            address_of(server), server.directory / "data" / "blobs", SETTINGS, alone=False
        ) as store:
            return await everything(store)

    return trio.run(look)


def broken_readings(seen: Readers, kept: Everything, ledger: Ledger) -> list[str]:
    """Whatever a reader missed, saw twice or out of order, and events that are not as they must."""
    wrong: list[str] = []
    for follower in seen.followers:
        wrong += follower.complaints
        there = {
            message for message, (inbox, _) in kept.messages.items() if inbox == follower.inbox
        }
        if len(set(follower.created)) != len(follower.created):
            wrong.append(f"a reader of {follower.inbox} was told of messages twice")
        missed = there - set(follower.created)
        if missed:
            wrong.append(f"a reader of {follower.inbox} missed {len(missed)} of {len(there)}")
    if seen.events != kept.events:
        missed_events = set(kept.events) - set(seen.events)
        wrong.append(f"{len(missed_events)} events were missed or came out of order")
    return wrong + _broken_events(kept, ledger)


_LATER = frozenset({"message.updated", "message.deleted", "message.restored"})


def _broken_events(kept: Everything, ledger: Ledger) -> list[str]:
    wrong = []
    by_message: dict[str, list[str]] = {}
    for _, _, kind, message in kept.events:
        by_message.setdefault(message, []).append(kind)
    for message, (inbox, token) in kept.messages.items():
        promise = ledger.promises.get(token)
        kinds = by_message.get(message, [])
        if promise is None:
            continue
        sent = promise.once and kinds[:1] == ["message.sent"]
        expected = ["message.sent", "message.delivered"] if sent else ["message.received"]
        if not promise.once:
            expected = []
        # Each arrival begins a conversation or goes on with one, and that is told once; what
        # somebody did with the message later is another reader's concern.
        arrived = [kind for kind in kinds if kind not in _LATER]
        of_message = [kind for kind in arrived if not kind.startswith("thread.")]
        if of_message != expected or len(arrived) != len(expected) + 1:
            wrong.append(f"events of {token} in {inbox}: {kinds}")
    return wrong
