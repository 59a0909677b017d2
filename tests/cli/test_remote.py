"""Verbs that use the API from anywhere: what people and scripts see of them."""

from __future__ import annotations

import base64
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agentpost import AgentPost
from tests.server import Server, serving

pytestmark = pytest.mark.slow
_SECRET = "whsec_" + base64.b64encode(bytes(24)).decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One running server."""
    with serving(tmp_path_factory.mktemp("remote")) as running:
        yield running


def shell(server: Server, key: str | None = None) -> dict[str, str]:
    """The environment of somebody who uses the server."""
    return {
        **server.environment(),
        "AGENTPOST_API_KEY": server.key if key is None else key,
        "AGENTPOST_BASE_URL": f"http://127.0.0.1:{server.port('http')}",
    }


def run(
    server: Server, *arguments: str, status: int = 0, given: str = "", key: str | None = None
) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [sys.executable, "-m", "agentpost", *arguments],
        env=shell(server, key),
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == status, result.stdout + result.stderr
    return result


def verb(server: Server, *arguments: str, given: str = "") -> Any:
    return json.loads(run(server, *arguments, "--json", given=given).stdout)


def test_a_shell_sends_reads_and_answers(server: Server, tmp_path: Path) -> None:
    inbox = verb(server, "inboxes", "create", "shell", "--client-id", "shell-1")
    assert verb(server, "inboxes", "create", "--client-id", "shell-1")["id"] == inbox["id"]
    (tmp_path / "note.txt").write_bytes(b"\xff\x00note")
    arguments = ["send", inbox["email"], "--to", f"Me <{inbox['email']}>", "--subject", "Grüße"]
    files = ["--text-file", "-", "--attach", str(tmp_path / "note.txt")]
    sent = verb(server, *arguments, *files, given="from a pipe")
    assert sent["status"] == "delivered"
    (received,) = verb(server, "messages", "list", inbox["email"], "--folder", "INBOX", "--unread")
    assert received["subject"] == "Grüße"
    found = verb(server, "messages", "get", received["id"])
    assert found["text_body"].strip() == "from a pipe"
    assert found["attachments"][0]["filename"] == "note.txt"
    shown = run(server, "messages", "get", received["id"]).stdout
    assert "Grüße" in shown
    assert "from a pipe" in shown
    assert run(server, "messages", "raw", received["id"]).stdout.startswith("Date: ")
    labelled = verb(server, "messages", "label", received["id"], "--add", "done")
    assert labelled["labels"] == ["done"]
    assert verb(server, "messages", "list", "--label", "done")[0]["id"] == received["id"]
    (hit,) = verb(server, "messages", "search", "grüsse label:done", "--inbox", inbox["email"])
    assert (hit["id"], hit["highlights"][0]["spans"]) == (received["id"], [{"start": 0, "end": 5}])
    assert "from a pipe" in run(server, "messages", "search", '"a pipe" in:inbox').stdout
    assert "at character 1" in run(server, "messages", "search", "form:me", status=1).stderr
    verb(server, "messages", "reply", received["id"], "--text", "Danke")
    (thread,) = verb(server, "threads", "list", inbox["email"])
    assert thread["message_count"] == 4
    (hit,) = verb(server, "threads", "search", "danke")
    assert (hit["id"], hit["message_count"]) == (thread["id"], 4)
    assert "Danke" in run(server, "threads", "search", "danke").stdout
    shown = run(server, "threads", "get", thread["id"]).stdout
    assert "Danke" in shown
    run(server, "messages", "delete", received["id"])
    assert verb(server, "messages", "list", inbox["email"], "--label", "done") == []


def test_drafts_from_the_shell(server: Server) -> None:
    inbox = verb(server, "inboxes", "create", "drafter")
    draft = verb(server, "drafts", "create", inbox["id"], "--to", inbox["email"], "--text", "later")
    assert [one["id"] for one in verb(server, "drafts", "list", inbox["id"])] == [draft["id"]]
    assert verb(server, "drafts", "send", draft["id"])["status"] == "delivered"
    gone = verb(server, "drafts", "create", inbox["id"], "--subject", "no")
    run(server, "drafts", "delete", gone["id"])
    assert "none" in run(server, "drafts", "list", inbox["id"]).stderr


def test_the_life_of_an_inbox(server: Server) -> None:
    inbox = verb(server, "inboxes", "create", "short")["id"]
    assert verb(server, "inboxes", "pause", inbox, "--reason", "tired")["paused_reason"] == "tired"
    assert "tired" in run(server, "inboxes", "get", inbox).stdout
    assert verb(server, "inboxes", "resume", inbox)["send_paused"] is False
    run(server, "inboxes", "delete", inbox, status=1, given="n\n")
    run(server, "inboxes", "delete", inbox, "--yes")
    assert inbox not in {one["id"] for one in verb(server, "inboxes", "list")}
    assert verb(server, "inboxes", "restore", inbox)["id"] == inbox


def test_a_list_is_as_long_as_it_is_asked_for(server: Server) -> None:
    for number in range(3):
        verb(server, "inboxes", "create", f"many{number}")
    assert len(verb(server, "inboxes", "list", "-q", "many", "--limit", "2")) == 2
    assert run(server, "inboxes", "list", "-q", "many").stdout.count("many") == 3


def test_events_are_shown_and_handed_on(server: Server) -> None:
    inbox = verb(server, "inboxes", "create", "ear")
    me = verb(server, "inboxes", "get", inbox["id"])["email"]
    before = json.loads(run(server, "listen", "--from-seq", "0", "--count", "1", "--json").stdout)
    taken: list[tuple[dict[str, str], bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            taken.append((dict(self.headers.items()), self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    verb(server, "send", inbox["id"], "--to", me, "--subject", "heard", "--text", "x")
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_port}/hook"
        from_seq = ["--inbox", inbox["id"], "--from-seq", str(before["seq"] - 1)]
        what = ["--event", "message.received", "--count", "1"]
        shown = run(server, "listen", *from_seq, *what, "--forward-to", url, "--secret", _SECRET)
        receiver.shutdown()
    assert "message.received  heard" in shown.stdout
    ((headers, body),) = taken
    event = AgentPost(server.key).webhooks.verify(body, headers, _SECRET)
    assert event["data"]["subject"] == "heard"
    refused = run(server, "listen", "--count", "1", status=1, key="ap_sk_test_" + "x" * 32).stderr
    assert "unauthenticated" in refused


def test_a_domain_from_the_shell(server: Server) -> None:
    domain = verb(server, "domains", "add", "acme.example")
    assert domain["status"] in ("pending", "verifying")
    assert "TXT" in run(server, "domains", "get", domain["id"]).stdout
    assert "acme.example" in run(server, "domains", "zone-file", domain["id"]).stdout
    assert [one["id"] for one in verb(server, "domains", "list")] == [domain["id"]]
    run(server, "domains", "delete", domain["id"], "--yes")
    assert verb(server, "domains", "list") == []


def test_a_webhook_from_the_shell(server: Server) -> None:
    arguments = ["--event", "message.received", "--client-id", "hook-1"]
    made = verb(server, "webhooks", "create", "https://hooks.example/x", *arguments)
    assert made["secret"].startswith("whsec_")
    assert made["event_types"] == ["message.received"]
    assert [one["id"] for one in verb(server, "webhooks", "list")] == [made["id"]]
    assert verb(server, "webhooks", "deliveries", made["id"], "--state", "pending") == []
    inside = run(server, "webhooks", "create", "http://127.0.0.1/x", status=1).stderr
    assert "url" in inside
    run(server, "webhooks", "delete", made["id"], "--yes")
    assert verb(server, "webhooks", "list") == []


def test_failures_say_what_to_do(server: Server) -> None:
    missing = run(server, "inboxes", "get", "inb_" + "0" * 26, status=1).stderr
    assert "not_found" in missing
    wrong = run(server, "inboxes", "create", ".dot", status=1).stderr
    assert "username" in wrong
    keyless = run(server, "inboxes", "list", status=1, key="").stderr
    assert "AGENTPOST_API_KEY" in keyless
    nothing = run(server, "send", "inb_1", "--to", "a@b.c", status=2).stderr
    assert "--text" in nothing
    secret = "ap_sk_test_" + "x" * 32
    refused = run(server, "inboxes", "list", status=1, key=secret)
    assert "unauthenticated" in refused.stderr
    assert secret not in refused.stderr + refused.stdout
    unread = run(server, "send", "i", "--to", "a@b.c", "--text-file", "/nowhere", status=1).stderr
    assert "/nowhere" in unread


def shown(server: Server, *arguments: str) -> tuple[str, bytes]:
    """Standard output of a verb, and what it wrote to a terminal as standard error."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "agentpost", *arguments],
        env={**shell(server), "TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=inside,
        text=True,
    )
    os.close(inside)
    told: list[bytes] = []
    reader = threading.Thread(target=lambda: told.append(_drained(terminal)))
    reader.start()
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    assert process.wait(60) == 0
    reader.join()
    os.close(terminal)
    return output, told[0]


