"""Which delivery status notifications a sender gets, and what stands in them.

Sources: RFC 3461 sections 4 and 5 (what was asked for, and who answers for it), RFC 3464 section 2
(nothing is reported to the null reverse-path, so that no notification answers another), RFC 5321
section 6.1.  Who sends from here lives here: a notification is delivered, never sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from agentpost.ids import MessageId
from agentpost.limits import RelayLimits
from agentpost.mail.relay import outside_id
from agentpost.mime.fields import is_message_id
from agentpost.mime.outgoing import outgoing as outside
from agentpost.mime.report import Notification, notification
from agentpost.model.envelope import Notify, Ret
from agentpost.model.message import MessageContent
from agentpost.model.relay import (
    Action,
    OutcomeState,
    Outgoing,
    RecipientOutcome,
    RecipientStatus,
    RelayRecipient,
    Report,
)

_BY_DEFAULT = frozenset({Notify.FAILURE})
"""What is told to who did not say (RFC 3461 section 4.1)."""

_ACTIONS: dict[OutcomeState, Action] = {
    "bounced": "failed",
    "failed": "failed",
    "rejected": "failed",
    "deferred": "delayed",
    "delivered": "delivered",
    "sent": "relayed",
}
"""What an outcome is called in a notification; a complaint is none of its matters."""

_OCCASIONS: dict[Action, Notify] = {
    "failed": Notify.FAILURE,
    "delayed": Notify.DELAY,
    "delivered": Notify.SUCCESS,
    "relayed": Notify.SUCCESS,
}


def report_of(
    outgoing: Outgoing, outcomes: Sequence[RecipientOutcome], now: datetime, limits: RelayLimits
) -> Report | None:
    """What the sender is told of an attempt; None when nothing is to be told, or to nobody."""
    if not outgoing.reverse_path:
        return None
    doubtful = (one.recipient for one in outgoing.in_doubt)
    asked = {one.address: one for one in (*outgoing.recipients, *doubtful)}
    found = [_status_of(asked.get(one.recipient), one) for one in outcomes]
    # Of what follows each other in time, a recipient's last word counts.
    told = tuple({one.address: one for one in found if one is not None}.values())
    if not told:
        return None
    delayed = any(one.action == "delayed" for one in told)
    until = outgoing.accepted_at + timedelta(seconds=limits.give_up_s)
    return Report(
        reverse_path=outgoing.reverse_path,
        recipients=told,
        at=now,
        accepted_at=outgoing.accepted_at,
        retry_until=until if delayed else None,
        ret=outgoing.ret,
        envid=outgoing.envid,
        release=outgoing.release,
    )


def _status_of(
    recipient: RelayRecipient | None, outcome: RecipientOutcome
) -> RecipientStatus | None:
    action = _ACTIONS.get(outcome.state)
    if recipient is None or action is None:
        return None
    if _OCCASIONS[action] not in (recipient.notify or _BY_DEFAULT):
        return None
    # A delay is told once; a server that has been asked for notifications sees to success.
    if (action == "delayed" and recipient.attempts > 1) or outcome.notifies:
        return None
    status = outcome.status or _UNSPECIFIED[action]
    return RecipientStatus(outcome.recipient, action, status, outcome.diagnostic, recipient.orcpt)


_UNSPECIFIED: dict[Action, str] = {
    "failed": "5.0.0",
    "delayed": "4.0.0",
    "delivered": "2.0.0",
    "relayed": "2.0.0",
}


def written(
    report: Report, message: MessageId, content: MessageContent | None, name: str, host: str
) -> bytes:
    """The notification as it is delivered; ``content`` is the message, unless it is gone.

    ``name`` makes its Message-ID, and is the same whenever this one is written; ``host`` is this
    server.
    Source: RFC 3461 sections 4.3 and 6.2: only a failure returns the whole message, and only to
    who asked for it.
    """
    failed = any(one.action == "failed" for one in report.recipients)
    octets, subject = None, ""
    references: tuple[str, ...] = ()
    if content is not None:
        own = outside_id(message, report.reverse_path, host)
        octets = outside(content.octets, message_id=own, date=report.accepted_at)
        known = content.message
        references = tuple(filter(is_message_id, [known.rfc_message_id or own]))
        subject = known.subject or ""
    return notification(
        Notification(
            host=host,
            to=report.reverse_path,
            subject=subject,
            recipients=report.recipients,
            message_id=f"{name}@{host}",
            date=report.at,
            arrived_at=report.accepted_at,
            retry_until=report.retry_until,
            envid=report.envid,
            release=report.release,
            references=references,
            returned=octets,
            whole=failed and report.ret is Ret.FULL,
        )
    )
