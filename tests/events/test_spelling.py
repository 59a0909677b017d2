"""AgentMail's words for labels and domains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from agentmail.events.types import DomainVerifiedEvent
from hypothesis import given
from hypothesis import strategies as st

from agentpost.events import agentmail, spelling
from agentpost.model.mailbox import Flag
from tests.events.test_wire import MESSAGE, event

RECORD: dict[str, Any] = {
    "type": "TXT",
    "name": "acme.example",
    "value": "v=spf1 -all",
    "priority": None,
    "purpose": "spf",
    "required": True,
    "status": "found",
    "found": ["v=spf1 -all"],
    "reason": None,
}
DOMAIN: dict[str, Any] = {
    "domain_id": "dom_1",
    "domain": "acme.example",
    "status": "verified",
    "inbound": True,
    "subdomains": False,
    "client_id": None,
    "created_at": "2026-03-08T14:30:00.000Z",
    "updated_at": "2026-03-08T14:31:00.000Z",
    "records": [RECORD, {**RECORD, "type": "MX", "priority": 10}, {**RECORD, "type": "SRV"}],
}


def test_a_verified_domain_is_told_as_agentmail_does() -> None:
    octets = agentmail.envelope(event("domain.verified", **DOMAIN), None, None)
    DomainVerifiedEvent.model_validate_json(octets)
    told = msgspec.json.decode(octets)["domain"]
    assert (told["pod_id"], told["domain_id"], told["status"]) == ("env_1", "dom_1", "VERIFIED")
    assert [(one["type"], one["status"]) for one in told["records"]] == [
        ("TXT", "VALID"),
        ("MX", "VALID"),
    ]


@pytest.mark.parametrize(
    ("changed", "labels"),
    [
        ({"flags": Flag(0)}, ["billing", "received", "unread"]),
        ({"folder": "Trash"}, ["billing", "received", "trash"]),
        ({"folder": "Junk", "state": "blocked"}, ["billing", "blocked", "received", "spam"]),
        ({"direction": "outbound", "state": "delivered"}, ["billing", "sent"]),
        ({"direction": "outbound", "state": "held"}, ["billing", "scheduled"]),
    ],
)
def test_labels_say_how_a_message_stands(changed: dict[str, Any], labels: list[str]) -> None:
    message = replace(MESSAGE, keywords=("Billing", "$Forwarded"), flags=Flag.SEEN)
    assert spelling.labels(replace(message, **changed)) == labels


def test_changes_of_labels_are_told_one_by_one() -> None:
    changes = {
        "seen": False,
        "answered": True,
        "labels": {"added": ["b", "a", "$claimed"], "removed": ["c"]},
        "folder": {"from": "Junk", "to": "INBOX"},
    }
    assert spelling.label_changes({"message_id": "msg_1", "changes": changes}) == [
        ("msg_1", True, "unread"),
        ("msg_1", False, "spam"),
        ("msg_1", False, "c"),
        ("msg_1", True, "a"),
        ("msg_1", True, "b"),
    ]
    nothing = {"message_id": "msg_1", "changes": {"folder": {"from": "INBOX", "to": "Archive"}}}
    assert spelling.label_changes(nothing) == []
    assert spelling.label_changes({"message_id": "msg_1"}) == []


@given(
    st.lists(st.sampled_from("abcde"), unique=True, max_size=5),
    st.sampled_from(["added", "removed", "set"]),
)
def test_what_many_messages_were_given_is_told_of_each(words: list[str], how: str) -> None:
    data = {
        "message_id": None,
        "message_ids": ["msg_1", "msg_2"],
        "changes": {"labels": {how: words}},
    }
    told = spelling.label_changes(data)
    assert told == [
        (message, how != "removed", word)
        for message in ("msg_1", "msg_2")
        for word in sorted(words)
    ]
