"""The door for SNS: who is believed, and what is done for nobody else (R05.01, R05.03, R05.04)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from agentpost import clock
from agentpost.errors import Forbidden, InvalidRequest, NotFound, Overloaded, Problem
from agentpost.limits import SnsLimits
from agentpost.mail.notifications import Fetcher, Notifications
from agentpost.model.notification import SesNotification
from tests import sns
from tests.receiving import Amazon, Post, received, receiving, recorded


@pytest.fixture
async def post(database_url: str, tmp_path: Path) -> AsyncIterator[Post]:
    async with receiving(database_url, tmp_path) as post:
        yield post


class Ear:
    """A listener that counts what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, SesNotification]] = []

    async def __call__(self, notification: str, said: SesNotification) -> str:
        self.heard.append((notification, said))
        return "heard"


def door(ear: Ear, amazon: Amazon | None = None, limits: SnsLimits | None = None) -> Notifications:
    listeners: Any = dict.fromkeys(("Received", "Bounce", "Send"), ear)
    return Notifications(frozenset({sns.TOPIC}), amazon or Amazon(), listeners, limits)


async def refused(notifications: Notifications, fields: dict[str, Any]) -> str:
    with pytest.raises(Forbidden) as caught:
        await notifications.receive(json.dumps(fields).encode())
    return caught.value.message


BOUNCE = {"notificationType": "Bounce", "mail": {"messageId": "x"}}


@pytest.mark.parametrize("version", ["1", "2"])
async def test_what_sns_says_is_heard(version: str) -> None:
    ear = Ear()
    await door(ear).receive(sns.posted(BOUNCE, SignatureVersion=version, MessageId="n-1"))
    assert [(name, said.kind) for name, said in ear.heard] == [("n-1", "Bounce")]


async def test_without_topics_there_is_no_such_path() -> None:
    with pytest.raises(NotFound):
        await Notifications(frozenset(), Amazon(), {}).receive(sns.posted(BOUNCE))


async def test_a_topic_that_is_not_configured_is_refused_before_anything_is_fetched() -> None:
    ear, amazon = Ear(), Amazon()
    other = sns.TOPIC + "-other"
    await refused(door(ear, amazon), sns.sign(sns.unsigned("{}", TopicArn=other)))
    assert (ear.heard, amazon.fetched) == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.s3.amazonaws.com/x.pem",
        "https://sns.us-east-1.amazonaws.com.evil.test/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com@evil.test/SimpleNotificationService-0.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        "https://sns.x.amazonaws.com:8443/SimpleNotificationService-0.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
    ],
)
async def test_a_certificate_from_elsewhere_is_refused_without_a_fetch(url: str) -> None:
    ear, amazon = Ear(), Amazon()
    signed = sns.sign(sns.unsigned("{}", SigningCertURL=url))
    assert "certificate" in await refused(door(ear, amazon), signed)
    assert (ear.heard, amazon.fetched) == ([], [])


async def test_old_and_future_notifications_are_refused_without_a_fetch() -> None:
    amazon = Amazon()
    notifications = door(Ear(), amazon)
    now = clock.now()
    for moment in (
        now - timedelta(hours=2),
        now - timedelta(seconds=3660),
        now + timedelta(days=1),
    ):
        await refused(notifications, sns.sign(sns.unsigned("{}", Timestamp=sns.stamp(moment))))
    assert amazon.fetched == []
    # SNS repeats for an hour, with the Timestamp of the first time.
    late = sns.stamp(now - timedelta(minutes=59))
    await notifications.receive(sns.posted(BOUNCE, Timestamp=late))


@given(
    st.sampled_from(["Type", "MessageId", "Message", "Timestamp", "Signature", "Token"]),
    st.one_of(st.text(max_size=20), st.none(), st.integers(), st.lists(st.text(max_size=3))),
)
def test_no_hostile_field_is_heard_or_a_fault(name: str, value: Any) -> None:
    signed = sns.sign(sns.unsigned(json.dumps(BOUNCE)))
    if name == "Token" or value == signed[name]:
        return
    ear = Ear()

    async def post() -> None:
        with pytest.raises(Problem):
            await door(ear).receive(json.dumps(signed | {name: value}).encode())

    trio.run(post)
    assert ear.heard == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"notificationType": "Bounce"}',
        b"[" * 100_000,
        json.dumps({"Records": [{"Sns": {}}]}).encode(),
    ],
)
async def test_what_is_no_message_of_sns_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        await door(Ear()).receive(body)


async def test_tampering_is_refused() -> None:
    ear = Ear()
    signed = sns.sign(sns.unsigned(json.dumps(BOUNCE)))
    altered = signed | {"Message": signed["Message"].replace("Bounce", "Received")}
    assert "Signature" in await refused(door(ear), altered)
    assert "Signature" in await refused(door(ear), sns.sign(signed, sns.rsa_key(number=1)))
    assert ear.heard == []


async def test_the_certificate_is_fetched_once() -> None:
    ear, amazon = Ear(), Amazon()
    notifications = door(ear, amazon)
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(notifications.receive, sns.posted(BOUNCE))
    assert (len(ear.heard), amazon.fetched) == (10, [sns.CERTIFICATE_URL])


async def test_a_certificate_that_cannot_be_had_now_is_asked_for_again() -> None:
    ear, amazon = Ear(), Amazon(down=True)
    notifications = door(ear, amazon)
    with pytest.raises(Overloaded):
        await notifications.receive(sns.posted(BOUNCE))
    amazon.down = False
    await notifications.receive(sns.posted(BOUNCE))
    assert len(ear.heard) == 1


