"""States are types, and each step makes a new one."""

from __future__ import annotations

import pytest

from agentpost.ids import EnvironmentId, InboxId, MailboxId, OrganizationId
from agentpost.imap.commands import COMMANDS
from agentpost.imap.session import Session
from agentpost.imap.states import Authenticated, Connected, Extension, Selected
from agentpost.imap.view import MailboxView
from agentpost.imap.wire.framer import Line
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import Mailbox
from agentpost.net import Peer
from tests.imap.harness import Client, Place, Wire
from tests.imap.snapshots import mailbox

WHERE = Scope(OrganizationId("org_1"), EnvironmentId("env_1"), InboxId("inb_1"))
ACTOR = Actor(OrganizationId("org_1"), "mc_1", frozenset({"messages:read"}))
INBOX = Mailbox(
    MailboxId(1), OrganizationId("org_1"), InboxId("inb_1"), "INBOX", "inbox", 1, True, True
)


def test_legality_is_a_matter_of_type() -> None:
    fresh = Connected()
    known = Authenticated(actor=ACTOR, where=WHERE)
    opened = known.select(INBOX, MailboxView(mailbox([1])), read_only=False)
    assert not isinstance(fresh, Authenticated)
    assert isinstance(opened, Selected)
    assert isinstance(opened, Authenticated)
    assert isinstance(known, Connected)
    assert not isinstance(opened.deselected(), Selected)


def test_what_is_enabled_stays_enabled() -> None:
    known = Authenticated(actor=ACTOR, where=WHERE)
    assert not any((known.rev2, known.utf8, known.condstore, known.qresync))
    synced = known.enable([Extension.QRESYNC])
    assert synced.qresync
    assert synced.condstore
    assert not synced.utf8
    opened = synced.select(INBOX, MailboxView(mailbox([])), read_only=True)
    modern = opened.enable([Extension.IMAP4REV2])
    assert isinstance(modern, Selected)
    assert modern.rev2
    assert modern.utf8
    assert modern.read_only
    assert modern.deselected().enabled == {Extension.QRESYNC, Extension.IMAP4REV2}
    assert known.enable([Extension.UTF8]).utf8


def test_a_saved_result_belongs_to_the_selected_mailbox() -> None:
    known = Authenticated(actor=ACTOR, where=WHERE)
    opened = known.select(INBOX, MailboxView(mailbox([1, 2])), read_only=False)
    assert opened.saved == ()
    saved = opened.save([1])
    assert saved.saved == [1]
    assert saved.select(INBOX, saved.view, read_only=False).saved == ()


# Which command is legal when (RFC 9051 sections 6.1 to 6.4, RFC 3501 section 6.4.1)

NONAUTH, AUTH, SELECTED = "not authenticated", "authenticated", "selected"
ANYWHERE = {"CAPABILITY": "", "NOOP": "", "LOGOUT": "", "ID": "NIL"}
STRANGERS = {"LOGIN": "agent@shared.test wrong", "AUTHENTICATE": "UNKNOWN"}
MEMBERS = {
    "ENABLE": "X", "SELECT": "INBOX", "EXAMINE": "INBOX", "CREATE": "made", "DELETE": "gone",
    "RENAME": "gone there", "SUBSCRIBE": "x", "UNSUBSCRIBE": "x", "LIST": '"" *', "LSUB": '"" *',
    "NAMESPACE": "", "STATUS": "INBOX (MESSAGES)", "APPEND": "INBOX {1+}\r\nx", "IDLE": "",
}  # fmt: skip
READERS = {
    "CHECK": "", "CLOSE": "", "UNSELECT": "", "EXPUNGE": "", "SEARCH": "ALL", "FETCH": "1 FLAGS",
    "STORE": "1 FLAGS ()", "COPY": "1 Archive", "MOVE": "1 Archive",
}  # fmt: skip
BY_UID = {"UID " + name for name in ("COPY", "EXPUNGE", "FETCH", "MOVE", "SEARCH", "STORE")}
LEGAL = {
    NONAUTH: ANYWHERE | STRANGERS,
    AUTH: ANYWHERE | MEMBERS,
    SELECTED: ANYWHERE | MEMBERS | READERS | {name: READERS[name[4:]] or "1" for name in BY_UID},
}
EVERY = ANYWHERE | STRANGERS | MEMBERS | READERS
ARGUMENTS = EVERY | LEGAL[SELECTED]


def test_the_table_knows_every_command() -> None:
    assert {name.encode() for name in EVERY} == set(COMMANDS)
    assert {f"UID {name.decode()}" for name, command in COMMANDS.items() if command.by_uid} == (
        BY_UID
    )


async def _in_state(place: Place, state: str) -> Client:
    if state == NONAUTH:
        wire = Wire()
        return Client(Session(place.desk, wire, peer=Peer("192.0.2.1", 1)), wire)
    client = place.client()
    if state == SELECTED:
        await client.ok("SELECT INBOX")
    return client


def _refused(answer: bytes) -> bool:
    return b" BAD " in answer and any(
        words in answer for words in (b"Log in first", b"Select a mailbox first", b"logged in al")
    )


@pytest.mark.parametrize("state", LEGAL)
async def test_a_command_is_legal_where_the_rfc_says_so(state: str, place: Place) -> None:
    await place.put(b"Subject: x\r\n\r\n")
    for name, arguments in ARGUMENTS.items():
        client = await _in_state(place, state)
        client.wire.lines.append(Line(b"DONE"))
        answer = await client.command(f"{name} {arguments}".strip())
        if name in LEGAL[state]:
            assert b" BAD " not in answer, (name, answer)
        else:
            assert _refused(answer), (name, answer)
            assert answer.count(b"\r\n") == 1


@pytest.mark.parametrize("state", LEGAL)
async def test_only_commands_on_messages_have_a_uid_form(state: str, place: Place) -> None:
    client = await _in_state(place, state)
    for name in EVERY.keys() - {each[4:] for each in BY_UID}:
        assert b" BAD " in await client.command(f"UID {name}")
    assert b" BAD " in await client.command("UID")
    assert b" BAD " in await client.command("UID UID FETCH 1 FLAGS")


@pytest.mark.parametrize(
    "name", ["SELECT", "STATUS", "LIST", "LOGIN", "FETCH", "IDLE", "UID FETCH"]
)
async def test_a_failed_command_changes_no_state(name: str, place: Place) -> None:
    client = await _in_state(place, SELECTED)
    before = client.session.state
    assert b" BAD " in await client.command(f"{name} ) (")
    assert client.session.state is before
