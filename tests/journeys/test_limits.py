"""Limits of the whole server, whoever serves a request."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server, serving

REFUSED_IN_A_ROW = 10


def said(server: Server, *arguments: str) -> Any:
    """What a command on the server's machine answers."""
    command = [sys.executable, "-m", "agentpost", *arguments, "--json"]
    return json.loads(subprocess.check_output(command, env=server.environment()))


@pytest.mark.proves("R102")
def test_a_limit_is_one_for_all_workers(tmp_path: Path) -> None:
    with serving(tmp_path, AGENTPOST_WORKERS="2") as pair:
        organization = said(pair, "org", "create", "small", "--tier", "free")["id"]
        key = said(pair, "key", "create", "k", "--org", organization)["key"]
        began, granted, refused = time.monotonic(), 0, 0
        while refused < REFUSED_IN_A_ROW:
            # A connection each, so that both workers get some; not all within the half second
            # after which they tell each other.
            time.sleep(0.03)
            status = pair.call("GET", "/api/v1/me", key=key).status
            assert status in (200, 429)
            granted += status == 200
            refused = refused + 1 if status == 429 else 0
        back = time.monotonic() - began
        assert 50 <= granted <= 60 + back + 30
