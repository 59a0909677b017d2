"""Examples in README and docs, and how they are run against a test server.

Every ``sh`` and ``python`` block is run, unless the line before it says why not:
``<!-- not run: reason -->``.  Placeholders (ports, keys, addresses, ids) are replaced with those of
the server and of what the examples before have made.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.server import Server

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"(?:^<!-- (.*?) -->\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ID = re.compile(r"\b(msg|inb|env|key|thr|org|dft|dom)_01JQ8X5K2M3N4P5R6S7T8V9W00\b")
_REAL_ID = re.compile(r"\b(msg|inb|env|key|thr|org|dft|dom)_[0-7][0-9A-HJKMNP-TV-Z]{25}\b")
_EXPORT = re.compile(r"^export (\w+)=(\S+)$", re.MULTILINE)
_SERVICES = {2465: "smtps", 2587: "submission", 2993: "imaps", 8080: "http"}


@dataclass(frozen=True, slots=True)
class Example:
    """One block; ``reason`` says why it is not run."""

    language: str
    text: str
    reason: str | None


def examples(page: Path) -> list[Example]:
    """The blocks of a page that a reader would run."""
    found = []
    for remark, language, text in _FENCE.findall(page.read_text("utf-8")):
        if language in ("sh", "python"):
            reason = remark.removeprefix("not run: ") if remark.startswith("not run: ") else None
            found.append(Example(language, text, reason))
    return found


@dataclass(slots=True)
class Reader:
    """Somebody who tries one page from top to bottom."""

    server: Server
    directory: Path
    address: str = "support-a1b2c3@shared.agentpost.localhost"
    password: str = "ap_mail_..."
    ids: dict[str, str] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)

    def run(self, example: Example) -> None:
        """Run a block as it stands; what it made is known to the next ones."""
        text = self._filled(example.text)
        program = ["bash", "-euo", "pipefail", "-c", text]
        if example.language == "python":
            program = [sys.executable, "-c", text]
        self.exported |= dict(_EXPORT.findall(text))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        settings = self.server.environment()
        settings.pop("AGENTPOST_BOOTSTRAP_KEY", None)
        result = subprocess.run(
            program,
            cwd=self.directory,
            env={**settings, **self.exported, "PATH": path},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert result.returncode == 0, f"{text}\n{result.stdout}\n{result.stderr}"
        self._remember(text, result.stdout)

    def _filled(self, text: str) -> str:
        for port, service in _SERVICES.items():
            text = re.sub(rf"\b{port}\b", str(self.server.port(service)), text)
        text = text.replace("support-a1b2c3@shared.agentpost.localhost", self.address)
        text = text.replace("ap_sk_live_...", self.server.key)
        text = text.replace("ap_mail_...", self.password)
        return _ID.sub(lambda match: self.ids.get(match[1], match[0]), text)

    def _remember(self, text: str, output: str) -> None:
        for match in _REAL_ID.finditer(output):
            self.ids[match[1]] = match[0]
        try:
            answer: Any = json.loads(output)
        except ValueError:
            return
        if isinstance(answer, dict):
            assert "fix" not in answer, f"{text}\n{output}"
            if isinstance(answer.get("credential"), dict):
                self.address = answer["email"]
                self.password = answer["credential"]["password"]
