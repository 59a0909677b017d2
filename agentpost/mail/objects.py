"""Where a provider keeps the mail it took for us: objects in a bucket, and how they are read.

Sources: Amazon S3 API Reference (ListObjectsV2, GetObject, DeleteObject); Amazon SES Developer
Guide, "Deliver to S3 bucket action": each mail is one object, named by SES's name for the mail
behind the prefix of the rule.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import trio

from agentpost.errors import Overloaded
from agentpost.limits import InboundLimits
from agentpost.mail.aws import Access, Client, Doubt, Refused, Unreached, open_client

log = logging.getLogger(__name__)

_SETUP: Final = "AMAZON_SES_SETUP_NOTIFICATION"
"""What SES itself puts into a bucket when a rule names it."""
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


class ObjectGone(Exception):
    """There is no such object any longer."""


class ObjectTooLarge(Exception):
    """The object is larger than a message may be."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of the bucket, and when it was put there."""

    key: str
    size: int
    put_at: datetime

    @property
    def mail_id(self) -> str:
        """The provider's name for the mail in it."""
        return self.key.rpartition("/")[2]


class ObjectSource(Protocol):
    """A bucket, or the part of one, that a provider puts mail into.

    Every method raises Overloaded when the bucket does not answer as it should.
    """

    def holds(self, bucket: str | None, key: str) -> bool:
        """Whether the object that a notification names belongs to this source."""
        ...

    async def after(self, key: str, limit: int) -> Sequence[StoredObject]:
        """At most ``limit`` objects behind ``key`` in the order of keys; none: that was all."""
        ...

    async def get(self, key: str, most: int) -> bytes:
        """The octets of an object.  Raises: ObjectGone; ObjectTooLarge beyond ``most`` octets."""
        ...

    async def delete(self, key: str) -> None:
        """Delete an object; none is as good."""
        ...

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        """Tasks that run while the source is in use; they close it when cancelled."""
        ...


class S3Source:
    """Objects of S3, or of what speaks its protocol."""

    def __init__(self, bucket: str, prefix: str, access: Access, limits: InboundLimits) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._access = access
        self._limits = limits
        self._client: Client | None = None
        self._ready = trio.Event()

    def holds(self, bucket: str | None, key: str) -> bool:
        return bucket == self._bucket and key.startswith(self._prefix)

    def beside(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return (self._keep_open,)

    async def after(self, key: str, limit: int) -> Sequence[StoredObject]:
        found: list[StoredObject] = []
        while not found:
            answer = await self._ask(
                "list_objects_v2", Prefix=self._prefix, StartAfter=key, MaxKeys=limit
            )
            listed: list[dict[str, Any]] = list(answer.get("Contents", ()))
            if not listed:
                break
            # A page may hold nothing but what is no mail.
            key = listed[-1]["Key"]
            found = [
                StoredObject(one["Key"], one["Size"], one["LastModified"])
                for one in listed
                if one["Key"].rpartition("/")[2] not in ("", _SETUP)
            ]
        return found

    async def get(self, key: str, most: int) -> bytes:
        try:
            with trio.fail_after(self._limits.object_s):
                answer = await self._ask("get_object", Key=key)
                async with answer["Body"] as body:
                    # The client holds the service to it.
                    if answer["ContentLength"] > most:
                        raise ObjectTooLarge
                    return await _whole(body)
        except trio.TooSlowError:
            raise Overloaded("The bucket did not answer in time.") from None

    async def delete(self, key: str) -> None:
        await self._ask("delete_object", Key=key)

    async def _keep_open(self) -> None:
        addressing = "path" if self._access.endpoint_url is not None else "auto"
        async with open_client(
            "s3", self._access, signature_version="s3v4", s3={"addressing_style": addressing}
        ) as client:
            self._client = client
            self._ready.set()
            try:
                await trio.sleep_forever()
            finally:
                self._client = None
                self._ready = trio.Event()

    async def _ask(self, operation: str, **parameters: Any) -> Any:
        with trio.move_on_after(self._limits.object_s):
            await self._ready.wait()
        client = self._client
        if client is None:
            raise Overloaded("The bucket cannot be asked yet.")
        try:
            return await client.ask(operation, Bucket=self._bucket, **parameters)
        except Refused as error:
            if error.code in ("NoSuchKey", "404"):
                raise ObjectGone from None
            log.warning("the bucket refuses %s: %s", operation, error.code)
            raise Overloaded(f"The bucket refuses: {error.code}.") from None
        except (Unreached, Doubt) as error:
            raise Overloaded(f"The bucket does not answer: {error}.") from None


async def _whole(body: Any) -> bytes:
    try:
        found: bytes = await body.read()
    except Exception as error:
        raise Overloaded(f"The bucket broke off: {type(error).__name__}.") from None
    return found


def source_of(url: str, access: Access, limits: InboundLimits | None = None) -> S3Source:
    """The source at ``s3://bucket/prefix``.  Raises: ValueError when that is not what it says."""
    parts = urlsplit(url)
    if parts.scheme != "s3" or _BUCKET.fullmatch(parts.netloc) is None:
        raise ValueError("not s3://bucket/prefix")
    prefix = parts.path.removeprefix("/")
    return S3Source(parts.netloc, prefix, access, limits or InboundLimits())
