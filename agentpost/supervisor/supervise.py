"""The life of ``agentpost serve``, from the first bind to the last goodbye.

Order of the start: bind the addresses (so that a mistake is told before anything is touched),
start PostgreSQL, let the workers import while a child prepares the database, then give the
workers their orders.  Order of the end: workers drain, PostgreSQL stops.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agentpost import config, log
from agentpost.config import Config
from agentpost.control import frames
from agentpost.store import embedded
from agentpost.supervisor.metrics import MetricsServer
from agentpost.supervisor.prepare import Prepared
from agentpost.supervisor.sockets import BindError, bind, bind_all
from agentpost.supervisor.welcome import welcome
from agentpost.supervisor.workers import Worker

logger = logging.getLogger("agentpost.supervisor")

_PREPARE_DEADLINE_S: Final = 600.0
"""A migration of a large database may take minutes."""
_PREPARE_LOOK_S: Final = 0.2
_START_ATTEMPTS: Final = 3
"""How often workers may die before any was ever ready; then the cause is not chance."""
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class CannotServe(Exception):
    """The server cannot start; the text says why."""


def supervise(settings: Config) -> int:
    """Run the server until SIGTERM or SIGINT; returns the exit status.

    Must be called on the main thread, once a process.
    """
    log.configure(settings.log_level, settings.log_format)
    try:
        with contextlib.ExitStack() as stack:
            return _Supervisor(settings, stack).run()
    except (CannotServe, BindError, config.ConfigError, embedded.EmbeddedError) as error:
        logger.error("cannot start: %s", error)
        return 1


class _Supervisor:
    """State of the running server. ``stack`` undoes, in reverse, what was started."""

    def __init__(self, settings: Config, stack: contextlib.ExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._selector = selectors.DefaultSelector()
        self._workers: list[Worker] = []
        self._bound: dict[str, socket.socket] = {}
        self._database: embedded.Embedded | None = None
        self._signals: list[int] = []
        self._was_ready = False
        self._failures = 0
        self._on_ready: Callable[[], None] | None = None
        self._metrics: MetricsServer | None = None

    def run(self) -> int:
        began = time.monotonic()
        _take_descriptors()
        self._listen_for_signals()
        # Before the addresses: it names the other process, and it is what really collides.
        self._stack.enter_context(config.hold(self._settings.data_dir, "serve.lock"))
        self._bound = bound = bind_all(self._settings)
        for sock in bound.values():
            self._stack.enter_context(sock)
        self._settings = _with_actual_ports(self._settings, bound)
        self._serve_metrics()
        self._start_database()
        self._stack.callback(self._kill_workers)
        for number in range(self._settings.workers):
            self._workers.append(Worker(number, bound))
            self._spawn(self._workers[-1])
        prepared = _prepare(self._settings, self._told_to_stop)
        if prepared is None:
            return 0
        chain, key = (Path(path) for path in prepared.certificate)
        self._settings = dataclasses.replace(self._settings, tls_cert=chain, tls_key=key)
        self._on_ready = lambda: self._announce(prepared, time.monotonic() - began)
        for worker in self._workers:
            self._order(worker)
        return self._loop()

    def _told_to_stop(self) -> bool:
        return signal.SIGTERM in self._signals or signal.SIGINT in self._signals

    # --- start ----------------------------------------------------------------------------

    def _listen_for_signals(self) -> None:
        reader, writer = socket.socketpair()
        for end in (reader, writer):
            end.setblocking(False)
            self._stack.enter_context(end)
        for number in _SIGNALS:
            previous = signal.signal(number, lambda number, _: self._signals.append(number))
            self._stack.callback(signal.signal, number, previous)
        self._stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writer.fileno()))
        self._selector.register(reader, selectors.EVENT_READ, lambda: _drained(reader))

    def _serve_metrics(self) -> None:
        listener = bind(self._settings.metrics_bind, "metrics_bind")
        self._stack.enter_context(listener)
        self._settings = _with_actual_ports(self._settings, {"metrics": listener})
        self._metrics = MetricsServer(listener, self._selector, self._ask_metrics, self._state)
        self._stack.callback(self._metrics.close)

    def _ask_metrics(self) -> set[int]:
        asked = [worker for worker in self._workers if worker.is_ready]
        for worker in asked:
            worker.tell(frames.METRICS)
        return {worker.number for worker in asked}

    def _state(self) -> bytes:
        """The supervisor's own metrics."""
        up = [
            f'agentpost_worker_up{{worker="{each.number}"}} {int(each.is_ready)}'
            for each in self._workers
        ]
        restarts = [
            f'agentpost_worker_restarts_total{{worker="{each.number}"}} {each.restarts}'
            for each in self._workers
        ]
        lines = [
            "# HELP agentpost_worker_up Whether the worker serves.",
            "# TYPE agentpost_worker_up gauge",
            *up,
            "# HELP agentpost_worker_restarts_total How often the worker was replaced.",
            "# TYPE agentpost_worker_restarts_total counter",
            *restarts,
        ]
        return ("\n".join(lines) + "\n").encode()

    def _start_database(self) -> None:
        if self._settings.database_url is not None:
            return
        self._database = embedded.start(self._settings.data_dir, pg_bin=self._settings.pg_bin)
        self._settings = dataclasses.replace(self._settings, database_url=self._database.url)
        self._stack.callback(self._stop_database)

    def _spawn(self, worker: Worker) -> None:
        worker.spawn()
        assert worker.line is not None
        self._selector.register(worker.line, selectors.EVENT_READ, lambda: self._hear(worker))

    def _order(self, worker: Worker) -> None:
        worker.order(config.dump(self._settings))

    def _announce(self, prepared: Prepared, took_s: float) -> None:
        settings = self._settings
        logger.info(
            "serving",
            extra={
                "took_s": round(took_s, 2),
                "workers": settings.workers,
                "imaps": str(settings.imaps_bind),
                "smtps": str(settings.smtps_bind),
                "submission": str(settings.submission_bind),
                "http": str(settings.http_bind),
            },
        )
        if prepared.api_key is not None:
            sys.stdout.write(welcome(settings, prepared.api_key, str(settings.tls_cert)))
            sys.stdout.flush()

    # --- life -----------------------------------------------------------------------------

    def _loop(self) -> int:
        while True:
            for key, _ in self._selector.select(self._wait_s()):
                key.data()
            if self._metrics is not None:
                self._metrics.tick()
            while self._signals:
                number = self._signals.pop(0)
                if number in (signal.SIGTERM, signal.SIGINT):
                    logger.info("stopping", extra={"signal": signal.Signals(number).name})
                    self._drain()
                    return 0
                if number == signal.SIGHUP:
                    self._reload()
            self._mourn()
            for worker in self._workers:
                if worker.wait_s() == 0.0:
                    self._spawn(worker)
                    self._order(worker)

    def _wait_s(self) -> float | None:
        waits = [worker.wait_s() for worker in self._workers]
        waits.append(self._metrics.wait_s() if self._metrics else None)
        return min((wait for wait in waits if wait is not None), default=None)

    def _hear(self, worker: Worker) -> None:
        line = worker.line
        heard = worker.hear()
        if line is not None and worker.line is None:
            self._selector.unregister(line)
        for letter, content in heard:
            if letter == frames.METRICS and self._metrics is not None:
                self._metrics.answer(worker.number, content)
        told = any(letter == frames.READY for letter, _ in heard)
        if told and not self._was_ready and all(each.is_ready for each in self._workers):
            self._was_ready = True
            # Only now: nobody waits for it, and the workers' start wants all processors.
            self._workers.append(Worker(self._settings.workers, {}, "indexer"))
            if self._on_ready is not None:
                self._on_ready()

    def _mourn(self) -> None:
        """Notice dead children: a worker gets a successor, PostgreSQL is started again."""
        for worker in self._workers:
            line = worker.line
            if worker.died():
                if line is not None:
                    self._selector.unregister(line)
                self._failures += 0 if self._was_ready else 1
                if self._failures >= _START_ATTEMPTS:
                    raise CannotServe("the workers do not start; the log above says why")
        if self._database is not None and not self._database.alive():
            logger.error("PostgreSQL ended by itself; starting it again")
            self._database.stop()
            self._database = embedded.start(self._settings.data_dir, pg_bin=self._settings.pg_bin)

    def _reload(self) -> None:
        logger.info("reading the certificate again")
        for worker in self._workers:
            worker.tell(frames.RELOAD)

    # --- end ------------------------------------------------------------------------------

    def _drain(self) -> None:
        """Let the workers end by themselves; a second signal or the deadline ends the patience."""
        for sock in self._bound.values():
            sock.close()  # Else the kernel would go on accepting for nobody.
        for worker in self._workers:
            worker.tell(frames.DRAIN)
        deadline = time.monotonic() + self._settings.drain_deadline_s + 1.0
        while not all(worker.ended() for worker in self._workers):
            left = deadline - time.monotonic()
            again = [n for n in self._signals if n in (signal.SIGTERM, signal.SIGINT)]
            if left <= 0 or again:
                logger.warning("workers did not end in time; ending them")
                return
            for key, _ in self._selector.select(min(left, 0.25)):
                key.data()

    def _kill_workers(self) -> None:
        for worker in self._workers:
            worker.kill()

    def _stop_database(self) -> None:
        if self._database is not None:
            self._database.stop()


