"""``agentpost mcp --stdio``: the tools of a running server for programs that start a process."""

from __future__ import annotations

import click

from agentpost.cli.remote.calling import base_url_option


@click.command("mcp")
@click.option("--stdio", is_flag=True, required=True, help="Speak over standard input and output.")
@click.option(
    "--toolset",
    type=click.Choice(["all", "essential"]),
    default="all",
    show_default=True,
    help="essential: the dozen tools that most agents need.",
)
@base_url_option
def mcp_command(*, stdio: bool, toolset: str, base_url: str | None) -> None:
    """Connect a language model's program (Model Context Protocol).

    \b
    The program starts this command and speaks with it; it needs AGENTPOST_API_KEY, and
    AGENTPOST_BASE_URL when the server is not http://127.0.0.1:8080. Programs that connect by
    themselves need no command: give them the URL .../mcp and the key.
    """
    import trio

    from agentpost.cli.bridge import Bridge
    from agentpost.client import AgentPostError

    try:
        bridge = Bridge(base_url, toolset)
    except AgentPostError as error:
        raise click.UsageError(str(error)) from error
    trio.run(bridge.run)
