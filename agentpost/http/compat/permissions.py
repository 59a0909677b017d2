"""AgentMail's permissions and our scopes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agentpost.model.actor import SCOPES, widen
from agentpost.store import checks

_GROUPS: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (("inbox_read",), ("inboxes:read",)),
    (("inbox_create", "inbox_update", "inbox_delete"), ("inboxes:write",)),
    (("message_read",), ("messages:read", "threads:read", "events:read")),
    (("message_reply",), ("messages:reply",)),
    (("message_send",), ("messages:send", "messages:reply")),
    (("message_update",), ("labels:write",)),
    (("message_delete",), ("messages:delete", "threads:delete")),
    (("label_spam_read",), ("spam:read",)),
    (("label_blocked_read",), ("blocked:read",)),
    (("label_trash_read",), ("trash:read",)),
    (("draft_read",), ("drafts:read",)),
    (("draft_create", "draft_update", "draft_delete", "draft_send"), ("drafts:write",)),
    (("webhook_read",), ("webhooks:read",)),
    (("webhook_create", "webhook_update", "webhook_delete"), ("webhooks:write",)),
    (("domain_read",), ("domains:read",)),
    (("domain_create", "domain_update", "domain_delete"), ("domains:write",)),
    (("list_entry_read",), ("filters:read",)),
    (("list_entry_create", "list_entry_delete"), ("filters:write",)),
    (("metrics_read",), ("metrics:read",)),
    (("api_key_read",), ("keys:read",)),
    (("api_key_create", "api_key_update", "api_key_delete"), ("keys:write",)),
    (("pod_read",), ("environments:read",)),
    (("pod_create", "pod_update", "pod_delete"), ("environments:write",)),
)
"""Permissions that stand and fall together here, and the scopes that they are."""

_ELSEWHERE: Final = frozenset(
    {
        "agent_armor_release",
        "label_unauthenticated_read",
        "app_connect",
        "app_share_owner",
        "account_update",
        "calendar_read",
        "calendar_update",
        "calendar_event_read",
        "calendar_event_create",
        "calendar_event_update",
        "calendar_event_delete",
        "file_read",
        "file_create",
        "file_update",
        "file_delete",
    }
)
"""Permissions for what this server does not have: granting them grants nothing."""

_KNOWN: Final = frozenset(name for names, _ in _GROUPS for name in names) | _ELSEWHERE


def as_scopes(permissions: Mapping[str, bool | None]) -> tuple[str, ...]:
    """The scopes of a key with these permissions.

    Raises: UnknownField for one that nobody knows, for none at all, and where only a part of what
    is one scope is granted: the key would hold more than was asked for.
    """
    for name in permissions:
        if name not in _KNOWN:
            raise checks.refuse(f"permissions.{name}", "is no permission")
    scopes: set[str] = set()
    for names, granted in _GROUPS:
        given = [name for name in names if permissions.get(name)]
        if not given:
            continue
        if len(given) < len(names):
            together = ", ".join(names)
            raise checks.refuse(
                f"permissions.{given[0]}", f"goes only together with the others of {together}"
            )
        scopes.update(granted)
    if not scopes:
        raise checks.refuse("permissions", "grants nothing that this server has")
    return tuple(sorted(scopes))


def as_permissions(scopes: list[str]) -> dict[str, bool] | None:
    """What the scopes of a key allow; None when that is everything."""
    held = widen(frozenset(scopes))
    if held >= SCOPES:
        return None
    return {
        name: all(scope in held for scope in granted)
        for names, granted in _GROUPS
        for name in names
    }
