"""``agentpost migrate``: bring the database's schema up to this release."""

from __future__ import annotations

from pathlib import Path

import click

from agentpost import config, log
from agentpost.cli.settings import load_settings, settings_options


@click.command("migrate")
@settings_options
def migrate_command(
    config_file: Path | None, data_dir: Path | None, assignments: tuple[str, ...]
) -> int:
    """Apply the steps of the schema that the database lacks, and exit.

    ``agentpost serve`` does so by itself; this is for those who want it done before.
    """
    import trio

    from agentpost.errors import Overloaded
    from agentpost.store import embedded
    from agentpost.store.migrate import migrate
    from agentpost.store.pool import Database

    settings = load_settings(config_file, data_dir, assignments)
    log.configure(settings.log_level, settings.log_format)

    async def run(url: str) -> int:
        database = await Database.open(url)
        try:
            steps = await migrate(database)
        finally:
            await database.aclose()
        click.echo(f"{len(steps)} steps applied" if steps else "the schema is up to date")
        return 0

    server: embedded.Embedded | None = None
    try:
        if settings.database_url is None:
            config.make_data_dir(settings.data_dir)
            server = embedded.start(settings.data_dir, pg_bin=settings.pg_bin)
        url = settings.database_url or (server.url if server else "")
        return trio.run(run, url)
    except (embedded.EmbeddedError, Overloaded, RuntimeError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        if server is not None:
            server.stop()
