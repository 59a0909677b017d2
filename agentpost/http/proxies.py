"""Who a request comes from, when a reverse proxy stands before this server.

Anybody can write ``X-Forwarded-For``, so it is believed as far as trusted proxies wrote it: each
proxy appends the address that it was asked by, and from the end backwards the first one that is no
trusted proxy is the client.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from agentpost.http.wire import Head
from agentpost.net import Peer
from agentpost.net.networks import covers, networks

# Some proxies add the port.
_HOP = re.compile(
    r"\[(?P<v6>[0-9A-Fa-f:.]{2,45})\](?::[0-9]{1,5})?|(?P<v4>[0-9.]{7,15}):[0-9]{1,5}"
)


class Proxies:
    """The networks of the proxies whose word is taken; by default nobody's is."""

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        self._trusted = networks(trusted)

    def client(self, head: Head, peer: Peer) -> Peer:
        """Who asks: ``peer`` itself, unless that is a trusted proxy; then whom it names.

        What cannot be read is not believed, nor anything before it: the client is then the last
        proxy that is known to have been there.  A client that is named has port 0.
        """
        if not self._trusted or not covers(self._trusted, peer.address):
            return peer
        client = peer
        for hop in reversed((head.field(b"x-forwarded-for") or "").split(",")):
            address = _address(hop.strip(" \t"))
            if address is None:
                break
            client = Peer(address, 0)
            if not covers(self._trusted, address):
                break
        return client


def _address(hop: str) -> str | None:
    match = _HOP.fullmatch(hop)
    if match is not None:
        hop = match["v6"] or match["v4"]
    try:
        found = ipaddress.ip_address(hop)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
