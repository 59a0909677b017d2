"""Commands and their arguments (RFC 5321 section 4.1 and the extensions we offer).

A line becomes a verb and an argument, the argument a frozen value.  Whatever is wrong with it is
a :class:`Refused` that holds the reply.  Nothing here knows which command is legal when.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from agentpost.model.envelope import Body, ForwardPath, FutureRelease, Notify, Ret
from agentpost.smtp.wire import paths
from agentpost.smtp.wire.replies import NO_MECHANISM, NOT_BASE64, Reply, reply

_VERB: Final = re.compile(rb"([A-Za-z][A-Za-z0-9]*)(?: +(.*))?", re.DOTALL)
_FROM: Final = re.compile(rb"(?i:FROM): *+")  # LENIENT_SPACE_AFTER_COLON
_TO: Final = re.compile(rb"(?i:TO): *+")  # LENIENT_SPACE_AFTER_COLON
# Angle brackets may stand inside quotes; the rest of the path is judged afterwards.
_PATH: Final = re.compile(rb'<((?:[^<>"\x00-\x1f\x7f]|"(?:[^"\\]|\\.)*+")*+)>', re.DOTALL)
_PARAMETER: Final = re.compile(
    rb"([A-Za-z0-9][A-Za-z0-9-]*+)(?:=([\x21-\x3c\x3e-\x7e\x80-\xff]++))?"
)
_SIZE: Final = re.compile(rb"[0-9]{1,20}")
_CHUNK: Final = re.compile(rb"([0-9]{1,20})(?: +((?i:LAST)))?")
_MECHANISM: Final = re.compile(rb"([A-Za-z0-9_-]{1,20})(?: +([^ ]+))?")
_NAME: Final = re.compile(r"[^\x00-\x20\x7f]+")
_TEXT: Final = re.compile(rb"[\x20-\x7e\x80-\xff]*")
_XTEXT: Final = re.compile(rb"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e\x80-\xff]|\+[0-9A-F]{2})*+")
_HEXCHAR: Final = re.compile(rb"\+([0-9A-F]{2})")
_ADDRESS_TYPE: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+")

_INTERVAL: Final = re.compile(rb"[1-9][0-9]{0,8}")
_MOMENT: Final = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?[Zz]"
)

_MAX_ENVID: Final = 100
_MAX_ORCPT: Final = 500

_BAD_HELLO: Final = reply(501, "5.5.4", "EHLO needs the name of the client")
_NO_ARGUMENT: Final = reply(501, "5.5.4", "This command takes no argument")
_BAD_TEXT: Final = reply(501, "5.5.4", "The argument holds control characters")
_BAD_VRFY: Final = reply(501, "5.5.4", "VRFY needs an address")
_BAD_MAIL: Final = reply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
_BAD_RCPT: Final = reply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
_BAD_PARAMETER: Final = reply(501, "5.5.4", "A parameter is not well formed")
_TWICE: Final = reply(501, "5.5.4", "A parameter is given twice")
_NO_SUCH_PARAMETER: Final = reply(555, "5.5.4", "A parameter is not supported")
_PARAMETERS_NEED_EHLO: Final = reply(555, "5.5.4", "Parameters need EHLO instead of HELO")
_HELD_TWICE: Final = reply(501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other")
_NO_BINARYMIME: Final = reply(555, "5.5.4", "BODY=BINARYMIME is not supported")
_BAD_CHUNK: Final = reply(501, "5.5.4", "Syntax: BDAT octets [LAST]")
_BAD_AUTH: Final = reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")


class Refused(Exception):
    """The command cannot be executed; the client is told ``reply``."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(reply.octets)


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL: ``address`` is empty for the null reverse-path; ``size`` is in octets."""

    address: str
    size: int | None = None
    body: Body | None = None
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    release: FutureRelease | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """BDAT: so many octets follow the line."""

    octets: int
    last: bool


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH: ``initial`` is ``None`` when the client waits for a challenge."""

    mechanism: str
    initial: bytes | None


def split(line: bytes) -> tuple[bytes, bytes]:
    """The verb in upper case and the argument; both empty when no verb stands there.

    Trailing white space is dropped (RFC 5321 section 4.1.1 wants it tolerated).
    """
    match = _VERB.fullmatch(line.rstrip(b" \t"))
    if match is None:
        return b"", b""
    # On bytes, upper() knows ASCII only.
    return match[1].upper(), match[2] or b""


def no_argument(argument: bytes) -> None:
    if argument:
        raise Refused(_NO_ARGUMENT)


