"""What SES writes on top of a mail that it takes: whom it met, what it found, whom the mail was for.

Source: Amazon SES Developer Guide, "Deliver to S3 bucket action" and "Email headers"; observed:
Return-Path, Received (by inbound-smtp.REGION.amazonaws.com), X-SES-Spam-Verdict,
X-SES-Virus-Verdict, Received-SPF, Authentication-Results (amazonses.com) stand before everything
that the sender wrote, so that of several fields of a name the first one is SES's; a verdict counts
only where nothing of the sender's stands above it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import trio

from agentpost.mime.address import parse_addresses
from agentpost.mime.header import Header, header_end, unfold
from agentpost.model.notification import Result, SesReceipt, SesVerdict, Verdicts

_INLINE_OCTETS: Final = 256 * 1024
_RECEIVED: Final = re.compile(
    rb"from[ \t]+(?P<helo>[!-~]{1,255})[^\[\]()]{0,16}"
    rb"(?:\([^\[\]()]{0,300}\[(?P<ip>[0-9A-Fa-f.:]{2,45})\]\))?"
    rb"[ \t]+by[ \t]+inbound-smtp\.[a-z0-9-]{3,40}\.amazonaws\.com(?:\.cn)?[ \t]",
    re.ASCII,
)
_FOR: Final = re.compile(rb"[ \t]for[ \t]+<?(?P<address>[!-:=?-~]{3,320})>?[ \t]*(?:;|$)")
_RESULT: Final = re.compile(rb"(?:^|;)[ \t]*(spf|dkim|dmarc)=([a-z]{1,20})\b", re.ASCII)
_OWN: Final = frozenset(
    (
        b"return-path",
        b"received",
        b"x-ses-spam-verdict",
        b"x-ses-virus-verdict",
        b"received-spf",
        b"authentication-results",
        b"x-ses-receipt",
        b"x-ses-dkim-signature",
    )
)
_WORDS: Final[dict[str, Result]] = {"PASS": "pass", "FAIL": "fail", "GRAY": "gray"}


@dataclass(frozen=True, slots=True)
class Opening:
    """What SES's own fields say of the conversation that brought the mail.

    ``recipients`` were in the envelope for sure; ``named`` stand in To and Cc, whoever they are.
    """

    ip: str | None
    helo: str | None
    reverse_path: str
    recipients: tuple[str, ...]
    named: tuple[str, ...]


async def header_of(octets: bytes) -> Header:
    """The header section of a mail; long mail is looked at in a thread."""
    if len(octets) <= _INLINE_OCTETS:
        return _header(octets)
    return await trio.to_thread.run_sync(_header, octets)


def _header(octets: bytes) -> Header:
    end = header_end(octets, 0, len(octets))
    return Header(octets, 0, len(octets) if end is None else end)


def opened(header: Header) -> Opening:
    """What SES's Received field says, and to whom the mail is addressed.  Never fails."""
    trace = header.first(b"received") or b""
    met = _RECEIVED.match(trace)
    meant = None if met is None else _FOR.search(trace, met.end())
    ip = None if met is None or met["ip"] is None else met["ip"].decode("ascii")
    path = _addresses(header.first(b"return-path") or b"")
    named = [
        address
        for name in (b"to", b"cc")
        for value in header.all(name)
        for address in _addresses(value)
    ]
    return Opening(
        ip=ip,
        helo=None if met is None else met["helo"].decode("ascii"),
        reverse_path=path[0] if path else "",
        recipients=() if meant is None else (meant["address"].decode("ascii"),),
        named=tuple(dict.fromkeys(named)),
    )


def _addresses(value: bytes) -> list[str]:
    return [one.email for one in parse_addresses(value)]


def verdicts_of(receipt: SesReceipt) -> Verdicts:
    """SES's verdicts as a notification tells them."""
    return Verdicts(
        spam=_result(receipt.spam_verdict),
        virus=_result(receipt.virus_verdict),
        spf=_result(receipt.spf_verdict),
        dkim=_result(receipt.dkim_verdict),
        dmarc=_result(receipt.dmarc_verdict),
    )


def given(octets: bytes, header: Header) -> Verdicts:
    """SES's verdicts as they stand on top of the mail.  Never fails."""
    own = _own(octets, header)
    results = own.get(b"authentication-results", b"")
    found: dict[str, Result] = {}
    if results.startswith(b"amazonses.com;"):
        for name, word in _RESULT.findall(results):
            # Of several signatures one that holds is enough.
            if found.get(name.decode("ascii")) != "pass":
                found[name.decode("ascii")] = _short(word)
    return Verdicts(
        spam=_WORDS.get(own.get(b"x-ses-spam-verdict", b"").decode("ascii", "replace"), "none"),
        virus=_WORDS.get(own.get(b"x-ses-virus-verdict", b"").decode("ascii", "replace"), "none"),
        spf=found.get("spf", "none"),
        dkim=found.get("dkim", "none"),
        dmarc=found.get("dmarc", "none"),
    )


def _own(octets: bytes, header: Header) -> dict[bytes, bytes]:
    """The fields that SES has put on top, up to the first that may be the sender's."""
    found: dict[bytes, bytes] = {}
    for field in header.fields:
        if field.name not in _OWN or field.name in found:
            break
        found[field.name] = unfold(octets[field.value_start : field.value_end]).strip(b" \t\r\n")
    return found


def _short(word: bytes) -> Result:
    if word in (b"pass", b"fail"):
        return "pass" if word == b"pass" else "fail"
    return "gray" if word in (b"softfail", b"neutral", b"policy") else "none"


def _result(verdict: SesVerdict | None) -> Result:
    return "none" if verdict is None else _WORDS.get(verdict.status, "none")
