"""The worker processes and the indexer: started, told what to do, replaced when they die."""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from agentpost.control import frames

logger = logging.getLogger("agentpost.supervisor")

_STEADY_S: Final = 30.0
"""A worker that lived this long was sound: its successor starts at once."""
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 10.0


@dataclass(slots=True)
class Worker:
    """One worker's place: its present process, and when a new one may be started.

    The indexer has a place like a worker's, without addresses.
    """

    number: int
    sockets: Mapping[str, socket.socket]
    role: Literal["worker", "indexer"] = "worker"
    process: subprocess.Popen[bytes] | None = None
    line: socket.socket | None = None
    is_ready: bool = False
    restarts: int = 0
    _unframer: frames.Unframer = field(default_factory=frames.Unframer)
    _started_at: float = 0.0
    _pause_s: float = 0.0
    _not_before: float = 0.0

    def spawn(self) -> None:
        """Start a process; it imports, then waits for :meth:`order`."""
        ours, theirs = socket.socketpair()
        descriptors = [sock.fileno() for sock in self.sockets.values()]
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agentpost", self.role, "--control", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *descriptors),
                # Its own session: Ctrl-C at the terminal reaches the supervisor alone.
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self.line, self._unframer = ours, frames.Unframer()
        self.is_ready = False
        self._started_at = time.monotonic()

    def order(self, settings: dict[str, str]) -> None:
        """Tell the process to begin."""
        sockets = {name: sock.fileno() for name, sock in self.sockets.items()}
        self._send(frames.encode_order(frames.Order(self.number, settings, sockets)))

    def tell(self, letter: bytes) -> None:
        """Send a frame without content; a worker that is gone hears nothing."""
        self._send(frames.frame(letter))

    def hear(self) -> list[tuple[bytes, bytes]]:
        """The frames that have arrived; closes the line when the worker is gone."""
        if self.line is None:
            return []
        try:
            octets = self.line.recv(65536)
            heard = self._unframer.feed(octets)
        except BlockingIOError:
            return []
        except (OSError, frames.LineBroken):
            octets, heard = b"", []
        if not octets:
            self.line.close()
            self.line = None
        self.is_ready = self.is_ready or any(letter == frames.READY for letter, _ in heard)
        return heard

    def died(self) -> bool:
        """Whether the process has ended since the last look; sets when the next may start."""
        if self.process is None or self.process.poll() is None:
            return False
        lived = time.monotonic() - self._started_at
        status = self.process.returncode
        logger.error(
            "worker ended by itself",
            extra={"number": self.number, "status": _status(status), "lived_s": round(lived, 1)},
        )
        if lived >= _STEADY_S:
            self._pause_s = 0.0
        self._not_before = time.monotonic() + self._pause_s
        self._pause_s = min(max(_FIRST_PAUSE_S, self._pause_s * 2), _LONGEST_PAUSE_S)
        self.restarts += 1
        self._forget()
        return True

    def wait_s(self) -> float | None:
        """Seconds until a process should be started here; None while one runs."""
        return None if self.process else max(0.0, self._not_before - time.monotonic())

    def kill(self) -> None:
        """End the process at once and collect it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
        self._forget()

    def ended(self) -> bool:
        """Whether no process is left (collects it)."""
        return self.process is None or self.process.poll() is not None

    def _forget(self) -> None:
        if self.line is not None:
            self.line.close()
        self.process, self.line, self.is_ready = None, None, False

    def _send(self, octets: bytes) -> None:
        if self.line is None:
            return
        try:
            # Frames are far smaller than a socket's buffer and few: a line that is full belongs
            # to a worker that does not run any more.
            self.line.settimeout(2.0)
            self.line.sendall(octets)
            self.line.setblocking(False)
        except OSError:
            logger.warning("worker does not listen", extra={"number": self.number})


def _status(code: int) -> str:
    if code >= 0:
        return str(code)
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return str(code)
