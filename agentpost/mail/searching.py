"""Searching: pages of what a query finds, complete, and bounded in what is read for them.

The store looks at what it knows; messages that it does not know as a whole yet are looked at in their
octets here.  When a page has cost as much as one may, it ends before it is full and says so: the next
one goes on from the same place, so that nothing is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import trio

from agentpost.ids import MessageId, ThreadId
from agentpost.limits import SearchLimits
from agentpost.mime.matching import Content, words_of
from agentpost.model.actor import Actor, Scope
from agentpost.model.facet import Facets
from agentpost.model.query import FIELDS, Query, Term, Words, holds
from agentpost.store.search_messages import Asked, Hit, Look, MessageSearch, Span

_NEWEST: Final = Span().below


@dataclass(frozen=True, slots=True)
class Found:
    """Ids of messages, newest first, and below which id the next page begins, if there is one.

    ``incomplete``: the page ended before it was full, because much had to be looked at.
    """

    messages: tuple[MessageId, ...]
    threads: tuple[ThreadId, ...]
    position: str | None
    incomplete: bool


class Searching:
    """Finds messages and threads."""

    def __init__(self, search: MessageSearch, limits: SearchLimits | None = None) -> None:
        self._search = search
        self.limits = limits or SearchLimits()

    async def messages(
        self, actor: Actor, where: Scope | None, asked: Asked, limit: int, position: str | None
    ) -> Found:
        """Messages below ``position``.  Raises: Forbidden."""
        return await _Page(self, actor, where, asked, limit, position).messages()

    async def threads(
        self, actor: Actor, where: Scope | None, asked: Asked, limit: int, position: str | None
    ) -> Found:
        """The latest message found of each thread, each thread on one page only.

        Raises: Forbidden.
        """
        return await _Page(self, actor, where, asked, limit, position).of_threads()

    async def facets(
        self, actor: Actor, where: Scope | None, asked: Asked
    ) -> tuple[Facets, int, bool]:
        """How the latest messages found are spread, how many they are, and whether they are all.

        Raises: Forbidden.
        """
        found = await self.messages(actor, where, asked, self.limits.facet_hits, None)
        facets = await self._search.facets(actor, found.messages, self.limits.facet_values)
        return facets, len(found.messages), found.position is None

    async def look(self, actor: Actor, where: Scope | None, asked: Asked, span: Span) -> Look:
        """As the store looks."""
        return await self._search.look(actor, where, asked, span)

    async def read(
        self, actor: Actor, asked: Query, hits: Sequence[Hit], octets: int
    ) -> tuple[list[bool], int]:
        """Whether the octets of messages say that they are what is asked for.

        Told for as many of them, from the first on, as ``octets`` allow, and what these come to.
        """
        contents = await self._search.contents(
            actor, [hit.message for hit in hits], min(octets, self.limits.octets_at_once)
        )
        by_id = {content.message.id: content.octets for content in contents}
        # What is gone meanwhile is not found; behind the last one read nothing is known.
        read = [hit.message in by_id for hit in hits]
        known = len(hits) - read[::-1].index(True) if True in read else len(hits)
        said = await trio.to_thread.run_sync(
            lambda: [_said(asked, hit, by_id.get(hit.message)) for hit in hits[:known]]
        )
        return said, sum(map(len, by_id.values()))


def _said(asked: Query, hit: Hit, octets: bytes | None) -> bool:
    if octets is None or hit.known is None:
        return False
    known, content = hit.known, Content(octets)

    def of_term(term: Term) -> bool | None:
        said = known[term]
        if said is None and isinstance(term, Words):
            return content.has_words(words_of(term.text), FIELDS[term.part])
        return said

    return holds(asked, of_term) is True


class _Page:
    """One page on its way."""

    def __init__(
        self,
        searching: Searching,
        actor: Actor,
        where: Scope | None,
        asked: Asked,
        limit: int,
        position: str | None,
    ) -> None:
        self._searching = searching
        self._limits = searching.limits
        self._actor = actor
        self._where = where
        self._asked = asked
        self._limit = limit
        self._position = position
        self._below: str | None = _NEWEST if position is None else position
        self._looks = self._limits.max_looks
        self._octets = self._limits.max_octets
        self._operations = self._limits.max_operations
        self._near = True

    async def messages(self) -> Found:
        """See ``Searching``."""
        hits: list[Hit] = []
        while len(hits) <= self._limit and self._may_go_on():
            hits += await self._more(self._limit + 1 - len(hits))
        return self._found(hits)

    async def of_threads(self) -> Found:
        """See ``Searching``."""
        hits: dict[ThreadId, Hit] = {}
        while len(hits) <= self._limit and self._may_go_on():
            # Several messages of one thread are found in a row.
            found = await self._more(2 * (self._limit + 1))
            latest: dict[ThreadId, Hit] = {}
            for hit in found:
                if hit.thread not in hits:
                    latest.setdefault(hit.thread, hit)
            before = await self._shown_before(list(latest)) if latest else set()
            hits |= {thread: hit for thread, hit in latest.items() if thread not in before}
        return self._found(list(hits.values()))

    def _may_go_on(self) -> bool:
        left = min(self._looks, self._octets, self._operations)
        return self._below is not None and left > 0

    def _found(self, hits: list[Hit]) -> Found:
        shown = hits[: self._limit]
        full = len(hits) > self._limit
        position = shown[-1].message if full else self._below
        return Found(
            tuple(hit.message for hit in shown),
            tuple(hit.thread for hit in shown),
            position,
            incomplete=not full and position is not None,
        )

    async def _more(self, hits: int) -> list[Hit]:
        """The next messages that are found, perhaps none; moves on."""
        limits = self._limits
        assert self._below is not None
        near, self._near = self._near, False
        most = limits.first_looks if near else limits.looks_at_once
        span = Span(
            below=self._below,
            looks=min(most, self._looks),
            hits=hits,
            near=limits.near_messages if near else None,
            each=limits.inbox_messages,
        )
        look = await self._searching.look(self._actor, self._where, self._asked, span)
        self._looks -= look.looked
        self._operations -= 1
        sure, end = await self._sure(look.hits)
        self._below = look.below if end is None else end
        return sure

    async def _sure(self, hits: Sequence[Hit]) -> tuple[list[Hit], str | None]:
        """Those of the hits that are some, and the last one that is known of, if not all are."""
        unsure = [hit for hit in hits if hit.known is not None]
        said: dict[MessageId, bool] = {}
        while len(said) < len(unsure) and self._octets > 0:
            rest = unsure[len(said) :]
            answers, octets = await self._searching.read(
                self._actor, self._asked.query, rest, self._octets
            )
            self._octets -= octets
            said |= {hit.message: answer for hit, answer in zip(rest, answers, strict=False)}
        sure: list[Hit] = []
        last = self._below or _NEWEST
        for hit in hits:
            if hit.known is not None and hit.message not in said:
                return sure, last
            last = hit.message
            if said.get(hit.message, True):
                sure.append(replace(hit, known=None))
        return sure, None

    async def _shown_before(self, threads: list[ThreadId]) -> set[ThreadId]:
        """Those of the threads that have a message which an earlier page has found."""
        if self._position is None:
            return set()
        shown: set[ThreadId] = set()
        below: str | None = _NEWEST
        while below is not None and len(shown) < len(threads):
            rest = [thread for thread in threads if thread not in shown]
            most = self._limits.looks_at_once
            span = Span(below=below, start=self._position, looks=most, hits=most, threads=rest)
            look = await self._searching.look(self._actor, self._where, self._asked, span)
            self._looks -= look.looked
            sure, end = await self._sure(look.hits)
            shown |= {hit.thread for hit in sure}
            below = look.below if end is None else None
        return shown
