"""The running server does what its openapi.json says, as a stranger's program sees it.

``python -m conformance.schema`` asks more; here each operation gets a few requests, always the same.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def _run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "conformance.schema", "--quick", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=_ROOT,
        timeout=300,
    )


@pytest.mark.proves("R9")
def test_every_operation_answers_as_openapi_says() -> None:
    done = _run("--examples", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no faults\n")


def test_an_answer_that_is_not_as_described_is_found_out(tmp_path: Path) -> None:
    operation = {
        "responses": {
            "200": {
                "description": "The version",
                "content": {"application/json": {"schema": {"type": "integer"}}},
            }
        }
    }
    planted = tmp_path / "planted.json"
    planted.write_text(
        json.dumps(
            {
                "openapi": "3.1.0",
                "info": {"title": "Planted", "version": "1"},
                "paths": {"/version": {"get": operation}, "/nowhere": {"get": operation}},
            }
        )
    )
    done = _run("--examples", "1", "--document", planted)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "GET /version: Response violates schema" in done.stdout
    assert "GET /nowhere: Undocumented" in done.stdout
