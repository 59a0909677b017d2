"""Logins of IMAP and SMTP: who guesses is refused, over either protocol (R131, I08.01)."""

from __future__ import annotations

from typing import cast

import pytest
import trio
from trio.testing import MockClock

from agentpost.errors import AuthenticationFailed, Forbidden, RateLimited
from agentpost.ids import EnvironmentId, InboxId, OrganizationId
from agentpost.limits import IdentityLimits
from agentpost.mail.logins import Logins
from agentpost.model.actor import Actor, Scope
from agentpost.model.inbox import LocalAddress
from agentpost.store.authentication import Authentication, Protocol

HERE, ELSEWHERE = "203.0.113.9", "203.0.113.10"
_LOCAL = LocalAddress(
    InboxId("inb_1"), OrganizationId("org_1"), EnvironmentId("env_1"), "a@b.c", None, False, False
)


class _Known:
    """Knows one password; another is right and may not do this."""

    asked = 0

    async def by_login(
        self, username: str, password: str, *, protocol: Protocol, peer: str | None
    ) -> tuple[Actor, Scope, LocalAddress]:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        match password:
            case "right":
                return Actor(_LOCAL.organization, "mc_1", frozenset()), _LOCAL.scope, _LOCAL
            case "unfit":
                raise Forbidden
            case _:
                raise AuthenticationFailed


@pytest.fixture
def known() -> _Known:
    return _Known()


@pytest.fixture
def logins(known: _Known) -> Logins:
    return Logins(cast(Authentication, known), IdentityLimits(failed_logins_per_minute=3))


async def _guess(logins: Logins, times: int, protocol: Protocol, peer: str = HERE) -> None:
    for _ in range(times):
        with pytest.raises(AuthenticationFailed):
            await logins.login("a@b.c", "wrong", protocol=protocol, peer=peer)


async def test_guesses_over_both_protocols_count_together(
    logins: Logins, known: _Known, autojump_clock: MockClock
) -> None:
    await _guess(logins, 2, "smtp")
    await _guess(logins, 1, "imap")
    for protocol in ("smtp", "imap"):
        with pytest.raises(RateLimited) as refused:
            await logins.login("a@b.c", "right", protocol=protocol, peer=HERE)
        assert 0 < (refused.value.retry_after or 0) <= 60
    assert known.asked == 3
    await logins.login("a@b.c", "right", protocol="smtp", peer=ELSEWHERE)
    await trio.sleep(60)
    await logins.login("a@b.c", "right", protocol="smtp", peer=HERE)


async def test_one_ipv6_network_is_one_guesser(logins: Logins, autojump_clock: MockClock) -> None:
    for host in range(3):
        await _guess(logins, 1, "smtp", f"2001:db8::{host}")
    with pytest.raises(RateLimited):
        await logins.login("a@b.c", "right", protocol="smtp", peer="2001:db8::99%eth0")
    await logins.login("a@b.c", "right", protocol="smtp", peer="2001:db8:0:1::1")


async def test_who_knows_the_password_is_no_guesser(
    logins: Logins, autojump_clock: MockClock
) -> None:
    for _ in range(5):
        with pytest.raises(Forbidden):
            await logins.login("a@b.c", "unfit", protocol="smtp", peer=HERE)
    await logins.login("a@b.c", "right", protocol="smtp", peer=HERE)
