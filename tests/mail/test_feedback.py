"""What SES says of mail that left: deliveries, message, events; in any order, once (R74, R75)."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentpost.ids import ulid
from tests import sns
from tests.receiving import Post, receiving

ADA = "Ada@elsewhere.example"
BOB = "bob@elsewhere.example"
AT = "2026-03-08T14:30:00.500Z"


@pytest.fixture
async def post(database_url: str, tmp_path: Path) -> AsyncIterator[Post]:
    async with receiving(database_url, tmp_path) as post:
        yield post


def said(
    kind: str,
    *recipients: str,
    message: str | None = None,
    attempt: str = "1",
    provider_id: str = "ses-1",
    shape: str = "eventType",
    **part: Any,
) -> dict[str, Any]:
    """A notification of this kind about these recipients, in either of SES's shapes."""
    people = [{"emailAddress": one} for one in recipients]
    parts: dict[str, tuple[str, dict[str, Any]]] = {
        "Send": ("send", {}),
        "Delivery": ("delivery", {"recipients": list(recipients), "smtpResponse": "250 ok"}),
        "Bounce": (
            "bounce",
            {
                "bounceType": "Permanent",
                "bounceSubType": "NoEmail",
                "bouncedRecipients": [
                    one | {"status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 unknown"}
                    for one in people
                ],
            },
        ),
        "Complaint": (
            "complaint",
            {"complainedRecipients": people, "userAgent": "ISP", "complaintFeedbackType": "abuse"},
        ),
        "DeliveryDelay": (
            "deliveryDelay",
            {
                "delayType": "MailboxFull",
                "delayedRecipients": [
                    one | {"status": "4.2.2", "diagnosticCode": "smtp; 452 full"} for one in people
                ],
            },
        ),
        "Reject": ("reject", {"reason": "Bad content"}),
        "Rendering Failure": ("failure", {"errorMessage": "no name", "templateName": "t"}),
    }
    name, body = parts[kind]
    if kind in ("Delivery", "Bounce", "Complaint", "DeliveryDelay"):
        body = body | {"timestamp": AT}
    mail: dict[str, Any] = {"messageId": provider_id, "destination": list(recipients)}
    if message is not None:
        tags = {"agentpost_message": [message], "agentpost_attempt": [attempt]}
        mail["tags"] = {**tags, "ses:configuration-set": ["main"]}
    return {shape: kind, "mail": mail, name: body | part}


@pytest.mark.parametrize("shape", ["eventType", "notificationType"])
@pytest.mark.parametrize("tagged", [True, False])
async def test_a_delivery(post: Post, shape: str, tagged: bool) -> None:
    message = await post.send(ADA, BOB)
    named = message if tagged else None
    await post.hear(said("Delivery", ADA.lower(), message=named, shape=shape))
    assert await post.states(message) == {ADA: "delivered", BOB: "sent"}
    assert await post.state(message) == "sent"
    ((kind, data),) = await post.events()
    assert kind == "message.delivered"
    assert data.pop("thread_id") == "thr_" + message[4:]
    assert data == {
        "message_id": message,
        "recipients": [ADA.lower()],
        "smtp_response": "250 ok",
        "delivered_at": "2026-03-08T14:30:00.500Z",
    }
    assert post.woken[-1] == post.inbox.id
    await post.hear(said("Delivery", BOB, message=named, shape=shape))
    assert await post.state(message) == "delivered"


async def test_a_bounce(post: Post) -> None:
    message = await post.send(ADA)
    await post.hear(said("Bounce", ADA, message=message))
    assert await post.states(message) == {ADA: "bounced"}
    assert await post.state(message) == "bounced"
    (row,) = await post.rows("SELECT * FROM deliveries")
    assert (row["status"], row["diagnostic"]) == ("5.1.1", "smtp; 550 5.1.1 unknown")
    assert msgspec.json.decode(row["history"])[-1]["state"] == "bounced"
    ((kind, data),) = await post.events()
    assert kind == "message.bounced"
    assert data["bounce_type"] == "permanent"
    assert data["bounce_sub_type"] == "no_email"
    assert data["bounced_recipients"] == [
        {
            "email_address": ADA,
            "status": "5.1.1",
            "diagnostic_code": "smtp; 550 5.1.1 unknown",
            "action": "failed",
        }
    ]


@pytest.mark.parametrize(
    ("ses", "ours", "state"),
    [("Transient", "transient", "failed"), ("Undetermined", "undetermined", "bounced")],
)
async def test_other_bounces(post: Post, ses: str, ours: str, state: str) -> None:
    message = await post.send(ADA)
    await post.hear(said("Bounce", ADA, message=message, bounceType=ses))
    assert await post.states(message) == {ADA: state}
    (_, data), *more = await post.events()
    assert data["bounce_type"] == ours
    assert [kind for kind, _ in more] == (["message.failed"] if state == "failed" else [])


