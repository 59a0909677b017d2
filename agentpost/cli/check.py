"""``agentpost check``: whether what is stored fits together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpost.cli.output import json_option
from agentpost.cli.progress import Begin, bars
from agentpost.cli.session import with_store
from agentpost.cli.settings import load_settings, settings_options

if TYPE_CHECKING:
    from agentpost.store.auditchain import AuditChain
    from agentpost.store.consistency import Batch, Consistency, Fault
    from agentpost.store.opening import Store

_Look = Callable[[tuple[str, ...] | None], Awaitable["Batch"]]


@dataclass(slots=True)
class _Report:
    """What the walk has come to so far; of the faults only the first ``most`` are kept."""

    most: int
    checked: dict[str, int] = field(default_factory=dict)
    broken: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    def add(self, part: str, batch: Batch) -> None:
        self.checked[part] = self.checked.get(part, 0) + batch.rows
        for fault in batch.faults:
            self.broken[fault.rule] += 1
            if len(self.faults) < self.most:
                self.faults.append(fault)


@click.command("check")
@click.option("--octets", is_flag=True, help="Read all octets and compare their SHA-256; slower.")
@click.option(
    "--most",
    type=click.IntRange(0),
    default=1_000,
    show_default=True,
    help="Faults that are shown; all are counted.",
)
@json_option
@settings_options
def check_command(
    *,
    octets: bool,
    most: int,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Check that everything that is stored fits together. Changes nothing.

    Works beside a running server. Exit status 1 when there are faults.

    \b
    Examples:
      agentpost check
      agentpost check --octets --json
    """
    report = _Report(most)

    async def work(store: Store) -> None:
        from agentpost.store.auditchain import AuditChain
        from agentpost.store.consistency import Consistency

        consistency = Consistency(store.door, store.blobs)
        chain = AuditChain(store.door)
        with bars(hidden=as_json) as begin:
            await _walk(consistency, chain, report, begin, octets=octets)

    settings = load_settings(config_file, data_dir, assignments)
    with_store(settings, work)
    if as_json:
        click.echo(json.dumps(_json(report), indent=2))
    else:
        _tell(report)
    if report.broken:
        click.get_current_context().exit(1)


async def _walk(
    consistency: Consistency,
    chain: AuditChain,
    report: _Report,
    begin: Begin,
    *,
    octets: bool,
) -> None:
    from functools import partial

    from agentpost.model.actor import system_actor
    from agentpost.store.consistency_rules import PARTS

    actor = system_actor("cli")
    looks: dict[str, _Look] = {name: partial(consistency.batch, actor, name) for name in PARTS}
    looks["blobs"] = partial(consistency.blobs, actor, octets=octets)
    looks["files"] = partial(consistency.files, actor)
    looks["audit"] = partial(chain.batch, actor)
    looks["audit_chains"] = partial(chain.heads, actor)
    sizes = await consistency.sizes(actor)
    for name, look in looks.items():
        bar = begin(name, sizes.get(name))
        after: tuple[str, ...] | None = None
        while True:
            batch = await look(after)
            report.add(name, batch)
            bar.advance(batch.rows)
            after = batch.after
            if after is None:
                break
        bar.move(report.checked[name], report.checked[name])


def _json(report: _Report) -> dict[str, object]:
    return {
        "sound": not report.broken,
        "checked": report.checked,
        "broken": dict(report.broken),
        "faults": [asdict(fault) for fault in report.faults],
    }


def _tell(report: _Report) -> None:
    for fault in report.faults:
        click.echo(f"{fault.rule}: {fault.subject}: {fault.detail}")
    total = sum(report.broken.values())
    if total > len(report.faults):
        click.echo(f"... and {total - len(report.faults)} more (--most)")
    rows = ", ".join(f"{count} {name}" for name, count in report.checked.items() if count)
    click.echo(f"checked: {rows or 'nothing is stored yet'}")
    if report.broken:
        counts = ", ".join(f"{count} of {rule}" for rule, count in report.broken.most_common())
        click.echo(f"{total} faults: {counts}")
    else:
        click.echo("no faults")
