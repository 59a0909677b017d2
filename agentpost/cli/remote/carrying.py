"""Files on their way to the server and from it, with a bar that tells how far they are."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import httpx2

from agentpost.cli.output import Failure
from agentpost.cli.progress import Bar, Begin

_PIECE: Final = 64 * 1024
_TIMEOUT: Final = httpx2.Timeout(30.0)
"""For each piece of a download, not for the whole."""


def uploading(begin: Begin) -> httpx2.Client:
    """A client whose requests tell how much of them has been sent; each attempt begins anew."""
    bars: list[Bar] = []

    def watch(request: httpx2.Request) -> None:
        size = int(request.headers.get("content-length", 0))
        if not bars:
            bars.append(begin("sending", size))
        bars[0].move(0, size)
        assert isinstance(request.stream, httpx2.SyncByteStream)
        request.stream = _Counted(request.stream, bars[0])

    return httpx2.Client(event_hooks={"request": [watch]})


class _Counted(httpx2.SyncByteStream):
    """The octets of a request, piece by piece."""

    def __init__(self, octets: httpx2.SyncByteStream, bar: Bar) -> None:
        self._octets = octets
        self._bar = bar

    def __iter__(self) -> Iterator[bytes]:
        for octets in self._octets:
            for at in range(0, len(octets), _PIECE):
                piece = octets[at : at + _PIECE]
                yield piece
                self._bar.advance(len(piece))

    def close(self) -> None:
        self._octets.close()


def download(url: str, target: Path, begin: Begin, *, size: int | None, sha256: str | None) -> None:
    """Fetch a file by its link into ``target``, which is there only when it is whole.

    Raises: Failure when it cannot be had or written, or is not what was announced.
    """
    partial = target.with_name(target.name + ".part")
    try:
        with partial.open("wb") as file:
            found = _fetched(url, file, begin(target.name, size))
        if sha256 is not None and found != sha256:
            raise Failure("The file is not what the server announced.", "Download it again.")
        partial.replace(target)
    except httpx2.HTTPError as error:
        # What httpx2 says may hold the URL, which opens the file without a key.
        raise Failure(f"The download broke off: {type(error).__name__}.", "Try again.") from None
    except OSError as error:
        raise Failure(f"{target} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def _fetched(url: str, file: BinaryIO, bar: Bar) -> str:
    """Write what the link opens.  Returns: its SHA-256.  Raises: Failure, HTTPError, OSError."""
    digest = hashlib.sha256()
    with httpx2.stream("GET", url, timeout=_TIMEOUT) as response:
        if response.status_code != 200:
            raise Failure(
                f"The link to the file answered {response.status_code}.",
                "Ask again: each answer about an export has a fresh link.",
            )
        for piece in response.iter_raw(_PIECE):
            file.write(piece)
            digest.update(piece)
            bar.advance(len(piece))
    return digest.hexdigest()
