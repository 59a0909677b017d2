"""The harbour towards Amazon: what may have come of a request that failed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import trio

from agentpost.limits import AwsLimits
from agentpost.mail.aws import Access, Client, Doubt, Refused, Unreached, open_client
from tests.mail.fakeses import (
    ACCEPT_AND_DROP,
    ACCEPT_AND_HANG,
    AWS_VARIABLES,
    DROP,
    Answer,
    FakeSes,
    fake_ses,
    refuse,
)


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSes]:
    for name, value in AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    with fake_ses() as fake:
        yield fake


def access(fake: FakeSes) -> Access:
    return Access("eu-west-1", fake.url)


async def send(client: Client, deadline_s: float | None = None) -> str:
    answer = await client.ask(
        "send_email", deadline_s, Content={"Raw": {"Data": b"x: y\r\n\r\nz\r\n"}}
    )
    return str(answer["MessageId"])


async def test_a_call_is_answered_over_one_connection(ses: FakeSes) -> None:
    async with open_client("sesv2", access(ses)) as client:
        assert client.region == "eu-west-1"
        first, second = await send(client), await send(client)
    assert first != second
    assert [one.name for one in ses.accepted] == [first, second]
    assert ses.calls[0].octets == b"x: y\r\n\r\nz\r\n"
    assert ses.connections == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refuse("MessageRejected"), Refused),
        (refuse("TooManyRequestsException", status=429), Refused),
        (refuse("ServiceUnavailable", status=503), Refused),
        (refuse("InternalFailure", status=500), Doubt),
        (refuse("", status=502), Doubt),
        (refuse("", status=504), Doubt),
        (DROP, Doubt),
        (ACCEPT_AND_DROP, Doubt),
        (Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"), Doubt),
        (Answer(raw=b"no HTTP at all\r\n\r\n"), Doubt),
    ],
)
async def test_a_failure_says_what_may_have_come_of_it(
    ses: FakeSes, answer: Answer, kind: type[Exception]
) -> None:
    ses.decide = lambda _: answer
    async with open_client("sesv2", access(ses)) as client:
        with pytest.raises(kind):
            await send(client)
    # Never repeated by the library.
    assert len(ses.calls) == 1


async def test_an_answer_that_does_not_come_leaves_a_doubt(ses: FakeSes) -> None:
    ses.decide = lambda _: ACCEPT_AND_HANG
    async with open_client("sesv2", access(ses)) as client:
        with pytest.raises(Doubt):
            await send(client, deadline_s=0.2)
    assert len(ses.accepted) == 1


async def test_what_was_not_handed_over_whole_was_not_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that accepts connections and never reads: the end of a request stays here."""
    for name, value in AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with open_client("sesv2", Access("eu-west-1", url)) as client:
            with pytest.raises(Unreached):
                await client.ask("send_email", 0.5, Content={"Raw": {"Data": b"x" * 30_000_000}})


async def test_nobody_there_and_nobody_we_are(
    ses: FakeSes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with open_client("sesv2", Access("eu-west-1", f"http://127.0.0.1:{port}")) as client:
        with pytest.raises(Unreached, match="EndpointConnectionError"):
            await send(client)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    async with open_client("sesv2", access(ses)) as client:
        with pytest.raises(Unreached, match="NoCredentials"):
            await send(client)
    assert ses.calls == []


async def test_an_answer_is_not_awaited_for_ever(ses: FakeSes) -> None:
    ses.decide = lambda _: ACCEPT_AND_HANG
    async with open_client("sesv2", access(ses), AwsLimits(read_s=0.2)) as client:
        with trio.fail_after(10), pytest.raises(Doubt):
            await send(client)


async def test_without_a_region_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in AWS_VARIABLES:
        monkeypatch.setenv(name, "/dev/null")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="NoRegion"):
        async with open_client("sesv2", Access()):
            pass


async def test_nothing_secret_is_logged(ses: FakeSes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with open_client("sesv2", access(ses)) as client:
        await client.ask("send_email", Content={"Raw": {"Data": b"a private word"}})
    written = caplog.text
    assert "private" not in written
    assert "YSBwcml2YXRl" not in written
    assert AWS_VARIABLES["AWS_SECRET_ACCESS_KEY"] not in written
    assert "Signature=" not in written
