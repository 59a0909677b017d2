"""Address lists as mail carries them, and one address where an identity depends on it.

Sources: RFC 5322 section 3.4 with its obsolete syntax (section 4.4), RFC 6532 (UTF-8), RFC 6854
(groups anywhere).  Two readers with two purposes: :func:`parse_mailboxes` makes the best of
anything and never fails, for display and ENVELOPE; :func:`parse_one_address` accepts exactly one
address written in one way only, and is the one to ask when something is allowed because of it.

How the tolerant one works: most addresses match one pattern; what does not goes through a small
machine that reads tokens up to the comma that ends the address.  Every octet is read a bounded
number of times.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from agentpost.errors import AddressSyntax
from agentpost.limits import MimeLimits
from agentpost.mime.encoded import decode_phrase, decode_raw
from agentpost.mime.header import unfold
from agentpost.mime.media import comment_end
from agentpost.model.message import Address

_DEFAULT = MimeLimits()
_ATOM = rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\x80-\xff.]++"
_DOMAIN = rb"[A-Za-z0-9\-._\x80-\xff]++"
_SPACE = rb"[ \t]*+"
_COMMON = re.compile(
    _SPACE
    + rb'(?:(?:"([^"\\]*+)"|('
    + _ATOM
    + rb"(?:[ \t]++"
    + _ATOM
    + rb")*+))?"
    + _SPACE
    + b"<("
    + _ATOM
    + b")@("
    + _DOMAIN
    + b")>|("
    + _ATOM
    + b")@("
    + _DOMAIN
    + b"))"
    + _SPACE
    + rb"(?:,|\Z)"
)
_TOKEN = re.compile(
    rb'[ \t\r\n]++|"((?:[^"\\]++|\\.)*+)"|(\[[^\[\]]*+\])'
    rb'|([^ \t\r\n"\[\]()<>@,;:\\]++)|([()<>@,;:"\\\[\]])',
    re.DOTALL,
)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_SPACES = re.compile(rb"[ \t]{2,}|\t")
# Without quoted strings and domain literals: for what follows one that is never closed.
_PLAIN_TOKEN = re.compile(
    rb"[ \t\r\n]++|(\Z.)|(\Z.)|([^ \t\r\n\"\[\]()<>@,;:\\]++)|([()<>@,;:\"\\\[\]])"
)


class Mailbox(NamedTuple):
    """One entry of an address list, in octets as found, quoting and comments removed.

    An address has a ``domain``, empty when the sender left it out.  A group begins with an entry
    whose ``domain`` is None and whose ``local`` is the group's name, and ends with one where both
    are None (RFC 9051 section 7.5.2, ENVELOPE).  ``route`` is an obsolete source route.
    """

    name: bytes | None
    local: bytes | None
    domain: bytes | None
    route: bytes | None = None


GROUP_END = Mailbox(None, None, None)


def parse_mailboxes(value: bytes, limits: MimeLimits = _DEFAULT) -> tuple[Mailbox, ...]:
    """Every address and group mark in ``value``, the value of an address field.

    At most ``limits.max_addresses``.  Never raises.
    """
    value = unfold(value)
    found: list[Mailbox] = []
    add = found.append
    at, size, most = 0, len(value), limits.max_addresses
    match = _COMMON.match
    reader = _Reader(value, found)
    while at < size and len(found) < most:
        common = match(value, at)
        if common is not None:
            quoted, phrase, local, domain, bare, bare_domain = common.groups()
            if bare is not None:
                add(Mailbox(None, bare, bare_domain))
            else:
                name = _one_space(phrase) if quoted is None and phrase else quoted
                add(Mailbox(name or None, local, domain))
            at = common.end()
            continue
        at = reader.read(at, most)
    if reader.in_group:
        add(GROUP_END)
    return tuple(found)


def _one_space(phrase: bytes) -> bytes:
    return _SPACES.sub(b" ", phrase) if b"  " in phrase or b"\t" in phrase else phrase


class _Reader:
    """Reads one address, or the start of a group, or its end, with everything odd in it."""

    __slots__ = (
        "at",
        "closed",
        "comment",
        "domain",
        "found",
        "glued",
        "in_angle",
        "in_group",
        "in_route",
        "local",
        "name",
        "route",
        "token",
        "value",
        "words",
    )

    def __init__(self, value: bytes, found: list[Mailbox]) -> None:
        self.value = value
        self.found = found
        self.at = 0
        self.token = _TOKEN
        self.in_group = False
        self._reset()

    def _reset(self) -> None:
        self.words: list[bytes] = []
        self.glued = False
        self.name: bytes | None = None
        self.comment: bytes | None = None
        self.local: bytes | None = None
        self.domain: list[bytes] = []
        self.route: list[bytes] = []
        self.in_angle = False
        self.in_route = False
        self.closed = False

    def read(self, at: int, most: int) -> int:
        """Read up to the comma or semicolon that ends the address at ``at``; where that is."""
        value, size = self.value, len(self.value)
        self.at = at
        while self.at < size and len(self.found) < most:
            token = self.token.match(value, self.at)
            if token is None:
                self.at += 1
                continue
            self.at = token.end()
            kind = token.lastindex
            if kind is None:
                self.glued = False
            elif kind == 1:
                quoted = token[1]
                self._word(_ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted)
            elif kind < 4:
                self._word(token[kind])
            elif self._special(token[4]):
                return self.at
        self._finish()
        return self.at

    def _word(self, word: bytes) -> None:
        if self.closed:
            # LENIENT_NO_COMMA: "<a@b> <c@d>" are two addresses.
            self._finish()
        if self.in_route:
            self.route.append(word)
        elif self.local is not None:
            self.domain.append(word)
        elif self.glued and self.words:
            self.words[-1] += word
        else:
            self.words.append(word)
        self.glued = True

    def _special(self, mark: bytes) -> bool:
        """Act on a special character; True when the address is complete."""
        if mark == b"(":
            end = comment_end(self.value, self.at)
            inner = self.value[self.at : end]
            inner = inner.removesuffix(b")")
            if self.words or self.local is not None:
                # It may be the name of the address that it follows; one before it never is.
                self.comment = _ESCAPED.sub(rb"\1", inner) if b"\\" in inner else inner
            self.at = end
            self.glued = False
        elif mark == b"," and not self.in_route:
            self._finish()
            return True
        elif mark == b";":
            self._finish()
            if self.in_group:
                self.in_group = False
                self.found.append(GROUP_END)
            return True
        else:
            self._inside(mark)
        return False

    def _inside(self, mark: bytes) -> None:
        if mark in b'"[':
            # LENIENT_UNCLOSED: a quote or bracket that nothing closes is passed over, and no
            # other is looked for, as each would be searched for to the end.
            self.token = _PLAIN_TOKEN
        elif self.in_route and mark in b"@,":
            self.route.append(mark)
        elif mark == b"@":
            self._at_sign()
        elif mark == b"<":
            self._open_angle()
        elif mark == b">":
            if self.in_angle:
                self.closed = True
                self.in_angle = False
        elif mark == b":":
            self._colon()
        self.glued = False

    def _open_angle(self) -> None:
        if self.closed or self.in_angle:
            self._finish()
        if self.local is not None:
            # LENIENT_ADDRESS_AS_NAME: "jo@x.y <jo@x.y>", without the quotes it needs.
            self.words.append(self.local + b"@" + b"".join(self.domain))
            if self.name:
                self.words.insert(0, self.name)
            self.local, self.domain = None, []
        self.name = b" ".join(self.words)
        self.words = []
        self.in_angle = True

    def _at_sign(self) -> None:
        if self.in_angle and not self.words and self.local is None and not self.route:
            self.in_route = True
            self.route = [b"@"]
        elif self.local is not None:
            self.domain.append(b"@")
        elif self.in_angle or not self.words:
            self.local = b"".join(self.words)
            self.words = []
        else:
            # LENIENT_NO_BRACKETS: "Jo Doe jo@example.org"; white space around dots is obsolete.
            words, local = self.words, self.words.pop()
            while words and (local.startswith(b".") or words[-1].endswith(b".")):
                local = words.pop() + local
            self.local = local
            self.name = b" ".join(words) if words else None
            self.words = []

    def _colon(self) -> None:
        if self.in_route:
            self.in_route = False
        elif self.local is not None:
            self.domain.append(b":")
        elif not self.in_angle and not self.in_group and not self.closed:
            self.found.append(Mailbox(None, b" ".join(self.words), None))
            self.in_group = True
            self._reset()

    def _finish(self) -> None:
        """Note the address read so far, if there is anything of one."""
        local = self.local
        if local is None and self.words:
            local = (b"" if self.in_angle or self.closed else b" ").join(self.words)
        if local is None and self.name is None:
            self._reset()
            return
        name = self.name
        if not name and self.name is None and self.comment is not None and self.local is not None:
            name = self.comment.strip(b" \t")
        route = b"".join(self.route) or None
        self.found.append(Mailbox(name or None, local or b"", b"".join(self.domain), route))
        self._reset()


def parse_addresses(
    value: bytes | str, limits: MimeLimits = _DEFAULT, most: int = 1_000
) -> tuple[Address, ...]:
    """The addresses in ``value`` as text, encoded-words decoded, groups opened, at most ``most``.

    An entry without a domain keeps what stands there as its ``email``.  Never raises; text has no
    NUL and no lone surrogates.
    """
    octets = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return as_addresses(parse_mailboxes(octets, limits), most)


def as_addresses(mailboxes: tuple[Mailbox, ...], most: int = 1_000) -> tuple[Address, ...]:
    """``mailboxes`` as text, without group marks, at most ``most`` of them."""
    found: list[Address] = []
    for name, local, domain, _route in mailboxes:
        if local is None or domain is None or not (local or domain or name):
            continue
        if len(found) == most:
            break
        email = local + b"@" + domain if domain else local
        text = email.decode("ascii") if email.isascii() else decode_raw(email)
        found.append(
            Address(
                text.replace("\0", "") if "\0" in text else text,
                None if name is None else decode_phrase(name) or None,
            )
        )
    return tuple(found)


# UTF-8 of RFC 6532 without controls, private use and what is never a character.
_BEYOND = r"\u00a1-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\U00010000-\U000e0fff"
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-" + _BEYOND
_LETTERS = "A-Za-z0-9" + _BEYOND
_LABEL = f"[{_LETTERS}](?:[{_LETTERS}\\-]{{0,61}}[{_LETTERS}])?"
_SPEC = rf"([{_ATEXT}]++(?:\.[{_ATEXT}]++)*+)@({_LABEL}(?:\.{_LABEL})*)"
_STRICT = re.compile(
    rf"[ \t]*+(?:{_SPEC}"
    r'|(?:"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t -~])*+)"[ \t]*+'
    rf"|([{_ATEXT} \t.]*+))<{_SPEC}>)[ \t]*+"
)
_STRICT_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_WORD = re.compile(r"=\?[^?]*+\?[bqBQ]\?")
_NUMBER = re.compile(r"(?:\A|\.)[0-9]+\Z")
_FULL_STOP = "\u3002"
"""The one dot of IDNA (RFC 3490 section 3.1) that normalisation does not already change."""
_MAX_STRICT = 2_000


def parse_one_address(value: bytes | str) -> Address:
    """The one address that ``value``, an unfolded or folded field value, means to every reader.

    Exactly one address in plain dot-atom form, in brackets or not, with a plain or quoted display
    name.  Refused is whatever programs read differently: lists, groups, routes, comments, quoted
    or encoded local parts, domain literals, control characters, invalid UTF-8, and characters
    that turn into others when normalised.  Case is kept.

    Raises: AddressSyntax.
    Source: RFC 5322 section 3.4.1 without its obsolete forms; RFC 6532; RFC 5321 section 4.5.3.1
    for the lengths.
    """
    if isinstance(value, bytes):
        try:
            text = _STRICT_FOLD.sub(b"", value).decode("utf-8")
        except UnicodeDecodeError:
            raise AddressSyntax("The address is not valid UTF-8.") from None
    else:
        text = value
    found = _STRICT.fullmatch(text) if len(text) <= _MAX_STRICT else None
    if found is None:
        raise AddressSyntax("The field is not exactly one plain address.")
    bare, bare_domain, quoted, phrase, local, domain = found.groups()
    if bare is not None:
        local, domain = bare, bare_domain
    if len(local.encode()) > 64 or len(local.encode()) + len(domain.encode()) > 253:
        raise AddressSyntax("The address is too long.")
    if _WORD.search(local) or _NUMBER.search(domain):
        raise AddressSyntax("The address holds an encoded-word or an IP address.")
    email = f"{local}@{domain}"
    if not email.isascii() and _is_deceptive(email):
        raise AddressSyntax("The address holds characters that other programs read differently.")
    name = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else (phrase or "").strip(" \t")
    return Address(email, decode_phrase(name.encode()) or None)


def _is_deceptive(email: str) -> bool:
    """Whether other programs may turn ``email`` into another address, or show it as one."""
    return (
        not email.isprintable()
        or _FULL_STOP in email
        or unicodedata.normalize("NFKC", email) != email
    )
