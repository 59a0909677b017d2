"""Looks at the records of custom domains: when asked, and by itself with growing pauses (R10, R47).

``judge`` decides what a look means.  A claim is proven when everything required is found.  A proven
one is doubted only when something that was there is gone, in several looks that lie apart; lookups
that fail never count.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import trio

from agentpost import clock
from agentpost.config import Config
from agentpost.limits import DomainLimits
from agentpost.mail.domainchecks import look
from agentpost.mail.domains import DomainTerms, domain_terms, records_of, told
from agentpost.mail.identities import Identities, IdentityUnknown, SesIdentities
from agentpost.mail.transports import access
from agentpost.model.actor import Actor, system_actor
from agentpost.model.dns import Dns
from agentpost.model.domain import Domain, DomainStatus, Finding, Look, Record
from agentpost.store.domainlooks import DomainLooks

log = logging.getLogger(__name__)


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
        identities: Identities | None = None,
    ) -> None:
        """``identities`` when the relay must know the domains that it sends for."""
        self._identities = identities
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
        if self._wants_relay_keys(domain) and _is_found(found["challenge"]):
            # Not before the claim is serious: whoever adds a name shall not spend the quota.
            kept = await self._relay_keys(domain)
            if kept is not None:
                return await self._look(kept)
        lacking = None
        if not domain.held and all(_is_found(found[one.key]) for one in records if one.required):
            lacking = await self._unconfirmed(domain)
        judged = judge(domain, records, found, clock.now(), self._limits, lacking)
        return await self._looks.settle(self._server, judged)

    def _wants_relay_keys(self, domain: Domain) -> bool:
        return self._terms.relay_signs and not domain.relay_key_hosts

    async def _relay_keys(self, domain: Domain) -> Domain | None:
        """The domain with the relay's keys to publish; None when there are none yet."""
        if self._identities is None:
            return None
        try:
            identity = await self._identities.ensure(domain.name, None)
        except IdentityUnknown as unknown:
            log.warning("no keys of the relay for %s: %s", domain.name, unknown)
            return None
        if not identity.key_hosts:
            return None
        return await self._looks.keep_relay_keys(self._server, domain.id, identity.key_hosts)

    async def _unconfirmed(self, domain: Domain) -> str | None:
        """Why the relay does not send for the domain yet; None when it does."""
        if self._wants_relay_keys(domain):
            return "The relay has not given its keys yet."
        if self._identities is None:
            return None
        key = None
        if not self._terms.relay_signs:
            keys = await self._looks.keys_of(self._server, domain)
            key = next(each for each in keys if each.algorithm == "rsa")
        try:
            identity = await self._identities.ensure(domain.name, key)
        except IdentityUnknown as unknown:
            return f"All is published; the relay cannot be asked about it: {unknown}."
        return None if identity.confirmed else "All is published; the relay has yet to confirm it."


def make_verification(settings: Config, looks: DomainLooks, dns: FreshDns) -> Verification:
    """The verification of a deployment; Amazon SES must know the domains that it sends for."""
    identities = SesIdentities(access(settings)) if "ses" in settings.relays else None
    return Verification(looks, dns, domain_terms(settings), identities=identities)


def judge(
    domain: Domain,
    records: tuple[Record, ...],
    found: dict[str, Finding | str],
    now: datetime,
    limits: DomainLimits,
    lacking: str | None = None,
) -> Look:
    """What it means that these records were found; ``found`` holds text where a lookup failed.

    ``lacking`` says what a claim still wants besides its records.
    """
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
    if not bad and not unknown and lacking is None:
        return replace(_outcome(base, "verified", limits.recheck_s), proven=True)
    if domain.held:
        return _doubted(base, domain, bad, limits)
    missing = lacking or f"Not found in time: {', '.join(sorted(bad | unknown))}."
    return _sought(replace(base, reason=lacking), domain, required, missing, limits)


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
    base: Look, domain: Domain, required: list[str], missing: str, limits: DomainLimits
) -> Look:
    """A look at a claim that is not proven; ``missing`` says why if it is given up."""
    base = replace(base, receives=False)
    passed = (base.at - domain.sought_since).total_seconds()
    if passed >= limits.give_up_s:
        return _outcome(base, "failed", None, missing)
    pause = max(limits.first_check_s, min(passed, limits.max_check_s))
    if domain.status == "failed":
        return _outcome(base, "failed", pause, domain.reason)
    begun = any(base.findings[key].status == "found" for key in required)
    return _outcome(base, "verifying" if begun else "pending", pause, base.reason)


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


def _is_found(found: Finding | str) -> bool:
    return isinstance(found, Finding) and found.status == "found"


def _receives(domain: Domain, findings: dict[str, Finding]) -> bool:
    """Mail is taken here from when the MX was found, as long as the claim holds."""
    if not domain.inbound:
        return False
    return domain.receives or findings["mx"].status == "found"
