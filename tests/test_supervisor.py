"""``agentpost serve`` as an operator sees it: starts, deaths, drains; with real processes."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agentpost.store import embedded
from agentpost.supervisor.metrics import join

pytestmark = pytest.mark.slow

_STAND_INS = Path(__file__).parent / "supervised"


class Running:
    """A supervisor under test; its log is JSON lines."""

    def __init__(self, directory: Path, **environ: str) -> None:
        self.directory = directory
        self.log = directory.with_name("serve.log")
        self.out = directory.with_name("serve.out")
        known = {
            "AGENTPOST_DATA_DIR": str(directory),
            "AGENTPOST_DRAIN_DEADLINE_S": "1",
            "AGENTPOST_WORKERS": "1",
            "AGENTPOST_LOG_FORMAT": "json",
            **{
                f"AGENTPOST_{name}_BIND": "127.0.0.1:0"
                for name in ("SMTPS", "SUBMISSION", "IMAPS", "HTTP", "METRICS")
            },
        }
        with self.log.open("w") as log, self.out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agentpost", "serve"],
                env={**os.environ, "PYTHONPATH": str(_STAND_INS), **known, **environ},
                stdout=out,
                stderr=log,
            )

    def records(self, message: str) -> list[dict[str, Any]]:
        found = []
        for line in self.log.read_text().splitlines():
            if line.startswith("{") and message in line:
                found.append(json.loads(line))
        return found

    def wait_for(self, message: str, count: int = 1, deadline_s: float = 30) -> dict[str, Any]:
        until = time.monotonic() + deadline_s
        while len(self.records(message)) < count:
            assert time.monotonic() < until, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.01)
        return self.records(message)[-1]

    def say(self, octets: bytes, service: str = "http") -> bytes:
        host, _, port = self.wait_for('"serving"')[service].rpartition(":")
        with socket.create_connection((host, int(port)), 5) as sock:
            sock.sendall(octets)
            return sock.recv(100)

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@contextmanager
def running(directory: Path, **environ: str) -> Iterator[Running]:
    server = Running(directory, **environ)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as the first start leaves it, to be copied."""
    directory = tmp_path_factory.mktemp("prepared") / "data"
    with running(directory) as server:
        server.wait_for('"serving"')
        assert server.end() == 0
    return directory


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    """A data directory that has seen its first start."""
    subprocess.run(["cp", "-a", prepared, tmp_path / "data"], check=True)
    return tmp_path / "data"


def test_first_start_tells_the_key_once_and_the_second_is_silent(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        started = server.wait_for('"serving"')
        assert server.say(b"hello") == b"hello"
        said = server.out.read_text()
        assert said.count("ap_sk_live_" + "f" * 32) == 2
        assert "curl" in said
        assert "from agentpost" not in said  # The Python client is not part of this release.
        assert "ap_sk" not in server.log.read_text()
        host, _, port = started["imaps"].rpartition(":")
        context = ssl.create_default_context(cafile=tmp_path / "data" / "tls" / "certificate.pem")
        with (
            socket.create_connection((host, int(port)), 5) as plain,
            context.wrap_socket(plain, server_hostname="agentpost.localhost") as protected,
        ):
            assert protected.version() == "TLSv1.3"
        assert server.end() == 0
    certificate = (tmp_path / "data" / "tls" / "certificate.pem").read_bytes()
    with running(tmp_path / "data") as server:
        server.wait_for('"serving"')
        assert server.out.read_text() == ""
        assert server.end() == 0
    assert (tmp_path / "data" / "tls" / "certificate.pem").read_bytes() == certificate


def test_a_key_given_by_the_operator_is_not_shown(tmp_path: Path) -> None:
    key = "ap_sk_test_" + "k" * 32
    with running(tmp_path / "data", AGENTPOST_BOOTSTRAP_KEY=key) as server:
        server.wait_for('"serving"')
        until = time.monotonic() + 5
        while "agentpost doctor" not in (said := server.out.read_text()):
            assert time.monotonic() < until
            time.sleep(0.01)
        assert "AGENTPOST_BOOTSTRAP_KEY" in said
        assert key not in said
        assert key not in server.log.read_text()


def test_a_second_server_on_the_same_directory_is_refused_at_once(data: Path) -> None:
    with running(data) as first:
        first.wait_for('"serving"')
        began = time.monotonic()
        result = subprocess.run(
            [sys.executable, "-m", "agentpost", "serve", "--data-dir", str(data)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 1
        assert f"process {first.process.pid}" in result.stderr
        assert time.monotonic() - began < 3
        assert first.say(b"alive") == b"alive"


def test_a_worker_that_dies_is_replaced_while_the_other_serves(data: Path) -> None:
    with running(data, AGENTPOST_WORKERS="2") as server:
        server.wait_for('"serving"')
        before = {server.say(b"pid") for _ in range(20)}
        assert server.say(b"die") == b""
        assert server.wait_for("worker ended by itself")["status"] == "3"
        assert server.say(b"still") == b"still"
        until = time.monotonic() + 10
        while not {server.say(b"pid") for _ in range(10)} - before:
            assert time.monotonic() < until
        assert server.end() == 0


def test_workers_may_open_as_many_descriptors_as_the_system_grants(data: Path) -> None:
    given, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, most))
    try:
        with running(data) as server:
            server.wait_for('"serving"')
            worker = int(server.say(b"pid"))
            assert resource.prlimit(worker, resource.RLIMIT_NOFILE) == (most, most)
            assert server.end() == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (given, most))


