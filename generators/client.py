"""Writes the Python client's models and resources from the OpenAPI document.

    python -m generators.client

The document says what there is, ``generators.naming`` how the client calls it.  A test compares
what this writes with what is in the repository, so that the two cannot drift.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from agentpost.http.openapi import document
from agentpost.http.resources import RESOURCES
from agentpost.version import version
from generators.models import write_models
from generators.resources import write_resources

CLIENT = Path(__file__).parent.parent / "agentpost" / "client"


def api() -> dict[str, Any]:
    """The OpenAPI document of the API without what only describes it."""
    endpoints = [endpoint for routes in RESOURCES for endpoint in routes.endpoints]
    return document(endpoints, version())


def written() -> dict[Path, str]:
    """Every generated file and what it should hold."""
    found = api()
    sources = {CLIENT / "_models.py": write_models(found)}
    for name, source in write_resources(found).items():
        sources[CLIENT / "resources" / f"{name}.py"] = source
    return {path: formatted(source) for path, source in sources.items()}


def formatted(source: str) -> str:
    """``source`` as the formatter of this repository leaves it."""
    ruff = [sys.executable, "-m", "ruff"]
    for arguments in (["check", "--fix", "--quiet", "--select", "I,F401"], ["format", "--quiet"]):
        name = "agentpost/client/_generated.py"
        source = subprocess.run(
            [*ruff, *arguments, "--stdin-filename", name, "-"],
            input=source,
            capture_output=True,
            text=True,
            check=True,
            cwd=CLIENT.parent.parent,
        ).stdout
    return source


def main() -> None:
    """Write the files."""
    for path, source in written().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, "utf-8")


if __name__ == "__main__":
    main()
