"""What the documentation must say, made from what the code knows."""

from __future__ import annotations

from agentpost.config import SETTINGS


def configuration_rows() -> list[str]:
    """The rows of the table in docs/configuration.md, one a setting."""
    rows = []
    for setting in SETTINGS.values():
        about = setting.about + (" Secret." if setting.secret else "")
        cells = (f"`{setting.key}`", f"`{setting.variable}`", setting.default, about)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows
