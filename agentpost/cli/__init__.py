"""The command line: one module a verb, registered here.

Verbs that take long to import do so when they run, so that ``agentpost --help`` is quick.
"""

from __future__ import annotations

import sys

import click

from agentpost.cli.check import check_command
from agentpost.cli.config import config_command
from agentpost.cli.doctor import doctor_command
from agentpost.cli.environment import environment_command
from agentpost.cli.inbox import inbox_command
from agentpost.cli.key import key_command
from agentpost.cli.migrate import migrate_command
from agentpost.cli.openapi import openapi_command
from agentpost.cli.org import org_command
from agentpost.cli.serve import serve_command
from agentpost.cli.version import version_command
from agentpost.config import ConfigError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def agentpost() -> None:
    """AgentPost: email for AI agents, on your own machine."""


agentpost.add_command(serve_command)
agentpost.add_command(config_command)
agentpost.add_command(migrate_command)
for _verb in (
    org_command,
    environment_command,
    inbox_command,
    key_command,
    doctor_command,
    check_command,
    openapi_command,
):
    agentpost.add_command(_verb)
agentpost.add_command(version_command)


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