def _take_descriptors() -> None:
    """Raise our limit of descriptors, which the workers inherit, as far as we may.

    Each connection is one, and the usual limit of 1,024 is there for programs that use select(2).
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # macOS takes less than it promises.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _drained(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.recv(4096):
            pass


def _with_actual_ports(settings: Config, bound: dict[str, socket.socket]) -> Config:
    """``settings`` with the ports that the system chose where 0 was asked for."""
    changes: dict[str, config.Address] = {}
    for name, sock in bound.items():
        asked: config.Address = getattr(settings, f"{name}_bind")
        changes[f"{name}_bind"] = config.Address(asked.host, sock.getsockname()[1])
    return dataclasses.replace(settings, **changes)  # type: ignore[arg-type]


def _prepare(settings: Config, told_to_stop: Callable[[], bool]) -> Prepared | None:
    """Have a child prepare database and certificate; None when told to stop meanwhile.

    Raises: CannotServe with the child's reason.
    """
    question: bytes | None = json.dumps(config.dump(settings)).encode()
    deadline = time.monotonic() + _PREPARE_DEADLINE_S
    with subprocess.Popen(
        [sys.executable, "-m", "agentpost", "prepare"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        answer = None
        while answer is None:
            try:
                answer, _ = child.communicate(question, _PREPARE_LOOK_S)
            except subprocess.TimeoutExpired:
                question = None  # It is being sent already.
                if told_to_stop():
                    child.kill()  # A step of the schema is a transaction: it is undone.
                    return None
                if time.monotonic() > deadline:
                    child.kill()
                    raise CannotServe("preparing the database took too long") from None
            except BaseException:
                child.kill()
                raise
    if child.returncode != 0:
        raise CannotServe("the database could not be prepared; the log above says why")
    fields = json.loads(answer)
    prepared = Prepared(tuple(fields["certificate"]), fields["api_key"], fields["error"])
    if prepared.error is not None:
        raise CannotServe(prepared.error)
    return prepared
