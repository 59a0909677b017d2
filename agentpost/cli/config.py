"""``agentpost config``: every setting, its value and where it came from."""

from __future__ import annotations

import json
from pathlib import Path

import click

from agentpost.cli.settings import load_settings, settings_options


@click.command("config")
@settings_options
@click.option("--json", "as_json", is_flag=True, help="As JSON, one object a setting.")
def config_command(
    config_file: Path | None, data_dir: Path | None, assignments: tuple[str, ...], *, as_json: bool
) -> None:
    """Show every setting with its value and origin. Secrets are hidden."""
    settings = load_settings(config_file, data_dir, assignments)
    if as_json:
        rows = [
            {
                "key": setting.key,
                "value": value,
                "origin": origin.value,
                "variable": setting.variable,
                "about": setting.about,
            }
            for setting, value, origin in settings.values()
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("setting", "value", "origin", "about")
    for setting, value, origin in settings.values():
        style = None if origin.value == "default" else "bold"
        table.add_row(setting.key, value, origin.value, setting.about, style=style)
    Console().print(table)
