"""Sessions that idle in the same mailbox and are told together.

A wake-up rouses one of them, which looks what is new.  Then all who rest are told on the spot,
without being roused: each costs the comparison of its view and one write.  Who cannot be told at
once, because its connection takes no octets or it is at work, is roused and tells itself.

``\\Recent`` comes after: that a message is there is told at once, whose it is takes a transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import trio

from agentpost.errors import MailboxNotFound
from agentpost.imap.states import Selected
from agentpost.imap.telling import claims_recent, tell_at_once

if TYPE_CHECKING:
    from agentpost.imap.session import Session

_TOLD_A_TURN: Final = 64
"""Sessions that are told before other tasks get a turn."""


class Company:
    """The sessions of a worker that idle in one mailbox; the bus wakes it, it wakes them."""

    __slots__ = ("_looking", "_news", "_sessions")

    def __init__(self) -> None:
        self._sessions: dict[Session, Selected] = {}
        self._news = False
        self._looking = False

    def __bool__(self) -> bool:
        return bool(self._sessions)

    def join(self, session: Session, state: Selected) -> None:
        """``session`` idles from now on."""
        self._sessions[session] = state

    def leave(self, session: Session) -> None:
        """``session`` idles no longer; if it was to look, another one does."""
        del self._sessions[session]
        if self._news and not self._looking:
            self._rouse_one()

    def wake(self) -> None:
        """Something was committed: somebody has to look."""
        self._news = True
        if not self._looking:
            self._rouse_one()

    def _rouse_one(self) -> None:
        for session in self._sessions:
            if session.link.resting:
                session.link.wake()
                return
        self._rouse_all()  # All are at work; whoever is done first looks.

    def _rouse_all(self) -> None:
        for session in self._sessions:
            session.link.wake()

    async def tell(self, session: Session) -> None:
        """Say to ``session`` what is new, and to the others if nobody has done that yet.

        Raises: Problem when the store does not answer.
        """
        if self._news and not self._looking:
            try:
                await self._look(session)
            except MailboxNotFound:
                self._rouse_all()  # Each has to say goodbye.
        await session.tell_changes(may_expunge=True)

    async def _look(self, session: Session) -> None:
        state, index = self._sessions[session], session.desk.store.index
        self._looking = True
        try:
            while self._news:
                self._news = False
                await index.snapshot(state.actor, state.where, state.mailbox.id, ask=True)
                await self._tell_all(session)
        except MailboxNotFound:
            raise
        except BaseException:
            self._news = True
            raise
        finally:
            self._looking = False

    async def _tell_all(self, looking: Session) -> None:
        for count, (session, state) in enumerate(list(self._sessions.items()), 1):
            if count % _TOLD_A_TURN == 0:
                await trio.lowlevel.checkpoint()
            if session not in self._sessions:
                continue
            rests = session is looking or (session.link.resting and session.welcome)
            if not (rests and tell_at_once(session, state)):
                session.link.wake()
        self._let_claim(looking)

    def _let_claim(self, looking: Session) -> None:
        """Have one session claim what is ``\\Recent``: the one that looks, if it may."""
        state, index = self._sessions[looking], looking.desk.store.index
        snapshot = index.present(state.actor, state.where, state.mailbox.id)
        if snapshot is None or claims_recent(state, snapshot):
            return
        for session, another in self._sessions.items():
            if claims_recent(another, snapshot):
                session.link.wake()
                return


@contextmanager
def company_of(session: Session) -> Iterator[Company | None]:
    """Idle together with the others in the selected mailbox; None when none is selected."""
    state = session.state
    if not isinstance(state, Selected):
        yield None
        return
    bus, inbox, mailbox = session.desk.bus, state.where.inbox, state.mailbox.id
    companies = session.desk.companies
    company = companies.get(mailbox)
    if company is None:
        company = companies[mailbox] = Company()
        bus.add(company, inbox)
    company.join(session, state)
    try:
        yield company
    finally:
        company.leave(session)
        if not company:
            bus.remove(company, inbox)
            del companies[mailbox]
