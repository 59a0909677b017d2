"""Canonical forms (RFC 6376 section 3.4), compared with a slow reading of the standard."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.auth.canonical import (
    Form,
    HeaderTooLarge,
    canonical_body,
    canonical_field,
    read,
)
from agentpost.limits import AuthenticationLimits

LIMITS = AuthenticationLimits()
pieces = st.lists(
    st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"B", b":", b"\r", b".", b"\xc3\xa4"])
).map(b"".join)


def slow_body(body: bytes, form: Form) -> bytes:
    """Line by line, as sections 3.4.3 and 3.4.4 say it."""
    lines = body.split(b"\r\n")
    if form == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"\r\n" if form == "simple" else b""
    return b"\r\n".join(lines) + b"\r\n"


@pytest.mark.parametrize("form", ["simple", "relaxed"])
@given(body=pieces)
def test_bodies_are_as_the_standard_says(form: Form, body: bytes) -> None:
    assert canonical_body(body, form) == slow_body(body, form)


@given(pieces, st.sampled_from(["simple", "relaxed"]))
def test_a_canonical_body_is_its_own_canonical_form(body: bytes, form: Form) -> None:
    once = canonical_body(body, form)
    assert canonical_body(once, form) == once


def test_the_examples_of_the_standard() -> None:
    """RFC 6376 section 3.4.5."""
    message = read(b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n", LIMITS)
    assert [canonical_field(each.octets, "relaxed") for each in message.fields] == [
        b"a:X\r\n",
        b"b:Y Z\r\n",
    ]
    assert [canonical_field(each.octets, "simple") for each in message.fields] == [
        b"A: X\r\n",
        b"B : Y\t\r\n\tZ  \r\n",
    ]
    assert canonical_body(message.body, "relaxed") == b" C\r\nD E\r\n"
    assert canonical_body(message.body, "simple") == b" C \r\nD \t E\r\n"


@given(st.binary(max_size=300))
def test_nothing_of_any_octets_is_lost(octets: bytes) -> None:
    octets = re.sub(rb"(?<!\r)\n", b"\r\n", octets)
    message = read(octets, LIMITS)
    fields = b"".join(each.octets for each in message.fields)
    assert (fields + b"\r\n" + message.body).startswith(octets.removesuffix(b"\r\n"))


def test_fields_have_names_however_they_are_written() -> None:
    octets = b"From someone Mon: 1\nSubject : a\n b\nno field\n:empty\nX-Y:\n\nbody\n"
    message = read(octets, LIMITS)
    names = [each.name for each in message.fields]
    assert names == [b"from someone mon", b"subject", b"", b"", b"x-y"]
    assert message.fields[1].value == b" a\r\n b\r\n"
    assert message.body == b"body\r\n"


@pytest.mark.parametrize(
    "octets", [b"", b"\r\n", b"\r\n\r\n", b"a", b"A: b", b"A: b\r\n", b"A: b\r\n\r\n", b" x\r\n"]
)
def test_messages_with_hardly_anything_in_them(octets: bytes) -> None:
    message = read(octets, LIMITS)
    assert message.body == b"" or octets == b"\r\n\r\n"


def test_a_header_beyond_all_measure_is_not_read() -> None:
    for octets in (b"A: " + b"x" * (1 << 20), b"A:\r\n" * 20_002):
        with pytest.raises(HeaderTooLarge):
            read(octets + b"\r\n\r\nbody", LIMITS)


@pytest.mark.parametrize(
    "piece", [b" ", b"\t", b" \r\n", b"\r\n", b"\r", b" \t", b"a ", b"\n", b"\n\r", b"\r\n\r"]
)
def test_hostile_bodies_take_time_that_grows_with_their_length(piece: bytes) -> None:
    octets = b"A: b\r\n\r\n" + piece * ((4 << 20) // len(piece))
    begun = time.process_time()
    message = read(octets, LIMITS)
    for form in ("simple", "relaxed"):
        canonical_body(message.body, form)
        canonical_field(b"a:" + octets[8 : 8 + (1 << 20)] + b"\r\n", form)
    assert time.process_time() - begun < 5
