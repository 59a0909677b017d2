"""Frames between the supervisor and a worker: pure, no I/O."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Final

START: Final = b"S"
READY: Final = b"R"
DRAIN: Final = b"D"
RELOAD: Final = b"T"
METRICS: Final = b"M"

_HEAD = struct.Struct("!cI")
_MAX_FRAME_OCTETS: Final = 16 * 1024 * 1024


class LineBroken(Exception):
    """The other side is gone or sends what is no frame."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker is started with."""

    worker: int
    settings: dict[str, str]
    """Every setting as text, by key (secrets included: they travel over the line only)."""
    sockets: dict[str, int]
    """Name of the service to the descriptor of its listening socket."""


def frame(letter: bytes, content: bytes = b"") -> bytes:
    """One frame, ready to send."""
    return _HEAD.pack(letter, len(content)) + content


def encode_order(order: Order) -> bytes:
    """The start frame for ``order``."""
    fields = {
        "worker": order.worker,
        "settings": order.settings,
        "sockets": order.sockets,
    }
    return frame(START, json.dumps(fields).encode())


class Unframer:
    """Cuts frames out of octets as they arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, octets: bytes) -> list[tuple[bytes, bytes]]:
        """The frames that are complete now, as (letter, content).

        Raises: LineBroken when a frame is larger than any of ours.
        """
        self._buffer += octets
        frames: list[tuple[bytes, bytes]] = []
        while len(self._buffer) >= _HEAD.size:
            letter, length = _HEAD.unpack_from(self._buffer)
            if length > _MAX_FRAME_OCTETS:
                raise LineBroken(f"a frame of {length} octets")
            end = _HEAD.size + length
            if len(self._buffer) < end:
                break
            frames.append((letter, bytes(self._buffer[_HEAD.size : end])))
            del self._buffer[:end]
        return frames
