"""Filter rules: who may be written to, and whose mail is taken (API.md, Filters)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from agentpost.ids import EnvironmentId, InboxId, OrganizationId, RuleId

RuleDirection = Literal["send", "receive", "reply"]
RuleAction = Literal["allow", "block"]
MatchType = Literal["address", "domain", "subdomain_wildcard"]
RuleScope = Literal["organization", "environment", "inbox"]

DIRECTIONS: Final[tuple[RuleDirection, ...]] = get_args(RuleDirection)
ACTIONS: Final[tuple[RuleAction, ...]] = get_args(RuleAction)
MATCH_TYPES: Final[tuple[MatchType, ...]] = get_args(MatchType)

EVERYONE: Final = "*"
"""The wildcard of all addresses; a block of it turns the allow rules beside it into a list of
those who are allowed."""


@dataclass(frozen=True, slots=True)
class FilterRule:
    """One rule.  ``environment`` is None for a rule of the whole organization, ``inbox`` for one of
    more than an inbox.  ``value`` is canonical: an address, a domain, or ``*.domain`` or ``*``.
    """

    id: RuleId
    organization: OrganizationId
    environment: EnvironmentId | None
    inbox: InboxId | None
    direction: RuleDirection
    action: RuleAction
    match_type: MatchType
    value: str
    note: str | None
    client_id: str | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def scope(self) -> RuleScope:
        """How far the rule reaches."""
        if self.inbox is not None:
            return "inbox"
        return "organization" if self.environment is None else "environment"

    def covers(self, environment: EnvironmentId, inbox: InboxId) -> bool:
        """Whether the rule is about this inbox of this environment."""
        if self.inbox is not None:
            return self.inbox == inbox
        return self.environment is None or self.environment == environment


RuleKey = tuple[RuleDirection, MatchType, str]


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules of an organization, found by what they match."""

    by_key: Mapping[RuleKey, tuple[FilterRule, ...]]

    @classmethod
    def of(cls, rules: Iterable[FilterRule]) -> RuleBook:
        """The book of these rules."""
        found: dict[RuleKey, tuple[FilterRule, ...]] = {}
        for rule in rules:
            key = (rule.direction, rule.match_type, rule.value)
            found[key] = (*found.get(key, ()), rule)
        return cls(found)
