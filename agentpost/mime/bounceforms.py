"""Bounces that no standard describes: how mail servers tell people that a mail did not arrive.

Each form is known by a sentence of its own and lists recipients after it, each at the beginning of
a line, with what happened after him.  A form is only looked for in mail of a machine, above the
message that came back.  Lines are bounded and each is looked at a bounded number of times.

Source: the bounces of the servers that the forms are named after.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agentpost.limits import BounceLimits
from agentpost.mime.bouncefields import ADDRESS, addresses_in, class_in, status_in
from agentpost.mime.fields import cleaned
from agentpost.model.bounce import ReportedAction, ReportedRecipient

_DEFAULT = BounceLimits()


@dataclass(frozen=True, slots=True)
class Form:
    """A way of telling: its name, and the sentence that the list of recipients follows."""

    name: str
    lead: re.Pattern[str]


def _form(name: str, *sentences: str) -> Form:
    return Form(name, re.compile("|".join(sentences), re.IGNORECASE))


FORMS: Final = (
    _form("qmail", r"this is the qmail-send program", r"wasn't able to deliver your message to"),
    _form("yahoo", r"unable to deliver your message to the following address"),
    _form("gmail", r"^Delivery to the following recipients? (?:failed|has been delayed)"),
    _form(
        "exim",
        r"message that you (?:have )?sent could not be delivered to one or",
        r"message that you sent has not yet been delivered to one or more",
        r"^\|?-* ?Failed addresses follow:",
    ),
    _form(
        "postfix",
        r"this is the postfix program at",
        r"this is the mail system at host",
        r"message could not be delivered to one or more recipients",
    ),
    _form(
        "sendmail",
        r"^[ -]*The following addresses had (?:permanent|transient|fatal|delivery)",
        r"^ *-+ Transcript of session follows -+",
    ),
    _form(
        "exchange",
        r"did not reach the following recipient",
        r"following recipient\(s\) (?:could not be reached|cannot be reached)",
        r"^Delivery has failed to these recipients",
        r"^Your message wasn't delivered to",
    ),
    _form("domino", r"^was not delivered to:"),
    _form("notes", r"^-+ ?Failure Reasons +-+"),
    _form("opensmtpd", r"^ *the following list of recipients:"),
    _form("dragonfly", r"error delivering your mail to <"),
    _form("workmail", r"error occurred while trying to deliver the mail to the following recip"),
    _form(
        "imail",
        r"^Invalid final delivery userid:",
        r"^Delivery failed \d+ attempts:",
        r"^User mailbox exceeds allowed size:",
        r"^undeliverable to ",
        r"^Unknown (?:user|host):",
    ),
    _form("interscan", r"^Sent <<< RCPT TO:", r"Unable to deliver message to <"),
    _form("mfilter", r"^-+ ?server message"),
    _form("surfcontrol", r"^Your message could not be sent\.", r"^Could not be delivered to:"),
    _form("mailstore", r"^reject reason: ", r"^User's mailbox is full: <"),
    _form("mimecast", r"send to the following address could not be delivered"),
    _form("mailfoundry", r"^Unable to deliver message to:"),
    _form("rejected", r"^Each of the following recipients was rejected"),
    _form("disabled", r"^The user\(s\) account is (?:disabled|temporarily limited)"),
    _form(
        "gateway",
        r"could not be delivered to:? *<",
        r"following (?:user|recipient)s? (?:was|were) not",
    ),
)
"""The forms that are looked for, the more telling ones first."""

_DIVIDER = re.compile(
    r"^[ \t|]*(?:"
    r"-{2,}[^a-z]{0,10}(?:Below this line is|This is a copy of|The header of the original"
    r"|Original message|Returned message|Unsent message|Original mail info|Message text follows"
    r"|Message headers? follow|Non-delivered message)"
    r"|(?:Original|Unsent) message follows|Message headers follow|Original message headers:"
    r"|Included is a copy of the message|Below is a copy of the original message"
    r"|bounced E-Mail:|Original Message:$"
    r"|(?:Received|Return-Path|DKIM-Signature|X-Received|ARC-Seal): ?\S)",
    re.IGNORECASE,
)
_ENTRY = re.compile(
    r"^[ \t]*(?:>>> |[*\u2022-] |-- |Recipient address: |To: |target mail address: "
    r"|\[Status: Error, Address: )?[\"'<(]?"
    rf"({ADDRESS})[>\"'):;,]{{0,4}}[ \t]*(.*)$"
)
_SECTION = re.compile(r"^ *-{3,}")
_DELAY = re.compile(
    r"has been delayed|not yet been delivered|will be retried|warning message only"
    r"|delivery attempts will continue|still (?:trying|being retried)",
    re.IGNORECASE,
)
_MESSAGE_ID = re.compile(r"^[ \t>]{0,8}Message-ID:[ \t]*(<[^<>\s]{1,500}>)?", re.IGNORECASE)
_CONTINUED_ID = re.compile(r"^[ \t]+(<[^<>\s]{1,500}>)")
_TO = re.compile(r"^[ \t>]{0,8}To: ?(.*)$", re.IGNORECASE)
_SMTP_LINE = re.compile(r"(?:^|[ \t:'\"(])[45]\d\d[ \-]", re.ASCII)
_MAX_WORDS = 900
_MEANINGS: Final = (
    (
        re.compile(
            r"user unknown|unknown user|no such (?:user|person|recipient|mailbox)|not listed in"
            r"|recipient (?:name is )?not (?:found|recognized)|unknown recipient"
            r"|invalid (?:user|recipient|address|final delivery userid)|no mailbox here"
            r"|recipientnotfound|does(?:n't| not) (?:have|like) (?:a .{0,40}account|recipient)"
            r"|account (?:is )?disabled",
            re.IGNORECASE,
        ),
        "1.1",
    ),
    (
        re.compile(
            r"mailbox (?:is )?full|quota|exceeded the local limit|exceeds allowed size",
            re.IGNORECASE,
        ),
        "2.2",
    ),
    (
        re.compile(
            r"(?:host|domain)(?: name)? (?:unknown|not found|does not exist)|unknown host"
            r"|couldn't find any host|dns (?:error|lookup failure)|domain name not found",
            re.IGNORECASE,
        ),
        "1.2",
    ),
    (re.compile(r"size limit exceeded|too (?:large|big)", re.IGNORECASE), "3.4"),
)
"""What is said without a code, and subject and detail of the code that it means (RFC 3463)."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a free form says: its name, of whom, and the identifiers in what came back."""

    form: str
    recipients: tuple[ReportedRecipient, ...]
    original_ids: tuple[str, ...]


