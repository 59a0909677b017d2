"""ENVELOPE, BODY and BODYSTRUCTURE as IMAP sends them (RFC 9051 section 7.5.2, RFC 3501).

Octets as found: nothing is decoded, so old clients and new ones read the same.  Strings are
quoted where that is possible and literals where it is not (RFC 9051 section 4.3): 8-bit octets
are legal in a literal under both revisions.  NUL is legal nowhere and left out.
"""

from __future__ import annotations

import re

from agentpost.limits import MimeLimits
from agentpost.mime.address import Mailbox, parse_mailboxes
from agentpost.mime.header import Header
from agentpost.mime.media import Parameters, merged_parameters, parameter
from agentpost.mime.scan import Part

_DEFAULT = MimeLimits()
_ADDRESS_FIELDS = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
# Octets that no quoted string holds, or not without care.
_SPECIAL = re.compile(rb'[\x00\r\n"\\\x80-\xff]')
_UNQUOTABLE = re.compile(rb"[\r\n\x80-\xff]")
_QUOTED_SPECIAL = re.compile(rb'(["\\])')
_MAX_QUOTED = 1_000
_DEFAULT_CHARSET = b'"charset" "us-ascii"'
_EMBEDDED = (b"message/rfc822", b"message/global")
_NO_PARTS = b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0'


def nstring(value: bytes | None) -> bytes:
    """``value`` as an nstring: NIL, quoted, or a literal."""
    if value is None:
        return b"NIL"
    if len(value) <= _MAX_QUOTED and not _SPECIAL.search(value):
        return b'"%b"' % value
    value = value.replace(b"\0", b"")
    if len(value) > _MAX_QUOTED or _UNQUOTABLE.search(value):
        return b"{%d}\r\n%b" % (len(value), value)
    return b'"%b"' % _QUOTED_SPECIAL.sub(rb"\\\1", value)


def envelope(octets: bytes, part: Part, limits: MimeLimits = _DEFAULT) -> bytes:
    """The ENVELOPE of the message whose header section ``part`` has."""
    return envelope_of(Header(octets, part.header_start, part.header_end, limits), limits)


def envelope_of(header: Header, limits: MimeLimits = _DEFAULT) -> bytes:
    """The ENVELOPE of the message with these header fields.

    Of a field that occurs more than once the last one counts, as in other servers.
    """
    return render_envelope(header, mailbox_fields(header, limits))


def mailbox_fields(
    header: Header, limits: MimeLimits = _DEFAULT
) -> dict[bytes, tuple[Mailbox, ...]]:
    """The address fields of ``header`` by lower-case name; missing ones are missing."""
    found: dict[bytes, tuple[Mailbox, ...]] = {}
    for name in _ADDRESS_FIELDS:
        value = header.last(name)
        if value is not None:
            found[name] = parse_mailboxes(value, limits)
    return found


def render_envelope(header: Header, mailboxes: dict[bytes, tuple[Mailbox, ...]]) -> bytes:
    """The ENVELOPE from ``header`` and what :func:`mailbox_fields` found in it."""
    written = {name: _addresses(found) for name, found in mailboxes.items() if found}
    sender = written.get(b"from", b"NIL")
    subject = header.last(b"subject")
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(header.last(b"date")),
        nstring(None if subject is None else subject.strip(b" \t")),
        sender,
        written.get(b"sender", sender),
        written.get(b"reply-to", sender),
        written.get(b"to", b"NIL"),
        written.get(b"cc", b"NIL"),
        written.get(b"bcc", b"NIL"),
        nstring(header.last(b"in-reply-to")),
        nstring(header.last(b"message-id")),
    )


def _addresses(mailboxes: tuple[Mailbox, ...]) -> bytes:
    return b"(%b)" % b"".join(
        [
            b"(%b %b %b %b)" % (nstring(name), nstring(route), nstring(local), nstring(domain))
            for name, local, domain, route in mailboxes
        ]
    )


