"""``agentpost webhooks``: URLs that are told what happens, over the API."""

from __future__ import annotations

from typing import Any

import click

from agentpost.cli.output import Failure, json_option, show_list, show_one, show_secret
from agentpost.cli.remote.calling import base_url_option, call, first, limit_option, page, record

_COLUMNS = ("id", "url", "event_types", "enabled", "consecutive_failures")
_DELIVERIES = ("id", "event_type", "state", "attempts", "status", "next_attempt_at")


@click.group("webhooks")
def webhooks_command() -> None:
    """Webhooks: URLs that are told what happens."""


@webhooks_command.command("list")
@limit_option
@json_option
@base_url_option
def list_webhooks(limit: int, *, as_json: bool, base_url: str | None) -> None:
    """List webhooks and how they fare."""
    found = call(base_url, lambda c: first(c.webhooks.list(limit=page(limit)), limit))
    show_list([record(each) for each in found], _COLUMNS, as_json=as_json)


@webhooks_command.command("create")
@click.argument("url")
@click.option("--event", "events", multiple=True, help='Type; repeatable; "*" is all of them.')
@click.option("--inbox", "inboxes", multiple=True, help="Only of this inbox; repeatable.")
@click.option("--client-id", help="Your own name for it: a repetition gives the same webhook.")
@json_option
@base_url_option
def create_webhook(
    url: str,
    events: tuple[str, ...],
    inboxes: tuple[str, ...],
    client_id: str | None,
    *,
    as_json: bool,
    base_url: str | None,
) -> None:
    """Tell URL what happens, and show the secret to check its signatures with once.

    \b
    Examples:
      agentpost webhooks create https://acme.com/hook
      agentpost webhooks create https://acme.com/hook --event message.received --event message.bounced
    """
    options: dict[str, Any] = {"event_types": list(events)} if events else {}
    options |= {"inbox_ids": list(inboxes)} if inboxes else {}
    made = call(base_url, lambda c: c.webhooks.create(url=url, client_id=client_id, **options))
    show_one(record(made), as_json=as_json, hidden=("secret",))
    if made.secret is not None and not as_json:
        show_secret("The secret that signs", made.secret)


@webhooks_command.command("test")
@click.argument("webhook")
@json_option
@base_url_option
def test_webhook(webhook: str, *, as_json: bool, base_url: str | None) -> None:
    """Send an event of the type webhook.test now and show what came of it."""
    found = record(call(base_url, lambda c: c.webhooks.test(webhook)))
    show_one(found, as_json=as_json, hidden=("request_headers", "response_headers"))


@webhooks_command.command("deliveries")
@click.argument("webhook")
@click.option("--state", type=click.Choice(["pending", "succeeded", "failed"]), help="Only these.")
@limit_option
@json_option
@base_url_option
def list_deliveries(
    webhook: str, state: str | None, limit: int, *, as_json: bool, base_url: str | None
) -> None:
    """List what was told, what came of it, and what is to come."""
    options: dict[str, Any] = {} if state is None else {"state": state}
    found = call(
        base_url,
        lambda c: first(c.webhooks.deliveries(webhook, limit=page(limit), **options), limit),
    )
    show_list([record(each) for each in found], _DELIVERIES, as_json=as_json)


@webhooks_command.command("delete")
@click.argument("webhook")
@click.option("--yes", is_flag=True, help="Do not ask.")
@base_url_option
def delete_webhook(webhook: str, *, yes: bool, base_url: str | None) -> None:
    """Tell the URL nothing any longer; what waits for it is dropped."""
    if not yes and not click.confirm(f"Delete {webhook}?"):
        raise Failure("Nothing was deleted.")
    call(base_url, lambda c: c.webhooks.delete(webhook))
