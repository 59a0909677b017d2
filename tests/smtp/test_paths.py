"""The grammar of addresses."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentpost.smtp.wire.paths import BadPath, NeedsSmtpUtf8, mailbox

_LABEL = "b" * 63


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("a@ext.test", "a@ext.test"),
        ("a.b+c@ext.test", "a.b+c@ext.test"),
        ("!#$%&'*+/=?^_`{|}~-@x", "!#$%&'*+/=?^_`{|}~-@x"),
        ("|sh@ext.test", "|sh@ext.test"),
        ("a%ext.test@shared.test", "a%ext.test@shared.test"),
        ("a@localhost", "a@localhost"),
        ("a@1.2.3.4", "a@1.2.3.4"),
        ("a@xn--bcher-kva.test", "a@xn--bcher-kva.test"),
        ('"a"@ext.test', "a@ext.test"),
        ('"a.b"@ext.test', "a.b@ext.test"),
        (r'"\a"@ext.test', "a@ext.test"),
        ('"a b"@ext.test', '"a b"@ext.test'),
        ('""@ext.test', '""@ext.test'),
        ('"a..b"@ext.test', '"a..b"@ext.test'),
        (r'"a\"b\\"@ext.test', r'"a\"b\\"@ext.test'),
        ('"a@b"@ext.test', '"a@b"@ext.test'),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@[IPv6:::1]", "a@[IPv6:::1]"),
        ("a@[ipv6:2001:DB8:0:0::1]", "a@[IPv6:2001:db8::1]"),
        ("a@[IPv6:::ffff:192.0.2.1]", "a@[IPv6:::ffff:c000:201]"),
        ("@x.test:a@ext.test", "a@ext.test"),
        ("@x.test,@y.test:a@ext.test", "a@ext.test"),
        ("a" * 64 + "@ext.test", "a" * 64 + "@ext.test"),
        (f"a@{_LABEL}.test", f"a@{_LABEL}.test"),
    ],
)
def test_valid(given: str, address: str) -> None:
    found = mailbox(given.encode(), smtputf8=False)
    # The textual form of an embedded IPv4 address differs between Python versions.
    assert found.replace("192.0.2.1]", "c000:201]") == address.replace("192.0.2.1]", "c000:201]")
    assert mailbox(found.encode(), smtputf8=False) == found


@pytest.mark.parametrize(
    "given",
    [
        "",
        "a",
        "@",
        "a@",
        "@ext.test",
        "a@b@ext.test",
        ".a@ext.test",
        "a.@ext.test",
        "a..b@ext.test",
        "a b@ext.test",
        "a(c)@ext.test",
        "a,b@ext.test",
        "a:b@ext.test",
        "a;@ext.test",
        "a\\b@ext.test",
        "a@ext.test.",
        "a@.ext.test",
        "a@ext..test",
        "a@-ext.test",
        "a@ext-.test",
        "a@ext_.test",
        "a@ext.test ",
        " a@ext.test",
        "a@ext.test\0@evil.test",
        "a\x7f@ext.test",
        "a\r\n@ext.test",
        '"a@ext.test',
        '"a"b@ext.test',
        'a"b"@ext.test',
        '"a\r"@ext.test',
        '"a\0"@ext.test',
        '"a\\',
        "a@[192.0.2.256]",
        "a@[192.0.2]",
        "a@[IPv6:]",
        "a@[IPv6:1::2::3]",
        "a@[IPv6:fe80::1%eth0]",
        "a@[x400:c=us]",
        "a@[]",
        "a@[192.0.2.1",
        "@x.test a@ext.test",
        "@x.test,a@ext.test",
        "a" * 65 + "@ext.test",
        '"' + "a b" * 22 + '"@ext.test',
        f"a@b{_LABEL}.test",
        "a@" + ".".join(["b" * 60] * 5),
        "a@" + ("b." * 130) + "test",
    ],
)
@pytest.mark.parametrize("smtputf8", [False, True])
def test_invalid(given: str, smtputf8: bool) -> None:
    with pytest.raises(BadPath):
        mailbox(given.encode(), smtputf8=smtputf8)


@pytest.mark.parametrize("given", ["а@ext.test", "用户@例子.测试", '"ü"@ext.test', "a@bücher.test"])
def test_beyond_ascii(given: str) -> None:
    with pytest.raises(NeedsSmtpUtf8):
        mailbox(given.encode(), smtputf8=False)
    assert mailbox(given.encode(), smtputf8=True) == given


@pytest.mark.parametrize(
    "given",
    [
        "a@ⓔxt.test",
        "a@ext。test",
        "a@Bücher。test",
        "a\u2028b@ext.test",
        "a\u202eb@ext.test",
        "a\u00a0b@ext.test",
        '"a\u0085b"@ext.test',
        "a@e\u200dxt.test",
        "a@" + "ü" * 32 + ".test",
        "ü" * 33 + "@ext.test",
        "a@-ü.test",
    ],
)
def test_characters_that_no_address_has(given: str) -> None:
    with pytest.raises(BadPath):
        mailbox(given.encode(), smtputf8=True)


def test_octets_that_are_not_utf8() -> None:
    with pytest.raises(BadPath) as caught:
        mailbox(b"\xff@ext.test", smtputf8=True)
    assert not isinstance(caught.value, NeedsSmtpUtf8)


@given(st.binary(max_size=60) | st.text(alphabet='a.@"\\<>[]:,-é', max_size=20).map(str.encode))
@example(b'"\\"@x')
@example(b"@a:@b:c@d")
def test_every_input_has_one_answer_that_reads_as_itself(octets: bytes) -> None:
    try:
        address = mailbox(octets, smtputf8=True)
    except BadPath:
        return
    assert mailbox(address.encode(), smtputf8=True) == address
    assert not any(character < " " for character in address)


def test_long_input_costs_linear_time() -> None:
    for hostile in (b'"' * 100_000, b"\\" * 100_000, b"a." * 50_000, b"@a," * 30_000):
        with pytest.raises(BadPath):
            mailbox(hostile[:254], smtputf8=True)
        with pytest.raises(BadPath):
            mailbox(hostile, smtputf8=True)
