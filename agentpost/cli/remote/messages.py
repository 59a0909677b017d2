"""``agentpost messages`` and ``agentpost threads``: mail, over the API."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    text_of,
)

if TYPE_CHECKING:
    from agentpost.client._models import Message

_COLUMNS = ("id", "from", "subject", "labels", "seen", "created_at")
_THREAD_COLUMNS = ("id", "subject", "senders", "message_count", "unread_count", "last_message_at")
_FOUND_COLUMNS = ("id", "from", "subject", "found", "created_at")
_FOUND_THREAD_COLUMNS = ("id", "subject", "found", "message_count", "last_message_at")
_LONG = ("text_body", "html_body", "extracted_text", "extracted_html", "headers", "attachments")


@click.group("messages")
def messages_command() -> None:
    """Messages, sent and received."""


@messages_command.command("list")
@click.argument("inbox", required=False)
@click.option("--folder", help="Such as INBOX, Sent or Trash.")
@click.option("--from", "sender", help="Part of the sender's name or address.")
@click.option("--subject", help="Part of the subject.")
@click.option("--label", "labels", multiple=True, help="It has this label; may be repeated.")
@click.option("--unread", is_flag=True, help="Only what nobody has read.")
@limit_option
@json_option
@base_url_option
def list_messages(
    inbox: str | None,
    folder: str | None,
    sender: str | None,
    subject: str | None,
    labels: tuple[str, ...],
    *,
    unread: bool,
    limit: int,
    as_json: bool,
    base_url: str | None,
) -> None:
    """List messages, the newest first: of INBOX (id or address), or of all inboxes.

    \b
    Examples:
      agentpost messages list support@acme.com --unread
      agentpost messages list --from noreply@ --json
    """
    wanted: dict[str, Any] = {"folder": folder, "from_": sender, "subject": subject}
    options = {name: value for name, value in wanted.items() if value is not None}
    if labels:
        options["labels"] = list(labels)
    if unread:
        options["seen"] = False
    found = call(
        base_url,
        lambda c: first(
            c.messages.list(inbox, limit=page(limit), **options), limit, hidden=as_json
        ),
    )
    rows = [record(each) for each in found]
    shown = rows if as_json else [{**row, "from": people(row["from_address"])} for row in rows]
    show_list(shown, _COLUMNS, as_json=as_json)


@messages_command.command("search")
@click.argument("query")
@click.option("--inbox", help="In this inbox only: its id or address.")
@limit_option
@json_option
@base_url_option
def search_messages(
    query: str, inbox: str | None, limit: int, *, as_json: bool, base_url: str | None
) -> None:
    """Search messages, the newest first, and show where they were found.

    QUERY is words, "phrases", -not, OR, parentheses, and from: to: cc: subject: label: in: has:
    is: after: before:

    \b
    Examples:
      agentpost messages search 'from:ada@example.org invoice -paid'
      agentpost messages search 'is:unread "out of office"' --inbox support@acme.com --json
    """
    found = call(
        base_url,
        lambda c: first(
            c.messages.search(q=query, inbox=inbox, limit=page(limit)), limit, hidden=as_json
        ),
    )
    rows = [record(each) for each in found]
    shown = (
        rows
        if as_json
        else [{**row, "from": people(row["from_address"]), "found": _why(row)} for row in rows]
    )
    show_list(shown, _FOUND_COLUMNS, as_json=as_json)


@messages_command.command("get")
@click.argument("message")
@json_option
@base_url_option
def get_message(message: str, *, as_json: bool, base_url: str | None) -> None:
    """Show one message: who, when, what about, and its text."""
    _show(call(base_url, lambda c: c.messages.get(message)), as_json=as_json)


@messages_command.command("raw")
@click.argument("message")
@base_url_option
def raw_message(message: str, base_url: str | None) -> None:
    """Write the message to standard output, octet for octet (message/rfc822)."""
    sys.stdout.buffer.write(call(base_url, lambda c: c.messages.raw(message)))


@messages_command.command("reply")
@click.argument("message")
@click.option("--text", help="What to answer.")
@click.option("--text-file", type=click.Path(path_type=Path), help="The same from a file; - reads.")
@click.option("--all", "to_all", is_flag=True, help="Also to everyone else it went to.")
@json_option
@base_url_option
def reply(
    message: str,
    text: str | None,
    text_file: Path | None,
    *,
    to_all: bool,
    as_json: bool,
    base_url: str | None,
) -> None:
    """Answer a message, in its conversation."""
    body = text_of(text, text_file)
    if body is None:
        raise click.UsageError("There is nothing to say: give --text or --text-file.")
    sent = call(
        base_url,
        lambda c: (
            c.messages.reply_all(message, text_body=body)
            if to_all
            else c.messages.reply(message, text_body=body)
        ),
    )
    show_one(_short(record(sent)), as_json=as_json)


@messages_command.command("label")
@click.argument("message")
@click.option("--add", multiple=True, help="May be repeated.")
@click.option("--remove", multiple=True, help="May be repeated.")
@json_option
@base_url_option
def label(
    message: str,
    add: tuple[str, ...],
    remove: tuple[str, ...],
    *,
    as_json: bool,
    base_url: str | None,
) -> None:
    """Add and remove labels, which mail programs see as keywords."""
    changed = call(
        base_url,
        lambda c: c.messages.update(message, add_labels=list(add), remove_labels=list(remove)),
    )
    _show(changed, as_json=as_json)


@messages_command.command("delete")
@click.argument("message")
@base_url_option
def delete(message: str, base_url: str | None) -> None:
    """Move a message to Trash; from there, delete it for good."""
    call(base_url, lambda c: c.messages.delete(message))


@click.group("threads")
def threads_command() -> None:
    """Conversations."""


@threads_command.command("list")
@click.argument("inbox", required=False)
@limit_option
@json_option
@base_url_option
def list_threads(inbox: str | None, limit: int, *, as_json: bool, base_url: str | None) -> None:
    """List conversations, the latest first: of INBOX (id or address), or of all inboxes."""
    found = call(
        base_url, lambda c: first(c.threads.list(inbox, limit=page(limit)), limit, hidden=as_json)
    )
    rows = [record(each) for each in found]
    shown = rows if as_json else [{**row, "senders": people(row["senders"])} for row in rows]
    show_list(shown, _THREAD_COLUMNS, as_json=as_json)


@threads_command.command("search")
@click.argument("query")
@click.option("--inbox", help="In this inbox only: its id or address.")
@limit_option
@json_option
@base_url_option
def search_threads(
    query: str, inbox: str | None, limit: int, *, as_json: bool, base_url: str | None
) -> None:
    """Search conversations: those with a message that `agentpost messages search` finds."""
    found = call(
        base_url,
        lambda c: first(
            c.threads.search(q=query, inbox=inbox, limit=page(limit)), limit, hidden=as_json
        ),
    )
    rows = [record(each) for each in found]
    shown = rows if as_json else [{**row, "found": _why(row)} for row in rows]
    show_list(shown, _FOUND_THREAD_COLUMNS, as_json=as_json)


@threads_command.command("get")
@click.argument("thread")
@json_option
@base_url_option
def get_thread(thread: str, *, as_json: bool, base_url: str | None) -> None:
    """Show one conversation and what its messages say."""
    found = record(call(base_url, lambda c: c.threads.get(thread)))
    if as_json:
        show_one(found, as_json=True)
        return
    click.echo(f"{found['subject']}\n{people(found['senders'])}")
    inner = found.get("messages")
    for each in inner.get("data", []) if isinstance(inner, Mapping) else []:
        click.echo(f"\n{each['created_at']}  {people(each['from_address'])}\n{_text(each)}")


def _show(message: Message, *, as_json: bool) -> None:
    found = record(message)
    if as_json:
        show_one(found, as_json=True)
        return
    show_one(_short(found), as_json=False)
    click.echo(f"\n{_text(found)}")


def _why(found: Mapping[str, Any]) -> str:
    """The first fragment that was found, of the text if there is one."""
    fragments = {
        one["field"]: str(one["fragment"]) for one in reversed(found.get("highlights") or [])
    }
    return fragments.get("text") or next(reversed(fragments.values()), "")


def _short(found: Mapping[str, object]) -> dict[str, object]:
    """The fields that fit on a line."""
    rows: dict[str, object] = {}
    for name, value in found.items():
        if name in _LONG or value is None or (isinstance(value, dict) and not value):
            continue
        rows[name] = people(value) if name.endswith(("address", "addresses", "reply_to")) else value
    return rows


def _text(found: Mapping[str, object]) -> str:
    return str(found.get("text_body") or found.get("extracted_text") or found.get("preview") or "")