def _drained(terminal: int) -> bytes:
    octets = b""
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # Linux's word for the end of a terminal.
            return octets
        if not piece:
            return octets
        octets += piece


def test_a_bar_tells_a_terminal_how_far_a_file_is(server: Server, tmp_path: Path) -> None:
    inbox = verb(server, "inboxes", "create", "uploader")
    (tmp_path / "report.bin").write_bytes(bytes(1_000_000))
    send = ["send", inbox["id"], "--to", inbox["email"], "--text", "x"]
    send += ["--attach", str(tmp_path / "report.bin")]
    _, told = shown(server, *send)
    assert b"sending" in told
    assert b"1.3/1.3 MB" in told
    for silent in (shown(server, "--quiet", *send), shown(server, *send, "--json")):
        assert silent[1] == b""
    assert "sending" not in run(server, *send).stderr


def test_long_lists_are_taken_whole(server: Server) -> None:
    for number in range(3):
        verb(server, "inboxes", "create", f"whole{number}")
    output, told = shown(server, "inboxes", "list", "-q", "whole", "--all")
    assert output.count("whole") == 3
    assert b"rows" in told
    assert b"3/?" in told
    assert shown(server, "inboxes", "list", "-q", "whole")[1] == b""
    assert len(verb(server, "inboxes", "list", "-q", "whole", "--all")) == 3


