"""``agentpost webhooks``: URLs that are told what happens, over the API."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from agentpost.cli.output import Failure, json_option, show_list, show_one, show_secret
from agentpost.cli.progress import bars
from agentpost.cli.remote.calling import (
    base_url_option,
    call,
    first,
    limit_option,
    moment_option,
    page,
    record,
)

if TYPE_CHECKING:
    from agentpost import AgentPost

_COLUMNS = ("id", "url", "event_types", "enabled", "consecutive_failures")
_LOOK_S: Final = 0.5
_REPLAY_S: Final = 1800.0
"""A replay may take as long at the server."""
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
    found = call(
        base_url, lambda c: first(c.webhooks.list(limit=page(limit)), limit, hidden=as_json)
    )
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
        lambda c: first(
            c.webhooks.deliveries(webhook, limit=page(limit), **options), limit, hidden=as_json
        ),
    )
    show_list([record(each) for each in found], _DELIVERIES, as_json=as_json)


@webhooks_command.command("replay")
@click.argument("webhook")
@moment_option("--after", "Tell it again what happened since.", required=True)
@moment_option("--before", "Only what happened until then; else until now.")
@click.option("--event", "events", multiple=True, help="Only this type; repeatable.")
@click.option("--wait", is_flag=True, help="Until all of it is queued; needs the scope jobs:read.")
@json_option
@base_url_option
def replay_webhook(
    webhook: str,
    after: datetime,
    before: datetime | None,
    events: tuple[str, ...],
    *,
    wait: bool,
    as_json: bool,
    base_url: str | None,
) -> None:
    """Tell a webhook again what happened in a window of time; events keep their ids.

    \b
    Examples:
      agentpost webhooks replay whk_... --after 2026-03-08
      agentpost webhooks replay whk_... --after 2026-03-08T14:00:00Z --before 2026-03-08T15:00:00Z
    """
    options: dict[str, Any] = {} if before is None else {"before": before}
    options |= {"event_types": list(events)} if events else {}
    begun = call(base_url, lambda c: c.webhooks.replay(webhook, after=after, **options))
    if wait:
        call(base_url, lambda c: _queued(c, begun.job_id, hidden=as_json))
    show_one(record(begun), as_json=as_json)


def _queued(client: AgentPost, job: str, *, hidden: bool) -> None:
    """Wait until a job is done.  Raises: Failure when it was given up, or takes too long."""
    ends = time.monotonic() + _REPLAY_S
    with bars(hidden=hidden) as begin:
        begin("queueing", None)
        while True:
            found = [one for one in client.jobs.list(kind="webhook", limit=100) if one.id == job]
            if not found:
                return
            if found[0].state == "failed" or time.monotonic() > ends:
                raise Failure(
                    f"The replay is {found[0].state}: {found[0].last_error or 'it takes long'}.",
                    f"Look at the jobs of the server; this one is {job}.",
                )
            time.sleep(_LOOK_S)


@webhooks_command.command("delete")
@click.argument("webhook")
@click.option("--yes", is_flag=True, help="Do not ask.")
@base_url_option
def delete_webhook(webhook: str, *, yes: bool, base_url: str | None) -> None:
    """Tell the URL nothing any longer; what waits for it is dropped."""
    if not yes and not click.confirm(f"Delete {webhook}?"):
        raise Failure("Nothing was deleted.")
    call(base_url, lambda c: c.webhooks.delete(webhook))
