"""A conversation as a language model reads it: new texts only, oldest first, within a budget.

The beginning says what it is about, the end what is to be done: when not everything fits, the
first message keeps a part of the budget and the latest ones get the rest; what lies between is left
out, and that is said.  Tokens are estimated, rather too many than too few.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from agentpost.mail.reading import files, new_text
from agentpost.model.actor import Actor
from agentpost.model.message import Message, MessageFilter
from agentpost.model.page import PageRequest
from agentpost.model.reading import File
from agentpost.store.messages import Messages
from agentpost.store.store import Place

MAX_MESSAGES: Final = 500
"""Messages of one conversation that are read, the latest ones."""
_PAGE: Final = 50
_MAX_CHARACTERS: Final = 1_000_000
_ABOUT: Final = 40
"""Tokens for who wrote a message and when."""
_PER_FILE: Final = 25
_FIRST_SHARE: Final = 0.25
_LEAST: Final = 50
"""Fewer tokens of a message tell nothing."""
_TELLING: Final = 40
"""Characters from which on a text that comes again says nothing new."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One message of a transcript: its new text, perhaps cut."""

    message: Message
    text: str
    cut: int
    """Characters that were left out at its end."""
    files: tuple[File, ...]
    hidden_text_removed: bool


@dataclass(frozen=True, slots=True)
class Transcript:
    """A conversation, oldest first.  What was left out lies behind the first message."""

    utterances: tuple[Utterance, ...]
    omitted: int
    tokens: int


def tokens_of(text: str) -> int:
    """About how many tokens ``text`` has: four ASCII characters or one other are one token."""
    if text.isascii():
        return (len(text) + 3) // 4
    ascii_octets = len(text.encode("ascii", "ignore"))
    return (ascii_octets + 3) // 4 + len(text) - ascii_octets


def cut_to(text: str, tokens: int) -> str:
    """As much of the beginning of ``text`` as fits, up to the end of a word or line."""
    if tokens_of(text) <= tokens:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if tokens_of(text[:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    kept = text[:low]
    space = max(kept.rfind(" "), kept.rfind("\n"))
    return kept[:space].rstrip() if space > low * 3 // 4 else kept


def cost_of(one: Utterance) -> int:
    """The tokens that an utterance takes."""
    return _ABOUT + tokens_of(one.text) + _PER_FILE * len(one.files)


def fitted(one: Utterance, tokens: int) -> Utterance | None:
    """The utterance within so many tokens; None when hardly anything of it would be left."""
    if cost_of(one) <= tokens:
        return one
    left = tokens - (cost_of(one) - tokens_of(one.text))
    if left < _LEAST:
        return None
    text = cut_to(one.text, left)
    return replace(one, text=text, cut=len(one.text) - len(text))


class Transcripts:
    """Makes transcripts of the store's conversations."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    async def make(
        self, actor: Actor, thread: str, wanted: MessageFilter, count: int, max_tokens: int
    ) -> Transcript:
        """The conversation ``thread`` of ``count`` messages; ``wanted`` narrows to it.

        Raises: NotFound, Forbidden.
        """
        where = Place("thread", thread)
        begin = await self._messages.page(actor, wanted, PageRequest(1, descending=False), where)
        if not begin.rows:
            return Transcript((), 0, 0)
        first = await self._read(actor, begin.rows[0])
        reserved = fitted(first, max(_ABOUT + _LEAST, int(max_tokens * _FIRST_SHARE)))
        kept = [] if reserved is None else [reserved]
        left = max_tokens - sum(map(cost_of, kept))
        latest, repeated, complete = await self._latest(actor, first, wanted, where, left)
        used = sum(map(cost_of, latest))
        if complete and kept and kept[0].cut:
            # Everything else fits: the first message gets what is left.
            whole = fitted(first, max_tokens - used)
            kept = [whole or kept[0]]
        shown = (*kept, *reversed(latest))
        omitted = 0 if complete else max(0, count - len(shown) - repeated)
        return Transcript(shown, omitted, sum(map(cost_of, shown)))

    async def _latest(
        self, actor: Actor, first: Utterance, wanted: MessageFilter, where: Place, left: int
    ) -> tuple[list[Utterance], int, bool]:
        """The latest messages that fit, the last one first, without ``first``; how many only
        repeat others; whether these are all."""
        found: list[Utterance] = []
        known = {_name(first.message)}
        texts = {_saying(first)}
        repeated = 0
        async with aclosing(self._backwards(actor, wanted, where)) as backwards:
            async for message in backwards:
                if message.id == first.message.id:
                    return found, repeated, True
                if len(found) + repeated >= MAX_MESSAGES:
                    break
                one = await self._read(actor, message)
                if _name(message) in known or (len(one.text) >= _TELLING and _saying(one) in texts):
                    repeated += 1
                    continue
                known.add(_name(message))
                texts.add(_saying(one))
                fits = fitted(one, left) if not found or cost_of(one) <= left else None
                if fits is None:
                    break
                found.append(fits)
                left -= cost_of(fits)
        return found, repeated, False

    async def _backwards(
        self, actor: Actor, wanted: MessageFilter, where: Place
    ) -> AsyncGenerator[Message, None]:
        position: tuple[str, ...] | None = None
        while True:
            page = await self._messages.page(
                actor, wanted, PageRequest(_PAGE, position=position), where
            )
            for message in page.rows:
                yield message
            position = page.next_position
            if position is None:
                return

    async def _read(self, actor: Actor, message: Message) -> Utterance:
        content = await self._messages.content(actor, message.id)
        new = await new_text(content)
        text = new.text.strip()
        return Utterance(
            message,
            text[:_MAX_CHARACTERS],
            max(0, len(text) - _MAX_CHARACTERS),
            await files(content),
            new.hidden_text_removed,
        )


def _name(message: Message) -> str:
    """The same for two copies of one message, such as those in Sent and in INBOX."""
    return message.rfc_message_id or message.id


def _saying(one: Utterance) -> tuple[str, str]:
    sender = next(iter(one.message.correspondents.from_), None)
    return ("" if sender is None else sender.email.lower(), " ".join(one.text.split()))
