"""Mail as it is really sent: people, lists, shops, calendars, servers."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.mailgen.octets import (
    base64_body,
    boundary,
    date,
    encoded_word,
    message_id,
    moment,
    multipart,
    on_the_wire,
    part,
    quoted_printable,
    unstructured,
)
from tests.mailgen.words import DOMAINS, Writer, paragraphs, sentence, writer

Kind = Callable[[Random], bytes]

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)
MAILERS = (
    "Mozilla Thunderbird",
    "Apple Mail (2.3774.300.61)",
    "Microsoft Outlook 16.0",
    "mutt/2.2.9",
)


def _mailbox(who: Writer, random: Random) -> bytes:
    """The writer as an address with a display name."""
    if not who.name.isascii():
        return encoded_word(who.name, who.charset, random) + f" <{who.email}>".encode()
    if random.random() < 0.3:
        return f"{who.email} ({who.name})".encode()
    return f'"{who.name}" <{who.email}>'.encode()


def _header(random: Random, who: Writer, subject: str, *fields: bytes) -> bytes:
    """The header of a message up to its Content- fields, ending in a line end."""
    domain = who.email.partition("@")[2]
    to = ", ".join(f"user{random.randrange(50)}@inbox.example" for _ in range(random.randint(1, 3)))
    lines = [
        b"Return-Path: <" + who.email.encode() + b">",
        b"Received: from mx." + domain.encode() + b" (mx." + domain.encode() + b" [192.0.2.1])\n"
        b"\tby in.inbox.example with ESMTPS id %08x;\n\t"
        % random.getrandbits(32)
        + date(moment(random)),
        b"Date: " + date(moment(random)),
        b"From: " + _mailbox(who, random),
        b"To: " + to.encode(),
        b"Subject: " + unstructured(subject, who.charset, random),
        b"Message-ID: " + message_id(random, domain),
        b"MIME-Version: 1.0",
        *fields,
    ]
    if random.random() < 0.2:
        lines.insert(5, b"Cc: Team <team@" + random.choice(DOMAINS).encode() + b">")
    if random.random() < 0.5:
        lines.append(b"X-Mailer: " + random.choice(MAILERS).encode())
    return b"\n".join(lines) + b"\n"


def _text_part(random: Random, who: Writer, text: str, subtype: str = "plain") -> bytes:
    """``text`` in the writer's charset and some transfer encoding that fits it."""
    octets = text.encode(who.charset)
    kind = f"text/{subtype}; charset={who.charset}".encode()
    choices = ["quoted-printable", "base64"]
    choices += ["7bit"] * 4 if octets.isascii() else ["8bit"]
    encoding = random.choice(choices)
    body = {"quoted-printable": quoted_printable, "base64": base64_body}.get(encoding, bytes)(
        octets
    )
    return part(kind, body, b"Content-Transfer-Encoding: " + encoding.encode())


def _lines(random: Random, who: Writer) -> list[str]:
    """Greeting, some paragraphs, perhaps a signature."""
    lines = [who.tongue.greeting.format(name=random.choice(who.tongue.names)), ""]
    lines += paragraphs(random, who.tongue, random.randint(1, 4))
    ending = random.randrange(4)
    if ending == 0:
        lines += ["-- ", who.name, who.email]
    elif ending == 1:
        lines += [who.tongue.sent_from]
    return lines


def _html(lines: list[str]) -> str:
    """The lines as a mail program would mark them up."""
    body = "".join(f"<div>{line or '<br>'}</div>\n" for line in lines)
    return (
        '<html><head><meta http-equiv="Content-Type" content="text/html"><style>'
        "p {margin: 0}</style></head>\n<body>" + body + "</body></html>\n"
    )


def _subject(random: Random, who: Writer) -> str:
    """A few words."""
    return sentence(random, who.tongue, random.randint(2, 7)).rstrip(".\u3002")


