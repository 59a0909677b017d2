"""Where octets live that are too large for a row: written before the transaction that names them.

A blob is named by its id, so two messages never share one and the sweep of orphans (octets that no
row speaks of after a day) cannot race a writer.  Its location is the same in every kind of store,
``<last two characters of the id>/<id>``: whoever copies all of them to another store can go on
there.  Blobs never change, which is why they may be kept in memory by their location.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from agentpost.limits import BlobLimits

BLOB: Final = "blob"
UPLOAD: Final = "upl"
EXPORT: Final = "exf"
KINDS: Final = (BLOB + "_", UPLOAD + "_", EXPORT + "_")
"""How the names of what lies in a store begin."""
_LOCATION: Final = re.compile(r"[0-9A-Z]{2}/(?:blob|upl|exf)_[0-9A-Z]{26}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Aged:
    """A bounded number of locations that are old; ``after`` leads to the next, None at the end."""

    locations: tuple[str, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What a file will be, as it was announced."""

    media: str
    size: int
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where an announced file may be put (by PUT), and the header fields that must go with it."""

    url: str = field(repr=False)
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BlobsAt:
    """Which store: a directory, or a bucket with the prefix of our objects in it."""

    directory: Path | None = None
    bucket: str | None = None
    prefix: str = ""
    endpoint_url: str | None = field(default=None, repr=False)
    """Of a service that speaks S3's protocol; Amazon's own when None."""
    region: str | None = None
    direct_links: bool = True
    """Whether clients reach the bucket by themselves."""

    def __str__(self) -> str:
        if self.directory is not None:
            return str(self.directory)
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class Blobs(Protocol):
    """A store of blobs.

    Every method raises Overloaded when the store cannot be reached or does not answer in time, and
    FileNotFoundError when it has answered that there are no such octets.
    """

    async def put(self, blob_id: str, octets: bytes) -> str:
        """Write ``octets`` durably; returns the location to keep in the row."""
        ...

    async def write(self, blob_id: str, pieces: AsyncIterator[bytes]) -> str:
        """Write what ``pieces`` gives, durably; returns the location.

        There is nothing at the location until all of it is there.  Of a writer that stops half
        way, or dies, nothing is left that the sweep of orphans would not find.
        """
        ...

    async def get(self, location: str, most: int | None = None) -> bytes:
        """The octets at ``location``, at most the first ``most``."""
        ...

    async def piece(self, location: str, start: int, length: int) -> bytes:
        """At most ``length`` octets from ``start`` on; none behind the end."""
        ...

    async def size(self, location: str) -> int:
        """How many octets there are."""
        ...

    async def remove(self, location: str) -> None:
        """Forget the octets at ``location``; nothing happens when they are gone already."""
        ...

    async def older_than(self, age: timedelta, after: str | None = None) -> Aged:
        """Locations last written more than ``age`` ago, in an order that ``after`` goes on in."""
        ...

    async def download_url(
        self, location: str, name: str, media: str, ends: datetime
    ) -> str | None:
        """A URL that gives the octets to whoever has it, as a download called ``name``.

        None where the store is not reached by clients, and the server must give them itself.
        """
        ...

    async def ticket(self, location: str, offer: Offer, ends: datetime) -> Ticket | None:
        """Leave to put the offered file, and nothing else, at ``location``; None as above."""
        ...


def location_of(blob_id: str) -> str:
    """Where the octets with this id are."""
    return f"{blob_id[-2:]}/{blob_id}"


def is_location(text: str) -> bool:
    """Whether ``text`` is the location of something of ours, and not what else lies there."""
    return _LOCATION.fullmatch(text) is not None


@asynccontextmanager
async def open_blobs(place: BlobsAt, limits: BlobLimits | None = None) -> AsyncIterator[Blobs]:
    """The store at ``place``; whether it can be reached shows at the first use."""
    from agentpost.store.blobs_disk import DiskBlobs

    if place.directory is not None:
        yield DiskBlobs(place.directory)
        return
    # Only where it is needed: the client of Amazon's services takes 28 MB.
    from agentpost.store.blobs_s3 import open_s3

    async with open_s3(place, limits or BlobLimits()) as blobs:
        yield blobs
