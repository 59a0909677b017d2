"""The whole question: who sent this?  With a name system made of mappings."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth import canonical
from agentpost.auth.canonical import Message
from agentpost.auth.dkim_sign import DkimKey, load_key, new_ed25519, sign
from agentpost.limits import AuthenticationLimits
from agentpost.mail import authentication
from agentpost.mail.authentication import authenticate, given_by_ses, shown
from agentpost.model.authentication import Authentication, Given
from tests.corpus.samples import samples
from tests.zones import FAILS, ZoneResolver

NOW = 1_700_000_000.0
MAIL = b"From: Joe <joe@example.com>\r\nTo: a@inbox.example\r\nSubject: s\r\n\r\nHello\r\n"


@cache
def key() -> DkimKey:
    return load_key("example.com", "s1", new_ed25519().private_pem)


def zone(**changes: Any) -> dict[str, Any]:
    return {
        "example.com": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
        "s1._domainkey.example.com": {"TXT": [key().record]},
        "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject"]},
        **{name.replace("__", "."): types for name, types in changes.items()},
    }


async def judged(
    octets: bytes,
    *,
    ip: str | None = "192.0.2.1",
    reverse_path: str = "bounce@example.com",
    where: dict[str, Any] | None = None,
    limits: AuthenticationLimits | None = None,
    relay: Given | None = None,
) -> Authentication:
    return await authenticate(
        octets,
        ip=ip,
        helo="mx.example.com",
        reverse_path=reverse_path,
        resolver=ZoneResolver(zone() if where is None else where),
        limits=limits,
        given=relay,
        now=NOW,
    )


def signed(mail: bytes = MAIL) -> bytes:
    return sign(mail, [key()], NOW) + mail


async def test_a_message_that_its_author_s_domain_sent() -> None:
    found = await judged(signed())
    assert shown(found) == {
        "spf": "pass",
        "dkim": [
            {
                "domain": "example.com",
                "selector": "s1",
                "algorithm": "ed25519-sha256",
                "result": "pass",
            }
        ],
        "dmarc": "pass",
        "arc": "none",
        "verified_domain": "example.com",
        "dmarc_policy": "reject",
    }
    assert msgspec.json.decode(msgspec.json.encode(shown(found))) == shown(found)


async def test_a_message_that_somebody_forged() -> None:
    found = await judged(MAIL, ip="198.51.100.66")
    said = shown(found)
    assert (said["spf"], said["dkim"], said["dmarc"]) == ("fail", [], "fail")
    assert said["verified_domain"] is None
    assert found.dmarc.disposition == "reject"


async def test_a_message_with_somebody_else_s_good_signature() -> None:
    """A stranger's SPF and DKIM pass, and prove nothing about the author."""
    mail = MAIL.replace(b"joe@example.com", b"ceo@bank.example")
    where = zone(_dmarc__bank__example={"TXT": ["v=DMARC1; p=quarantine"]})
    found = await judged(signed(mail), where=where)
    said = shown(found)
    assert (said["spf"], said["dkim"][0]["result"], said["dmarc"]) == ("pass", "pass", "fail")
    assert said["verified_domain"] is None


@pytest.mark.parametrize(
    "fields",
    [
        b"From: a@example.com\r\nFrom: b@bank.example\r\n",
        b"From: a@example.com, b@bank.example\r\n",
        b"From: a@example.com\r\nfrom : b@bank.example\r\n",
        b"From: nobody\r\n",
        b"From:\r\n",
        b"From: a@[192.0.2.1]\r\n",
        b"X: y\r\n",
        b"From: a@example.com\r\n" + b"X: y\r\n" * 30_000,
    ],
)
async def test_no_one_author_no_pass(fields: bytes) -> None:
    found = await judged(fields + b"\r\nHello\r\n")
    assert found.spf.result == "pass"
    assert (found.dmarc.result, found.verified_domain) == ("permerror", None)


