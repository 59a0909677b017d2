"""Sending by SESv2 as moto understands it: a reading of Amazon's interface that is not ours."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from agentpost.mail.aws import Access, open_client
from agentpost.mail.transports.ses import Ses
from tests.mail.fakeses import AWS_VARIABLES
from tests.mail.test_relay_ses import mail, states

# Moto reads a message as UTF-8.
PLAIN = b"From: agent@own.example\r\nTo: a@example.com\r\nSubject: hello\r\n\r\nhi\r\n"

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    for name, value in AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    # What moto knows is the process's, other tests' buckets too.
    reset = urllib.request.Request(f"{url}/moto-api/reset", method="POST")
    with urllib.request.urlopen(reset, timeout=10):
        pass
    yield url
    server.stop()


def sent(url: str) -> list[dict[str, Any]]:
    """What moto would have delivered."""
    with urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["ses"]["RawMessage"]
        return found


async def test_a_message_is_taken_and_an_unverified_sender_is_not(moto: str) -> None:
    access = Access("eu-west-1", moto)
    ses = Ses(access, None, 600)
    async with trio.open_nursery() as nursery:
        for task in ses.beside():
            nursery.start_soon(task)
        refused = await ses.send(mail("a@example.com", octets=PLAIN))
        async with open_client("sesv2", access) as client:
            await client.ask("create_email_identity", EmailIdentity="own.example")
        taken = await ses.send(mail("a@example.com", "hidden@example.net", octets=PLAIN))
        nursery.cancel_scope.cancel()
    assert states(refused) == {"a@example.com": "rejected"}
    assert states(taken) == {"a@example.com": "sent", "hidden@example.net": "sent"}
    (stored,) = sent(moto)
    assert stored["id"] == taken[0].provider_id
    assert stored["source"] == "agent@own.example"
    assert set(stored["destinations"]) == {"a@example.com", "hidden@example.net"}
    assert stored["raw_data"].encode() == PLAIN
