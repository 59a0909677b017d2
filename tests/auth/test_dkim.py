"""Signatures judged: our own, the standard's, tampered ones and hostile ones (RFC 6376)."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth import dkim
from agentpost.auth.canonical import read
from agentpost.auth.dkim import Answer, Signature
from agentpost.auth.dkim_sign import DkimKey, load_key, new_ed25519, new_rsa, sign
from agentpost.limits import AuthenticationLimits
from agentpost.model.authentication import Dkim
from agentpost.model.dns import LookupFailed, NoSuchName

LIMITS = AuthenticationLimits()
NOW = 1_700_000_000.0
MAIL = (
    b"From: Joe <joe@example.com>\r\nTo: a@example.org\r\nSubject:  Is  dinner\r\n ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700\r\n\r\nHi. \r\n\r\nJoe.\r\n\r\n"
)


@cache
def key(kind: str) -> DkimKey:
    made = new_rsa() if kind == "rsa" else new_ed25519()
    return load_key("example.com", kind, made.private_pem)


def records() -> dict[str, Answer]:
    return {
        f"{kind}._domainkey.example.com": (key(kind).record.encode(),) for kind in ("rsa", "ed")
    }


def verdicts(octets: bytes, keys: dict[str, Answer] | None = None, now: float = NOW) -> list[Dkim]:
    message = read(octets, LIMITS)
    found = dkim.signatures(message, LIMITS)
    hashes = dkim.body_hashes(message, [e.body for e in found if isinstance(e, Signature)])
    keys = records() if keys is None else keys
    return [
        dkim.judge(each, message, hashes, keys.get(each.key_name, NoSuchName("")), now, LIMITS)
        if isinstance(each, Signature)
        else each
        for each in found
    ]


def signed(mail: bytes = MAIL, *kinds: str) -> bytes:
    return sign(mail, [key(kind) for kind in kinds or ("rsa", "ed")], NOW) + mail


def results(octets: bytes, keys: dict[str, Answer] | None = None) -> list[str]:
    return [each.result for each in verdicts(octets, keys)]


def test_what_is_signed_verifies() -> None:
    found = verdicts(signed())
    assert [(e.result, e.domain, e.selector, e.algorithm, e.reason) for e in found] == [
        ("pass", "example.com", "rsa", "rsa-sha256", ""),
        ("pass", "example.com", "ed", "ed25519-sha256", ""),
    ]


_NAMES = [found.span() for found in re.finditer(rb"^[A-Za-z-]+:", MAIL, re.MULTILINE)]
_COUNTING = [
    found.start()
    for found in re.finditer(rb"[A-Za-z0-9]", MAIL)
    if not any(start <= found.start() < end for start, end in _NAMES)
]


@given(st.sampled_from(_COUNTING), st.sampled_from(["rsa", "ed"]))
def test_any_change_of_a_letter_breaks_the_signature(place: int, kind: str) -> None:
    changed = MAIL[:place] + bytes([MAIL[place] ^ 1]) + MAIL[place + 1 :]
    assert results(sign(MAIL, [key(kind)], NOW) + changed) == ["fail"]


@pytest.mark.parametrize(
    "name", [b"From", b"To", b"Cc", b"Subject", b"Date", b"Message-ID", b"Reply-To", b"References"]
)
def test_no_field_that_counts_can_be_added(name: bytes) -> None:
    octets = signed()
    assert results(name + b": evil@example.net\r\n" + octets) == ["fail", "fail"]
    inside = octets.replace(b"To: a@example.org\r\n", b"To: a@example.org\r\n" + name + b": x\r\n")
    assert results(inside) == ["fail", "fail"]


def test_what_a_relay_may_do_does_not_break_a_signature() -> None:
    octets = signed()
    changed = b"Received: from x by y\r\nX-Spam: no\r\n" + octets.replace(
        b"Subject:  Is  dinner\r\n ready?", b"SUBJECT: Is dinner\r\n\tready? "
    )
    assert results(changed.replace(b"Hi. \r\n", b"Hi.\t\r\n") + b"\r\n\r\n") == ["pass", "pass"]
    assert results(octets.replace(b"\r\n", b"\n")) == ["pass", "pass"], "LENIENT_LONE_LF"


@pytest.mark.parametrize(
    ("answer", "result", "reason"),
    [
        (NoSuchName("x"), "permerror", "no key record"),
        (LookupFailed("x", "silence"), "temperror", "silence"),
        ((), "permerror", "no key record"),
        ((b"v=spf1 -all",), "permerror", "no key record"),
        ((b"v=DKIM1; p=",), "permerror", "revoked"),
        ((b"v=DKIM2; p=QQ==",), "permerror", "version"),
        ((b"p=QQ==; v=DKIM1",), "permerror", "version"),
        ((b"v=DKIM1; k=dsa; p=QQ==",), "permerror", "type"),
        ((b"v=DKIM1; p=QQ==",), "permerror", "not an RSA key"),
        ((b"v=DKIM1; p=Q",), "permerror", "base64"),
        ((b"v=DKIM1; k=ed25519; p=QQ==",), "permerror", "32 octets"),
        ((b"v=DKIM1; t; p=QQ==",), "permerror", "not a tag"),
        ((b"v=DKIM1; p=" + b"A" * 5000,), "permerror", "too long"),
    ],
)
def test_a_key_that_is_not_there_or_not_usable(answer: Answer, result: str, reason: str) -> None:
    (found,) = verdicts(signed(MAIL, "rsa"), {"rsa._domainkey.example.com": answer})
    assert found.result == result
    assert reason in found.reason


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ("h=sha1:sha256;", "pass"),
        ("h=sha1;", "permerror"),
        ("s=email;", "pass"),
        ("s=*;", "pass"),
        ("s=chat;", "permerror"),
        ("t=y;", "pass"),
        ("t=s;", "pass"),
        ("n=a note; x9=unknown;", "pass"),
    ],
)
def test_what_a_key_record_allows(change: str, result: str) -> None:
    record = key("rsa").record.replace("k=rsa;", "k=rsa; " + change).encode()
    keys: dict[str, Answer] = {"rsa._domainkey.example.com": (b"v=spf1 -all", b"garbage", record)}
    assert results(signed(MAIL, "rsa"), keys) == [result]


def test_a_key_of_another_type_than_the_signature() -> None:
    keys: dict[str, Answer] = {"rsa._domainkey.example.com": (key("ed").record.encode(),)}
    (found,) = verdicts(signed(MAIL, "rsa"), keys)
    assert (found.result, found.reason) == (
        "permerror",
        "the key is of another type than the signature",
    )


def test_a_bare_rsa_public_key_is_understood_as_well() -> None:
    """RFC 6376 section 3.6.1 speaks of RSAPublicKey, its examples hold the other structure."""
    private = key("rsa").private
    assert isinstance(private, rsa.RSAPrivateKey)
    bare = private.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    keys: dict[str, Answer] = {
        "rsa._domainkey.example.com": (b"v=DKIM1; p=" + base64.b64encode(bare),)
    }
    assert results(signed(MAIL, "rsa"), keys) == ["pass"]


def test_weak_keys_and_hashes_prove_nothing() -> None:
    """RFC 8301 sections 3.1 and 3.2."""
    (found,) = verdicts(signed(MAIL, "rsa").replace(b"a=rsa-sha256", b"a=rsa-sha1"))
    assert found.result == "permerror"
    assert "RFC 8301" in found.reason
    # 512 bits: a test key that mail-dkim publishes.
    short = (
        b"v=DKIM1; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALgSoqXVSEmfcIsOzw7oRuCCOwsmtX/SJnTWxY"
        b"yj2leFxfS/AVJ+dYfY+hXqMsT7l+MZvvh/R1WzN4MO/kI/7XsCAwEAAQ=="
    )
    wide = rsa.RSAPublicNumbers(65_537, (1 << 8_200) + 1).public_key()
    der = wide.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for record, why in ((short, "too short"), (b"p=" + base64.b64encode(der), "too long")):
        (found,) = verdicts(signed(MAIL, "rsa"), {"rsa._domainkey.example.com": (record,)})
        assert found.result == "policy"
        assert why in found.reason


def rewritten(**tags: str | None) -> bytes:
    """The Ed25519 signature with tags changed, added or taken away, and made anew."""
    mail = MAIL
    field = sign(mail, [key("ed")], NOW).decode()
    for name, value in tags.items():
        pattern = rf"(?<=[;\s]){name}=[^;]*;"
        new = "" if value is None else f"{name}={value};"
        field, count = re.subn(pattern, new, field)
        if not count and new:
            field = field.replace(" v=1;" if "v=1" in field else ":", f" v=1; {new}", 1)
    return _sealed(field, mail)


def _sealed(field: str, mail: bytes) -> bytes:
    """A field whose signature is made for what its other tags say."""
    head, _, _ = field.partition("b=\r\n")
    octets = (head + "b=\r\n").encode()
    unread = read(octets + mail, LIMITS)
    found = [e for e in dkim.signatures(unread, LIMITS) if isinstance(e, Signature)]
    if not found:
        return octets + mail
    covered = dkim.signed_octets(found[0], unread)
    private = key("ed").private
    signature = private.sign(hashlib.sha256(covered).digest())  # type: ignore[call-arg]
    return octets[:-2] + base64.b64encode(signature) + b"\r\n" + mail


@pytest.mark.parametrize(
    ("tags", "result"),
    [
        ({}, "pass"),
        ({"v": "2"}, "neutral"),
        ({"v": None}, "permerror"),
        ({"d": None}, "permerror"),
        ({"s": None}, "permerror"),
        ({"bh": None}, "permerror"),
        ({"h": None}, "permerror"),
        ({"h": "to:subject"}, "permerror"),
        ({"h": "from::to"}, "neutral"),
        ({"h": "from:" * 1001 + "to"}, "neutral"),
        ({"h": "FROM : to"}, "pass"),
        ({"a": "rsa-md5"}, "neutral"),
        ({"a": "rsa-sha256"}, "permerror"),
        ({"c": "relaxed"}, "fail"),
        ({"c": "simple/relaxed"}, "pass"),
        ({"c": "nofws"}, "neutral"),
        ({"d": "com"}, "neutral"),
        ({"d": "exa mple.com"}, "neutral"),
        ({"q": "dns/txt"}, "pass"),
        ({"q": "http"}, "neutral"),
        ({"i": "joe@sub.example.com"}, "pass"),
        ({"i": "@badexample.com"}, "permerror"),
        ({"i": "@com"}, "permerror"),
        ({"t": "123456789012"}, "pass"),
        ({"t": "soon"}, "neutral"),
        ({"t": "1234567890123"}, "neutral"),
        ({"x": "1800000000"}, "pass"),
        ({"x": "1700000000"}, "neutral"),
        ({"t": "1500000000", "x": "1600000000"}, "policy"),
        ({"l": "-1"}, "neutral"),
        ({"l": "9" * 76}, "permerror"),
        ({"l": "9" * 77}, "neutral"),
        ({"bh": "@@@"}, "neutral"),
        ({"zz": "unknown"}, "pass"),
    ],
)
def test_every_tag_is_held_to_its_grammar(tags: dict[str, str | None], result: str) -> None:
    (found,) = verdicts(rewritten(**tags))
    assert found.result == result, found.reason
    assert (found.reason == "") == (result == "pass")


def test_the_key_may_bind_the_identity_to_the_domain() -> None:
    octets = rewritten(i="joe@sub.example.com")
    record = key("ed").record.replace("k=ed25519;", "k=ed25519; t=s;").encode()
    assert results(octets, {"ed._domainkey.example.com": (record,)}) == ["permerror"]


def test_a_body_signed_in_part_is_not_accepted() -> None:
    """RFC 6376 section 8.2: whoever signs less than all lets anybody add the rest."""
    body = b"Hi.\r\n\r\nJoe.\r\n"
    whole = rewritten(l=str(len(body)))
    assert results(whole) == ["pass"]
    (found,) = verdicts(whole + b"Buy this!\r\n")
    assert found.result == "policy"
    assert "unsigned" in found.reason


_STANDARD = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :
 date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
"""
_STANDARD_KEYS: dict[str, Answer] = {
    "brisbane._domainkey.football.example.com": (
        b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    ),
    "test._domainkey.football.example.com": (
        (
            b"v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6"
            b"Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL"
            b"6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
        ),
    ),
}


