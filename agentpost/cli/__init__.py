"""The command line: one module a verb, registered here.

Verbs that take long to import do so when they run, so that ``agentpost --help`` is quick.
"""

from __future__ import annotations

import sys
from typing import Final

import click

from agentpost.cli.check import check_command
from agentpost.cli.config import config_command
from agentpost.cli.doctor import doctor_command
from agentpost.cli.domain import domain_command
from agentpost.cli.environment import environment_command
from agentpost.cli.inbox import inbox_command
from agentpost.cli.key import key_command
from agentpost.cli.mcp import mcp_command
from agentpost.cli.migrate import migrate_command
from agentpost.cli.openapi import openapi_command
from agentpost.cli.org import org_command
from agentpost.cli.progress import quiet_option
from agentpost.cli.remote.domains import domains_command
from agentpost.cli.remote.drafts import drafts_command
from agentpost.cli.remote.exports import exports_command
from agentpost.cli.remote.inboxes import inboxes_command
from agentpost.cli.remote.listen import listen_command
from agentpost.cli.remote.messages import messages_command, threads_command
from agentpost.cli.remote.send import send_command
from agentpost.cli.remote.webhooks import webhooks_command
from agentpost.cli.serve import serve_command
from agentpost.cli.version import version_command
from agentpost.config import ConfigError

_SERVER: Final = (
    serve_command,
    config_command,
    migrate_command,
    org_command,
    environment_command,
    inbox_command,
    domain_command,
    key_command,
    doctor_command,
    check_command,
    openapi_command,
    version_command,
)
_API: Final = (
    inboxes_command,
    messages_command,
    threads_command,
    drafts_command,
    domains_command,
    webhooks_command,
    exports_command,
    send_command,
    listen_command,
    mcp_command,
)


class _Verbs(click.Group):
    """The verbs in two parts: those of the server's machine, and those that work from anywhere."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, verbs in (
            ("Running a server (on its machine)", _SERVER),
            ("Using AgentPost (from anywhere, with AGENTPOST_API_KEY)", _API),
        ):
            with formatter.section(title):
                room = formatter.width - max(len(str(verb.name)) for verb in verbs) - 6
                formatter.write_dl([(str(one.name), one.get_short_help_str(room)) for one in verbs])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@quiet_option
def agentpost(*, quiet: bool) -> None:
    """AgentPost: email for AI agents, on your own machine."""


for _verb in (*_SERVER, *_API):
    agentpost.add_command(_verb)


def main() -> int:
    """Run the command line; returns the exit status: 0 done, 1 failed, 2 wrong usage."""
    try:
        status = agentpost.main(prog_name="agentpost", standalone_mode=False)
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except ConfigError as error:
        sys.stderr.write(f"agentpost: {error}\n")
        return 1
    return status if isinstance(status, int) else 0
