"""Mail that leaves by Amazon SES: what is called, and what each answer means."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import trio

from agentpost.ids import EnvironmentId, InboxId, MessageId, OrganizationId
from agentpost.limits import SesLimits
from agentpost.mail.aws import Access
from agentpost.mail.transports.ses import Ses
from agentpost.model.relay import Outgoing, RecipientOutcome, RelayRecipient
from tests.mail.fakeses import (
    ACCEPT,
    ACCEPT_AND_DROP,
    ACCEPT_AND_HANG,
    AWS_VARIABLES,
    DROP,
    Answer,
    Call,
    FakeSes,
    fake_ses,
    refuse,
)

OCTETS = b"From: agent@own.example\r\nTo: a@example.com\r\nSubject: hello\r\n\r\nhi \x80\r\n"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSes]:
    for name, value in AWS_VARIABLES.items():
        monkeypatch.setenv(name, value)
    with fake_ses() as fake:
        fake.account["SendQuota"]["MaxSendRate"] = 1000.0
        yield fake


@asynccontextmanager
async def transport(
    fake: FakeSes, configuration_set: str | None = "events", doubt_s: float = 600, **limits: float
) -> AsyncIterator[Ses]:
    ses = Ses(
        Access("eu-west-1", fake.url),
        configuration_set,
        doubt_s,
        SesLimits(**limits),  # type: ignore[arg-type]
    )
    async with trio.open_nursery() as nursery:
        for task in ses.beside():
            nursery.start_soon(task)
        with trio.fail_after(10):
            await ses._opened.wait()
        yield ses
        nursery.cancel_scope.cancel()


def mail(*recipients: str, octets: bytes = OCTETS, attempt: int = 1) -> Outgoing:
    return Outgoing(
        message=MessageId("msg_01JQ8X5K2M3N4P5R6S7T8V9W00"),
        organization=OrganizationId("org_01JQ8X5K2M3N4P5R6S7T8V9W00"),
        environment=EnvironmentId("env_01JQ8X5K2M3N4P5R6S7T8V9W00"),
        inbox=InboxId("inb_01JQ8X5K2M3N4P5R6S7T8V9W00"),
        thread=None,
        simulated=False,
        reverse_path="agent@own.example",
        recipients=tuple(RelayRecipient(one, attempt) for one in recipients or ["a@example.com"]),
        octets=octets,
        accepted_at=datetime(2026, 3, 8, tzinfo=UTC),
        relay="ses",
        attempt=attempt,
    )


def states(outcomes: tuple[RecipientOutcome, ...]) -> dict[str, str]:
    assert len({one.recipient for one in outcomes}) == len(outcomes)
    return {one.recipient: one.state for one in outcomes}


@pytest.mark.proves("R46")
async def test_the_call_carries_envelope_octets_and_tags(fake: FakeSes) -> None:
    async with transport(fake) as ses:
        outcomes = await ses.send(mail("a@example.com", "hidden@b\u00fccher.example", attempt=3))
    (call,) = fake.calls
    assert call.sender == "agent@own.example"
    assert call.recipients == ("a@example.com", "hidden@xn--bcher-kva.example")
    assert call.octets == OCTETS
    assert call.configuration_set == "events"
    assert call.tags == {
        "agentpost_message": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
        "agentpost_attempt": "3",
    }
    assert [(one.recipient, one.state, one.provider_id) for one in outcomes] == [
        ("a@example.com", "sent", fake.accepted[0].name),
        ("hidden@b\u00fccher.example", "sent", fake.accepted[0].name),
    ]


async def test_a_null_reverse_path_and_no_configuration_set_are_left_out(fake: FakeSes) -> None:
    async with transport(fake, None) as ses:
        await ses.send(replace(mail(), reverse_path=""))
    assert (fake.calls[0].sender, fake.calls[0].configuration_set) == (None, None)


async def test_fifty_recipients_are_one_call_and_more_are_split(fake: FakeSes) -> None:
    everybody = [f"r{n}@example.com" for n in range(120)]
    fake.decide = lambda call: refuse("MessageRejected") if len(call.recipients) == 20 else ACCEPT
    async with transport(fake) as ses:
        outcomes = await ses.send(mail(*everybody))
    assert [len(call.recipients) for call in fake.calls] == [50, 50, 20]
    assert sum((call.recipients for call in fake.calls), ()) == tuple(everybody)
    found = states(outcomes)
    assert {found[one] for one in everybody[:100]} == {"sent"}
    assert {found[one] for one in everybody[100:]} == {"rejected"}


@pytest.mark.parametrize(
    ("answer", "state", "status"),
    [
        (refuse("MessageRejected", "Email address is not verified."), "rejected", "5.7.1"),
        (refuse("BadRequestException"), "rejected", "5.6.0"),
        (refuse("MailFromDomainNotVerifiedException"), "rejected", "5.7.1"),
        (refuse("AccountSuspendedException"), "rejected", "5.7.1"),
        (refuse("SendingPausedException"), "deferred", "4.3.2"),
        (refuse("NotFoundException", status=404), "deferred", "4.3.5"),
        (refuse("AccessDeniedException", status=403), "deferred", "4.3.5"),
        (refuse("ExpiredTokenException", status=403), "deferred", "4.3.5"),
        (refuse("ServiceUnavailable", status=503), "deferred", "4.3.2"),
        (refuse("SomethingNewException"), "deferred", "4.3.5"),
        (refuse("LimitExceededException", "Daily message quota exceeded."), "deferred", "4.7.0"),
        (refuse("InternalFailure", status=500), "sending", "4.4.2"),
        (DROP, "sending", "4.4.2"),
        (ACCEPT_AND_DROP, "sending", "4.4.2"),
    ],
)
async def test_each_answer_is_an_outcome(
    fake: FakeSes, answer: Answer, state: str, status: str
) -> None:
    fake.decide = lambda _: answer
    async with transport(fake) as ses:
        (outcome,) = await ses.send(mail())
    assert (outcome.state, outcome.status) == (state, status)
    assert len(fake.calls) == 1
    if answer.code and answer.accepts is False and state != "sending":
        assert answer.code in (outcome.diagnostic or "")


async def test_an_answer_that_does_not_come_is_a_doubt_before_another_attempt(
    fake: FakeSes,
) -> None:
    """The call ends at half the time after which the attempt may be followed by another."""
    fake.decide = lambda _: ACCEPT_AND_HANG
    async with transport(fake, doubt_s=1.0) as ses:
        began = trio.current_time()
        (outcome,) = await ses.send(mail())
        assert trio.current_time() - began < 1.0
    assert outcome.state == "sending"


async def test_nobody_there_is_no_doubt(fake: FakeSes) -> None:
    unreachable = FakeSes(port=1)
    async with transport(unreachable) as ses:
        (outcome,) = await ses.send(mail())
    assert (outcome.state, outcome.status) == ("deferred", "4.4.1")


async def test_without_a_client_the_message_waits(fake: FakeSes) -> None:
    ses = Ses(Access("eu-west-1", fake.url), None, 600, SesLimits(open_s=0.05))
    (outcome,) = await ses.send(mail())
    assert (outcome.state, fake.calls) == ("deferred", [])


@pytest.mark.parametrize(
    ("code", "status"), [("TooManyRequestsException", 429), ("LimitExceededException", 400)]
)
async def test_a_throttled_call_is_made_again_more_slowly(
    fake: FakeSes, code: str, status: int
) -> None:
    refusals = iter([refuse(code, "Maximum sending rate exceeded.", status), ACCEPT])
    fake.decide = lambda _: next(refusals)
    fake.account["SendQuota"]["MaxSendRate"] = 20.0
    async with transport(fake) as ses:
        with trio.fail_after(5):
            while ses._pace is None:
                await trio.sleep(0.01)
        (outcome,) = await ses.send(mail())
        assert ses._paced().rate == pytest.approx(10, abs=0.1)
    assert outcome.state == "sent"
    assert [call.attempt for call in fake.calls] == [1, 1]
    assert len(fake.accepted) == 1


async def test_a_call_that_is_throttled_again_and_again_waits_its_turn(fake: FakeSes) -> None:
    fake.decide = lambda _: refuse("TooManyRequestsException", "rate", 429)
    async with transport(fake, turn_s=2.0, min_rate=100.0) as ses:
        (outcome,) = await ses.send(mail())
    assert (outcome.state, outcome.retry_after_s) == ("deferred", 30.0)
    assert len(fake.calls) == 4


async def test_no_call_begins_when_the_attempt_is_old(fake: FakeSes) -> None:
    """A second call may come so late that the next attempt has begun."""

    answers = iter([ACCEPT_AND_HANG, ACCEPT])
    fake.decide = lambda _: next(answers)
    async with transport(fake, doubt_s=2.0, max_recipients=1) as ses:
        outcomes = await ses.send(mail("a@example.com", "b@example.com"))
    assert states(outcomes) == {"a@example.com": "sending", "b@example.com": "deferred"}
    assert len(fake.calls) == 1


async def test_one_unreadable_address_does_not_keep_the_others(fake: FakeSes) -> None:
    def decide(call: Call) -> Answer:
        return refuse("BadRequestException") if "r7@example.com" in call.recipients else ACCEPT

    fake.decide = decide
    everybody = [f"r{n}@example.com" for n in range(20)]
    async with transport(fake) as ses:
        found = states(await ses.send(mail(*everybody)))
    assert found.pop("r7@example.com") == "rejected"
    assert set(found.values()) == {"sent"}
    served = [one for accepted in fake.accepted for one in accepted.call.recipients]
    assert sorted(served) == sorted(found)


async def test_what_ses_cannot_take_is_not_offered(fake: FakeSes) -> None:
    async with transport(fake, max_octets=100) as ses:
        (large,) = await ses.send(mail(octets=b"x" * 101))
        local = await ses.send(mail("b\u00fccher@example.com", "a@example.com"))
        (sender,) = await ses.send(replace(mail(), reverse_path="b\u00fccher@own.example"))
    assert (large.state, large.status) == ("rejected", "5.3.4")
    assert "100" in (large.diagnostic or "")
    assert states(local) == {"b\u00fccher@example.com": "rejected", "a@example.com": "sent"}
    assert (sender.state, sender.status) == ("rejected", "5.1.7")


async def test_the_quota_of_the_account_is_kept(fake: FakeSes) -> None:
    fake.account["SendQuota"]["MaxSendRate"] = 14.0
    async with transport(fake) as ses:
        await ses.send(mail())
        with trio.fail_after(5):
            while ses._paced().rate != 14.0:
                await trio.sleep(0.01)


async def test_logs_hold_no_address_and_no_word_of_the_mail(
    fake: FakeSes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answers = iter(
        [refuse("AccessDeniedException", "not for agent@own.example", 403), DROP, ACCEPT]
    )
    fake.decide = lambda _: next(answers)
    async with transport(fake) as ses:
        for _ in range(3):
            await ses.send(mail())
    for secret in ("@example.com", "@own.example", "hello", AWS_VARIABLES["AWS_SECRET_ACCESS_KEY"]):
        assert secret not in caplog.text
