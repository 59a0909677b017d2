"""``agentpost send``: a message from the command line, over the API."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

import click

from agentpost.cli.output import Failure, json_option, show_one
from agentpost.cli.progress import bars
from agentpost.cli.remote.calling import base_url_option, call, record, text_of
from agentpost.cli.remote.carrying import uploading


@click.command("send")
@click.argument("inbox")
@click.option("--to", multiple=True, required=True, help='"Ada <ada@example.org>"; repeatable.')
@click.option("--cc", multiple=True, help="May be repeated.")
@click.option("--bcc", multiple=True, help="May be repeated.")
@click.option("--subject", default="", help="What it is about.")
@click.option("--text", help="What it says.")
@click.option("--text-file", type=click.Path(path_type=Path), help="The same from a file; - reads.")
@click.option("--html-file", type=click.Path(path_type=Path), help="HTML from a file.")
@click.option(
    "--attach", multiple=True, type=click.Path(path_type=Path), help="A file; repeatable."
)
@click.option("--label", "labels", multiple=True, help="May be repeated.")
@click.option("--idempotency-key", help="Your own name for this message: it is sent once.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and send nothing.")
@json_option
@base_url_option
def send_command(
    inbox: str,
    to: tuple[str, ...],
    cc: tuple[str, ...],
    bcc: tuple[str, ...],
    subject: str,
    text: str | None,
    text_file: Path | None,
    html_file: Path | None,
    attach: tuple[Path, ...],
    labels: tuple[str, ...],
    idempotency_key: str | None,
    *,
    dry_run: bool,
    as_json: bool,
    base_url: str | None,
) -> None:
    """Send a message from INBOX (id or address).

    \b
    Examples:
      agentpost send support@acme.com --to ada@example.org --subject Hello --text "Hi Ada"
      fortune | agentpost send inb_... --to ada@example.org --text-file -
      agentpost send inb_... --to ada@example.org --text "As promised" --attach report.pdf
    """
    body: dict[str, Any] = {"subject": subject, "labels": list(labels)}
    plain = text_of(text, text_file)
    html = text_of(None, html_file)
    if plain is None and html is None:
        raise click.UsageError("There is nothing to say: give --text, --text-file or --html-file.")
    body |= {} if plain is None else {"text_body": plain}
    body |= {} if html is None else {"html_body": html}
    body |= {"cc": list(cc)} if cc else {}
    body |= {"bcc": list(bcc)} if bcc else {}
    body |= {"attachments": [_file(path) for path in attach]} if attach else {}
    body |= {"dry_run": True} if dry_run else {}
    with bars(hidden=as_json or not attach, octets=True) as begin:
        sent = call(
            base_url,
            lambda c: c.messages.send(inbox, to=list(to), idempotency_key=idempotency_key, **body),
            uploading(begin),
        )
    found = {name: value for name, value in record(sent).items() if value is not None}
    show_one(found, as_json=as_json)


def _file(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    kind, _ = mimetypes.guess_type(path.name)
    return {
        "content": content,
        "filename": path.name,
        "mime_type": kind or "application/octet-stream",
    }
