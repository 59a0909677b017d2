"""Identifiers: a prefix that names the kind, then a ULID (26 Crockford base 32 characters).

A ULID begins with its time in milliseconds, so ids of one kind sort by age and new rows land at
the end of an index.  Ours go on with the microsecond, so that messages of one millisecond are
listed in the order in which they came.  Ids are types: a function that wants an :class:`InboxId`
is not given a string by accident.
"""

from __future__ import annotations

import os
import re
import time
from functools import lru_cache
from typing import NewType

OrganizationId = NewType("OrganizationId", str)
EnvironmentId = NewType("EnvironmentId", str)
InboxId = NewType("InboxId", str)
MailboxId = NewType("MailboxId", int)
MessageId = NewType("MessageId", str)
ThreadId = NewType("ThreadId", str)
DraftId = NewType("DraftId", str)
KeyId = NewType("KeyId", str)
CredentialId = NewType("CredentialId", str)
ApprovalId = NewType("ApprovalId", str)
EventId = NewType("EventId", str)
WebhookId = NewType("WebhookId", str)
WebhookDeliveryId = NewType("WebhookDeliveryId", str)
RuleId = NewType("RuleId", str)
SuppressionId = NewType("SuppressionId", str)
DomainId = NewType("DomainId", str)
ClaimId = NewType("ClaimId", str)
ExportId = NewType("ExportId", str)
ModSeq = NewType("ModSeq", int)
Uid = NewType("Uid", int)

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHAPE = re.compile(r"[a-z]{2,4}_[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)


def ulid() -> str:
    """A new ULID: 48 bits of time in milliseconds, 10 of the microsecond, then 70 random bits."""
    milliseconds, microsecond = divmod(time.time_ns() // 1000, 1000)
    random = int.from_bytes(os.urandom(9))
    pairs = [_PAIRS[random >> shift & 1023] for shift in (60, 50, 40, 30, 20, 10, 0)]
    return ulid_time(milliseconds) + _PAIRS[microsecond] + "".join(pairs)


@lru_cache(maxsize=16)
def ulid_time(milliseconds: int) -> str:
    """How the ULIDs of a moment begin: ten characters.  Many are made in a millisecond."""
    return "".join(_PAIRS[milliseconds >> shift & 1023] for shift in (40, 30, 20, 10, 0))


def new_id(prefix: str) -> str:
    """A new identifier such as ``msg_01JQ8X5K2M3N4P5R6S7T8V9W00``."""
    return f"{prefix}_{ulid()}"


def job_id(number: int) -> str:
    """The public id of a job, which the queue knows by a number: ``job_`` and 26 digits."""
    return _numbered("job", number)


def audit_id(number: int) -> str:
    """The public id of a line of the audit log, in the same way."""
    return _numbered("aud", number)


def _numbered(prefix: str, number: int) -> str:
    digits = "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{digits}"


def job_number(text: str) -> int | None:
    """The number that a job's public id stands for; None when it is none of ours."""
    if not is_id(text, "job"):
        return None
    number = 0
    for digit in text[4:]:
        number = number << 5 | _ALPHABET.index(digit)
    return number if 0 < number < 1 << 63 else None


def is_id(text: str, prefix: str) -> bool:
    """Whether ``text`` has the shape of an identifier of this kind; says nothing of existence."""
    return text.startswith(prefix + "_") and _SHAPE.fullmatch(text) is not None
