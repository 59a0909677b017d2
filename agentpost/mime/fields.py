"""Header fields as we write them: folded, ASCII unless an address forces more, never injectable.

Sources: RFC 5322 sections 2.2 and 3.2 (fields, phrases, folding), RFC 2047 (encoded-words),
RFC 2231 (parameters), RFC 6532 (UTF-8 in addresses).  Every function takes text that
:func:`fault_of_text` finds no fault with, and gives one whole field, CRLF included.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from collections.abc import Iterable, Sequence

from agentpost.model.message import Address

LINE = 78
"""Octets a line should not pass, without CRLF (RFC 5322 section 2.1.1)."""
MAX_LINE = 998
"""Octets a line must not pass, without CRLF (the same section)."""
_WORD = 75
"""Octets an encoded-word must not pass (RFC 2047 section 2)."""
_LONG_NAME = 40
"""Characters of a field name after which the value begins on the next line."""
_CHARSET = "=?utf-8?"

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_TAB = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAME = re.compile(r"[!-9;-~]{1,76}", re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,60}", re.ASCII)
_PIECES = re.compile(r"[ \t]*[^ \t]+")

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]"
_ATOMS = re.compile(rf"{_ATEXT}+(?: {_ATEXT}+)*", re.ASCII)
_ATEXT_WIDE = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"
_LOCAL = re.compile(
    rf"{_ATEXT_WIDE}+(?:\.{_ATEXT_WIDE}+)*"
    r'|"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"'
)
_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff](?:[A-Za-z0-9_\-\u0080-\U0010ffff]{0,61}[A-Za-z0-9\u0080-\U0010ffff])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|\[[!-Z^-~]{{1,250}}\]")
_MSG_ID = re.compile(r"[!-;=?-~]+", re.ASCII)

_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_Q = tuple("_" if o == 32 else chr(o) if o in _Q_SAFE else f"={o:02X}" for o in range(256))
_PARAMETER_SAFE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~"
)
_PERCENT = tuple(chr(o) if o in _PARAMETER_SAFE else f"%{o:02X}" for o in range(256))


def fault_of_text(text: str, *, tab: bool = False) -> str | None:
    """What forbids ``text`` in a header field, or None: control characters, lone surrogates."""
    found = (_CONTROL_BUT_TAB if tab else _CONTROL).search(text)
    if found is None:
        return None
    return f"Character U+{ord(found[0]):04X} at position {found.start()} is not allowed."


def cleaned(text: str, most: int = MAX_LINE) -> str:
    """Received text made fit for a header: faulty characters become spaces, runs of them one."""
    return " ".join(_CONTROL.sub(" ", text[: most * 2]).split())[:most]


def is_field_name(name: str) -> bool:
    """Whether ``name`` is RFC 5322 ftext, and short enough to stand on a line."""
    return _NAME.fullmatch(name) is not None


def is_message_id(text: str) -> bool:
    """Whether ``text`` (without brackets) can stand in an identification field.

    LENIENT_ID_WITHOUT_AT: some senders' identifiers have no "@", and an answer must name them.
    """
    return len(text) <= MAX_LINE - 20 and _MSG_ID.fullmatch(text) is not None


def fault_of_email(email: str) -> str | None:
    """What is wrong with ``email`` as an addr-spec, or None.

    Dot-atom or quoted-string, "@", host name or address literal; letters beyond ASCII pass
    (RFC 6531) when they are printable.  Lengths are RFC 5321 section 4.5.3.1's.
    """
    local, at, domain = email.rpartition("@")
    if not at or not email.isprintable():
        return "An address has the form local-part@domain, without spaces or control characters."
    if len(local.encode()) > 64 or _LOCAL.fullmatch(local) is None:
        return "The part before the @ is not valid."
    if len(domain.encode()) > 253 or _DOMAIN.fullmatch(domain) is None:
        return "The domain after the @ is not valid."
    return None


def wire_email(email: str) -> str:
    """A valid address as it is written: the domain in ASCII (RFC 5890) when the rest is ASCII.

    So mail to ``info@bücher.example`` needs no SMTPUTF8 anywhere on its way.
    """
    local, _, domain = email.rpartition("@")
    if email.isascii() or not local.isascii():
        return email
    return f"{local}@{ascii_domain(domain)}"


def shown_email(email: str) -> str:
    """An address as people write it: A-labels of its domain as U-labels (RFC 5890), where they
    are any; the rest as it is."""
    local, at, domain = email.rpartition("@")
    return local + at + ".".join(_shown_label(label) for label in domain.split("."))


def _shown_label(label: str) -> str:
    # Longer is no label, and decoding takes time in the square of its length.
    if not label.lower().startswith("xn--") or len(label) > 63:
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def ascii_domain(domain: str) -> str:
    """Each label beyond ASCII as its A-label: NFC, lower case, Punycode (RFC 5890, RFC 3492)."""
    return ".".join(
        label
        if label.isascii()
        else "xn--" + unicodedata.normalize("NFC", label.lower()).encode("punycode").decode()
        for label in domain.split(".")
    )


def encoded_words(text: str, used: int = 0) -> list[str]:
    """``text`` as RFC 2047 encoded-words in UTF-8, B or Q, whichever is shorter.

    Each holds whole characters and at most 75 octets; the first leaves ``used`` octets of its
    line free.  White space between them is not part of the text.
    """
    octets = text.encode()
    q_octets = sum(len(_Q[o]) for o in octets)
    form, size = ("q", _q_size) if q_octets <= (len(octets) + 2) // 3 * 4 else ("b", _b_size)
    limit = _WORD - len(_CHARSET) - 4
    room = limit - min(used, limit - 12)
    words: list[str] = []
    start = taken = 0
    for at, character in enumerate(text):
        more = size(character)
        if taken + more > (room if form == "q" else room // 4 * 3):
            words.append(_word(text[start:at], form))
            start, taken, room = at, 0, limit
        taken += more
    words.append(_word(text[start:], form))
    return words


def _q_size(character: str) -> int:
    """Characters that ``character`` takes in Q."""
    return sum(len(_Q[o]) for o in character.encode())


def _b_size(character: str) -> int:
    """Octets that ``character`` takes before B."""
    return len(character.encode())


def _word(text: str, form: str) -> str:
    """One encoded-word."""
    octets = text.encode()
    if form == "q":
        return f"{_CHARSET}q?{''.join(_Q[o] for o in octets)}?="
    return f"{_CHARSET}b?{binascii.b2a_base64(octets, newline=False).decode()}?="


def _needs_words(text: str) -> bool:
    """Whether ``text`` cannot stand as it is: not ASCII, or read as an encoded-word if it did."""
    return not text.isascii() or "=?" in text


def unstructured(name: str, value: str) -> bytes:
    """A field of free text; encoded-words when it is not ASCII or has a word too long to fold."""
    text = value.strip(" \t")
    pieces = _PIECES.findall(text)
    if _needs_words(text) or any(len(piece) > MAX_LINE - len(name) - 4 for piece in pieces):
        used = len(name) + 2 if len(name) <= _LONG_NAME else 1
        return folded(name, encoded_words(text, used))
    return folded(name, pieces, glued=True)


def addresses(name: str, people: Iterable[Address]) -> bytes:
    """A field of addresses, in the order given."""
    words: list[str] = []
    for person in people:
        if words:
            words[-1] += ","
        words += _mailbox(person)
    return folded(name, words)


def _mailbox(person: Address) -> list[str]:
    """One address as words that a line may be folded between."""
    email = wire_email(person.email)
    name = (person.name or "").strip()
    if not name:
        return [email]
    if _needs_words(name) or len(name) > 60:
        return [*encoded_words(name, 13), f"<{email}>"]
    if _ATOMS.fullmatch(name):
        return [*name.split(), f"<{email}>"]
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return [f'"{quoted}"', f"<{email}>"]


def identifiers(name: str, ids: Sequence[str]) -> bytes:
    """A field of message identifiers, which come without brackets."""
    return folded(name, [f"<{one}>" for one in ids])


def parametrised(name: str, value: str, parameters: Iterable[tuple[str, str]]) -> bytes:
    """A Content- field: ``value`` and its parameters, by RFC 2231 where they are not ASCII."""
    words = [value]
    for key, text in parameters:
        for word in _parameter(key, text):
            words[-1] += ";"
            words.append(word)
    return folded(name, words)


def _parameter(key: str, text: str) -> list[str]:
    """One parameter, in sections when it is long (RFC 2231 section 4.1)."""
    if _TOKEN.fullmatch(text):
        return [f"{key}={text}"]
    if text.isascii() and len(text) <= 60 and "=?" not in text:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        return [f'{key}="{quoted}"']
    sections = [""]
    for character in text:
        if len(sections[-1]) > 50:
            sections.append("")
        sections[-1] += "".join(_PERCENT[o] for o in character.encode())
    sections[0] = "utf-8''" + sections[0]
    if len(sections) == 1:
        return [f"{key}*={sections[0]}"]
    return [f"{key}*{number}*={section}" for number, section in enumerate(sections)]


def folded(name: str, words: Iterable[str], *, glued: bool = False) -> bytes:
    """The field ``name`` of ``words``, folded between them so that lines stay within 78 octets.

    Words are joined by one space; when ``glued`` they bring their own white space before them.
    """
    lines: list[str] = []
    line = f"{name}:"
    # After a long name the value begins on a line of its own: encoded-words need the room.
    bare = len(name) <= _LONG_NAME
    for word in words:
        piece = word if glued and word[0] in " \t" else " " + word
        if not bare and len(line) + len(piece) > LINE:
            lines.append(line)
            line = piece
        else:
            line += piece
        bare = False
    lines.append(line if line != f"{name}:" else line + " ")
    return ("\r\n".join(lines) + "\r\n").encode()
