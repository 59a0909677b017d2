"""What looks at the records of domains come to, and the keys that sign for those that are proven.

A look waits for the network, so it is no transaction: it begins with a count of earlier ones, and
what it found is written only if that count still holds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import msgspec

from agentpost import clock
from agentpost.auth.passwords import Unsealable, unseal
from agentpost.errors import Conflict, NotFound, RateLimited
from agentpost.ids import DomainId, EnvironmentId
from agentpost.limits import DomainLimits
from agentpost.model.actor import Actor, Scope
from agentpost.model.domain import Domain, Holder, Look, SigningKey
from agentpost.store import audit, checks
from agentpost.store.domainrows import (
    DOMAIN_COLUMNS,
    domain,
    load,
    pause_inboxes,
    place_of,
    resume_inboxes,
    tell_domain,
)
from agentpost.store.fresh import nobody
from agentpost.store.holders import find_holder
from agentpost.store.pool import Connection, Row
from agentpost.store.reach import whole_environment
from agentpost.store.settings import StoreSettings
from agentpost.store.store import Door

UNVERIFIED: Final = "domain_unverified"
"""Why inboxes of a domain that is no longer verified are paused."""

CONTESTED: Final = (
    "The records are right, and another claim to the name was proven before; it ends when its own"
    " records are gone for more than a day."
)


class DomainLooks:
    """Begins looks and writes what they found.

    ``forget`` is told names whose holder, and ids and addresses of inboxes whose sending, changed.
    """

    def __init__(
        self,
        door: Door,
        settings: StoreSettings,
        forget: Callable[[str], None] = nobody,
        limits: DomainLimits | None = None,
    ) -> None:
        self._door = door
        self._settings = settings
        self._forget = forget
        self._limits = limits or DomainLimits()

    async def begin(self, actor: Actor, reference: str) -> Domain:
        """A domain that its owner wants to be looked at now; a search that was given up begins anew.

        Raises: NotFound, Forbidden, Conflict when it is suspended, RateLimited.
        """
        whole_environment(actor)

        async def write(connection: Connection, _: Scope) -> Domain:
            present = await load(connection, reference, lock=True)
            if present is None:
                raise NotFound("There is no such domain.")
            if present.status == "suspended":
                raise Conflict(
                    "The domain is suspended.", fix="Ask the operator of the server why."
                )
            now = clock.now()
            if present.asked_at is not None:
                passed = (now - present.asked_at).total_seconds()
                if 0 <= passed < self._limits.ask_every_s:
                    raise RateLimited(retry_after=self._limits.ask_every_s - passed)
            await connection.execute(
                "UPDATE domains SET asked_at = $2,"
                " sought_since = CASE WHEN status = 'failed' THEN $2 ELSE sought_since END,"
                " status = CASE WHEN status = 'failed' THEN 'pending' ELSE status END,"
                " checks = checks + 1, version = version + (status = 'failed')::integer"
                " WHERE id = $1",
                present.id,
                now,
            )
            found = await load(connection, present.id)
            assert found is not None
            return found

        place = checks.place("domain", reference)
        return await self._door.write(actor, "domains:write", place, write)

    async def due(self, actor: Actor) -> tuple[Domain, ...]:
        """Domains whose time has come, the longest due first, for the caller alone for a while."""

        async def write(connection: Connection, _: Scope) -> list[Row]:
            taken = await connection.rows(
                "UPDATE domains SET check_at = now() + $2::interval WHERE id IN ("
                " SELECT id FROM domains WHERE check_at <= now()"
                "  ORDER BY check_at LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id",
                self._limits.batch,
                timedelta(seconds=self._limits.lease_s),
            )
            return await connection.rows(
                f"SELECT {DOMAIN_COLUMNS} FROM domains d WHERE d.id = ANY ($1) ORDER BY d.id",
                [row["id"] for row in taken],
            )

        found = await self._door.write(actor, None, None, write)
        return tuple(domain(row) for row in found)

    async def settle(self, actor: Actor, look: Look) -> Domain | None:
        """Write what a look came to; the domain as it is now, None when it is gone.

        A claim that is proven gets its name, unless another one holds it: that one is looked at
        next.  The inboxes of a claim that lost its name are paused, and resumed when it has it
        again.  ``actor`` is the server: a name concerns all organizations.
        """
        names: list[str] = []

        async def write(connection: Connection, _: Scope) -> Domain | None:
            present = await load(connection, look.domain, lock=True)
            if present is None or present.checks != look.checks:
                return present
            contested = look.proven and not await _may_hold(connection, present)
            changed = await _write(connection, look, contested, self._limits)
            assert changed is not None
            if changed.held and not present.held:
                names.extend(await resume_inboxes(connection, changed, UNVERIFIED))
                await _tell(connection, actor, changed, look, "domain.verified")
            elif present.held and not changed.held:
                names.extend(await pause_inboxes(connection, changed, UNVERIFIED))
                await _tell(connection, actor, changed, look, "domain.unverified")
            elif changed.status == "failed" and present.status != "failed":
                await _tell(connection, actor, changed, look, "domain.failed")
            if (changed.held, changed.receives) != (present.held, present.receives):
                names.append(changed.name)
            return changed

        settled = await self._door.write(actor, None, None, write)
        for name in names:
            self._forget(name)
        if settled is not None:
            self._door.wake_everyone(settled.environment)
        return settled

    async def signing_keys(
        self, actor: Actor, name: str, environment: EnvironmentId
    ) -> tuple[Holder | None, tuple[SigningKey, ...]]:
        """Who holds the domain of a sender's address, and the keys to sign with.

        No keys when the holder is of another environment or suspended.
        Raises: Unsealable when they were sealed under another master key.
        """

        async def read(connection: Connection, _: Scope) -> tuple[Holder | None, list[Row]]:
            holder = await find_holder(connection, name)
            if holder is None or holder.environment != environment or holder.suspended:
                return holder, []
            return holder, await connection.rows(_SEALED, holder.domain)

        holder, rows = await self._door.read(actor, None, None, read)
        return holder, () if holder is None else self._unsealed(holder.name, rows)

    async def keys_of(self, actor: Actor, one: Domain) -> tuple[SigningKey, ...]:
        """The private keys of a claim, proven or not, for a relay that is to sign with them.

        Raises: Unsealable when they were sealed under another master key.
        """

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(_SEALED, one.id)

        return self._unsealed(one.name, await self._door.read(actor, None, None, read))

    async def keep_relay_keys(
        self, actor: Actor, domain_id: DomainId, hosts: tuple[str, ...]
    ) -> Domain | None:
        """Keep where the relay has its keys for the domain, to be published; None when it is gone."""

        async def write(connection: Connection, _: Scope) -> Domain | None:
            await connection.execute(
                "UPDATE domains SET relay_key_hosts = $2, checks = checks + 1,"
                " version = version + 1, updated_at = now() WHERE id = $1",
                domain_id,
                hosts,
            )
            return await load(connection, domain_id)

        return await self._door.write(actor, None, None, write)

    def _unsealed(self, name: str, rows: list[Row]) -> tuple[SigningKey, ...]:
        master_key = self._settings.master_key
        if master_key is None:
            raise Unsealable("the store was opened without a master key")
        return tuple(
            SigningKey(
                name,
                row["selector"],
                row["algorithm"],
                unseal(master_key, row["id"], row["sealed"]),
            )
            for row in rows
        )


_SEALED: Final = (
    "SELECT id, selector, algorithm, sealed FROM domain_keys WHERE domain_id = $1"
    " ORDER BY algorithm DESC, id"
)


async def _may_hold(connection: Connection, one: Domain) -> bool:
    """Whether no other claim holds the name; one that does is looked at next."""
    # Two that are proven at once wait for each other here; the index is the second bolt.
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('domain ' || $1, 0))", one.name
    )
    other = await connection.value(
        "SELECT id FROM domains WHERE name = $1 AND held_since IS NOT NULL AND id <> $2",
        one.name,
        one.id,
    )
    if other is None:
        return True
    await connection.execute(
        "UPDATE domains SET check_at = least(check_at, now())"
        " WHERE id = $1 AND check_at IS NOT NULL",
        other,
    )
    return False


async def _write(
    connection: Connection, look: Look, contested: bool, limits: DomainLimits
) -> Domain | None:
    status, reason, check_at = look.status, look.reason, look.check_at
    if contested:
        status, reason = "verifying", CONTESTED
        check_at = look.at + timedelta(seconds=limits.max_check_s)
    findings = msgspec.json.encode(look.findings).decode()
    await connection.execute(
        "UPDATE domains SET status = $2, reason = $3, findings = $4, misses = $5, missed_at = $6,"
        " checked_at = $7, check_at = $8, checks = checks + 1, updated_at = $7,"
        " held_since = CASE WHEN $9 THEN coalesce(held_since, $7) WHEN $10 THEN NULL"
        "  ELSE held_since END,"
        " receives = $11, sought_since = CASE WHEN $10 THEN $7 ELSE sought_since END,"
        " version = version + (status <> $2 OR reason IS DISTINCT FROM $3"
        "  OR findings <> $4::jsonb)::integer"
        " WHERE id = $1",
        look.domain,
        status,
        reason,
        findings,
        look.misses,
        look.missed_at,
        look.at,
        check_at,
        look.proven and not contested,
        look.lost,
        look.receives and not contested,
    )
    return await load(connection, look.domain)


async def _tell(
    connection: Connection, actor: Actor, changed: Domain, look: Look, kind: str
) -> None:
    detail = {"domain": changed.name}
    await audit.append(connection, actor, place_of(changed), kind, changed.id, detail)
    more: dict[str, object] = {"records": look.records}
    if changed.reason is not None:
        more["reason"] = changed.reason
    await tell_domain(connection, changed, kind, **more)