async def test_a_complaint_after_the_delivery(post: Post) -> None:
    message = await post.send(ADA)
    await post.hear(said("Delivery", ADA, message=message))
    await post.hear(said("Complaint", f"Ada <{ADA}>", message=message))
    assert await post.state(message) == "complained"
    _, (kind, data) = await post.events()
    assert kind == "message.complained"
    assert data["complained_recipients"] == [ADA]
    assert (data["complaint_type"], data["feedback_agent"]) == ("abuse", "ISP")


@pytest.mark.parametrize("kind", ["Reject", "Rendering Failure"])
async def test_what_ses_would_not_send_after_all(post: Post, kind: str) -> None:
    message = await post.send(ADA, BOB)
    await post.hear(said(kind, ADA, BOB, message=message))
    assert await post.state(message) == "rejected"
    ((told, data),) = await post.events()
    assert (told, data["reason_code"]) == ("message.rejected", "provider_reject")
    assert sorted(data["recipients"]) == sorted([ADA, BOB])


async def test_a_delay_is_told_once_and_never_makes_the_relay_send_again(post: Post) -> None:
    message = await post.send(ADA)
    for _ in range(3):
        await post.hear(said("DeliveryDelay", ADA, message=message))
    assert await post.states(message) == {ADA: "sent"}
    ((kind, data),) = await post.events()
    assert kind == "message.deferred"
    assert data["deferred_recipients"][0]["action"] == "delayed"


async def test_opens_clicks_and_subscriptions_have_no_effect(post: Post) -> None:
    message = await post.send(ADA)
    for kind in ("Open", "Click", "Subscription"):
        about = said("Delivery", ADA, message=message)
        await post.hear(about | {"eventType": kind})
    assert await post.events() == []


async def test_the_same_news_in_both_shapes_is_told_once(post: Post) -> None:
    """As when both a configuration set and the identity itself publish to us."""
    message = await post.send(ADA)
    await post.hear(said("Bounce", ADA, message=message))
    await post.hear(said("Bounce", ADA, shape="notificationType"))
    assert len(await post.events()) == 1
    (row,) = await post.rows("SELECT history FROM deliveries")
    assert len(msgspec.json.decode(row["history"])) == 2


async def test_ten_thousand_bounces_are_one(post: Post) -> None:
    """L01.03, in the small: one row, one event, nothing sent."""
    message = await post.send(ADA)
    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(post.hear, said("Bounce", ADA, message=message))
    assert len(await post.events()) == 1
    assert await post.value("SELECT jsonb_array_length(history) FROM deliveries") == 2


async def test_a_repetition_after_the_commit_does_nothing(post: Post) -> None:
    message = await post.send(ADA)
    body = sns.posted(said("Delivery", ADA, message=message))
    await post.receiving.notifications.receive(body)
    version = await post.value("SELECT version FROM messages WHERE id = $1", message)
    await post.receiving.notifications.receive(body)
    assert await post.value("SELECT version FROM messages WHERE id = $1", message) == version
    assert len(await post.events()) == 1


async def test_news_of_strangers_mail_is_passed_over(post: Post) -> None:
    message = await post.send(ADA)
    await post.hear(said("Bounce", ADA, provider_id="another-system"))
    await post.hear(said("Bounce", "eve@elsewhere.example", message=message))
    await post.hear(said("Bounce", ADA, message="msg_01JQ8X5K2M3N4P5R6S7T8V9W00", provider_id="x"))
    assert await post.states(message) == {ADA: "sent"}
    assert await post.events() == []


async def test_a_provider_s_name_for_several_messages_is_nobody_s(post: Post) -> None:
    first, second = await post.send(ADA), await post.send(ADA)
    await post.hear(said("Bounce", ADA))
    assert [await post.states(one) for one in (first, second)] == [{ADA: "sent"}] * 2


async def test_a_local_recipient_is_not_ses_s_to_speak_of(post: Post) -> None:
    message = await post.send(ADA)
    await post.execute("UPDATE deliveries SET local = true, state = 'delivered'")
    await post.hear(said("Bounce", ADA, message=message))
    assert await post.states(message) == {ADA: "delivered"}


async def test_a_deleted_message_is_still_told_of_while_its_relay_runs(post: Post) -> None:
    message = await post.send(ADA)
    await post.execute("DELETE FROM messages WHERE id = $1", message)
    await post.hear(said("Bounce", ADA, message=message))
    ((kind, data),) = await post.events()
    assert (kind, data["thread_id"]) == ("message.bounced", None)


@pytest.mark.parametrize("written", ["ada@bücher.example", "ada@xn--bcher-kva.example"])
async def test_ses_tells_the_form_of_a_domain_that_a_wire_carries(post: Post, written: str) -> None:
    message = await post.send(written)
    await post.hear(said("Delivery", "ada@xn--bcher-kva.example", message=message))
    assert await post.states(message) == {written: "delivered"}


