"""From octets to the tree of their parts, as offsets (RFC 2045, RFC 2046, RFC 2049, RFC 6532).

The octets are never changed; a part says where its header section and body stand.  Any octets
are a message: what is missing or broken gets the default that the RFCs name, and what lies beyond
a limit is one opaque part.

How it works: a part is a region of the octets.  A multipart's region is cut at its own boundary
lines, so an outer boundary ends whatever is open inside it without a look at inner ones.  Each
region carries two ends: where the boundary line begins, and where the line end before it begins,
which belongs to the boundary (RFC 2046 section 5.1.1); a header section may reach to the first,
a body only to the second.  The closing boundary line of a multipart is a whole line also where the
next boundary follows at once: there the body reaches to the first, as in other servers.  Regions wait in a list, not on the call stack; the tree is put
together from its leaves at the end.  Each multipart inside another is one more pass over its
octets; the depth and the octets gone through are bounded, so the cost is linear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from agentpost.limits import MimeLimits
from agentpost.mime.header import Header, header_end
from agentpost.mime.media import (
    Parameters,
    parameter,
    parse_disposition,
    parse_languages,
    parse_leading_token,
    parse_media,
    parse_token,
)
from agentpost.mime.multipart import boundary_of, regions

_DEFAULT = MimeLimits()
_EMBEDDED = frozenset((b"message/rfc822", b"message/global"))
_SELDOM = frozenset(
    (
        b"content-disposition",
        b"content-id",
        b"content-description",
        b"content-md5",
        b"content-language",
        b"content-location",
    )
)
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a message; the root is the message itself.

    Offsets count from the first octet of the whole message.  ``header_end`` is where the body
    begins, after the empty line.  ``lines`` counts the line ends of the body, of text and
    embedded messages only.  ``media`` is ``type/subtype`` as found, ``type`` the same in lower
    case; ``defaulted`` when no valid Content-Type says so.  ``encoding`` is the
    Content-Transfer-Encoding as found, empty when missing or invalid (7bit); ``transfer`` is the
    one to decode by, in lower case: LENIENT_ENCODING, as what is invalid to IMAP ("base64;") still
    says how to read the body.  The other fields are unfolded values as found, None when missing.  ``opaque`` parts lie beyond a limit and were
    not looked into.  The one child of an embedded message is that message.
    """

    header_start: int
    header_end: int
    body_end: int
    lines: int
    media: bytes
    type: bytes
    parameters: Parameters = ()
    encoding: bytes = b""
    transfer: bytes = b""
    disposition: bytes | None = None
    disposition_parameters: Parameters = ()
    content_id: bytes | None = None
    description: bytes | None = None
    md5: bytes | None = None
    languages: tuple[bytes, ...] = ()
    location: bytes | None = None
    defaulted: bool = False
    opaque: bool = False
    children: tuple[Part, ...] = ()

    @property
    def body_octets(self) -> int:
        """The size of the body in its transfer encoding."""
        return self.body_end - self.header_end

    @property
    def is_multipart(self) -> bool:
        return self.type.startswith(b"multipart/")

    @property
    def is_text(self) -> bool:
        return self.type.startswith(b"text/")

    @property
    def counted(self) -> bool:
        """Whether ``lines`` is known."""
        return self.type.startswith(b"text/") or self.type in _EMBEDDED

    @property
    def is_message(self) -> bool:
        """Whether this part is an embedded message that was looked into."""
        return bool(self.children) and self.type in _EMBEDDED

    def parameter(self, name: bytes) -> bytes | None:
        """The raw value of the Content-Type parameter ``name`` (lower case)."""
        return parameter(self.parameters, name)

    def body(self, octets: bytes) -> bytes:
        """The body as it stands in the message."""
        return octets[self.header_end : self.body_end]

    def header(self, octets: bytes) -> bytes:
        """The header section with its empty line, as it stands in the message."""
        return octets[self.header_start : self.header_end]