def test_the_example_of_the_ed25519_standard() -> None:
    """RFC 8463 appendix A, both signatures."""
    assert results(_STANDARD, _STANDARD_KEYS) == ["pass", "pass"]


def test_only_so_many_signatures_are_looked_at() -> None:
    octets = sign(MAIL, [key("ed")] * 40, NOW) + MAIL
    assert len(verdicts(octets)) == LIMITS.max_signatures


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b" ;",
        b" v=1; v=1",
        b" v=1;; a=b",
        b" =x",
        b" v=1; a=\x00",
        b" v=1; a=b; b=c; bh=d; d=\xff\xfe; h=from; s=x",
        b" v=1; " + b";" * 200,
        b" v=1; a=" + b"x" * 40_000,
    ],
)
def test_a_field_that_cannot_be_read_is_neutral_or_worse(field: bytes) -> None:
    (found,) = verdicts(b"DKIM-Signature:" + field + b"\r\n" + MAIL)
    assert found.result in {"neutral", "permerror"}
    assert found.reason.isprintable()


@given(st.binary(max_size=200))
def test_no_signature_field_can_make_the_judge_fail(octets: bytes) -> None:
    for field in (octets, b" v=1; a=ed25519-sha256; d=a.b; s=c; h=from; bh=QQ==; b=QQ==;" + octets):
        for found in verdicts(b"DKIM-Signature:" + field.replace(b"\n", b"") + b"\r\n" + MAIL):
            assert found.result != "pass"


def test_many_names_and_fields_are_judged_in_linear_time() -> None:
    mail = b"From: a@b.example\r\n" + b"X: y\r\n" * 15_000 + b"\r\nbody\r\n"
    field = sign(mail, [key("ed")], NOW).replace(b"h=from:", b"h=" + b"x:" * 900 + b"from:")
    begun = time.process_time()
    assert results(field + mail) == ["fail"]
    assert time.process_time() - begun < 2


def test_no_key_is_shown_in_a_log() -> None:
    made = new_ed25519()
    assert "PRIVATE" not in repr(made)
    private = key("ed").private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert private.decode().split("\n")[1] not in repr(key("ed"))
