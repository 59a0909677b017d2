"""The language of SPF records: mechanisms, modifiers and macros (RFC 7208 sections 4.6, 5 to 7).

Reads a record as a whole before anything is evaluated, because any fault anywhere makes all of it
worthless (section 4.6).  Every pattern reads each octet a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final, Literal, cast
from urllib.parse import quote

Qualifier = Literal["+", "-", "~", "?"]
Name = Literal["all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"]


class SpfSyntax(Exception):
    """The record is not valid; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Macro:
    """``%{letter…}``: which value, how many of its right-hand parts, in which order."""

    letter: str
    parts: int
    reverse: bool
    delimiters: str
    escaped: bool


MacroString = tuple[str | Macro, ...]


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism with what it answers; ``target`` None means the domain at hand."""

    qualifier: Qualifier
    name: Name
    target: MacroString | None = None
    network: IPv4Network | IPv6Network | None = None
    bits4: int = 32
    bits6: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """One record; a redirect counts only when there is no ``all`` (section 6.1)."""

    directives: tuple[Directive, ...]
    redirect: MacroString | None


_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9._-]*+)=(.*)", re.ASCII | re.DOTALL)
_DIRECTIVE: Final = re.compile(r"([+\-~?]?)([A-Za-z0-9]++)([:/].*)?", re.ASCII | re.DOTALL)
_ADDRESSED: Final = re.compile(r"(?::(.+?))?(?:/([0-9]++))?(?://([0-9]++))?", re.ASCII | re.DOTALL)
_LENGTH: Final = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)
_PIECE: Final = re.compile(
    r"%\{([SLODIPHCRTVslodiphcrtv])([0-9]*+)([Rr]?)([.\-+,/_=]*+)\}|%([%_-])|([!-$&-~]++)", re.ASCII
)
_ENDS_IN_LABEL: Final = re.compile(
    r"\.(?:[A-Za-z0-9]*[A-Za-z][A-Za-z0-9]*|[A-Za-z0-9][A-Za-z0-9-]*-[A-Za-z0-9-]*[A-Za-z0-9])\.?",
    re.ASCII,
)
_LABEL_OCTETS: Final = 63
_ESCAPES: Final = {"%": "%", "_": " ", "-": "%20"}
_DOTTED: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", re.ASCII)
_COLONS: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}", re.ASCII)
_ALL_PARTS: Final = 128
"""More than a name can have (section 7.3)."""
_ONLY_IN_EXPLANATIONS: Final = frozenset("crt")


def is_record(octets: bytes) -> bool:
    """Whether a TXT record begins with the version section of SPF (section 4.5)."""
    return octets[:6].lower() == b"v=spf1" and octets[6:7] in (b"", b" ")


def parse(octets: bytes) -> Record:
    """Read a record for which :func:`is_record` holds.

    Raises: SpfSyntax.
    """
    if not octets.isascii():
        raise SpfSyntax("the record has octets beyond ASCII")
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in filter(None, octets[6:].decode("ascii").split(" ")):
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            directives.append(_directive(term))
            continue
        name = modifier[1].lower()
        if name not in {"redirect", "exp"}:
            _macros(modifier[2], explaining=True)
            continue
        if name in modifiers:
            raise SpfSyntax(f"{name} stands twice")
        modifiers[name] = _domain_spec(modifier[2], term)
    has_all = any(each.name == "all" for each in directives)
    return Record(tuple(directives), None if has_all else modifiers.get("redirect"))


def expand(text: MacroString, value: Mapping[str, str]) -> str:
    """The text with every macro replaced (section 7.3).

    ``value`` holds a text for each lower-case letter that ``text`` uses.
    """
    return "".join(each if isinstance(each, str) else _expanded(each, value) for each in text)


def shortened(name: str, most_characters: int) -> str:
    """The name without as many labels on the left as it is too long (section 7.3)."""
    if len(name) <= most_characters:
        return name
    cut = name.find(".", len(name) - most_characters - 1)
    return name[cut + 1 :] if cut >= 0 else ""


def letters(text: MacroString) -> frozenset[str]:
    """The lower-case letters of the macros in ``text``."""
    return frozenset(each.letter for each in text if isinstance(each, Macro))


def _expanded(macro: Macro, value: Mapping[str, str]) -> str:
    parts = re.split(f"[{re.escape(macro.delimiters or '.')}]", value[macro.letter])
    if macro.reverse:
        parts.reverse()
    text = ".".join(parts[-macro.parts :])
    return quote(text, safe="-._~") if macro.escaped else text


def _directive(term: str) -> Directive:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise SpfSyntax(f"{_quoted(term)} is neither a mechanism nor a modifier")
    qualifier = cast(Qualifier, found[1] or "+")
    name, rest = found[2].lower(), found[3] or ""
    if name == "all" and not rest:
        return Directive(qualifier, "all")
    if name in {"ip4", "ip6"}:
        return _network(qualifier, name, rest, term)
    if name in {"include", "exists"} and rest.startswith(":"):
        return Directive(qualifier, cast(Name, name), _domain_spec(rest[1:], term))
    if name == "ptr" and (not rest or rest.startswith(":")):
        return Directive(qualifier, "ptr", _domain_spec(rest[1:], term) if rest else None)
    if name in {"a", "mx"}:
        return _addressed(qualifier, cast(Name, name), rest, term)
    raise SpfSyntax(f"{_quoted(term)} is not a mechanism")


def _addressed(qualifier: Qualifier, name: Name, rest: str, term: str) -> Directive:
    """``a`` and ``mx``: a name, prefix lengths for both families, either, or neither."""
    found = _ADDRESSED.fullmatch(rest)
    if found is None:
        raise SpfSyntax(f"{_quoted(term)} cannot be read")
    bits4, bits6 = _length(found[2], 32, term), _length(found[3], 128, term)
    target = _domain_spec(found[1], term) if found[1] else None
    return Directive(qualifier, name, target, None, bits4, bits6)


def _length(digits: str | None, most: int, term: str) -> int:
    if digits is None:
        return most
    if not _LENGTH.fullmatch(digits) or int(digits) > most:
        raise SpfSyntax(f"{_quoted(term)} has a prefix length that is none")
    return int(digits)


def _network(qualifier: Qualifier, name: str, rest: str, term: str) -> Directive:
    address, slash, length = rest[1:].partition("/")
    pattern, most = (_DOTTED, 32) if name == "ip4" else (_COLONS, 128)
    if not rest.startswith(":") or not pattern.fullmatch(address):
        raise SpfSyntax(f"{_quoted(term)} is not a network")
    bits = _length(length if slash else None, most, term)
    try:
        network = ip_network(f"{address}/{bits}", strict=False)
    except ValueError:
        raise SpfSyntax(f"{_quoted(term)} is not a network") from None
    if network.max_prefixlen != most:
        raise SpfSyntax(f"{_quoted(term)} is not a network of its family")
    return Directive(qualifier, cast(Name, name), None, network)


def _domain_spec(text: str, term: str) -> MacroString:
    """A name with macros; it ends in a macro or a top label (section 7.1)."""
    pieces, ends_in_macro = _macros(text, explaining=False)
    if not ends_in_macro:
        start = text.rfind(".", 0, len(text) - 1)
        label = text[start:] if start >= 0 else ""
        if len(label) > _LABEL_OCTETS + 2 or not _ENDS_IN_LABEL.fullmatch(label):
            raise SpfSyntax(f"{_quoted(term)} does not end in the name of a top-level domain")
    return pieces


def _macros(text: str, *, explaining: bool) -> tuple[MacroString, bool]:
    """The pieces, and whether the last is a macro."""
    literal: str | None = ""
    pieces: list[str | Macro] = []
    place = 0
    while place < len(text):
        found = _PIECE.match(text, place)
        if found is None:
            raise SpfSyntax(f"{_quoted(text[place:])} is not a macro")
        place = found.end()
        letter, digits, reverse, delimiters, escape, literal = found.groups()
        if letter is None:
            pieces.append(literal or _ESCAPES[escape])
            continue
        parts = _parts(digits, found[0])
        if letter.lower() in _ONLY_IN_EXPLANATIONS and not explaining:
            raise SpfSyntax(f"{_quoted(found[0])} is for explanations only")
        pieces.append(Macro(letter.lower(), parts, bool(reverse), delimiters, letter.isupper()))
    return tuple(pieces), literal is None


def _parts(digits: str, macro: str) -> int:
    if not digits:
        return _ALL_PARTS
    wanted = digits.lstrip("0")
    if not wanted:
        raise SpfSyntax(f"{_quoted(macro)} asks for no parts")
    return min(int(wanted), _ALL_PARTS) if len(wanted) <= 3 else _ALL_PARTS


def _quoted(text: str) -> str:
    """For a reason that people read: what a stranger wrote, short."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    return f'"{shown}"'
