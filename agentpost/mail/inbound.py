"""Mail from outside that a provider took for us: into which inboxes, which mailbox, with what events.

A notification brings the envelope's recipients, SES's verdicts, and the octets or the name of the
object that holds them.  What comes by the sweep of the bucket has neither envelope nor verdicts
beside it; both are read from the fields that SES itself puts on top (see ``mail/provider.py``).

Nobody is answered from here: SES has accepted the mail, and a bounce now would go to whoever is
named as its sender (backscatter).  Mail for nobody is counted and dropped; mail that loops or is
too large too, but its object is left where it is.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from agentpost.auth.addresses import canonical
from agentpost.errors import MailboxNotFound, MessageUnacceptable, Overloaded
from agentpost.ids import InboxId
from agentpost.limits import InboundLimits
from agentpost.mail.arriving import arrival, blocked, summarised
from agentpost.mail.objects import ObjectGone, ObjectSource, ObjectTooLarge, StoredObject
from agentpost.mail.provider import given, header_of, opened, verdicts_of
from agentpost.metrics import INBOUND
from agentpost.mime.header import Header
from agentpost.mime.summary import MessageSummary
from agentpost.model.actor import system_actor
from agentpost.model.inbox import LocalAddress
from agentpost.model.mailbox import Role
from agentpost.model.message import Arrival
from agentpost.model.notification import (
    MailOutcome,
    ReceivedMail,
    SesNotification,
    Verdicts,
)
from agentpost.store.depositing import Deposit
from agentpost.store.directory import Directory
from agentpost.store.inbound import InboundMails, MailClaim

log = logging.getLogger(__name__)

SOURCE = "ses"


class Authenticate(Protocol):
    """Finds out whether a mail is from whom it says it is."""

    async def __call__(
        self, octets: bytes, *, ip: str | None, helo: str | None, reverse_path: str, given: Verdicts
    ) -> dict[str, Any]:
        """What is kept as the message's ``authentication``; ``given`` are the provider's verdicts.

        Never raises, whatever the octets are.
        """
        ...


async def as_given(
    octets: bytes, *, ip: str | None, helo: str | None, reverse_path: str, given: Verdicts
) -> dict[str, Any]:
    """The provider's verdicts, and nothing else."""
    return {"spf": given.spf, "dkim": [], "dmarc": given.dmarc}


Admits = Callable[[LocalAddress, Sequence[str]], Awaitable[bool]]
"""Whether an inbox takes mail from these senders."""


async def from_everybody(local: LocalAddress, senders: Sequence[str]) -> bool:
    """Without filter rules every inbox takes mail from everybody."""
    return True