def test_mail_is_exported_and_fetched(server: Server, tmp_path: Path) -> None:
    inbox = verb(server, "inboxes", "create", "exporter")
    verb(server, "send", inbox["id"], "--to", inbox["email"], "--subject", "kept", "--text", "x")
    made = verb(server, "exports", "create", "--inbox", inbox["id"], "--folder", "INBOX")
    assert made["kind"] == "mbox"
    fetched = verb(server, "exports", "download", made["id"], "-o", str(tmp_path))
    (file,) = tmp_path.iterdir()
    assert fetched["file"] == str(file)
    octets = file.read_bytes()
    assert (octets.count(b"\nSubject: kept"), len(octets)) == (1, fetched["size"])
    told = shown(server, "exports", "download", made["id"], "-o", str(tmp_path / "again"))[1]
    assert file.name.encode()[:4] in told or b"again" in told
    assert (tmp_path / "again").read_bytes() == octets
    assert run(server, "exports", "get", made["id"]).stdout.count("http") == 0
    assert made["id"] in run(server, "exports", "list").stdout
    nowhere = ["exports", "download", made["id"], "-o", str(tmp_path / "no" / "where")]
    assert "cannot be written" in run(server, *nowhere, status=1).stderr
    missing = run(server, "exports", "download", "exp_" + "0" * 26, status=1).stderr
    assert "not_found" in missing


def test_a_window_is_replayed(server: Server) -> None:
    made = verb(server, "webhooks", "create", "https://hooks.example/r", "--client-id", "hook-r")
    window = ["--after", "2020-01-01", "--before", "2020-01-02T00:00:00Z"]
    begun = verb(server, "webhooks", "replay", made["id"], *window, "--wait")
    assert (begun["after"][:19], begun["before"][:19]) == (
        "2020-01-01T00:00:00",
        "2020-01-02T00:00:00",
    )
    assert run(server, "webhooks", "replay", made["id"], status=2).stderr.count("--after") >= 1
    run(server, "webhooks", "delete", made["id"], "--yes")


def test_a_server_that_is_not_there_is_told_with_its_address(server: Server) -> None:
    nowhere = run(server, "inboxes", "list", "--base-url", "http://127.0.0.1:9", status=1).stderr
    assert "http://127.0.0.1:9" in nowhere
    assert "AGENTPOST_BASE_URL" in nowhere
    wrong = run(server, "inboxes", "list", "--base-url", "ftp://x", status=1).stderr
    assert "http://" in wrong
