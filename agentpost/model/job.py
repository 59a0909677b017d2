"""Jobs: work that waits in the database until a worker has done it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agentpost.ids import OrganizationId


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed job.

    ``attempts`` counts this one too.  A claim is known by it: whoever claims a job after its
    lease was lost counts one more.
    """

    id: int
    kind: str
    payload: dict[str, Any]
    attempts: int
    organization: OrganizationId | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as operators see it: ``ready`` waits, ``running`` is a worker's, ``failed`` given up."""

    id: int
    kind: str
    payload: dict[str, Any]
    state: str
    attempts: int
    run_at: datetime
    leased_until: datetime | None
    last_error: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """The job is finished; its row goes."""


@dataclass(frozen=True, slots=True)
class Again:
    """The job is to run again, ``delay_s`` from now.

    ``error`` says why when that is a failure; without one the attempts start anew.
    """

    delay_s: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The job has written its own end together with its effects; its row is not touched.

    ``delay_s`` when it runs again, so that the worker looks for it in time.
    """

    delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The job cannot succeed; it is kept as ``failed`` with this reason."""

    error: str


Verdict = Done | Again | Settled | GivenUp
"""What becomes of a job that ran."""
