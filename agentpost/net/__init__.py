"""Octets to and from the network: streams, TLS, listeners.

A protocol server sees a :class:`Stream` and nothing of sockets.  TLS is done directly on the
non-blocking socket by OpenSSL; ``trio.SSLStream`` copies every octet through two memory buffers
and costs more per command and per handshake (benchmarks/net.py measures both).

Failures of a connection are Trio's: ``BrokenResourceError`` when the peer is gone or too slow,
``ClosedResourceError`` when we closed the stream, ``BusyResourceError`` when two tasks do the
same thing to one stream.  One task may read while another writes.
"""

from agentpost.net.limits import NetLimits
from agentpost.net.listener import Tally, serve_listener
from agentpost.net.stream import Peer, PlainStream, Stream, TlsInfo
from agentpost.net.tls import (
    HandshakeFailed,
    PlaintextAfterStartTls,
    ServerTls,
    TlsStream,
    starttls,
)

__all__ = [
    "HandshakeFailed",
    "NetLimits",
    "Peer",
    "PlainStream",
    "PlaintextAfterStartTls",
    "ServerTls",
    "Stream",
    "Tally",
    "TlsInfo",
    "TlsStream",
    "serve_listener",
    "starttls",
]
