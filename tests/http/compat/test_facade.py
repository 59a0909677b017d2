"""What the façade promises beyond shapes: pods, lists of who is allowed, labels.

Who is refused where is in tests/isolation, with the REST API.
"""

from __future__ import annotations

import pytest

from agentpost.errors import UnknownField
from agentpost.events.agentmail import written
from agentpost.http.compat.labels import as_filter, as_marks
from agentpost.http.compat.mount import message_name, several
from agentpost.http.compat.permissions import as_permissions, as_scopes
from agentpost.model.actor import SCOPES, widen
from agentpost.model.message import Address
from tests.http.compat.conftest import Sdk
from tests.http.resources.conftest import Tenant


async def test_a_pod_shows_its_own_alone(acme: Tenant, sdk: Sdk) -> None:
    inbox = await acme.inbox()
    other = await sdk("pods.create", name="Other")
    made = await sdk("pods.inboxes.create", other.pod_id, username="elsewhere")
    assert made.pod_id == other.pod_id
    found = await sdk("pods.inboxes.list", other.pod_id)
    assert [each.inbox_id for each in found.inboxes] == [made.inbox_id]
    answer = await acme.call("GET", f"/v0/pods/{other.pod_id}/inboxes/{inbox.address}")
    assert answer.status == 404


async def test_a_list_of_who_is_allowed_shuts_out_everyone_else(acme: Tenant, sdk: Sdk) -> None:
    inbox = (await acme.inbox()).address
    for entry in ("friend.example", "ada@example.org"):
        await sdk("inboxes.lists.create", inbox, "send", "allow", entry=entry)
    blocked = await sdk("inboxes.lists.list", inbox, "send", "block")
    assert [(each.entry, each.read_only) for each in blocked.entries] == [("*", True)]
    check = {"direction": "send", "address": "eve@else.example", "inbox": inbox}
    assert (await acme.call("POST", "/filter-rules/check", check)).json["allowed"] is False
    for entry in ("friend.example", "ada@example.org"):
        assert (await acme.call("POST", "/filter-rules/check", check)).json["allowed"] is False
        await sdk("inboxes.lists.delete", inbox, "send", "allow", entry)
    assert (await acme.call("POST", "/filter-rules/check", check)).json["allowed"] is True


async def test_a_send_with_a_key_happens_once(acme: Tenant, sdk: Sdk) -> None:
    inbox = (await acme.inbox()).address
    given = {"to": "bob@example.org", "text": "Once", "idempotency_key": "k1"}
    first = await sdk("inboxes.messages.send", inbox, **given)
    assert await sdk("inboxes.messages.send", inbox, **given) == first
    assert (await sdk("inboxes.messages.list", inbox)).count == 1


def test_a_key_never_gets_more_than_was_asked_for() -> None:
    assert as_scopes({"message_read": True}) == ("events:read", "messages:read", "threads:read")
    for permissions in ({"inbox_create": True}, {"draft_send": True}, {}, {"nonsense": True}):
        with pytest.raises(UnknownField):
            as_scopes(permissions)
    assert as_permissions(sorted(SCOPES)) is None
    shown = as_permissions(["messages:send", "messages:reply"])
    assert shown is not None
    assert [name for name, held in shown.items() if held] == ["message_reply", "message_send"]
    everything = dict.fromkeys(as_permissions([]) or {}, True)
    assert widen(frozenset(as_scopes(everything))) <= SCOPES | {"messages:import", "folders:write"}


def test_labels_that_say_how_a_message_stands_are_translated() -> None:
    assert as_filter(["unread", "received", "Mine"]) == {
        "seen": False,
        "direction": "inbound",
        "labels": ["Mine"],
    }
    marks = as_marks(["trash", "a"], ["unread"])
    assert (marks.add, marks.seen, marks.folder) == (["a"], True, "Trash")
    assert as_marks([], ["spam"], "outbound").folder == "Sent"
    with pytest.raises(UnknownField):
        as_marks(["received"], [])


def test_names_survive_a_path() -> None:
    assert message_name("msg_1", "a.b+c@example.org") == "<a.b+c@example.org>"
    for unfit in ("a/b@x", "a?b@x", "a#b@x", "a%b@x", "ä@x", "a b@x", None):
        assert message_name("msg_1", unfit) == "msg_1"
    assert written(Address("a@x", 'Ada "the" First')) == '"Ada \\"the\\" First" <a@x>'
    assert several("labels", ['["a"', '"b"]']) == ["a", "b"]
    assert several("labels", ["a", "b"]) == ["a", "b"]
    with pytest.raises(UnknownField):
        several("labels", ["[1]"])
