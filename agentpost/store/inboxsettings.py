"""What an inbox's own settings may be: ``settings`` of its row."""

from __future__ import annotations

from typing import Any, Final, get_args

from agentpost.limits import HoldLimits
from agentpost.model.inbox import ApprovalRule
from agentpost.store import checks

MAX_IMAP_CONNECTIONS: Final = 10_000
_WHOLE_NUMBERS: Final = {
    "max_imap_connections": (1, MAX_IMAP_CONNECTIONS),
    "approval_expires_s": (HoldLimits().min_approval_s, HoldLimits().max_approval_s),
}
_CHOICES: Final[dict[str, tuple[str, ...]]] = {"approval": get_args(ApprovalRule)}
GUARDED: Final = frozenset({"approval", "approval_expires_s"})
"""Settings that keep watch over who sends: only who may decide about approvals changes them."""


def check_settings(settings: dict[str, Any]) -> None:
    """Refuse settings that no inbox has, and values that they cannot have.

    Raises: UnknownField.
    """
    for name, value in settings.items():
        if name not in _WHOLE_NUMBERS and name not in _CHOICES:
            known = ", ".join(sorted((*_WHOLE_NUMBERS, *_CHOICES)))
            raise checks.refuse(f"settings.{name}", "is not a setting", fix=f"Settings: {known}.")
        if value is None:
            continue
        if name in _CHOICES:
            if value not in _CHOICES[name]:
                raise checks.refuse(
                    f"settings.{name}", f"must be one of {', '.join(_CHOICES[name])}"
                )
            continue
        least, most = _WHOLE_NUMBERS[name]
        if isinstance(value, bool) or not isinstance(value, int):
            raise checks.refuse(f"settings.{name}", "must be a whole number")
        if not least <= value <= most:
            raise checks.refuse(f"settings.{name}", f"must be from {least} to {most}")
