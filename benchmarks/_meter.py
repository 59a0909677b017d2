"""What the processes of a server have used: CPU time and memory, PostgreSQL's apart.

On a machine that others use too, CPU time says more than the time that passed.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Used:
    """Seconds of CPU so far, or between two moments."""

    server_s: float
    database_s: float

    def __sub__(self, earlier: Used) -> Used:
        return Used(self.server_s - earlier.server_s, self.database_s - earlier.database_s)


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    name: str
    parent: int
    cpu_s: float


def used(*roots: int) -> Used:
    """What these processes and their descendants, those that ended included, have used."""
    server = database = 0.0
    for process in _tree(*roots):
        if process.name == "postgres":
            database += process.cpu_s
        else:
            server += process.cpu_s
    return Used(server, database)


def memory_kb(root: int) -> int:
    """Kilobytes that the tree below ``root`` has, PostgreSQL left out; shared pages in part."""
    return sum(_pss_kb(each.pid) for each in _tree(root) if each.name != "postgres")


def _pss_kb(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # It has just ended.
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def _tree(*roots: int) -> list[_Process]:
    known = [each for entry in Path("/proc").iterdir() if (each := _process(entry)) is not None]
    children: dict[int, list[_Process]] = {}
    for each in known:
        children.setdefault(each.parent, []).append(each)
    found = [each for each in known if each.pid in roots]
    for each in found:
        found += children.get(each.pid, ())
    return found


def _process(entry: Path) -> _Process | None:
    if not entry.name.isdecimal():
        return None
    try:
        text = (entry / "stat").read_text()
    except OSError:
        return None
    # proc(5): the name stands in parentheses and may hold anything.
    name = text[text.index("(") + 1 : text.rindex(")")]
    fields = text[text.rindex(")") + 2 :].split()
    # What children had used when it waited for them.
    ended_s = sum(int(field) for field in fields[13:15]) / _TICKS
    pid = int(entry.name)
    try:
        return _Process(pid, name, int(fields[1]), ended_s + time.clock_gettime(_clock_of(pid)))
    except OSError:
        return None


def _clock_of(pid: int) -> int:
    """The CPU clock of a process, in nanoseconds (what clock_getcpuclockid(3) makes)."""
    return (~pid << 3) | 2
