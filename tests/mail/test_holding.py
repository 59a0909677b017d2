"""Whether a message waits, and for what: properties of the pure decisions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.errors import UnknownField
from agentpost.ids import EnvironmentId, InboxId, OrganizationId
from agentpost.limits import HoldLimits
from agentpost.mail import holding
from agentpost.mail.holding import Waiting
from agentpost.model.envelope import FutureRelease
from agentpost.model.inbox import ApprovalRule, LocalAddress

NOW = datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
LIMITS = HoldLimits()
MOMENTS = st.datetimes(
    NOW.replace(tzinfo=None) - timedelta(days=200),
    NOW.replace(tzinfo=None) + timedelta(days=200),
    timezones=st.just(UTC),
)


def sender(approval: ApprovalRule = "never", expires: int | None = None) -> LocalAddress:
    return LocalAddress(
        InboxId("inb_1"),
        OrganizationId("org_1"),
        EnvironmentId("env_1"),
        "agent@shared.test",
        None,
        deleted=False,
        send_paused=False,
        approval=approval,
        approval_expires_s=expires,
    )


def octets(*fields: str) -> bytes:
    return "\r\n".join((*fields, "", "X-AgentPost-Send-At: 2026-03-09T00:00:00Z", "")).encode()


@given(MOMENTS)
def test_a_message_is_scheduled_only_within_the_bounds(moment: datetime) -> None:
    fits = NOW < moment <= NOW + timedelta(seconds=LIMITS.max_ahead_s)
    named = octets(f"x-agentpost-send-at: {moment.isoformat()}")
    ways: list[tuple[datetime | None, FutureRelease | None, bytes]] = [
        (moment, None, b""),
        (None, FutureRelease("until", moment=moment), b""),
        (None, None, named),
    ]
    for asked, release, octets_ in ways:
        if fits:
            assert holding.when(asked, release, octets_, NOW, LIMITS) == moment
        else:
            with pytest.raises(UnknownField):
                holding.when(asked, release, octets_, NOW, LIMITS)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "tomorrow",
        "2026-03-09",
        "2026-03-09T10:00:00",
        "2026-03-09 10:00:00Z",
        "20260309T100000Z",
        "2026-02-30T10:00:00Z",
        "1772980200",
        "2026-03-09T10:00:00Z\r\nX-AgentPost-Send-At: 2026-03-09T11:00:00Z",
        "\u0662\u0660\u0662\u0666-03-09T10:00:00Z",
    ],
)
def test_a_field_that_is_not_one_moment_is_refused(value: str) -> None:
    with pytest.raises(UnknownField):
        holding.sent_at(octets(f"X-AgentPost-Send-At: {value}"))


def test_only_the_header_is_asked() -> None:
    assert holding.sent_at(octets("Subject: x")) is None
    folded = octets("X-AgentPost-Send-At:\r\n 2026-03-09T10:00:00+01:00")
    assert holding.sent_at(folded) == datetime(2026, 3, 9, 9, tzinfo=UTC)


def test_what_rest_or_smtp_asks_counts_more_than_the_header() -> None:
    named = octets("X-AgentPost-Send-At: 2026-03-10T00:00:00Z")
    asked = NOW + timedelta(hours=1)
    assert holding.when(asked, None, named, NOW, LIMITS) == asked
    release = FutureRelease("for;60", seconds=60)
    assert holding.when(None, release, named, NOW, LIMITS) == NOW + timedelta(seconds=60)


@given(
    st.sampled_from(["never", "new_recipients", "always"]),
    st.booleans(),
    st.lists(st.just("new@x.example"), max_size=1),
)
def test_an_approval_is_needed_exactly_when_somebody_wants_it(
    rule: ApprovalRule, asked: bool, new: list[str]
) -> None:
    found = holding.rule_of(sender(rule), asked=asked, new=new)
    wanted = asked or rule == "always" or (rule == "new_recipients" and bool(new))
    assert (found is not None) == wanted


@given(st.booleans(), st.none() | MOMENTS, st.none() | st.integers(60, 100_000))
def test_a_hold_ends_at_its_time_or_when_nobody_approves(
    approval: bool, send_at: datetime | None, expires: int | None
) -> None:
    waiting = Waiting("rule" if approval else None, send_at)
    if waiting.state is None:
        return
    hold = holding.hold_of(
        waiting, sender(expires=expires), "key_1", "a@b", {}, NOW, LIMITS, approval_s=600
    )
    assert hold.send_at == send_at
    if approval:
        assert hold.kind == "approval"
        assert hold.due_at == NOW + timedelta(seconds=expires or 600)
    else:
        assert (hold.kind, hold.due_at) == ("schedule", send_at)


@given(st.lists(st.sampled_from("abcd")), st.lists(st.sampled_from("abcdABCD")))
def test_the_blind_are_those_whom_the_header_does_not_name(
    named: list[str], recipients: list[str]
) -> None:
    found = holding.blind(named, recipients)
    assert list(found) == [one for one in recipients if one.lower() not in named]
