"""How far long work has come: bars on the standard error of a terminal, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")

quiet_option: Final = click.option("--quiet", is_flag=True, help="Show no progress bars.")
"""Of the whole command line: it stands before the verb."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of work; where no bars are shown it does nothing."""

    _progress: Progress | None = None
    _task: TaskID | None = None

    def advance(self, by: int = 1) -> None:
        """So much more is done."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=by)

    def move(self, done: int, total: int | None) -> None:
        """So much of so much is done; a total that is not known yet is ``None``."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)


Begin = Callable[[str, int | None], Bar]


@contextmanager
def bars(*, hidden: bool = False, octets: bool = False) -> Iterator[Begin]:
    """Gives what begins a bar, by its name and its total; all of them are gone at the end.

    None is shown when ``hidden``, with --quiet, or when standard error is no terminal.
    ``octets``: what is counted is shown in kB and MB.
    """
    if hidden or _quiet() or not sys.stderr.isatty():
        yield lambda name, total: Bar()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        TextColumn,
    )

    count: ProgressColumn = DownloadColumn() if octets else MofNCompleteColumn()
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), count)
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield lambda name, total: Bar(progress, progress.add_task(name, total=total))


def counted(rows: Iterable[T], bar: Bar) -> Iterator[T]:
    """The same rows, each of them one step of the bar."""
    for row in rows:
        yield row
        bar.advance()


def _quiet() -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.find_root().params.get("quiet"))
