"""check_host() against zones of our own (RFC 7208; its Appendix A in our words)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from agentpost.auth import spf
from agentpost.limits import AuthenticationLimits
from agentpost.model.authentication import Spf
from tests.zones import FAILS, ZoneResolver

LIMITS = AuthenticationLimits()
HOSTS: dict[str, dict[str, Any]] = {
    "example.com": {
        "MX": [(10, "mail-a.example.com"), (20, "mail-b.example.com")],
        "A": ["192.0.2.10", "192.0.2.11"],
    },
    "amy.example.com": {"A": ["192.0.2.65"]},
    "bob.example.com": {"A": ["192.0.2.66"]},
    "mail-a.example.com": {"A": ["192.0.2.129"], "AAAA": ["2001:db8::a"]},
    "mail-b.example.com": {"A": ["192.0.2.130"]},
    "example.org": {"MX": [(10, "mail-c.example.org")]},
    "mail-c.example.org": {"A": ["192.0.2.140"]},
    "10.2.0.192.in-addr.arpa": {"PTR": ["example.com"]},
    "65.2.0.192.in-addr.arpa": {"PTR": ["amy.example.com"]},
    "140.2.0.192.in-addr.arpa": {"PTR": ["mail-c.example.org"]},
    "4.0.0.10.in-addr.arpa": {"PTR": ["bob.example.com"]},
}


def zone(**records: str) -> dict[str, dict[str, Any]]:
    """``HOSTS`` with SPF records; double underscores stand for dots, ``at`` for example.com."""
    made = {name: dict(types) for name, types in HOSTS.items()}
    for name, record in records.items():
        place = "example.com" if name == "at" else name.replace("__", ".")
        made.setdefault(place, {})["TXT"] = [record]
    return made


async def verdict(
    where: dict[str, Any],
    address: str,
    sender: str = "user@example.com",
    helo: str = "mx.example.net",
) -> Spf:
    return await spf.check(ip_address(address), sender, helo, ZoneResolver(where), LIMITS)


async def passing(record: str, *addresses: str) -> set[str]:
    where = zone(at=record)
    return {each for each in addresses if (await verdict(where, each)).result == "pass"}


ALL = ("192.0.2.10", "192.0.2.11", "192.0.2.65", "192.0.2.129", "192.0.2.130", "192.0.2.140")


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=spf1 +all", set(ALL)),
        ("v=spf1 a -all", {"192.0.2.10", "192.0.2.11"}),
        ("v=spf1 a:example.org -all", set()),
        ("v=spf1 mx -all", {"192.0.2.129", "192.0.2.130"}),
        ("v=spf1 mx:example.org -all", {"192.0.2.140"}),
        ("v=spf1 mx mx:example.org -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
        ("v=spf1 mx/30 mx:example.org/30 -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
        ("v=spf1 ptr -all", {"192.0.2.10", "192.0.2.65"}),
        ("v=spf1 ip4:192.0.2.128/28 -all", {"192.0.2.129", "192.0.2.130", "192.0.2.140"}),
    ],
)
async def test_the_simple_examples_of_the_standard(record: str, expected: set[str]) -> None:
    """RFC 7208 appendix A.1."""
    assert await passing(record, *ALL) == expected


async def test_a_name_that_only_the_reverse_zone_claims_proves_nothing() -> None:
    """RFC 7208 appendix A.1: 10.0.0.4 says it is bob, bob does not say so."""
    assert await passing("v=spf1 ptr -all", "10.0.0.4") == set()


async def test_include_and_redirect_over_several_domains() -> None:
    """RFC 7208 appendix A.2."""
    where = zone(
        example__org="v=spf1 include:example.com include:example.net -all",
        at="v=spf1 ip4:192.0.2.1 -all",
        example__net="v=spf1 ip4:192.0.2.2 ~all",
        la__example__org="v=spf1 redirect=example.org",
    )
    for sender in ("a@example.org", "a@la.example.org"):
        assert (await verdict(where, "192.0.2.1", sender)).result == "pass"
        assert (await verdict(where, "192.0.2.2", sender)).result == "pass"
        assert (await verdict(where, "192.0.2.3", sender)).result == "fail"


async def test_lists_of_users_and_hosts_in_the_dns() -> None:
    """RFC 7208 appendix A.3."""
    where = zone(
        at="v=spf1 mx include:mobile-users._spf.%{d} include:remote-users._spf.%{d} -all",
    )
    under = "_spf.example.com"
    where["mobile-users." + under] = {"TXT": ["v=spf1 exists:%{l1r+}.%{d}"]}
    where["remote-users." + under] = {"TXT": ["v=spf1 exists:%{ir}.%{l1r+}.%{d}"]}
    where["mary.mobile-users." + under] = {"A": ["127.0.0.2"]}
    where["15.15.168.192.joel.remote-users." + under] = {"A": ["127.0.0.2"]}
    assert (await verdict(where, "198.51.100.1", "mary@example.com")).result == "pass"
    assert (await verdict(where, "198.51.100.1", "mary+x@example.com")).result == "pass"
    assert (await verdict(where, "192.168.15.15", "joel@example.com")).result == "pass"
    assert (await verdict(where, "192.168.15.16", "joel@example.com")).result == "fail"


async def test_several_requirements_at_once() -> None:
    """RFC 7208 appendix A.4: the address in a range and its name in the domain."""
    where = zone(at="v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all")
    where["ip4._spf.example.com"] = {"TXT": ["v=spf1 -ip4:192.0.2.0/24 +all"]}
    where["ptr._spf.example.com"] = {"TXT": ["v=spf1 -ptr:example.com +all"]}
    assert (await verdict(where, "192.0.2.65")).result == "pass"
    assert (await verdict(where, "192.0.2.140")).result == "fail"
    assert (await verdict(where, "198.51.100.1")).result == "fail"


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1", "neutral"),
        ("v=spf1 ip4:203.0.113.1", "neutral"),
        ("v=spf1 ?all", "neutral"),
        ("v=spf1 ~all", "softfail"),
        ("v=spf1 -all", "fail"),
        ("v=spf1 +all -all", "pass"),
        ("v=spf1 foo=bar -all", "fail"),
        ("v=spf1 +all moo", "permerror"),
        ("v=spf1 include:nothing.example -all", "permerror"),
        ("v=spf1 include:example.org -all", "permerror"),
        ("v=spf1 redirect=nothing.example", "permerror"),
        ("v=spf1 redirect=example.com", "permerror"),
        ("v=spf1 include:example.com -all", "permerror"),
        ("v=spf1 a:broken.example -all", "temperror"),
        ("v=spf1 mx:broken.example -all", "temperror"),
        ("v=spf1 exists:broken.example -all", "temperror"),
        ("v=spf1 include:broken.example -all", "temperror"),
        ("v=spf1 redirect=broken.example", "temperror"),
        ("v=spf1 ptr:broken.example ~all", "softfail"),
        ("v=spf1 a:bad..example -all", "fail"),
        ("v=spf1 mx:example.com -all", "fail"),
    ],
)
async def test_each_way_out_has_its_result(record: str, result: str) -> None:
    where = zone(at=record)
    where["broken.example"] = FAILS  # type: ignore[assignment]
    found = await verdict(where, "198.51.100.1")
    assert found.result == result
    assert found.domain == "example.com"
    assert bool(found.reason) == (result in {"permerror", "temperror"})


async def test_two_records_are_none_that_counts() -> None:
    where = zone()
    where["example.com"]["TXT"] = ["v=spf1 +all", "v=spf1 -all", "other"]
    assert (await verdict(where, "192.0.2.1")).result == "permerror"
    where["example.com"]["TXT"] = ["v=spf10 -all", "other", "v=spf1 +all"]
    assert (await verdict(where, "192.0.2.1")).result == "pass"


@pytest.mark.parametrize(
    "sender",
    ["a@nothing.example", "a@localhost", "a@[192.0.2.1]", "a@b..c", "a@" + "x" * 64 + ".y"],
)
async def test_what_is_no_domain_has_no_policy(sender: str) -> None:
    assert (await verdict(zone(), "192.0.2.1", sender)).result == "none"


async def test_the_null_reverse_path_is_judged_by_the_name_of_the_host() -> None:
    """RFC 7208 section 2.4: as though postmaster at that name had written."""
    where = zone(mx__example__net="v=spf1 exists:%{l}.%{o}.%{h} -all")
    where["postmaster.mx.example.net.mx.example.net"] = {"A": ["127.0.0.2"]}
    found = await verdict(where, "192.0.2.1", "", "mx.example.net")
    assert (found.result, found.domain) == ("pass", "mx.example.net")


async def test_addresses_of_both_families() -> None:
    where = zone(at="v=spf1 ip6:2001:db8:1::/48 mx//64 a:six.example//128 -all")
    where["six.example"] = {"AAAA": ["2001:db8:5::5"], "A": ["192.0.2.200"]}
    results = {
        "2001:db8:1::5": "pass",
        "2001:db8::1234": "pass",
        "2001:db8:5::5": "pass",
        "2001:db8:5::6": "fail",
        "::ffff:192.0.2.129": "pass",
        "192.0.2.200": "pass",
        "192.0.2.201": "fail",
    }
    for address, result in results.items():
        assert (await verdict(where, address)).result == result, address


async def test_ten_terms_may_ask_and_no_more() -> None:
    """RFC 7208 section 4.6.4: over all records together."""
    where = zone(at="v=spf1 " + "a:mail-a.example.com " * 10 + "-all")
    assert (await verdict(where, "198.51.100.1")).result == "fail"
    where = zone(at="v=spf1 " + "a:mail-a.example.com " * 11 + "-all")
    assert (await verdict(where, "198.51.100.1")).result == "permerror"
    where = zone(
        at="v=spf1 include:example.net " + "a:mail-a.example.com " * 5 + "-all",
        example__net="v=spf1 " + "mx:example.org " * 5 + "-all",
    )
    assert (await verdict(where, "198.51.100.1")).result == "permerror"


async def test_a_chain_of_records_ends() -> None:
    where = {f"d{i}.example": {"TXT": [f"v=spf1 include:d{i + 1}.example ~all"]} for i in range(40)}
    dns = ZoneResolver(where)
    found = await spf.check(ip_address("192.0.2.1"), "a@d0.example", "h.example", dns, LIMITS)
    assert found.result == "permerror"
    assert len(dns.asked) == 11


async def test_two_terms_may_lead_to_nothing_and_no_more() -> None:
    where = zone(at="v=spf1 a:n1.example exists:n2.example -all")
    assert (await verdict(where, "198.51.100.1")).result == "fail"
    where = zone(at="v=spf1 a:n1.example exists:n2.example mx:n3.example -all")
    assert (await verdict(where, "198.51.100.1")).result == "permerror"


async def test_many_mail_exchangers_are_an_error_and_many_names_are_cut() -> None:
    """RFC 7208 section 4.6.4: the one set is the publisher's, the other the client's."""
    where = zone(at="v=spf1 mx -all")
    where["example.com"]["MX"] = [(i, f"m{i}.example.com") for i in range(11)]
    assert (await verdict(where, "198.51.100.1")).result == "permerror"
    where = zone(at="v=spf1 ptr -all")
    names = [f"a{i:02}.other.example" for i in range(10)] + ["z.example.com"]
    where["1.100.51.198.in-addr.arpa"] = {"PTR": names}
    where |= {name: {"A": ["198.51.100.1"]} for name in names}
    assert (await verdict(where, "198.51.100.1")).result == "fail"
    where["1.100.51.198.in-addr.arpa"] = {"PTR": names[1:]}
    assert (await verdict(where, "198.51.100.1")).result == "pass"


async def test_the_best_validated_name_is_the_domain_itself() -> None:
    where = zone(at="v=spf1 exists:%{p}.ok.example -all")
    where["1.100.51.198.in-addr.arpa"] = {"PTR": ["a.example.com", "example.com", "q.example"]}
    for name in ("a.example.com", "example.com", "q.example"):
        where.setdefault(name, {}).update({"A": ["198.51.100.1"]})
    where["example.com.ok.example"] = {"A": ["127.0.0.2"]}
    assert (await verdict(where, "198.51.100.1")).result == "pass"
    where = zone(at="v=spf1 exists:%{p}.ok.example -all")
    where["unknown.ok.example"] = {"A": ["127.0.0.2"]}
    assert (await verdict(where, "198.51.100.1")).result == "pass"


async def test_a_macro_that_no_name_can_hold_matches_nothing() -> None:
    """RFC 8616 section 4: a local part beyond ASCII."""
    where = zone(at="v=spf1 exists:%{l}.%{d} ~all")
    assert (await verdict(where, "192.0.2.1", "bücher@example.com")).result == "softfail"


async def test_a_domain_in_another_script_is_asked_for_in_ascii() -> None:
    where = {"xn--bcher-kva.example": {"TXT": ["v=spf1 +all"]}}
    found = await verdict(where, "192.0.2.1", "a@Bücher.example")
    assert (found.result, found.domain) == ("pass", "xn--bcher-kva.example")


async def test_a_kelvin_sign_does_not_become_a_letter_of_another_domain() -> None:
    """Of what IDNA makes of it, the resolver is asked for the same name that is then shown."""
    dns = ZoneResolver({"bank.example": {"TXT": ["v=spf1 -all"]}})
    sender = "a@ban\N{KELVIN SIGN}.example"
    found = await spf.check(ip_address("192.0.2.1"), sender, "h.example", dns, LIMITS)
    assert dns.asked == [(found.domain, "TXT")]
