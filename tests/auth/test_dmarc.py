"""The author's domain and those who speak for it (RFC 7489)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth import dmarc
from agentpost.auth.dmarc import Record, organizational_domain, parse
from agentpost.model.authentication import Dkim, Dmarc, Spf
from tests.zones import FAILS, ZoneResolver

NO_SPF = Spf("none", "")


async def judged(
    author: str, records: dict[str, Any], *, spf: Spf = NO_SPF, dkim: tuple[Dkim, ...] = ()
) -> Dmarc:
    zone = {
        f"_dmarc.{name}": record if record is FAILS else {"TXT": record}
        for name, record in records.items()
    }
    return await dmarc.evaluate(author, spf, dkim, ZoneResolver(zone))


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("a.example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("com", "com"),
        ("alice.github.io", "alice.github.io"),
        ("mail.unknown-tld-of-tests", "mail.unknown-tld-of-tests"),
    ],
)
def test_the_registered_domain(name: str, registered: str) -> None:
    """RFC 7489 section 3.2."""
    assert organizational_domain(name) == registered


@pytest.mark.parametrize(
    ("record", "signer", "mail_from", "result"),
    [
        ("v=DMARC1; p=reject", "example.com", "", "pass"),
        ("v=DMARC1; p=reject", "news.example.com", "", "pass"),
        ("v=DMARC1; p=reject; adkim=s", "news.example.com", "", "fail"),
        ("v=DMARC1; p=reject; adkim=s", "www.example.com", "", "pass"),
        ("v=DMARC1; p=reject; adkim=s", "example.com", "", "fail"),
        ("v=DMARC1; p=reject", "example.net", "", "fail"),
        ("v=DMARC1; p=reject", "com", "", "fail"),
        ("v=DMARC1; p=reject", "badexample.com", "", "fail"),
        ("v=DMARC1; p=reject", "", "bounce.example.com", "pass"),
        ("v=DMARC1; p=reject; aspf=s", "", "bounce.example.com", "fail"),
        ("v=DMARC1; p=reject; aspf=s", "", "www.example.com", "pass"),
        ("v=DMARC1; p=reject; aspf=s", "example.com", "bounce.example.com", "pass"),
        ("v=DMARC1; p=reject", "", "", "fail"),
    ],
)
async def test_alignment(record: str, signer: str, mail_from: str, result: str) -> None:
    """RFC 7489 section 3.1."""
    dkim = (Dkim("fail", "www.example.com"), Dkim("pass", signer)) if signer else ()
    spf = Spf("pass", mail_from) if mail_from else Spf("fail", "www.example.com")
    found = await judged("www.example.com", {"www.example.com": record}, spf=spf, dkim=dkim)
    assert found.result == result
    assert found.disposition == ("none" if result == "pass" else "reject")
    assert found.aligned == (result == "pass")


@pytest.mark.parametrize("result", ["fail", "policy", "neutral", "permerror"])
async def test_only_a_pass_speaks_for_anybody(result: Any) -> None:
    dkim = (Dkim(result, "example.com"),)
    spf = Spf("softfail", "example.com")
    found = await judged("example.com", {"example.com": "v=DMARC1;p=none"}, spf=spf, dkim=dkim)
    assert (found.result, found.aligned) == ("fail", False)


async def test_the_policy_of_the_registered_domain_holds_below_it() -> None:
    """RFC 7489 section 6.6.3."""
    records = {"example.com": "v=DMARC1; p=reject; sp=quarantine; pct=20"}
    assert (await judged("example.com", records)).policy == "reject"
    found = await judged("a.b.example.com", records)
    assert (found.policy, found.policy_domain, found.percent) == ("quarantine", "example.com", 20)
    records["a.b.example.com"] = "v=DMARC1; p=none; sp=reject"
    found = await judged("a.b.example.com", records)
    assert (found.policy, found.policy_domain) == ("none", "a.b.example.com")
    assert (await judged("b.example.com", records)).policy == "quarantine"


@pytest.mark.parametrize(
    "records",
    [
        {},
        {"example.com": "v=spf1 -all"},
        {"example.com": ["v=DMARC1; p=reject", "v=DMARC1; p=none"]},
        {"example.com": "v=DMARC1; p=maybe"},
        {"example.com": "v=dmarc1; p=reject"},
        {"example.com": "p=reject; v=DMARC1"},
    ],
)
async def test_no_policy_is_no_verdict_yet_the_domain_may_be_proven(records: Any) -> None:
    found = await judged("example.com", records, spf=Spf("pass", "example.com"))
    assert (found.result, found.policy, found.aligned) == ("none", None, True)
    found = await judged("example.com", records)
    assert (found.result, found.disposition, found.aligned) == ("none", "none", False)


async def test_what_cannot_be_looked_up_is_no_verdict_either() -> None:
    assert (await judged("example.com", {"example.com": FAILS})).result == "temperror"
    records = {"example.com": "v=DMARC1; p=reject"}
    found = await judged("example.com", records, dkim=(Dkim("temperror", "example.com"),))
    assert (found.result, found.disposition) == ("temperror", "none")
    found = await judged("example.com", records, spf=Spf("temperror", "example.com"))
    assert found.result == "temperror"
    both = (Dkim("temperror", "example.com"), Dkim("pass", "example.com"))
    assert (await judged("example.com", records, dkim=both)).result == "pass"


@pytest.mark.parametrize(
    ("text", "record"),
    [
        (b"v=DMARC1;p=reject", Record("reject", "reject", False, False, 100)),
        (
            b"v = DMARC1 ; p = Quarantine ; sp=none;; adkim=s ;aspf=s; pct=7; junk; x=y;",
            Record("quarantine", "none", True, True, 7),
        ),
        (b"v=DMARC1; p=none; pct=900; adkim=x", Record("none", "none", False, False, 100)),
        (b"v=DMARC1; p=none; pct=-5", Record("none", "none", False, False, 100)),
        (b"v=DMARC1; rua=mailto:a@b.example", Record("none", "none", False, False, 100)),
        (
            b"v=DMARC1; p=reject; sp=bad; rua=mailto:a@b.example",
            Record("none", "none", False, False, 100),
        ),
        (b"v=DMARC1; p=reject; sp=bad", None),
        (b"v=DMARC1", None),
        (b"v=DMARC1; p=", None),
        (b"v=DMARC10; p=reject", None),
        (b"", None),
    ],
)
def test_records(text: bytes, record: Record | None) -> None:
    """RFC 7489 sections 6.3 and 6.6.3."""
    assert parse(text) == record


@given(st.binary(max_size=300))
def test_any_octets_are_a_record_or_none(octets: bytes) -> None:
    parse(octets)
    parse(b"v=DMARC1;" + octets)