@dataclass(slots=True)
class _Node:
    """A part that is being put together."""

    start: int
    line: int
    end: int
    depth: int
    default: bytes
    parent: int
    opaque: bool = False
    header_end: int = 0
    body_end: int = 0
    content: Header | None = None
    media: bytes = b"text/plain"
    type: bytes = b"text/plain"
    parameters: Parameters = ()
    defaulted: bool = True


def scan(octets: bytes, limits: MimeLimits = _DEFAULT) -> Part:
    """The part tree of ``octets``.

    Never raises, whatever the octets are; linear in their number.
    """
    return scan_with_header(octets, limits)[0]


def scan_with_header(octets: bytes, limits: MimeLimits = _DEFAULT) -> tuple[Part, Header]:
    """The part tree of ``octets`` and the index of the root's header fields."""
    scanner = _Scanner(octets, limits)
    scanner.open_all()
    header = scanner.nodes[0].content
    assert header is not None
    return _assembled(octets, scanner.nodes), header


class _Scanner:
    """The parts found so far, each after the one it is in, and what may still be done."""

    __slots__ = ("limits", "nodes", "octets", "work")

    def __init__(self, octets: bytes, limits: MimeLimits) -> None:
        size = len(octets)
        self.octets = octets
        self.limits = limits
        self.nodes = [_Node(0, size, size, 0, b"text/plain", -1)]
        self.work = limits.max_passes * size + limits.free_pass_octets

    def open_all(self) -> None:
        """Read the header section of every part and add the parts inside it."""
        for position, node in enumerate(self.nodes):  # grows while it is walked
            self._read_header(node)
            if node.opaque:
                continue
            if node.type.startswith(b"multipart/"):
                self._open_multipart(node, position)
            elif node.type in _EMBEDDED:
                self._open_message(node, position)

    def _read_header(self, node: _Node) -> None:
        found = header_end(self.octets, node.start, node.line)
        node.header_end = max(node.start, node.end) if found is None else found
        node.body_end = max(node.header_end, node.end)
        content = Header(self.octets, node.start, node.header_end, self.limits)
        node.content = content
        media = None
        if (value := content.first(b"content-type")) is not None:
            media = parse_media(value, self.limits)
        if media is None:
            node.media = node.type = node.default
        else:
            node.media, node.parameters = media
            node.type = node.media.lower()
            node.defaulted = False

    def _open_message(self, node: _Node, position: int) -> None:
        if node.depth >= self.limits.max_depth or len(self.nodes) >= self.limits.max_parts:
            node.opaque = True
            return
        start, line = node.header_end, max(node.header_end, node.line)
        self.nodes.append(
            _Node(start, line, node.body_end, node.depth + 1, b"text/plain", position)
        )

    def _open_multipart(self, node: _Node, position: int) -> None:
        boundary = boundary_of(node.parameters)
        if not boundary:
            return
        start, line = node.header_end, max(node.header_end, node.line)
        room = self.limits.max_parts - len(self.nodes)
        self.work -= line - start
        if node.depth >= self.limits.max_depth or room <= 0 or self.work < 0:
            node.opaque = True
            return
        default = b"message/rfc822" if node.type == b"multipart/digest" else b"text/plain"
        found, closed = regions(self.octets, boundary, start, line, node.end, room + 1, self.limits)
        if closed == line:
            node.body_end = line
        over = len(found) > room
        if over:
            del found[room:]
            start = found[-1][0]
            found[-1] = (start, max(start, line), max(start, node.end))
        for start, line, end in found:
            self.nodes.append(_Node(start, line, end, node.depth + 1, default, position))
        if over:
            self.nodes[-1].opaque = True


def _assembled(octets: bytes, nodes: list[_Node]) -> Part:
    """The tree of ``nodes``, each of which stands after its parent."""
    children: dict[int, list[Part]] = {}
    position = len(nodes) - 1
    while True:
        node = nodes[position]
        below = children.pop(position, None)
        part = _part(octets, node, () if below is None else tuple(reversed(below)))
        if position == 0:
            return part
        children.setdefault(node.parent, []).append(part)
        position -= 1


