"""AgentMail's words for what is here: labels that say how a message stands, and domains.

``received`` or ``sent``, ``unread``, ``spam``, ``trash`` and ``blocked`` are no keywords here but
direction, flag, folder and state.  The façade below ``/v0`` and events in AgentMail's form take
their words from here, so that they say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from agentpost.model.mailbox import Flag
from agentpost.model.message import Message

FOLDERS: Final = {"spam": "Junk", "trash": "Trash"}
"""Labels that are folders."""
_OF_FOLDER: Final = {folder: label for label, folder in FOLDERS.items()}
_STATES: Final = {"draft": "draft", "scheduled": "scheduled", "held": "scheduled"}
_DOMAIN_STATUS: Final = {
    "pending": "PENDING",
    "verifying": "VERIFYING",
    "verified": "VERIFIED",
    "failed": "FAILED",
    "suspended": "INVALID",
}
_FOUND: Final = {"pending": "MISSING", "missing": "MISSING", "wrong": "INVALID", "found": "VALID"}
_RECORDS: Final = ("TXT", "CNAME", "MX")
"""Kinds of DNS records that AgentMail knows."""


def compact(body: dict[str, Any]) -> dict[str, Any]:
    """Without what is absent: AgentMail leaves it out."""
    return {name: value for name, value in body.items() if value is not None}


def plain(keywords: Iterable[str]) -> set[str]:
    """Labels that clients give; keywords of mail programs, such as $Forwarded, are none."""
    return {word.lower() for word in keywords if not word.startswith("$")}


def labels(message: Message) -> list[str]:
    """All labels of a message."""
    found = plain(message.keywords)
    if message.direction == "inbound":
        found.add("received")
    else:
        found.add(_STATES.get(message.state, "sent"))
    if Flag.SEEN not in message.flags:
        found.add("unread")
    if message.state == "blocked":
        found.add("blocked")
    folder = _OF_FOLDER.get(message.folder or "")
    return sorted(found if folder is None else found | {folder})


def label_changes(data: Mapping[str, Any]) -> list[tuple[str, bool, str]]:
    """What an event says of labels: the message's id, whether it was given one, and which.

    ``data`` is that of ``message.updated``, ``message.deleted`` or ``message.restored``.  Of many
    messages that were marked together each is named; what was set anew counts as given.  The order
    is always the same.
    """
    changes = data.get("changes") or {}
    given: list[tuple[bool, str]] = []
    if "seen" in changes:
        given.append((not changes["seen"], "unread"))
    moved = changes.get("folder") or {}
    for place, adds in (("from", False), ("to", True)):
        label = _OF_FOLDER.get(moved.get(place) or "")
        if label is not None:
            given.append((adds, label))
    marked = changes.get("labels") or {}
    for how, adds in (("removed", False), ("added", True), ("set", True)):
        given += [(adds, label) for label in sorted(plain(marked.get(how) or ()))]
    one = data.get("message_id")
    messages = [one] if one is not None else data.get("message_ids") or []
    return [(message, adds, label) for message in messages for adds, label in given]


def domain(one: Mapping[str, Any]) -> dict[str, Any]:
    """A domain without its records, as lists show it; ``one`` is it as events tell it.

    What comes back of mail that was sent is always told, and nobody is watched reading.
    """
    return compact(
        {
            "pod_id": one["environment_id"],
            "domain_id": one["domain_id"],
            "domain": one["domain"],
            "feedback_enabled": True,
            "inbound_enabled": one["inbound"],
            "subdomains_enabled": one["subdomains"],
            "tracking_enabled": False,
            "client_id": one.get("client_id"),
            "updated_at": one["updated_at"],
            "created_at": one["created_at"],
        }
    )


def whole_domain(one: Mapping[str, Any]) -> dict[str, Any]:
    """A domain with its records; those of kinds that AgentMail does not know are left out."""
    records = [
        compact(
            {
                "type": record["type"],
                "name": record["name"],
                "value": record["value"],
                "status": _FOUND[record["status"]],
                "priority": record["priority"],
                "reason": record["reason"],
            }
        )
        for record in one["records"]
        if record["type"] in _RECORDS
    ]
    more = {"status": _DOMAIN_STATUS[one["status"]], "reason": one.get("reason")}
    return {**domain(one), **compact(more), "records": records}
