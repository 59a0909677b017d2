"""The door for what Amazon SNS posts: who is believed, what is fetched, who gets what was said.

The order is from cheap to dear, and no stranger's word is acted upon: the topic must be one that
the operator named, the certificate must lie where that topic's region keeps it, the moment must be
recent, and only then a certificate is fetched (rarely: it is remembered) and the signature checked.

What SNS repeats is recognised where it has its effect.  What it says in vain is answered with
success all the same, because it would only be said again; what fails here for the moment is not.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Protocol

import httpx2
import msgspec
import trio

from agentpost import clock
from agentpost.auth.sns import (
    NOTIFICATION,
    SUBSCRIPTION,
    UNSUBSCRIPTION,
    NotGenuine,
    SigningKey,
    SnsMessage,
    is_certificate_url,
    is_confirmation_url,
    moment_of,
    signing_key,
    verify,
)
from agentpost.errors import Forbidden, InvalidRequest, NotFound, Overloaded
from agentpost.limits import SnsLimits
from agentpost.metrics import NOTIFICATIONS
from agentpost.model.notification import SesNotification

log = logging.getLogger(__name__)

_FIX: Final = "Only Amazon SNS posts here; subscribe this address to a topic that is configured."
_decoder: Final = msgspec.json.Decoder(SnsMessage)
_ses: Final = msgspec.json.Decoder(SesNotification)

Fetch = Callable[[str], Awaitable[bytes]]
"""Gives what lies at an address.  Raises: Overloaded when it cannot be had now."""


class Listener(Protocol):
    """Takes what SES says.  Returning means: it has had its effect, or has none."""

    async def __call__(self, notification: str, said: SesNotification) -> str:
        """Act on ``said``; ``notification`` is its name.  Tells in a word what came of it.

        Raises: Overloaded when it is to be said again.
        """
        ...


class Fetcher:
    """Fetches over HTTPS, without following anything anywhere."""

    def __init__(self, limits: SnsLimits | None = None) -> None:
        self._limits = limits or SnsLimits()

    async def __call__(self, url: str) -> bytes:
        """See ``Fetch``."""
        limits = self._limits
        found, size = b"", 0
        try:
            with trio.fail_after(limits.fetch_s):
                async with (
                    httpx2.AsyncClient(follow_redirects=False, timeout=limits.fetch_s) as client,
                    client.stream("GET", url) as answer,
                ):
                    status = answer.status_code
                    # To its end or the deadline: a stream that is left in the middle leaks.
                    async for piece in answer.aiter_bytes():
                        size += len(piece)
                        if size <= limits.max_fetched_octets:
                            found += piece
        except (httpx2.HTTPError, OSError, trio.TooSlowError) as error:
            # The text may hold the address, and the address a token.
            raise Overloaded(f"Amazon SNS cannot be asked: {type(error).__name__}.") from None
        if status != 200:
            raise Overloaded(f"Amazon SNS answered {status}.")
        if size > len(found):
            raise Overloaded("What Amazon SNS holds for us is too large.")
        return found


class Notifications:
    """See the module's text."""

    def __init__(
        self,
        topics: frozenset[str],
        fetch: Fetch,
        listeners: dict[str, Listener],
        limits: SnsLimits | None = None,
    ) -> None:
        """``listeners`` take what SES says, by its kind (``Received``, ``Bounce``)."""
        self._topics = topics
        self._fetch = fetch
        self._listeners = listeners
        self._limits = limits or SnsLimits()
        self._keys: OrderedDict[str, SigningKey] = OrderedDict()
        self._fetched: list[float] = []
        self._fetching = trio.Lock()

    async def receive(self, body: bytes) -> None:
        """Take one request of SNS's; when this returns, it need not be repeated.

        Raises: NotFound when no topic is configured; InvalidRequest when it is no message of
        SNS's; Forbidden when SNS did not say it; Overloaded when it is to be repeated.
        """
        if not self._topics:
            raise NotFound("There is no such path.", fix="Set AGENTPOST_SNS_TOPIC_ARNS to use it.")
        message = _read(body)
        try:
            await self._verify(message)
        except NotGenuine as reason:
            NOTIFICATIONS.labels("refused", "refused").inc()
            log.warning("refused a notification: %s", reason)
            raise Forbidden(f"The notification is refused: {reason}.", fix=_FIX) from None
        if message.type == SUBSCRIPTION:
            await self._confirm(message)
        elif message.type == UNSUBSCRIPTION:
            NOTIFICATIONS.labels("unsubscription", "noted").inc()
            log.warning("the subscription to %s has ended", message.topic_arn)
        else:
            await self._tell(message)

    async def _verify(self, message: SnsMessage) -> None:
        limits = self._limits
        if message.topic_arn not in self._topics:
            raise NotGenuine("its topic is not among those configured")
        if not is_certificate_url(message.signing_cert_url, message.topic_arn):
            raise NotGenuine("its certificate does not lie at Amazon SNS in the topic's region")
        if message.type not in (NOTIFICATION, SUBSCRIPTION, UNSUBSCRIPTION):
            raise NotGenuine("its Type is unknown")
        age = clock.now() - moment_of(message)
        if age > timedelta(seconds=limits.max_age_s):
            raise NotGenuine("it is too old")
        if age < timedelta(seconds=-limits.max_ahead_s):
            raise NotGenuine("it comes from the future")
        verify(message, await self._key(message.signing_cert_url), clock.now())

    async def _key(self, url: str) -> SigningKey:
        """The key whose certificate lies at ``url``.  Raises: NotGenuine, Overloaded.

        A certificate is named by its digest, so what lies there never changes.
        """
        kept = self._keys.get(url)
        if kept is not None:
            self._keys.move_to_end(url)
            return kept
        async with self._fetching:
            kept = self._keys.get(url)
            if kept is not None:
                return kept
            now = trio.current_time()
            self._fetched = [at for at in self._fetched if now - at < 60.0]
            if len(self._fetched) >= self._limits.fetches_per_minute:
                raise Overloaded("Too many certificates are asked for.", retry_after=60.0)
            self._fetched.append(now)
            key = signing_key(await self._fetch(url))
            self._keys[url] = key
            while len(self._keys) > self._limits.kept_certificates:
                self._keys.popitem(last=False)
            return key

    async def _confirm(self, message: SnsMessage) -> None:
        url = message.subscribe_url or ""
        if not is_confirmation_url(url, message.topic_arn):
            NOTIFICATIONS.labels("subscription", "refused").inc()
            raise Forbidden(
                "The notification is refused: its SubscribeURL does not lie at Amazon SNS.",
                fix=_FIX,
            )
        await self._fetch(url)
        NOTIFICATIONS.labels("subscription", "confirmed").inc()
        log.info("confirmed the subscription to %s", message.topic_arn)

    async def _tell(self, message: SnsMessage) -> None:
        try:
            said = _ses.decode(message.message)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            # The first thing SES says of a topic is no JSON: that the topic is valid.
            NOTIFICATIONS.labels("other", "unreadable").inc()
            reason = str(error) if isinstance(error, msgspec.ValidationError) else "no JSON"
            log.warning(
                "a notification is not of SES's making: %s",
                reason,
                extra={"notification": message.message_id},
            )
            return
        listener = self._listeners.get(said.kind)
        # Labels are our own words, never what came over the wire.
        kind = "other" if listener is None else said.kind
        outcome = "ignored" if listener is None else await listener(message.message_id, said)
        NOTIFICATIONS.labels(kind, outcome).inc()
        log.info(
            "notification",
            extra={"notification": message.message_id, "kind": kind, "outcome": outcome},
        )


def _read(body: bytes) -> SnsMessage:
    try:
        message = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            f"This is no message of Amazon SNS: {error}",
            fix="Subscribe with raw message delivery turned off, so that messages are signed.",
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("The body is not JSON.", fix=_FIX) from None
    if not 1 <= len(message.message_id) <= _MAX_ID or "\0" in message.message_id:
        raise InvalidRequest("MessageId is no name of a message.", fix=_FIX)
    return message


_MAX_ID: Final = 256
"""Characters of a MessageId, which is a UUID."""
