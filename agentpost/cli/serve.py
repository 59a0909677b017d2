"""``agentpost serve``: run the server."""

from __future__ import annotations

from pathlib import Path

import click

from agentpost.cli.settings import load_settings, settings_options


@click.command("serve")
@settings_options
def serve_command(
    config_file: Path | None, data_dir: Path | None, assignments: tuple[str, ...]
) -> int:
    """Run the server until it is told to stop (SIGTERM or Ctrl-C)."""
    from agentpost.supervisor import supervise

    return supervise(load_settings(config_file, data_dir, assignments))
