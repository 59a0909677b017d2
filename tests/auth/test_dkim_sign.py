"""Our signatures as others read them, and our keys as they are published."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import dkim as dkimpy  # type: ignore[import-untyped]
import pytest

from agentpost.auth.canonical import read
from agentpost.auth.dkim_sign import (
    SES_REWRITES,
    DkimKey,
    load_key,
    new_ed25519,
    new_rsa,
    record_strings,
    sign,
)
from agentpost.limits import AuthenticationLimits
from tests.mailgen import HOSTILE, REALISTIC, hostile, on_the_wire, realistic

NOW = 1_700_000_000.0


@cache
def keys() -> tuple[DkimKey, DkimKey]:
    return (
        load_key("example.com", "r1", new_rsa().private_pem),
        load_key("example.com", "e1", new_ed25519().private_pem),
    )


def names_of(field: bytes) -> list[str]:
    listed = field.replace(b"\r\n", b"").replace(b"\t", b"").split(b"h=")[1].split(b";")[0]
    return listed.decode().split(":")


def verified_elsewhere(octets: bytes, place: int) -> bool:
    texts = {f"{each.selector}._domainkey.example.com.".encode(): each.record for each in keys()}

    def look_up(name: bytes, timeout: float = 5) -> bytes:
        return texts[name].encode()

    other: Any = dkimpy.DKIM(octets)
    try:
        return bool(other.verify(place, dnsfunc=look_up))
    except dkimpy.ValidationError:
        return False


@pytest.mark.parametrize("kind", REALISTIC)
def test_another_program_verifies_both_signatures(kind: str) -> None:
    mail = on_the_wire(realistic(7, kind=kind))
    octets = sign(mail, keys(), NOW) + mail
    assert verified_elsewhere(octets, 0)
    assert verified_elsewhere(octets, 1)
    assert not verified_elsewhere(octets.replace(b"\r\n\r\n", b"\r\n\r\nx", 1), 0)


@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_the_message_the_fields_are_fields(kind: str) -> None:
    mail = b"From: a@example.com\r\n" + on_the_wire(hostile(3, kind=kind))
    fields = sign(mail, keys(), NOW)
    made = read(fields, AuthenticationLimits()).fields
    assert [each.name for each in made] == [b"dkim-signature", b"dkim-signature"]
    assert b"".join(each.octets for each in made) == fields
    assert fields.isascii()
    assert max(len(line) for line in fields.split(b"\r\n")) <= 78


def test_every_field_that_counts_is_named_once_more_than_it_stands_there() -> None:
    mail = b"From: a@example.com\r\nTo: b@x.org\r\nTo: c@x.org\r\nSender: s@x.org\r\n\r\n"
    names = names_of(sign(mail, keys()[:1], NOW))
    assert names.count("from") == 2
    assert names.count("to") == 3
    assert names.count("cc") == 1
    assert names.count("sender") == 1
    sealed = {"subject", "date", "message-id", "reply-to", "in-reply-to", "references"}
    assert sealed | {"mime-version", "content-type"} <= {*names}


def test_what_a_relay_writes_anew_is_not_signed() -> None:
    mail = b"From: a@example.com\r\nDate: x\r\nMessage-ID: <a@b>\r\nSubject: s\r\n\r\nbody\r\n"
    fields = sign(mail, keys(), NOW, left_out=SES_REWRITES)
    assert not {"date", "message-id"} & {*names_of(fields)}
    assert verified_elsewhere(fields + mail.replace(b"Date: x", b"Date: y"), 0)


def test_a_message_without_an_author_is_not_signed() -> None:
    with pytest.raises(ValueError, match="From"):
        sign(b"To: a@example.com\r\n\r\n", keys(), NOW)


def test_records_fit_the_strings_of_the_dns() -> None:
    """R47: what a domain's owner is told to publish."""
    made = new_rsa()
    strings = record_strings(made.record)
    assert "".join(strings) == made.record
    assert [len(each) <= 255 for each in strings] == [True, True]
    assert made.record.startswith("v=DKIM1; k=rsa; p=MII")
    assert record_strings(new_ed25519().record)[0].startswith("v=DKIM1; k=ed25519; p=")
    assert load_key("example.com", "s", made.private_pem).record == made.record


@pytest.mark.parametrize(
    ("domain", "selector"),
    [("Example.com", "s"), ("example.com", "s;x"), ("com", "s"), ("a\r\nb.c", "s"), ("a.b", "")],
)
def test_names_that_cannot_stand_in_a_signature_are_refused(domain: str, selector: str) -> None:
    with pytest.raises(ValueError, match="lower-case names"):
        load_key(domain, selector, new_ed25519().private_pem)


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"."):
        load_key(
            "example.com", "s", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
        )


def test_a_signature_takes_milliseconds() -> None:
    mail = on_the_wire(realistic(1, kind="html"))
    sign(mail, keys(), NOW)
    begun = time.process_time()
    for _ in range(20):
        sign(mail, keys(), NOW)
    assert (time.process_time() - begun) / 20 < 0.02