async def test_strangers_cannot_make_us_fetch_without_end(autojump_clock: object) -> None:
    ear, amazon = Ear(), Amazon(certificate=b"none")
    notifications = door(ear, amazon, SnsLimits(fetches_per_minute=3))
    for number in range(10):
        url = sns.CERTIFICATE_URL.replace("0123", f"{number:04d}")
        with pytest.raises(Problem):
            await notifications.receive(sns.posted(BOUNCE, SigningCertURL=url))
    assert len(amazon.fetched) == 3
    await trio.sleep(61)
    amazon.certificate = sns.certificate()
    await notifications.receive(sns.posted(BOUNCE))
    assert len(ear.heard) == 1


async def test_a_subscription_is_confirmed_at_amazon() -> None:
    amazon = Amazon()
    asked = sns.sign(sns.confirmation())
    await door(Ear(), amazon).receive(json.dumps(asked).encode())
    assert amazon.fetched == [sns.CERTIFICATE_URL, asked["SubscribeURL"]]


async def test_a_subscription_is_never_confirmed_elsewhere() -> None:
    amazon = Amazon()
    asked = sns.confirmation()
    asked["SubscribeURL"] = "https://evil.test/?Action=ConfirmSubscription"
    assert "SubscribeURL" in await refused(door(Ear(), amazon), sns.sign(asked))
    assert amazon.fetched == [sns.CERTIFICATE_URL]


async def test_a_confirmation_that_fails_is_asked_for_again() -> None:
    amazon = Amazon()
    notifications = door(Ear(), amazon)
    await notifications.receive(sns.posted(BOUNCE))
    amazon.down = True
    with pytest.raises(Overloaded):
        await notifications.receive(json.dumps(sns.sign(sns.confirmation())).encode())


async def test_the_end_of_a_subscription_is_noted_and_nothing_is_fetched() -> None:
    amazon = Amazon()
    ended = sns.sign(sns.confirmation("UnsubscribeConfirmation"))
    await door(Ear(), amazon).receive(json.dumps(ended).encode())
    assert amazon.fetched == [sns.CERTIFICATE_URL]


@pytest.mark.parametrize(
    "message",
    [
        "Successfully validated SNS topic for Amazon SES event publishing.",
        "",
        "{}",
        '{"eventType": "Levitation", "mail": {"messageId": "x"}}',
        '{"eventType": 7}',
        '{"notificationType": "Bounce", "bounce": "?", "mail": {"messageId": "x"}}',
        '{"notificationType": "Received", "mail": []}',
        '{"notificationType": "\\ud800"}',
        "[" * 100_000,
        "x" * 256 * 1024,
    ],
)
async def test_what_cannot_be_used_is_not_asked_for_again(post: Post, message: str) -> None:
    await post.hear(message)
    assert await post.events() == []


async def test_recorded_notifications_are_no_fault(post: Post, corpus: Path) -> None:
    """Whatever SES or a tool like it has said: it has an effect, or none, and is never repeated."""
    elsewhere = 0
    for found in recorded(corpus):
        message = found.get("Message", found)
        if all(word in str(message) for word in ("notificationType", "bucketName", "source")):
            # A mail in a bucket that we do not have is not lost while somebody repeats it.
            with pytest.raises(Overloaded, match="bucket"):
                await post.hear(message)
            elsewhere += 1
        else:
            await post.hear(message, Subject=found.get("Subject"))
    assert elsewhere == 1
    assert await post.events() == []


async def test_ten_at_once_store_one_message(post: Post) -> None:
    content = b"From: a@b.example\r\n\r\nx\r\n"
    body = sns.posted(received(post.inbox.address, content=content))
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(post.receiving.notifications.receive, body)
    assert len(await post.mails()) == 1
    assert [kind for kind, _ in await post.events()] == ["message.received"]


def test_no_word_of_a_mail_is_logged(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with receiving(database_url, tmp_path) as post:
            content = b"From: a@b.example\r\nSubject: launch code\r\n\r\nattack at dawn\r\n"
            await post.hear(received(post.inbox.address, content=content))
            await post.hear(received(post.inbox.address, content=content) | {"mail": "at dawn"})
            with pytest.raises(Forbidden):
                await post.hear("attack at dawn", TopicArn=sns.TOPIC + "x")

    with caplog.at_level("DEBUG"):
        trio.run(run)
    assert caplog.records
    told = "".join(
        msgspec.json.encode(vars(each), enc_hook=str).decode() for each in caplog.records
    )
    assert "dawn" not in told
    assert "launch" not in told


async def _answering(octets: bytes, stream: trio.SocketStream) -> None:
    async with stream:
        await stream.receive_some(65536)
        await stream.send_all(octets)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", b"ab"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://evil.test/\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90_000, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", None),
        (b"", None),
    ],
)
async def test_fetching_follows_nothing_and_has_bounds(answer: bytes, found: bytes | None) -> None:
    async with trio.open_nursery() as nursery:
        serve = partial(_answering, answer)
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        fetch = Fetcher()
        if found is None:
            with pytest.raises(Overloaded) as caught:
                await fetch(f"http://127.0.0.1:{port}/?Token=secret")
            assert "secret" not in caught.value.message
        else:
            assert await fetch(f"http://127.0.0.1:{port}/") == found
        nursery.cancel_scope.cancel()


async def test_fetching_ends_in_time() -> None:
    async def silent(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, silent, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with trio.fail_after(5), pytest.raises(Overloaded):
            await Fetcher(SnsLimits(fetch_s=0.05))(f"http://127.0.0.1:{port}/")
        nursery.cancel_scope.cancel()