def told(
    text: str, failed: Sequence[str], subject: str, limits: BounceLimits = _DEFAULT
) -> Told | None:
    """What a mail of a machine tells in ``text``; None when it is no bounce of a known form.

    ``failed`` are the addresses of an X-Failed-Recipients field, as Exim and Google write it.
    """
    lines = _lines(text, limits)
    end = _divider(lines)
    said, returned = lines[:end], lines[end:]
    if not said and returned:
        # A copy without a word above it.
        return None
    form, start = _recognised(said)
    if form is None and not failed:
        return None
    entries = _entries(said, start) if form is not None else []
    entries = _with_field(entries, failed, said)[: limits.max_recipients]
    whole = "\n".join(said[start:])
    if not entries:
        entries = [(one, "") for one in _mentioned(said, returned)]
    delayed = _DELAY.search(f"{subject}\n{whole[:8_000]}") is not None
    action: ReportedAction = "delayed" if delayed else "failed"
    recipients = tuple(_recipient(one, words, whole, action) for one, words in entries)
    ids = _ids(lines, end, limits)
    return Told(form.name if form is not None else "exim", recipients, ids)


def ids_told(text: str, limits: BounceLimits = _DEFAULT) -> tuple[str, ...]:
    """The Message-IDs, without brackets, that a report's text and the copy below it name."""
    lines = _lines(text, limits)
    return _ids(lines, _divider(lines), limits)


def _lines(text: str, limits: BounceLimits) -> list[str]:
    lines = text[: limits.max_text_characters].split("\n", limits.max_lines)[: limits.max_lines]
    return [line[: limits.max_line_characters].rstrip() for line in lines]


