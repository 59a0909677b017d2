"""Files that wait to be attached: announced, found again by their keys, ended by their age.

A key belongs to one environment.  It may be attached to any number of messages while it lasts,
because each message holds a copy, so that nothing has to be noted when one is sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from agentpost.errors import Limit, NotFound
from agentpost.ids import EnvironmentId, OrganizationId, new_id
from agentpost.limits import FileLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.upload import NewUpload, Upload
from agentpost.store import checks
from agentpost.store.blobs import UPLOAD
from agentpost.store.homes import hold_home, home_of
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door, Place, Where

_MEDIA: Final = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}", re.ASCII
)
_MAX_FILENAME: Final = 255
_SHA256_OCTETS: Final = 32
_COLUMNS: Final = (
    "id, organization_id, environment_id, filename, mime_type, size, sha256, created_at, expires_at"
)


class Uploads:
    """Everything about files that are not in a message yet, but their octets."""

    def __init__(self, door: Door, limits: FileLimits | None = None) -> None:
        self._door = door
        self._limits = limits or FileLimits()

    async def announce(self, actor: Actor, file: NewUpload) -> Upload:
        """Give a file a key in the environment that the actor's key determines.

        Raises: UnknownField; NotFound for the environment; Limit when too many files wait there.
        """
        _check(file)
        home = home_of(actor)
        key = new_id(UPLOAD)
        lasts = timedelta(seconds=self._limits.upload_s)

        async def write(connection: Connection, where: Scope) -> Upload:
            await hold_home(connection, where)
            await self._check_room(connection, where, file.size)
            row = await connection.row(
                "INSERT INTO uploads (id, organization_id, environment_id, filename, mime_type,"
                " size, sha256, created_by, expires_at)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9::interval)"
                f" RETURNING {_COLUMNS}",
                key,
                where.organization,
                where.environment,
                file.filename,
                file.mime_type.lower(),
                file.size,
                file.sha256,
                actor.credential,
                lasts,
            )
            assert row is not None
            return _upload(row)

        place = Place("environment", home)
        return await self._door.write(actor, "messages:write", place, write)

    async def get(self, actor: Actor, key: str) -> Upload:
        """One file by its key.  Raises: NotFound, also when it has ended."""

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                f"SELECT {_COLUMNS} FROM uploads WHERE id = $1 AND expires_at > now()", key
            )

        row = await self._door.read(actor, "messages:write", Place("upload", key), read)
        if row is None:
            raise NotFound("There is no such upload.")
        return _upload(row)

    async def some(
        self, actor: Actor, scope: str, where: Where, keys: Sequence[str]
    ) -> dict[str, Upload]:
        """Those of ``keys`` that may be attached in the environment of ``where``.

        Raises: NotFound, Forbidden for the place.
        """

        async def read(connection: Connection, place: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {_COLUMNS} FROM uploads"
                " WHERE id = ANY ($1::text[]) AND environment_id = $2 AND expires_at > now()",
                list(keys),
                place.environment,
            )

        found = await self._door.read(actor, scope, where, read)
        return {row["id"]: _upload(row) for row in found}

    async def _check_room(self, connection: Connection, where: Scope, size: int) -> None:
        """A bound on what waits, not a quota: two at the same moment may both pass."""
        row = await connection.row(
            "SELECT count(*) AS files, coalesce(sum(size), 0)::bigint AS octets FROM uploads"
            " WHERE environment_id = $1 AND expires_at > now()",
            where.environment,
        )
        assert row is not None
        limits = self._limits
        if row["files"] >= limits.waiting or row["octets"] + size > limits.waiting_octets:
            raise Limit(
                "Too many uploaded files wait in this environment.",
                fix="Attach them to messages; those of yesterday go by themselves.",
            )


def _check(file: NewUpload) -> None:
    """Raises: UnknownField."""
    if file.filename is not None:
        checks.line("filename", file.filename, _MAX_FILENAME)
    if _MEDIA.fullmatch(file.mime_type) is None:
        raise checks.refuse("mime_type", 'must be a type such as "application/pdf"')
    if file.size < 0:
        raise checks.refuse("size", "must be a number of octets")
    if file.sha256 is not None and len(file.sha256) != _SHA256_OCTETS:
        raise checks.refuse("sha256", "must be 64 hexadecimal digits")


def _upload(row: Row) -> Upload:
    return Upload(
        key=row["id"],
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        filename=row["filename"],
        mime_type=row["mime_type"],
        size=row["size"],
        sha256=row["sha256"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
