"""Files that a message names by their URLs, fetched while the message is made.

Whoever writes the message chooses the URL, so it may lead to the public internet only
(``net/egress.py``), without redirects, and what comes is bounded in octets and time.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

import trio

from agentpost.budget import ByteBudget
from agentpost.errors import FieldError, Overloaded, UnknownField
from agentpost.limits import FileLimits
from agentpost.net.egress import Answer, Egress, EgressFailed, EgressRefused

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}", re.ASCII)
_UNKNOWN_TYPE: Final = "application/octet-stream"
_FIELDS: Final = (("accept", "*/*"), ("accept-encoding", "identity"), ("user-agent", "AgentPost"))
_REASONS: Final = {
    "too_large": "holds more than fits into a message",
    "timeout": "did not answer in time",
    "lookup_failed": "has a name that leads nowhere",
    "connect_failed": "cannot be reached",
    "tls_failed": "has no certificate that can be trusted",
}


@dataclass(frozen=True, slots=True)
class Link:
    """A file's URL, and where in the request it stands."""

    url: str
    path: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as it was found."""

    octets: bytes = field(repr=False)
    filename: str | None
    mime_type: str


class Fetching:
    """Fetches the files of messages; what a worker holds of them together is bounded."""

    def __init__(self, egress: Egress, most_octets: int, limits: FileLimits | None = None) -> None:
        """``most_octets`` is what the files of one message may have together."""
        self._egress = egress
        self._most = most_octets
        self._limits = limits or FileLimits()
        self._room = ByteBudget(max(self._limits.held_octets, most_octets))

    @asynccontextmanager
    async def fetched(self, links: Sequence[Link]) -> AsyncIterator[tuple[Fetched, ...]]:
        """The files in the order of ``links``, while the message is made.

        Raises: UnknownField for a URL that may not be fetched or gives no file; Overloaded.
        """
        if len(links) > self._limits.linked_files:
            raise _refused(links[-1], f"is one of more than {self._limits.linked_files} URLs")
        with trio.move_on_after(self._limits.fetch_s) as waiting:
            # How large they are is known when they have come.
            await self._room.acquire(self._most)
        if waiting.cancelled_caught:
            raise Overloaded("Too many files are being fetched.", retry_after=5.0)
        try:
            yield await self._all(links)
        finally:
            self._room.release(self._most)

    async def _all(self, links: Sequence[Link]) -> tuple[Fetched, ...]:
        found: list[Fetched] = []
        left = self._most
        until = trio.current_time() + self._limits.fetch_s
        for link in links:
            one = await self._one(link, left, max(0.0, until - trio.current_time()))
            left -= len(one.octets)
            found.append(one)
        return tuple(found)

    async def _one(self, link: Link, most: int, timeout_s: float) -> Fetched:
        try:
            answer = await self._egress.get(link.url, _FIELDS, most, timeout_s)
        except EgressRefused as error:
            raise _refused(link, str(error)) from None
        except EgressFailed as error:
            raise _refused(link, _REASONS.get(error.reason, "gives no file")) from None
        if answer.status != 200:
            raise _refused(link, f"answers {answer.status}, not 200")
        return Fetched(answer.body, _filename(link.url), _media_type(answer))


def _filename(url: str) -> str | None:
    """What the file may be called: the last part of the path."""
    name = unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
    return "".join(each for each in name if each.isprintable() and each not in "/\\")[:255] or None


def _media_type(answer: Answer) -> str:
    written = (answer.field("content-type") or "").partition(";")[0].strip(" \t").lower()
    return written if _MEDIA_TYPE.fullmatch(written) else _UNKNOWN_TYPE


def _refused(link: Link, message: str) -> UnknownField:
    return UnknownField(f"{link.path}: {message}.", errors=(FieldError(link.path, message),))
