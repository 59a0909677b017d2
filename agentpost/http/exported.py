"""A message as a line of an export: what lists show of it, and its octets in base64."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

import msgspec

from agentpost.http.resources.shown import summary_body
from agentpost.model.message import Message

_encode: Final = msgspec.json.Encoder().encode


def exported_line(message: Message, octets: bytes) -> bytes:
    """The message as the API shows it, as one line of JSON, with ``raw`` as its last field."""
    shown = _encode(summary_body(message))
    return shown[:-1] + b',"raw":"' + b64encode(octets) + b'"}'
