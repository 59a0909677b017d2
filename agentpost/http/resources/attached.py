"""Files that a letter names by their keys, read for as long as the letter is made."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from msgspec import UnsetType

from agentpost.http.desk import Desk
from agentpost.http.resources.letters import FileBody
from agentpost.mail.attaching import Held, Named
from agentpost.model.actor import Actor
from agentpost.store import checks
from agentpost.store.store import Where

T = TypeVar("T", bound=msgspec.Struct)


@asynccontextmanager
async def with_files(
    desk: Desk, actor: Actor, scope: str, where: Where, body: T, field: str = "attachments"
) -> AsyncIterator[T]:
    """``body`` with the octets of the files in its ``field`` that are named by a key.

    ``scope`` and ``where`` are those of the letter; a key means nothing in another environment.
    Raises: UnknownField, TooLarge, NotFound, Forbidden.
    """
    files: list[FileBody] = getattr(body, field)
    named = list(_named(files, field))
    if not named:
        yield body
        return
    async with desk.attaching.held(actor, scope, where, named) as held:
        filled = [one if one.key is None else _filled(one, held[one.key]) for one in files]
        yield msgspec.structs.replace(body, **{field: filled})


def _named(files: list[FileBody], field: str) -> Iterator[Named]:
    for number, file in enumerate(files):
        by_content = not isinstance(file.content, UnsetType)
        if by_content == (file.key is not None):
            raise checks.refuse(f"{field}[{number}]", "needs either content or key")
        if file.key is not None:
            yield Named(file.key, f"{field}[{number}].key")


def _filled(file: FileBody, held: Held) -> FileBody:
    """The file as if it had come with the letter; what the letter says of it comes first."""
    upload = held.upload
    return msgspec.structs.replace(
        file,
        content=held.octets,
        key=None,
        filename=file.filename or upload.filename,
        mime_type=file.mime_type or upload.mime_type,
    )
