"""Forms with files (RFC 7578): what was put in comes out, and nothing hostile costs more."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.errors import UnknownField
from agentpost.http.forms import FormPart, read_form
from agentpost.limits import FileLimits

BOUNDARY = "----X'()+_,-./:=?9"
TYPE = f'multipart/form-data; charset=utf-8; boundary="{BOUNDARY}"'
NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters='"\\'), min_size=1
)
PARTS = st.builds(
    FormPart,
    name=NAMES,
    filename=st.none() | NAMES,
    media=st.none() | st.sampled_from(["text/plain", "application/pdf"]),
    octets=st.binary(max_size=300)
    | st.sampled_from([b"\r\n", b"--" + BOUNDARY[:-1].encode(), b"\r\n--", b"\r\n\r\n"]),
)


def _apart(part: FormPart) -> bool:
    """Whoever writes a form chooses a boundary that is in none of its parts."""
    return f"--{BOUNDARY}".encode() not in part.octets


def written(parts: list[FormPart]) -> bytes:
    lines = bytearray()
    for part in parts:
        lines += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part.name}"'.encode()
        if part.filename is not None:
            lines += f'; filename="{part.filename}"'.encode()
        if part.media is not None:
            lines += f"\r\nCONTENT-TYPE: {part.media}".encode()
        lines += b"\r\n\r\n" + part.octets + b"\r\n"
    return bytes(lines) + f"--{BOUNDARY}--\r\n".encode()


@given(st.lists(PARTS.filter(_apart), max_size=5))
def test_what_was_put_into_a_form_comes_out(parts: list[FormPart]) -> None:
    assert read_form(TYPE, written(parts)) == parts


@given(st.binary(max_size=400), st.booleans())
def test_octets_that_are_no_form_are_refused_or_read(octets: bytes, begins: bool) -> None:
    body = f"--{BOUNDARY}".encode() + octets if begins else octets
    try:
        parts = read_form(TYPE, body)
    except UnknownField:
        return
    assert sum(len(part.octets) for part in parts) <= len(body)


@given(st.lists(PARTS.filter(_apart), min_size=1, max_size=3), st.data())
def test_a_form_that_was_cut_is_refused(parts: list[FormPart], data: st.DataObject) -> None:
    whole = written(parts)
    cut = data.draw(st.integers(0, len(whole) - 5))  # The last line end may be left out.
    with pytest.raises(UnknownField):
        read_form(TYPE, whole[:cut])


@pytest.mark.parametrize(
    "content_type",
    ["", "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary="
     + "x" * 71, "nonsense"],
)  # fmt: skip
def test_a_form_needs_its_boundary(content_type: str) -> None:
    with pytest.raises(UnknownField):
        read_form(content_type, written([]))


def test_parts_are_bounded() -> None:
    part = FormPart("a", None, None, b"")
    limits = FileLimits(form_parts=3)
    assert len(read_form(TYPE, written([part] * 3), limits)) == 3
    with pytest.raises(UnknownField):
        read_form(TYPE, written([part] * 4), limits)


def test_a_hostile_form_is_read_in_linear_time() -> None:
    began = time.process_time()
    almost = f"\r\n--{BOUNDARY[:-1]}".encode() * 200_000
    read_form(TYPE, written([FormPart("a", None, None, almost)]))
    for head in (b"\r\n" + b"x:" * 2_000_000, b"\r\n\r" * 2_000_000):
        with pytest.raises(UnknownField):
            read_form(TYPE, f"--{BOUNDARY}".encode() + head)
    assert time.process_time() - began < 2
