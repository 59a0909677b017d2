"""``agentpost inboxes``: addresses that send and receive, over the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agentpost.cli.output import Failure, json_option, show_list, show_one, show_secret
from agentpost.cli.remote.calling import base_url_option, call, first, limit_option, page, record

if TYPE_CHECKING:
    from agentpost.client._models import Inbox

_COLUMNS = ("id", "email", "display_name", "send_paused", "created_at")


@click.group("inboxes")
def inboxes_command() -> None:
    """Inboxes: addresses that send and receive."""


@inboxes_command.command("list")
@click.option("-q", "--query", help="Part of the address or the display name.")
@limit_option
@json_option
@base_url_option
def list_inboxes(query: str | None, limit: int, *, as_json: bool, base_url: str | None) -> None:
    """List inboxes, the newest first."""
    options: dict[str, Any] = {} if query is None else {"q": query}
    found = call(
        base_url,
        lambda c: first(c.inboxes.list(limit=page(limit), **options), limit, hidden=as_json),
    )
    show_list([record(each) for each in found], _COLUMNS, as_json=as_json)


@inboxes_command.command("get")
@click.argument("inbox")
@json_option
@base_url_option
def get_inbox(inbox: str, *, as_json: bool, base_url: str | None) -> None:
    """Show one inbox, named by its id or its address."""
    _show(call(base_url, lambda c: c.inboxes.get(inbox)), as_json=as_json)


@inboxes_command.command("create")
@click.argument("username", required=False)
@click.option("--domain", help="A verified domain; else the shared one.")
@click.option("--display-name", help="Name that stands in the From field.")
@click.option("--client-id", help="Your own name for it: a repetition gives the same inbox.")
@json_option
@base_url_option
def create_inbox(
    username: str | None,
    domain: str | None,
    display_name: str | None,
    client_id: str | None,
    *,
    as_json: bool,
    base_url: str | None,
) -> None:
    """Make an inbox and show its mail password once.

    \b
    Examples:
      agentpost inboxes create support --display-name "Acme Support"
      agentpost inboxes create --client-id agent-7 --json
    """
    made = call(
        base_url,
        lambda c: c.inboxes.create(
            username=username, domain=domain, display_name=display_name, client_id=client_id
        ),
    )
    _show(made, as_json=as_json)
    if made.credential is not None and not as_json:
        show_secret("The mail password (user name: the address)", made.credential.password)


@inboxes_command.command("pause")
@click.argument("inbox")
@click.option("--reason", help="Why, for whoever looks later.")
@json_option
@base_url_option
def pause_inbox(inbox: str, reason: str | None, *, as_json: bool, base_url: str | None) -> None:
    """Stop an inbox from sending; it goes on receiving."""
    options: dict[str, Any] = {} if reason is None else {"reason": reason}
    _show(call(base_url, lambda c: c.inboxes.pause(inbox, **options)), as_json=as_json)


@inboxes_command.command("resume")
@click.argument("inbox")
@json_option
@base_url_option
def resume_inbox(inbox: str, *, as_json: bool, base_url: str | None) -> None:
    """Let a paused inbox send again."""
    _show(call(base_url, lambda c: c.inboxes.resume(inbox)), as_json=as_json)


@inboxes_command.command("delete")
@click.argument("inbox")
@click.option("--yes", is_flag=True, help="Do not ask.")
@base_url_option
def delete_inbox(inbox: str, *, yes: bool, base_url: str | None) -> None:
    """Delete an inbox; its mail is kept, and `inboxes restore` brings it back."""
    if not yes and not click.confirm(f"Delete {inbox}?"):
        raise Failure("Nothing was deleted.")
    call(base_url, lambda c: c.inboxes.delete(inbox))


@inboxes_command.command("restore")
@click.argument("inbox")
@json_option
@base_url_option
def restore_inbox(inbox: str, *, as_json: bool, base_url: str | None) -> None:
    """Bring a deleted inbox back."""
    _show(call(base_url, lambda c: c.inboxes.restore(inbox)), as_json=as_json)


def _show(inbox: Inbox, *, as_json: bool) -> None:
    show_one(record(inbox), as_json=as_json, hidden=("credential", "metadata", "settings"))
