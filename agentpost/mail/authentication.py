"""Who really sent a message: SPF, DKIM, DMARC and ARC together (RFC 8601 names the results).

The parts are pure and live in ``auth``; here they are given a resolver, deadlines, and a thread for
what takes long.  A verdict never changes the octets and never stops a message: whatever a stranger
wrote, and whatever fails on the way, there is an answer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import ip_address
from typing import Any, Final, TypeVar

import trio

from agentpost.auth import arc, dkim, dmarc, spf
from agentpost.auth.canonical import HeaderTooLarge, Message, read
from agentpost.auth.dkim import Answer, BodyHash, BodyPart, Signature
from agentpost.auth.names import ascii_name
from agentpost.limits import AuthenticationLimits
from agentpost.mime.address import parse_mailboxes
from agentpost.model.authentication import (
    Arc,
    Authentication,
    Dkim,
    Dmarc,
    DmarcResult,
    Given,
    Spf,
    SpfResult,
)
from agentpost.model.dns import Address, Dns, LookupFailed, NoSuchName

T = TypeVar("T")
_LOG = logging.getLogger(__name__)
_LATE: Final = "it took too long"
_SES: Final[dict[str, SpfResult]] = {
    "PASS": "pass",
    "FAIL": "fail",
    "GRAY": "none",
    "PROCESSING_FAILED": "temperror",
}
_SES_DMARC: Final[dict[str, DmarcResult]] = {
    "PASS": "pass",
    "FAIL": "fail",
    "GRAY": "none",
    "PROCESSING_FAILED": "temperror",
}


def given_by_ses(spf_status: str | None, dmarc_status: str | None) -> Given:
    """The verdicts of an SES receipt (``receipt.spfVerdict.status`` and ``dmarcVerdict``)."""
    return Given(_SES.get(spf_status or ""), _SES_DMARC.get(dmarc_status or ""))


async def authenticate(
    octets: bytes,
    *,
    ip: str | None,
    helo: str,
    reverse_path: str,
    resolver: Dns,
    limits: AuthenticationLimits | None = None,
    given: Given | None = None,
    now: float | None = None,
) -> Authentication:
    """Everything that can be known of the sender of ``octets``.

    ``ip`` is the host that handed the message to the first server of ours, None when it is not
    known: SPF is then what ``given`` says, else none.  ``reverse_path`` is the envelope's, without
    brackets, empty when null.  ``now`` in seconds since 1970.  Never raises on hostile mail.
    """
    limits = limits or AuthenticationLimits()
    work = _Work(octets, resolver, limits, time.time() if now is None else now)
    try:
        with trio.move_on_after(limits.whole_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work.judge_host, ip, helo, reverse_path, given)
                nursery.start_soon(work.judge_signatures)
            await work.judge_author()
    except Exception:
        # A verdict is never worth a message: whatever is wrong here is ours to find in the log.
        _LOG.exception("a message could not be authenticated")
    if given is not None and given.dmarc is not None and work.dmarc.result == "temperror":
        work.dmarc = replace(work.dmarc, result=given.dmarc, reason="judged by the relay")
    return Authentication(work.spf, work.dkim, work.dmarc, work.arc)


def shown(one: Authentication) -> dict[str, Any]:
    """What the message's ``authentication`` says, as JSON (API.md)."""
    answer: dict[str, Any] = {
        "spf": one.spf.result,
        "dkim": [_shown_signature(each) for each in one.dkim],
        "dmarc": one.dmarc.result,
        "arc": one.arc.result,
        "verified_domain": one.verified_domain,
    }
    if one.dmarc.policy is not None:
        answer["dmarc_policy"] = one.dmarc.policy
    return answer


def _shown_signature(one: Dkim) -> dict[str, str]:
    said = {
        "domain": one.domain,
        "selector": one.selector,
        "algorithm": one.algorithm,
        "result": one.result,
    }
    return said | ({"reason": one.reason} if one.reason else {})


@dataclass(slots=True)
class _Read:
    """A message taken apart, and the hashes of its body that signatures need."""

    message: Message
    signatures: tuple[Signature | Dkim, ...]
    chain: tuple[arc.Set, ...] | Arc
    hashes: dict[BodyPart, BodyHash]
    authors: tuple[str, ...]
    """The domains of the From fields; not exactly one of them is no author."""


