"""Whether a message waits before it leaves, and for what: pure decisions.

A message waits for a time that its sender names, in REST, in SMTP (RFC 4865) or in the header
field X-AgentPost-Send-At; and it waits for somebody's approval when its sender asks for that or
its inbox demands it.  First comes the approval, then the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from agentpost.errors import FieldError, UnknownField
from agentpost.ids import ApprovalId, DraftId, MessageId, new_id
from agentpost.limits import HoldLimits
from agentpost.mime.header import Header, header_end
from agentpost.model.approval import NewHold
from agentpost.model.envelope import FutureRelease
from agentpost.model.inbox import LocalAddress

SEND_AT: Final = "X-AgentPost-Send-At"
"""The header field that says when a submitted message is to be sent; it is not passed on."""

_KEPT: Final = datetime.fromtimestamp(0, UTC)
"""In the place of a time that stays what it is."""

ASKED: Final = "hold_for_approval"
"""The rule of an approval that the sender asked for itself."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a message waits for: the rule that wants an approval, and when it is to be sent."""

    rule: str | None = None
    send_at: datetime | None = None

    @property
    def state(self) -> str | None:
        """The status of a message that waits so; None when it goes at once."""
        if self.rule is not None:
            return "held"
        return None if self.send_at is None else "scheduled"


def sent_at(octets: bytes) -> datetime | None:
    """The time that the header of a message names; None when it names none.

    Raises: UnknownField when it is not one moment of RFC 3339 with its zone.
    """
    end = header_end(octets, 0, len(octets))
    values = Header(octets, 0, len(octets) if end is None else end).all(SEND_AT.lower().encode())
    if not values:
        return None
    text = values[0].decode("ascii", "replace").strip(" \t")
    try:
        moment = datetime.fromisoformat(text) if len(values) == 1 and len(text) >= 20 else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or text[10] not in "Tt":
        raise _refused("must be one moment of RFC 3339 with its zone", SEND_AT)
    return moment


def checked(moment: datetime, now: datetime, limits: HoldLimits, path: str = "send_at") -> datetime:
    """A time at which a message may be sent.  Raises: UnknownField."""
    if moment <= now:
        raise _refused("must lie in the future", path)
    if moment > now + timedelta(seconds=limits.max_ahead_s):
        days = limits.max_ahead_s // (24 * 3600)
        raise _refused(f"must lie within the next {days} days", path)
    return moment


def when(
    asked: datetime | None,
    release: FutureRelease | None,
    octets: bytes,
    now: datetime,
    limits: HoldLimits,
) -> datetime | None:
    """When a message is to be sent: as REST or SMTP asked, else as its header says.

    Raises: UnknownField for a time that is past, too far ahead or not well formed.
    """
    if asked is not None:
        return checked(asked, now, limits)
    if release is not None:
        return checked(release.at(now), now, limits)
    named = sent_at(octets)
    return None if named is None else checked(named, now, limits, SEND_AT)


def rule_of(sender: LocalAddress, *, asked: bool, new: Sequence[str]) -> str | None:
    """The rule by which a message needs an approval; None when it needs none.

    ``new`` are its recipients to whom nothing from the inbox has been approved before.
    """
    if sender.approval == "always" or (sender.approval == "new_recipients" and new):
        return f"inbox.approval={sender.approval}"
    return ASKED if asked else None


def hold_of(
    waiting: Waiting,
    sender: LocalAddress,
    credential: str,
    reverse_path: str,
    options: dict[str, Any],
    now: datetime,
    limits: HoldLimits,
    *,
    approval_s: int,
    draft: DraftId | None = None,
) -> NewHold:
    """The hold of a message that waits; ``approval_s`` is the deployment's time for approvals."""
    if waiting.rule is None:
        assert waiting.send_at is not None
        return NewHold(
            "schedule",
            credential,
            reverse_path,
            waiting.send_at,
            limits.max_held,
            options,
            waiting.send_at,
            draft,
        )
    seconds = sender.approval_expires_s or approval_s
    return NewHold(
        "approval",
        credential,
        reverse_path,
        now + timedelta(seconds=seconds),
        limits.max_held,
        options,
        waiting.send_at,
        draft,
        ApprovalId(new_id("apr")),
        waiting.rule,
    )


def revision(of: MessageId, credential: str, reverse_path: str, options: dict[str, Any]) -> NewHold:
    """The hold of a message's next version, which keeps the times of the present one."""
    return NewHold("approval", credential, reverse_path, _KEPT, 0, options, revises=of)


def blind(addressed: Sequence[str], recipients: Sequence[str]) -> tuple[str, ...]:
    """Recipients that the header does not name: they stay when a person changes the message."""
    named = {address.lower() for address in addressed}
    return tuple(one for one in recipients if one.lower() not in named)


def _refused(message: str, path: str) -> UnknownField:
    error = FieldError(path, message)
    return UnknownField(
        f"{path}: {message}.",
        fix="Name a moment such as 2026-03-08T14:30:00Z that lies ahead.",
        errors=(error,),
    )
