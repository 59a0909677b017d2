"""States are types, and each step makes a new one."""

from __future__ import annotations

from agentpost.ids import EnvironmentId, InboxId, MailboxId, OrganizationId
from agentpost.imap.states import Authenticated, Connected, Extension, Selected
from agentpost.imap.view import MailboxView
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import Mailbox
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