async def test_bounces_and_complaints_suppress_and_count(post: Post) -> None:
    message = await post.send(ADA, BOB)
    await post.hear(said("Bounce", ADA, message=message))
    await post.hear(said("Delivery", BOB, message=message))
    await post.hear(said("Complaint", BOB, message=message))
    await post.hear(said("Complaint", BOB, shape="notificationType"))
    found = await post.rows("SELECT address, source FROM suppressions ORDER BY address")
    assert [tuple(row) for row in found] == [(ADA.lower(), "bounce"), (BOB, "complaint")]
    (row,) = await post.rows("SELECT sent, bounced, complained FROM reputation")
    assert tuple(row) == (2, 1, 1)
    ((_, data),) = await post.events("message.bounced")
    assert data["suppressed"] is True


async def test_a_soft_bounce_suppresses_nobody(post: Post) -> None:
    message = await post.send(ADA)
    await post.hear(said("Bounce", ADA, message=message, bounceType="Transient"))
    assert await post.rows("SELECT 1 FROM suppressions") == []
    ((_, data),) = await post.events("message.bounced")
    assert data["suppressed"] is False


async def test_send_proves_the_attempt(post: Post) -> None:
    message = await post.send(ADA, state="sending")
    await post.hear(said("Send", ADA, message=message, attempt="2", provider_id="ses-9"))
    assert post.confirmed == [(message, 2, "ses-9", (ADA,))]
    assert await post.states(message) == {ADA: "sent"}
    await post.hear(said("Send", ADA))
    await post.hear(said("Send", ADA, message=message, attempt="-1"))
    assert len(post.confirmed) == 1


async def test_news_that_overtakes_the_relay_settles_its_attempt_first(post: Post) -> None:
    """The Delivery comes before the answer of SES has been written down, or that is lost."""
    message = await post.send(ADA, state="sending")
    await post.hear(said("Delivery", ADA, message=message, attempt="2", provider_id="ses-9"))
    assert post.confirmed == [(message, 2, "ses-9", (ADA,))]
    assert await post.states(message) == {ADA: "delivered"}
    assert [kind for kind, _ in await post.events()] == ["message.sent", "message.delivered"]
    # Then the relay writes what it knows, which is less.
    await post.execute("UPDATE deliveries SET state = 'sent'")
    assert await post.states(message) == {ADA: "delivered"}


_FINAL = {"Delivery": 3, "Bounce": 4, "Complaint": 5}


async def test_states_never_go_back_in_whatever_order_news_comes(post: Post) -> None:
    names = {3: "delivered", 4: "bounced", 5: "complained"}
    for order in itertools.permutations(_FINAL):
        message = await post.send(ADA)
        highest = 0
        for kind in order:
            await post.hear(said(kind, ADA, message=message))
            highest = max(highest, _FINAL[kind])
            assert await post.states(message) == {ADA: names[highest]}, order


async def test_a_soft_bounce_after_the_delivery_is_told_and_changes_nothing(post: Post) -> None:
    message = await post.send(ADA)
    await post.hear(said("Delivery", ADA, message=message))
    await post.hear(said("Bounce", ADA, message=message, bounceType="Transient"))
    assert await post.states(message) == {ADA: "delivered"}
    assert [kind for kind, _ in await post.events()] == ["message.delivered", "message.bounced"]


_TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=30) | st.just("x" * 10_000)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_hostile_word_of_a_stranger_s_server_is_a_fault(
    database_url: str, tmp_path: Path, data: st.DataObject
) -> None:
    """What another server said comes through SES as it was; PostgreSQL does not take all of it."""
    abouts = []
    for kind in ("Delivery", "Bounce", "Complaint", "DeliveryDelay"):
        about = said(kind, ADA)
        (part,) = [name for name in about if name not in ("eventType", "mail")]
        for name, value in about[part].items():
            if isinstance(value, str):
                about[part][name] = data.draw(_TEXT)
            elif value and isinstance(value[0], dict):
                about[part][name] = [
                    {**value[0], "status": data.draw(_TEXT), "diagnosticCode": data.draw(_TEXT)},
                    {"emailAddress": data.draw(_TEXT)},
                ]
        about["mail"]["destination"] = [data.draw(_TEXT)]
        abouts.append(about)

    async def run() -> None:
        async with receiving(database_url, tmp_path, slug=ulid().lower()) as post:
            message = await post.send(ADA)
            for about in abouts:
                tags = {"agentpost_message": [message], "agentpost_attempt": ["1"]}
                about["mail"]["tags"] = tags
                await post.hear(about)
            told = [data for _, data in await post.events() if data["message_id"] == message]
            assert len(told) == 4

    trio.run(run)
