"""A person decides from any mail program: moving a held message is the decision (API.md, 2)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from agentpost import clock
from agentpost.clock import rfc3339
from agentpost.imap.session import Session
from agentpost.imap.states import Authenticated
from agentpost.limits import MessageLimits
from agentpost.mail.appending import Appending
from agentpost.mail.policy import make_policy
from agentpost.mail.submission import Outgoing, Submission, SubmissionSettings
from agentpost.model.actor import Actor
from agentpost.model.envelope import Envelope, ForwardPath
from agentpost.model.job import Done
from agentpost.model.message import Receipt
from agentpost.model.page import PageRequest
from agentpost.net import Peer
from tests.http.resources.holding import folders, release, row, told
from tests.imap.harness import Client, Place, Wire

ADA = "ada@elsewhere.example"
HIDDEN = "hidden@elsewhere.example"
PEER = Peer("192.0.2.1", 40_000)


def letter(house: House, text: str = "Shall I?", to: str = ADA, **fields: str) -> bytes:
    lines = [
        f"From: {house.address}",
        f"To: {to}",
        "Subject: A question",
        "Message-ID: <q@shared.test>",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join((*lines, "", text, "")).encode()


@dataclass
class House:
    """An inbox with an agent that sends and a person who reads it with a mail program."""

    place: Place
    submission: Submission
    agent: Actor
    human: Actor

    @property
    def address(self) -> str:
        assert self.place.actor.address is not None
        return self.place.actor.address

    async def send(self, octets: bytes | None = None, *, hold: bool = True) -> Receipt:
        envelope = Envelope(self.address, (ForwardPath(ADA), ForwardPath(HIDDEN)))
        outgoing = Outgoing(hold_for_approval=hold)
        return await self.submission.send(
            self.agent, self.place.where, self.address, envelope, octets or letter(self), outgoing
        )

    def client(self, actor: Actor) -> Client:
        wire = Wire()
        desk = replace(self.place.desk, appending=self.appending)
        session = Session(desk, wire, peer=PEER)
        session.logged_in(Authenticated(actor=actor, where=self.place.where))
        return Client(session, wire)

    @property
    def appending(self) -> Appending:
        store = self.place.store
        return Appending(store.messages, store.mailboxes, MessageLimits(), self.submission)

    async def state(self, message: str) -> str:
        found: str = await row(
            self.place.store, "SELECT state FROM messages WHERE id = $1", message
        )
        return found


@pytest.fixture
async def house(place: Place) -> House:
    store = place.store
    submission = Submission(
        store.messages,
        store.directory,
        place.desk.logins,
        make_policy(store, frozenset({"shared.test"})),
        store.approvals,
        SubmissionSettings({}),
    )
    owner = replace(place.actor, inboxes=None, scopes=place.actor.scopes | {"credentials:write"})
    may = replace(owner, scopes=owner.scopes | {"approvals:decide"})
    assert place.where.inbox is not None
    made = await store.credentials.create(may, place.where.inbox, "phone", approver=True)
    assert place.actor.address is not None
    human, _, _ = await store.authentication.by_login(
        place.actor.address, made.secret, protocol="imap", peer=None
    )
    return House(place, submission, place.actor, human)


async def test_moving_to_approved_sends_once(house: House) -> None:
    sent = await house.send()
    assert sent.status == "held"
    client = house.client(house.human)
    listed = await client.ok('LIST "" "*"')
    for name in (b"Approvals", b"Approvals/Approved", b"Approvals/Rejected"):
        assert name in listed
    selected = await client.ok("SELECT Approvals")
    assert b"* 1 EXISTS" in selected
    assert b"UNSEEN" in selected or b"* 1 RECENT" in selected
    moved = await client.ok("UID MOVE 1 Approvals/Approved")
    assert b"COPYUID" in moved
    assert b"* 1 EXPUNGE" in moved
    # The decision is in the same transaction as the move; the rest follows once.
    assert await house.state(sent.message_id) == "scheduled"
    store = house.place.store
    assert [await release(store), await release(store)] == [[Done()], []]
    assert await house.state(sent.message_id) == "queued"
    assert await folders(store, sent.message_id) == ["Approvals/Approved", "Sent"]
    assert await row(store, "SELECT count(*) FROM jobs WHERE kind = 'relay'") == 1
    [(_, event)] = await told(store, "approval.approved")
    assert (event["decided_by"], event["source"]) == (house.human.credential, "imap")
    assert await row(store, "SELECT count(*) FROM audit WHERE action = 'approval.approved'") == 1
    again = await house.client(house.human).ok("SELECT Sent")
    assert b"* 1 EXISTS" in again


@pytest.mark.parametrize("target", ["Approvals/Rejected", "Trash", "Archive"])
async def test_moving_anywhere_else_rejects(house: House, target: str) -> None:
    sent = await house.send()
    client = house.client(house.human)
    await client.ok("SELECT Approvals")
    await client.ok(f"MOVE 1 {target}")
    assert await house.state(sent.message_id) == "rejected"
    assert await folders(house.place.store, sent.message_id) == [target]
    assert await release(house.place.store, hurry=True) == []
    assert [name for name, _ in await told(house.place.store, "approval.rejected")] == [
        "approval.rejected"
    ]


async def test_copying_and_expunging_decides_too(house: House) -> None:
    """What a mail program without MOVE does."""
    sent = await house.send()
    client = house.client(house.human)
    await client.ok("SELECT Approvals")
    await client.ok("COPY 1 Approvals/Approved")
    await client.ok("STORE 1 +FLAGS (\\Deleted)")
    await client.ok("EXPUNGE")
    assert await release(house.place.store) == [Done()]
    assert await house.state(sent.message_id) == "queued"
    second = await house.send(letter(house, "Shall I now?"))
    await client.ok("STORE 1 +FLAGS (\\Deleted)")
    await client.ok("EXPUNGE")
    gone = "SELECT count(*) FROM messages WHERE id = $1"
    assert await row(house.place.store, gone, second.message_id) == 0
    assert await row(house.place.store, "SELECT count(*) FROM holds") == 0
    assert await release(house.place.store, hurry=True) == []


async def test_an_agent_approves_nothing_over_imap(house: House) -> None:
    sent = await house.send()
    for actor in (
        house.agent,
        replace(house.agent, scopes=house.agent.scopes | {"approvals:decide"}),
    ):
        client = house.client(actor)
        await client.ok("SELECT Approvals")
        for command in ("MOVE 1 Approvals/Approved", "COPY 1 Approvals/Approved"):
            assert b"NO [NOPERM]" in await client.command(command)
        assert b"NO [NOPERM]" in await client.command("MOVE 1 Approvals/Rejected")
    assert await house.state(sent.message_id) == "held"
    assert await folders(house.place.store, sent.message_id) == ["Approvals"]
    # It may take back what it wanted sent.
    client = house.client(house.agent)
    await client.ok("SELECT Approvals")
    await client.ok("MOVE 1 Trash")
    assert await house.state(sent.message_id) == "canceled"
    assert await told(house.place.store, "approval.rejected") == []


async def test_several_are_decided_together_or_not_at_all(house: House) -> None:
    first = await house.send()
    own = await house.submission.send(
        house.human,
        house.place.where,
        house.address,
        Envelope(house.address, (ForwardPath(ADA),)),
        letter(house, "My own"),
        Outgoing(hold_for_approval=True),
    )
    client = house.client(house.human)
    await client.ok("SELECT Approvals")
    assert b"NO [NOPERM]" in await client.command("MOVE 1:2 Approvals/Approved")
    assert await house.state(first.message_id) == "held"
    assert await house.state(own.message_id) == "held"
    assert await release(house.place.store) == []


async def test_a_new_version_changes_what_waits(house: House) -> None:
    first = await house.send()
    client = house.client(house.human)
    await client.ok("SELECT Approvals")
    octets = letter(house, "Better so.", to="eve@elsewhere.example")
    said = await client.command(b"APPEND Approvals {%d+}\r\n%b" % (len(octets), octets))
    assert b"OK [APPENDUID" in said, said
    store = house.place.store
    [approval] = (await store.approvals.page(house.human, PageRequest())).rows
    assert approval.message != first.message_id
    assert approval.state == "pending"
    # Whom nobody saw in the header stays; whom the writer took out is out.
    assert approval.recipients == ("eve@elsewhere.example", HIDDEN)
    assert (
        await row(
            store,
            "SELECT count(*) FROM placements p JOIN mailboxes b"
            " ON b.id = p.mailbox_id WHERE b.role = 'approvals'",
        )
        == 1
    )
    assert b"* 1 EXPUNGE" in said + await client.ok("NOOP")
    await client.ok("MOVE 1 Approvals/Approved")
    assert await release(store) == [Done()]
    states = await row(store, "SELECT array_agg(recipient ORDER BY recipient) FROM deliveries")
    assert states == ["eve@elsewhere.example", HIDDEN]


async def test_only_others_change_what_waits(house: House) -> None:
    await house.send()
    octets = letter(house, "Quite another text.")
    for actor in (house.agent, replace(house.agent, credential="mc_other")):
        client = house.client(actor)
        said = await client.command(b"APPEND Approvals {%d+}\r\n%b" % (len(octets), octets))
        assert b"NO [NOPERM]" in said, said


async def test_what_lies_in_scheduled_is_sent_when_its_header_says(house: House) -> None:
    await house.send(letter(house, X_AgentPost_Send_At=_later()), hold=False)
    client = house.client(house.agent)
    assert b"* 1 EXISTS" in await client.ok("SELECT Scheduled")
    octets = letter(house, "Another", X_AgentPost_Send_At=_later()).replace(b"<q@", b"<r@")
    said = await client.command(b"APPEND Scheduled {%d+}\r\n%b" % (len(octets), octets))
    assert b"OK [APPENDUID" in said
    store = house.place.store
    assert await row(store, "SELECT count(*) FROM holds WHERE kind = 'schedule'") == 2
    await client.ok("MOVE 1 Trash")
    assert await release(store, hurry=True) == [Done()]
    assert await row(store, "SELECT count(*) FROM relays") == 1
    past = letter(house, "Late", X_AgentPost_Send_At="2020-01-01T00:00:00Z").replace(b"<q@", b"<s@")
    said = await client.command(b"APPEND Scheduled {%d+}\r\n%b" % (len(past), past))
    assert b" NO " in said


async def test_a_copy_that_the_mail_program_filed_in_sent_is_not_shown_twice(
    house: House,
) -> None:
    octets = letter(house, X_AgentPost_Send_At=_later())
    sent = await house.send(octets, hold=False)
    await house.place.put(octets, mailbox="Sent")
    store = house.place.store
    assert await release(store, hurry=True) == [Done()]
    assert await folders(store, sent.message_id) == ["Sent"]
    assert b"* 1 EXISTS" in await house.client(house.agent).ok("SELECT Sent")


def _later() -> str:
    return rfc3339(clock.now() + timedelta(hours=1))
