"""``agentpost drafts``: messages that are not sent yet, over the API."""

from __future__ import annotations

import click

from agentpost.cli.output import json_option, show_list, show_one
from agentpost.cli.remote.calling import (
    base_url_option,
    call,
    first,
    limit_option,
    page,
    people,
    record,
)

_COLUMNS = ("id", "to", "subject", "updated_at")


@click.group("drafts")
def drafts_command() -> None:
    """Drafts: messages that are not sent yet."""


@drafts_command.command("list")
@click.argument("inbox", required=False)
@limit_option
@json_option
@base_url_option
def list_drafts(inbox: str | None, limit: int, *, as_json: bool, base_url: str | None) -> None:
    """List drafts, the newest first: of INBOX (id or address), or of all inboxes."""
    found = call(
        base_url, lambda c: first(c.drafts.list(inbox, limit=page(limit)), limit, hidden=as_json)
    )
    rows = [record(each) for each in found]
    shown = rows if as_json else [{**row, "to": people(row["to_addresses"])} for row in rows]
    show_list(shown, _COLUMNS, as_json=as_json)


@drafts_command.command("create")
@click.argument("inbox")
@click.option("--to", multiple=True, help="Recipient; may be repeated.")
@click.option("--subject", default="", help="What it is about.")
@click.option("--text", default="", help="What it says.")
@json_option
@base_url_option
def create_draft(
    inbox: str,
    to: tuple[str, ...],
    subject: str,
    text: str,
    *,
    as_json: bool,
    base_url: str | None,
) -> None:
    """Make a draft, which mail programs see in Drafts."""
    made = call(
        base_url,
        lambda c: c.drafts.create(inbox, to=list(to), subject=subject, text_body=text),
    )
    show_one(record(made), as_json=as_json, hidden=("html_body", "metadata", "attachments"))


@drafts_command.command("send")
@click.argument("draft")
@json_option
@base_url_option
def send_draft(draft: str, *, as_json: bool, base_url: str | None) -> None:
    """Send a draft, which is a message from then on."""
    show_one(record(call(base_url, lambda c: c.drafts.send(draft))), as_json=as_json)


@drafts_command.command("delete")
@click.argument("draft")
@base_url_option
def delete_draft(draft: str, base_url: str | None) -> None:
    """Throw a draft away."""
    call(base_url, lambda c: c.drafts.delete(draft))
