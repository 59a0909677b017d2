"""Which inbox an address belongs to: asked for every recipient, so remembered for seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec

from agentpost.auth.addresses import canonical, is_ours, split_tag
from agentpost.auth.domainnames import looked_up, parents
from agentpost.errors import NotFound
from agentpost.ids import DomainId, EnvironmentId, InboxId, OrganizationId, is_id
from agentpost.limits import IdentityLimits
from agentpost.model.actor import Actor, Scope, system_actor
from agentpost.model.domain import Holder
from agentpost.model.inbox import LocalAddress
from agentpost.store.fresh import Fresh
from agentpost.store.holders import find_holder
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door

LOCAL_COLUMNS = (
    "id, organization_id, environment_id, address, display_name, send_paused,"
    " deleted_at IS NOT NULL AS deleted, settings, domain_id"
)


@dataclass(frozen=True, slots=True)
class _Held:
    """What is known of a domain: who holds it, if anybody."""

    holder: Holder | None


class Directory:
    """Addresses that live here, looked up on the server's own behalf.

    Unknown addresses are asked for each time, so that a new inbox receives at once.
    """

    def __init__(self, door: Door, limits: IdentityLimits | None = None) -> None:
        limits = limits or IdentityLimits()
        self._door = door
        self._known: Fresh[str, LocalAddress] = Fresh(limits.cached_s, limits.cached_entries)
        self._holders: Fresh[str, _Held] = Fresh(limits.cached_s, limits.cached_entries)

    async def resolve(self, address: str) -> LocalAddress | None:
        """The inbox that receives for ``address``, deleted ones too; None when there is none.

        ``user+tag@domain`` is received by ``user@domain``, and what is unknown at a custom domain
        by its catch-all.  What is at a domain whose mail is not taken here is not here.
        """
        base = _base(address)
        local = await self._find(base, "address") if is_ours(base) else None
        if local is not None and local.domain is None:
            return local
        holder = await self.holder(base.rpartition("@")[2])
        if holder is None or not holder.receives:
            return None
        if local is not None and local.domain == holder.domain:
            return local
        if holder.catch_all is None:
            return None
        caught = await self.by_id(holder.catch_all)
        return None if caught is None or caught.deleted else caught

    async def sender(self, address: str) -> LocalAddress | None:
        """The inbox whose own address this is; None when it may no longer be used.

        At a custom domain it must be the one whose claim holds the name; while that is suspended
        the inbox is paused.
        """
        base = _base(address)
        local = await self._find(base, "address") if is_ours(base) else None
        if local is None or local.domain is None:
            return local
        holder = await self.holder(base.rpartition("@")[2])
        if holder is None or holder.domain != local.domain:
            return None
        return replace(local, send_paused=True) if holder.suspended else local

    async def takes(self, address: str) -> bool:
        """Whether mail for the domain of ``address``, a custom one, is taken here."""
        holder = await self.holder(address.rpartition("@")[2])
        return holder is not None and holder.receives

    async def holder(self, name: str) -> Holder | None:
        """The claim that addresses at the domain ``name`` belong to; None when nobody's."""
        name = looked_up(name)
        if not name:
            return None
        known = self._holders.get(name)
        if known is not None:
            return known.holder
        generation = self._holders.generation

        async def read(connection: Connection, _: Scope) -> Holder | None:
            return await find_holder(connection, name)

        found = await self._door.read(system_actor(), None, None, read)
        self._holders.put(name, _Held(found), parents(name), generation)
        return found

    async def by_address(self, address: str) -> LocalAddress | None:
        """The inbox with exactly this address, deleted ones too; None when there is none."""
        address = canonical(address)
        return await self._find(address, "address") if is_ours(address) else None

    async def by_id(self, inbox: InboxId) -> LocalAddress | None:
        """The inbox with this id, deleted ones too; None when there is none."""
        return await self._find(inbox, "id")

    async def reach(
        self, actor: Actor, scope: str | None, reference: str, *, deleted: bool = False
    ) -> LocalAddress:
        """The inbox that a client named by id or address, for an actor who may do ``scope`` there.

        With ``deleted`` also one that is deleted.  Raises: NotFound, Forbidden.
        """
        if "@" in reference:
            address = canonical(reference)
            found = await self._find(address, "address") if is_ours(address) else None
        else:
            found = await self._find(reference, "id") if is_id(reference, "inb") else None
        # Absent and another tenant's must read alike, or the words tell what exists.
        absent = NotFound("There is no such inbox.")
        if found is None or (found.deleted and not deleted):
            raise absent
        try:
            self._door.allow(actor, scope, found.scope)
        except NotFound:
            raise absent from None
        return found

    def forget(self, name: str) -> None:
        """Ask again for this inbox, named by its id or its address, or for this domain."""
        self._known.forget(name)
        self._holders.forget(name)

    def forget_all(self) -> None:
        """Ask again for every address: something may have changed unheard."""
        self._known.clear()
        self._holders.clear()

    async def _find(self, value: str, column: str) -> LocalAddress | None:
        known = self._known.get(value)
        if known is not None:
            return known
        generation = self._known.generation

        async def read(connection: Connection, _: Scope) -> Row | None:
            return await connection.row(
                f"SELECT {LOCAL_COLUMNS} FROM inboxes WHERE {column} = $1", value
            )

        row = await self._door.read(system_actor(), None, None, read)
        if row is None:
            return None
        found = local_address(row)
        self._known.put(value, found, (found.inbox, found.address), generation)
        return found


def _base(address: str) -> str:
    """The canonical address without its tag, its domain as DNS has it."""
    base, _ = split_tag(address)
    if base.isascii():
        return base
    local, _, domain = base.rpartition("@")
    return f"{local}@{looked_up(domain)}"


def local_address(row: Row) -> LocalAddress:
    """A row of ``LOCAL_COLUMNS`` as a value."""
    settings = msgspec.json.decode(row["settings"])
    return LocalAddress(
        inbox=InboxId(row["id"]),
        organization=OrganizationId(row["organization_id"]),
        environment=EnvironmentId(row["environment_id"]),
        address=row["address"],
        display_name=row["display_name"],
        deleted=row["deleted"],
        send_paused=row["send_paused"],
        max_imap_connections=settings.get("max_imap_connections"),
        domain=None if row["domain_id"] is None else DomainId(row["domain_id"]),
        approval=settings.get("approval", "never"),
        approval_expires_s=settings.get("approval_expires_s"),
    )
