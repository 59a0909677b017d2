"""Looks at the records of custom domains: when asked, and by itself with growing pauses (R10, R47).

``judge`` decides what a look means.  A claim is proven when everything required is found.  A proven
one is doubted only when something that was there is gone, in several looks that lie apart; lookups
that fail never count.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import trio

from agentpost import clock
from agentpost.limits import DomainLimits
from agentpost.mail.domainchecks import look
from agentpost.mail.domains import DomainTerms, records_of, told
from agentpost.model.actor import Actor, system_actor
from agentpost.model.dns import Dns
from agentpost.model.domain import Domain, DomainStatus, Finding, Look, Record
from agentpost.store.domainlooks import DomainLooks


class FreshDns(Dns, Protocol):
    """A resolver that can be told to ask anew."""

    def forget(self, domain: str) -> None:
        """Ask anew about ``domain`` and what lies under it."""
        ...


class Verification:
    """Looks at domains and has written what that comes to."""

    def __init__(
        self,
        looks: DomainLooks,
        dns: FreshDns,
        terms: DomainTerms,
        limits: DomainLimits | None = None,
    ) -> None:
        self._looks = looks
        self._dns = dns
        self._terms = terms
        self._limits = limits or DomainLimits()
        self._server = system_actor("verify")

    async def asked(self, actor: Actor, reference: str) -> Domain | None:
        """Look at a domain now, for its owner; None when it was deleted meanwhile.

        Raises: NotFound, Forbidden, Conflict when it is suspended, RateLimited.
        """
        domain = await self._looks.begin(actor, reference)
        self._dns.forget(domain.name)
        return await self._look(domain)

    async def due(self) -> int:
        """Look at the domains whose time has come; tells how many there were."""
        domains = await self._looks.due(self._server)
        async with trio.open_nursery() as nursery:
            for domain in domains:
                nursery.start_soon(self._look, domain)
        return len(domains)

    async def _look(self, domain: Domain) -> Domain | None:
        records = records_of(domain, self._terms)
        found = await look(self._dns, records, self._limits)
        judged = judge(domain, records, found, clock.now(), self._limits)
        return await self._looks.settle(self._server, judged)


def judge(
    domain: Domain,
    records: tuple[Record, ...],
    found: dict[str, Finding | str],
    now: datetime,
    limits: DomainLimits,
) -> Look:
    """What it means that these records were found; ``found`` holds text where a lookup failed."""
    findings = {record.key: _merged(domain, found[record.key], record) for record in records}
    required = [record.key for record in records if record.required]
    unknown = {key for key in required if isinstance(found[key], str)}
    bad = {key for key in required if key not in unknown and findings[key].status != "found"}
    base = Look(
        domain=domain.id,
        checks=domain.checks,
        status=domain.status,
        reason=None,
        findings=findings,
        records=told(records, findings),
        at=now,
        check_at=None,
        receives=_receives(domain, findings),
    )
    if not bad and not unknown:
        return replace(_outcome(base, "verified", limits.recheck_s), proven=True)
    if domain.held:
        return _doubted(base, domain, bad, limits)
    return _sought(base, domain, required, bad | unknown, limits)


def _doubted(base: Look, domain: Domain, bad: set[str], limits: DomainLimits) -> Look:
    """A look at a held domain that did not find everything."""
    gone = sorted(key for key in bad if base.findings[key].once)
    same = replace(base, misses=domain.misses, missed_at=domain.missed_at)
    if not bad:
        # Nobody answered: that says neither that it is there nor that it is gone.
        return _outcome(same, "verified", limits.miss_check_s, domain.reason)
    if not gone:
        # Something is wanted now that never was there.
        return _outcome(base, "verified", limits.miss_check_s)
    words = f"What was published is gone: {', '.join(gone)}."
    apart = timedelta(seconds=limits.miss_check_s * 0.9)
    if domain.missed_at is not None and base.at - domain.missed_at < apart:
        return _outcome(same, "verified", limits.miss_check_s, words)
    if domain.misses + 1 < limits.misses:
        missed = replace(base, misses=domain.misses + 1, missed_at=base.at)
        return _outcome(missed, "verified", limits.miss_check_s, words)
    lost = replace(base, lost=True, receives=False)
    return _outcome(lost, "failed", limits.max_check_s, words)


def _sought(
    base: Look, domain: Domain, required: list[str], lacking: set[str], limits: DomainLimits
) -> Look:
    """A look at a claim that is not proven."""
    base = replace(base, receives=False)
    passed = (base.at - domain.sought_since).total_seconds()
    if passed >= limits.give_up_s:
        words = f"Not found in time: {', '.join(sorted(lacking))}."
        return _outcome(base, "failed", None, words)
    pause = max(limits.first_check_s, min(passed, limits.max_check_s))
    if domain.status == "failed":
        return _outcome(base, "failed", pause, domain.reason)
    begun = any(base.findings[key].status == "found" for key in required)
    return _outcome(base, "verifying" if begun else "pending", pause)


def _outcome(
    base: Look, status: DomainStatus, pause_s: float | None, reason: str | None = None
) -> Look:
    check_at = None if pause_s is None else base.at + timedelta(seconds=pause_s)
    return replace(base, status=status, reason=reason, check_at=check_at)


def _merged(domain: Domain, found: Finding | str, record: Record) -> Finding:
    """What was found, or what was before together with why there is nothing new."""
    before = domain.findings.get(record.key, Finding("pending"))
    if isinstance(found, Finding):
        return replace(found, once=before.once or found.status == "found")
    return replace(before, reason=f"DNS did not answer: {found}.")


def _receives(domain: Domain, findings: dict[str, Finding]) -> bool:
    """Mail is taken here from when the MX was found, as long as the claim holds."""
    if not domain.inbound:
        return False
    return domain.receives or findings["mx"].status == "found"
