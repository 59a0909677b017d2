"""Mail that Amazon SES took while the server was away is there soon after it starts, once (R5)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from moto.server import ThreadedMotoServer

from agentpost.mail.aws import Access, open_client
from tests.receiving import letter
from tests.server import Server

_SOON_S = 60.0


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


async def _put(endpoint: str, objects: dict[str, bytes]) -> None:
    async with open_client("s3", Access("us-east-1", endpoint)) as client:
        await client.ask("create_bucket", Bucket="inbound-mail")
        for key, octets in objects.items():
            await client.ask("put_object", Bucket="inbound-mail", Key=key, Body=octets)


def _arrived(server: Server, inbox: str) -> list[str]:
    path = f"/api/v1/inboxes/{inbox}/messages?limit=100"
    found: list[dict[str, Any]] = server.call("GET", path).json["data"]
    return sorted(each["rfc_message_id"] for each in found)


@pytest.mark.slow
def test_mail_of_the_time_away_is_there_once(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    before = Server(tmp_path)
    before.start()
    inbox = before.make_inbox("support")
    assert before.stop() == 0
    mails = {f"in/m{n}": letter(inbox["email"], f"m{n}") for n in range(30)}
    trio.run(_put, endpoint, mails)

    server = Server(
        tmp_path,
        AGENTPOST_INBOUND_S3="s3://inbound-mail/in/",
        AGENTPOST_AWS_ENDPOINT_URL=endpoint,
        AGENTPOST_AWS_REGION="us-east-1",
    )
    server.key = before.key
    server.start()
    try:
        until = time.monotonic() + _SOON_S
        while len(_arrived(server, inbox["id"])) < len(mails):
            assert time.monotonic() < until
            time.sleep(0.1)
        arrived = _arrived(server, inbox["id"])
        assert len(set(arrived)) == len(arrived) == len(mails)
    finally:
        server.kill()
