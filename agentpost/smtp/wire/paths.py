"""Addresses of MAIL and RCPT (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

Strict: what the grammar does not allow is refused, so that no program behind us can read another
address in it.  What comes out is in the shortest spelling (a quoted local part that needs no
quotes loses them, RFC 5321 section 4.1.2), hence one mailbox has one spelling but for case.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import Final

MAX_LOCAL_OCTETS: Final = 64
"""RFC 5321 section 4.5.3.1.1."""
MAX_ADDRESS_OCTETS: Final = 254
"""RFC 5321 section 4.5.3.1.3: a path has 256 octets, of which two are the angle brackets.  It is
stricter than the 255 octets of a domain (section 4.5.3.1.2)."""
MAX_LABEL_OCTETS: Final = 63
"""RFC 1035 section 2.3.4."""

_ATEXT = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_LABEL = rb"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOT_STRING = _ATEXT + rb"++(?:\." + _ATEXT + rb"++)*+"
_DOMAIN = _LABEL + rb"(?:\." + _LABEL + rb")*+"
# qtextSMTP and quoted-pairSMTP.
_QUOTED = rb'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\x20-\x7e])*+"'

_PLAIN: Final = re.compile(rb"(" + _DOT_STRING + rb")@(" + _DOMAIN + rb")")
_ANY: Final = re.compile(
    rb"(?:(?P<quoted>" + _QUOTED + rb')|(?P<dotted>[^\x00-\x20"(),:;<>@\[\\\]\x7f]++))@'
    rb"(?:\[(?P<literal>[\x21-\x5a\x5e-\x7e]++)\]|(?P<domain>[A-Za-z0-9.\x80-\xff-]++))"
)
_ROUTE: Final = re.compile(rb"@" + _DOMAIN + rb"(?:,@" + _DOMAIN + rb")*+:")
_DOTTED_ASCII: Final = re.compile(_DOT_STRING)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL: Final = re.compile(r'(["\\])')
_IPV4: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_IPV6: Final = re.compile(r"(?i:IPv6):([0-9A-Fa-f:.]{2,45})")

# IDNA 2008 (RFC 5892) allows letters in lower case, marks, digits; the categories approximate it.
_LABEL_CATEGORIES: Final = frozenset({"Ll", "Lo", "Lm", "Mn", "Mc", "Nd"})


class BadPath(Exception):
    """The octets are not a path; ``reason`` is a sentence for the reply."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class NeedsSmtpUtf8(BadPath):
    """The address is not ASCII and the transaction has no SMTPUTF8."""

    def __init__(self) -> None:
        super().__init__("Non-ASCII addresses need the SMTPUTF8 parameter on MAIL")


def mailbox(octets: bytes, *, smtputf8: bool) -> str:
    """The address in ``octets``, which are what stands between the angle brackets.

    A source route is passed over (RFC 5321 appendix C).
    Raises: BadPath, NeedsSmtpUtf8.
    """
    if octets.startswith(b"@"):
        route = _ROUTE.match(octets)
        if route is None:
            raise BadPath("The source route is not valid")
        octets = octets[route.end() :]
    if len(octets) > MAX_ADDRESS_OCTETS:
        raise BadPath("The address is longer than 254 octets")
    plain = _PLAIN.fullmatch(octets)
    if plain is not None:
        if plain.end(1) > MAX_LOCAL_OCTETS:
            raise BadPath("The local part is longer than 64 octets")
        return octets.decode("ascii")
    return _unusual(octets, smtputf8=smtputf8)


def _unusual(octets: bytes, *, smtputf8: bool) -> str:
    """An address with quotes, an address literal or characters beyond ASCII."""
    if not octets.isascii():
        try:
            octets.decode("utf-8")
        except UnicodeDecodeError:
            raise BadPath("The address is not valid UTF-8") from None
        if not smtputf8:
            raise NeedsSmtpUtf8
    match = _ANY.fullmatch(octets)
    if match is None:
        raise BadPath("The address is not of the form local-part@domain")
    quoted, dotted, literal, domain = match.group("quoted", "dotted", "literal", "domain")
    local = _quoted(quoted) if quoted is not None else _dotted(dotted)
    if len(quoted or dotted) > MAX_LOCAL_OCTETS:
        raise BadPath("The local part is longer than 64 octets")
    if literal is not None:
        return f"{local}@[{_literal(literal.decode('ascii'))}]"
    return f"{local}@{_domain(domain)}"


def _dotted(octets: bytes) -> str:
    local = octets.decode("utf-8")
    if "" in local.split("."):
        raise BadPath("The local part has a dot too many")
    _no_odd_characters(local)
    return local


def _quoted(octets: bytes) -> str:
    text = octets[1:-1].decode("utf-8")
    content = _ESCAPED.sub(r"\1", text)
    _no_odd_characters(content)
    bare = content.encode("utf-8")
    if _DOTTED_ASCII.fullmatch(bare):
        return content
    return '"' + _SPECIAL.sub(r"\\\1", content) + '"'


def _no_odd_characters(text: str) -> None:
    """Refuse controls, separators and what is unassigned: nothing invisible in an address."""
    if text.isascii():
        return
    for character in text:
        if character > "\x7f" and unicodedata.category(character)[0] in "CZ":
            raise BadPath("The local part holds a character that cannot be shown")


def _domain(octets: bytes) -> str:
    domain = octets.decode("utf-8")
    for label in domain.split("."):
        if not label or label.startswith("-") or label.endswith("-"):
            raise BadPath("The domain is not valid")
        if len(label.encode("utf-8")) > MAX_LABEL_OCTETS:
            raise BadPath("A label of the domain is longer than 63 octets")
        if not label.isascii():
            _u_label(label)
    return domain


def _u_label(label: str) -> None:
    if unicodedata.normalize("NFKC", label) != label:
        raise BadPath("The domain holds a character that domain names do not allow")
    for character in label:
        if character > "\x7f" and unicodedata.category(character) not in _LABEL_CATEGORIES:
            raise BadPath("The domain holds a character that domain names do not allow")


def _literal(text: str) -> str:
    """An address literal (RFC 5321 section 4.1.3): IPv4 or IPv6, no other kind is registered."""
    six = _IPV6.fullmatch(text)
    try:
        if six is not None:
            return f"IPv6:{ipaddress.IPv6Address(six[1])}"
        if _IPV4.fullmatch(text):
            return str(ipaddress.IPv4Address(text))
    except ValueError:
        pass
    raise BadPath("The address literal is not valid")
