"""What stands in DNS, held against what should: each record, right, wrong and absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agentpost import clock
from agentpost.ids import DomainId, EnvironmentId, OrganizationId
from agentpost.limits import DomainLimits
from agentpost.mail.domainchecks import look
from agentpost.mail.domains import records_of, zone_file
from agentpost.model.domain import Domain, Finding, KeyRecord
from tests.zonefiles import TERMS, published
from tests.zones import FAILS, ZoneResolver

DOMAIN = Domain(
    id=DomainId("dom_01JQ8X5K2M3N4P5R6S7T8V9W00"),
    organization=OrganizationId("org_1"),
    environment=EnvironmentId("env_1"),
    name="acme.example",
    client_id=None,
    inbound=True,
    subdomains=True,
    catch_all=None,
    challenge="ToKeN",
    keys=(KeyRecord("ap-rsa-1", "rsa", "QUJD" * 90), KeyRecord("ap-ed25519-1", "ed25519", "QUJD")),
    relay_key_hosts=(),
    status="pending",
    reason=None,
    findings={},
    held=False,
    receives=False,
    checks=0,
    misses=0,
    missed_at=None,
    sought_since=clock.now(),
    asked_at=None,
    checked_at=None,
    check_at=None,
    version=1,
    created_at=clock.now(),
    updated_at=clock.now(),
)
KEY = DOMAIN.keys[0].public_key
RSA = "ap-rsa-1._domainkey.acme.example"
TXT = "acme.example"


async def found(zone: dict[str, Any]) -> dict[str, Finding | str]:
    return await look(ZoneResolver(zone), records_of(DOMAIN, TERMS), DomainLimits(max_found=3))


async def test_what_is_published_is_found() -> None:
    findings = await found(published(DOMAIN))
    assert {key for key, one in findings.items() if not isinstance(one, str)} == set(findings)
    assert [one.status for one in findings.values() if isinstance(one, Finding)] == ["found"] * len(
        findings
    )
    assert len(findings) == 9


async def test_what_is_not_published_is_missing() -> None:
    zones: list[dict[str, Any]] = [{}, {name: {} for name in published(DOMAIN)}]
    for zone in zones:
        for one in (await found(zone)).values():
            assert isinstance(one, Finding)
            assert one.status == "missing"
            assert one.reason


@pytest.mark.parametrize(
    ("key", "name", "kind", "records", "status"),
    [
        ("challenge", "_agentpost-challenge.acme.example", "TXT",
         ["x", "agentpost-verification=ToKeN"], "found"),
        ("challenge", "_agentpost-challenge.acme.example", "TXT",
         ["agentpost-verification=token"], "wrong"),
        ("mx", TXT, "MX", [(20, "mx.post.example"), (30, "backup.example")], "found"),
        ("mx", TXT, "MX", [(10, "mx.post.example"), (10, "other.example")], "found"),
        ("mx", TXT, "MX", [(10, "other.example"), (20, "mx.post.example")], "wrong"),
        ("mx", TXT, "MX", [(10, "other.example")], "wrong"),
        ("mx", TXT, "MX", [(0, "")], "wrong"),
        ("spf", TXT, "TXT", ["x", "V=SPF1 mx +INCLUDE:spf.post.example -all"], "found"),
        ("spf", TXT, "TXT", ["v=spf1 include:a.example -all"], "found"),
        ("spf", TXT, "TXT", ["v=spf1 redirect=a.example"], "found"),
        ("spf", TXT, "TXT", ["v=spf1 include:loop.example -all"], "wrong"),
        ("spf", TXT, "TXT", ["v=spf1 include:gone.example -all"], "wrong"),
        ("spf", TXT, "TXT", ["v=spf1 -include:spf.post.example ~all"], "wrong"),
        ("spf", TXT, "TXT", ["v=spf1 mx -all"], "wrong"),
        ("spf", TXT, "TXT", ["v=spf10 include:spf.post.example"], "missing"),
        ("spf", TXT, "TXT", ["v=spf1 -all", "v=spf1 include:spf.post.example ~all"], "wrong"),
        ("dkim_rsa", RSA, "TXT", [f"p={KEY[:50]} {KEY[50:]} ; k=rsa"], "found"),
        ("dkim_rsa", RSA, "TXT", [f"v=DKIM1;p={KEY}"], "found"),
        ("dkim_rsa", RSA, "TXT", [f"v=DKIM1; k=rsa; p={KEY[:255]}"], "wrong"),
        ("dkim_rsa", RSA, "TXT", ["v=DKIM1; k=rsa; p="], "wrong"),
        ("dkim_rsa", RSA, "TXT", [f"v=DKIM1; k=ed25519; p={KEY}"], "wrong"),
        ("dkim_rsa", RSA, "TXT", [f"v=DKIM2; p={KEY}"], "wrong"),
        ("dkim_rsa", RSA, "TXT", [f"v=DKIM1; p={KEY}", "v=DKIM1; p=QUJD"], "wrong"),
        ("dmarc", "_dmarc.acme.example", "TXT", ["v=DMARC1;p=Reject; rua=mailto:a@b.c"], "found"),
        ("dmarc", "_dmarc.acme.example", "TXT", ["v=DMARC1; rua=mailto:a@b.c"], "wrong"),
        ("dmarc", "_dmarc.acme.example", "TXT", ["v=DMARC1; p=none", "v=DMARC1; p=none"], "wrong"),
        ("dmarc", "_dmarc.acme.example", "TXT", ["hello"], "wrong"),
        ("imaps", "_imaps._tcp.acme.example", "SRV", [(5, 5, 993, "imap.post.example")], "found"),
        ("imaps", "_imaps._tcp.acme.example", "SRV", [(0, 1, 143, "imap.post.example")], "wrong"),
        ("subdomains_mx", "agentpost-any-subdomain.acme.example", "MX", [(1, "x.example")], "wrong"),
    ],
)  # fmt: skip
async def test_each_record_is_held_against_what_it_should_be(
    key: str, name: str, kind: str, records: list[Any], status: str
) -> None:
    zone = published(DOMAIN)
    zone[name] = {kind: records}
    zone["a.example"] = {"TXT": ["v=spf1 include:b.example ?all"]}
    zone["b.example"] = {"TXT": ["v=spf1 include:spf.post.example -all"]}
    zone["loop.example"] = {"TXT": ["v=spf1 include:loop.example include:acme.example"]}
    one = (await found(zone))[key]
    assert isinstance(one, Finding)
    assert one.status == status, one
    assert (one.reason is None) == (status == "found")


async def test_a_failed_lookup_is_no_finding() -> None:
    zone = published(DOMAIN)
    zone[RSA] = FAILS
    zone["acme.example"] = {"TXT": ["v=spf1 include:a.example"], "MX": FAILS}
    zone["a.example"] = FAILS
    findings = await found(zone)
    assert {key for key, one in findings.items() if isinstance(one, str)} == {
        "dkim_rsa", "mx", "spf",
    }  # fmt: skip


async def test_an_endless_chain_of_policies_is_followed_a_little() -> None:
    zone = published(DOMAIN)
    zone["acme.example"] = {"TXT": ["v=spf1 include:n0.example"]}
    for number in range(100):
        zone[f"n{number}.example"] = {"TXT": [f"v=spf1 include:n{number + 1}.example"]}
    dns = ZoneResolver(zone)
    findings = await look(dns, records_of(DOMAIN, TERMS), DomainLimits())
    spf = findings["spf"]
    assert isinstance(spf, Finding)
    assert spf.status == "wrong"
    assert len([name for name, _ in dns.asked if name.startswith("n")]) == 10


async def test_what_strangers_publish_is_bounded_and_printable() -> None:
    zone = published(DOMAIN)
    zone["_dmarc.acme.example"] = {"TXT": ["\x1b[31m" + "é\n" * 5000] * 50}
    one = (await found(zone))["dmarc"]
    assert isinstance(one, Finding)
    assert len(one.found) == 3
    assert all(len(text) <= 500 and text.isascii() and text.isprintable() for text in one.found)


def test_the_zone_file_holds_every_record_in_strings_that_fit() -> None:
    text = zone_file(DOMAIN, records_of(DOMAIN, TERMS))
    lines = text.splitlines()
    assert lines[1] == "$ORIGIN acme.example."
    assert "@\tIN\tMX\t10 mx.post.example." in lines
    assert "*\tIN\tMX\t10 mx.post.example. ; optional" in lines
    assert '_dmarc\tIN\tTXT\t"v=DMARC1; p=none"' in lines
    assert "_imaps._tcp\tIN\tSRV\t0 1 993 imap.post.example. ; optional" in lines
    (rsa,) = [line for line in lines if line.startswith("ap-rsa-1._domainkey\t")]
    strings = rsa.split('"')[1::2]
    assert "".join(strings) == f"v=DKIM1; k=rsa; p={KEY}"
    assert [len(string) for string in strings] == [255, len("".join(strings)) - 255]


def test_the_zone_file_is_read_by_another_s_parser() -> None:
    import dns.zone

    text = zone_file(DOMAIN, records_of(DOMAIN, TERMS))
    zone = dns.zone.from_text(text, origin="acme.example.", relativize=False, check_origin=False)
    assert len([*zone.iterate_rdatas()]) == 9


def test_without_inbound_there_is_no_mx() -> None:
    records = records_of(replace(DOMAIN, inbound=False), TERMS)
    assert not [record for record in records if record.type == "MX"]