def plain(random: Random) -> bytes:
    """A person's text mail."""
    who = writer(random)
    text = "\n".join(_lines(random, who)) + "\n"
    return _header(random, who, _subject(random, who)) + _text_part(random, who, text)


def bare(random: Random) -> bytes:
    """Text mail of a script: no MIME at all."""
    lines = [b"From: cron@" + random.choice(DOMAINS).encode(), b"To: root", b"Subject: backup done"]
    lines.insert(random.randrange(4), b"Date: " + date(moment(random)))
    return b"\n".join([*lines, b"", b"%d files copied" % random.randrange(10**6), b""])


def html(random: Random) -> bytes:
    """HTML alone."""
    who = writer(random)
    body = _html(_lines(random, who))
    return _header(random, who, _subject(random, who)) + _text_part(random, who, body, "html")


def _alternative(random: Random, who: Writer, lines: list[str]) -> bytes:
    """Text and HTML of the same lines."""
    parts = [
        _text_part(random, who, "\n".join(lines) + "\n"),
        _text_part(random, who, _html(lines), "html"),
    ]
    return multipart(b"alternative", boundary(random), parts)


def alternative(random: Random) -> bytes:
    """What most programs send: text and HTML."""
    who = writer(random)
    body = _alternative(random, who, _lines(random, who))
    return _header(random, who, _subject(random, who)) + body


def _filename(random: Random, who: Writer) -> bytes:
    """A Content-Disposition with a file name, in one of the forms in use."""
    name = random.choice(who.tongue.words) + random.choice((".pdf", ".docx", ".zip", ".txt"))
    form = random.randrange(3)
    if name.isascii():
        return b'Content-Disposition: attachment; filename="' + name.encode() + b'"'
    if form == 0:
        inner = "".join(f"%{o:02X}" for o in name.encode())
        return b"Content-Disposition: attachment;\n filename*=UTF-8''" + inner.encode()
    if form == 1:
        inner = "".join(f"%{o:02X}" for o in name.encode())
        half = len(inner) // 6 * 3
        return (
            f"Content-Disposition: attachment;\n filename*0*=UTF-8''{inner[:half]};\n"
            f" filename*1*={inner[half:]}"
        ).encode()
    word = encoded_word(name, who.charset, random)
    return b'Content-Disposition: attachment; filename="' + word + b'"'


def attachment(random: Random) -> bytes:
    """Text or alternative with one to four files."""
    who = writer(random)
    body = random.choice((_alternative, lambda r, w, ls: _text_part(r, w, "\n".join(ls) + "\n")))
    parts = [body(random, who, _lines(random, who))]
    for _ in range(random.randint(1, 4)):
        octets = random.randbytes(random.choice((10, 300, 5000, 60_000)))
        parts.append(
            part(
                b"application/octet-stream",
                base64_body(octets),
                _filename(random, who),
                b"Content-Transfer-Encoding: base64",
            )
        )
    preamble = random.choice((b"", b"This is a multi-part message in MIME format.\n"))
    whole = multipart(b"mixed", boundary(random), parts, preamble=preamble)
    return _header(random, who, _subject(random, who)) + whole


def related(random: Random) -> bytes:
    """HTML with an inline picture."""
    who = writer(random)
    cid = f"image{random.randrange(1000):03d}@01DA"
    markup = _html(_lines(random, who)).replace("</body>", f'<img src="cid:{cid}"></body>')
    picture = part(
        b"image/png; name=image001.png",
        base64_body(PNG),
        b"Content-ID: <" + cid.encode() + b">",
        b"Content-Disposition: inline; filename=image001.png",
        b"Content-Transfer-Encoding: base64",
    )
    parts = [_text_part(random, who, markup, "html"), picture]
    body = multipart(b"related", boundary(random), parts)
    return _header(random, who, _subject(random, who)) + body


