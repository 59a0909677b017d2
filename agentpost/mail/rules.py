"""Which filter rule decides about an address: pure evaluation (API.md, Filters).

The most specific match wins: the address as it is written, the address without its ``+tag``, its
domain, then wildcards from the longest to ``*``.  Of rules that match equally the one of the
narrowest place wins: inbox, environment, organization.  Where no rule matches, mail goes: an allow
rule makes an exception from a block and forbids nobody else.  Who wants to name all that is
allowed blocks ``*`` beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from agentpost.auth.addresses import canonical, split_tag
from agentpost.ids import EnvironmentId, InboxId
from agentpost.mime.fields import ascii_domain
from agentpost.model.rule import EVERYONE, FilterRule, MatchType, RuleBook, RuleDirection


def matching(
    book: RuleBook,
    direction: RuleDirection,
    address: str,
    environment: EnvironmentId,
    inbox: InboxId,
) -> Iterator[FilterRule]:
    """The rules that match ``address`` for this inbox, the one that decides first."""
    for match_type, value in candidates(address):
        found = book.by_key.get((direction, match_type, value), ())
        covering = [rule for rule in found if rule.covers(environment, inbox)]
        yield from sorted(covering, key=_narrowness)


def deciding(
    book: RuleBook,
    direction: RuleDirection,
    address: str,
    environment: EnvironmentId,
    inbox: InboxId,
) -> FilterRule | None:
    """The rule that decides about ``address``; None when no rule matches."""
    return next(matching(book, direction, address, environment, inbox), None)


def candidates(address: str) -> Iterator[tuple[MatchType, str]]:
    """Everything that a rule for ``address`` could say, the most specific first."""
    whole = written(address)
    yield "address", whole
    base = written(split_tag(address)[0])
    if base != whole:
        yield "address", base
    domain = whole.rpartition("@")[2]
    yield "domain", domain
    while "." in domain:
        domain = domain.partition(".")[2]
        yield "subdomain_wildcard", f"*.{domain}"
    yield "subdomain_wildcard", EVERYONE


def written(address: str) -> str:
    """``address`` in the one form in which rules and recipients are compared."""
    local, at, domain = canonical(address).rpartition("@")
    return local + at + ascii_domain(domain.rstrip("."))


def _narrowness(rule: FilterRule) -> int:
    return ("inbox", "environment", "organization").index(rule.scope)
