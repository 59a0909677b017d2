"""The listening sockets: bound once by the supervisor, shared by all workers."""

from __future__ import annotations

import errno
import socket
import time
from typing import Final

from agentpost.config import Address, Config

SERVICES: Final = ("smtps", "submission", "imaps", "http")
"""The services of a worker; ``<name>_bind`` is the setting of each."""

_BACKLOG: Final = 4096
_PATIENCE_S: Final = 20.0
"""A worker that was just started when its supervisor was killed notices only when it has imported
everything, which takes ten seconds on a machine that is busy."""


class BindError(Exception):
    """An address cannot be listened on; the text names the setting."""


def bind(address: Address, setting: str, patience_s: float = _PATIENCE_S) -> socket.socket:
    """A listening, non-blocking socket at ``address``.

    An address in use is tried again for a few seconds: the workers of a supervisor that was
    killed need a moment to notice.
    Raises: BindError.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return _listen(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                reason = error.strerror or str(error)
                raise BindError(f"cannot listen on {address} ({setting}): {reason}") from None
        time.sleep(0.05)


def bind_all(config: Config) -> dict[str, socket.socket]:
    """The listening sockets of all services, by name. Raises: BindError."""
    bound: dict[str, socket.socket] = {}
    try:
        for name in SERVICES:
            setting = f"{name}_bind"
            bound[name] = bind(getattr(config, setting), setting)
    except BaseException:
        for sock in bound.values():
            sock.close()
        raise
    return bound


def _listen(address: Address) -> socket.socket:
    family, kind, protocol, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # An operator who wants both families says so with two addresses or a proxy; [::]
            # that also takes IPv4 shows mapped addresses in every rule about addresses.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock
