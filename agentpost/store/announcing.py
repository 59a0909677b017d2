"""What is told, and noted in the audit log, of inboxes, keys and mail credentials.

Both in the transaction of who does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from agentpost.model.actor import Actor, Scope
from agentpost.model.inbox import Inbox
from agentpost.model.organization import ApiKey, MailCredential
from agentpost.store import audit
from agentpost.store.happenings import happened
from agentpost.store.pool import Connection

_OF_INBOXES: Final = {"inbox.restored": "inbox.updated", "inbox.purged": "inbox.deleted"}
"""The event of an action that has not its own."""

# A key belongs to an organization; its event goes to the environment that it works in first.
_TELL_KEYS: Final = """
INSERT INTO events (environment_id, id, organization_id, type, data)
SELECT coalesce(k.environment_ids[1],
        (SELECT i.environment_id FROM inboxes i WHERE i.id = k.inbox_ids[1]), e.id),
    new_id('evt'), k.organization_id, $2,
    jsonb_build_object('key_id', k.id, 'name', k.name, 'scopes', k.scopes, 'environment_ids',
        k.environment_ids, 'inbox_ids', k.inbox_ids, 'expires_at', k.expires_at) || $3::jsonb
FROM api_keys k
JOIN environments e ON e.organization_id = k.organization_id AND e.is_default
WHERE k.id = ANY ($1)
"""


def actor_of(actor: Actor) -> dict[str, Any] | None:
    """Who did it, as events tell it; None for the server itself."""
    if actor.system:
        return None
    kind = "api_key" if actor.credential.startswith("key_") else "credential"
    return {"type": kind, "id": actor.credential}


async def inbox(
    connection: Connection, actor: Actor, one: Inbox, action: str, **data: object
) -> None:
    """``actor`` did ``action`` to an inbox."""
    where = Scope(one.organization, one.environment, one.id)
    await audit.append(connection, actor, where, action, one.id)
    told = {"email": one.address, **data, "actor": actor_of(actor)}
    if action == "inbox.purged":
        # Nothing that is left may name the inbox that it happened in, or its address.
        where, told = Scope(one.organization, one.environment), {"inbox_id": one.id, "purged": True}
    await happened(connection, where, _OF_INBOXES.get(action, action), told)


async def key(
    connection: Connection, actor: Actor, one: ApiKey, action: str, detail: dict[str, Any]
) -> None:
    """``actor`` made, rotated or revoked a key; ``detail`` is what the audit log keeps."""
    await audit.append(connection, actor, Scope(one.organization), action, one.id, detail)
    made = action != "api_key.revoked"
    more = {"replaces": detail["replaces"]} if "replaces" in detail else {}
    await _tell(
        connection,
        [one.id],
        "api_key.created" if made else "api_key.revoked",
        {**more, "actor": actor_of(actor)},
    )


async def keys_revoked(connection: Connection, keys: Sequence[str], reason: str) -> None:
    """Keys are revoked because of something else: what they were bound to is gone, say."""
    if keys:
        await _tell(connection, keys, "api_key.revoked", {"reason": reason})


async def credential(
    connection: Connection,
    actor: Actor,
    where: Scope,
    one: MailCredential,
    action: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """``actor`` made, rotated or revoked a mail credential."""
    await audit.append(connection, actor, where, action, one.id, detail)
    rotated = action == "credential.rotated"
    data = {
        "credential_id": one.id,
        "name": one.name,
        "protocols": one.protocols,
        "read_only": one.read_only,
        "expires_at": one.expires_at,
        "rotated": rotated,
        "actor": actor_of(actor),
    }
    await happened(connection, where, "credential.created" if rotated else action, data)


async def _tell(
    connection: Connection, keys: Sequence[str], kind: str, data: dict[str, Any]
) -> None:
    await connection.execute(_TELL_KEYS, list(keys), kind, msgspec.json.encode(data).decode())
