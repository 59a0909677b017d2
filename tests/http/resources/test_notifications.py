"""POST /internal/ses/sns over HTTP, as SNS posts: what is answered, and that it is written first."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import sns
from tests.http.resources.conftest import Answer, Api, Caller, Tenant, running
from tests.receiving import letter, received


async def post(caller: Caller, body: bytes, media: str = "text/plain; charset=UTF-8") -> Answer:
    return await caller("POST", "/internal/ses/sns", body, content_type=media)


@pytest.fixture
async def hearing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Api]:
    """The API with a topic, which fetches certificates from the signer's hands."""

    async def fetch(self: object, url: str) -> bytes:
        return sns.certificate()

    monkeypatch.setattr("agentpost.mail.notifications.Fetcher.__call__", fetch)
    async with running(database_url, tmp_path, sns_topic_arns=(sns.TOPIC,)) as api:
        yield api


async def test_a_mail_is_stored_before_sns_is_answered(hearing: Api) -> None:
    acme = await hearing.tenant("acme")
    inbox = await acme.inbox()
    said = received(inbox.address, content=letter(inbox.address))
    answer = await post(hearing.stranger(), sns.posted(said))
    assert (answer.status, answer.octets) == (204, b"")
    listed = await acme.call("GET", f"/inboxes/{inbox.id}/messages")
    (message,) = listed.json["data"]
    assert message["subject"] == "hello"
    shown = await acme.call("GET", f"/messages/{message['id']}")
    assert shown.json["authentication"]["provider"]["name"] == "ses"
    raw = await acme.call("GET", f"/messages/{message['id']}/raw")
    assert raw.octets == letter(inbox.address)


async def test_without_topics_there_is_no_such_path(api: Api) -> None:
    answer = await post(api.stranger(), sns.posted("{}"))
    assert (answer.status, answer.code) == (404, "not_found")


async def test_who_is_not_sns_is_refused_with_a_reason(hearing: Api) -> None:
    caller = hearing.stranger()
    signed = sns.sign(sns.unsigned("{}"))
    cases: list[tuple[bytes, int, str]] = [
        (json.dumps(signed | {"Message": "[]"}).encode(), 403, "forbidden"),
        (sns.posted("{}", TopicArn=sns.TOPIC + "x"), 403, "forbidden"),
        (b'{"notificationType": "Received"}', 400, "invalid_request"),
        (b"no JSON", 400, "invalid_request"),
    ]
    for body, status, code in cases:
        answer = await post(caller, body)
        assert (answer.status, answer.code) == (status, code)
        assert answer.json["fix"]


async def test_a_key_is_no_reason_to_believe(hearing: Api) -> None:
    acme: Tenant = await hearing.tenant("acme")
    signed = sns.sign(sns.unsigned("{}")) | {"Message": "[]"}
    answer = await post(acme.call, json.dumps(signed).encode(), "application/json")
    assert answer.status == 403


async def test_what_fails_for_the_moment_is_asked_for_again(hearing: Api) -> None:
    said = received("x@shared.test", action={"type": "S3", "bucketName": "b", "objectKey": "k"})
    answer = await post(hearing.stranger(), sns.posted(said))
    assert (answer.status, answer.code) == (503, "unavailable")
    assert int(answer.fields["retry-after"]) > 0
