"""``agentpost domains``: domains of your own, over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agentpost.cli.output import Failure, json_option, show_list, show_one
from agentpost.cli.remote.calling import base_url_option, call, first, limit_option, page, record

if TYPE_CHECKING:
    from agentpost.client._models import Domain

_COLUMNS = ("id", "domain", "status", "reason", "checked_at")
_RECORDS = ("type", "name", "value", "priority", "required", "status", "reason")


@click.group("domains")
def domains_command() -> None:
    """Domains of your own, whose addresses live here."""


@domains_command.command("list")
@limit_option
@json_option
@base_url_option
def list_domains(limit: int, *, as_json: bool, base_url: str | None) -> None:
    """List domains and how far they are."""
    found = call(
        base_url, lambda c: first(c.domains.list(limit=page(limit)), limit, hidden=as_json)
    )
    show_list([record(each) for each in found], _COLUMNS, as_json=as_json)


@domains_command.command("add")
@click.argument("domain")
@json_option
@base_url_option
def add_domain(domain: str, *, as_json: bool, base_url: str | None) -> None:
    """Add a domain and show the records to publish for it."""
    _show(call(base_url, lambda c: c.domains.create(domain=domain)), as_json=as_json)


@domains_command.command("get")
@click.argument("domain_id")
@json_option
@base_url_option
def get_domain(domain_id: str, *, as_json: bool, base_url: str | None) -> None:
    """Show a domain and what was found of its records."""
    _show(call(base_url, lambda c: c.domains.get(domain_id)), as_json=as_json)


@domains_command.command("verify")
@click.argument("domain_id")
@json_option
@base_url_option
def verify_domain(domain_id: str, *, as_json: bool, base_url: str | None) -> None:
    """Look in DNS now."""
    _show(call(base_url, lambda c: c.domains.verify(domain_id)), as_json=as_json)


@domains_command.command("zone-file")
@click.argument("domain_id")
@base_url_option
def zone_file(domain_id: str, base_url: str | None) -> None:
    """The records as text that name servers read."""
    click.echo(call(base_url, lambda c: c.domains.zone_file(domain_id)), nl=False)


@domains_command.command("delete")
@click.argument("domain_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@base_url_option
def delete_domain(domain_id: str, *, yes: bool, base_url: str | None) -> None:
    """Give a domain up; its inboxes must have gone before."""
    if not yes and not click.confirm(f"Delete {domain_id}?"):
        raise Failure("Nothing was deleted.")
    call(base_url, lambda c: c.domains.delete(domain_id))


def _show(domain: Domain, *, as_json: bool) -> None:
    found = record(domain)
    show_one(found, as_json=as_json, hidden=("records",))
    if not as_json:
        click.echo()
        show_list([record(each) for each in domain.records], _RECORDS, as_json=False)
