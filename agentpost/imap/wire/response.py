"""Responses as octets (RFC 9051 section 7, RFC 4731, RFC 5258, RFC 5530, RFC 7162).

Knows how values are written so that a client reads exactly what was meant: no text, name or
header octet can end a line or a string early.  Every function returns whole lines with their CR LF
unless it says otherwise.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

from agentpost.imap.wire import sequence, utf7
from agentpost.model.mailbox import FLAG_NAMES

Condition = Literal["OK", "NO", "BAD", "BYE", "PREAUTH"]

RECENT_BIT = 32
"""``\\Recent`` beside the stored flag bits, for rendering only; it is never stored."""

_ATOM_SET = rb"!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~\]"
_ASTRING = re.compile(rb"[" + _ATOM_SET + rb"]++")
_NIL = b"NIL"
_QUOTABLE = re.compile(rb"[^\x00\r\n\x80-\xff]*+")
_QUOTABLE_UTF8 = re.compile(rb"[^\x00\r\n]*+")
_QUOTED_SPECIALS = re.compile(rb'(["\\])')
_LONGEST_QUOTED = 1_000  # some clients read quoted strings into a line buffer
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_SYSTEM_FLAGS = tuple(
    " ".join(
        [name for flag, name in FLAG_NAMES.items() if bits & flag]
        + (["\\Recent"] if bits & RECENT_BIT else [])
    )
    for bits in range(64)
)
_HEADS_KEPT = 10_000
_heads: tuple[str, ...] = ()


# Strings


def quoted(octets: bytes) -> bytes:
    """A quoted string.  ``octets`` hold no NUL, CR or LF."""
    if b'"' in octets or b"\\" in octets:
        octets = _QUOTED_SPECIALS.sub(rb"\\\1", octets)
    return b'"' + octets + b'"'


def literal(octets: bytes) -> bytes:
    """A literal as it goes to a client.  A NUL in ``octets`` makes it one that RFC 9051 does not
    know; ``string`` never does that."""
    return b"{%d}\r\n%b" % (len(octets), octets)


def literal8(octets: bytes) -> bytes:
    """A literal that may hold NUL (RFC 3516)."""
    return b"~{%d}\r\n%b" % (len(octets), octets)


def string(octets: bytes, *, utf8: bool = False) -> bytes:
    """``string``: quoted where that can be, else a literal.

    ``utf8`` says that the client reads UTF-8 in quoted strings (RFC 9051 appendix A).  No string
    may hold NUL; it is replaced as 0x80, which no text means.
    """
    quotable = _QUOTABLE_UTF8 if utf8 else _QUOTABLE
    if (
        len(octets) <= _LONGEST_QUOTED
        and quotable.fullmatch(octets)
        and (octets.isascii() or _is_utf8(octets))
    ):
        return quoted(octets)
    if b"\x00" in octets:
        octets = octets.replace(b"\x00", b"\x80")
    return literal(octets)


def nstring(octets: bytes | None, *, utf8: bool = False) -> bytes:
    """``nstring``: NIL for None."""
    return _NIL if octets is None else string(octets, utf8=utf8)


def astring(octets: bytes, *, utf8: bool = False) -> bytes:
    """``astring``: an atom where that can be.  The atom NIL is quoted, as readers confuse it."""
    if _ASTRING.fullmatch(octets) and octets.upper() != _NIL:
        return octets
    return string(octets, utf8=utf8)


def mailbox(name: str, *, utf8: bool) -> bytes:
    """A mailbox name as the client's mode wants it: UTF-8 after ENABLE, else modified UTF-7."""
    return astring(utf7.encode_name(name, utf8=utf8), utf8=utf8)


# Status


def status_line(
    tag: bytes | None,
    condition: Condition,
    text: str,
    code: bytes | str | None = None,
    *,
    utf8: bool = False,
) -> bytes:
    """``tag OK [code] text``, untagged with tag None.

    ``text`` loses what could end the line or, at its beginning, be taken for a code; without
    ``utf8`` it is ASCII.  ``code`` is trusted: it is made of what this house renders.
    """
    octets = _UNPRINTABLE.sub(" ", text).encode("utf-8" if utf8 else "ascii", "replace")
    if isinstance(code, str):
        code = code.encode("ascii")
    if code is None and octets.startswith(b"["):
        octets = b"(" + octets[1:]
    bracket = b"" if code is None else b"[%b] " % code
    return b"%b %b %b%b\r\n" % (tag or b"*", condition.encode("ascii"), bracket, octets or b"-")


def ok(tag: bytes, text: str, code: bytes | str | None = None) -> bytes:
    """Tagged OK."""
    return status_line(tag, "OK", text, code)


def no(tag: bytes, text: str, code: bytes | str | None = None) -> bytes:
    """Tagged NO."""
    return status_line(tag, "NO", text, code)


def bad(tag: bytes | None, text: str, code: bytes | str | None = None) -> bytes:
    """Tagged BAD, untagged when the command had no readable tag."""
    return status_line(tag, "BAD", text, code)


