"""How far a credential reaches, where that is more than one place: nobody gives more than he has.

``Actor.require`` decides about one place.  These rules are about what concerns an organization or
an environment as a whole, and about handing rights on to a new key.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from agentpost.errors import Forbidden
from agentpost.ids import EnvironmentId, InboxId
from agentpost.model.actor import Actor, widen
from agentpost.model.organization import ApiKey


@dataclass(frozen=True, slots=True)
class Power:
    """What a key may do and where; ``None`` is everywhere."""

    scopes: frozenset[str]
    environments: frozenset[EnvironmentId] | None
    inboxes: frozenset[InboxId] | None


def power_of(key: ApiKey) -> Power:
    """What an existing key holds."""
    return Power(
        frozenset(key.scopes),
        None if key.environments is None else frozenset(key.environments),
        None if key.inboxes is None else frozenset(key.inboxes),
    )


def whole_organization(actor: Actor) -> None:
    """Refuse a credential that is bound to environments or inboxes.  Raises: Forbidden."""
    if not actor.system and (actor.environments is not None or actor.inboxes is not None):
        raise Forbidden(
            "This concerns the whole organization; the key is bound to a part of it.",
            fix="Use a key without environment_ids and inbox_ids.",
        )


def whole_environment(actor: Actor) -> None:
    """Refuse a credential that is bound to inboxes.  Raises: Forbidden."""
    if not actor.system and actor.inboxes is not None:
        raise Forbidden(
            "This concerns a whole environment; the key is bound to some inboxes.",
            fix="Use a key without inbox_ids.",
        )


def sees(actor: Actor, power: Power) -> bool:
    """Whether a key of this reach is inside what the actor covers."""
    if actor.system:
        return True
    return _within(power.environments, actor.environments) and _within(power.inboxes, actor.inboxes)


def check_scopes(actor: Actor, scopes: frozenset[str]) -> None:
    """Refuse to hand on scopes that the actor does not hold itself.  Raises: Forbidden."""
    if actor.system:
        return
    missing = sorted(widen(scopes) - actor.scopes)
    if missing:
        raise Forbidden(
            f"A key can hand on only what it holds; this one lacks {', '.join(missing)}.",
            fix="Leave these scopes out, or use a key that holds them.",
        )


def _within(part: Collection[str] | None, whole: Collection[str] | None) -> bool:
    if whole is None:
        return True
    return part is not None and frozenset(part) <= frozenset(whole)
