"""House rule: every kind of job has its module, is registered and is tested."""

from __future__ import annotations

from pathlib import Path

import agentpost.jobs
from agentpost.jobs import WORKS

_NOT_KINDS = {"__init__", "runner", "gathering", "attempting", "posting"}


def test_every_module_is_registered_and_tested() -> None:
    modules = {path.stem for path in Path(agentpost.jobs.__file__).parent.glob("*.py")}
    registered = {work.__module__.rpartition(".")[2] for work in WORKS.values()}
    assert modules - _NOT_KINDS == registered
    for name in registered:
        assert (Path(__file__).parent / f"test_{name}.py").is_file(), name
    assert all(work.kind == kind for kind, work in WORKS.items())  # type: ignore[attr-defined]