def bye(text: str, code: bytes | str | None = None) -> bytes:
    """The last line of a connection."""
    return status_line(None, "BYE", text, code)


def untagged_ok(text: str, code: bytes | str | None = None) -> bytes:
    """Untagged OK: a greeting, a warning or the bearer of a response code."""
    return status_line(None, "OK", text, code)


def continuation(text: bytes = b"OK") -> bytes:
    """``+ text``: ask for the rest of a command; ``text`` is base64 during AUTHENTICATE."""
    return b"+ %b\r\n" % text


# Response codes, to be handed to the functions above


def appenduid(uidvalidity: int, uids: Sequence[int]) -> bytes:
    """The code APPENDUID (RFC 4315); one uid, or several in the order of their messages."""
    return b"APPENDUID %d %b" % (uidvalidity, sequence.render_in_order(uids))


def copyuid(uidvalidity: int, source: Sequence[int], destination: Sequence[int]) -> bytes:
    """The code COPYUID (RFC 4315); the uids are pairwise and not empty."""
    return b"COPYUID %d %b %b" % (
        uidvalidity,
        sequence.render_in_order(source),
        sequence.render_in_order(destination),
    )


def permanentflags(keywords: Iterable[str], *, any_keyword: bool = True) -> bytes:
    """The code PERMANENTFLAGS: the system flags, these keywords and, with ``any_keyword``, the
    permission to make new ones."""
    star = ["\\*"] if any_keyword else []
    return b"PERMANENTFLAGS (%b)" % " ".join([*_flag_words(keywords), *star]).encode("ascii")


# Mailboxes


def listing(
    attributes: Iterable[str],
    name: str,
    *,
    utf8: bool,
    extended: bytes = b"",
    response: Literal["LIST", "LSUB"] = "LIST",
) -> bytes:
    """LIST or LSUB.  ``extended`` is the rendered list of extended data items, without its space."""
    return b'* %b (%b) "/" %b%b\r\n' % (
        response.encode("ascii"),
        " ".join(attributes).encode("ascii"),
        mailbox(name, utf8=utf8),
        b" " + extended if extended else b"",
    )


def hierarchy(*, utf8: bool) -> bytes:
    """What ``LIST "" ""`` asks for: the separator and the root name."""
    del utf8  # the empty name is spelled the same in both modes
    return b'* LIST (\\Noselect) "/" ""\r\n'


def childinfo(options: Iterable[str]) -> bytes:
    """The CHILDINFO extended data item with its parentheses (RFC 5258 section 3.5)."""
    inner = b" ".join(quoted(option.encode("ascii")) for option in options)
    return b'("CHILDINFO" (%b))' % inner


def oldname(name: str, *, utf8: bool) -> bytes:
    """The OLDNAME extended data item with its parentheses (RFC 9051 section 6.3.9.7)."""
    return b'("OLDNAME" (%b))' % mailbox(name, utf8=utf8)


def mailbox_status(name: str, items: Mapping[str, int | str], *, utf8: bool) -> bytes:
    """STATUS; ``items`` by their names in the order to be told."""
    inside = " ".join(f"{item} {value}" for item, value in items.items())
    return b"* STATUS %b (%b)\r\n" % (mailbox(name, utf8=utf8), inside.encode("ascii"))


def flags(keywords: Iterable[str]) -> bytes:
    """FLAGS: the system flags and the mailbox's keywords."""
    return b"* FLAGS (%b)\r\n" % " ".join(_flag_words(keywords)).encode("ascii")


def exists(count: int) -> bytes:
    """EXISTS"""
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    """RECENT (RFC 3501); never after ENABLE IMAP4rev2."""
    return b"* %d RECENT\r\n" % count


def expunges(numbers: Iterable[int]) -> bytes:
    """EXPUNGE for each sequence number, which count as the lines before them left them."""
    return "".join([f"* {number} EXPUNGE\r\n" for number in numbers]).encode("ascii")


def vanished(uids: Sequence[int], *, earlier: bool = False) -> bytes:
    """VANISHED (RFC 7162 section 3.2.10); nothing for no uids."""
    if not uids:
        return b""
    tag = b"(EARLIER) " if earlier else b""
    return b"* VANISHED %b%b\r\n" % (tag, sequence.render(uids))


def capability(words: Iterable[str]) -> bytes:
    """CAPABILITY"""
    return b"* CAPABILITY %b\r\n" % " ".join(words).encode("ascii")


def enabled(words: Iterable[str]) -> bytes:
    """ENABLED (RFC 5161); an empty list is said as well."""
    return (" ".join(["* ENABLED", *words]) + "\r\n").encode("ascii")


# Search


def search(numbers: Iterable[int], modseq: int | None = None) -> bytes:
    """SEARCH; told for an empty result as well, then without the modseq (RFC 7162 3.1.6)."""
    words = " ".join(map(str, numbers))
    if not words:
        return b"* SEARCH\r\n"
    end = "" if modseq is None else f" (MODSEQ {modseq})"
    return f"* SEARCH {words}{end}\r\n".encode("ascii")


