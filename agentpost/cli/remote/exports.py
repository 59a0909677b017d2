"""``agentpost exports``: files of mail or of the audit log, over the API."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from agentpost.cli.output import Failure, json_option, show_list, show_one
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
    from agentpost.client._models import Export

_COLUMNS = ("id", "kind", "status", "done", "total", "size", "created_at")
_LOOK_S: Final = 0.5
_HIDDEN: Final = ("download",)
"""The link opens the file without a key; it is for programs."""


@click.group("exports")
def exports_command() -> None:
    """Files of mail or of the audit log, to take away."""


@exports_command.command("list")
@limit_option
@json_option
@base_url_option
def list_exports(limit: int, *, as_json: bool, base_url: str | None) -> None:
    """List exports of the last seven days, the newest first."""
    found = call(
        base_url, lambda c: first(c.exports.list(limit=page(limit)), limit, hidden=as_json)
    )
    show_list([record(each) for each in found], _COLUMNS, as_json=as_json)


@exports_command.command("create")
@click.option(
    "--kind",
    type=click.Choice(["mbox", "maildir", "jsonl", "audit"]),
    default="mbox",
    show_default=True,
    help="What file: of messages, or of the audit log.",
)
@click.option(
    "--inbox", help="Only of this inbox (id or address); else of all that the key covers."
)
@click.option("--folder", help="Only this folder, such as Sent.")
@moment_option("--after", "Only what came later.")
@moment_option("--before", "Only what came earlier.")
@click.option("--client-id", help="Your own name for it: a repetition gives the same export.")
@json_option
@base_url_option
def create_export(
    kind: Any,
    inbox: str | None,
    folder: str | None,
    after: datetime | None,
    before: datetime | None,
    client_id: str | None,
    *,
    as_json: bool,
    base_url: str | None,
) -> None:
    """Ask for a file; the server writes it while you do something else.

    \b
    Examples:
      agentpost exports create --inbox support@acme.com
      agentpost exports create --kind audit --after 2026-01-01 --json
    """
    wanted: dict[str, Any] = {
        "inbox_id": inbox,
        "folder": folder,
        "after": after,
        "before": before,
        "client_id": client_id,
    }
    options = {name: value for name, value in wanted.items() if value is not None}
    made = call(base_url, lambda c: c.exports.create(kind=kind, **options))
    show_one(record(made), as_json=as_json, hidden=_HIDDEN)


@exports_command.command("get")
@click.argument("export")
@json_option
@base_url_option
def get_export(export: str, *, as_json: bool, base_url: str | None) -> None:
    """Show how far an export is."""
    found = call(base_url, lambda c: c.exports.get(export))
    show_one(record(found), as_json=as_json, hidden=_HIDDEN)


@exports_command.command("download")
@click.argument("export")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File or directory to write; else a file here, as the server names it.",
)
@click.option(
    "--timeout-s",
    type=click.IntRange(0, 24 * 3600),
    default=3600,
    show_default=True,
    help="How long to wait until the server has written it.",
)
@json_option
@base_url_option
def download_export(
    export: str, output: Path | None, timeout_s: int, *, as_json: bool, base_url: str | None
) -> None:
    """Wait until an export is done, and fetch its file. Nothing is there until all of it is.

    \b
    Examples:
      agentpost exports download exp_01JQ8X5K2M3N4P5R6S7T8V9W00
      agentpost exports download exp_01JQ8X5K2M3N4P5R6S7T8V9W00 -o /backup/
    """
    from agentpost.cli.remote.carrying import download

    done = call(base_url, lambda c: _awaited(c, export, timeout_s, hidden=as_json))
    if done.download is None:
        raise Failure(
            "This key may not fetch the file.",
            "Use a key with the scopes that the export was asked for with.",
        )
    target = Path(Path(done.download.filename).name)
    if output is not None:
        target = output / target if output.is_dir() else output
    with bars(hidden=as_json, octets=True) as begin:
        download(done.download.url, target, begin, size=done.size, sha256=done.sha256)
    show_one({"file": str(target), "size": done.size, "sha256": done.sha256}, as_json=as_json)


def _awaited(client: AgentPost, name: str, timeout_s: int, *, hidden: bool) -> Export:
    """The export when it is done.  Raises: Failure when it failed, or is not done in time."""
    ends = time.monotonic() + timeout_s
    with bars(hidden=hidden) as begin:
        bar = begin("writing", None)
        while True:
            export = client.exports.get(name)
            bar.move(export.done, export.total)
            if export.status == "done":
                return export
            if export.status == "failed":
                raise Failure(f"The export failed: {export.error}", "Ask for a new one.")
            if time.monotonic() > ends:
                raise Failure(
                    f"The export is {export.status}: {export.done} of {export.total or '?'}.",
                    "It goes on at the server; ask again, or give more --timeout-s.",
                )
            time.sleep(_LOOK_S)
