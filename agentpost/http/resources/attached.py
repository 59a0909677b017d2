"""Files that a letter names by key or by URL, held for as long as the letter is made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from msgspec import UnsetType

from agentpost.http.desk import Desk
from agentpost.http.resources.letters import FileBody
from agentpost.mail.attaching import Held, Named
from agentpost.mail.fetching import Fetched, Link
from agentpost.model.actor import Actor
from agentpost.store import checks
from agentpost.store.store import Where

T = TypeVar("T", bound=msgspec.Struct)


@asynccontextmanager
async def with_files(
    desk: Desk, actor: Actor, scope: str, where: Where, body: T, field: str = "attachments"
) -> AsyncIterator[T]:
    """``body`` with the octets of the files in its ``field`` that are named by a key or a URL.

    ``scope`` and ``where`` are those of the letter; a key means nothing in another environment.
    A URL is fetched only for who may send from there.
    Raises: UnknownField, TooLarge, NotFound, Forbidden, Overloaded.
    """
    files: list[FileBody] = getattr(body, field)
    named, links = _sorted(files, field)
    if not named and not links:
        yield body
        return
    async with desk.attaching.held(actor, scope, where, named) as held:
        if not links:
            yield _with(body, field, files, held, ())
            return
        async with desk.fetching.fetched(links) as fetched:
            yield _with(body, field, files, held, fetched)


def _sorted(files: list[FileBody], field: str) -> tuple[list[Named], list[Link]]:
    """The files that lie elsewhere.  Raises: UnknownField when one says not exactly one place."""
    named: list[Named] = []
    links: list[Link] = []
    for number, file in enumerate(files):
        by_content = not isinstance(file.content, UnsetType)
        if by_content + (file.key is not None) + (file.url is not None) != 1:
            raise checks.refuse(f"{field}[{number}]", "needs one of content, key and url")
        if file.key is not None:
            named.append(Named(file.key, f"{field}[{number}].key"))
        elif file.url is not None:
            links.append(Link(file.url, f"{field}[{number}].url"))
    return named, links


def _with(
    body: T,
    field: str,
    files: list[FileBody],
    held: Mapping[str, Held],
    fetched: Sequence[Fetched],
) -> T:
    """``body`` with files as if they had come with the letter; what it says of them comes first."""
    coming = iter(fetched)
    filled: list[FileBody] = []
    for file in files:
        if file.key is not None:
            one = held[file.key]
            filled.append(_filled(file, one.octets, one.upload.filename, one.upload.mime_type))
        elif file.url is not None:
            found = next(coming)
            filled.append(_filled(file, found.octets, found.filename, found.mime_type))
        else:
            filled.append(file)
    return msgspec.structs.replace(body, **{field: filled})


def _filled(file: FileBody, octets: bytes, filename: str | None, mime_type: str) -> FileBody:
    return msgspec.structs.replace(
        file,
        content=octets,
        key=None,
        url=None,
        filename=file.filename or filename,
        mime_type=file.mime_type or mime_type,
    )