def esearch(tag: bytes | None, items: Mapping[str, bytes | int], *, by_uid: bool) -> bytes:
    """ESEARCH; ``items`` such as MIN, ALL, COUNT, in the order to be told (RFC 4731)."""
    parts = [b"* ESEARCH"]
    if tag is not None:
        parts.append(b"(TAG %b)" % quoted(tag))
    if by_uid:
        parts.append(b"UID")
    for item, value in items.items():
        parts.append(item.encode("ascii"))
        parts.append(value if isinstance(value, bytes) else b"%d" % value)
    return b" ".join(parts) + b"\r\n"


# Flags of many messages


def flag_words(bits: int, keywords: Iterable[str] = ()) -> bytes:
    """The inside of a FLAGS list: system flags, ``\\Recent`` where its bit is set, keywords."""
    return _words(bits, keywords).encode("ascii")


def render_flags_lines(
    seqs: Sequence[int],
    uids: Sequence[int],
    flag_bits: Sequence[int],
    keyword_ids: Sequence[int],
    keyword_sets: Sequence[Collection[str]],
    *,
    uid: bool,
    modseqs: Sequence[int] | None = None,
    recent: Sequence[range] = (),
) -> bytes:
    """``* n FETCH (…FLAGS (…))`` for many messages at once.

    The first four are parallel, by ascending number; ``keyword_ids`` indexes into
    ``keyword_sets``.  ``uid`` adds UID, ``modseqs`` adds MODSEQ.  ``recent`` are the uid ranges
    that carry ``\\Recent``.

    The part of a line behind its numbers is one of few texts, made once for each combination of
    flags and keywords; the part before them is kept for small sequence numbers.
    """
    bits = with_recent(uids, flag_bits, recent) if recent else flag_bits
    tails, keys = _tails(bits, keyword_ids, keyword_sets, " " if uid else "", modseqs is not None)
    if modseqs is not None:
        pairs = zip(map(tails.__getitem__, keys), modseqs, strict=True)
        ends: Iterable[str] = [f"{tail}{modseq}))\r\n" for tail, modseq in pairs]
    else:
        ends = map(tails.__getitem__, keys)
    heads = _kept_heads(seqs)
    if heads is None:
        if uid:
            lines = [
                f"* {number} FETCH (UID {name}{end}"
                for number, name, end in zip(seqs, uids, ends, strict=True)
            ]
        else:
            lines = [f"* {number} FETCH ({end}" for number, end in zip(seqs, ends, strict=True)]
    elif uid:
        lines = [
            f"{start}UID {name}{end}" for start, name, end in zip(heads, uids, ends, strict=True)
        ]
    else:
        lines = list(map(str.__add__, heads, ends))
    return "".join(lines).encode("ascii")


def with_recent(
    uids: Sequence[int], flag_bits: Sequence[int], ranges: Sequence[range]
) -> array[int]:
    """``flag_bits`` with ``RECENT_BIT`` where the message's uid lies in one of ``ranges``."""
    bits = array("I", flag_bits)
    for part in ranges:
        for at in range(bisect_left(uids, part.start), bisect_left(uids, part.stop)):
            bits[at] |= RECENT_BIT
    return bits


def _tails(
    bits: Sequence[int],
    keyword_ids: Sequence[int],
    keyword_sets: Sequence[Collection[str]],
    lead: str,
    with_modseq: bool,
) -> tuple[Mapping[int, str] | Sequence[str], Sequence[int]]:
    """The texts behind the numbers, and for each message the key of its text."""
    end = ") MODSEQ (" if with_modseq else "))\r\n"
    if not any(keyword_ids):
        return [f"{lead}FLAGS ({words}{end}" for words in _SYSTEM_FLAGS], bits
    keys = [kind << 6 | flag for flag, kind in zip(bits, keyword_ids, strict=True)]
    tails: dict[int, str] = {}
    for key in set(keys):
        tails[key] = f"{lead}FLAGS ({_words(key, keyword_sets[key >> 6])}{end}"
    return tails, keys


def _kept_heads(seqs: Sequence[int]) -> Iterable[str] | None:
    """``* n FETCH (`` for each number, where they are small enough to be kept made for all."""
    global _heads
    if not seqs or seqs[-1] > _HEADS_KEPT:
        return None
    if not _heads:
        _heads = tuple([f"* {number} FETCH (" for number in range(_HEADS_KEPT + 1)])
    if isinstance(seqs, range) and seqs.step == 1:
        return _heads[seqs.start : seqs.stop]
    return map(_heads.__getitem__, seqs)


def _words(bits: int, keywords: Iterable[str]) -> str:
    words = [_SYSTEM_FLAGS[bits & 63], *map(utf7.encode_keyword, keywords)]
    return " ".join(word for word in words if word)


def _flag_words(keywords: Iterable[str]) -> list[str]:
    return [*FLAG_NAMES.values(), *map(utf7.encode_keyword, keywords)]


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
