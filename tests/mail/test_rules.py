"""Which rule decides: the most specific match, then the narrowest place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.ids import EnvironmentId, InboxId, OrganizationId, RuleId
from agentpost.mail.rules import candidates, deciding, matching, written
from agentpost.model.rule import (
    ACTIONS,
    DIRECTIONS,
    EVERYONE,
    FilterRule,
    MatchType,
    RuleBook,
)

ENVIRONMENT, INBOX = EnvironmentId("env_1"), InboxId("inb_1")
ELSEWHERE, NEIGHBOUR = EnvironmentId("env_2"), InboxId("inb_2")
_MOMENT = datetime(2026, 3, 8, tzinfo=UTC)

MATCHES: tuple[tuple[MatchType, str], ...] = (
    ("address", "ada+x@mail.example.org"),
    ("address", "ada@mail.example.org"),
    ("address", "bob@mail.example.org"),
    ("domain", "mail.example.org"),
    ("domain", "example.org"),
    ("subdomain_wildcard", "*.example.org"),
    ("subdomain_wildcard", "*.org"),
    ("subdomain_wildcard", EVERYONE),
)
PLACES: tuple[tuple[EnvironmentId | None, InboxId | None], ...] = (
    (ENVIRONMENT, INBOX),
    (ENVIRONMENT, NEIGHBOUR),
    (ENVIRONMENT, None),
    (ELSEWHERE, None),
    (None, None),
)


def rule(
    match: tuple[MatchType, str],
    place: tuple[EnvironmentId | None, InboxId | None] = (None, None),
    action: str = "block",
    direction: str = "send",
) -> FilterRule:
    return FilterRule(
        id=RuleId(f"fr_{match}{place}{direction}"),
        organization=OrganizationId("org_1"),
        environment=place[0],
        inbox=place[1],
        direction=direction,  # type: ignore[arg-type]
        action=action,  # type: ignore[arg-type]
        match_type=match[0],
        value=match[1],
        note=None,
        client_id=None,
        version=1,
        created_at=_MOMENT,
        updated_at=_MOMENT,
    )


rules = st.builds(
    rule,
    st.sampled_from(MATCHES),
    st.sampled_from(PLACES),
    st.sampled_from(ACTIONS),
    st.sampled_from(DIRECTIONS),
)
books = st.lists(rules, max_size=20, unique_by=lambda one: one.id)
addresses = st.sampled_from(
    [
        "ada+x@mail.example.org",
        "Ada@MAIL.example.org",
        "bob@mail.example.org",
        "eve@example.org",
        "eve@x.mail.example.org",
        "eve@other.test",
    ]
)


def find(present: list[FilterRule], address: str) -> FilterRule | None:
    return deciding(RuleBook.of(present), "send", address, ENVIRONMENT, INBOX)


def specificity(one: FilterRule, address: str) -> int | None:
    """How well a rule matches, from the words of the documentation; None when it does not."""
    local, _, domain = address.lower().rpartition("@")
    base = local.partition("+")[0]
    if one.match_type == "address":
        if one.value == f"{local}@{domain}":
            return 1_000
        return 999 if one.value == f"{base}@{domain}" else None
    if one.match_type == "domain":
        return 998 if one.value == domain else None
    if one.value == EVERYONE:
        return 0
    suffix = one.value.removeprefix("*")
    return len(suffix) if domain.endswith(suffix) else None


@given(books, addresses)
def test_the_most_specific_match_decides_then_the_narrowest_place(
    present: list[FilterRule], address: str
) -> None:
    narrow = {"inbox": 2, "environment": 1, "organization": 0}
    fit = [
        (score, narrow[one.scope], one)
        for one in present
        if one.direction == "send"
        and one.environment in (None, ENVIRONMENT)
        and one.inbox in (None, INBOX)
        and (score := specificity(one, address)) is not None
    ]
    expected = max(fit, key=lambda each: each[:2])[2] if fit else None
    assert find(present, address) == expected


@given(books, addresses, st.randoms())
def test_the_order_in_which_rules_were_made_decides_nothing(
    present: list[FilterRule], address: str, random: object
) -> None:
    shuffled = list(present)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert find(shuffled, address) == find(present, address)


@given(books, addresses, rules)
def test_a_rule_of_another_place_changes_nothing(
    present: list[FilterRule], address: str, other: FilterRule
) -> None:
    stranger = replace(other, id=RuleId("fr_x"), environment=ELSEWHERE, inbox=None)
    assert find([*present, stranger], address) == find(present, address)


@given(books, addresses)
def test_the_deciding_rule_is_the_first_that_matches(
    present: list[FilterRule], address: str
) -> None:
    found = list(matching(RuleBook.of(present), "send", address, ENVIRONMENT, INBOX))
    assert found[:1] == [one for one in [find(present, address)] if one is not None]


def test_an_allow_rule_forbids_nobody_else() -> None:
    allowed = rule(("domain", "example.org"), action="allow")
    assert find([allowed], "eve@other.test") is None
    listed = [allowed, rule(("subdomain_wildcard", EVERYONE))]
    assert find(listed, "eve@other.test") == listed[1]
    assert find(listed, "eve@example.org") == allowed


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("Ada@Example.ORG", "ada@example.org"),
        ('"ada"@example.org', "ada@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@example.org.", "ada@example.org"),
        ("\u212aurt@example.org", "\u212aurt@example.org"),
    ],
)
def test_addresses_are_compared_in_one_form(address: str, form: str) -> None:
    assert written(address) == form


def test_a_wildcard_is_about_what_lies_below_its_domain() -> None:
    wildcard = rule(("subdomain_wildcard", "*.example.org"))
    assert find([wildcard], "eve@example.org") is None
    assert find([wildcard], "eve@a.b.example.org") == wildcard
    assert find([wildcard], "eve@notexample.org") is None


@given(st.text(max_size=60))
def test_any_text_has_candidates(text: str) -> None:
    """What a header names as an author need not be an address."""
    assert list(candidates(text))[-1] == ("subdomain_wildcard", EVERYONE)
