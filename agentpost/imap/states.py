"""Where a connection stands (RFC 9051 section 3, RFC 3501 section 3, RFC 5161).

Knows which commands are legal when: a state is a type, ``Selected`` is an ``Authenticated`` is a
``Connected``, and a command names the type it needs.  States are values: a step to another one
makes a new value and leaves the old one as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from agentpost.imap.view import MailboxView
from agentpost.model.actor import Actor, Scope
from agentpost.model.mailbox import Mailbox


class Extension(Enum):
    """What a client can ENABLE, by its name on the wire."""

    IMAP4REV2 = "IMAP4rev2"
    UTF8 = "UTF8=ACCEPT"
    CONDSTORE = "CONDSTORE"
    QRESYNC = "QRESYNC"


@dataclass(frozen=True, slots=True)
class Connected:
    """Nobody is known yet: CAPABILITY, NOOP, LOGOUT, LOGIN, AUTHENTICATE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated(Connected):
    """``actor`` has logged in to the inbox at ``where``.

    ``enabled`` lasts until the connection ends (RFC 5161 section 3.1).
    """

    actor: Actor
    where: Scope
    enabled: frozenset[Extension] = frozenset()

    @property
    def rev2(self) -> bool:
        """Whether the client speaks IMAP4rev2: no RECENT, ESEARCH for SEARCH, UTF-8."""
        return Extension.IMAP4REV2 in self.enabled

    @property
    def utf8(self) -> bool:
        """Whether names and quoted strings are UTF-8 (RFC 9051 section 5.1, RFC 6855)."""
        return not self.enabled.isdisjoint(_UTF8)

    @property
    def condstore(self) -> bool:
        """Whether FETCH tells MODSEQ unasked; QRESYNC contains it (RFC 7162 section 3.2.3)."""
        return not self.enabled.isdisjoint(_CONDSTORE)

    @property
    def qresync(self) -> bool:
        """Whether VANISHED takes the place of EXPUNGE."""
        return Extension.QRESYNC in self.enabled

    def enable(self, extensions: Iterable[Extension]) -> Self:
        """The same state with more enabled; a selected mailbox stays selected."""
        return replace(self, enabled=self.enabled.union(extensions))

    def select(self, mailbox: Mailbox, view: MailboxView, *, read_only: bool) -> Selected:
        """The state in which ``mailbox`` is selected, in place of one selected before.

        The saved search result is empty (RFC 9051 section 6.4.4.1).
        """
        return Selected(
            actor=self.actor,
            where=self.where,
            enabled=self.enabled,
            mailbox=mailbox,
            view=view,
            read_only=read_only,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected(Authenticated):
    """``mailbox`` is open, for reading only after EXAMINE.

    ``view`` is the session's own and changes as it goes on.  ``saved`` are the uids that ``$``
    stands for; those that are gone are passed over where they are used (RFC 5182).
    """

    mailbox: Mailbox
    view: MailboxView
    read_only: bool
    saved: Sequence[int] = ()

    def save(self, uids: Sequence[int]) -> Selected:
        """The same state with another search result for ``$``."""
        return replace(self, saved=uids)

    def deselected(self) -> Authenticated:
        """The state after CLOSE or UNSELECT, or when the mailbox is gone."""
        return Authenticated(actor=self.actor, where=self.where, enabled=self.enabled)


_UTF8 = frozenset({Extension.IMAP4REV2, Extension.UTF8})
_CONDSTORE = frozenset({Extension.CONDSTORE, Extension.QRESYNC})
