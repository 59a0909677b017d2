"""Verbs beside a running server: they reach its database, and it hears of what they did."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentpost import config
from agentpost.supervisor.welcome import welcome
from tests.server import Server, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running server."""
    with serving(tmp_path_factory.mktemp("beside")) as running:
        yield running


def verb(server: Server, *arguments: str, status: int = 0) -> Any:
    result = subprocess.run(
        [sys.executable, "-m", "agentpost", *arguments, "--json"],
        env=server.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == status, result.stdout + result.stderr
    return json.loads(result.stdout)


def test_a_key_made_and_revoked_beside_the_server_counts_at_once(server: Server) -> None:
    made = verb(server, "key", "create", "beside")
    assert server.call("GET", "/api/v1/me", key=made["key"]).status == 200
    verb(server, "key", "revoke", made["id"])
    until = time.monotonic() + 2
    while server.call("GET", "/api/v1/me", key=made["key"]).status != 401:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_lines_of_the_welcome_work_as_they_stand(server: Server) -> None:
    inbox = verb(server, "inbox", "create", "support")
    data = server.directory / "data"
    flags = {key: value for key, value in _flags(server).items() if key != "bootstrap_key"}
    settings = config.load(flags=flags, environ={})
    settings = dataclasses.replace(settings, tls_cert=data / "tls" / "certificate.pem")
    text = welcome(settings, server.key, str(settings.tls_cert))
    program = textwrap.dedent(text[text.index("    import smtplib") : text.index("Read and send")])
    address = f"support-...@{settings.shared_domain}"
    program = program.replace(address, inbox["email"]).replace("ap_mail_...", inbox["password"])
    subprocess.run([sys.executable, "-c", program], check=True)
    shell = textwrap.dedent(text[text.index("    export ") : text.index("Send it a mail")])
    told = subprocess.run(["bash", "-euc", shell], check=True, capture_output=True)
    assert re.match(rb'\{.*"email":', told.stdout)
    assert verb(server, "check", "--octets")["checked"]["messages"] >= 1


def test_the_doctor_finds_the_running_server_well(server: Server) -> None:
    report = verb(server, "doctor")
    assert report["sound"] is True
    texts = [each["text"] for each in report["findings"]]
    for name in ("smtps", "submission", "imaps", "http"):
        assert (
            f"{name}_bind 127.0.0.1:{server.port(name)} is served by this AgentPost ("
            in "".join(text for text in texts if text.startswith(f"{name}_bind"))
        )
    wrong = verb(server, "doctor", "--set", "http_bind=127.0.0.1:1", status=1)
    assert wrong["sound"] is False


def test_the_description_is_the_one_that_is_served(server: Server) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "agentpost", "openapi"], capture_output=True, check=True
    )
    assert json.loads(result.stdout) == server.call("GET", "/openapi.json").json


def _flags(server: Server) -> dict[str, str]:
    by_variable = {setting.variable: key for key, setting in config.SETTINGS.items()}
    environment = server.environment()
    return {key: environment[name] for name, key in by_variable.items() if name in environment}


def test_a_given_key_is_not_in_the_welcome(tmp_path: Path) -> None:
    key = "ap_sk_live_" + "k" * 32
    flags = {"data_dir": str(tmp_path), "bootstrap_key": key, "domain": "mail.example.com"}
    settings = config.load(flags=flags, environ={})
    text = welcome(settings, key, "/etc/chain.pem")
    assert key not in text
    assert "AGENTPOST_BOOTSTRAP_KEY" in text
    assert "IMAP   mail.example.com   port 2993" in text
