"""The machine-readable part of a report: delivery status (RFC 3464) and feedback (RFC 5965).

Real servers write these fields without empty lines between recipients, with comments, with
brackets, in quoted-printable, or into the text for people.  So fields are read one after the other
and a recipient ends where one of his fields comes a second time.  Linear in the octets, bounded,
never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from agentpost.limits import BounceLimits
from agentpost.mime.charset import decode_undeclared, storable
from agentpost.mime.fields import cleaned
from agentpost.model.bounce import ReceivedReport, ReportedAction, ReportedRecipient

_DEFAULT = BounceLimits()
_FIELD = re.compile(r"[ \t]{0,8}([A-Za-z][A-Za-z0-9-]{1,40})[ \t]{0,8}:[ \t]*(.*)", re.ASCII)
ADDRESS = r"[^\s<>()\[\],;:\"'@\\]{1,64}@[^\s<>()\[\],;:\"'@\\]{1,253}"
"""An address as reports write it; quoted local parts are too rare to look for."""
_ADDRESS = re.compile(ADDRESS)
_QUOTED_ADDRESS = re.compile(r'"[^"\r\n]{1,62}"@[A-Za-z0-9.-]{1,253}')
_STATUS = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)", re.ASCII)
_REPLY = re.compile(r"(?<![\d.])([245])\d\d(?![\d.]*\d)(?=[ \-:]|$)", re.ASCII)
_WORD = re.compile(r"[a-z]+", re.ASCII)
_ESCAPED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")

_ACTIONS: dict[str, ReportedAction] = {
    "failed": "failed",
    "failure": "failed",
    "expired": "failed",
    "error": "failed",
    "undeliverable": "failed",
    "delayed": "delayed",
    "deferred": "delayed",
    "delivered": "delivered",
    "deliverable": "delivered",
    "relayed": "relayed",
    "expanded": "expanded",
}
"""What servers write for Action; the standard's words and mistakes that were seen."""
_BY_CLASS: dict[str, ReportedAction] = {"5": "failed", "4": "delayed", "2": "delivered"}
_COMPLAINTS = frozenset(
    ("abuse", "fraud", "virus", "other", "opt-out", "opt-out-list", "miscategorized")
)
"""Feedback types by which a recipient rejects the mail; not ``not-spam`` or ``auth-failure``."""
_OF_RECIPIENT = frozenset(
    (
        "original-recipient",
        "final-recipient",
        "x-actual-recipient",
        "action",
        "status",
        "remote-mta",
        "diagnostic-code",
        "last-attempt-date",
        "final-log-id",
        "will-retry-until",
    )
)
_NAMES_RECIPIENT = ("final-recipient", "original-recipient", "x-actual-recipient")

Fields = dict[str, str]


def delivery_status(octets: bytes, limits: BounceLimits = _DEFAULT) -> ReceivedReport | None:
    """What the fields in ``octets`` (decoded, without header section) report; None when nothing.

    Source: RFC 3464 section 2; RFC 6533 for addresses beyond ASCII.
    """
    about: Fields = {}
    recipients: list[ReportedRecipient] = []
    for group in _groups(_fields(_text(octets, limits), limits)):
        about = {**group, **about}
        if len(recipients) < limits.max_recipients:
            found = _recipient(group)
            if found is not None:
                recipients.append(found)
    if not recipients:
        return None
    return ReceivedReport(
        form="dsn",
        recipients=tuple(recipients),
        envid=cleaned(about.get("original-envelope-id", ""), 200) or None,
        reporting_mta=_after_type(about.get("reporting-mta", "")) or None,
    )


