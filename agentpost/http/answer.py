"""What goes back to the client, before it is octets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

JSON = "application/json"


class Answer(msgspec.Struct, gc=False):
    """One response: status, header fields in order, and a body, whole or as it is made.

    Content-Length, Transfer-Encoding, Date and Connection are the front's and not among
    ``fields``.  ``close`` ends the connection after it.  ``length`` is that of a body that is
    made as it is sent, when it is known beforehand.
    """

    status: int
    fields: list[tuple[str, str]]
    body: bytes | AsyncIterator[bytes] = b""
    close: bool = False
    length: int | None = None