def mailing_list(random: Random) -> bytes:
    """Through a list: its fields, its subject blob, its footer."""
    who = writer(random)
    name = random.choice(("dev", "users", "announce"))
    address = f"{name}@lists.example.org".encode()
    fields = (
        b"List-Id: <" + name.encode() + b".lists.example.org>",
        b"List-Unsubscribe: <mailto:" + address + b"?subject=unsubscribe>,\n"
        b" <https://lists.example.org/u/%x>" % random.getrandbits(40),
        b"List-Post: <mailto:" + address + b">",
        b"Precedence: list",
        b"Sender: " + name.encode() + b"-bounces@lists.example.org",
        b"References: "
        + b"\n ".join(message_id(random, "example.org") for _ in range(random.randint(1, 9))),
    )
    rule = "_" * 47
    lines = [*_lines(random, who), rule, f"{name} mailing list", address.decode()]
    subject = f"[{name}] " + _subject(random, who)
    return _header(random, who, subject, *fields) + _text_part(random, who, "\n".join(lines) + "\n")


def reply(random: Random) -> bytes:
    """An answer with the older text quoted below, above, between, or as Outlook does it."""
    who = writer(random)
    other = random.choice(who.tongue.names)
    quoted = paragraphs(random, who.tongue, 2)
    attribution = who.tongue.attribution.format(
        date="2024-05-03 10:17", name=other, email="other@example.com"
    )
    marked = [attribution, *("> " + line if line else ">" for line in quoted)]
    new = _lines(random, who)
    style = random.randrange(4)
    if style == 0:
        lines = [*new, "", *marked]
    elif style == 1:
        lines = [*marked, "", *new]
    elif style == 2:
        half = len(marked) // 2
        lines = [*marked[:half], "", *new[:3], "", *marked[half:], "", *new[3:]]
    else:
        lines = [*new, "", "-----Original Message-----", f"From: {other} <other@example.com>"]
        lines += ["Sent: Friday, May 3, 2024 10:17 AM", "To: you", "Subject: hello", "", *quoted]
    parent = message_id(random, "example.com")
    fields = (b"In-Reply-To: " + parent, b"References: " + parent)
    text = "\n".join(lines) + "\n"
    return _header(random, who, "Re: " + _subject(random, who), *fields) + _text_part(
        random, who, text
    )


def forwarded(random: Random) -> bytes:
    """A message within a message."""
    who = writer(random)
    inner = random.choice((plain, alternative, attachment))(random)
    parts = [
        _text_part(random, who, sentence(random, who.tongue) + "\n"),
        part(b"message/rfc822", inner, b"Content-Disposition: inline"),
    ]
    body = multipart(b"mixed", boundary(random), parts)
    return _header(random, who, "Fwd: " + _subject(random, who)) + body


def bounce(random: Random) -> bytes:
    """A delivery status notification (RFC 3464)."""
    who = Writer(writer(random).tongue, "utf-8", "Mail Delivery System", "mailer-daemon@mx.example")
    status = random.choice((b"5.1.1", b"4.4.1", b"5.2.2", b"5.7.1"))
    rcpt = f"gone{random.randrange(99)}@example.net".encode()
    report = b"Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; " + rcpt
    report += b"\nAction: failed\nStatus: " + status + b"\nDiagnostic-Code: smtp; 550 " + status
    parts = [
        part(
            b"text/plain; charset=us-ascii", b"Your message to " + rcpt + b" was not delivered.\n"
        ),
        part(b"message/delivery-status", report + b" no such user\n"),
        part(b"text/rfc822-headers", plain(random).partition(b"\n\n")[0] + b"\n"),
    ]
    whole = multipart(b'report; report-type="delivery-status"', boundary(random), parts)
    fields = (b"Auto-Submitted: auto-replied",)
    return _header(random, who, "Undelivered Mail Returned to Sender", *fields) + whole


def flowed(random: Random) -> bytes:
    """format=flowed text (RFC 3676)."""
    who = writer(random)
    lines = [line + " " if line and random.random() < 0.6 else line for line in _lines(random, who)]
    kind = f"text/plain; charset={who.charset}; format=flowed".encode()
    body = quoted_printable("\n".join(lines).encode(who.charset))
    body = part(kind, body, b"Content-Transfer-Encoding: quoted-printable")
    return _header(random, who, _subject(random, who)) + body