def text(argument: bytes) -> None:
    """NOOP and HELP: anything printable, and it means nothing."""
    if not _TEXT.fullmatch(argument):
        raise Refused(_BAD_TEXT)


def verify(argument: bytes) -> None:
    """VRFY: a string, which we do not look up (RFC 5321 section 7.3)."""
    if not argument:
        raise Refused(_BAD_VRFY)
    text(argument)


def hello(argument: bytes, max_octets: int) -> str:
    """The client's name for itself, as given.

    LENIENT_NAME: many clients send a host name with an underscore or a bare address, and
    RFC 5321 section 4.1.4 forbids to refuse mail for that; it is bounded and never repeated.
    """
    try:
        name = argument.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(_BAD_HELLO) from None
    if len(argument) > max_octets or not _NAME.fullmatch(name) or not name.isprintable():
        raise Refused(_BAD_HELLO)
    return name


def mail(argument: bytes, *, extended: bool) -> Mail:
    """``FROM:<reverse-path> [parameters]`` (RFC 5321 4.1.1.2, 1870, 6152, 6531, 3461, 4954, 4865).

    ``extended``: the client said EHLO and may use parameters.
    """
    path, given = _path(_FROM, argument, _BAD_MAIL, extended=extended)
    smtputf8 = _flag(given, b"SMTPUTF8")
    size = _size(given)
    body = _body(given)
    ret = _ret(given)
    envid = _envid(given)
    release = _release(given)
    _auth_parameter(given)
    if given:
        raise Refused(_NO_SUCH_PARAMETER)
    address = _address(path, smtputf8, "5.1.7") if path else ""
    return Mail(address, size, body, smtputf8, ret, envid, release)


def rcpt(argument: bytes, *, extended: bool, smtputf8: bool, hostname: str) -> ForwardPath:
    """``TO:<forward-path> [parameters]`` (RFC 5321 section 4.1.1.3, RFC 3461).

    ``<postmaster>`` without a domain is the postmaster of ``hostname`` (section 4.5.1).
    """
    path, given = _path(_TO, argument, _BAD_RCPT, extended=extended)
    notify = _notify(given)
    orcpt = _orcpt(given, smtputf8)
    if given:
        raise Refused(_NO_SUCH_PARAMETER)
    if path.upper() == b"POSTMASTER":
        return ForwardPath(f"postmaster@{hostname}", notify, orcpt)
    return ForwardPath(_address(path, smtputf8, "5.1.3"), notify, orcpt)


def bdat(argument: bytes) -> Chunk:
    """``octets [LAST]`` (RFC 3030 section 2)."""
    match = _CHUNK.fullmatch(argument)
    if match is None:
        raise Refused(_BAD_CHUNK)
    return Chunk(int(match[1]), match[2] is not None)


def auth(argument: bytes) -> Auth:
    """``mechanism [initial-response]`` (RFC 4954 section 4); ``=`` is an empty response."""
    match = _MECHANISM.fullmatch(argument)
    if match is None:
        raise Refused(_BAD_AUTH)
    mechanism = match[1].upper().decode("ascii")
    if mechanism not in ("PLAIN", "LOGIN"):
        raise Refused(NO_MECHANISM)
    if match[2] is None:
        return Auth(mechanism, None)
    return Auth(mechanism, b"" if match[2] == b"=" else decode(match[2]))


def decode(base64: bytes) -> bytes:
    """The octets of a SASL response; nothing outside the alphabet is passed over."""
    try:
        return binascii.a2b_base64(base64, strict_mode=True)
    except ValueError:
        raise Refused(NOT_BASE64) from None


_Given = dict[bytes, bytes | None]


def _path(
    keyword: re.Pattern[bytes], argument: bytes, usage: Reply, *, extended: bool
) -> tuple[bytes, _Given]:
    """What stands between the angle brackets, and the parameters behind them."""
    prefix = keyword.match(argument)
    if prefix is None:
        raise Refused(usage)
    match = _PATH.match(argument, prefix.end())
    if match is None:
        raise Refused(reply(501, "5.1.3" if keyword is _TO else "5.1.7", _ANGLES))
    rest = argument[match.end() :]
    if not rest:
        return match[1], {}
    if not rest.startswith(b" "):
        raise Refused(usage)
    if not extended:
        raise Refused(_PARAMETERS_NEED_EHLO)
    return match[1], _parameters(rest)


_ANGLES: Final = "The address must stand in angle brackets: <local-part@domain>"


def _parameters(octets: bytes) -> _Given:
    given: _Given = {}
    for word in octets.split(b" "):
        if not word:
            continue
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise Refused(_BAD_PARAMETER)
        name = match[1].upper()
        if name in given:
            raise Refused(_TWICE)
        given[name] = match[2]
    return given


