"""The data directory and the secrets in it."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path
from typing import IO

from agentpost.config.load import ConfigError
from agentpost.config.settings import Config


def make_data_dir(path: Path) -> None:
    """Create the data directory, private to its owner.

    Raises: ConfigError when it cannot be made or belongs to somebody else.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        raise ConfigError(f"cannot make data_dir {path}: {error.strerror}") from None
    if status.st_uid != os.geteuid():
        raise ConfigError(f"data_dir {path} belongs to another user (uid {status.st_uid})")
    if status.st_mode & 0o077:
        path.chmod(0o700)


def hold(directory: Path, name: str) -> IO[str]:
    """Hold the lock ``name`` in a data directory until the returned file is closed.

    Raises: ConfigError when another process holds it, or the directory cannot be used.
    """
    make_data_dir(directory)
    path = directory / name
    try:
        lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="ascii")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise ConfigError(
            f"{directory} is in use by another AgentPost (process {owner}): stop that one first, "
            "or choose another data_dir"
        ) from None
    lock.seek(0)
    lock.truncate()
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads, all of it or nothing, and durably."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def master_key(config: Config) -> bytes:
    """The 32 octets that seal secrets at rest: the setting, else ``master.key``, made if absent.

    Raises: ConfigError when the file holds something else.
    """
    if config.master_key is not None:
        return bytes.fromhex(config.master_key)
    path = config.data_dir / "master.key"
    if not path.exists():
        make_data_dir(config.data_dir)
        write_private(path, secrets.token_hex(32).encode() + b"\n")
    text = path.read_text("ascii", errors="replace").strip()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ConfigError(f"{path} must hold 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)