def _part(octets: bytes, node: _Node, children: tuple[Part, ...]) -> Part:
    content = node.content
    assert content is not None
    body_end = node.body_end
    if children and children[-1].body_end > body_end:
        # The empty line of a header section that a boundary follows belongs to the section, and
        # so to the body of all that it is in.
        body_end = children[-1].body_end
    lines = 0
    if node.type in _EMBEDDED and children and children[0].counted:
        child = children[0]
        lines = octets.count(b"\n", child.header_start, child.header_end) + child.lines
    elif node.type.startswith(b"text/") or node.type in _EMBEDDED:
        lines = octets.count(b"\n", node.header_end, body_end)
    encoding = transfer = b""
    if (value := content.first(b"content-transfer-encoding")) is not None:
        encoding = parse_token(value)
        transfer = encoding.lower() or parse_leading_token(value)
    if content.has_none_of(_SELDOM):
        return Part(
            node.start,
            node.header_end,
            body_end,
            lines,
            node.media,
            node.type,
            node.parameters,
            encoding,
            transfer,
            defaulted=node.defaulted,
            opaque=node.opaque,
            children=children,
        )
    languages = content.first(b"content-language")
    disposition: bytes | None = None
    disposition_parameters: Parameters = ()
    if (value := content.first(b"content-disposition")) is not None:
        parsed = parse_disposition(value)
        if parsed is not None:
            disposition, disposition_parameters = parsed
    return Part(
        node.start,
        node.header_end,
        body_end,
        lines,
        node.media,
        node.type,
        node.parameters,
        encoding,
        transfer,
        disposition,
        disposition_parameters,
        content.first(b"content-id"),
        content.first(b"content-description"),
        content.first(b"content-md5"),
        () if languages is None else parse_languages(languages),
        content.first(b"content-location"),
        node.defaulted,
        node.opaque,
        children,
    )


def pack(part: Part) -> bytes:
    """``part`` and all below it as octets for storage; :func:`unpack` reads them."""
    rows: list[tuple[Any, ...]] = []
    waiting = [part]
    while waiting:
        one = waiting.pop()
        waiting.extend(reversed(one.children))
        row = (
            one.header_start,
            one.header_end,
            one.body_end,
            one.lines,
            one.media,
            one.parameters,
            one.encoding,
            one.transfer,
            one.disposition,
            one.disposition_parameters,
            one.content_id,
            one.description,
            one.md5,
            one.languages,
            one.location,
            one.defaulted,
            one.opaque,
            len(one.children),
        )
        rows.append(row)
    return _ENCODER.encode((_VERSION, rows))


def unpack(packed: bytes) -> Part:
    """The part that was packed.

    Raises: ValueError when ``packed`` is not what :func:`pack` gives.
    """
    try:
        version, rows = _DECODER.decode(packed)
        if version != _VERSION:
            raise ValueError("unknown version of a packed part")
        below: list[Part] = []
        for row in reversed(rows):
            count = row[-1]
            children = tuple(reversed(below[-count:])) if count else ()
            if len(children) != count:
                raise ValueError("a packed part lacks children")
            del below[len(below) - count :]
            below.append(_unpacked(row, children))
        (part,) = below
    except (msgspec.MsgspecError, TypeError, AttributeError) as error:
        raise ValueError("not a packed part") from error
    return part


def _unpacked(row: _Row, children: tuple[Part, ...]) -> Part:
    start, head, end, lines, media, parameters, encoding, transfer = row[:8]
    return Part(
        start,
        head,
        end,
        lines,
        media,
        media.lower(),
        parameters,
        encoding,
        transfer,
        *row[8:17],
        children,
    )


_Row = tuple[
    int,
    int,
    int,
    int,
    bytes,
    tuple[tuple[bytes, bytes], ...],
    bytes,
    bytes,
    bytes | None,
    tuple[tuple[bytes, bytes], ...],
    bytes | None,
    bytes | None,
    bytes | None,
    tuple[bytes, ...],
    bytes | None,
    bool,
    bool,
    int,
]
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[int, list[_Row]])
