"""Blobs as objects in a bucket of Amazon S3, or of any service that speaks its protocol.

The client is the same as for Amazon's other services: aiobotocore on httpx2, natively on Trio.  All
that is done here may be repeated without harm, so what failed for want of an answer, or because the
service was busy, is repeated within one deadline.  What a bucket answers for any other reason
(credentials, rights, a wrong name) is for the operator: it is logged by its code, and told to
clients as an outage, so that mail stays with its sender until it is mended.

Objects are read again and again by mail programs that fetch a large message in a hundred pieces:
the latest are kept in memory.
"""

from __future__ import annotations

import base64
import io
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import trio
from aiobotocore.config import AioConfig
from aiobotocore.httpxsession import HttpxSession
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from agentpost import clock
from agentpost.errors import Overloaded
from agentpost.limits import BlobLimits
from agentpost.mime.media import as_download
from agentpost.store.blobs import Aged, BlobsAt, Offer, Ticket, is_location, location_of

T = TypeVar("T")

log = logging.getLogger(__name__)

_TALKATIVE: Final = ("aiobotocore", "botocore", "httpcore2", "httpx2")
"""Loggers that write down requests with their signatures when they are let."""
_GONE: Final = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
_BUSY: Final = frozenset(
    {"RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "Throttling", "ThrottlingException"}
)
_BEHIND_THE_END: Final = "InvalidRange"
_IDLE_S: Final = 4.0
"""A connection without work is kept so long: below what Amazon's servers keep one."""
_PIECE_OCTETS: Final = 128 * 1024
_FIRST_PAUSE_S: Final = 0.2
_RETRY_AFTER_S: Final = 5.0
_ELSEWHERE: Final = "us-east-1"
"""Services other than Amazon's want some region in the signature, and take any."""


class S3Blobs:
    """:class:`~agentpost.store.blobs.Blobs` in a bucket, under a prefix."""

    def __init__(self, client: Any, place: BlobsAt, limits: BlobLimits) -> None:
        self._client = client
        self._bucket = place.bucket
        self._prefix = place.prefix.strip("/") + "/" if place.prefix.strip("/") else ""
        self._direct = place.direct_links
        self._limits = limits
        self._recent = Recent(limits.cached_octets)

    async def put(self, blob_id: str, octets: bytes) -> str:
        """See Blobs."""
        location = location_of(blob_id)
        self._recent.forget(location)  # An upload may be put once more.
        await self._do("put_object", lambda: self._call("put_object", location, Body=Body(octets)))
        return location

    async def write(self, blob_id: str, pieces: AsyncIterator[bytes]) -> str:
        """See Blobs.  An upload in parts: nothing is there until it is completed."""
        location = location_of(blob_id)
        parts: list[dict[str, Any]] = []
        upload: str | None = None
        try:
            async with aclosing(_in_parts(pieces, self._limits.part_octets)) as whole_parts:
                async for octets in whole_parts:
                    if upload is None:
                        upload = await self._begun(location)
                    parts.append(await self._part(location, upload, len(parts) + 1, octets))
            if upload is None:
                return await self.put(blob_id, b"")
            await self._completed(location, upload, parts)
        except BaseException:
            if upload is not None:
                with trio.CancelScope(shield=True), trio.move_on_after(self._limits.connect_s):
                    await self._aborted(location, upload)
            raise
        return location

    async def _begun(self, location: str) -> str:
        """An upload for the location; what earlier writers left of theirs is removed."""
        key = self._prefix + location

        async def unfinished() -> Any:
            return await self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=key)

        left = await self._do("list_multipart_uploads", unfinished)
        for each in left.get("Uploads", []):
            if each["Key"] == key:
                await self._aborted(location, each["UploadId"])
        name = "create_multipart_upload"
        made = await self._do(name, lambda: self._call(name, location))
        return str(made["UploadId"])

    async def _part(self, location: str, upload: str, number: int, octets: bytes) -> dict[str, Any]:
        what = {"UploadId": upload, "PartNumber": number}
        answer = await self._do(
            "upload_part", lambda: self._call("upload_part", location, Body=Body(octets), **what)
        )
        return {"PartNumber": number, "ETag": answer["ETag"]}

    async def _completed(self, location: str, upload: str, parts: list[dict[str, Any]]) -> None:
        name = "complete_multipart_upload"
        what = {"UploadId": upload, "MultipartUpload": {"Parts": parts}}
        await self._do(name, lambda: self._call(name, location, **what))

    async def _aborted(self, location: str, upload: str) -> None:
        name = "abort_multipart_upload"
        try:
            await self._do(name, lambda: self._call(name, location, UploadId=upload))
        except (FileNotFoundError, Overloaded) as error:
            log.info("an upload in parts was not taken back: %s", error)

    async def get(self, location: str, most: int | None = None) -> bytes:
        """See Blobs."""
        known = self._recent.get(location)
        if known is not None:
            return known if most is None else known[:most]
        if most is not None:
            return await self.piece(location, 0, most)
        octets = await self._do("get_object", lambda: self._read(location))
        self._recent.keep(location, octets)
        return octets

    async def piece(self, location: str, start: int, length: int) -> bytes:
        """See Blobs."""
        known = self._recent.get(location)
        if known is not None:
            return known[start : start + length]
        if length <= 0:
            return b""
        span = f"bytes={start}-{start + length - 1}"
        try:
            return await self._do("get_object", lambda: self._read(location, Range=span))
        except _BehindTheEnd:
            return b""

    async def size(self, location: str) -> int:
        """See Blobs."""
        answer = await self._do("head_object", lambda: self._call("head_object", location))
        return int(answer["ContentLength"])

    async def remove(self, location: str) -> None:
        """See Blobs."""
        self._recent.forget(location)
        try:
            await self._do("delete_object", lambda: self._call("delete_object", location))
        except FileNotFoundError:
            return

    async def older_than(self, age: timedelta, after: str | None = None) -> Aged:
        """See Blobs; one page of the bucket's listing at a time."""
        limit = clock.now() - age
        more: dict[str, Any] = {} if after is None else {"StartAfter": self._prefix + after}

        async def listing() -> Any:
            return await self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._prefix, MaxKeys=self._limits.page, **more
            )

        page = await self._do("list_objects_v2", listing)
        found = page.get("Contents", [])
        names = [each["Key"].removeprefix(self._prefix) for each in found]
        old = [
            name
            for name, each in zip(names, found, strict=True)
            if is_location(name) and each["LastModified"] < limit
        ]
        return Aged(tuple(old), names[-1] if names and page.get("IsTruncated") else None)

    async def download_url(
        self, location: str, name: str, media: str, ends: datetime
    ) -> str | None:
        """See Blobs."""
        if not self._direct:
            return None
        wanted = {
            "ResponseContentType": media,
            "ResponseContentDisposition": as_download(name),
            "ResponseCacheControl": "private, no-store",
        }
        return await self._presigned("get_object", location, ends, wanted)

    async def ticket(self, location: str, offer: Offer, ends: datetime) -> Ticket | None:
        """See Blobs; size, type and hash are signed, so the service takes nothing else."""
        if not self._direct:
            return None
        wanted: dict[str, Any] = {"ContentType": offer.media, "ContentLength": offer.size}
        headers = {"Content-Type": offer.media}
        if offer.sha256 is not None:
            digest = base64.b64encode(offer.sha256).decode()
            wanted["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = digest
        url = await self._presigned("put_object", location, ends, wanted)
        return Ticket(url, headers)

    async def _presigned(
        self, operation: str, location: str, ends: datetime, wanted: dict[str, Any]
    ) -> str:
        seconds = max(1, int((ends - clock.now()).total_seconds()))
        parameters = {"Bucket": self._bucket, "Key": self._prefix + location, **wanted}

        async def sign() -> str:
            url: str = await self._client.generate_presigned_url(
                operation, Params=parameters, ExpiresIn=seconds
            )
            return url

        return await self._do("presign", sign)

    async def _call(self, operation: str, location: str, **more: Any) -> Any:
        call = getattr(self._client, operation)
        return await call(Bucket=self._bucket, Key=self._prefix + location, **more)

    async def _read(self, location: str, **more: Any) -> bytes:
        answer = await self._call("get_object", location, **more)
        async with answer["Body"] as stream:
            octets: bytes = await stream.read()
        return octets

    async def _do(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """``work``, repeated while that may help.

        Raises: FileNotFoundError, Overloaded.
        """
        limits = self._limits
        pause, reason = _FIRST_PAUSE_S, ""
        with trio.move_on_after(limits.operation_s):
            for attempt in range(1, limits.attempts + 1):
                try:
                    return await work()
                except ClientError as error:
                    reason = _reason(error)
                    if attempt == limits.attempts or not _passes(error):
                        break
                except (BotoCoreError, OSError) as error:
                    # Its text may name the endpoint, and an endpoint's URL may hold a password.
                    reason = type(error).__name__
                    if attempt == limits.attempts:
                        break
                log.info("the store of large messages: %s: %s, once more", what, reason)
                await trio.sleep(pause)
                pause *= 4
            log.error("the store of large messages: %s: %s", what, reason)
            raise Overloaded("Large messages cannot be kept now.", retry_after=_RETRY_AFTER_S)
        log.error("the store of large messages: %s: no answer in time", what)
        raise Overloaded("Large messages cannot be reached now.", retry_after=_RETRY_AFTER_S)


class Body(io.BytesIO):
    """Octets that leave in large pieces.

    The client goes through a body as through a file, line by line: mail in base64 would leave in
    seventy octets at a time, which took two seconds for a megabyte.
    """

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        piece = self.read(_PIECE_OCTETS)
        if not piece:
            raise StopIteration
        return piece


async def _in_parts(pieces: AsyncIterator[bytes], octets: int) -> AsyncGenerator[bytes, None]:
    """The same octets in pieces of one size; the last one may be smaller."""
    waiting = bytearray()
    async for piece in pieces:
        waiting += piece
        while len(waiting) >= octets:
            yield bytes(waiting[:octets])
            del waiting[:octets]
    if waiting:
        yield bytes(waiting)


class _BehindTheEnd(Exception):
    """A range begins behind the last octet."""


def _reason(error: ClientError) -> str:
    """The service's code for a failure.

    Raises: FileNotFoundError and _BehindTheEnd, which are answers and not failures.
    """
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code in _GONE:
        raise FileNotFoundError(f"the bucket answers {code}") from error
    if code == _BEHIND_THE_END or _status(error) == 416:
        raise _BehindTheEnd from error
    return f"{_status(error)} {code}"


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _passes(error: ClientError) -> bool:
    """Whether the same request may succeed a moment later."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return _status(error) >= 500 or _status(error) == 429 or code in _BUSY


class Recent:
    """The octets that were read last, bounded; they never change, so they need no check."""

    def __init__(self, octets: int) -> None:
        self._room = octets
        self._most = octets // 2
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, location: str) -> bytes | None:
        """The octets, if they are here."""
        octets = self._kept.get(location)
        if octets is not None:
            self._kept.move_to_end(location)
        return octets

    def keep(self, location: str, octets: bytes) -> None:
        """Keep octets instead of the least recently read ones; not those that fill it alone."""
        self.forget(location)
        if len(octets) > self._most:
            return
        self._kept[location] = octets
        self._room -= len(octets)
        while self._room < 0:
            self.forget(next(iter(self._kept)))

    def forget(self, location: str) -> None:
        """Keep them no longer."""
        self._room += len(self._kept.pop(location, b""))


@asynccontextmanager
async def open_s3(place: BlobsAt, limits: BlobLimits) -> AsyncIterator[S3Blobs]:
    """The bucket of ``place``, for any number of tasks at once; nothing is asked of it yet.

    Who we are is found by botocore's own chain of credentials.
    Raises: ValueError when no region is known, or the endpoint is no URL.
    """
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    options = AioConfig(
        http_session_cls=HttpxSession,
        connect_timeout=limits.connect_s,
        read_timeout=limits.read_s,
        connector_args={
            "keepalive_timeout": _IDLE_S,
            "write_timeout": limits.read_s,
            "pool_timeout": limits.connect_s,
        },
        max_pool_connections=limits.connections,
        # We repeat by ourselves, within one deadline; botocore would pause with asyncio.
        retries={"total_max_attempts": 1, "mode": "standard"},
        signature_version="s3v4",
        # Many services know none of the newer checksums; the signature covers the octets.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={
            "addressing_style": "path" if place.endpoint_url else "auto",
            "payload_signing_enabled": True,
        },
    )
    session = get_session()
    # Credentials are fetched with the same client, which runs on Trio.
    session.set_default_client_config(options)
    region = place.region or session.get_config_variable("region")
    if region is None and place.endpoint_url is not None:
        region = _ELSEWHERE
    try:
        opening = session.create_client(
            "s3", region_name=region, endpoint_url=place.endpoint_url, config=options
        )
        client = await opening.__aenter__()
    except BotoCoreError as error:
        raise ValueError(f"the bucket cannot be used: {type(error).__name__}") from error
    try:
        yield S3Blobs(client, place, limits)
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(limits.connect_s):
            await opening.__aexit__(None, None, None)
