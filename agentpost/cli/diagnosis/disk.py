"""The data directory: there, ours, private, writable, with room; and the file system's clock."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

from agentpost.cli.diagnosis.finding import Finding, ok, problem, warning
from agentpost.config import Config

AREA: Final = "disk"
CLOCK: Final = "clock"
_LITTLE_OCTETS: Final = 2 * 1024**3
"""The write-ahead log alone may take 1 GiB."""
_NOTHING_OCTETS: Final = 256 * 1024**2
_FEW_FILES: Final = 10_000
_OFF_S: Final = 5.0
"""A network file system has a clock of its own; a local one rounds to milliseconds."""


def look(settings: Config) -> list[Finding]:
    """The directories that the configuration names."""
    findings = _directory("data_dir", settings.data_dir)
    blobs = settings.blob_directory
    if blobs is not None and not blobs.is_relative_to(settings.data_dir):
        findings += _directory("blob_url", blobs)
    if (settings.data_dir / "postgres.log").is_file():
        findings += _log(settings.data_dir / "postgres.log")
    return findings


def _directory(name: str, path: Path) -> list[Finding]:
    if not path.exists():
        return _absent(name, path)
    if not path.is_dir():
        return [problem(AREA, f"{name} {path} is not a directory", f"Set {name} to a directory.")]
    status = path.stat()
    findings = []
    if status.st_uid != os.geteuid():
        mend = "Run this as the user of the server, or chown the directory to that user."
        text = f"{name} {path} belongs to another user (uid {status.st_uid})"
        findings.append(problem(AREA, text, mend))
    elif stat.S_IMODE(status.st_mode) & 0o077:
        text = f"{name} {path} is open to other users of this machine"
        findings.append(warning(AREA, text, f"chmod 700 {path}"))
    return [*findings, *_writing(name, path), *_room(name, path)]


def _absent(name: str, path: Path) -> list[Finding]:
    parent = next(each for each in path.absolute().parents if each.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        text = f"{name} {path} does not exist, and {parent} cannot be written"
        mend = f"Create {path} for the user of the server, or choose another directory."
        return [problem(AREA, text, mend)]
    return [ok(AREA, f"{name} {path} will be made at the first start"), *_room(name, parent)]


def _writing(name: str, path: Path) -> list[Finding]:
    """Write a file, all the way to the disk, and look at the time that it gets."""
    try:
        began = time.monotonic()
        with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=path) as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
            took_ms = (time.monotonic() - began) * 1000
            off = Path(file.name).stat().st_mtime - time.time()
    except OSError as error:
        text = f"{name} {path} cannot be written: {error.strerror}"
        return [problem(AREA, text, "Give the user of the server the right to write there.")]
    findings = [ok(AREA, f"{name} {path} is written to the disk in {took_ms:.1f} ms")]
    if took_ms > 100:
        mend = "Every acknowledged mail waits for that: use a local SSD."
        findings = [warning(AREA, f"{name} {path}: one write takes {took_ms:.0f} ms", mend)]
    text = f"this machine's clock and the file system's differ by {abs(off):.1f} s"
    if abs(off) > _OFF_S:
        mend = "Keep the clock of the file server with NTP: files are swept by their age."
        return [*findings, warning(CLOCK, text, mend)]
    return [*findings, ok(CLOCK, text)]


def _room(name: str, path: Path) -> list[Finding]:
    status = os.statvfs(path)
    free = status.f_bavail * status.f_frsize
    text = f"{name}: {free / 1024**3:,.1f} GiB are free"
    mend = "Make room or move the directory: PostgreSQL stops when the disk is full."
    if free < _NOTHING_OCTETS:
        return [problem(AREA, text, mend)]
    if free < _LITTLE_OCTETS:
        return [warning(AREA, text, mend)]
    if status.f_files > 0 and status.f_favail < _FEW_FILES:
        text = f"{name}: only {status.f_favail} more files can be made (inodes)"
        return [warning(AREA, text, "Use a file system with more inodes.")]
    return [ok(AREA, text)]


def _log(path: Path) -> list[Finding]:
    """Whether PostgreSQL has complained of its disk lately."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 64 * 1024))
        recent = file.read()
    for words in (b"No space left on device", b"could not fsync", b"invalid page"):
        if words in recent:
            text = f"the embedded PostgreSQL has logged: {words.decode()}"
            return [problem(AREA, text, f"Read {path}, make room or look at the disk itself.")]
    return []
