"""ImapFlow: the IMAP client of EmailEngine and of most programs for Node.js."""

from __future__ import annotations

from conformance.clients import node
from conformance.clients.journey import Steps
from conformance.clients.place import Place


def version() -> str:
    """The version of the installed package."""
    return node.version("imapflow")


def journey(place: Place, steps: Steps) -> None:
    """The script's steps, then a look at what it left."""
    node.journey("imapflow.mjs", place, steps)
    with steps("the mailbox is what the client left"), place.witness() as witness:
        assert witness.subjects() == ["imapflow idle"], witness.subjects()
        assert witness.flags("Archive")["imapflow first"] >= {"\\Flagged", "invoice"}
        assert witness.flags("Drafts")["imapflow draft"] == {"\\Draft", "\\Seen"}
        assert "Flow/Ünit" not in witness.mailboxes()
