"""Our own PostgreSQL: found, created, started and stopped without an administrator.

The server listens on a Unix socket only, in a directory that only its owner enters; there is no
password because there is nobody to keep out.

**Where things are.**  ``data_dir/postgres`` is the cluster, ``data_dir/pgsql-<version>`` a copy
of the programs when the server's user could not reach them where they are installed.

**Root.**  PostgreSQL refuses to run as root, so the cluster then belongs to the user agentpost,
postgres or nobody, while the directories above it may well be root's alone.  Nobody but root can
walk down to the cluster by name, so the server is started *inside* it and told that its data
directory is ``/proc/self/cwd``: a name that every process of the server resolves to the place
where it stands.  Ownership above the cluster is never touched.

**Death.**  The server is the child of the supervisor and asks the kernel for SIGINT (fast
shutdown) when the supervisor's thread ends, so ``start`` belongs on the main thread.  After a
kill -9 of everything the next start waits until no process of the old server is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import logging
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from agentpost.config import ConfigError, hold
from agentpost.store.programs import (
    Account,
    EmbeddedError,
    Programs,
    account_for_server,
    environment,
    find_programs,
    identity,
    reachable,
)

__all__ = ["Embedded", "EmbeddedError", "exists", "running", "start"]

logger = logging.getLogger("agentpost.store.embedded")

USER: Final = "agentpost"
"""Role of the application, and its database. It owns the database and is no superuser: row level
security does not hold superusers back."""
ADMINISTRATOR: Final = "postgres"
_SOCKET_NAME: Final = "/.s.PGSQL.5432"
_MAX_SOCKET_OCTETS: Final = 90
"""sun_path takes 108 octets (104 on macOS) with the name of the socket."""
_PR_SET_PDEATHSIG: Final = 1
_LOG_OCTETS: Final = 10 * 1024 * 1024


class Embedded:
    """A running server. Made by :func:`start`; ends with :meth:`stop`."""

    def __init__(
        self, process: subprocess.Popen[bytes], socket_dir: Path, lock: IO[str], database: str
    ) -> None:
        self.process = process
        self.socket_dir = socket_dir
        self._lock = lock
        self._database = database

    @property
    def url(self) -> str:
        """Address of the database, for the driver."""
        return self.url_of(self._database)

    def url_of(self, database: str) -> str:
        """Address of another database of the same server."""
        return _url(database, self.socket_dir)

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        return self.process.pid

    def alive(self) -> bool:
        """Whether the postmaster still runs."""
        return self.process.poll() is None

    def stop(self, deadline_s: float = 10.0) -> None:
        """Stop the server: fast shutdown, then, past the deadline, an immediate one.

        An immediate shutdown loses nothing that was committed; the next start recovers.
        """
        try:
            for signal_number, patience in ((signal.SIGINT, deadline_s), (signal.SIGQUIT, 5.0)):
                if not self.alive():
                    break
                self.process.send_signal(signal_number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(patience)
            if self.alive():
                self.process.kill()
                self.process.wait()
        finally:
            self._lock.close()


def start(
    data_dir: Path,
    *,
    pg_bin: Path | None = None,
    durable: bool = True,
    database: str = USER,
    log: IO[bytes] | int | None = None,
    deadline_s: float = 60.0,
) -> Embedded:
    """Create the cluster when there is none, start it, and make sure ``database`` exists.

    Call it on the main thread: the server ends when the calling thread does.  ``durable=False``
    is for tests: it gives up fsync.  ``log`` is where the server's own log goes (the default:
    ``postgres.log`` in the data directory).
    Raises: EmbeddedError when another process holds the directory, the cluster is of another
    major version, or the server does not come up within the deadline.
    """
    try:
        lock = hold(data_dir, "postgres.lock")
    except ConfigError as error:
        raise EmbeddedError(str(error)) from None
    try:
        programs = find_programs(pg_bin)
        account = account_for_server()
        programs = reachable(programs, data_dir, account)
        cluster = data_dir / "postgres"
        _create(cluster, programs, account, durable=durable)
        socket_dir = _socket_dir(cluster, account)
        _await_former_server(cluster, socket_dir)
        _write_settings(cluster, socket_dir, programs, account, durable=durable)
        process = _launch(cluster, programs, account, log)
        server = Embedded(process, socket_dir, lock, database)
        try:
            _await_ready(server, cluster, deadline_s)
        except BaseException:
            server.stop(2.0)
            raise
    except BaseException:
        lock.close()
        raise
    return server


def exists(data_dir: Path) -> bool:
    """Whether there is a cluster in ``data_dir``.  Raises: EmbeddedError when we may not look."""
    try:
        return (data_dir / "postgres" / "PG_VERSION").exists()
    except PermissionError:
        raise _not_ours(data_dir) from None


def running(data_dir: Path, *, database: str = USER) -> str | None:
    """Address of ``database`` when a server already runs on this directory, else None.

    Raises: EmbeddedError when the directory belongs to somebody else.
    """
    if not exists(data_dir):
        return None
    socket_dir = _socket_dir(data_dir / "postgres", account_for_server())
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(f"{socket_dir}{_SOCKET_NAME}")
        except PermissionError:
            raise _not_ours(data_dir) from None
        except OSError:
            return None
    return _url(database, socket_dir)


def _not_ours(data_dir: Path) -> EmbeddedError:
    return EmbeddedError(f"{data_dir} belongs to another user: run this as the user of the server")


def _url(database: str, socket_dir: Path) -> str:
    return f"postgresql://{USER}@/{quote(database)}?host={quote(str(socket_dir), safe='')}"


def _create(cluster: Path, programs: Programs, account: Account | None, *, durable: bool) -> None:
    """Make the cluster, complete or not at all.

    Raises: EmbeddedError when there is one of another major version, or initdb fails.
    """
    try:
        present = (cluster / "PG_VERSION").read_text("ascii").strip()
    except FileNotFoundError:
        present = ""
    if present:
        if present != str(programs.major):
            raise EmbeddedError(
                f"{cluster} was made by PostgreSQL {present}, but {programs.bin} is "
                f"{programs.version}: set pg_bin to a PostgreSQL {present}, or move the data with "
                "pg_upgrade or pg_dump"
            )
        return
    partial = cluster.with_name("postgres.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(mode=0o700)
    if account is not None:
        os.chown(partial, account.uid, account.gid)
    _initialize(partial, programs, account, durable=durable)
    if cluster.exists():
        cluster.rmdir()
    partial.rename(cluster)
    descriptor = os.open(cluster.parent, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _initialize(
    cluster: Path, programs: Programs, account: Account | None, *, durable: bool
) -> None:
    here = _here(cluster, account)
    initdb: list[str | Path] = [
        *(programs.bin / "initdb", "-D", here, "-U", ADMINISTRATOR, "--encoding=UTF8"),
        *(f"--locale={_locale()}", "--auth=peer", "--no-instructions", "--no-sync"),
    ]
    single: list[str | Path] = [programs.bin / "postgres", "--single", "-F", "-D", here, "postgres"]
    sync: list[str | Path] = [programs.bin / "initdb", "--sync-only", "-D", here]
    roles = f"CREATE ROLE {USER} LOGIN CREATEDB\nCREATE DATABASE {USER} OWNER {USER}\n"
    steps = [(initdb, b""), (single, roles.encode())]
    # The first two write without waiting for the disk; the third waits for all of it once.
    for command, text in [*steps, (sync, b"")] if durable else steps:
        result = _run(command, cluster, account, text)
        if result.returncode != 0:
            reason = result.stderr.decode("utf-8", "replace").strip()[-600:]
            raise EmbeddedError(f"creating the cluster failed: {reason}")


def _run(
    command: list[str | Path], cluster: Path, account: Account | None, text: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        cwd=cluster,
        env=environment(),
        input=text,
        capture_output=True,
        timeout=120,
        check=False,
        **identity(account),
    )


def _here(cluster: Path, account: Account | None) -> str:
    """How the server is to call its data directory, where it is started."""
    return str(cluster) if account is None else "/proc/self/cwd"


def _locale() -> str:
    # C.UTF-8 is the C library's on Linux; macOS has none.
    return "C.UTF-8" if sys.platform == "linux" else "en_US.UTF-8"


def _await_former_server(cluster: Path, socket_dir: Path, deadline_s: float = 30.0) -> None:
    """Wait until no process of a former server stands in the cluster, then forget its lock files.

    A server that outlived its supervisor is told to stop.  PostgreSQL itself refuses to start as
    long as the process id in a lock file exists, be it a zombie's or a stranger's.
    Raises: EmbeddedError when the former server does not end.
    """
    pid_file = cluster / "postmaster.pid"
    socket_lock = Path(f"{socket_dir}{_SOCKET_NAME}.lock")
    words: list[str] = []
    with contextlib.suppress(FileNotFoundError):
        words = pid_file.read_text("ascii", errors="replace").split()
    if not words and not socket_lock.exists():
        return
    if not Path("/proc/self/cwd").exists():
        return
    postmaster = int(words[0]) if words and words[0].isascii() and words[0].isdigit() else 0
    began = time.monotonic()
    asked = 0
    while standing := _processes_in(cluster):
        waited = time.monotonic() - began
        if waited > deadline_s:
            raise EmbeddedError(
                f"a former PostgreSQL (process {standing[0]}) still uses {cluster}: end it first"
            )
        if postmaster in standing and asked == 0:
            asked = signal.SIGINT
            os.kill(postmaster, asked)
        elif postmaster in standing and asked == signal.SIGINT and waited > deadline_s / 3:
            asked = signal.SIGQUIT
            os.kill(postmaster, asked)
        time.sleep(0.01)
    for lock in (pid_file, socket_lock):
        lock.unlink(missing_ok=True)


def _processes_in(directory: Path) -> list[int]:
    """The processes whose working directory is ``directory``: each process of a server is."""
    found: list[int] = []
    wanted = directory.stat()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            there = (entry / "cwd").stat()
            if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
                found.append(int(entry.name))
    return found


def _socket_dir(cluster: Path, account: Account | None) -> Path:
    """Where the socket lives: the cluster itself, or a short private directory elsewhere."""
    if len(os.fsencode(cluster) + _SOCKET_NAME.encode()) <= _MAX_SOCKET_OCTETS:
        return cluster
    name = hashlib.sha256(os.fsencode(cluster.resolve())).hexdigest()[:16]
    directory = Path("/tmp") / f"agentpost-{name}"  # noqa: S108 - checked below
    owner = os.geteuid() if account is None else account.uid
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        if account is not None:
            os.chown(directory, account.uid, account.gid)
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner or status.st_mode & 0o077:
        raise EmbeddedError(
            f"{directory} is not a private directory of ours: remove it, or choose a data_dir "
            "with a shorter path"
        )
    return directory


def _write_settings(
    cluster: Path, socket_dir: Path, programs: Programs, account: Account | None, *, durable: bool
) -> None:
    """Write the server's configuration anew; an operator's own wishes live in local.conf."""
    # The server stands in the cluster, so "." is the one name that is right for every user.
    socket = "." if socket_dir == cluster else str(socket_dir)
    settings = _settings(socket, programs, durable=durable)
    if durable and _knows_lz4(cluster, programs, account):
        settings |= {"wal_compression": "lz4", "default_toast_compression": "lz4"}
    lines = ["# Written at each start by AgentPost; put your own settings into local.conf."]
    lines += [f"{name} = '{value}'" for name, value in settings.items()]
    if (cluster / "local.conf").exists():
        lines.append("include = 'local.conf'")
    users = {pwd.getpwuid(os.geteuid()).pw_name, account.name if account else "root"}
    roles = (USER, ADMINISTRATOR)
    ident = "".join(f'ours "{user}" {role}\n' for user in sorted(users) for role in roles)
    for name, text in (
        ("postgresql.conf", "\n".join(lines) + "\n"),
        ("pg_hba.conf", "local all all peer map=ours\n"),
        ("pg_ident.conf", ident),
    ):
        _replace(cluster / name, text, account)


def _settings(socket: str, programs: Programs, *, durable: bool) -> dict[str, str]:
    safe = "on" if durable else "off"
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": socket,
        "unix_socket_permissions": "0700",
        "port": "5432",
        "max_connections": "100",
        # An acknowledged message is on the disk. Never soften these three in local.conf: the
        # supervisor refuses a server that runs without them.
        "fsync": safe,
        "synchronous_commit": safe,
        "full_page_writes": safe,
        # The application commits in groups already; the server need not wait for company.
        "commit_delay": "0",
        "wal_buffers": "16MB",
        "min_wal_size": "128MB" if durable else "64MB",
        "max_wal_size": "1GB",
        "checkpoint_timeout": "15min",
        "shared_buffers": _shared_buffers() if durable else "64MB",
        "work_mem": "8MB",
        "maintenance_work_mem": "64MB",
        "huge_pages": "off",
        # Our statements are short; compiling one costs more than running it.
        "jit": "off",
        "random_page_cost": "1.1",
        "max_parallel_workers_per_gather": "0",
        "max_worker_processes": "4",
        "max_logical_replication_workers": "0",
        # Queue-like tables (jobs, events) and hot counters must be vacuumed often.
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.05",
        "autovacuum_naptime": "30s",
        "autovacuum_max_workers": "2",
        # A client that vanished inside a transaction must not hold its locks.
        "idle_in_transaction_session_timeout": "60s",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_line_prefix": "%m [%p] ",
        "log_checkpoints": "off",
        "log_min_duration_statement": "1s",
        # Statements hold mail; the log must not.
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
    }
    if programs.major >= 18:
        settings["io_method"] = "sync"
    return settings


def _shared_buffers() -> str:
    """An eighth of the memory, from 64 MiB to 512 MiB."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return "128MB"
    return f"{min(512, max(64, memory // 8 // 1024**2))}MB"