def eight_bit(random: Random) -> bytes:
    """Raw 8-bit header and body with no word about the charset, as old scripts send it."""
    who = writer(random)
    subject = _subject(random, who).encode(who.charset)
    text = "\n".join(_lines(random, who)).encode(who.charset)
    head = b"From: " + who.email.encode() + b"\nTo: you@inbox.example\nSubject: " + subject
    return head + b"\nDate: " + date(moment(random)) + b"\n\n" + text + b"\n"


def calendar(random: Random) -> bytes:
    """A meeting request."""
    who = writer(random)
    event = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n"
        f"UID:{random.getrandbits(60):x}@example.com\r\nDTSTART:20240503T101700Z\r\n"
        f"SUMMARY:{_subject(random, who)}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    parts = [
        _text_part(random, who, "\n".join(_lines(random, who)) + "\n"),
        part(
            b"text/calendar; charset=utf-8; method=REQUEST",
            base64_body(event.encode()),
            b"Content-Transfer-Encoding: base64",
        ),
    ]
    body = multipart(b"alternative", boundary(random), parts)
    return _header(random, who, _subject(random, who)) + body


def signed(random: Random) -> bytes:
    """OpenPGP/MIME: a multipart whose first part must keep its octets."""
    who = writer(random)
    inner = _text_part(random, who, "\n".join(_lines(random, who)) + "\n")
    armour = b"-----BEGIN PGP SIGNATURE-----\n\n" + base64_body(random.randbytes(200))
    parts = [
        inner,
        part(
            b'application/pgp-signature; name="sig.asc"', armour + b"-----END PGP SIGNATURE-----\n"
        ),
    ]
    subtype = b'signed; micalg=pgp-sha256; protocol="application/pgp-signature"'
    return _header(random, who, _subject(random, who)) + multipart(subtype, boundary(random), parts)


def newsletter(random: Random) -> bytes:
    """Table upon table, tracking links, one-click unsubscribe."""
    who = writer(random)
    rows = "".join(
        f'<tr><td style="padding:8px"><a href="https://example.com/c/{random.getrandbits(90):x}">'
        f"{sentence(random, who.tongue)}</a></td></tr>\n"
        for _ in range(random.randint(10, 120))
    )
    page = f'<html><body><table width="600"><tbody>{rows}</tbody></table></body></html>\n'
    parts = [
        _text_part(random, who, "\n".join(paragraphs(random, who.tongue, 3))),
        _text_part(random, who, page, "html"),
    ]
    fields = (
        b"List-Unsubscribe: <https://example.com/u/%x>" % random.getrandbits(90),
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        b"Feedback-ID: %d:campaign:example" % random.randrange(10**6),
    )
    whole = multipart(b"alternative", boundary(random), parts)
    return _header(random, who, _subject(random, who), *fields) + whole


REALISTIC: dict[str, Kind] = {
    kind.__name__: kind
    for kind in (
        plain,
        bare,
        html,
        alternative,
        attachment,
        related,
        mailing_list,
        reply,
        forwarded,
        bounce,
        flowed,
        eight_bit,
        calendar,
        signed,
        newsletter,
    )
}
"""Every kind of realistic mail by its name; each takes a random source and gives LF lines."""


def realistic(seed: int, *, kind: str | None = None, wire: bool = False) -> bytes:
    """The message of this seed: of the named kind, or of any; nine in ten with CRLF lines.

    With ``wire`` all of them have, and nothing in them is unfit for SMTP.
    """
    random = Random(f"realistic {seed} {kind or ''}")
    octets = REALISTIC[kind or random.choice(list(REALISTIC))](random)
    if wire:
        return on_the_wire(octets)
    if random.random() < 0.1:
        return octets.replace(b"\r\n", b"\n")
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
