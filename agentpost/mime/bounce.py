"""Whether a mail reports on another one, and what it says: bounces, delays, receipts, complaints.

Sources: RFC 6522 (multipart/report), RFC 3464 (delivery status), RFC 5965 (complaints), RFC 3834
section 3.3 (automatic answers, which are no bounces).  Where a server writes none of these,
:mod:`agentpost.mime.bounceforms` knows how it words it; that is believed of a machine's mail only.

What a report says is a claim: whoever believes it must check that the message was really sent.
"""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice

from agentpost.limits import BounceLimits, MimeLimits
from agentpost.mime.body import best_text, decode_body, walk
from agentpost.mime.bouncefields import addresses_in, delivery_status, feedback
from agentpost.mime.bounceforms import ids_told, told
from agentpost.mime.charset import decode_undeclared, storable
from agentpost.mime.encoded import decode_header, decode_raw
from agentpost.mime.header import Header, header_end
from agentpost.mime.scan import Part
from agentpost.mime.threading import message_ids
from agentpost.model.bounce import ReceivedReport, ReportedRecipient

_DEFAULT = BounceLimits()
_MIME = MimeLimits()
_STATUS = frozenset((b"message/delivery-status", b"message/global-delivery-status"))
_FEEDBACK = b"message/feedback-report"
_RETURNED = frozenset(
    (
        b"message/rfc822",
        b"message/global",
        b"text/rfc822-headers",
        b"message/rfc822-headers",
        b"message/global-headers",
        b"message/partial",
    )
)
_OTHER_REPORTS = frozenset((b"disposition-notification", b"tlsrpt"))
"""Report types that say nothing of delivery: receipts that were read, statistics of TLS."""
_DAEMON = re.compile(
    rb"(?:^|[<\"\s(])(?:mailer[-_.]?daemon|mail[-_.]?daemon|post[-_.]?master|mdaemon)@"
    rb"|mail(?:er)? deliver|mail system|mailer[- ]daemon|^\s*<>\s*$|<>\s*$",
    re.IGNORECASE,
)
_NULL_PATH = re.compile(rb"<?\s*(?:mailer-daemon(?:@[^\s<>]{0,255})?)?\s*>?\s*", re.IGNORECASE)
_FIELDS_IN_TEXT = re.compile(
    r"^[ \t]{0,8}(?:Final|Original)-Recipient[ \t]{0,8}:", re.IGNORECASE | re.MULTILINE
)
_MAX_PARTS = 100


def may_be_report(header: Header, part: Part) -> bool:
    """Whether it is worth reading the mail for a report: of that kind, or sent by a machine."""
    if part.type == b"multipart/report":
        kind = part.parameter(b"report-type")
        return kind is None or kind.strip().lower() not in _OTHER_REPORTS
    if any(one.type in _STATUS or one.type == _FEEDBACK for one in part.children):
        return True
    return _is_from_machine(header)


def received_report(
    octets: bytes, part: Part, limits: BounceLimits = _DEFAULT
) -> ReceivedReport | None:
    """What the mail ``octets``, whose root is ``part``, reports; None when it reports nothing.

    A report may name no recipient when it is a complaint of which the sender was left out.  Never
    raises, whatever the octets are; linear in their number.
    """
    header = Header(octets, part.header_start, part.header_end)
    if not may_be_report(header, part):
        return None
    found = [one for one, _, _ in islice(walk(part, into_messages=False), _MAX_PARTS)]
    returned = _returned(found, octets, limits)
    report = _structured(found, octets, limits)
    if report is not None:
        named = report.recipients or _complaining(returned)
        ids = _ids_of(returned, header, limits)
        return replace(report, recipients=named, original_ids=ids)
    return _free(octets, part, header, returned, limits)


def _structured(parts: list[Part], octets: bytes, limits: BounceLimits) -> ReceivedReport | None:
    for one in parts:
        if one.type in _STATUS:
            report = delivery_status(decode_body(one, octets, limits.max_status_octets), limits)
        elif one.type == _FEEDBACK:
            report = feedback(decode_body(one, octets, limits.max_status_octets), limits)
        else:
            continue
        if report is not None:
            return report
    return None


