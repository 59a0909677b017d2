"""``agentpost key``: API keys of an organization."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpost.cli.output import json_option, show_list, show_one, show_secret
from agentpost.cli.session import (
    choose_environment,
    choose_organization,
    operator_of,
    with_store,
)
from agentpost.cli.settings import load_settings, org_option, settings_options
from agentpost.clock import now, rfc3339

if TYPE_CHECKING:
    from agentpost.model.organization import ApiKey, NewApiKey
    from agentpost.store.opening import Store

_PAGE = 200


@click.group("key")
def key_command() -> None:
    """API keys: what programs authenticate with."""


@key_command.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    help="A scope it holds; may be repeated. All scopes when left out.",
)
@click.option(
    "--environment",
    "environments",
    multiple=True,
    help="Bind it to this environment (id or slug); may be repeated.",
)
@click.option(
    "--inbox", "inboxes", multiple=True, help="Bind it to this inbox (id or address); repeatable."
)
@click.option("--ip", "ip_allow", multiple=True, help="Address or network it may come from.")
@click.option("--expires", type=click.DateTime(), help="When it ends, in UTC.")
@org_option
@json_option
@settings_options
def create(
    name: str,
    scopes: tuple[str, ...],
    environments: tuple[str, ...],
    inboxes: tuple[str, ...],
    ip_allow: tuple[str, ...],
    expires: datetime | None,
    org: str | None,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Make a key called NAME and show it once.

    \b
    Examples:
      agentpost key create "CI"
      agentpost key create reader --scope messages:read --scope inboxes:read
      agentpost key create bot --inbox inb_01JQ8X5K2M3N4P5R6S7T8V9W00 --expires 2027-01-01
    """
    from agentpost.model.actor import SCOPES
    from agentpost.store.keys import KeyRequest

    async def work(store: Store) -> NewApiKey | ApiKey:
        organization = await choose_organization(store, org)
        actor = operator_of(organization)
        places = [await choose_environment(store, organization, each) for each in environments]
        chosen = [await store.inboxes.get(actor, each) for each in inboxes]
        request = KeyRequest(
            name=name,
            scopes=scopes or tuple(sorted(SCOPES)),
            environments=tuple(each.id for each in places) or None,
            inboxes=tuple(each.id for each in chosen) or None,
            ip_allow=ip_allow,
            expires_at=None if expires is None else expires.replace(tzinfo=UTC),
        )
        made, _ = await store.keys.create(actor, request)
        return made

    from agentpost.model.organization import NewApiKey

    settings = load_settings(config_file, data_dir, assignments)
    made = with_store(settings, work, tell=True)
    assert isinstance(made, NewApiKey)  # Without a client_id a key is always a new one.
    record = {**_record(made.key), "key": made.secret}
    show_one(record, as_json=as_json, hidden=("key",))
    if not as_json:
        show_secret("The API key", made.secret)


@key_command.command("list")
@click.option("--revoked", is_flag=True, help="Revoked ones too.")
@org_option
@json_option
@settings_options
def list_(
    revoked: bool,
    org: str | None,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Show the keys of an organization, newest first; never their secrets."""
    from agentpost.model.page import PageRequest

    async def work(store: Store) -> list[ApiKey]:
        actor = operator_of(await choose_organization(store, org))
        found: list[ApiKey] = []
        position: tuple[str, ...] | None = ()
        while position is not None:
            request = PageRequest(_PAGE, position=position or None)
            page = await store.keys.page(actor, request, include_revoked=revoked)
            found += page.rows
            position = page.next_position
        return found

    found = with_store(load_settings(config_file, data_dir, assignments), work)
    columns = ("id", "name", "prefix", "state", "last_used_at", "created_at")
    show_list([_record(each) for each in found], columns, as_json=as_json)


@key_command.command("revoke")
@click.argument("key")
@org_option
@json_option
@settings_options
def revoke(
    key: str,
    org: str | None,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """End the key with the id KEY at once; requests with it fail from now on.

    \b
    Example:
      agentpost key revoke key_01JQ8X5K2M3N4P5R6S7T8V9W00
    """
    if not key.startswith("key_"):
        # The text may be a secret: it is not repeated.
        raise click.UsageError("KEY is the key's id (key_...), as 'agentpost key list' shows it.")

    async def work(store: Store) -> ApiKey:
        actor = operator_of(await choose_organization(store, org))
        return await store.keys.revoke(actor, key)

    settings = load_settings(config_file, data_dir, assignments)
    revoked = with_store(settings, work, tell=True)
    show_one(_record(revoked), as_json=as_json)


def _record(key: ApiKey) -> dict[str, object]:
    ended = key.expires_at is not None and key.expires_at <= now()
    state = "revoked" if key.revoked_at else "expired" if ended else "active"
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "state": state,
        "scopes": list(key.scopes),
        "environment_ids": None if key.environments is None else list(key.environments),
        "inbox_ids": None if key.inboxes is None else list(key.inboxes),
        "ip_allow": list(key.ip_allow),
        "expires_at": _when(key.expires_at),
        "last_used_at": _when(key.last_used_at),
        "created_at": rfc3339(key.created_at),
    }


def _when(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