def body(octets: bytes, part: Part, limits: MimeLimits = _DEFAULT) -> bytes:
    """The BODY of ``part``: the structure without extension data."""
    return structures(octets, part, limits)[0]


def bodystructure(octets: bytes, part: Part, limits: MimeLimits = _DEFAULT) -> bytes:
    """The BODYSTRUCTURE of ``part``."""
    return structures(octets, part, limits)[1]


def structures(octets: bytes, root: Part, limits: MimeLimits = _DEFAULT) -> tuple[bytes, bytes]:
    """The BODY and the BODYSTRUCTURE of ``root``, made in one walk."""
    if not root.children and not root.is_multipart:
        basic = _leaf(root)
        return basic + b")", basic + _single_end(root)
    short: list[bytes] = []
    long: list[bytes] = []
    # What is still to be written: parts, and the ends of those that have been begun.
    waiting: list[Part | tuple[bytes, bytes]] = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, tuple):
            begin, end = one
            short.append(begin + b")")
            long.append(begin + end)
            continue
        if one.is_multipart and not one.opaque:
            subtype = one.media.partition(b"/")[2]
            waiting.append((b" " + nstring(subtype), _multipart_end(one)))
            # At least one part is needed (body-type-mpart), and there may be none.
            short.append(b"(" if one.children else _NO_PARTS + b")")
            long.append(b"(" if one.children else _NO_PARTS + b" NIL NIL NIL NIL)")
            waiting.extend(reversed(one.children))
            continue
        begin = _leaf(one)
        if one.is_message:
            child = one.children[0]
            waiting.append((b" %d" % one.lines, _single_end(one)))
            waiting.append(child)
            begin += b" " + envelope(octets, child, limits) + b" "
            short.append(begin)
            long.append(begin)
        else:
            short.append(begin + b")")
            long.append(begin + _single_end(one))
    return b"".join(short), b"".join(long)


def _leaf(part: Part) -> bytes:
    """The opening parenthesis and the fields that every part without parts has."""
    media = part.media
    if part.opaque and (part.is_multipart or part.type in _EMBEDDED):
        # What was not looked into must not claim a structure.
        media = b"application/octet-stream"
    is_text = part.type.startswith(b"text/")
    begin = b"(%b %b %b %b %b %d" % (
        _media(media),
        _parameters(part.parameters, is_text),
        nstring(part.content_id),
        nstring(part.description),
        nstring(part.encoding) if part.encoding else b'"7bit"',
        part.body_end - part.header_end,
    )
    return b"%b %d" % (begin, part.lines) if is_text else begin


def _media(media: bytes) -> bytes:
    main, _, sub = media.partition(b"/")
    return b"%b %b" % (nstring(main), nstring(sub))


def _single_end(part: Part) -> bytes:
    if part.disposition is part.md5 is part.location is None and not part.languages:
        return b" NIL NIL NIL NIL)"
    return b" %b%b)" % (nstring(part.md5), _common_extension(part))


def _multipart_end(part: Part) -> bytes:
    return b" %b%b)" % (_parameters(part.parameters, False), _common_extension(part))


def _common_extension(part: Part) -> bytes:
    disposition = b"NIL"
    if part.disposition is not None:
        disposition = b"(%b %b)" % (
            nstring(part.disposition),
            _parameters(part.disposition_parameters, False),
        )
    languages = b"NIL"
    if part.languages:
        languages = b"(%b)" % b" ".join(map(nstring, part.languages))
    return b" %b %b %b" % (disposition, languages, nstring(part.location))


def _parameters(parameters: Parameters, is_text: bool) -> bytes:
    """A parenthesized list of parameters; text without a charset is shown with the default."""
    if not parameters:
        return b"(" + _DEFAULT_CHARSET + b")" if is_text else b"NIL"
    merged = merged_parameters(parameters)
    written = [b"%b %b" % (nstring(name), nstring(value)) for name, value in merged]
    if is_text and parameter(merged, b"charset") is None:
        written.append(_DEFAULT_CHARSET)
    return b"(%b)" % b" ".join(written)