def _free(
    octets: bytes, part: Part, header: Header, returned: Header | None, limits: BounceLimits
) -> ReceivedReport | None:
    """A report in words, or in fields that stand in the text."""
    text = _text_of(octets, part, limits)
    if _FIELDS_IN_TEXT.search(text):
        report = delivery_status(text.encode(), limits)
        if report is not None:
            named = _ids_of(returned, header, limits) or ids_told(text, limits)
            return replace(report, form="fields", original_ids=named)
    if not _is_from_machine(header):
        return None
    value = header.last(b"x-failed-recipients")
    failed = () if value is None else addresses_in(decode_raw(value))
    subject = header.last(b"subject")
    said = told(text, failed, "" if subject is None else decode_header(subject), limits)
    if said is None:
        return None
    recipients = said.recipients
    if not recipients and returned is not None:
        recipients = _only_recipient(returned)
    if not recipients:
        return None
    ids = dict.fromkeys((*_returned_ids(returned), *said.original_ids, *_answered(header)))
    return ReceivedReport(said.form, recipients, tuple(ids)[: limits.max_ids])


def _is_from_machine(header: Header) -> bool:
    """Whether a mail server wrote it: the null reverse-path, its name, or Exim's field.

    Source: RFC 5321 section 4.5.5.  The name alone proves nothing and is not meant to.
    """
    path = header.last(b"return-path")
    if path is not None and _NULL_PATH.fullmatch(path[:300]):
        return True
    if b"x-failed-recipients" in header:
        return True
    sender = header.last(b"from")
    return sender is not None and _DAEMON.search(sender[:500]) is not None


def _text_of(octets: bytes, part: Part, limits: BounceLimits) -> str:
    """The text for people; of a report that is cut wrongly into parts, all of it."""
    if part.is_multipart and not part.children:
        end = min(part.body_end, part.header_end + limits.max_text_characters)
        text = storable(decode_undeclared(octets[part.header_end : end]))
        return text.replace("\r\n", "\n")
    text = best_text(part, octets, _MIME) or ""
    if not text.strip() and part.is_multipart:
        end = min(part.body_end, part.header_end + limits.max_text_characters)
        text = storable(decode_undeclared(octets[part.header_end : end])).replace("\r\n", "\n")
    return text[: limits.max_text_characters]


def _returned(parts: list[Part], octets: bytes, limits: BounceLimits) -> Header | None:
    """The header of the message that came back, where it is a part of its own."""
    for one in parts:
        if one.type in _RETURNED:
            body = decode_body(one, octets, limits.max_returned_octets)
            body = body[: limits.max_returned_octets]
            end = header_end(body, 0, len(body))
            return Header(body, 0, len(body) if end is None else end)
    return None


def _ids_of(returned: Header | None, header: Header, limits: BounceLimits) -> tuple[str, ...]:
    ids = dict.fromkeys((*_returned_ids(returned), *_answered(header)))
    return tuple(ids)[: limits.max_ids]


def _returned_ids(returned: Header | None) -> tuple[str, ...]:
    value = None if returned is None else returned.last(b"message-id")
    return () if value is None else message_ids(decode_raw(value))


def _answered(header: Header) -> tuple[str, ...]:
    """What the report itself says it answers; several servers do, as RFC 3834 section 3.1.5 asks."""
    found: list[str] = []
    for name in (b"in-reply-to", b"references"):
        value = header.last(name)
        if value is not None:
            found += message_ids(decode_raw(value))[-2:]
    return tuple(found)


def _complaining(returned: Header | None) -> tuple[ReportedRecipient, ...]:
    """Who may have complained: those the message names, as their name was taken out."""
    if returned is None:
        return ()
    value = returned.last(b"to")
    named = () if value is None else addresses_in(decode_raw(value))
    return tuple(ReportedRecipient((one,), "complained") for one in named[:1] if len(named) == 1)


def _only_recipient(returned: Header) -> tuple[ReportedRecipient, ...]:
    value = returned.last(b"to")
    named = () if value is None else addresses_in(decode_raw(value))
    return tuple(ReportedRecipient((one,), "failed") for one in named if len(named) == 1)
