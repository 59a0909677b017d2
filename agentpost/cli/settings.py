"""The options that every verb with settings has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from agentpost import config
from agentpost.config import Config


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config``, ``--data-dir`` and ``--set key=value`` to a command."""
    command = click.option(
        "--set",
        "assignments",
        metavar="KEY=VALUE",
        multiple=True,
        help="Override one setting; may be repeated.",
    )(command)
    command = click.option(
        "--data-dir", type=click.Path(path_type=Path), help="Directory of everything on disk."
    )(command)
    return click.option(
        "--config",
        "config_file",
        type=click.Path(path_type=Path),
        help="TOML file with settings.",
    )(command)


org_option: Final[Callable[[Callable[..., Any]], Callable[..., Any]]] = click.option(
    "--org", metavar="ORG", help="Organization, by id or slug; not needed when there is only one."
)
environment_option: Final[Callable[[Callable[..., Any]], Callable[..., Any]]] = click.option(
    "--environment", metavar="ENV", help="Environment, by id or slug; else the default one."
)


def load_settings(
    config_file: Path | None, data_dir: Path | None, assignments: tuple[str, ...]
) -> Config:
    """The configuration under these options. Raises: ConfigError, click.UsageError."""
    flags: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise click.UsageError(f"--set wants KEY=VALUE, not {assignment!r}")
        if key not in config.SETTINGS:
            raise click.UsageError(f"--set {key}: {config.unknown(key)}")
        flags[key] = value
    if data_dir is not None:
        flags["data_dir"] = str(data_dir)
    return config.load(config_file=config_file, flags=flags)
