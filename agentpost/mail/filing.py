"""What is written down of a submission: deliveries, what is left to do, how to know it again.

Pure; ``submission`` and ``releasing`` write it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from agentpost.errors import RecipientUnknown
from agentpost.mail.policy import REASONS, Decision, Verdict
from agentpost.mime.summary import MessageSummary
from agentpost.model.envelope import Envelope, ForwardPath, Notify
from agentpost.model.message import IdempotentRequest, NewDelivery


def told_at_once(remote: bool, local: bool) -> tuple[str, ...]:
    """The events of the sender that are true at the commit; the relay tells the others."""
    sent = ("message.queued",) if remote else ("message.sent",)
    return (*sent, "message.delivered") if local else sent


def jobs_of(envelope: Envelope, deliveries: Sequence[NewDelivery]) -> tuple[str, ...]:
    """What is left to do: the way to other servers, and to tell of success here (RFC 3461)."""
    jobs = ("relay",) if any(one.state == "queued" for one in deliveries) else ()
    asked = any(one.local and Notify.SUCCESS in one.options.get("notify", ()) for one in deliveries)
    return (*jobs, "report") if asked and envelope.reverse_path else jobs


def deliveries_of(envelope: Envelope, decision: Decision) -> tuple[NewDelivery, ...]:
    """What becomes of each recipient at once."""
    verdicts = {one.recipient: one for one in decision.verdicts}
    return tuple(
        _delivery(path, verdicts[path.address], envelope) for path in envelope.forward_paths
    )


def _delivery(path: ForwardPath, verdict: Verdict, envelope: Envelope) -> NewDelivery:
    if verdict.problem is not None:
        why = {"reason_code": REASONS[type(verdict.problem)], "reason": verdict.problem.message}
        return NewDelivery(path.address, False, "rejected", why)
    local = verdict.local is not None
    options: dict[str, object] = {}
    if path.notify:
        options["notify"] = sorted(path.notify)
    if path.orcpt is not None:
        options["orcpt"] = path.orcpt
    if local and envelope.envid is not None:
        # What leaves keeps it with the relay; success here is told from the delivery.
        options["envid"] = envelope.envid
    if local and envelope.release is not None:
        options["release"] = envelope.release.request
    return NewDelivery(path.address, local, "delivered" if local else "queued", options)


def answer_of(
    asked: IdempotentRequest | None, state: str, suppressed: Sequence[str]
) -> IdempotentRequest | None:
    """The idempotency row of a request that is answered like this."""
    if asked is None:
        return None
    return replace(asked, answer=state, told={"suppressed": suppressed} if suppressed else {})


def options_of(envelope: Envelope) -> dict[str, object]:
    options: dict[str, object] = {}
    if envelope.ret is not None:
        options["ret"] = envelope.ret
    if envelope.envid is not None:
        options["envid"] = envelope.envid
    if envelope.smtputf8:
        options["smtputf8"] = True
    if envelope.release is not None:
        options["release"] = envelope.release.request
    return options


def fingerprint_of(envelope: Envelope, summary: MessageSummary, octets: bytes) -> bytes | None:
    """What makes a repetition of this submission recognisable; None without a Message-ID.

    The octets count too: a program that reuses a Message-ID for another text loses no mail.
    """
    if summary.message_id is None:
        return None
    digest = hashlib.sha256(octets)
    for recipient in sorted(path.address for path in envelope.forward_paths):
        digest.update(b"\0" + recipient.encode("utf-8", "surrogateescape"))
    return digest.digest()


def envelope_to(address: str, recipients: Sequence[str]) -> Envelope:
    """The envelope of a message from ``address``, each recipient once.

    Raises: RecipientUnknown for nobody.
    """
    paths: dict[str, ForwardPath] = {}
    for one in recipients:
        paths.setdefault(one.lower(), ForwardPath(one))
    if not paths:
        raise RecipientUnknown("The message names nobody to send it to.")
    wide = any(not path.address.isascii() for path in paths.values())
    return Envelope(address, tuple(paths.values()), smtputf8=wide)