def _knows_lz4(cluster: Path, programs: Programs, account: Account | None) -> bool:
    """Whether this build of PostgreSQL can compress with lz4; asked once a cluster."""
    answer = cluster.with_name(f"postgres-{programs.version}.lz4")
    with contextlib.suppress(FileNotFoundError):
        return answer.read_text("ascii") == "yes"
    command: list[str | Path] = [
        *(programs.bin / "postgres", "-D", _here(cluster, account)),
        *("-c", "default_toast_compression=lz4", "-C", "default_toast_compression"),
    ]
    result = _run(command, cluster, account)
    known = result.returncode == 0
    answer.write_text("yes" if known else "no", "ascii")
    return known


def _replace(path: Path, text: str, account: Account | None) -> None:
    partial = path.with_name(path.name + ".new")
    partial.write_text(text, "utf-8")
    partial.chmod(0o600)
    if account is not None:
        os.chown(partial, account.uid, account.gid)
    partial.replace(path)


def _launch(
    cluster: Path, programs: Programs, account: Account | None, log: IO[bytes] | int | None
) -> subprocess.Popen[bytes]:
    with contextlib.ExitStack() as stack:
        if log is None:
            path = cluster.with_name("postgres.log")
            if path.exists() and path.stat().st_size > _LOG_OCTETS:
                path.replace(path.with_name("postgres.log.old"))
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            log = stack.enter_context(os.fdopen(descriptor, "ab"))
        return subprocess.Popen(
            [programs.bin / "postgres", "-D", _here(cluster, account)],
            cwd=cluster,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Its own session: Ctrl-C at the terminal is for the supervisor, which stops the
            # server last.
            start_new_session=True,
            preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509 - one thread, one system call
            **identity(account),
        )


def _die_with_parent(parent: int) -> Callable[[], None]:
    """A function for the child: have the kernel send SIGINT when the parent's thread ends.

    It runs after the change of user, which would clear the request.
    """
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
        if os.getppid() != parent:  # It died before we asked.
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


def _await_ready(server: Embedded, cluster: Path, deadline_s: float) -> None:
    pid_file = cluster / "postmaster.pid"
    began = time.monotonic()
    while True:
        with contextlib.suppress(FileNotFoundError):
            lines = pid_file.read_text("ascii", errors="replace").splitlines()
            # Line 8 is the server's state, padded.
            if len(lines) >= 8 and lines[0] == str(server.pid) and lines[7].strip() == "ready":
                return
        if not server.alive():
            raise EmbeddedError(
                f"PostgreSQL ended at start with status {server.process.returncode}; "
                f"its log is {cluster.with_name('postgres.log')}"
            )
        if time.monotonic() - began > deadline_s:
            raise EmbeddedError(f"PostgreSQL was not ready after {deadline_s:.0f} s")
        time.sleep(0.005)
