"""Messages that wait, through kill -9: none is lost, none goes twice (real server, real disk)."""

from __future__ import annotations

import smtplib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server

pytestmark = pytest.mark.slow

_MESSAGES = 24
_ROUNDS = 3


def test_what_waits_is_sent_once_through_kills(tmp_path: Path) -> None:
    """A receiver on the same server counts: the release is where a second copy would be made."""
    server = Server(tmp_path)
    server.start()
    try:
        sender, receiver = server.make_inbox("sender"), server.make_inbox("receiver")
        approver = _key(server, "approvals:decide", "approvals:read")
        subjects = _submit(server, sender, receiver["email"])
        _approve_some(server, approver)
        for _ in range(_ROUNDS):
            time.sleep(0.7)
            server.kill()
            server.start()
            _approve_some(server, approver)
        arrived = _arrived(server, receiver["id"], len(subjects))
        assert sorted(arrived) == sorted(subjects)
        sent = _listed(server, f"/api/v1/inboxes/{sender['id']}/messages?folder=Sent&limit=100")
        assert sorted(one["subject"] for one in sent) == sorted(subjects)
        assert {one["status"] for one in sent} == {"delivered"}
    finally:
        server.stop()


def _key(server: Server, *scopes: str) -> str:
    body = {"name": "approver", "scopes": list(scopes)}
    answer = server.call("POST", "/api/v1/api-keys", body)
    return str(answer.json["key"])


def _submit(server: Server, sender: dict[str, Any], to: str) -> list[str]:
    """Half of the messages over REST, to be approved; half over SMTP, held for two seconds."""
    subjects = [f"number {number}" for number in range(_MESSAGES)]
    path = f"/api/v1/inboxes/{sender['id']}/messages"
    for subject in subjects[::2]:
        at = datetime.now(UTC) + timedelta(seconds=2)
        body = {"to": to, "subject": subject, "text_body": "x", "hold_for_approval": True}
        if subject.endswith(("0", "4")):
            body["send_at"] = at.isoformat()
        assert server.call("POST", path, body).json["status"] == "held"
    address, password = sender["email"], sender["credential"]["password"]
    with smtplib.SMTP_SSL("127.0.0.1", server.port("smtps"), context=server.tls) as client:
        client.login(address, password)
        for subject in subjects[1::2]:
            client.ehlo()
            client.mail(address, ["HOLDFOR=2"])
            client.rcpt(to)
            text = f"From: {address}\r\nSubject: {subject}\r\n\r\nx\r\n"
            assert client.data(text)[0] == 250
    return subjects


def _approve_some(server: Server, key: str) -> None:
    for one in _listed(server, "/api/v1/approvals?status=pending&limit=100"):
        answer = server.call("POST", f"/api/v1/approvals/{one['id']}/approve", {}, key=key)
        assert answer.status == 200, answer.octets


def _listed(server: Server, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.call("GET", path).json["data"]
    return found


def _arrived(server: Server, inbox: str, wanted: int) -> list[str]:
    """Subjects in INBOX, once as many have come as are expected and a while has passed."""
    until = time.monotonic() + 60
    path = f"/api/v1/inboxes/{inbox}/messages?direction=inbound&limit=100"
    while len(_listed(server, path)) < wanted and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1.5)
    return [one["subject"] for one in _listed(server, path)]
