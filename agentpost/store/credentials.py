"""Mail credentials: passwords of one inbox over IMAP and SMTP (REQUIREMENTS 1.10, decision 1).

The secret is shown once.  Kept are its SHA-256 (to find it), a SCRAM verifier and, unless the
deployment decides otherwise, the secret sealed under the master key, which only the export opens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import trio

from agentpost.auth.keys import Secret, new_mail_credential
from agentpost.auth.passwords import Unsealable, scram_verifier, seal, unseal
from agentpost.errors import Limit, NotFound
from agentpost.ids import CredentialId, InboxId, new_id
from agentpost.model.actor import Actor, Scope
from agentpost.model.organization import MailCredential, NewMailCredential
from agentpost.store import announcing, audit, checks
from agentpost.store.deciding import DECIDING
from agentpost.store.fresh import nobody
from agentpost.store.narrowing import Narrowing
from agentpost.store.pool import Connection, Row
from agentpost.store.settings import StoreSettings
from agentpost.store.store import Door, Place

log = logging.getLogger(__name__)

FIRST_NAME: Final = "default"
"""Name of the credential that an inbox is made with."""

PROTOCOLS: Final = ("imap", "smtp")

_COLUMNS: Final = (
    "id, inbox_id, name, protocols, read_only, approver, expires_at, revoked_at, last_used_at,"
    " created_at"
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A new secret with all that is kept of it, computed before the transaction begins."""

    id: CredentialId
    secret: Secret
    scram: str = field(repr=False)
    sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExportedCredential:
    """One line of the credential export (R135); the password is None when it is not readable."""

    email: str
    username: str
    password: str | None = field(repr=False)


class Credentials:
    """The mail credentials of inboxes; ``forget`` is told the ids of those that changed.

    The scopes credentials:read and credentials:write are as mighty as the mail of the inboxes
    that they cover: one exports passwords, the other makes them.
    """

    def __init__(
        self, door: Door, settings: StoreSettings, forget: Callable[[str], None] = nobody
    ) -> None:
        self._door = door
        self._settings = settings
        self._forget = forget

    async def all(self, actor: Actor, inbox: str) -> tuple[MailCredential, ...]:
        """The credentials of an inbox that are not revoked, oldest first.  Raises: NotFound."""

        async def read(connection: Connection, where: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT {_COLUMNS} FROM mail_credentials"
                " WHERE inbox_id = $1 AND revoked_at IS NULL ORDER BY id",
                where.inbox,
            )

        rows = await self._door.read(actor, "credentials:read", checks.place("inbox", inbox), read)
        return tuple(mail_credential(row) for row in rows)

    async def create(
        self,
        actor: Actor,
        inbox: str,
        name: str,
        *,
        protocols: Sequence[str] = PROTOCOLS,
        read_only: bool = False,
        approver: bool = False,
        expires_at: datetime | None = None,
    ) -> NewMailCredential:
        """Make a further credential of an inbox.

        An ``approver`` decides about held messages by moving them over IMAP, which who makes it
        must be allowed too.  Raises: NotFound, UnknownField, Limit; Forbidden for an approver.
        """
        limits = self._settings.limits
        checks.line("name", name, limits.max_name_characters)
        checked = _checked_protocols(protocols)
        if approver and (read_only or "imap" not in checked):
            raise checks.refuse("approver", "decides over IMAP, and must be able to change there")
        if expires_at is not None and expires_at.tzinfo is None:
            raise checks.refuse("expires_at", "must name its time zone")
        prepared = await prepare(self._settings)

        async def write(connection: Connection, where: Scope) -> NewMailCredential:
            if approver:
                self._door.allow(actor, DECIDING, where)
            count = await connection.value(
                "SELECT count(*) FROM mail_credentials WHERE inbox_id = $1 AND revoked_at IS NULL",
                where.inbox,
            )
            if count >= limits.max_credentials:
                raise Limit(f"The inbox has {count} credentials; it may have no more.")
            made = await insert(
                connection,
                where,
                name,
                prepared,
                checked,
                read_only=read_only,
                approver=approver,
                expires_at=expires_at,
            )
            detail = {"inbox": where.inbox, "name": name, "approver": approver}
            await announcing.credential(
                connection, actor, where, made.credential, "credential.created", detail
            )
            return made

        place = checks.place("inbox", inbox)
        return await self._door.write(actor, "credentials:write", place, write)

    async def rotate(self, actor: Actor, inbox: str, credential: str) -> NewMailCredential:
        """Give a credential a new secret; the old one ends at once.

        Raises: NotFound; Forbidden for an approver's without approvals:decide.
        """
        # Sealed under the id of the row that it goes to.
        prepared = await prepare(self._settings, CredentialId(checks.identifier(credential)))

        async def write(connection: Connection, where: Scope) -> NewMailCredential:
            approver = await connection.value(
                "SELECT approver FROM mail_credentials WHERE inbox_id = $1 AND id = $2",
                where.inbox,
                credential,
            )
            if approver:
                # Or who may not decide would get a password that may.
                self._door.allow(actor, DECIDING, where)
            row = await connection.row(
                "UPDATE mail_credentials SET secret_hash = $3, scram = $4, sealed = $5"
                " WHERE inbox_id = $1 AND id = $2 AND revoked_at IS NULL"
                f" RETURNING {_COLUMNS}",
                where.inbox,
                credential,
                prepared.secret.hash,
                prepared.scram,
                prepared.sealed,
            )
            if row is None:
                raise NotFound("There is no such credential.")
            rotated = mail_credential(row)
            await announcing.credential(connection, actor, where, rotated, "credential.rotated")
            return NewMailCredential(rotated, prepared.secret.text)

        place = checks.place("inbox", inbox)
        made = await self._door.write(actor, "credentials:write", place, write)
        self._forget(made.credential.id)
        return made

    async def revoke(self, actor: Actor, inbox: str, credential: str) -> None:
        """End a credential at once and destroy its sealed secret.  Raises: NotFound."""

        async def write(connection: Connection, where: Scope) -> CredentialId:
            row = await connection.row(
                "UPDATE mail_credentials SET revoked_at = now(), sealed = NULL"
                " WHERE inbox_id = $1 AND id = $2 AND revoked_at IS NULL"
                f" RETURNING {_COLUMNS}",
                where.inbox,
                checks.identifier(credential),
            )
            if row is None:
                raise NotFound("There is no such credential.")
            revoked = mail_credential(row)
            await announcing.credential(connection, actor, where, revoked, "credential.revoked")
            return revoked.id

        place = checks.place("inbox", inbox)
        self._forget(await self._door.write(actor, "credentials:write", place, write))

    async def export(
        self, actor: Actor, where: Place | None = None
    ) -> tuple[ExportedCredential, ...]:
        """One credential of each inbox that the actor covers, with its password (R135).

        Of several it is the one for both protocols, not read-only, that was made first, and never
        an approver's; an inbox without any has a line without a password.  ``where`` narrows to an environment.
        The export is written into the audit log.
        """
        query = Narrowing(0, "ASC")
        if not actor.system:
            query.add("i.organization_id = {0}", actor.organization)
        if actor.environments is not None:
            query.add("i.environment_id = ANY ({0})", sorted(actor.environments))
        if actor.inboxes is not None:
            query.add("i.id = ANY ({0})", sorted(actor.inboxes))

        async def write(connection: Connection, place: Scope) -> list[Row]:
            if where is not None:
                query.add("i.environment_id = {0}", place.environment)
            rows = await connection.rows(_EXPORT.format(query.condition), *query.arguments)
            detail = {"inboxes": len(rows)}
            await audit.append(connection, actor, place, "credentials.exported", None, detail)
            return rows

        rows = await self._door.write(actor, "credentials:read", where, write)
        return await trio.to_thread.run_sync(self._unsealed, rows)

    def _unsealed(self, rows: Sequence[Row]) -> tuple[ExportedCredential, ...]:
        lines = []
        unreadable = 0
        for row in rows:
            password = None
            if row["sealed"] is not None and self._settings.sealing_key is not None:
                try:
                    password = unseal(self._settings.sealing_key, row["id"], row["sealed"])
                except Unsealable:
                    unreadable += 1
            lines.append(ExportedCredential(row["address"], row["address"], password))
        if unreadable:
            log.warning("%d mail credentials are sealed under another master key", unreadable)
        return tuple(lines)


