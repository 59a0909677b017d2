"""What a smart host and we say to each other, as octets; nothing here waits or sends.

Sources: RFC 5321 sections 4.1 and 4.2 (commands and replies), 4.5.2 (transparency); RFC 1870
(SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 3461 (DSN), RFC 4954 (AUTH), RFC 2034
(enhanced status codes).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from agentpost.limits import SmartHostLimits
from agentpost.mime.fields import wire_email
from agentpost.model.envelope import Notify, Ret
from agentpost.model.relay import Outgoing, RelayRecipient

_REPLY_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?\r?\n?\Z")
_ENHANCED = re.compile(rb"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |\Z)")
_QUEUED_AS = re.compile(
    rb"(?:queued as|queued id|id=|Message-ID:) ?<?([!-;=?-~]{1,200})", re.IGNORECASE
)
_EHLO_LINE = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*+)(?:[ =]([!-~ ]*))?\Z")
_SIZE = re.compile(rb" *([0-9]{1,18}) *")
_UNSAFE = re.compile("[\x00-\x1f\x7f]")
_UNQUOTED = re.compile(r'[^\s<>"(),:;\[\]\\]+@[^\s<>"(),;\\]+')
_QUOTED = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"@[^\s<>"(),;\\]+')
_NOT_XTEXT = re.compile(rb"[^!-*,-<>-~]")
_LINE_DOT = re.compile(rb"^\.", re.MULTILINE)
_NOTIFY_ORDER = (Notify.NEVER, Notify.SUCCESS, Notify.FAILURE, Notify.DELAY)


class ReplyFault(Exception):
    """What came is no SMTP reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply with all its lines, without codes and line ends."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def severity(self) -> int:
        """The first digit, which alone says what to do (RFC 5321 section 4.2)."""
        return self.code // 100

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code, when it fits the reply code (RFC 2034 section 4)."""
        found = _ENHANCED.match(self.lines[0])
        if found is None or found[1][:1] != b"%d" % self.severity:
            return None
        return found[1].decode("ascii")

    @property
    def queued_as(self) -> str | None:
        """The server's name for a message it took, as common servers say it."""
        found = _QUEUED_AS.search(self.lines[-1])
        return None if found is None else found[1].decode("ascii")

    def __str__(self) -> str:
        """The reply on one line, printable."""
        text = b" ".join(self.lines).decode("utf-8", "replace")
        return f"{self.code} {_UNSAFE.sub(' ', text)}".rstrip()


