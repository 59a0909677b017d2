"""Events as receivers written for AgentMail expect them (API.md, payload "agentmail")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from agentpost.events import agentmail
from agentpost.model.event import Event, Told
from agentpost.model.mailbox import Flag
from agentpost.model.message import Address, Correspondents
from tests.events.test_wire import MESSAGE, TOLD, event


def body(one: Event, told: Told | None = TOLD) -> Any:
    return msgspec.json.decode(agentmail.envelope(one, told, "support@acme.example"))


def test_a_message_is_told_with_its_thread() -> None:
    found = body(event())
    assert (found["type"], found["event_type"], found["event_id"]) == (
        "event",
        "message.received",
        "evt_1",
    )
    message, thread = found["message"], found["thread"]
    assert (message["inbox_id"], message["message_id"]) == ("support@acme.example", "<abc@x>")
    assert message["labels"] == ["billing", "received", "urgent"]
    assert thread["message_count"] == 3
    unread = replace(TOLD, message=replace(MESSAGE, flags=Flag(0)))
    assert "unread" in body(event(), unread)["message"]["labels"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (None, "a@b.c"),
        ("", "a@b.c"),
        ("Ada L", "Ada L <a@b.c>"),
        ("Lovelace, Ada", '"Lovelace, Ada" <a@b.c>'),
        ('A "b" \\', '"A \\"b\\" \\\\" <a@b.c>'),
        ("x <evil@d.e>", '"x <evil@d.e>" <a@b.c>'),
    ],
)
def test_names_are_written_as_addresses_can_be_read(name: str | None, written: str) -> None:
    who = Correspondents(from_=(Address("a@b.c", name),))
    told = replace(TOLD, message=replace(MESSAGE, correspondents=who))
    assert body(event(), told)["message"]["from"] == written


@pytest.mark.parametrize(
    ("kind", "where", "texts"),
    [
        ("message.bounced", "bounce", ("type", "sub_type")),
        ("message.complained", "complaint", ("type", "sub_type")),
        ("message.rejected", "reject", ("reason",)),
    ],
)
def test_what_is_not_known_is_text_all_the_same(
    kind: str, where: str, texts: tuple[str, ...]
) -> None:
    for told in (TOLD, None):
        found = body(event(kind), told)[where]
        assert all(isinstance(found[name], str) for name in texts), found


def test_what_agentmail_has_no_type_for_is_told_as_it_is() -> None:
    assert (
        body(event("inbox.paused", reason="bounce_rate"), None)["data"]["reason"] == "bounce_rate"
    )
