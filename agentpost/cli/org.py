"""``agentpost org``: organizations, from the operator's seat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpost import config
from agentpost.cli.output import json_option, show_list, show_one
from agentpost.cli.session import all_organizations, with_store
from agentpost.cli.settings import load_settings, settings_options
from agentpost.clock import rfc3339

if TYPE_CHECKING:
    from agentpost.model.organization import Organization, Tier
    from agentpost.store.opening import Store


@click.group("org")
def org_command() -> None:
    """Organizations: the top-level container of everything."""


@org_command.command("create")
@click.argument("name")
@click.option("--slug", help="Short name of a-z, 0-9 and '-'; made from NAME when left out.")
@click.option(
    "--tier",
    type=click.Choice(config.TIER_NAMES),
    default="enterprise",
    show_default=True,
    help="Which limits apply; see 'agentpost config'.",
)
@json_option
@settings_options
def create(
    name: str,
    slug: str | None,
    tier: Tier,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Found an organization called NAME, with its default environment.

    \b
    Examples:
      agentpost org create "Acme Robotics"
      agentpost org create Acme --slug acme --tier team --json
    """
    from agentpost.model.actor import system_actor
    from agentpost.store import checks

    chosen = slug if slug is not None else checks.slug_of(name)
    if not chosen:
        raise click.UsageError("NAME holds no Latin letter or digit to make a slug of; add --slug.")

    async def work(store: Store) -> Organization:
        made, _ = await store.organizations.create(system_actor("cli"), name, chosen, tier)
        return made

    settings = load_settings(config_file, data_dir, assignments)
    made = with_store(settings, work, tell=True)
    show_one(_record(made), as_json=as_json)


@org_command.command("list")
@json_option
@settings_options
def list_(
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Show all organizations, oldest first."""
    found = with_store(load_settings(config_file, data_dir, assignments), all_organizations)
    columns = ("id", "slug", "name", "tier", "created_at")
    show_list([_record(each) for each in found], columns, as_json=as_json)


def _record(organization: Organization) -> dict[str, object]:
    return {
        "id": organization.id,
        "name": organization.name,
        "slug": organization.slug,
        "tier": organization.tier,
        "created_at": rfc3339(organization.created_at),
    }
