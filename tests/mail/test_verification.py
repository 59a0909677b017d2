"""What looks at a domain mean over time: nobody loses one to a name server that is down."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from agentpost.limits import DomainLimits
from agentpost.mail.domains import records_of
from agentpost.mail.verification import judge
from agentpost.model.domain import Domain, Finding, Look
from tests.mail.test_domainchecks import DOMAIN
from tests.zonefiles import TERMS

LIMITS = DomainLimits()
START = datetime(2026, 3, 8, tzinfo=UTC)
RECORDS = records_of(DOMAIN, TERMS)
KEYS = [record.key for record in RECORDS]
REQUIRED = {record.key for record in RECORDS if record.required}
FOUND = Finding("found", ("x",))
MISSING = Finding("missing", (), "absent")
FAILED = "no answer in time"

outcomes = st.sampled_from([FOUND, MISSING, Finding("wrong", ("y",), "other"), FAILED])
looks = st.dictionaries(st.sampled_from(KEYS), outcomes)


def everything(**but: Finding | str) -> dict[str, Finding | str]:
    return dict.fromkeys(KEYS, FOUND) | but


def after(domain: Domain, look: Look) -> Domain:
    """The domain as the store keeps it after a look that nothing contested."""
    return replace(
        domain,
        status=look.status,
        reason=look.reason,
        findings=look.findings,
        held=look.proven or (domain.held and not look.lost),
        receives=look.receives,
        misses=look.misses,
        missed_at=look.missed_at,
        sought_since=look.at if look.lost else domain.sought_since,
        check_at=look.check_at,
    )


def seen(domain: Domain, now: datetime, found: dict[str, Finding | str]) -> Look:
    return judge(domain, RECORDS, found, now, LIMITS)


def proven() -> Domain:
    domain = replace(DOMAIN, sought_since=START)
    return after(domain, seen(domain, START, everything()))


def test_a_claim_is_proven_by_everything_that_is_required_and_by_nothing_less() -> None:
    domain = replace(DOMAIN, sought_since=START)
    optional = dict.fromkeys(set(KEYS) - REQUIRED, MISSING)
    assert seen(domain, START, everything(**optional)).proven
    for key in REQUIRED:
        for lacking in (MISSING, FAILED):
            look = seen(domain, START, everything(**{key: lacking}))
            assert not look.proven
            assert look.status == "verifying"
    assert seen(domain, START, dict.fromkeys(KEYS, MISSING)).status == "pending"


def test_a_search_slows_down_and_is_given_up() -> None:
    domain = replace(DOMAIN, sought_since=START)
    now, pauses = START, []
    while True:
        look = seen(domain, now, dict.fromkeys(KEYS, MISSING))
        domain = after(domain, look)
        if look.check_at is None:
            break
        pauses.append((look.check_at - now).total_seconds())
        now = look.check_at
    assert pauses[:3] == [60, 60, 120]
    assert pauses == sorted(pauses)
    assert max(pauses) == 3600
    assert len(pauses) < 250
    assert now - START >= timedelta(days=7)
    assert (domain.status, look.lost) == ("failed", False)


def test_a_domain_is_lost_after_misses_that_lie_apart() -> None:
    domain, now, looks = proven(), START, 0
    while domain.held:
        assert domain.check_at is not None
        now = domain.check_at
        domain = after(domain, seen(domain, now, everything(dkim_rsa=MISSING)))
        looks += 1
    assert looks == LIMITS.misses
    assert now - START >= timedelta(days=2)
    assert (domain.status, domain.receives) == ("failed", False)
    assert "dkim_rsa" in str(domain.reason)
    assert domain.check_at is not None, "it is looked for further"


def test_asking_again_and_again_does_not_lose_a_domain() -> None:
    domain, now = proven(), START
    for _ in range(500):
        now += timedelta(seconds=10)
        domain = after(domain, seen(domain, now, everything(challenge=MISSING)))
    assert domain.held
    assert domain.misses == 1


def test_misses_are_forgotten_when_all_is_there_again() -> None:
    domain, now = proven(), START
    for _ in range(20):
        for found in (everything(spf=MISSING), everything()):
            now += timedelta(hours=7)
            domain = after(domain, seen(domain, now, found))
    assert domain.held
    assert domain.misses == 0


def test_what_is_newly_wanted_does_not_lose_a_domain() -> None:
    """Turning ``inbound`` on asks for an MX that was never there."""
    outward = replace(DOMAIN, sought_since=START, inbound=False)
    records = records_of(outward, TERMS)
    domain = after(outward, judge(outward, records, everything(), START, LIMITS))
    domain = replace(domain, inbound=True)
    now = START
    for day in range(30):
        now += timedelta(days=1)
        # A real miss in between, mended the next day, starts no count that the MX goes on with.
        gone = {"dmarc": MISSING} if day % 2 else {}
        domain = after(domain, seen(domain, now, everything(mx=MISSING, **gone)))
    assert domain.held
    assert not domain.receives
    domain = after(domain, seen(domain, now, everything()))
    assert domain.receives


@given(st.lists(looks, max_size=12))
def test_failed_lookups_never_cost_a_domain(faults: list[dict[str, Finding | str]]) -> None:
    """Whatever fails to be looked up, however often: only what is known to be gone counts."""
    domain, now = proven(), START
    for fault in faults:
        now += timedelta(days=1)
        silent = {key: FAILED for key, one in fault.items() if one is not FOUND}
        domain = after(domain, seen(domain, now, everything(**silent)))
        assert domain.held
        assert domain.misses == 0


@given(st.lists(st.tuples(st.floats(1, 1e6), looks), max_size=20))
def test_a_name_is_won_by_proof_and_lost_by_enough_misses_alone(
    history: list[tuple[float, dict[str, Finding | str]]],
) -> None:
    domain, now = replace(DOMAIN, sought_since=START), START
    for pause, found in history:
        now += timedelta(seconds=pause)
        look = seen(domain, now, everything(**found))
        whole = all(found.get(key, FOUND) is FOUND for key in REQUIRED)
        assert look.proven == whole
        if look.lost:
            assert domain.held
            assert domain.misses == LIMITS.misses - 1
        if domain.held or look.proven:
            assert look.status == ("failed" if look.lost else "verified")
        assert look.check_at is None or look.check_at > now
        domain = after(domain, look)
