"""``agentpost domain``: custom domains of an organization."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agentpost.cli.output import Failure, json_option, show_list, show_one
from agentpost.cli.session import (
    choose_environment,
    choose_organization,
    operator_of,
    with_store,
)
from agentpost.cli.settings import environment_option, load_settings, org_option, settings_options
from agentpost.clock import rfc3339
from agentpost.config import Config

if TYPE_CHECKING:
    from agentpost.model.actor import Actor
    from agentpost.model.domain import Domain
    from agentpost.store.opening import Store

_PAGE = 100


@click.group("domain")
def domain_command() -> None:
    """Custom domains: claimed here, proven in DNS."""


@domain_command.command("create")
@click.argument("name")
@click.option("--client-id", help="Your own name for it: a repetition gives the same domain.")
@click.option("--no-inbound", is_flag=True, help="Its mail goes elsewhere; it is for sending.")
@click.option("--subdomains", is_flag=True, help="Addresses at every subdomain belong to it.")
@environment_option
@org_option
@json_option
@settings_options
def create(
    name: str,
    client_id: str | None,
    environment: str | None,
    org: str | None,
    *,
    no_inbound: bool,
    subdomains: bool,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Add the domain NAME and show the records to publish for it.

    \b
    Examples:
      agentpost domain create mail.example.com
      agentpost domain create example.com --no-inbound --environment staging
    """
    from agentpost.store.domains import DomainRequest

    request = DomainRequest(name, client_id, not no_inbound, subdomains)

    async def work(store: Store) -> Domain:
        organization = await choose_organization(store, org)
        place = await choose_environment(store, organization, environment)
        made, _ = await store.domains.create(operator_of(organization), request, place.id)
        return made

    settings = load_settings(config_file, data_dir, assignments)
    _show(with_store(settings, work, tell=True), settings, as_json=as_json)


@domain_command.command("list")
@click.option("--limit", type=click.IntRange(1), default=1_000, show_default=True)
@org_option
@json_option
@settings_options
def list_(
    limit: int,
    org: str | None,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Show the domains of an organization, newest first."""

    async def work(store: Store) -> list[Domain]:
        actor = operator_of(await choose_organization(store, org))
        return await _all(store, actor, limit)

    found = with_store(load_settings(config_file, data_dir, assignments), work)
    columns = ("id", "domain", "status", "inbound", "environment_id", "created_at")
    show_list([_record(each) for each in found], columns, as_json=as_json)


def _named(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what a verb on one domain takes: the domain, by its id or its name, and where it is."""
    return click.argument("domain")(org_option(json_option(settings_options(command))))


@domain_command.command("show")
@_named
def show(**chosen: Any) -> None:
    """Show a domain with its records and what was found of them."""

    async def work(store: Store, actor: Actor, domain: Domain, settings: Config) -> Domain:
        return domain

    _run(work, **chosen)


@domain_command.command("verify")
@_named
def verify(**chosen: Any) -> None:
    """Look at a domain's records in DNS now.

    A running server does so by itself as well.
    """

    async def work(store: Store, actor: Actor, domain: Domain, settings: Config) -> Domain:
        from agentpost.mail.dns import Resolver
        from agentpost.mail.verification import make_verification

        dns = Resolver(settings.dns_resolver)
        verification = make_verification(settings, store.domain_looks, dns)
        return await verification.asked(actor, domain.id) or domain

    _run(work, **chosen)


@domain_command.command("delete")
@_named
def delete(**chosen: Any) -> None:
    """Remove a domain at which no inbox lives any longer, with its keys."""

    async def work(store: Store, actor: Actor, domain: Domain, settings: Config) -> Domain:
        await store.domains.delete(actor, domain.id)
        return domain

    _run(work, **chosen)


@domain_command.command("suspend")
@click.option("--reason", required=True, help="Shown to the domain's owner.")
@_named
def suspend(reason: str, **chosen: Any) -> None:
    """Stop all sending from a domain; it goes on receiving."""

    async def work(store: Store, actor: Actor, domain: Domain, settings: Config) -> Domain:
        return await store.domains.suspend(actor, domain.id, reason)

    _run(work, **chosen)


@domain_command.command("reinstate")
@_named
def reinstate(**chosen: Any) -> None:
    """End the suspension of a domain."""

    async def work(store: Store, actor: Actor, domain: Domain, settings: Config) -> Domain:
        return await store.domains.reinstate(actor, domain.id)

    _run(work, **chosen)


def _run(
    work: Callable[[Store, Actor, Domain, Config], Awaitable[Domain]],
    domain: str,
    org: str | None,
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Do ``work`` with the domain that was named, and show it as it then is."""
    settings = load_settings(config_file, data_dir, assignments)

    async def find_and_work(store: Store) -> Domain:
        actor = operator_of(await choose_organization(store, org))
        return await work(store, actor, await _find(store, actor, domain), settings)

    _show(with_store(settings, find_and_work, tell=True), settings, as_json=as_json)


async def _all(store: Store, actor: Actor, limit: int) -> list[Domain]:
    from agentpost.model.page import PageRequest
    from agentpost.store.domains import DomainFilter

    found: list[Domain] = []
    position: tuple[str, ...] | None = ()
    while position is not None and len(found) < limit:
        request = PageRequest(min(_PAGE, limit - len(found)), position=position or None)
        page = await store.domains.page(actor, DomainFilter(), request)
        found += page.rows
        position = page.next_position
    return found


async def _find(store: Store, actor: Actor, reference: str) -> Domain:
    """The domain with this id or name.  Raises: Failure, Problem."""
    from agentpost.model.page import PageRequest
    from agentpost.store.domains import DomainFilter

    if reference.startswith("dom_"):
        return await store.domains.get(actor, reference)
    page = await store.domains.page(actor, DomainFilter(reference), PageRequest(2))
    if len(page.rows) == 1:
        return page.rows[0]
    if page.rows:
        raise Failure(f"Several environments have {reference}.", "Name it by its id, dom_...")
    raise Failure(f"There is no domain {reference}.", "'agentpost domain list' shows all of them.")


def _show(domain: Domain, settings: Config, *, as_json: bool) -> None:
    from agentpost.mail.domains import domain_terms, finding_of, records_of

    records = [
        {
            "type": record.type,
            "name": record.name,
            "priority": record.priority,
            "value": record.value,
            "required": record.required,
            "status": (finding := finding_of(domain, record)).status,
            "reason": finding.reason,
        }
        for record in records_of(domain, domain_terms(settings))
    ]
    if as_json:
        show_one({**_record(domain), "records": records}, as_json=True)
        return
    show_one(_record(domain), as_json=False)
    columns = ("type", "name", "priority", "value", "required", "status", "reason")
    show_list(records, columns, as_json=False)


def _record(domain: Domain) -> dict[str, object]:
    return {
        "id": domain.id,
        "domain": domain.name,
        "status": domain.status,
        "reason": domain.reason,
        "inbound": domain.inbound,
        "subdomains": domain.subdomains,
        "catch_all_inbox_id": domain.catch_all,
        "client_id": domain.client_id,
        "organization_id": domain.organization,
        "environment_id": domain.environment,
        "created_at": rfc3339(domain.created_at),
    }
