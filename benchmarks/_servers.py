"""The servers that are compared: ours, and Dovecot when it is installed."""

from __future__ import annotations

import http.client
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks._wire import Place


@dataclass(frozen=True, slots=True)
class Contestant:
    """A running server with accounts to use; ``lmtp`` marks a peer without submission."""

    name: str
    imap: tuple[Place, ...]
    smtp: tuple[Place, ...]
    addresses: tuple[str, ...]
    lmtp: bool
    root: int
    """Its first process; all others descend from it."""
    http: tuple[int, str] | None = None
    """Port of the REST API and a key."""
    data_dir: Path | None = None
    ports: dict[str, int] = field(default_factory=dict)
    """Of our own services by name."""


_SERVICES = ("smtps", "submission", "imaps", "http", "metrics")


def environment_of(directory: Path, **settings: str) -> dict[str, str]:
    """The settings of a server of its own below ``directory``: free ports and a key."""
    return {
        **os.environ,
        "AGENTPOST_DATA_DIR": str(directory / "data"),
        "AGENTPOST_BOOTSTRAP_KEY": "ap_sk_live_" + secrets.token_hex(16),
        "AGENTPOST_LOG_LEVEL": "warning",
        "AGENTPOST_LOG_FORMAT": "json",
        "AGENTPOST_WORKERS": "1",
        **{f"AGENTPOST_{name.upper()}_BIND": f"127.0.0.1:{free_port()}" for name in _SERVICES},
        **settings,
    }


@contextmanager
def ours(directory: Path, accounts: int, **settings: str) -> Iterator[Contestant]:
    """AgentPost as ``agentpost serve`` starts it, with durable commits."""
    environment = environment_of(directory, **settings)
    key = environment["AGENTPOST_BOOTSTRAP_KEY"]
    ports = {
        name: int(environment[f"AGENTPOST_{name.upper()}_BIND"].rpartition(":")[2])
        for name in _SERVICES
    }
    command = [sys.executable, "-m", "agentpost", "serve"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        await_port(ports["http"])
        made = [_make_inbox(ports["http"], key, f"bench{n}") for n in range(accounts)]
        yield Contestant(
            "AgentPost",
            tuple(Place("127.0.0.1", ports["imaps"], address, key) for address in made),
            tuple(Place("127.0.0.1", ports["smtps"], address, key) for address in made),
            tuple(made),
            lmtp=False,
            root=process.pid,
            http=(ports["http"], key),
            data_dir=Path(environment["AGENTPOST_DATA_DIR"]),
            ports=ports,
        )
    finally:
        process.terminate()
        process.wait(30)


def _make_inbox(port: int, key: str, username: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(
        "POST",
        "/api/v1/inboxes",
        json.dumps({"username": username}),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    answer = json.loads(connection.getresponse().read())
    connection.close()
    address: str = answer["email"]
    return address


_DOVECOT = """
protocols = imap lmtp
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
mail_location = sdbox:{directory}/mail/%u
mail_fsync = always
ssl = required
ssl_cert = <{directory}/cert.pem
ssl_key = <{directory}/key.pem
auth_mechanisms = plain
default_internal_user = {user}
default_login_user = {user}
first_valid_uid = 1
mail_uid = {user}
mail_gid = {group}
default_process_limit = 2000
default_client_limit = 20000
mail_max_userip_connections = 20000
service anvil {{
  chroot =
}}
passdb {{
  driver = static
  args = password=benchmark
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={directory}/mail/%u
}}
service imap-login {{
  chroot =
  service_count = 0
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {imaps}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
"""


@contextmanager
def dovecot(directory: Path, accounts: int) -> Iterator[Contestant | None]:
    """Dovecot with sdbox and fsync on every commit; None when it is not installed."""
    program = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin")
    if program is None or os.geteuid() != 0:
        yield None
        return
    from agentpost import certificate, clock

    account = pwd.getpwnam("dovecot")
    chain, key = certificate.make(["127.0.0.1"], clock.now())
    directory.mkdir(parents=True)
    (directory / "cert.pem").write_bytes(chain)
    (directory / "key.pem").write_bytes(key)
    (directory / "mail").mkdir()
    imaps, lmtp = free_port(), free_port()
    configuration = directory / "dovecot.conf"
    configuration.write_text(
        _DOVECOT.format(
            directory=directory, imaps=imaps, lmtp=lmtp, user="dovecot", group="dovecot"
        )
    )
    for path in (directory, *directory.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    for parent in (directory, *directory.parents):
        if parent != Path("/") and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    process = subprocess.Popen([program, "-F", "-c", str(configuration)])
    try:
        await_port(imaps)
        names = tuple(f"bench{n}" for n in range(accounts))
        yield Contestant(
            "Dovecot",
            tuple(Place("127.0.0.1", imaps, name, "benchmark") for name in names),
            tuple(Place("127.0.0.1", lmtp, name, "benchmark", tls=False) for name in names),
            tuple(f"{name}@localhost" for name in names),
            lmtp=True,
            root=process.pid,
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def await_port(port: int) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")
