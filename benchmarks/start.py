"""How long ``agentpost serve`` takes: a first start, and one on a data directory that exists."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._servers import environment_of

_TOOK = re.compile(r'"took_s": ([0-9.]+)')


def main() -> None:
    """Print the seconds from the command to "serving"; the goal of the second is under 2."""
    with tempfile.TemporaryDirectory(prefix="bench") as temporary:
        environment = environment_of(Path(temporary)) | {"AGENTPOST_LOG_LEVEL": "info"}
        for name in ("first start", "second start", "third start"):
            print(f"{name:48} {_took(environment):8.2f} s", flush=True)


def _took(environment: dict[str, str]) -> float:
    process = subprocess.Popen(
        [sys.executable, "-m", "agentpost", "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        match = _TOOK.search(line)
        if match is not None:
            process.terminate()
            process.stderr.read()
            process.wait(30)
            return float(match[1])
    raise RuntimeError("the server did not start")
