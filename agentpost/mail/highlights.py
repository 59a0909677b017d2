"""Why a message was found: fragments of it with the words that were looked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import trio

from agentpost.events.agentmail import people
from agentpost.limits import SearchLimits
from agentpost.mail.reading import plain_text
from agentpost.mime.fragments import Fragment, fragments_of
from agentpost.mime.matching import words_of, words_pattern
from agentpost.model.message import Message, MessageContent
from agentpost.model.query import FIELDS, Query, Words, terms
from agentpost.model.search import TextField

Field = Literal["from", "to", "subject", "text"]

_FIELDS: Final[dict[Field, frozenset[TextField]]] = {
    "from": frozenset({TextField.FROM}),
    "to": frozenset({TextField.TO, TextField.CC}),
    "subject": frozenset({TextField.SUBJECT}),
    "text": frozenset({TextField.BODY}),
}


@dataclass(frozen=True, slots=True)
class Highlight:
    """A fragment of a field; recipients of all kinds are ``to``."""

    field: Field
    fragment: Fragment


class Highlighter:
    """Shows what a query finds in messages."""

    def __init__(self, query: Query, limits: SearchLimits) -> None:
        self._limits = limits
        self._sought: dict[Field, re.Pattern[str]] = {}
        wanted = [term for term, is_wanted in terms(query) if is_wanted]
        for name, fields in _FIELDS.items():
            phrases = [
                words_of(term.text)
                for term in wanted
                if isinstance(term, Words) and not fields.isdisjoint(FIELDS[term.part])
            ]
            if phrases:
                self._sought[name] = words_pattern(phrases)

    @property
    def needs_text(self) -> bool:
        """Whether anything is looked for in texts, which must be read then."""
        return "text" in self._sought

    async def shown(
        self, messages: Sequence[Message], contents: Sequence[MessageContent]
    ) -> list[tuple[Highlight, ...]]:
        """The fragments of each message; of those that are not in ``contents`` the preview stands
        for the text."""
        by_id = {content.message.id: content for content in contents}
        return await trio.to_thread.run_sync(
            lambda: [self._of(message, by_id.get(message.id)) for message in messages]
        )

    def _of(self, message: Message, content: MessageContent | None) -> tuple[Highlight, ...]:
        found: list[Highlight] = []
        for field, sought in self._sought.items():
            text = _text_of(field, message, content)
            found += [Highlight(field, one) for one in fragments_of(text, sought, self._limits)]
        return tuple(found)


def _text_of(field: Field, message: Message, content: MessageContent | None) -> str:
    who = message.correspondents
    match field:
        case "from":
            return ", ".join(people(who.from_))
        case "to":
            return ", ".join(people((*who.to, *who.cc)))
        case "subject":
            return message.subject
        case "text":
            return message.preview if content is None else plain_text(content)