def _address(path: bytes, smtputf8: bool, enhanced: str) -> str:
    try:
        return paths.mailbox(path, smtputf8=smtputf8)
    except paths.NeedsSmtpUtf8 as problem:
        raise Refused(reply(553, "5.6.7", problem.reason)) from None
    except paths.BadPath as problem:
        raise Refused(reply(501, enhanced, problem.reason)) from None


def _flag(given: _Given, name: bytes) -> bool:
    if name not in given:
        return False
    if given.pop(name) is not None:
        raise Refused(_BAD_PARAMETER)
    return True


def _value(given: _Given, name: bytes) -> bytes | None:
    """The value of a parameter that must have one when it is given."""
    if name not in given:
        return None
    value = given.pop(name)
    if value is None:
        raise Refused(_BAD_PARAMETER)
    return value


def _size(given: _Given) -> int | None:
    value = _value(given, b"SIZE")
    if value is None:
        return None
    if not _SIZE.fullmatch(value):
        raise Refused(_BAD_PARAMETER)
    return int(value)


def _body(given: _Given) -> Body | None:
    value = _value(given, b"BODY")
    if value is None:
        return None
    match value.upper():
        case b"7BIT":
            return Body.SEVENBIT
        case b"8BITMIME":
            return Body.EIGHTBITMIME
        case b"BINARYMIME":
            raise Refused(_NO_BINARYMIME)
        case _:
            raise Refused(_BAD_PARAMETER)


def _ret(given: _Given) -> Ret | None:
    value = _value(given, b"RET")
    if value is None:
        return None
    try:
        return Ret(value.upper().decode("ascii"))
    except ValueError:
        raise Refused(_BAD_PARAMETER) from None


def _notify(given: _Given) -> frozenset[Notify]:
    value = _value(given, b"NOTIFY")
    if value is None:
        return frozenset()
    try:
        wanted = [Notify(word.decode("ascii")) for word in value.upper().split(b",")]
    except ValueError:
        raise Refused(_BAD_PARAMETER) from None
    if Notify.NEVER in wanted and len(wanted) > 1:
        raise Refused(_BAD_PARAMETER)
    return frozenset(wanted)


def _envid(given: _Given) -> str | None:
    value = _value(given, b"ENVID")
    if value is None:
        return None
    if len(value) > _MAX_ENVID or not value.isascii():
        raise Refused(_BAD_PARAMETER)
    return _printable(_xtext(value))


def _release(given: _Given) -> FutureRelease | None:
    """HOLDFOR or HOLDUNTIL (RFC 4865 section 3); how far ahead is not judged here."""
    interval, until = _value(given, b"HOLDFOR"), _value(given, b"HOLDUNTIL")
    if interval is not None and until is not None:
        raise Refused(_HELD_TWICE)
    if interval is not None:
        if not _INTERVAL.fullmatch(interval):
            raise Refused(_BAD_PARAMETER)
        return FutureRelease(f"for;{interval.decode('ascii')}", seconds=int(interval))
    if until is None:
        return None
    if not _MOMENT.fullmatch(until):
        raise Refused(_BAD_PARAMETER)
    text = until.decode("ascii").upper()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(_BAD_PARAMETER) from None
    return FutureRelease(f"until;{text}", moment=moment)


def _orcpt(given: _Given, smtputf8: bool) -> str | None:
    value = _value(given, b"ORCPT")
    if value is None:
        return None
    kind, semicolon, address = value.partition(b";")
    if not semicolon or len(value) > _MAX_ORCPT or not _ADDRESS_TYPE.fullmatch(kind):
        raise Refused(_BAD_PARAMETER)
    if not value.isascii() and not smtputf8:
        raise Refused(_BAD_PARAMETER)
    return _printable(kind + b";" + _xtext(address))


def _auth_parameter(given: _Given) -> None:
    """AUTH= (RFC 4954 section 5): checked and then ignored, as for any client not trusted to
    speak for others."""
    value = _value(given, b"AUTH")
    if value is not None and value != b"<>":
        _xtext(value)


def _xtext(value: bytes) -> bytes:
    """The octets behind RFC 3461 section 4's encoding."""
    if not _XTEXT.fullmatch(value):
        raise Refused(_BAD_PARAMETER)
    if b"+" not in value:
        return value
    return _HEXCHAR.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), value)


def _printable(octets: bytes) -> str:
    try:
        decoded = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(_BAD_PARAMETER) from None
    if not decoded.isprintable():
        raise Refused(_BAD_PARAMETER)
    return decoded
