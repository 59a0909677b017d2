"""HTTP/1.1 heads and bodies: what is taken, what is refused, in whatever pieces it arrives."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.http import wire
from agentpost.http.wire import ChunkedBody, MalformedRequest, parse_head


def head(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bool = True) -> bytes:
    return b"\r\n".join((start, *((b"Host: x",) if host else ()), *lines))


def test_a_plain_head() -> None:
    parsed = parse_head(
        head(b"Accept:  text/plain \t", b"accept: */*", start=b"GET /a%20b?q=1&m[k]=2 HTTP/1.1")
    )
    assert (parsed.method, parsed.path, parsed.query) == ("GET", "/a%20b", "q=1&m[k]=2")
    assert parsed.field(b"accept") == "text/plain, */*"
    assert parsed.framing == "none"
    assert parsed.keep_alive


SMUGGLING = {
    "CL and TE": (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "TE and CL": (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "CL twice": (b"Content-Length: 5", b"Content-Length: 6"),
    "CL twice, equal": (b"Content-Length: 5", b"content-length: 5"),
    "CL list": (b"Content-Length: 5, 5",),
    "CL signed": (b"Content-Length: +5",),
    "CL negative": (b"Content-Length: -1",),
    "CL hexadecimal": (b"Content-Length: 0x5",),
    "CL underscore": (b"Content-Length: 1_0",),
    "CL Arabic digits": ("Content-Length: ٥".encode(),),
    "CL empty": (b"Content-Length:",),
    "CL huge": (b"Content-Length: 99999999999999999999",),
    "TE twice": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "TE list": (b"Transfer-Encoding: gzip, chunked",),
    "TE identity": (b"Transfer-Encoding: identity",),
    "TE with vertical tab": (b"Transfer-Encoding: \x0bchunked",),
    "TE quoted": (b'Transfer-Encoding: "chunked"',),
    "space before colon": (b"Content-Length : 5",),
    "folded": (b"X-A: b", b" c"),
    "folded TE": (b"Transfer-Encoding:", b" chunked"),
    "bare LF": (b"X-A: b\nX-C: d",),
    "bare CR": (b"X-A: b\rX-C: d",),
    "NUL in value": (b"X-A: b\0c",),
    "NUL in name": (b"X-\0A: b",),
    "DEL": (b"X-A: b\x7f",),
    "no colon": (b"X-A",),
    "empty name": (b": b",),
    "name not a token": (b"X(A): b",),
    "name not ASCII": ("Ünder: b".encode(),),
    "two hosts": (b"Host: y",),
    "two authorizations": (b"Authorization: Bearer a", b"Authorization: Bearer b"),
}


@pytest.mark.parametrize("lines", SMUGGLING.values(), ids=SMUGGLING)
def test_smuggling_is_refused(lines: tuple[bytes, ...]) -> None:
    with pytest.raises(MalformedRequest) as refused:
        parse_head(head(*lines, start=b"POST / HTTP/1.1"))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "host", [b"", b"a b", b"a/b", b"a@b", b"x:y", b"x:123456", b"[::1", b"-x", b"x,y", b"\xff"]
)
def test_a_bad_host_is_refused(host: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_head(b"GET / HTTP/1.1\r\nHost: " + host)


@pytest.mark.parametrize("host", [b"x", b"a.example:8080", b"127.0.0.1", b"[::1]:80", b"a_b"])
def test_a_good_host_is_taken(host: bytes) -> None:
    assert parse_head(b"GET / HTTP/1.1\r\nHost: " + host).field(b"host") == host.decode()


def test_a_missing_host_is_refused_in_1_1_only() -> None:
    with pytest.raises(MalformedRequest):
        parse_head(head(host=False))
    assert not parse_head(head(start=b"GET / HTTP/1.0", host=False)).keep_alive


@pytest.mark.parametrize(
    "target",
    [
        *(b"http://x/", b"x:443", b"*", b"", b"a", b"/\xc3\xa4", b"/%", b"/%4", b"/%zz", b"/%00"),
        *(b"/a#b", b'/"', b"/<", b"/a[b]", b"/?a%00"),
    ],
)
def test_odd_targets_are_refused(target: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_head(head(start=b"GET " + target + b" HTTP/1.1"))


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"PRI * HTTP/2.0", 505),
        (b"GET / HTTP/1.2", 505),
        (b"GET /", 400),
        (b"GET / HTTP/1.1 ", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET\t/ HTTP/1.1", 400),
        (b"GET / http/1.1", 400),
        ("GET / HTTP/1.¹".encode(), 400),
        (b"", 400),
    ],
)
def test_odd_request_lines_are_refused(start: bytes, status: int) -> None:
    with pytest.raises(MalformedRequest) as refused:
        parse_head(head(start=start))
    assert refused.value.status == status


def test_connection_options() -> None:
    assert not parse_head(head(b"Connection: Keep-Alive, CLOSE")).keep_alive
    assert parse_head(head(b"Connection: Upgrade", b"Upgrade: websocket")).upgrade
    assert not parse_head(head(b"Connection: upgrade")).upgrade


@given(st.binary(max_size=300))
def test_any_octets_are_a_head_or_refused(octets: bytes) -> None:
    with contextlib.suppress(MalformedRequest):
        assert parse_head(octets).path.startswith(("/", "*"))


@given(
    st.lists(
        st.tuples(
            st.from_regex(rb"\A[A-Za-z][A-Za-z0-9-]{0,10}\Z"),
            st.from_regex(rb"\A[!-~\x80-\xff]([\t -~\x80-\xff]{0,20}[!-~])?\Z"),
        ),
        max_size=8,
    )
)
def test_fields_are_kept_in_order(fields: list[tuple[bytes, bytes]]) -> None:
    named = [(b"x-" + name, value) for name, value in fields]
    parsed = parse_head(head(*(name + b": " + value for name, value in named)))
    for name in {name.lower() for name, _ in named}:
        values = [value for other, value in named if other.lower() == name]
        assert parsed.fields[name] == b", ".join(values)


@pytest.mark.parametrize(
    "octets", [b"GET " * 20_000, b"X" * 60_000 + b":", b"G / H" + b"\r\na:" * 20_000]
)
def test_hostile_heads_take_linear_time(octets: bytes) -> None:
    with pytest.raises(MalformedRequest):
        parse_head(octets)


def encode_chunks(pieces: list[bytes], extension: bytes = b"", trailers: bytes = b"") -> bytes:
    chunks = b"".join(b"%X%b\r\n%b\r\n" % (len(p), extension, p) for p in pieces if p)
    return chunks + b"0\r\n" + trailers + b"\r\n"


@given(
    st.lists(st.binary(max_size=40), max_size=6),
    st.lists(st.integers(0, 300), max_size=6),
    st.binary(max_size=20),
    st.sampled_from([b"", b";a=b", b" ; x"]),
    st.sampled_from([b"", b"X-A: b\r\n"]),
)
def test_chunks_do_not_depend_on_how_the_octets_arrive(
    pieces: list[bytes], cuts: list[int], after: bytes, extension: bytes, trailers: bytes
) -> None:
    octets = encode_chunks(pieces, extension, trailers) + after
    points = sorted(min(cut, len(octets)) for cut in cuts)
    decoder = ChunkedBody()
    got = b""
    rest = b""
    for start, end in zip([0, *points], [*points, len(octets)], strict=True):
        if decoder.done:
            rest += octets[start:end]
        else:
            got += decoder.feed(octets[start:end])
    assert decoder.done
    assert got == b"".join(pieces)
    assert decoder.rest + rest == after


@pytest.mark.parametrize(
    "octets",
    [
        *(b"G\r\n", b"-1\r\n", b"0x5\r\n", b" 5\r\n", b"\r\n", b"5\nhello\n", b"5\r\nhelloXX\r\n"),
        *(b"123456789\r\n", b"FFFFFFFFFFFFFFFFFFFF\r\n", b"5;" + b"a" * 600, b"1" * 600),
        *(b"5\r\nhello\n0\r\n", b"0\r\nbad trailer\r\n", b"0\r\n" + b"a: b\r\n" * 40, b"5\r\r\n"),
        *(b"5\r\nhello6\r\n", b"\n", b"5;\0\r\n", "٥\r\n".encode()),
    ],
)
def test_broken_chunks_are_refused(octets: bytes) -> None:
    decoder = ChunkedBody()
    with pytest.raises(MalformedRequest):
        decoder.feed(octets)


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0", "\x7f", "\r", "\u0100"])
def test_response_fields_cannot_be_split(value: str) -> None:
    with pytest.raises(ValueError, match=r"character|latin-1"):
        wire.response_head(200, [("x-a", value)], date=b"", length=0, close=False)


def test_a_response_head() -> None:
    date = wire.DateLine().at(784111777)
    assert wire.response_head(404, [("a", "b")], date=date, length=3, close=True) == (
        b"HTTP/1.1 404 Not Found\r\na: b\r\ncontent-length: 3\r\n"
        b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\nconnection: close\r\n\r\n"
    )
    assert b"content-length" not in wire.response_head(204, [], date=date, length=0, close=False)