async def test_the_host_is_not_known() -> None:
    found = await judged(signed(), ip=None)
    assert (found.spf.result, found.dmarc.result) == ("none", "pass")
    found = await judged(MAIL, ip=None, relay=given_by_ses("PASS", "PASS"))
    assert (found.spf.result, found.spf.domain) == ("pass", "example.com")
    assert found.verified_domain == "example.com"
    found = await judged(MAIL, ip=None, reverse_path="a@other.example", relay=Given(spf="pass"))
    assert (found.spf.result, found.dmarc.result) == ("pass", "fail")
    assert given_by_ses("GRAY", "PROCESSING_FAILED") == Given("none", "temperror")
    assert given_by_ses(None, "whatever") == Given()


async def test_our_own_look_goes_before_what_a_relay_says() -> None:
    found = await judged(MAIL, ip="198.51.100.66", relay=Given(spf="pass", dmarc="pass"))
    assert (found.spf.result, found.dmarc.result) == ("fail", "fail")
    where = zone(_dmarc__example__com=FAILS)
    assert (await judged(MAIL, where=where)).dmarc.result == "temperror"
    found = await judged(MAIL, where=where, relay=Given(dmarc="fail"))
    assert found.dmarc.result == "fail"


async def test_one_of_many_things_fails_alone() -> None:
    where = zone(s1___domainkey__example__com=FAILS)
    found = await judged(signed(), where=where)
    assert [each.result for each in found.dkim] == ["temperror"]
    assert (found.spf.result, found.dmarc.result) == ("pass", "pass")


class Silent(ZoneResolver):
    """A name system that never answers."""

    async def txt(self, name: str) -> tuple[bytes, ...]:
        await trio.sleep_forever()
        raise AssertionError


async def test_silence_costs_the_deadline_and_is_a_temporary_error(
    autojump_clock: trio.testing.MockClock,
) -> None:
    found = await authenticate(
        signed(),
        ip="192.0.2.1",
        helo="h.example",
        reverse_path="a@example.com",
        resolver=Silent({}),
        now=NOW,
    )
    assert trio.current_time() <= 40
    said = shown(found)
    assert (said["spf"], said["dkim"][0]["result"]) == ("temperror", "temperror")
    assert (said["dmarc"], said["arc"], said["verified_domain"]) == ("temperror", "none", None)


class Broken(ZoneResolver):
    """A name system with a fault that nobody thought of."""

    async def txt(self, name: str) -> tuple[bytes, ...]:
        raise ZeroDivisionError(name)


async def test_a_fault_of_ours_costs_the_verdict_and_not_the_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = await authenticate(
        signed(),
        ip="192.0.2.1",
        helo="h.example",
        reverse_path="a@example.com",
        resolver=Broken({}),
        now=NOW,
    )
    assert found.dmarc.result == "temperror"
    assert "could not be authenticated" in caplog.text
    assert "Hello" not in caplog.text


async def test_a_large_message_is_worked_on_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: set[int] = set()

    def noted(octets: bytes, limits: AuthenticationLimits) -> Message:
        threads.add(threading.get_ident())
        return canonical.read(octets, limits)

    monkeypatch.setattr(authentication, "read", noted)
    assert (await judged(signed())).dkim[0].result == "pass"
    assert threads == {threading.get_ident()}
    threads.clear()
    mail = MAIL + b"a line of text \t with spaces\r\n" * 5_000
    assert (await judged(signed(mail))).dkim[0].result == "pass"
    assert threads
    assert threading.get_ident() not in threads


async def test_every_message_of_the_corpus_gets_a_verdict() -> None:
    for sample in samples():
        found = await judged(sample.octets, where={})
        assert found.dmarc.result in {"none", "permerror"}, sample.name
        assert found.verified_domain is None, sample.name
        assert not [each for each in found.dkim if each.result == "pass"], sample.name
        assert msgspec.json.encode(shown(found)), sample.name


@given(st.binary(max_size=400), st.text(max_size=30), st.text(max_size=30))
def test_nothing_that_a_stranger_writes_raises(octets: bytes, path: str, helo: str) -> None:
    async def look() -> None:
        for mail in (octets, b"ARC-Seal:" + octets, b"From:" + octets, signed() + octets):
            await authenticate(
                mail, ip="::1", helo=helo, reverse_path=path, resolver=ZoneResolver({}), now=NOW
            )

    trio.run(look)
