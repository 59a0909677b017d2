"""Mail that breaks parsers: each kind aims at one weakness seen in a real program."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.mailgen.octets import on_the_wire
from tests.mailgen.realistic import realistic

Kind = Callable[[Random], bytes]

_HEAD = b"From: a@example.com\r\nTo: b@inbox.example\r\nSubject: hostile\r\nMIME-Version: 1.0\r\n"


def _times(random: Random, most: int) -> int:
    """A count that is often small, sometimes the most."""
    return random.choice((1, 2, 3, 10, most // 10 + 1, most))


def nested_multiparts(random: Random) -> bytes:
    """Multiparts inside one another, closed or not."""
    depth = _times(random, 500)
    closed = random.random() < 0.5
    opening = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n)
        for n in range(depth)
    )
    closing = b"".join(b"\r\n--b%d--" % n for n in reversed(range(depth))) if closed else b""
    return _HEAD + opening + b"Content-Type: text/plain\r\n\r\nhi" + closing + b"\r\n"


def nested_messages(random: Random) -> bytes:
    """message/rfc822 inside message/rfc822."""
    return _HEAD + b"Content-Type: message/rfc822\r\n\r\n" * _times(random, 2000) + b"hi\r\n"


def boundary_prefix(random: Random) -> bytes:
    """An inner boundary that begins with the outer one, or the other way round."""
    outer, inner = random.choice(((b"x", b"xy"), (b"xy", b"x"), (b"x", b"x--"), (b"x", b"x")))
    return (
        _HEAD + b'Content-Type: multipart/mixed; boundary="' + outer + b'"\r\n\r\n--' + outer
        + b'\r\nContent-Type: multipart/alternative; boundary="' + inner + b'"\r\n\r\n--' + inner
        + b"\r\n\r\none\r\n--" + inner + b"--\r\n--" + outer + b"\r\n\r\ntwo\r\n--" + outer + b"--\r\n"
    )  # fmt: skip


def boundary_oddities(random: Random) -> bytes:
    """Boundaries that are empty, too long, padded, missing, quoted oddly or never used."""
    mark = random.choice(
        (b"", b" ", b"a" * 200, b"a b", b'a\\"b', b"\xc3\xa9", b"--", b"'()+_,-./:=?")
    )
    form = random.choice((b'"%b"', b"%b", b'"%b', b"''%b", b'"%b"; boundary="second"'))
    body = b"\r\n--" + mark + random.choice((b"", b"  \t", b"x")) + b"\r\n\r\npart\r\n"
    tail = random.choice((b"", b"--" + mark + b"--", b"--" + mark + b"-- trailing\r\nepilogue"))
    return _HEAD + b"Content-Type: multipart/mixed; boundary=" + form % mark + b"\r\n" + body + tail


def many_parts(random: Random) -> bytes:
    """Thousands of empty parts."""
    return (
        _HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\n\r\n\r\n" * _times(random, 20_000) + b"--b--\r\n"
    )  # fmt: skip


def giant_header(random: Random) -> bytes:
    """One field that never ends, folded or not."""
    size = _times(random, 200_000)
    value = random.choice((b"x" * size, b" x\r\n" * (size // 4), b"\t\r\n " * (size // 4)))
    return b"X-Giant: " + value + b"\r\n" + _HEAD + b"\r\nhi\r\n"


def many_headers(random: Random) -> bytes:
    """Thousands of fields, some of them doubled ones that should be single."""
    name = random.choice((b"X-%d", b"Subject", b"From", b"Content-Type", b"Received", b""))
    count = _times(random, 10_000)
    lines = b"".join((name % n if b"%" in name else name) + b": v\r\n" for n in range(count))
    return lines + _HEAD + b"\r\nhi\r\n"


def header_nonsense(random: Random) -> bytes:
    """Lines that are no fields: no colon, space before it, only white space, 8-bit names."""
    odd = [
        b"no colon here",
        b"Subject : spaced",
        b": nameless",
        b" \t ",
        b" leading fold",
        b"\xff\xfe: x",
    ]
    odd += [
        b"From a@example.com Mon Jan  1 00:00:00 2024",
        b">From: quoted",
        b"Bcc\x00: z@example.com",
    ]
    lines = [*_HEAD.split(b"\r\n")[:-1], *random.sample(odd, random.randint(1, len(odd)))]
    random.shuffle(lines)
    return b"\r\n".join(lines) + b"\r\n\r\nbody\r\n"


def nuls(random: Random) -> bytes:
    """NUL octets anywhere."""
    octets = bytearray(realistic(random.randrange(1000)))
    for _ in range(random.randint(1, 50)):
        octets.insert(random.randrange(len(octets)), 0)
    return bytes(octets)


def bare_line_ends(random: Random) -> bytes:
    """CR, LF and CRLF mixed, and the ends of SMTP smuggling."""
    octets = realistic(random.randrange(1000))
    ends = (b"\r", b"\n", b"\r\n", b"\n\r", b"\r\r\n", b"\n.\n", b"\r\n.\r", b"\r.\r\n")
    pieces = octets.split(b"\r\n")
    return b"".join(piece + random.choice(ends) for piece in pieces)


def invalid_encoded_words(random: Random) -> bytes:
    """Encoded-words with unknown charsets, broken padding, injections, no end, by the thousand."""
    words = (
        b"=?utf-8?B?////?=", b"=?utf-8?q?=ZZ=?=", b"=?nonsense?q?x?=", b"=?utf-8?x?abc?=",
        b"=?utf-8?q?=0D=0ABcc:_victim@example.com?=", b"=?utf-8?b?DQpCY2M6IHg=?=", b"=?utf-8?q?",
        b"=?iso-2022-jp?b?GyRC?=", b"=?utf-7?q?+AAAA-?=", b"=?" * 50, b"=?utf-8?q?=00=01=1B?=",
        b"=?utf-8?q?=ED=A0=80?=", b"=?us-ascii'en?q?x?=", b"=?utf-16?b?2AA=?=", b"=?idna?q?xn--a?=",
    )  # fmt: skip
    chosen = random.choices(words, k=_times(random, 2000))
    joint = random.choice((b" ", b"", b"\r\n ", b"\t"))
    value = joint.join(chosen)
    return (
        b"From: " + value + b" <a@example.com>\r\nSubject: " + value + b"\r\nTo: " + value
        + b"\r\nMIME-Version: 1.0\r\n\r\nhi\r\n"
    )  # fmt: skip


def many_addresses(random: Random) -> bytes:
    """A thousand recipients, groups, comments, quotes, routes, look-alikes."""
    odd = (
        b"user%d@example.com", b'"a,b%d" <u@example.com>', b"G%d: a@b.example, c@d.example;",
        b"(c%d (nested (deeper))) x@example.com", b'"@evil.example"%d@example.com', b"<@r1,@r2:u%d@example.com>",
        b"a%d@[192.0.2.1]", b"a@example.com <b%d@example.com>", b"%d <", b";:%d,,", b'"unclosed %d',
        b"=?utf-8?q?a=40b=2Eexample?= <u%d@example.com>", b"(((((%d",
    )  # fmt: skip
    count = _times(random, 3000)
    value = b",\r\n ".join(random.choice(odd) % n for n in range(count))
    return b"From: a@example.com\r\nTo: " + value + b"\r\nCc: " + value + b"\r\n\r\nhi\r\n"


def deep_comments(random: Random) -> bytes:
    """Comments inside comments in structured fields."""
    depth = _times(random, 20_000)
    comment = b"(" * depth + b")" * random.choice((0, depth, depth // 2))
    return (
        b"From: "
        + comment
        + b" a@example.com\r\nDate: "
        + comment
        + b"\r\nTo: b"
        + comment
        + b"\r\n\r\nhi\r\n"
    )


def broken_dates(random: Random) -> bytes:
    """Dates that are impossible, ancient, in words, with absurd numbers and zones."""
    date = random.choice(
        (
            b"Mon, 32 Foo 2024 25:61:61 +9999",
            b"Thu, 01 Jan 1970 00:00:00 -0000",
            b"yesterday",
            b"",
            b"1 Jan 99999999999999999999 00:00:00 +0000",
            b"Fri, 31 Dec 9999 23:59:59 -2359",
            b"1 Jan 00 00:00 PST",
            b"\xd9\xa3 Jan 2024 00:00:00 +0000",
            b"9" * 5000,
            b"1 Jan 2024 " * 500,
            b"Mon, 1 Jan 2024 00:00:00 +0000 (" + b"x" * 5000,
        )
    )
    return b"Date: " + date + b"\r\n" + _HEAD + b"\r\nhi\r\n"


def parameters(random: Random) -> bytes:
    """Content-Type and Content-Disposition with endless, doubled, hostile parameters."""
    odd = (
        b"name*%d*=utf-8''x", b"name*%d=y", b"name*99999999999%d=z", b'name="a%d', b"=%d", b";%d;;",
        b"charset=x%d", b"filename*=utf-8'%%ZZ%d", b'filename="../../etc/passwd%d"', b"name*%d*=''%%0d%%0aX: y",
    )  # fmt: skip
    value = b";\r\n ".join(random.choice(odd) % n for n in range(_times(random, 5000)))
    return (
        _HEAD + b"Content-Type: text/plain; " + value + b"\r\nContent-Disposition: attachment; " + value
        + b"\r\n\r\nhi\r\n"
    )  # fmt: skip


def broken_encodings(random: Random) -> bytes:
    """Bodies that are not what Content-Transfer-Encoding says."""
    encoding = random.choice(
        (b"base64", b"quoted-printable", b"x-uuencode", b"8bit", b"nonsense", b"binary")
    )
    charset = random.choice(
        (b"utf-8", b"utf-16", b"utf-7", b"iso-2022-jp", b"unknown", b"\xff", b"hz", b"rot13")
    )
    body = random.choice(
        (random.randbytes(2000), b"=" * 3000, b"=\r\n" * 1000, b"A" * 3001, b"+AAA-" * 500)
    )
    return (
        _HEAD + b"Content-Type: text/html; charset=" + charset + b"\r\nContent-Transfer-Encoding: "
        + encoding + b"\r\n\r\n" + body
    )  # fmt: skip


def quotes(random: Random) -> bytes:
    """Look-alikes of quotations and attributions, to tire whatever strips them."""
    line = random.choice(
        (
            b"> ",
            b">" * 500,
            b"On x wrote",
            b"On Mon, x wrote:",
            b"-----Original",
            b"From: x",
            b"-- ",
        )
    )
    joint = random.choice((b"\r\n", b" ", b""))
    return _HEAD + b"\r\n" + joint.join([line] * _times(random, 5000)) + b"\r\n"


def markup(random: Random) -> bytes:
    """HTML that tires tree builders."""
    piece = random.choice(
        (
            b"<div>",
            b"<p><font color=%d>",
            b"<b><div></b>",
            b"<table><td>",
            b"<!--",
            b"&#99999999999;",
            b"<a href='",
        )
    )
    count = _times(random, 5000)
    body = b"".join(piece % n if b"%d" in piece else piece for n in range(count))
    return _HEAD + b"Content-Type: text/html\r\n\r\n" + body


def truncated(random: Random) -> bytes:
    """Realistic mail that stops anywhere."""
    octets = realistic(random.randrange(1000))
    return octets[: random.randrange(len(octets))]


def noise(random: Random) -> bytes:
    """Realistic mail with octets changed, and plain noise."""
    if random.random() < 0.3:
        return random.randbytes(random.randrange(5000))
    octets = bytearray(realistic(random.randrange(1000)))
    for _ in range(random.randint(1, 100)):
        octets[random.randrange(len(octets))] = random.randrange(256)
    return bytes(octets)


HOSTILE: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        nested_multiparts,
        nested_messages,
        boundary_prefix,
        boundary_oddities,
        many_parts,
        giant_header,
        many_headers,
        header_nonsense,
        nuls,
        bare_line_ends,
        invalid_encoded_words,
        many_addresses,
        deep_comments,
        broken_dates,
        parameters,
        broken_encodings,
        quotes,
        markup,
        truncated,
        noise,
    )
}
"""Every kind of hostile mail by its name; each takes a random source."""


def hostile(seed: int, *, kind: str | None = None, wire: bool = False) -> bytes:
    """The hostile message of this seed: of the named kind, or of any; up to about 500 KB.

    With ``wire`` it is made such that SMTP can carry it, which tames the line ends only.
    """
    random = Random(f"hostile {seed} {kind or ''}")
    octets = HOSTILE[kind or random.choice(list(HOSTILE))](random)
    return on_the_wire(octets) if wire else octets
