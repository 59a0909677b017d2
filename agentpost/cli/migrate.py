"""``agentpost migrate``: bring the database's schema up to this release."""

from __future__ import annotations

from pathlib import Path

import click

from agentpost import log
from agentpost.cli.output import Failure
from agentpost.cli.session import database_address, reach
from agentpost.cli.settings import load_settings, settings_options


@click.command("migrate")
@click.option(
    "--restored",
    is_flag=True,
    help="The data is a copy from earlier: number events ahead of all that were told since.",
)
@settings_options
def migrate_command(
    restored: bool, config_file: Path | None, data_dir: Path | None, assignments: tuple[str, ...]
) -> int:
    """Apply the steps of the schema that the database lacks, and exit.

    ``agentpost serve`` does so by itself; this is for those who want it done before, and, with
    ``--restored``, for a data directory that was put back from a copy.
    """
    import trio

    from agentpost.errors import Problem
    from agentpost.store.migrate import migrate

    settings = load_settings(config_file, data_dir, assignments)
    log.configure(settings.log_level, settings.log_format)

    async def run(url: str) -> int:
        database = await reach(url)
        try:
            done = await migrate(database, restored=restored)
        finally:
            await database.aclose()
        steps = len(done.steps)
        click.echo(f"{steps} steps applied" if steps else "the schema is up to date")
        if done.leapt:
            click.echo("events are numbered ahead of all that were told before")
        return 0

    with database_address(settings, create=True) as url:
        try:
            return trio.run(run, url)
        except (Problem, RuntimeError) as error:
            raise Failure(str(error)) from None
