"""JSON-RPC 2.0 as the Model Context Protocol uses it (specification 2025-11-25, Base Protocol).

Pure: octets in, values out.  A message is a request (it has an id and wants an answer), a
notification (it has none), or an answer to something this server asked, which it never does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26")
"""Versions of the protocol that are spoken, newest first."""
WITH_BATCHES: Final = "2025-03-26"
"""The version that may send several messages at once; later ones took that away."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
REFUSED: Final = -32000
RESOURCE_NOT_FOUND: Final = -32002
UNSUPPORTED_VERSION: Final = -32022

MAX_ID_CHARACTERS: Final = 256

Id = str | int
Params = dict[str, Any]

_encode: Final = msgspec.json.Encoder(decimal_format="string").encode


class RpcError(Exception):
    """A refusal that the caller is told as a JSON-RPC error; ``status`` is that of HTTP."""

    def __init__(
        self, code: int, message: str, *, data: Params | None = None, status: int = 200
    ) -> None:
        self.code = code
        self.message = message
        self.data = data
        self.status = status
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Call:
    """One message of a client; ``id`` is ``None`` for a notification."""

    method: str
    params: Params
    id: Id | None


def parse(body: bytes, *, max_batch: int) -> tuple[list[Call], bool]:
    """The messages of a body, without answers, and whether they came as a batch.

    Raises: RpcError when it is no JSON, or no JSON-RPC.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "The body is not JSON.", status=400) from None
    if not isinstance(value, list):
        return [call for call in (_message(value),) if call is not None], False
    if not 0 < len(value) <= max_batch:
        raise _invalid(f"A batch has 1 to {max_batch} messages.")
    return [call for call in map(_message, value) if call is not None], True


def _message(value: object) -> Call | None:
    """A request or a notification; ``None`` for an answer."""
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise _invalid('A message is an object with "jsonrpc": "2.0".')
    method, identity = value.get("method"), value.get("id")
    if method is None and ("result" in value or "error" in value):
        return None
    if not isinstance(method, str):
        raise _invalid("A message names its method.")
    if "id" in value and not is_id(identity):
        raise _invalid("An id is a string or a whole number.")
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise _invalid("params is an object.")
    return Call(method, params, identity)


def is_id(value: object) -> bool:
    """Whether a value can name a request."""
    if isinstance(value, str):
        return len(value) <= MAX_ID_CHARACTERS
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _invalid(message: str) -> RpcError:
    return RpcError(INVALID_REQUEST, message, status=400)


def result_of(identity: Id, result: Params) -> Params:
    """The answer that gives a result."""
    return {"jsonrpc": "2.0", "id": identity, "result": result}


def error_of(identity: Id | None, error: RpcError) -> Params:
    """The answer that refuses; ``identity`` is ``None`` when the request could not be read."""
    told: Params = {"code": error.code, "message": error.message}
    if error.data is not None:
        told["data"] = error.data
    return {"jsonrpc": "2.0", "id": identity, "error": told}


def notification(method: str, params: Params) -> Params:
    """Something told without being asked."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def frame(message: Params) -> bytes:
    """A message as a server-sent event."""
    return b"event: message\ndata: " + _encode(message) + b"\n\n"


def encode(message: Any) -> bytes:
    """JSON in UTF-8, without line ends."""
    return _encode(message)