def test_after_kill_9_of_everything_it_starts_again(data: Path) -> None:
    with running(data) as server:
        bind = server.wait_for('"serving"')
        worker = int(server.say(b"pid"))
        server.process.kill()
        server.process.wait()
        # The same addresses at once: the orphaned worker has to let them go.
        ports = {f"AGENTPOST_{n}_BIND": bind[n.lower()] for n in ("SMTPS", "IMAPS", "HTTP")}
        with running(data, **ports) as second:
            second.wait_for('"serving"')
            assert int(second.say(b"pid")) != worker
            assert second.end() == 0


def test_postgresql_is_started_again_when_it_dies(data: Path) -> None:
    with running(data) as server:
        server.wait_for('"serving"')
        pid_file = data / "postgres" / "postmaster.pid"
        first = int(pid_file.read_text().split()[0])
        os.kill(first, signal.SIGKILL)
        server.wait_for("PostgreSQL ended by itself")
        until = time.monotonic() + 20
        while not pid_file.exists() or int((pid_file.read_text() or "0").split()[0]) == first:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert server.say(b"alive") == b"alive"
        assert server.end() == 0


def test_draining_waits_for_connections_but_not_for_ever(data: Path) -> None:
    with running(data) as server:
        host, _, port = server.wait_for('"serving"')["http"].rpartition(":")
        with socket.create_connection((host, int(port)), 5) as busy:
            busy.sendall(b"x")
            assert busy.recv(10) == b"x"
            server.process.terminate()
            server.wait_for("stopping")
            time.sleep(0.2)
            busy.sendall(b"y")
            assert busy.recv(10) == b"y"
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((host, int(port)), 5)
            began = time.monotonic()
            assert server.process.wait(20) == 0
            assert time.monotonic() - began < 5
    assert not (data / "postgres" / "postmaster.pid").exists()


def test_hangup_reads_the_certificate_again_and_survives_a_bad_one(data: Path) -> None:
    with running(data) as server:
        server.wait_for('"serving"')
        (data / "tls" / "certificate.pem").write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("an order of the supervisor failed")
        assert server.say(b"alive") == b"alive"
        assert server.end() == 0


def test_workers_that_never_start_end_the_server(data: Path) -> None:
    (data / "no-workers").touch()
    with running(data) as server:
        assert server.process.wait(30) == 1
        assert "the workers do not start" in server.log.read_text()


def test_an_address_in_use_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from agentpost.config import Address
    from agentpost.supervisor.sockets import BindError, bind

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(BindError, match=r"\(imaps_bind\): Address already in use"):
            bind(address, "imaps_bind", patience_s=0.1)
    with bind(Address("::1", 0), "imaps_bind") as six:
        assert six.family is socket.AF_INET6


def test_a_database_that_may_lose_mail_is_refused(
    tmp_path: Path, postgres: embedded.Embedded
) -> None:
    url = postgres.url_of("postgres")  # Without fsync, as our test server is.
    with running(tmp_path / "data", AGENTPOST_DATABASE_URL=url) as server:
        assert server.process.wait(30) == 1
        assert "fsync = off" in server.log.read_text()


def test_a_database_that_is_not_there_is_named(tmp_path: Path) -> None:
    url = "postgresql://agentpost:hunter2@127.0.0.1:1/agentpost"
    with running(tmp_path / "data", AGENTPOST_DATABASE_URL=url) as server:
        assert server.process.wait(30) == 1
        text = server.log.read_text()
        assert "database cannot be reached" in text
        assert "hunter2" not in text


def test_metrics_come_from_every_worker(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    bind = {"AGENTPOST_METRICS_BIND": f"127.0.0.1:{port}", "AGENTPOST_WORKERS": "2"}
    with running(data, **bind) as server:
        server.wait_for('"serving"')
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        assert 'open{worker="0"} 0' in text
        assert 'open{worker="1"} 0' in text
        assert text.count("# TYPE open gauge") == 1
        assert 'agentpost_worker_up{worker="1"} 1' in text
        with socket.create_connection(("127.0.0.1", port), 5) as rude:
            rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert rude.recv(100).startswith(b"HTTP/1.1 404")
        with socket.create_connection(("127.0.0.1", port), 5) as silent:
            silent.settimeout(5)
            assert silent.recv(100) == b""  # Its time ran out.
        assert server.end() == 0


def test_joined_metrics_keep_families_together_and_labels_apart() -> None:
    one = b'# HELP a A.\n# TYPE a counter\na_total{x="}"} 1.0\n# TYPE b gauge\nb 2.0\n'
    two = b'# HELP a A.\n# TYPE a counter\na_total{x="}"} 3.0\n'
    assert join({-1: b"# TYPE up gauge\nup 1\n", 0: one, 1: two}).decode() == (
        "# TYPE up gauge\nup 1\n"
        "# HELP a A.\n# TYPE a counter\n"
        'a_total{worker="0",x="}"} 1.0\na_total{worker="1",x="}"} 3.0\n'
        '# TYPE b gauge\nb{worker="0"} 2.0\n'
    )
    assert join({}) == b""