class ReplyReader:
    """Cuts received octets into replies; bounded.

    LENIENT_LF: a line may end with LF alone.  LENIENT_BARE_CODE: a code without space and text.
    """

    def __init__(self, limits: SmartHostLimits) -> None:
        self._limits = limits
        self._octets = bytearray()
        self._lines: list[bytes] = []
        self._code = 0
        self._size = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was received beyond the replies given."""
        return not self._octets and not self._lines

    def feed(self, octets: bytes) -> None:
        """Take what was received."""
        self._octets += octets

    def next(self) -> Reply | None:
        """The next whole reply; None when more octets are needed.  Raises: ReplyFault."""
        limits = self._limits
        while True:
            end = self._octets.find(b"\n")
            if end < 0:
                if len(self._octets) > limits.max_line_octets:
                    raise ReplyFault("a reply line is too long")
                return None
            line = bytes(self._octets[: end + 1])
            del self._octets[: end + 1]
            self._size += len(line)
            if len(line) > limits.max_line_octets or self._size > limits.max_reply_octets:
                raise ReplyFault("a reply is too long")
            found = _REPLY_LINE.match(line)
            if found is None:
                raise ReplyFault("this is not an SMTP reply")
            code = int(found[1])
            if self._lines and code != self._code:
                raise ReplyFault("the lines of a reply differ in their code")
            self._code = code
            self._lines.append(found[3] or b"")
            if found[2] != b"-":
                reply = Reply(code, tuple(self._lines))
                self._lines.clear()
                self._size = 0
                return reply


Offers = Mapping[bytes, bytes]
"""The extensions a server offers: upper-case keyword to its parameters."""


def offers_of(reply: Reply) -> Offers:
    """What the reply to EHLO offers; lines that are no keyword are passed over.

    LENIENT_AUTH: ``AUTH=LOGIN PLAIN``, which servers before RFC 2554 said, counts as AUTH.
    """
    offers: dict[bytes, bytes] = {}
    for line in reply.lines[1:]:
        found = _EHLO_LINE.match(line)
        if found is not None:
            offers.setdefault(found[1].upper(), found[2] or b"")
    return offers


def size_limit(offers: Offers) -> int | None:
    """The largest message the server says it takes; None when it does not say."""
    found = _SIZE.fullmatch(offers.get(b"SIZE", b""))
    return None if found is None else int(found[1]) or None


@dataclass(frozen=True, slots=True)
class Needs:
    """What octets and addresses ask of the next server."""

    eight_bit: bool
    """The body holds octets over 127: 8BITMIME."""
    utf8_header: bool
    """The header does: SMTPUTF8."""
    utf8_sender: bool
    """The reverse-path does, in its local part: SMTPUTF8."""


def needs_of(outgoing: Outgoing) -> Needs:
    """What ``outgoing`` asks for besides its recipients."""
    octets = outgoing.octets
    if octets.isascii():
        eight_bit = utf8_header = False
    else:
        at = octets.find(b"\r\n\r\n")
        header = octets if at < 0 else octets[:at]
        utf8_header = not header.isascii()
        eight_bit = at >= 0 and not octets[at:].isascii()
    sender = bool(outgoing.reverse_path) and not wire_email(outgoing.reverse_path).isascii()
    return Needs(eight_bit, utf8_header, sender)


def is_sendable(address: str) -> bool:
    """Whether ``address`` can stand in a command without breaking out of it."""
    if _UNSAFE.search(address) is not None or len(address) > 1000:
        return False
    return _UNQUOTED.fullmatch(address) is not None or _QUOTED.fullmatch(address) is not None


def mail_command(outgoing: Outgoing, needs: Needs, offers: Offers, utf8: bool) -> bytes:
    """MAIL with the parameters that the server understands."""
    words = [b"MAIL FROM:<%b>" % _address(outgoing.reverse_path)]
    if b"SIZE" in offers:
        words.append(b"SIZE=%d" % len(outgoing.octets))
    if b"8BITMIME" in offers and (needs.eight_bit or needs.utf8_header):
        words.append(b"BODY=8BITMIME")
    if utf8:
        words.append(b"SMTPUTF8")
    if b"DSN" in offers:
        if outgoing.ret is not None:
            words.append(b"RET=FULL" if outgoing.ret is Ret.FULL else b"RET=HDRS")
        # By our own identifier a report finds back whatever becomes of the Message-ID.
        words.append(b"ENVID=" + xtext(outgoing.envid or outgoing.message))
    return b" ".join(words) + b"\r\n"


def rcpt_command(recipient: RelayRecipient, offers: Offers) -> bytes:
    """RCPT with the parameters that the server understands."""
    words = [b"RCPT TO:<%b>" % _address(recipient.address)]
    if b"DSN" in offers:
        if recipient.notify:
            wanted = [one for one in _NOTIFY_ORDER if one in recipient.notify]
            words.append(b"NOTIFY=" + ",".join(wanted).encode("ascii"))
        if recipient.orcpt is not None and recipient.orcpt.isascii():
            kind, _, address = recipient.orcpt.partition(";")
            words.append(b"ORCPT=%b;%b" % (kind.encode("ascii"), xtext(address)))
    return b" ".join(words) + b"\r\n"


def xtext(text: str) -> bytes:
    """``text`` in xtext (RFC 3461 section 4)."""
    return _NOT_XTEXT.sub(lambda found: b"+%02X" % found[0][0], text.encode("utf-8", "replace"))


def stuffed(octets: bytes) -> bytes:
    """Message octets as DATA carries them, the final dot included (RFC 5321 section 4.5.2)."""
    if b"\n." in octets or octets.startswith(b"."):
        octets = _LINE_DOT.sub(b"..", octets)
    end = b".\r\n" if octets.endswith(b"\r\n") or not octets else b"\r\n.\r\n"
    return octets + end


def plain_response(user: str, password: str) -> bytes:
    """The initial response of PLAIN, in base64 (RFC 4616 section 2)."""
    return encoded64(f"\0{user}\0{password}")


def encoded64(text: str) -> bytes:
    """``text`` in UTF-8 and base64, on one line."""
    return binascii.b2a_base64(text.encode(), newline=False)


def _address(address: str) -> bytes:
    return wire_email(address).encode("utf-8") if address else b""
