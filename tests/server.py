"""The whole server as a user starts it, for tests that need all of it at once."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import signal
import ssl
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SERVICES = ("smtps", "submission", "imaps", "http", "metrics")
_LETTERS = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, its body as octets."""

    status: int
    fields: dict[str, str]
    octets: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.octets)


class Server:
    """One ``agentpost serve`` with a data directory of its own, on ports of its own.

    A server that is started again keeps its ports, its data and its key.
    """

    def __init__(self, directory: Path, **settings: str) -> None:
        self.directory = directory
        self.key = "ap_sk_test_" + "".join(secrets.choice(_LETTERS) for _ in range(32))
        self.tls = ssl._create_unverified_context()
        self._log = directory / "serve.log"
        self._settings = settings
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it serves."""
        with self._log.open("ab") as log:
            seen = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agentpost", "serve"],
                env=self.environment(),
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        self._ports = self._await_ports(seen)

    def environment(self) -> dict[str, str]:
        """What the server is started with; the command line finds the same server with it."""
        return {
            **os.environ,
            "AGENTPOST_DATA_DIR": str(self.directory / "data"),
            "AGENTPOST_BOOTSTRAP_KEY": self.key,
            "AGENTPOST_LOG_FORMAT": "json",
            "AGENTPOST_WORKERS": "1",
            "AGENTPOST_DRAIN_DEADLINE_S": "3",
            **{
                f"AGENTPOST_{name.upper()}_BIND": f"127.0.0.1:{self._ports.get(name, 0)}"
                for name in _SERVICES
            },
            **self._settings,
        }

    def _await_ports(self, seen: int) -> dict[str, int]:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with self._log.open("rb") as log:
                log.seek(seen)
                for line in log.read().splitlines():
                    record = json.loads(line) if line.startswith(b"{") else {}
                    if record.get("message") == "serving" and "imaps" in record:
                        return {
                            name: int(record[name].rpartition(":")[2])
                            for name in _SERVICES
                            if name in record
                        }
            assert self._process is not None
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.02)
        raise AssertionError(self._log.read_text())

    def port(self, service: str) -> int:
        """The port of smtps, submission, imaps, http or metrics."""
        return self._ports[service]

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> int:
        """End it as an operator does; returns the exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def kill(self) -> None:
        """End it as a power cut does, its children by their own means."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def children(self) -> dict[int, str]:
        """Process ids of the supervisor's children and what they are called."""
        return _children(self.pid)

    def call(
        self, method: str, path: str, body: object = None, *, key: str | None = None, **fields: str
    ) -> Answer:
        """One REST request; ``body`` goes as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port("http"), timeout=20)
        try:
            headers = {"Authorization": f"Bearer {key or self.key}"}
            headers |= {name.replace("_", "-"): value for name, value in fields.items()}
            payload = None
            if body is not None:
                payload = json.dumps(body).encode()
                headers["Content-Type"] = "application/json"
            connection.request(method, path, payload, headers)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def make_inbox(self, username: str) -> dict[str, Any]:
        """A new inbox, with its mail credential."""
        answer = self.call("POST", "/api/v1/inboxes", {"username": username})
        assert answer.status == 201, answer.octets
        made: dict[str, Any] = answer.json
        return made


def _children(parent: int) -> dict[int, str]:
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "stat").read_text()
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if int(status.rpartition(")")[2].split()[1]) == parent:
            found[int(entry.name)] = words
    return found


@contextmanager
def serving(directory: Path, **settings: str) -> Iterator[Server]:
    """A running server; it is gone at the end, whatever happened."""
    server = Server(directory, **settings)
    server.start()
    try:
        yield server
    finally:
        if server._process is not None and server._process.poll() is None:
            server._process.terminate()
            try:
                server._process.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
