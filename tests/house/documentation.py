"""What the documentation must say, made from what the code knows.

``python -m tests.house.documentation`` writes the made parts of docs/errors.md and docs/limits.md.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import agentpost.limits
from agentpost.config import SETTINGS
from agentpost.errors import TABLE
from agentpost.http.problems import EDGE_ERRORS

DOCS = Path(__file__).resolve().parents[2] / "docs"
BEGIN = "<!-- made from the code -->"
END = "<!-- end of what is made -->"


def configuration_rows() -> list[str]:
    """The rows of the table in docs/configuration.md, one a setting."""
    rows = []
    for setting in SETTINGS.values():
        about = setting.about + (" Secret." if setting.secret else "")
        cells = (f"`{setting.key}`", f"`{setting.variable}`", setting.default, about)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return rows


def error_rows() -> list[str]:
    """The rows of the table in docs/errors.md, one a code."""
    head = ["| Code | HTTP | IMAP | SMTP | Message | What to do |", "|---|---|---|---|---|---|"]
    rows = []
    for code, kind in TABLE.items():
        column = kind.column
        imap = "" if column.imap is None else f"`[{column.imap}]`"
        smtp = f"`{column.smtp[0]} {column.smtp[1]}`"
        rows.append((column.http, code, imap, smtp, column.message, column.fix))
    rows += [(e.status, e.code, "", "", e.message, e.fix) for e in EDGE_ERRORS]
    return head + [
        f"| `{code}` | {status} | {imap} | {smtp} | {message} | {fix} |"
        for status, code, imap, smtp, message, fix in sorted(rows)
    ]


def _groups() -> Iterator[ast.ClassDef]:
    for name in sorted(Path(next(iter(agentpost.limits.__path__))).glob("*.py")):
        tree = ast.parse(name.read_text("utf-8"))
        yield from (node for node in tree.body if isinstance(node, ast.ClassDef))


def limit_lines() -> list[str]:
    """The tables of docs/limits.md, one for each group of limits."""
    lines: list[str] = []
    for group in _groups():
        title = (ast.get_docstring(group) or "").split("\n")[0].rstrip(".")
        lines += ["", f"### {group.name}", "", f"{title}.", "", "| Limit | Value | Why |"]
        lines.append("|---|---|---|")
        kind = getattr(agentpost.limits, group.name)()
        for field, why in zip(group.body, group.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(why, ast.Expr):
                name = ast.unparse(field.target)
                value = getattr(kind, name)
                several = value if isinstance(value, tuple) else (value,)
                shown = ", ".join(f"{x:,}" if isinstance(x, int) else f"{x:,g}" for x in several)
                text = " ".join(str(ast.literal_eval(why.value)).split())
                lines.append(f"| `{name}` | {shown} | {text} |")
    return lines[1:]


def made(page: str) -> str:
    """What the made part of a page must be."""
    lines = {"errors.md": error_rows, "limits.md": limit_lines}[page]()
    return "\n".join([BEGIN, "", *lines, "", END])


def present(page: str) -> str:
    """What the made part of a page is."""
    text = (DOCS / page).read_text("utf-8")
    return text[text.index(BEGIN) : text.index(END) + len(END)]


def write() -> None:
    """Write the made parts anew."""
    for page in ("errors.md", "limits.md"):
        path = DOCS / page
        path.write_text(path.read_text("utf-8").replace(present(page), made(page)), "utf-8")


if __name__ == "__main__":
    write()
