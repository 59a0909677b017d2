"""The SMTP envelope: who a message is from and for, beside what the message itself says.

Sources: RFC 5321 section 2.3.1; RFC 3461 section 4 (what delivery notifications are wanted);
RFC 6152 and RFC 6531 (how the message is encoded); RFC 4865 (when it is to be sent).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Notify(StrEnum):
    """An occasion for a delivery status notification (RFC 3461 section 4.1)."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


class Ret(StrEnum):
    """How much of the message a failure notification returns (RFC 3461 section 4.3)."""

    FULL = "FULL"
    HDRS = "HDRS"


class Body(StrEnum):
    """What the client declared about the octets of the body (RFC 6152 section 3)."""

    SEVENBIT = "7BIT"
    EIGHTBITMIME = "8BITMIME"


@dataclass(frozen=True, slots=True)
class ForwardPath:
    """One recipient.

    ``address`` is ``local-part@domain`` in its shortest spelling: quotes only where they are
    needed.  ``notify`` is empty when the client did not say.  ``orcpt`` is
    ``address-type;address`` with the xtext decoded (RFC 3461 section 4.2).
    """

    address: str
    notify: frozenset[Notify] = frozenset()
    orcpt: str | None = None


@dataclass(frozen=True, slots=True)
class FutureRelease:
    """When a message is to be sent (RFC 4865 section 3): after some seconds, or at a moment.

    ``request`` is how a notification repeats it (section 5.1.2).
    """

    request: str
    seconds: int | None = None
    moment: datetime | None = None

    def at(self, now: datetime) -> datetime:
        """The moment that is meant by who asked for it ``now``."""
        if self.moment is not None:
            return self.moment
        return now + timedelta(seconds=self.seconds or 0)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Reverse-path and forward-paths of one message, and what was asked for it.

    ``reverse_path`` is empty for the null reverse-path ``<>``.  ``envid`` has its xtext decoded.
    """

    reverse_path: str
    forward_paths: tuple[ForwardPath, ...]
    ret: Ret | None = None
    envid: str | None = None
    smtputf8: bool = False
    body: Body | None = None
    release: FutureRelease | None = None
