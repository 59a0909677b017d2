"""A journey: named steps, each of which holds or ends the journey with a reason."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_REASON_CHARACTERS = 2_000
_COMMAND_S = 120.0
"""No client takes longer for one step; the slowest start a Python or Node of their own."""


class Missing(Exception):
    """A client cannot be installed here; the text names the package."""


class Stopped(Exception):
    """A step failed, and those behind it stand on it."""


@dataclass(frozen=True, slots=True)
class Step:
    """What was tried; ``reason`` is None when it worked."""

    name: str
    seconds: float
    reason: str | None = None


@dataclass(slots=True)
class Steps:
    """The steps of one journey, as they are made."""

    made: list[Step] = field(default_factory=list)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Do the step ``name``.  Raises: Stopped when it fails, whatever the failure was."""
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            self.add(name, time.perf_counter() - began, _reason(error))
            raise Stopped(name) from error
        self.add(name, time.perf_counter() - began)

    def add(self, name: str, seconds: float, reason: str | None = None) -> None:
        """Note a step that was made elsewhere."""
        self.made.append(Step(name, seconds, reason))

    @property
    def failed(self) -> list[Step]:
        """The steps that did not work."""
        return [step for step in self.made if step.reason is not None]


def run(
    command: Sequence[str | Path],
    *,
    stdin: bytes | None = None,
    status: int = 0,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = _COMMAND_S,
) -> bytes:
    """What a command writes to standard output.

    Raises: AssertionError when it ends with another exit status than ``status``, with what it
    wrote; TimeoutExpired.
    """
    done = subprocess.run(
        list(command), input=stdin, capture_output=True, timeout=seconds, env=env, cwd=cwd,
        check=False,
    )  # fmt: skip
    if done.returncode != status:
        said = (done.stdout[-1_000:] + done.stderr[-1_000:]).decode("utf-8", "replace")
        raise AssertionError(f"{command[0]} ended with {done.returncode}, not {status}: {said}")
    return done.stdout


def until(holds: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until ``holds``.  Raises: AssertionError naming ``what`` when it never does."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(0.05)


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, AssertionError) and str(error) else repr(error)
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    line = f" (line {where.tb_lineno})" if where is not None else ""
    return text[:_REASON_CHARACTERS] + line
