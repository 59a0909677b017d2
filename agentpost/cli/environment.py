"""``agentpost environment``: environments of an organization."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpost.cli.output import json_option, show_list, show_one
from agentpost.cli.session import (
    all_environments,
    choose_organization,
    operator_of,
    with_store,
)
from agentpost.cli.settings import load_settings, org_option, settings_options
from agentpost.clock import rfc3339

if TYPE_CHECKING:
    from agentpost.model.organization import Environment, Kind
    from agentpost.store.opening import Store

_KINDS = ("live", "dev", "test")


@click.group("environment")
def environment_command() -> None:
    """Environments: walls between tenants inside an organization."""


@environment_command.command("create")
@click.argument("name")
@click.option("--slug", help="Short name of a-z, 0-9 and '-'; made from NAME when left out.")
@click.option(
    "--kind",
    type=click.Choice(_KINDS),
    default="live",
    show_default=True,
    help="What it is for. Mail that leaves a test environment is always simulated.",
)
@org_option
@json_option
@settings_options
def create(
    name: str,
    slug: str | None,
    kind: Kind,
    org: str | None,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Make an environment called NAME.

    \b
    Examples:
      agentpost environment create Staging --kind test
      agentpost environment create "Customer 17" --org acme --json
    """

    async def work(store: Store) -> Environment:
        organization = await choose_organization(store, org)
        made, _ = await store.environments.create(
            operator_of(organization), name, slug=slug, kind=kind
        )
        return made

    settings = load_settings(config_file, data_dir, assignments)
    made = with_store(settings, work, tell=True)
    show_one(_record(made), as_json=as_json)


@environment_command.command("list")
@org_option
@json_option
@settings_options
def list_(
    org: str | None,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Show the environments of an organization, oldest first."""

    async def work(store: Store) -> list[Environment]:
        return await all_environments(store, await choose_organization(store, org))

    found = with_store(load_settings(config_file, data_dir, assignments), work)
    columns = ("id", "slug", "name", "kind", "default", "created_at")
    show_list([_record(each) for each in found], columns, as_json=as_json)


def _record(environment: Environment) -> dict[str, object]:
    return {
        "id": environment.id,
        "name": environment.name,
        "slug": environment.slug,
        "kind": environment.kind,
        "default": environment.is_default,
        "organization_id": environment.organization,
        "created_at": rfc3339(environment.created_at),
    }