@dataclass(slots=True)
class _Work:
    """Verdicts as they come; what is not reached in time stays as it begins."""

    octets: bytes
    resolver: Dns
    limits: AuthenticationLimits
    now: float
    spf: Spf = field(default_factory=lambda: Spf("temperror", reason=_LATE))
    dkim: tuple[Dkim, ...] = ()
    dmarc: Dmarc = field(default_factory=lambda: Dmarc("temperror", reason=_LATE))
    arc: Arc = field(default_factory=lambda: Arc("fail", reason=_LATE))
    authors: tuple[str, ...] = ()

    async def judge_host(
        self, ip: str | None, helo: str, reverse_path: str, given: Given | None
    ) -> None:
        """SPF."""
        domain = ascii_name(reverse_path.rpartition("@")[2] if reverse_path else helo) or ""
        address = _address(ip)
        if address is None:
            said = given.spf if given is not None else None
            reason = "judged by the relay" if said else "the sending host is not known"
            self.spf = Spf(said or "none", domain, reason)
            return
        self.spf = Spf("temperror", domain, _LATE)
        with trio.move_on_after(self.limits.spf_s):
            self.spf = await spf.check(address, reverse_path, helo, self.resolver, self.limits)

    async def judge_signatures(self) -> None:
        """DKIM and ARC."""
        found = await self._beside(partial(_read, self.octets, self.limits))
        self.authors = found.authors
        self.dkim = tuple(
            each if isinstance(each, Dkim) else each.verdict("temperror", _LATE)
            for each in found.signatures
        )
        if not found.chain:
            self.arc = Arc("none")
        wanted = [each for each in found.signatures if isinstance(each, Signature)]
        names = {each.key_name for each in wanted}
        if isinstance(found.chain, tuple) and found.chain:
            names |= arc.key_names(found.chain)
        answers = await self._keys(names)
        judge = partial(_judge, found, answers, self.now, self.limits)
        self.dkim, self.arc = await self._beside(judge)

    async def judge_author(self) -> None:
        """DMARC, after the others."""
        if len(self.authors) != 1:
            reason = "the message does not have exactly one author's domain"
            self.dmarc = Dmarc("permerror", reason=reason)
            return
        author = self.authors[0]
        self.dmarc = Dmarc("temperror", author, reason=_LATE)
        self.dmarc = await dmarc.evaluate(author, self.spf, self.dkim, self.resolver)

    async def _beside(self, work: Callable[[], T]) -> T:
        """Do what takes time in proportion to the message, in a thread when that is much."""
        if len(self.octets) > self.limits.thread_octets:
            return await trio.to_thread.run_sync(work)
        return work()

    async def _keys(self, names: set[str]) -> dict[str, Answer]:
        answers: dict[str, Answer] = {}

        async def ask(name: str) -> None:
            try:
                answers[name] = await self.resolver.txt(name)
            except (NoSuchName, LookupFailed) as error:
                answers[name] = error

        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(ask, name)
        return answers


def _read(octets: bytes, limits: AuthenticationLimits) -> _Read:
    """Take the message apart and hash its body."""
    try:
        message = read(octets, limits)
    except HeaderTooLarge:
        message = Message((), b"")
    signatures = dkim.signatures(message, limits)
    chain: tuple[arc.Set, ...] | Arc
    try:
        chain = arc.collect(message, limits)
    except arc.Broken as broken:
        chain = Arc("fail", reason=str(broken))
    parts = [each.body for each in signatures if isinstance(each, Signature)]
    if isinstance(chain, tuple):
        parts += arc.body_parts(chain)
    return _Read(message, signatures, chain, dkim.body_hashes(message, parts), _authors(message))


def _judge(
    found: _Read, answers: dict[str, Answer], now: float, limits: AuthenticationLimits
) -> tuple[tuple[Dkim, ...], Arc]:
    """The verdicts of DKIM and ARC, once the keys are known."""
    message, hashes = found.message, found.hashes
    verdicts = [
        each
        if isinstance(each, Dkim)
        else dkim.judge(each, message, hashes, answers[each.key_name], now, limits)
        for each in found.signatures
    ]
    if isinstance(found.chain, Arc):
        return tuple(verdicts), found.chain
    chain = arc.judge(found.chain, message, hashes, answers, now, limits)
    return tuple(verdicts), chain


def _authors(message: Message) -> tuple[str, ...]:
    """The domains that From names: none unless there is one From field, all of it readable.

    Source: RFC 7489 section 6.6.1; with two From fields nobody knows which one is shown.
    """
    fields = message.named(b"from")
    if len(fields) != 1:
        return ()
    domains: set[str] = set()
    for each in parse_mailboxes(fields[0].value):
        if each.domain is None:
            continue
        domain = ascii_name(each.domain.decode("utf-8", "replace"))
        if domain is None:
            return ()
        domains.add(domain)
    return tuple(sorted(domains))


def _address(ip: str | None) -> Address | None:
    try:
        return None if ip is None else ip_address(ip)
    except ValueError:
        return None