class Inbound:
    """Takes in mail by notifications and from the bucket."""

    def __init__(
        self,
        mails: InboundMails,
        directory: Directory,
        objects: ObjectSource | None,
        max_octets: int,
        authenticate: Authenticate = as_given,
        admits: Admits = from_everybody,
        limits: InboundLimits | None = None,
    ) -> None:
        """``max_octets`` is the largest message, on this way in as on every other (R72)."""
        self._mails = mails
        self._directory = directory
        self._objects = objects
        self._max_octets = max_octets
        self._authenticate = authenticate
        self._admits = admits
        self._limits = limits or InboundLimits()
        self._actor = system_actor(SOURCE)

    async def __call__(self, notification: str, said: SesNotification) -> str:
        """Take in the mail that a notification tells of.  See ``Listener``."""
        mail, receipt = said.mail, said.receipt
        if mail is None or receipt is None or not self._is_name(mail.message_id):
            return "unreadable"
        key = receipt.action.object_key
        claim = MailClaim(mail.message_id, "unknown", key, notification)
        try:
            octets = await self._octets(said)
        except ObjectTooLarge:
            return await self._dropped(replace(claim, outcome="too_large"))
        except ObjectGone:
            # It was taken in long ago, or somebody else took it away; there is nothing to repeat.
            return "gone"
        if octets is None:
            return "unreadable"
        header = await header_of(octets)
        met = opened(header)
        return await self.receive(
            ReceivedMail(
                id=mail.message_id,
                octets=octets,
                recipients=tuple(receipt.recipients),
                verdicts=verdicts_of(receipt),
                reverse_path=mail.source,
                ip=met.ip,
                helo=met.helo,
                object_key=key,
                notification=notification,
            ),
            header,
        )

    async def fetch(self, found: StoredObject) -> str:
        """Take in an object that no notification has told of."""
        assert self._objects is not None
        claim = MailClaim(found.mail_id, "unknown", found.key)
        if not self._is_name(found.mail_id):
            return "unreadable"
        try:
            octets = await self._objects.get(found.key, self._max_octets)
        except ObjectTooLarge:
            return await self._dropped(replace(claim, outcome="too_large"))
        except ObjectGone:
            return "gone"
        header = await header_of(octets)
        met = opened(header)
        return await self.receive(
            ReceivedMail(
                id=found.mail_id,
                octets=octets,
                recipients=met.recipients,
                verdicts=given(octets, header),
                reverse_path=met.reverse_path,
                ip=met.ip,
                helo=met.helo,
                assumed=met.named,
                object_key=found.key,
            ),
            header,
        )

    async def receive(self, mail: ReceivedMail, header: Header) -> str:
        """Store ``mail`` in every inbox it is for that does not have it.

        Raises: Overloaded when it cannot be stored now.
        """
        claim = MailClaim(mail.id, "delivered", mail.object_key, mail.notification)
        if len(mail.octets) > self._max_octets:
            return await self._dropped(replace(claim, outcome="too_large"))
        if len(header.all(b"received")) > self._limits.max_received_fields:
            return await self._dropped(replace(claim, outcome="loop"))
        authentication = await self._authenticated(mail)
        summary = await summarised(mail.octets)
        junk: Role = "junk"
        for _ in range(self._limits.attempts):
            people = await self._people(mail)
            if not people:
                return await self._dropped(replace(claim, outcome="unknown"))
            try:
                return await self._stored(mail, claim, people, summary, authentication, junk)
            except MailboxNotFound:
                # An inbox has gone meanwhile, or one of them has no Junk any longer.
                junk = "inbox"
                for local, _ in people.values():
                    self._directory.forget(local.inbox)
            except MessageUnacceptable as error:
                log.warning("mail %s cannot be stored: %s", mail.id, error.message)
                return await self._dropped(replace(claim, outcome="unacceptable"))
        raise Overloaded("The inboxes of the mail change too fast.", retry_after=5.0)

    async def _stored(
        self,
        mail: ReceivedMail,
        claim: MailClaim,
        people: dict[InboxId, tuple[LocalAddress, str]],
        summary: MessageSummary,
        authentication: dict[str, Any],
        junk: Role,
    ) -> str:
        sure = {canonical(address) for address in mail.recipients}
        assumed = frozenset(
            inbox for inbox, (_, address) in people.items() if canonical(address) not in sure
        )
        senders = names_of(mail, summary)
        arrivals = []
        for local, address in people.values():
            one = replace(arrival(local, address, SOURCE), authentication=authentication)
            admitted = await self._admits(local, senders)
            arrivals.append(placed(one, mail.verdicts, junk, admitted=admitted))
        stored = await self._mails.deliver(
            self._actor,
            replace(claim, assumed=assumed),
            Deposit(mail.octets, summary, tuple(arrivals)),
            _returned,
        )
        outcome = "delivered" if stored else "repeated"
        INBOUND.labels(outcome).inc()
        return outcome

    async def _people(self, mail: ReceivedMail) -> dict[InboxId, tuple[LocalAddress, str]]:
        """Who lives here of the recipients, each with the address that he was written to as."""
        found: dict[InboxId, tuple[LocalAddress, str]] = {}
        strangers = 0
        addresses = dict.fromkeys((*mail.recipients, *mail.assumed))
        for address in list(addresses)[: self._limits.max_recipients]:
            local = await self._resolve(address)
            if local is not None and not local.deleted:
                found.setdefault(local.inbox, (local, address))
            elif address in mail.recipients:
                strangers += 1
        if strangers and found:
            INBOUND.labels("unknown_recipient").inc(strangers)
        return found

    async def _resolve(self, address: str) -> LocalAddress | None:
        return None if "\0" in address else await self._directory.resolve(address)

    async def _authenticated(self, mail: ReceivedMail) -> dict[str, Any]:
        found = await self._authenticate(
            mail.octets,
            ip=mail.ip,
            helo=mail.helo,
            reverse_path=mail.reverse_path,
            given=mail.verdicts,
        )
        verdicts = mail.verdicts
        said = {name: getattr(verdicts, name) for name in ("spf", "dkim", "dmarc", "spam", "virus")}
        return {**found, "provider": {"name": SOURCE, **said}}

    async def _octets(self, said: SesNotification) -> bytes | None:
        """The mail itself: in the notification, or in the bucket; None when it is in neither.

        Raises: ObjectGone, ObjectTooLarge, Overloaded.
        """
        assert said.receipt is not None
        action = said.receipt.action
        if said.content is not None:
            if (action.encoding or "").upper() != "BASE64":
                return said.content.encode("utf-8", "surrogatepass")
            try:
                return base64.b64decode(said.content, validate=True)
            except (binascii.Error, ValueError):
                return None
        if action.object_key is None:
            return None
        if self._objects is None or not self._objects.holds(action.bucket_name, action.object_key):
            log.error(
                "a mail lies in a bucket that AGENTPOST_INBOUND_S3 does not name",
                extra={"mail": said.mail.message_id if said.mail else None},
            )
            raise Overloaded("The mail lies in a bucket that is not configured.", retry_after=60.0)
        return await self._objects.get(action.object_key, self._max_octets)

    async def _dropped(self, claim: MailClaim) -> MailOutcome:
        await self._mails.note(self._actor, claim)
        INBOUND.labels(claim.outcome).inc()
        log.warning("mail %s is not delivered: %s", claim.id, claim.outcome)
        return claim.outcome

    def _is_name(self, name: str) -> bool:
        return 0 < len(name) <= self._limits.max_id_characters and "\0" not in name


def placed(one: Arrival, verdicts: Verdicts, junk: Role, *, admitted: bool) -> Arrival:
    """``one`` as SES's verdicts and the filter rules want it: where it goes, and what is told.

    A virus is treated as a blocked sender: it goes to Junk, and who reads over REST must ask for
    what is blocked.  Spam goes there too.  Each has an event of its own that nobody gets without
    asking for it.  Mail that fails DMARC arrives as any other, and is told of once more as such.
    """
    if verdicts.virus == "fail" or not admitted:
        return replace(blocked(one), role=junk)
    if verdicts.spam == "fail":
        return replace(one, role=junk, events=("message.received.spam",))
    if one.authentication.get("dmarc") == "fail":
        return replace(one, events=(*one.events, "message.received.unauthenticated"))
    return one


def names_of(mail: ReceivedMail, summary: MessageSummary) -> tuple[str, ...]:
    """Who the mail says it is from: in the envelope and in its From field."""
    written = (mail.reverse_path, *(one.email for one in summary.from_))
    return tuple(dict.fromkeys(filter(None, written)))


def _returned(one: Arrival) -> Arrival:
    """A mail that this inbox has sent itself and that comes back (a list, or a loop)."""
    return replace(one, authentication={**one.authentication, "returned": True})
