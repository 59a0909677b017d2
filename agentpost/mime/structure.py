"""ENVELOPE, BODY and BODYSTRUCTURE as IMAP sends them (RFC 9051 section 7.5.2, RFC 3501).

Octets as found: nothing is decoded, so old clients and new ones read the same.  Strings are
quoted where that is possible and literals where it is not (RFC 9051 section 4.3): 8-bit octets
are legal in a literal under both revisions.  NUL is legal nowhere and left out.
"""

from __future__ import annotations

import re

from agentpost.limits import MimeLimits
from agentpost.mime.address import Mailbox, parse_mailboxes
from agentpost.mime.encoded import merged_parameters
from agentpost.mime.header import Header, index
from agentpost.mime.media import Parameters, parameter
from agentpost.mime.scan import Part

_DEFAULT = MimeLimits()
_ADDRESS_FIELDS = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
# Octets that no quoted string holds, or not without care.
_SPECIAL = re.compile(rb'[\x00\r\n"\\\x80-\xff]')
_UNQUOTABLE = re.compile(rb"[\r\n\x80-\xff]")
_QUOTED_SPECIAL = re.compile(rb'(["\\])')
_MAX_QUOTED = 1_000
_DEFAULT_CHARSET = b'"charset" "us-ascii"'
_EMPTY_BODY = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0'


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
    return envelope_of(index(octets, part.header_start, part.header_end, limits), limits)


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
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring(header.last(b"date")),
        nstring(header.last(b"subject")),
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
    return _rendered(octets, part, False, limits)


def bodystructure(octets: bytes, part: Part, limits: MimeLimits = _DEFAULT) -> bytes:
    """The BODYSTRUCTURE of ``part``."""
    return _rendered(octets, part, True, limits)


def _rendered(octets: bytes, root: Part, extended: bool, limits: MimeLimits) -> bytes:
    """Walks the tree with a list of what is still to be written: parts, and pieces of text."""
    out: list[bytes] = []
    waiting: list[Part | bytes] = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, bytes):
            out.append(one)
        elif one.is_multipart and not one.opaque:
            waiting.append(_multipart_end(one, extended))
            if one.children:
                out.append(b"(")
                waiting.extend(reversed(one.children))
            else:
                # At least one part is needed (body-type-mpart), and here is none.
                empty = _EMPTY_BODY + (b" NIL NIL NIL NIL)" if extended else b")")
                out.append(b"(" + empty)
        elif one.is_message:
            child = one.children[0]
            waiting.append(b" %d" % one.lines + _single_end(one, extended))
            waiting.append(child)
            out.append(_basic(one, one.media))
            out.append(b" " + envelope(octets, child, limits) + b" ")
        else:
            out.append(_leaf(one, extended))
    return b"".join(out)


def _leaf(part: Part, extended: bool) -> bytes:
    end = _single_end(part, extended)
    if part.opaque:
        # What was not looked into must not claim a structure.
        if part.is_multipart or part.type in (b"message/rfc822", b"message/global"):
            return _basic(part, b"application/octet-stream") + end
        if not part.is_text:
            return _basic(part, part.media) + end
    if part.is_text:
        return _basic(part, part.media) + b" %d" % part.lines + end
    return _basic(part, part.media) + end


def _basic(part: Part, media: bytes) -> bytes:
    """The opening parenthesis and the fields that every part without parts has."""
    main, _, sub = media.partition(b"/")
    return b"(%b %b %b %b %b %b %d" % (
        nstring(main),
        nstring(sub),
        _parameters(part.parameters, part.is_text),
        nstring(part.content_id),
        nstring(part.description),
        nstring(part.encoding) if part.encoding else b'"7bit"',
        part.body_octets,
    )


def _single_end(part: Part, extended: bool) -> bytes:
    if not extended:
        return b")"
    if part.disposition is None and not part.languages and part.location is None:
        return b" %b NIL NIL NIL)" % nstring(part.md5)
    return b" %b%b)" % (nstring(part.md5), _common_extension(part))


def _multipart_end(part: Part, extended: bool) -> bytes:
    subtype = nstring(part.media.partition(b"/")[2])
    if not extended:
        return b" %b)" % subtype
    return b" %b %b%b)" % (subtype, _parameters(part.parameters, False), _common_extension(part))


def _common_extension(part: Part) -> bytes:
    if part.disposition is None:
        disposition = b"NIL"
    else:
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
    written = [
        b"%b %b" % (nstring(name), nstring(value)) for name, value in merged_parameters(parameters)
    ]
    if is_text and parameter(parameters, b"charset") is None:
        written.append(_DEFAULT_CHARSET)
    return b"(%b)" % b" ".join(written)
