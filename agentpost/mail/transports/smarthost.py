"""The smart host: another server that takes all mail from us and carries it on.

Connections are used for several messages and kept for a while; each transaction carries as many
recipients as the host takes.  What the host says about a recipient is that recipient's outcome;
when the host cannot be spoken to, or stops in the middle, the recipients without an outcome are
tried again later.  A host that took a message and died before saying so is offered it again, with
the same Message-ID: delivery is at least once.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import trio

from agentpost.limits import SmartHostLimits
from agentpost.mail.transports import wire
from agentpost.mail.transports.conversation import Conversation, Host, Trouble
from agentpost.mail.transports.wire import Needs, Reply
from agentpost.mime.fields import wire_email
from agentpost.model.relay import OutcomeState, Outgoing, RecipientOutcome, RelayRecipient

log = logging.getLogger(__name__)

_DEFAULT_PORTS = {"smtps": 465, "smtp": 587}


def parse_url(url: str) -> Host:
    """The host that ``smtp[s]://user:password@host:port?ca=path&tls=none`` names.

    ``smtps`` is TLS from the first octet, ``smtp`` requires STARTTLS; only a host on this machine
    may be spoken to in clear (``tls=none``).  User and password are percent-decoded.
    Raises: ValueError with what is wrong, and never the password.
    """
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS:
        raise ValueError("the smart host's URL begins with smtps:// or smtp://")
    if not parts.hostname:
        raise ValueError("the smart host's URL names no host")
    try:
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except ValueError:
        raise ValueError("the smart host's port is not a number up to 65535") from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(options.keys() - {"tls", "ca"})
    if unknown:
        raise ValueError(f"the smart host's URL has no option {unknown[0]}")
    if options.get("tls", "required") not in ("required", "none"):
        raise ValueError("tls in the smart host's URL is 'required' or 'none'")
    clear = options.get("tls") == "none"
    if clear and (parts.scheme == "smtps" or not _is_loopback(parts.hostname)):
        raise ValueError("tls=none is for a smart host on this machine, with smtp://")
    return Host(
        name=parts.hostname,
        port=port,
        tls="implicit" if parts.scheme == "smtps" else "none" if clear else "starttls",
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
        authorities=Path(options["ca"]) if options.get("ca") else None,
    )


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class SmartHost:
    """See the module's text."""

    name = "smtp"
    once = False

    def __init__(self, host: Host, hello: str, limits: SmartHostLimits | None = None) -> None:
        """``hello`` is the name we introduce ourselves with: the server's domain."""
        self._host = host
        self._hello = hello
        self._limits = limits or SmartHostLimits()
        self._places = trio.Semaphore(self._limits.max_connections)
        self._idle: list[Conversation] = []

    async def send(self, outgoing: Outgoing) -> tuple[RecipientOutcome, ...]:
        """Offer the message in as many transactions as it takes."""
        outcomes: list[RecipientOutcome] = []
        waiting: list[RelayRecipient] = []
        for one in outgoing.recipients:
            if wire.is_sendable(one.address):
                waiting.append(one)
            else:
                text = "The recipient's address cannot be written in SMTP."
                outcomes.append(RecipientOutcome(one.address, "rejected", "5.1.3", text))
        needs = wire.needs_of(outgoing)
        async with self._places:
            while waiting:
                batch = waiting[: self._limits.max_recipients]
                try:
                    conversation = await self._conversation()
                except Trouble as trouble:
                    log.warning("smart host %s: %s", self._host.name, trouble.reason)
                    outcomes += [_troubled(one, trouble) for one in waiting]
                    break
                transaction = _Transaction(conversation, outgoing, needs, self._limits)
                try:
                    await transaction.run(batch)
                finally:
                    await self._put_back(conversation)
                outcomes += transaction.outcomes
                waiting = transaction.postponed + waiting[len(batch) :]
        return tuple(outcomes)

    async def settled(self, outgoing: Outgoing, outcomes: Sequence[RecipientOutcome]) -> None:
        """Nothing follows."""

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return (self._tend,)

    @property
    def idle(self) -> int:
        """Connections that wait for work."""
        return len(self._idle)

    async def _conversation(self) -> Conversation:
        while self._idle:
            kept = self._idle.pop()
            try:
                await kept.reset()
            except Trouble:
                # The host has closed it meanwhile, as it may at any time.
                await kept.abort()
                continue
            return kept
        return await Conversation.open(self._host, self._hello, self._limits)

    async def _put_back(self, conversation: Conversation) -> None:
        if conversation.lost:
            await conversation.abort()
        elif conversation.messages >= self._limits.max_messages:
            await conversation.quit()
        else:
            conversation.idle_since = trio.current_time()
            self._idle.append(conversation)

    async def _tend(self) -> None:
        """Close connections that are idle too long, and all of them in the end."""
        try:
            while True:
                await trio.sleep(self._limits.idle_s / 2)
                limit = trio.current_time() - self._limits.idle_s
                old = [one for one in self._idle if one.idle_since <= limit]
                self._idle = [one for one in self._idle if one not in old]
                for one in old:
                    await one.quit()
        finally:
            with trio.CancelScope(shield=True):
                await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that wait for work."""
        while self._idle:
            await self._idle.pop().quit()


class _Transaction:
    """One mail transaction: MAIL, RCPT for each recipient, DATA."""

    def __init__(
        self,
        conversation: Conversation,
        outgoing: Outgoing,
        needs: Needs,
        limits: SmartHostLimits,
    ) -> None:
        self._conversation = conversation
        self._outgoing = outgoing
        self._needs = needs
        self._limits = limits
        self.outcomes: list[RecipientOutcome] = []
        self.postponed: list[RelayRecipient] = []
        """Recipients that the host takes in a transaction of their own."""

    async def run(self, recipients: Sequence[RelayRecipient]) -> None:
        """Fill ``outcomes`` and ``postponed``: every recipient is in one of them then."""
        refusal = self._refusal()
        if refusal is not None:
            self._all(recipients, "rejected", *refusal)
            return
        recipients = self._in_reach(recipients)
        if not recipients:
            return
        open_ = {one.address: one for one in recipients}
        try:
            await self._converse(open_)
        except Trouble as trouble:
            log.warning("smart host: %s", trouble.reason)
            self.outcomes += [_troubled(one, trouble) for one in open_.values()]

    async def _converse(self, waiting: dict[str, RelayRecipient]) -> None:
        """The dialogue; a recipient leaves ``waiting`` when its outcome is known."""
        conversation = self._conversation
        conversation.messages += 1
        offers = conversation.offers
        utf8 = self._needs.utf8_header or self._needs.utf8_sender
        utf8 = utf8 or any(_needs_utf8(one) for one in waiting.values())
        order = list(waiting.values())
        mail = wire.mail_command(self._outgoing, self._needs, offers, utf8)
        rcpts = [wire.rcpt_command(one, offers) for one in order]
        if b"PIPELINING" in offers:
            reply, *answers = await conversation.commands([mail, *rcpts])
        else:
            reply = await conversation.command(mail)
            answers = await conversation.commands(rcpts) if reply.severity == 2 else []
        if reply.severity != 2:
            state: OutcomeState = "rejected" if reply.severity == 5 else "deferred"
            self._say(list(waiting.values()), state, reply)
            waiting.clear()
            return
        accepted = self._sort(order, answers, waiting)
        if not accepted:
            return
        reply = await conversation.command(b"DATA\r\n", self._limits.data_s)
        if reply.code == 354:
            reply = await conversation.data(wire.stuffed(self._outgoing.octets))
        elif reply.severity in (2, 3):
            conversation.lost = True
            raise Trouble("4.5.0", f"the smart host answers DATA with: {reply}")
        self._say(accepted, _STATES[reply.severity], reply)
        waiting.clear()

    def _sort(
        self,
        order: Sequence[RelayRecipient],
        answers: Sequence[Reply],
        waiting: dict[str, RelayRecipient],
    ) -> list[RelayRecipient]:
        """The recipients that the host accepts; what it says of the others is their outcome."""
        accepted = [one for one, reply in zip(order, answers, strict=True) if reply.severity == 2]
        for one, reply in zip(order, answers, strict=True):
            if reply.severity == 2:
                continue
            del waiting[one.address]
            if accepted and reply.code in (452, 552):
                # Too many in one transaction (RFC 5321 section 4.5.3.1.10).
                self.postponed.append(one)
            else:
                self._say([one], "bounced" if reply.severity == 5 else "deferred", reply)
        return accepted

    def _refusal(self) -> tuple[str, str] | None:
        """Why the host cannot take this message at all: status and text."""
        offers, needs = self._conversation.offers, self._needs
        limit = wire.size_limit(offers)
        if limit is not None and len(self._outgoing.octets) > limit:
            return "5.3.4", f"The smart host takes messages of up to {limit} octets."
        if self._outgoing.reverse_path and not wire.is_sendable(self._outgoing.reverse_path):
            return "5.1.7", "The sender's address cannot be written in SMTP."
        if b"SMTPUTF8" not in offers:
            if needs.utf8_sender:
                return "5.6.7", "The sender's address needs SMTPUTF8, which the smart host lacks."
            if needs.utf8_header:
                return "5.6.9", _NEEDS_SMTPUTF8
        if needs.eight_bit and b"8BITMIME" not in offers:
            return "5.6.3", _NEEDS_8BITMIME
        return None

    def _in_reach(self, recipients: Sequence[RelayRecipient]) -> list[RelayRecipient]:
        if b"SMTPUTF8" in self._conversation.offers:
            return list(recipients)
        far = [one for one in recipients if _needs_utf8(one)]
        text = "The recipient's address needs SMTPUTF8, which the smart host lacks."
        self._all(far, "rejected", "5.6.7", text)
        return [one for one in recipients if one not in far]

    def _all(
        self, recipients: Sequence[RelayRecipient], state: OutcomeState, status: str, text: str
    ) -> None:
        self.outcomes += [RecipientOutcome(one.address, state, status, text) for one in recipients]

    def _say(self, recipients: Sequence[RelayRecipient], state: OutcomeState, reply: Reply) -> None:
        """What the host says becomes these recipients' outcome."""
        status = reply.enhanced or f"{reply.severity}.0.0"
        named = reply.queued_as if state == "sent" else None
        notifies = state == "sent" and b"DSN" in self._conversation.offers
        self.outcomes += [
            RecipientOutcome(one.address, state, status, f"smtp; {reply}", named, notifies=notifies)
            for one in recipients
        ]


_NEEDS_SMTPUTF8 = (
    "The header holds octets over 127: it needs SMTPUTF8, which the smart host lacks."
    " Encode it as RFC 2047 says."
)
_NEEDS_8BITMIME = (
    "The body holds octets over 127: it needs 8BITMIME, which the smart host lacks."
    " Use quoted-printable or base64."
)

_STATES: dict[int, OutcomeState] = {2: "sent", 4: "deferred", 5: "bounced", 3: "deferred"}
"""What a reply to the whole message means, by its first digit."""


def _needs_utf8(recipient: RelayRecipient) -> bool:
    return not wire_email(recipient.address).isascii()


def _troubled(recipient: RelayRecipient, trouble: Trouble) -> RecipientOutcome:
    return RecipientOutcome(recipient.address, "deferred", trouble.status, trouble.reason)