def _divider(lines: list[str]) -> int:
    """Where the copy of the message begins."""
    return next((at for at, line in enumerate(lines) if _DIVIDER.match(line)), len(lines))


def _recognised(said: list[str]) -> tuple[Form | None, int]:
    """The form, and the line of its sentence."""
    for form in FORMS:
        for at, line in enumerate(said):
            # Sentences are wrapped: the end of one may stand on the next line.
            joined = f"{line} {said[at + 1].lstrip()}" if at + 1 < len(said) else line
            if form.lead.search(line) or form.lead.search(joined):
                return form, at
    return None, 0


def _entries(said: list[str], start: int) -> list[tuple[str, str]]:
    """Recipients and what follows them, from the sentence on; several lines about one join."""
    found: dict[str, list[str]] = {}
    present: list[str] | None = None
    first = addresses_in(said[start].partition(": ")[2] or said[start])
    for address in first:
        present = found.setdefault(address, [])
    for line in said[start + 1 :]:
        entry = _ENTRY.match(line)
        if entry is not None:
            present = found.setdefault(entry[1].rstrip("."), [])
            present.append(entry[2].lstrip(">:; \t"))
        elif _SECTION.match(line):
            present = None
        elif present is not None and line.strip() and len(present) < 40:
            present.append(line.strip())
    return [(address, " ".join(words).strip()) for address, words in found.items()]


def _with_field(
    entries: list[tuple[str, str]], failed: Sequence[str], said: list[str]
) -> list[tuple[str, str]]:
    """``entries``, held against the field where there is one: it counts, the text explains."""
    if not failed:
        return entries
    words = {address.lower(): text for address, text in entries}
    alone = " ".join(text for _, text in entries) if len(failed) == 1 else ""
    alone = alone or (" ".join(line.strip() for line in said) if len(failed) == 1 else "")
    return [(one, words.get(one.lower()) or alone) for one in failed]


def _mentioned(said: list[str], returned: list[str]) -> tuple[str, ...]:
    """Whom it must mean: the only address in the text, or the only one the message went to."""
    named = tuple(dict.fromkeys(one for line in said for one in addresses_in(line)))
    if len(named) == 1:
        return named
    for line in returned:
        to = _TO.match(line)
        if to is not None:
            return addresses_in(to[1])[:1] if len(addresses_in(to[1])) == 1 else ()
    return ()


def _recipient(address: str, words: str, whole: str, action: ReportedAction) -> ReportedRecipient:
    words = cleaned(words, _MAX_WORDS)
    if status_in(words) is None and class_in(words) is None:
        # Some keep what the other server said in a part of its own.
        line = next((one for one in whole.split("\n") if _SMTP_LINE.search(one)), None)
        words = cleaned(f"{words} {line}", _MAX_WORDS) if line is not None else words
    words = words or cleaned(whole, _MAX_WORDS)
    status = status_in(words)
    severity = (status or class_in(words) or ("4" if action == "delayed" else "5"))[0]
    if status is None or status.endswith(".0.0"):
        meant = next((code for pattern, code in _MEANINGS if pattern.search(words)), None)
        if meant is not None:
            status = f"{severity}.{meant}"
        elif status is None and class_in(words) is not None:
            status = f"{severity}.0.0"
    return ReportedRecipient((address,), action, status, words or None)


def _ids(lines: list[str], end: int, limits: BounceLimits) -> tuple[str, ...]:
    """Message-IDs in what came back, and those that the text itself names."""
    found: list[str] = []
    for at, line in enumerate(lines):
        named = _MESSAGE_ID.match(line)
        if named is None:
            continue
        bracketed: str | None = named[1]
        if bracketed is None and at + 1 < len(lines):
            further = _CONTINUED_ID.match(lines[at + 1])
            bracketed = None if further is None else further[1]
        if bracketed is not None:
            found.append(bracketed[1:-1])
        if at >= end and found:
            # The first after the divider is the message's; what it holds is its own business.
            break
    return tuple(dict.fromkeys(found))[: limits.max_ids]
