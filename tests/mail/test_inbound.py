"""Mail that SES took for us: into which inboxes, which mailbox, once, octet for octet (R5, R39)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agentpost.errors import Overloaded
from agentpost.limits import InboundLimits
from agentpost.mail.feedback import KINDS
from agentpost.mail.inbound import Inbound
from agentpost.mail.notifications import Notifications
from agentpost.mail.receiving import by_ourselves
from agentpost.model.inbox import LocalAddress
from agentpost.model.notification import Verdicts
from tests import sns
from tests.receiving import BUCKET, Post, in_bucket, letter, received, receiving
from tests.zones import ZoneResolver

FAIL = {"status": "FAIL"}


@pytest.fixture
async def post(database_url: str, tmp_path: Path) -> AsyncIterator[Post]:
    async with receiving(database_url, tmp_path) as post:
        yield post


def door(post: Post, **parts: Any) -> Notifications:
    """The door with other parts behind it."""
    given = {"limits": InboundLimits(), **parts}
    most = given.pop("max_octets", 1_000_000)
    inbound = Inbound(post.receiving.mails, post.store.directory, post.bucket, most, **given)
    return Notifications(frozenset({sns.TOPIC}), post.amazon, {"Received": inbound})


async def test_inline_mail_arrives_octet_for_octet(post: Post) -> None:
    content = letter(post.inbox.address)
    await post.hear(received(post.inbox.address, content=content))
    (mail,) = await post.mails()
    assert mail["octets"] == content
    assert (mail["folder"], mail["state"], mail["source"]) == ("INBOX", "received", "ses")
    assert mail["delivered_to"] == post.inbox.address
    assert post.woken == [post.inbox.id]
    ((kind, data),) = await post.events()
    assert (kind, data["message_id"]) == ("message.received", mail["id"])


async def test_base64_content_may_be_any_octets(post: Post) -> None:
    content = b"From: a@b.example\r\n\r\n\xff\x00\xfe\r\nbare\n"
    said = received(post.inbox.address, action={"type": "SNS", "encoding": "BASE64"})
    await post.hear(said | {"content": base64.b64encode(content).decode()})
    assert [mail["octets"] for mail in await post.mails()] == [content]


async def test_broken_base64_is_not_asked_for_again(post: Post) -> None:
    said = received(post.inbox.address, action={"type": "SNS", "encoding": "BASE64"})
    await post.hear(said | {"content": "%%%"})
    assert await post.mails() == []


async def test_the_object_that_a_notification_names_is_fetched(post: Post) -> None:
    content = letter(post.inbox.address)
    key = post.bucket.put("mail1", content)
    await post.hear(in_bucket(post.inbox.address, key=key))
    assert [mail["octets"] for mail in await post.mails()] == [content]


@pytest.mark.parametrize(
    ("bucket", "key"), [("another", "inbound/mail1"), (BUCKET, "secret/mail1"), (None, "x")]
)
async def test_an_object_elsewhere_is_never_fetched(post: Post, bucket: str, key: str) -> None:
    with pytest.raises(Overloaded):
        await post.hear(in_bucket(post.inbox.address, key=key, bucket=bucket))
    assert post.bucket.fetched == []


async def test_a_bucket_that_does_not_answer_is_asked_at_the_repetition(post: Post) -> None:
    key = post.bucket.put("mail1", letter(post.inbox.address))
    body = sns.posted(in_bucket(post.inbox.address, key=key))
    post.bucket.down = True
    with pytest.raises(Overloaded):
        await post.receiving.notifications.receive(body)
    post.bucket.down = False
    await post.receiving.notifications.receive(body)
    assert len(await post.mails()) == 1


async def test_an_object_that_is_gone_is_not_asked_for_again(post: Post) -> None:
    await post.hear(in_bucket(post.inbox.address, key="inbound/never"))
    assert await post.mails() == []


async def test_one_mail_reaches_every_inbox_of_its_envelope_in_one_commit(post: Post) -> None:
    other = await post.another("sales")
    user, _, domain = post.inbox.address.partition("@")
    tagged = f"{user}+ticket42@{domain}"
    addresses = (tagged, other.address, "stranger@shared.test", "ada@elsewhere.example")
    await post.hear(received(*addresses, content=letter("somebody@else.example")))
    mails = await post.mails()
    assert {mail["inbox_id"]: mail["delivered_to"] for mail in mails} == {
        post.inbox.id: tagged,
        other.id: other.address,
    }
    assert await post.value("SELECT count(DISTINCT xmin::text) FROM messages") == 1


async def test_an_inbox_gets_one_copy_however_often_it_is_named(post: Post) -> None:
    user, _, domain = post.inbox.address.partition("@")
    addresses = (post.inbox.address, f"{user}+a@{domain}", post.inbox.address.upper())
    await post.hear(received(*addresses, content=letter(post.inbox.address)))
    assert len(await post.mails()) == 1


async def test_mail_for_nobody_here_is_dropped_once_and_for_all(post: Post) -> None:
    await post.hear(received("nobody@shared.test", "x\0y@shared.test", content=letter("x@y.z")))
    assert await post.mails() == []
    assert await post.value("SELECT outcome FROM inbound_mails") == "unknown"


async def test_a_deleted_inbox_gets_nothing(post: Post) -> None:
    await post.store.inboxes.delete(post.actor, post.inbox.id)
    await post.hear(received(post.inbox.address, content=letter(post.inbox.address)))
    assert await post.mails() == []


async def test_a_repetition_does_nothing_twice(post: Post) -> None:
    """As when the server died between its commit and its answer: SNS posts the same again."""
    body = sns.posted(received(post.inbox.address, content=letter(post.inbox.address)))
    for _ in range(3):
        await post.receiving.notifications.receive(body)
    assert len(await post.mails()) == 1
    assert len(await post.events()) == 1


async def test_two_notifications_of_one_mail_store_it_once(post: Post) -> None:
    """As when a rule has both an S3 and an SNS action, or two topics."""
    content = letter(post.inbox.address)
    key = post.bucket.put("mail1", content)
    await post.hear(received(post.inbox.address, content=content))
    await post.hear(in_bucket(post.inbox.address, key=key))
    assert len(await post.mails()) == 1


async def test_two_rules_may_tell_of_one_mail_for_two_inboxes(post: Post) -> None:
    other = await post.another("sales")
    content = letter(post.inbox.address)
    await post.hear(received(post.inbox.address, content=content))
    await post.hear(received(other.address, post.inbox.address, content=content))
    assert {mail["inbox_id"] for mail in await post.mails()} == {post.inbox.id, other.id}
    assert len(await post.mails()) == 2


async def test_nothing_is_claimed_when_storing_fails(post: Post) -> None:
    body = sns.posted(received(post.inbox.address, content=letter(post.inbox.address)))
    await post.execute("ALTER TABLE messages ADD CONSTRAINT full_disk CHECK (false) NOT VALID")
    with pytest.raises(Exception, match="full_disk"):
        await post.receiving.notifications.receive(body)
    await post.execute("ALTER TABLE messages DROP CONSTRAINT full_disk")
    await post.receiving.notifications.receive(body)
    assert len(await post.mails()) == 1


async def test_spam_goes_to_junk_and_is_told_of_apart(post: Post) -> None:
    await post.hear(
        received(post.inbox.address, content=letter(post.inbox.address), spamVerdict=FAIL)
    )
    (mail,) = await post.mails()
    assert (mail["folder"], mail["state"]) == ("Junk", "received")
    assert [kind for kind, _ in await post.events()] == ["message.received.spam"]


async def test_a_virus_is_kept_out_as_a_blocked_sender_is(post: Post) -> None:
    await post.hear(
        received(
            post.inbox.address,
            content=letter(post.inbox.address),
            virusVerdict=FAIL,
            spamVerdict=FAIL,
        )
    )
    (mail,) = await post.mails()
    assert (mail["folder"], mail["state"], mail["keywords"]) == ("Junk", "blocked", ["blocked"])
    assert [kind for kind, _ in await post.events()] == ["message.received.blocked"]


async def test_gray_and_failed_looks_are_no_verdict(post: Post) -> None:
    await post.hear(
        received(
            post.inbox.address,
            content=letter(post.inbox.address),
            spamVerdict={"status": "GRAY"},
            virusVerdict={"status": "PROCESSING_FAILED"},
        )
    )
    assert [mail["folder"] for mail in await post.mails()] == ["INBOX"]


async def test_mail_that_fails_dmarc_arrives_and_is_told_of_as_such(post: Post) -> None:
    await post.hear(
        received(post.inbox.address, content=letter(post.inbox.address), dmarcVerdict=FAIL)
    )
    (mail,) = await post.mails()
    assert mail["folder"] == "INBOX"
    kinds = [kind for kind, _ in await post.events()]
    assert kinds == ["message.received", "message.received.unauthenticated"]


async def test_verdicts_are_kept_beside_the_message(post: Post) -> None:
    content = letter(post.inbox.address)
    await post.hear(received(post.inbox.address, content=content, spfVerdict=FAIL))
    (mail,) = await post.mails()
    kept = msgspec.json.decode(mail["authentication"])
    assert (kept["spf"], kept["dmarc"]) == ("fail", "pass")
    assert kept["provider"] == {
        "name": "ses",
        "spf": "fail",
        "dkim": "pass",
        "dmarc": "pass",
        "spam": "pass",
        "virus": "pass",
    }
    assert mail["octets"] == content


async def test_our_own_evaluation_is_told_what_ses_saw(post: Post) -> None:
    asked: list[tuple[object, ...]] = []

    async def authenticate(
        octets: bytes, *, ip: str | None, helo: str | None, reverse_path: str, given: Verdicts
    ) -> dict[str, Any]:
        asked.append((ip, helo, reverse_path, given.dmarc))
        return {"spf": "pass", "dmarc": "fail", "arc": "none"}

    content = letter(post.inbox.address)
    notifications = door(post, authenticate=authenticate)
    await notifications.receive(sns.posted(received(post.inbox.address, content=content)))
    assert asked == [("192.0.2.7", "mail.elsewhere.example", "ada@elsewhere.example", "pass")]
    (mail,) = await post.mails()
    assert msgspec.json.decode(mail["authentication"])["arc"] == "none"


async def test_mail_is_judged_by_ourselves(post: Post) -> None:
    zone: dict[str, dict[str, Any]] = {
        "elsewhere.example": {"TXT": ["v=spf1 ip4:192.0.2.7 -all"]},
        "_dmarc.elsewhere.example": {"TXT": ["v=DMARC1; p=reject"]},
        "mail.elsewhere.example": {"A": ["192.0.2.7"]},
    }
    notifications = door(post, authenticate=by_ourselves(ZoneResolver(zone)))
    content = letter(post.inbox.address)
    said = received(post.inbox.address, content=content, dmarcVerdict=FAIL)
    await notifications.receive(sns.posted(said))
    forged = content.replace(b"[192.0.2.7]", b"[203.0.113.9]").replace(b"<one@", b"<two@")
    await notifications.receive(
        sns.posted(received(post.inbox.address, name="mail2", content=forged))
    )
    good, bad = [msgspec.json.decode(mail["authentication"]) for mail in await post.mails()]
    assert (good["spf"], good["dmarc"], good["provider"]["dmarc"]) == ("pass", "pass", "fail")
    assert (bad["spf"], bad["dmarc"], bad["provider"]["dmarc"]) == ("fail", "fail", "pass")
    kinds = [kind for kind, _ in await post.events()]
    assert kinds == ["message.received", "message.received", "message.received.unauthenticated"]


async def test_blocked_senders_are_asked_for_by_envelope_and_header(post: Post) -> None:
    asked: list[tuple[str, ...]] = []

    async def admits(local: LocalAddress, senders: Sequence[str]) -> bool:
        asked.append(tuple(senders))
        return False

    said = received(post.inbox.address, content=letter(post.inbox.address))
    said["mail"]["source"] = "bounces@lists.example"
    await door(post, admits=admits).receive(sns.posted(said))
    assert asked == [("bounces@lists.example", "ada@elsewhere.example")]
    assert [mail["state"] for mail in await post.mails()] == ["blocked"]


async def test_spam_of_an_inbox_without_junk_is_not_lost(post: Post) -> None:
    await post.execute("DELETE FROM mailboxes WHERE role = 'junk'")
    await post.hear(
        received(post.inbox.address, content=letter(post.inbox.address), spamVerdict=FAIL)
    )
    assert [mail["folder"] for mail in await post.mails()] == ["INBOX"]


async def test_an_inbox_that_goes_meanwhile_takes_nothing_from_the_others(post: Post) -> None:
    other = await post.another("sales")
    assert await post.store.directory.resolve(other.address) is not None
    await post.execute("UPDATE inboxes SET deleted_at = now() WHERE id = $1", other.id)
    await post.hear(received(other.address, post.inbox.address, content=letter(post.inbox.address)))
    assert [mail["inbox_id"] for mail in await post.mails()] == [post.inbox.id]


async def test_a_mail_that_has_passed_too_many_servers_is_dropped(post: Post) -> None:
    hop = b"Received: from a by b; Sun, 8 Mar 2026 14:30:00 +0000\r\n"
    for number, hops in enumerate((99, 101)):
        content = hop * hops + letter(post.inbox.address, str(number))
        await post.hear(received(post.inbox.address, name=f"mail{number}", content=content))
    assert await post.value("SELECT outcome FROM inbound_mails WHERE id = 'mail1'") == "loop"
    assert len(await post.mails()) == 1


@pytest.mark.parametrize("inside", [True, False])
async def test_mail_larger_than_a_message_may_be_is_dropped(post: Post, inside: bool) -> None:
    content = letter(post.inbox.address) + b"x" * 1000
    said = received(post.inbox.address, name="large", content=content)
    if not inside:
        said = in_bucket(post.inbox.address, key=post.bucket.put("large", content))
    await door(post, max_octets=1000).receive(sns.posted(said))
    assert await post.mails() == []
    assert await post.value("SELECT outcome FROM inbound_mails") == "too_large"
    assert inside or post.bucket.objects


async def test_our_own_message_that_comes_back_is_marked(post: Post) -> None:
    message = await post.send("list@lists.example")
    content = letter(post.inbox.address, message)
    await post.hear(received(post.inbox.address, content=content))
    (mail,) = await post.mails()
    assert msgspec.json.decode(mail["authentication"])["returned"] is True


async def test_hostile_mail_arrives_or_is_dropped_but_is_no_fault(post: Post) -> None:
    hostile = [
        b"",
        b"\r\n",
        b"\0" * 100,
        b"no header at all",
        b"Subject: \xff\xfe\0\r\n\r\n",
        b"Message-ID: <" + b"x" * 5000 + b">\r\n\r\n",
        b"Received: from \r\n\t(\r\n [" + b"9" * 10_000 + b"\r\n\r\n",
    ]
    for number, octets in enumerate(hostile):
        content = base64.b64encode(octets).decode()
        action = {"type": "SNS", "encoding": "BASE64"}
        said = received(post.inbox.address, name=f"h{number}", action=action)
        await post.hear(said | {"content": content})
    assert {mail["octets"] for mail in await post.mails()} == set(hostile)


@pytest.mark.parametrize("name", ["", "x" * 10_000, "a\0b"])
async def test_hostile_names_of_mail_are_not_kept(post: Post, name: str) -> None:
    said = received(post.inbox.address, name=name, content=letter(post.inbox.address))
    await post.hear(said)
    assert await post.value("SELECT count(*) FROM inbound_mails") == 0


async def test_what_is_spam_is_told_to_who_may_see_it(post: Post) -> None:
    await post.hear(
        received(post.inbox.address, content=letter(post.inbox.address), spamVerdict=FAIL)
    )
    blind = replace(post.actor, scopes=post.actor.scopes - {"spam:read"})
    types = ["message.received.spam"]
    assert await post.store.events.since(blind, 0, 10, types=types) == ()
    assert len(await post.store.events.since(post.actor, 0, 10, types=types)) == 1


def test_feedback_has_a_listener_of_its_own() -> None:
    assert "Received" not in KINDS
