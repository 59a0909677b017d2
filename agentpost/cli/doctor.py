"""``agentpost doctor``: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agentpost.cli.output import json_option
from agentpost.cli.session import quiet_log
from agentpost.cli.settings import load_settings, settings_options

if TYPE_CHECKING:
    from agentpost.cli.diagnosis.finding import Finding
    from agentpost.config import Config

_STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


@click.command("doctor")
@json_option
@settings_options
def doctor_command(
    *,
    as_json: bool,
    config_file: Path | None,
    data_dir: Path | None,
    assignments: tuple[str, ...],
) -> None:
    """Look for what is wrong and say how to mend it. Changes nothing.

    Works beside a running server and before the first start. Exit status 1 when there is a
    problem; warnings alone give 0.

    \b
    Examples:
      agentpost doctor
      agentpost doctor --config /etc/agentpost.toml --json
    """
    from agentpost.cli.diagnosis.finding import Level
    from agentpost.cli.diagnosis.names import NOT_CHECKED

    settings = load_settings(config_file, data_dir, assignments)
    quiet_log(settings)
    findings = _look(settings)
    problems = sum(each.level is Level.PROBLEM for each in findings)
    if as_json:
        shown = [
            {"area": e.area, "level": e.level.value, "text": e.text, "mend": e.mend}
            for e in findings
        ]
        report = {"sound": not problems, "findings": shown, "not_checked": list(NOT_CHECKED)}
        click.echo(json.dumps(report, indent=2))
    else:
        for each in findings:
            _tell(each)
        for each_text in NOT_CHECKED:
            click.echo(f"not checked: {each_text}")
        warnings = sum(each.level is Level.WARNING for each in findings)
        click.echo(f"\n{problems} problems, {warnings} warnings")
    if problems:
        click.get_current_context().exit(1)


def _look(settings: Config) -> list[Finding]:
    from agentpost.cli.diagnosis import (
        addresses,
        blobs,
        certificates,
        database,
        disk,
        names,
        relay,
    )

    findings: list[Finding] = []
    for area in (addresses, certificates, disk, blobs, database, names, relay):
        findings += area.look(settings)
    return findings


def _tell(finding: Finding) -> None:
    level = finding.level.value
    click.echo(f"{click.style(f'{level:8}', fg=_STYLES[level])} {finding.area}: {finding.text}")
    if finding.mend is not None:
        click.echo(f"         → {finding.mend}")
