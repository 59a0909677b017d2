"""Where requests to customers' URLs may go (R03 and R04 of the attacks), and what is read there."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from agentpost import certificate, clock
from agentpost.net.egress import (
    Address,
    Egress,
    EgressFailed,
    EgressRefused,
    inner,
    permitted,
    public,
    target_of,
)
from agentpost.net.limits import EgressLimits
from agentpost.net.networks import networks
from tests.jobs.receiver import Receiver, answer, receiving

LOOPBACK = networks(("127.0.0.1/32",))

SPECIAL = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:1::1",
    "2001:2::1",
    "2001:3::1",
    "2001:10::1",
    "2001:20::1",
    "2001:30::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "192.0.1.1",
    "223.255.255.255",
    "2606:4700::1",
    "2a00:1450::1",
]


@pytest.mark.parametrize("text", SPECIAL)
def test_special_addresses_are_refused(text: str) -> None:
    assert not public(ip_address(text))
    assert not permitted(ip_address(text), ())


@pytest.mark.parametrize("text", PUBLIC)
def test_public_addresses_are_permitted(text: str) -> None:
    assert permitted(ip_address(text), ())


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:", "::", "64:ff9b::"]))
def test_an_address_inside_another_is_judged_by_what_it_means(
    four: IPv4Address, prefix: str
) -> None:
    six = IPv6Address(prefix + str(four))
    assert not permitted(six, ())
    only = networks((f"{four}/32",))
    if int(four) > 1:
        assert inner(six) == four
        assert permitted(six, only)


def test_what_is_allowed_besides_is_allowed_and_no_more() -> None:
    allowed = networks(("127.0.0.1/32", "10.1.0.0/16", "fd00::/8"))
    for text in ("127.0.0.1", "::ffff:127.0.0.1", "10.1.2.3", "fd00::1"):
        assert permitted(ip_address(text), allowed), text
    for text in ("127.0.0.2", "10.2.0.1", "fc00::1", "::1", "2002:0a02:1::"):
        assert not permitted(ip_address(text), allowed), text
    assert not permitted(IPv6Address("fd00::1%eth0"), allowed)


def written_in_attacks(corpus: Path) -> Iterator[str]:
    for line in (corpus / "attacks" / "attacks.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        if row["id"].startswith("R03.") and row["send"][0].startswith("webhook url "):
            yield row["send"][0].removeprefix("webhook url ")


AT_DELIVERY = (
    # What only a resolver or an answer tells; see test_webhook.py.
    "http://rebind.test/",
    "https://public.test/",
    "https://x.test/",
    "http://metadata.google.internal/",
    "https://own-api-host/",
)


def test_what_the_attacks_write_into_urls_is_refused(corpus: Path) -> None:
    urls = list(written_in_attacks(corpus))
    assert len(urls) > 20
    let_through = []
    for url in urls:
        if url.startswith(AT_DELIVERY):
            continue
        try:
            let_through.append((url, target_of(url)))
        except EgressRefused:
            pass
    assert let_through == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///x",
        "ftp://a.test/",
        "HTTPS://a.test/",
        "https://user@a.test/",
        "https://user:password@a.test/",
        "https://a.test/#x",
        "https://a.test/a b",
        "https://a.test/\r\nx: y",
        "https://a.test/\u00e9",
        "https://a.test\\@127.0.0.1/",
        "https://a..test/",
        "https://-a.test/",
        "https://a.test:0/",
        "https://a.test:22/",
        "https://a.test:6379/",
        "https://a.test:65536/",
        "https://a.test:\u0664/",
        "http://[::1%25lo]/",
        "http://[::1/",
        "http://1.2.3/",
        "http://1.2.3.4.5/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://017700000001/",
        "http://8.8.8.08/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "http://%31%32%37.0.0.1/",
    ],
)
def test_urls_that_are_not_plain_are_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        target_of(url)


def test_plain_urls_are_taken_apart() -> None:
    one = target_of("https://Hooks.Example.com./a/b?c=d&e=%20")
    assert (one.host, one.port, one.path) == ("hooks.example.com", 443, "/a/b?c=d&e=%20")
    assert one.authority == "hooks.example.com"
    assert target_of("http://a.test:8080").authority == "a.test:8080"
    assert target_of("http://a.test?x").path == "/?x"
    assert target_of("http://[2606:4700::1]/").authority == "[2606:4700::1]"
    assert target_of("https://b\u00fccher.example/").host == "xn--bcher-kva.example"
    assert target_of("http://localhost:3000/", LOOPBACK).host == "localhost"


@given(st.text(max_size=80), st.sampled_from(["", "http://", "https://", "http://[", "//"]))
def test_whatever_is_written_is_taken_apart_or_refused(text: str, prefix: str) -> None:
    try:
        target = target_of(prefix + text)
    except EgressRefused:
        return
    assert target.path.isascii()
    assert target.host.isascii()
    assert target.literal is None or permitted(target.literal, ())


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


async def here(host: str) -> tuple[Address, ...]:
    return (IPv4Address("127.0.0.1"),)


EGRESS = Egress(here, LOOPBACK)


async def test_the_connection_goes_to_the_address_that_was_checked(receiver: Receiver) -> None:
    asked = []

    async def once(host: str) -> tuple[Address, ...]:
        asked.append(host)
        return (IPv4Address("127.0.0.1"),)

    receiver.host = "public.test"
    receiver.says = lambda _: answer(201, "x-a: b\r\n", "thanks")
    got = await Egress(once, LOOPBACK).post(receiver.url("/x?y"), [("x-c", "d")], b"{}", 5)
    assert asked == ["public.test"]
    assert (got.status, got.field("x-a"), got.body) == (201, "b", b"thanks")
    (request,) = receiver.requests
    assert request.fields["host"] == f"public.test:{receiver.port}"
    assert (request.path, request.fields["x-c"], request.body) == ("/x?y", "d", b"{}")


@pytest.mark.parametrize(
    "found",
    [("10.0.0.1",), ("127.0.0.1", "::1"), ("127.0.0.1", "169.254.169.254"), ("64:ff9b::1",)],
)
async def test_one_bad_address_spoils_a_name(receiver: Receiver, found: tuple[str, ...]) -> None:
    async def lookup(host: str) -> tuple[Address, ...]:
        return tuple(map(ip_address, found))

    receiver.host = "mixed.test"
    with pytest.raises(EgressRefused):
        await Egress(lookup, LOOPBACK).post(receiver.url(), [], b"", 5)
    assert receiver.requests == []


async def test_redirects_are_answers(receiver: Receiver) -> None:
    receiver.says = lambda _: answer(302, f"location: {receiver.url('/elsewhere')}\r\n")
    assert (await EGRESS.post(receiver.url(), [], b"", 5)).status == 302
    assert len(receiver.requests) == 1


async def test_closed_doors_look_alike() -> None:
    async with receiving() as gone:
        url = gone.url()
    with pytest.raises(EgressFailed) as failed:
        await EGRESS.post(url, [], b"", 5)
    assert failed.value.reason == "connect_failed"


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "no_answer"),
        (b"hello\r\n\r\n", "no_answer"),
        (HEAD, "no_answer"),
        (HEAD + b"a: b\r\n" * 20_000 + b"\r\n", "no_answer"),
        (HEAD + b"a: " + b"b" * 200_000 + b"\r\n\r\n", "no_answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, "no_answer"),
    ],
)
async def test_what_is_no_answer(receiver: Receiver, octets: bytes, reason: str) -> None:
    receiver.says = lambda _: octets
    with pytest.raises(EgressFailed) as failed:
        await EGRESS.post(receiver.url(), [], b"x", 5)
    assert failed.value.reason == reason


async def test_a_long_body_is_read_to_a_bound(receiver: Receiver) -> None:
    async def flood() -> bytes:
        return HEAD + b"content-length: 100000000000\r\n\r\n" + b"x" * 3_000_000

    receiver.says = lambda _: flood()
    got = await EGRESS.post(receiver.url(), [], b"", 5)
    assert got.status == 200
    assert got.body == b"x" * EgressLimits().kept_octets


@pytest.mark.parametrize("drip", [b"", b"H"])
async def test_all_of_it_has_one_deadline(receiver: Receiver, drip: bytes) -> None:
    async def slow() -> bytes:
        await trio.sleep(60)
        return drip

    receiver.says = lambda _: slow()
    with pytest.raises(EgressFailed) as failed, trio.fail_after(5):
        await EGRESS.post(receiver.url(), [], b"", 0.1)
    assert failed.value.reason == "timeout"


async def test_tls_is_verified_for_the_name(tmp_path: Path) -> None:
    chain, key = tmp_path / "c.pem", tmp_path / "k.pem"
    made = certificate.make(["receiver.test"], clock.now())
    chain.write_bytes(made[0])
    key.write_bytes(made[1])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain, key)
    trusting = ssl.create_default_context(cafile=str(chain))
    async with receiving(server) as receiver:
        for host, context, reason in (
            ("receiver.test", None, "tls_failed"),
            ("other.test", trusting, "tls_failed"),
            ("receiver.test", trusting, None),
        ):
            receiver.host = host
            egress = Egress(here, LOOPBACK, context=context)
            if reason is None:
                assert (await egress.post(receiver.url(), [], b"", 5)).status == 200
                continue
            with pytest.raises(EgressFailed) as failed:
                await egress.post(receiver.url(), [], b"", 5)
            assert failed.value.reason == reason
