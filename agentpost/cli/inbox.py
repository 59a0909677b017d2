"""``agentpost inbox``: inboxes of an organization."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpost.cli.output import Failure, json_option, show_list, show_one, show_secret
from agentpost.cli.session import (
    choose_environment,
    choose_organization,
    operator_of,
    with_store,
)
from agentpost.cli.settings import environment_option, load_settings, org_option, settings_options
from agentpost.clock import rfc3339

if TYPE_CHECKING:
    from agentpost.model.inbox import Inbox
    from agentpost.store.inboxes import NewInbox
    from agentpost.store.opening import Store

_PAGE = 200


@click.group("inbox")
def inbox_command() -> None:
    """Inboxes: an address each, with its mail and its password."""


@inbox_command.command("create")
@click.argument("username", required=False)
@click.option("--display-name", help="Name that stands in the From field.")
@click.option("--domain", help="A verified domain; the address is then exactly USERNAME@DOMAIN.")
@click.option("--client-id", help="Your own name for it: a repetition gives the same inbox.")
@environment_option
@org_option
@json_option
@settings_options
def create(
    username: str | None,
    display_name: str | None,
    domain: str | None,
    client_id: str | None,
    environment: str | None,
    org: str | None,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Make an inbox and show its mail password once.

    Its address begins with USERNAME, or with a readable name of its own.

    \b
    Examples:
      agentpost inbox create support --display-name "Acme Support"
      agentpost inbox create --client-id agent-7 --environment staging --json
    """
    from agentpost.store.inboxes import InboxRequest

    request = InboxRequest(username, domain, display_name, client_id)

    async def work(store: Store) -> NewInbox:
        organization = await choose_organization(store, org)
        place = await choose_environment(store, organization, environment)
        made, _ = await store.inboxes.create(operator_of(organization), request, place.id)
        return made

    settings = load_settings(config_file, data_dir, assignments)
    made = with_store(settings, work, tell=True)
    record = _record(made.inbox)
    password = None if made.credential is None else made.credential.secret
    show_one({**record, "password": password}, as_json=as_json, hidden=("password",))
    if password is not None and not as_json:
        show_secret("The mail password (user name: the address)", password)
    elif password is None and not as_json:
        click.echo("It was there already; its password is not shown again.", err=True)


@inbox_command.command("list")
@click.option("--query", "-q", help="Only those with this text in address or display name.")
@click.option("--deleted", is_flag=True, help="Deleted ones too.")
@click.option("--limit", type=click.IntRange(1), default=1_000, show_default=True)
@environment_option
@org_option
@json_option
@settings_options
def list_(
    query: str | None,
    deleted: bool,
    limit: int,
    environment: str | None,
    org: str | None,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Show inboxes, newest first."""
    from agentpost.model.page import PageRequest
    from agentpost.store.inboxes import InboxFilter
    from agentpost.store.store import Place

    async def work(store: Store) -> list[Inbox]:
        organization = await choose_organization(store, org)
        actor = operator_of(organization)
        where = None
        if environment is not None:
            place = await choose_environment(store, organization, environment)
            where = Place("environment", place.id)
        wanted = InboxFilter(q=query, include_deleted=deleted)
        found: list[Inbox] = []
        position: tuple[str, ...] | None = ()
        while position is not None and len(found) < limit:
            request = PageRequest(min(_PAGE, limit - len(found)), position=position or None)
            page = await store.inboxes.page(actor, wanted, request, where)
            found += page.rows
            position = page.next_position
        if position is not None:
            click.echo(f"There are more than {limit}; see --limit.", err=True)
        return found

    if query is not None and not query.strip():
        raise Failure("--query is empty.", "Leave it out to see all inboxes.")
    found = with_store(load_settings(config_file, data_dir, assignments), work)
    columns = ("id", "email", "display_name", "environment_id", "state", "created_at")
    show_list([_record(each) for each in found], columns, as_json=as_json)


def _record(inbox: Inbox) -> dict[str, object]:
    state = "deleted" if inbox.deleted_at else "paused" if inbox.send_paused else "active"
    return {
        "id": inbox.id,
        "email": inbox.address,
        "display_name": inbox.display_name,
        "client_id": inbox.client_id,
        "organization_id": inbox.organization,
        "environment_id": inbox.environment,
        "state": state,
        "created_at": rfc3339(inbox.created_at),
    }
