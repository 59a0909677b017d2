"""A message of an agent's leaves the running server by Amazon SES."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.mail.fakeses import AWS_VARIABLES, fake_ses
from tests.server import Server, serving

pytestmark = pytest.mark.slow


def deliveries(server: Server, message: str) -> list[dict[str, Any]]:
    answer = server.call("GET", f"/api/v1/messages/{message}/delivery")
    assert answer.status == 200, answer.octets
    found: list[dict[str, Any]] = answer.json["recipients"]
    return found


@pytest.mark.proves("R46")
def test_a_message_leaves_by_ses_with_its_envelope_and_tags(tmp_path: Path) -> None:
    with (
        fake_ses() as fake,
        serving(
            tmp_path,
            AGENTPOST_RELAY="ses",
            AGENTPOST_AWS_ENDPOINT_URL=fake.url,
            AGENTPOST_SES_CONFIGURATION_SET="events",
            **AWS_VARIABLES,
        ) as server,
    ):
        inbox = server.make_inbox("agent")
        letter = {
            "to": ["Ada <ada@example.com>"],
            "bcc": ["hidden@example.net"],
            "subject": "hello",
            "text_body": "A word.",
        }
        made = server.call("POST", f"/api/v1/inboxes/{inbox['id']}/messages", letter)
        assert made.status == 202, made.octets
        until = time.monotonic() + 30
        while any(one["state"] != "sent" for one in deliveries(server, made.json["id"])):
            assert time.monotonic() < until, deliveries(server, made.json["id"])
            time.sleep(0.05)
        log = (tmp_path / "serve.log").read_text()
    (accepted,) = fake.accepted
    assert accepted.call.recipients == ("ada@example.com", "hidden@example.net")
    assert accepted.call.sender == inbox["email"]
    assert accepted.call.configuration_set == "events"
    assert accepted.call.message == made.json["id"]
    assert b"hidden" not in accepted.call.octets
    assert b"Subject: hello\r\n" in accepted.call.octets
    assert AWS_VARIABLES["AWS_SECRET_ACCESS_KEY"] not in log
    assert "ada@example.com" not in log
