"""The listening addresses: free, served by this AgentPost, or taken by somebody else."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import socket
import ssl
from pathlib import Path
from typing import Final

from agentpost.cli.diagnosis.finding import Finding, ok, problem, warning
from agentpost.config import Address, Config

AREA: Final = "addresses"
_PATIENCE_S: Final = 5.0
_SERVICES: Final = ("smtps", "submission", "imaps", "http", "metrics")
_TLS: Final = frozenset({"smtps", "imaps"})
_GREETINGS: Final = {"smtps": b"220 ", "submission": b"220 ", "imaps": b"* OK"}
_QUESTIONS: Final = {
    "http": b"GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "metrics": b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
}


def look(settings: Config) -> list[Finding]:
    """Each listening address."""
    process = serving_process(settings.data_dir)
    findings = [_look(name, getattr(settings, f"{name}_bind"), process) for name in _SERVICES]
    return [*findings, *_same(settings)]


def serving_process(data_dir: Path) -> str | None:
    """The process id of the AgentPost that holds the data directory, or None."""
    try:
        with (data_dir / "serve.lock").open("r", encoding="ascii", errors="replace") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return lock.read().strip() or "unknown"
    except OSError:
        return None
    return None


def served_certificate(settings: Config) -> bytes | None:
    """The certificate (DER) that a running server shows on its IMAP address, or None."""
    if serving_process(settings.data_dir) is None:
        return None
    with contextlib.suppress(OSError), _connected(settings.imaps_bind, tls=True) as stream:
        assert isinstance(stream, ssl.SSLSocket)
        return stream.getpeercert(binary_form=True)
    return None


def _look(name: str, address: Address, process: str | None) -> Finding:
    text = f"{name}_bind {address}"
    if address.port == 0:
        return ok(AREA, f"{text}: the system chooses a port at each start")
    try:
        trouble = _bindable(address)
    except socket.gaierror as error:
        return problem(AREA, f"{text}: {error.strerror}", f"Set {name}_bind to an address.")
    if trouble == errno.EADDRINUSE:
        return _taken(name, text, address, process)
    if trouble == errno.EACCES:
        mend = (
            "Ports below 1024 are reserved: allow them (AmbientCapabilities=CAP_NET_BIND_SERVICE "
            "in the systemd unit, or sysctl net.ipv4.ip_unprivileged_port_start), or choose a "
            "higher port and redirect."
        )
        return problem(AREA, f"{text}: this user may not listen here", mend)
    if trouble == errno.EADDRNOTAVAIL:
        mend = f"Set {name}_bind to an address of this machine, or to [::] or 0.0.0.0 for all."
        return problem(AREA, f"{text}: this machine does not have the address", mend)
    if trouble:
        return problem(AREA, f"{text}: {errno.errorcode.get(trouble, trouble)}", "Choose another.")
    if process is not None:
        return problem(
            AREA,
            f"{text}: AgentPost runs (process {process}) but does not listen here",
            "Restart it, so that it takes the present settings.",
        )
    return ok(AREA, f"{text} is free")


def _bindable(address: Address) -> int:
    """The error number of binding to ``address``, 0 when it works."""
    family, kind, protocol, _, where = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, protocol) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(where)
            sock.listen(1)
        except OSError as error:
            return error.errno or errno.EIO
    return 0


def _taken(name: str, text: str, address: Address, process: str | None) -> Finding:
    if process is None:
        return problem(
            AREA,
            f"{text} is taken by another program",
            f"Find it with 'ss -ltnp sport = :{address.port}' and stop it, or set {name}_bind to "
            "another port.",
        )
    if _answers(name, address):
        return ok(AREA, f"{text} is served by this AgentPost (process {process})")
    return problem(
        AREA,
        f"{text} is taken, and what answers there is not AgentPost's {name}",
        f"AgentPost runs (process {process}); look at its log, restart it, or stop the other "
        f"program ('ss -ltnp sport = :{address.port}').",
    )


def _answers(name: str, address: Address) -> bool:
    """Whether the protocol of the service is spoken at ``address``."""
    try:
        with _connected(address, tls=name in _TLS) as stream:
            if name in _GREETINGS:
                return stream.recv(4096).startswith(_GREETINGS[name])
            stream.sendall(_QUESTIONS[name])
            answer = b""
            while (octets := stream.recv(65536)) and len(answer) < 1024 * 1024:
                answer += octets
    except OSError:
        return False
    head, _, body = answer.partition(b"\r\n\r\n")
    if name == "metrics":
        return b"agentpost_worker_up" in body
    try:
        return head.startswith(b"HTTP/1.1 200") and json.loads(body)["name"] == "agentpost"
    except (ValueError, KeyError, TypeError):
        return False


def _connected(address: Address, *, tls: bool) -> socket.socket:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    sock = socket.create_connection((host, address.port), _PATIENCE_S)
    if not tls:
        return sock
    # Only asked who it is: nothing secret is sent, and the certificate is judged elsewhere.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(sock)
    except BaseException:
        sock.close()
        raise


def _same(settings: Config) -> list[Finding]:
    """Two services on one port, and services that face the network in clear."""
    findings = []
    seen: dict[tuple[str, int], str] = {}
    for name in _SERVICES:
        address: Address = getattr(settings, f"{name}_bind")
        key = (address.host, address.port)
        if address.port and key in seen:
            mend = f"Give {name}_bind and {seen[key]}_bind different ports."
            findings.append(problem(AREA, f"{name} and {seen[key]} share {address}", mend))
        seen[key] = name
    for name in ("http", "metrics"):
        address = getattr(settings, f"{name}_bind")
        if address.host not in ("127.0.0.1", "::1", "localhost"):
            mend = (
                f"Set {name}_bind to 127.0.0.1 and put a proxy with TLS before it, or make sure "
                "that a firewall does."
            )
            findings.append(warning(AREA, f"{name}_bind {address} faces a network in clear", mend))
    return findings
