"""The first start: an organization, its default environment and a key that may do everything."""

from __future__ import annotations

from typing import Final

from agentpost.auth.keys import KEY_FORM, Secret, new_api_key, parse_secret
from agentpost.errors import AuthenticationFailed, InvalidRequest
from agentpost.model.actor import SCOPES, Scope, system_actor
from agentpost.model.organization import NewApiKey
from agentpost.store import audit
from agentpost.store.keys import KeyRequest, api_key, insert
from agentpost.store.organizations import found
from agentpost.store.pool import Connection, Database

_LOCK: Final = 0x6167656E74626F6F
"""Key of the advisory lock under which one process bootstraps at a time."""


async def bootstrap(database: Database, bootstrap_key: str | None = None) -> NewApiKey | None:
    """Make a first organization and its key in an empty database.

    Returns the key, which holds every scope and is shown only now; None at every later start,
    where ``bootstrap_key`` means nothing any more.  Two processes may do this at once.
    Raises: InvalidRequest when ``bootstrap_key`` does not look like an API key.
    """
    secret = new_api_key("live") if bootstrap_key is None else _given(bootstrap_key)

    async def make(connection: Connection) -> NewApiKey | None:
        await connection.execute(f"SELECT pg_advisory_xact_lock({_LOCK})")
        if await connection.value("SELECT EXISTS (SELECT 1 FROM organizations)"):
            return None
        actor = system_actor("bootstrap")
        organization, _ = await found(connection, actor, "Default", "default", "enterprise")
        request = KeyRequest("Bootstrap", tuple(sorted(SCOPES)))
        row = await insert(connection, organization.id, secret, request)
        assert row is not None
        await audit.append(connection, actor, Scope(organization.id), "api_key.created", row["id"])
        return NewApiKey(api_key(row), secret.text)

    return await database.run("*", make, atomic=True)


def _given(text: str) -> Secret:
    try:
        secret = parse_secret(text)
    except AuthenticationFailed:
        secret = None
    if secret is None or secret.kind != "api_key":
        raise InvalidRequest(
            f"The bootstrap key must be {KEY_FORM}.",
            fix="Correct AGENTPOST_BOOTSTRAP_KEY, or leave it out to have a key made.",
        )
    return secret