async def prepare(settings: StoreSettings, credential: CredentialId | None = None) -> Prepared:
    """A new secret for ``credential``, or for a new one; the slow hash runs in a thread."""
    return await trio.to_thread.run_sync(
        _prepared, settings.sealing_key, credential or CredentialId(new_id("mc"))
    )


async def insert(
    connection: Connection,
    where: Scope,
    name: str,
    prepared: Prepared,
    protocols: Sequence[str] = PROTOCOLS,
    *,
    read_only: bool = False,
    approver: bool = False,
    expires_at: datetime | None = None,
) -> NewMailCredential:
    """A new credential of the inbox ``where`` in the running transaction."""
    row = await connection.row(
        "INSERT INTO mail_credentials (id, organization_id, inbox_id, name, secret_hash, scram,"
        " sealed, protocols, read_only, expires_at, approver)"
        f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING {_COLUMNS}",
        prepared.id,
        where.organization,
        where.inbox,
        name,
        prepared.secret.hash,
        prepared.scram,
        prepared.sealed,
        protocols,
        read_only,
        expires_at,
        approver,
    )
    assert row is not None
    return NewMailCredential(mail_credential(row), prepared.secret.text)


def mail_credential(row: Row) -> MailCredential:
    """A row of ``mail_credentials`` as a value, without anything secret."""
    return MailCredential(
        id=CredentialId(row["id"]),
        inbox=InboxId(row["inbox_id"]),
        name=row["name"],
        protocols=tuple(row["protocols"]),
        read_only=row["read_only"],
        approver=row["approver"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        created_at=row["created_at"],
    )


_EXPORT: Final = """
SELECT i.address, c.id, c.sealed FROM inboxes i
LEFT JOIN LATERAL (
    SELECT m.id, m.sealed FROM mail_credentials m
    WHERE m.inbox_id = i.id AND m.revoked_at IS NULL AND NOT m.approver
        AND (m.expires_at IS NULL OR m.expires_at > now())
    ORDER BY cardinality(m.protocols) DESC, m.read_only, m.id LIMIT 1
) c ON true
WHERE i.deleted_at IS NULL AND {} ORDER BY i.id
"""


def _prepared(sealing_key: bytes | None, credential: CredentialId) -> Prepared:
    secret = new_mail_credential()
    sealed = None if sealing_key is None else seal(sealing_key, credential, secret.text)
    return Prepared(credential, secret, scram_verifier(secret.text), sealed)


def _checked_protocols(protocols: Sequence[str]) -> tuple[str, ...]:
    for number, protocol in enumerate(protocols):
        if protocol not in PROTOCOLS:
            raise checks.refuse(f"protocols[{number}]", "must be imap or smtp")
    if not protocols:
        raise checks.refuse("protocols", "must name imap, smtp or both")
    return tuple(protocol for protocol in PROTOCOLS if protocol in protocols)
