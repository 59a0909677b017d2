"""Jobs over REST: what waits, what runs, and what was given up (API.md, Jobs)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agentpost.clock import rfc3339
from agentpost.errors import Conflict, NotFound
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.http.paging import ListBody, ListQuery
from agentpost.http.resources.shapes import EXAMPLE_TIME, Timestamp, page_of
from agentpost.ids import is_id, job_id, job_number
from agentpost.model.job import JobState

routes = Routes("Jobs")

State = Literal["ready", "running", "failed"]


class JobsQuery(ListQuery, frozen=True, forbid_unknown_fields=True):
    """Which jobs to list."""

    state: Annotated[
        State | None, Meta(description="failed: given up, and kept so that it can be retried")
    ] = None
    kind: (
        Annotated[str, Meta(max_length=50, description="Such as relay, report, bounce")] | None
    ) = None


class JobBody(msgspec.Struct, frozen=True):
    """Work that waits for a worker, is at one, or was given up."""

    id: str
    kind: str
    state: State
    attempts: int
    message_id: Annotated[str | None, Meta(description="The message that it is about")]
    run_at: Annotated[Timestamp, Meta(description="Due then; of a running job, its lease ends")]
    last_error: Annotated[
        str | None, Meta(description="Why the last attempt failed; holds nothing of any mail")
    ]
    created_at: Timestamp


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "job_00000000000000000000000471",
    "kind": "report",
    "state": "failed",
    "attempts": 12,
    "message_id": "msg_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "run_at": EXAMPLE_TIME,
    "last_error": "OSError (the log says more)",
    "created_at": EXAMPLE_TIME,
}


def job_body(job: JobState) -> JobBody:
    """A job as the API shows it."""
    message = job.payload.get("message_id")
    return JobBody(
        id=job_id(job.id),
        kind=job.kind,
        state=_STATES[job.state],
        attempts=job.attempts,
        message_id=message if isinstance(message, str) and is_id(message, "msg") else None,
        run_at=rfc3339(job.run_at),
        last_error=job.last_error,
        created_at=rfc3339(job.created_at),
    )


_STATES: Final[dict[str, State]] = {"ready": "ready", "running": "running", "failed": "failed"}


@routes.get(
    "/jobs",
    scope="jobs:read",
    query=JobsQuery,
    answer=ListBody[JobBody],
    summary="List jobs",
    examples=page_of(_EXAMPLE),
)
async def list_jobs(request: Request[None, JobsQuery]) -> Response:
    """The organization's work that waits, runs or was given up, newest first.

    Work that is done is not kept.  A key bound to environments or inboxes sees the jobs of their
    messages.
    """
    desk, query = desk_of(request), request.query
    place = (request.actor.organization, "jobs")
    page = await desk.store.jobs.page(
        request.actor, desk.cursors.page(query, *place), state=query.state, kind=query.kind
    )
    return Response(desk.cursors.body(page, job_body, query, *place))


@routes.post(
    "/jobs/{job}/retry",
    scope="jobs:write",
    answer=JobBody,
    summary="Retry a job",
    raises=(NotFound, Conflict),
    examples={"response": {**_EXAMPLE, "state": "ready", "attempts": 0}},
)
async def retry_job(request: Request[None, None]) -> Response:
    """Runs a failed job again, now, with all its attempts before it."""
    number = job_number(request.params["job"])
    if number is None:
        raise NotFound("There is no such job.")
    desk = desk_of(request)
    job = await desk.store.jobs.retry(request.actor, number)
    desk.store.committed.tell_queued()
    return Response(job_body(job))
