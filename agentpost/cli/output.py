"""How verbs answer: tables for people, JSON for programs, failures with their cure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

from agentpost.errors import Problem

json_option: Final[Callable[[Callable[..., Any]], Callable[..., Any]]] = click.option(
    "--json", "as_json", is_flag=True, help="Answer with JSON on standard output."
)

Record = Mapping[str, object]


class Failure(click.ClickException):
    """A verb could not do its work: exit status 1, what is wrong and how to mend it."""

    def __init__(self, message: str, mend: str | None = None) -> None:
        super().__init__(message if mend is None else f"{message}\n{mend}")
        self.reason, self.mend = message, mend


def failure_of(problem: Problem) -> Failure:
    """What a failure of the store says on the command line."""
    return Failure(problem.message, problem.fix)


def show_list(records: Sequence[Record], columns: Sequence[str], *, as_json: bool) -> None:
    """Records as a table of ``columns``, or all they hold as a JSON list."""
    if as_json:
        click.echo(json.dumps(list(records), indent=2))
        return
    if not records:
        click.echo("none", err=True)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        # Folded, never cut: an id that is not whole is of no use.
        table.add_column(column.replace("_", " "), overflow="fold")
    for record in records:
        table.add_row(*(plain(record.get(column)) for column in columns))
    # What goes into a pipe is read line by line, so it has no width.
    width = None if sys.stdout.isatty() else 10_000
    Console(markup=False, highlight=False, width=width).print(table)


def show_one(record: Record, *, as_json: bool, hidden: Sequence[str] = ()) -> None:
    """One record, line by line, without the fields ``hidden``; as JSON, all of it."""
    if as_json:
        click.echo(json.dumps(record, indent=2))
        return
    width = max(len(name) for name in record)
    for name, value in record.items():
        if name not in hidden:
            click.echo(f"{name.replace('_', ' '):{width}}  {plain(value)}")


def show_secret(what: str, secret: str) -> None:
    """A secret that was just made, for a person."""
    click.echo(f"\n{what}; it is shown only this once:\n\n    {secret}\n")


def plain(value: object) -> str:
    """A value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return str(value)