def feedback(octets: bytes, limits: BounceLimits = _DEFAULT) -> ReceivedReport | None:
    """The complaint in ``octets``, a feedback report's body; None when it is none.

    Source: RFC 5965 section 3.
    """
    said: dict[str, list[str]] = {}
    for name, value in _fields(_text(octets, limits), limits):
        if name:
            said.setdefault(name, []).append(value)
    kind = cleaned(said.get("feedback-type", [""])[0], 40).lower()
    if kind not in _COMPLAINTS:
        return None
    named = [*said.get("original-rcpt-to", ()), *said.get("removal-recipient", ())]
    recipients = tuple(
        ReportedRecipient((address,), "complained")
        for address in dict.fromkeys(one for value in named for one in addresses_in(value))
    )
    return ReceivedReport(
        form="arf",
        recipients=recipients[: limits.max_recipients],
        envid=cleaned(said.get("original-envelope-id", [""])[0], 200) or None,
        reporting_mta=_after_type(said.get("reporting-mta", [""])[0]) or None,
        feedback_type=kind,
        feedback_agent=cleaned(said.get("user-agent", [""])[0], 100) or None,
    )


def addresses_in(text: str) -> tuple[str, ...]:
    """The addresses in a short text, in order, each once."""
    found = _ADDRESS.findall(text[:2_000]) or _QUOTED_ADDRESS.findall(text[:2_000])
    return tuple(dict.fromkeys(one.rstrip(".") for one in found))


def status_in(words: str) -> str | None:
    """The enhanced status code in a server's words; None without one."""
    found = _STATUS.search(words)
    return None if found is None else found[1]


def class_in(words: str) -> str | None:
    """The class of failure that an SMTP reply code in ``words`` gives: ``5``, ``4`` or ``2``."""
    found = _REPLY.search(words)
    return None if found is None else found[1]


def _text(octets: bytes, limits: BounceLimits) -> str:
    return storable(decode_undeclared(octets[: limits.max_status_octets]))


def _fields(text: str, limits: BounceLimits) -> Iterator[tuple[str, str]]:
    """Names in lower case and unfolded values, in order; an empty name for an empty line."""
    name, value = "", ""
    lines = text.replace("\r\n", "\n").split("\n", limits.max_lines)[: limits.max_lines]
    for line in (one[: limits.max_line_characters] for one in lines):
        if name and line[:1] in (" ", "\t") and line.strip():
            if len(value) < limits.max_line_characters:
                value += " " + line.strip()
            continue
        if name:
            yield name, value
            name = ""
        found = _FIELD.match(line)
        if found is not None:
            name, value = found[1].lower(), found[2].strip()
        elif not line.strip():
            yield "", ""
    if name:
        yield name, value


def _groups(fields: Iterable[tuple[str, str]]) -> Iterator[Fields]:
    """Fields that belong together: up to an empty line, or to where a recipient's come again."""
    group: Fields = {}
    for name, value in fields:
        again = name in group and name in _OF_RECIPIENT
        if (not name or again) and group:
            yield group
            group = {}
        if name:
            group.setdefault(name, value)
    if group:
        yield group


def _recipient(group: Fields) -> ReportedRecipient | None:
    names: list[str] = []
    for field in _NAMES_RECIPIENT:
        names += _named(group.get(field, ""))
    words = cleaned(group.get("diagnostic-code", ""), 900)
    status = _best_status(group.get("status", ""), words)
    said = _WORD.match(group.get("action", "").lower())
    action = _ACTIONS.get(said[0]) if said is not None else None
    if action is None and (status is not None or "action" not in group):
        action = _BY_CLASS.get((status or class_in(words) or "")[:1])
    if not names or action is None:
        return None
    if status is None and (severity := class_in(words)) is not None:
        status = f"{severity}.0.0"
    return ReportedRecipient(tuple(dict.fromkeys(names)), action, status, words or None)


def _named(value: str) -> list[str]:
    """The addresses of a typed field; escapes of RFC 6533 section 3 are resolved."""
    text = _ESCAPED.sub(_character, value)
    return list(addresses_in(text.partition(";")[2] or text))


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return chr(code) if 0x80 <= code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else found[0]


def _best_status(field: str, words: str) -> str | None:
    """The status, or the more exact one of the same class in the other server's words."""
    status = status_in(field)
    better = status_in(words)
    if status is None or (status.endswith(".0.0") and better and better[0] == status[0]):
        return better or status
    return status


def _after_type(value: str) -> str:
    """``dns; mail.example`` without its type."""
    return cleaned(value.partition(";")[2] or value, 255)
