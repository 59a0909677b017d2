"""Mailbox names and keywords on the wire (RFC 9051 section 5.1 and appendix A.1, RFC 3501 section 5.1.3).

Knows modified UTF-7 and UTF-8; what a mailbox may be called is ``model.mailboxname``'s to say.

Modified UTF-7 is taken only in its one canonical form: a name that encodes printable ASCII, lacks
its final ``-``, shifts needlessly or holds half a surrogate pair is no name, so that two spellings
never mean one mailbox.

A keyword is an atom on the wire and a label, any text, elsewhere.  A label that is no atom travels
in the same way, as mail programs do with theirs: what an atom cannot hold is encoded.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64

from agentpost.model.mailboxname import canonical

_DIRECT = re.compile(rb"[\x20-\x7e]*+")
_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*+)-")
_ENCODED_RUN = re.compile(r"&|[^\x20-\x7e]+")
_KEYWORD_ATOM = re.compile(r"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]+")
_KEYWORD_RUN = re.compile(r"&|[^!#$'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~&]+")


def decode(octets: bytes) -> str | None:
    """The name that canonical modified UTF-7 spells, or None when ``octets`` is none."""
    if _DIRECT.fullmatch(octets) is None:
        return None
    if b"&" not in octets:
        return octets.decode("ascii")
    parts: list[str] = []
    at = 0
    while True:
        shift = octets.find(b"&", at)
        if shift < 0:
            parts.append(octets[at:].decode("ascii"))
            break
        parts.append(octets[at:shift].decode("ascii"))
        match = _SHIFTED.match(octets, shift)
        if match is None:
            return None
        text = _unshift(match[1])
        if text is None:
            return None
        parts.append(text)
        at = match.end()
    name = "".join(parts)
    # One spelling only: what we would write ourselves (no superfluous shifts, no spare bits).
    return name if encode(name) == octets else None


def encode(name: str) -> bytes:
    """``name`` in modified UTF-7.

    Raises: UnicodeEncodeError for a lone surrogate, which no name holds.
    """
    if name.isascii() and "&" not in name and name.isprintable():
        return name.encode("ascii")
    return _ENCODED_RUN.sub(_shift, name).encode("ascii")


def decode_name(octets: bytes, *, utf8: bool) -> str | None:
    """The mailbox name that a client sent, in the form the house uses; None when it is none.

    ``utf8`` is what the client has enabled: with it names are UTF-8, without it modified UTF-7.
    """
    if utf8:
        try:
            name = octets.decode("utf-8")
        except UnicodeDecodeError:
            return None
        return canonical(name)
    decoded = decode(octets)
    return None if decoded is None else canonical(decoded)


def encode_name(name: str, *, utf8: bool) -> bytes:
    """A mailbox name as octets for the client, before quoting."""
    return name.encode("utf-8") if utf8 else encode(name)


def encode_keyword(label: str) -> str:
    """The atom that a label is on the wire; ``decode_keyword`` gives the label back.

    A label that is an atom and cannot be taken for an encoded one stays as it is.
    """
    if _KEYWORD_ATOM.fullmatch(label) and ("&" not in label or decode_keyword(label) == label):
        return label
    return _KEYWORD_RUN.sub(_shift, label)


def decode_keyword(atom: str) -> str:
    """The label that an atom means: itself, unless it is the encoding of another.

    Both directions give back what went in.  An atom that encodes an atom counts as an encoding
    only where that inner one would be taken for an encoding too, and so had to be encoded.
    """
    if "&" not in atom:
        return atom
    label = inner = _decoded_keyword(atom)
    while inner is not None and _KEYWORD_ATOM.fullmatch(inner):
        inner = _decoded_keyword(inner)
    return atom if inner is None or label is None else label


def _decoded_keyword(atom: str) -> str | None:
    octets = atom.encode("ascii")
    parts: list[str] = []
    at = 0
    while (shift := atom.find("&", at)) >= 0:
        match = _SHIFTED.match(octets, shift)
        text = None if match is None else _unshift(match[1])
        if match is None or text is None:
            return None
        parts += (atom[at:shift], text)
        at = match.end()
    label = "".join([*parts, atom[at:]])
    return label if label != atom and _KEYWORD_RUN.sub(_shift, label) == atom else None


def _unshift(encoded: bytes) -> str | None:
    if not encoded:
        return "&"
    padded = encoded.replace(b",", b"/") + b"=" * (-len(encoded) % 4)
    try:
        return a2b_base64(padded, strict_mode=True).decode("utf-16-be")
    except (Base64Error, UnicodeDecodeError):
        return None


def _shift(match: re.Match[str]) -> str:
    run = match[0]
    if run == "&":
        return "&-"
    encoded = b2a_base64(run.encode("utf-16-be"), newline=False).rstrip(b"=")
    return "&" + encoded.replace(b"/", b",").decode("ascii") + "-"
