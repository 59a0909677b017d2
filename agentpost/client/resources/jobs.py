"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Jobs:
    """Work that waits or has failed."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        state: Literal["failed", "ready", "running"] | NotGiven | None = NOT_GIVEN,
        kind: str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.Job]:
        """List jobs.

        The organization's work that waits, runs or was given up, newest first.

        Work that is done is not kept.  A key bound to environments or inboxes sees the jobs of their
        messages.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        state: failed: given up, and kept so that it can be retried
        """
        target = "/api/v1/jobs"
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, state=state, kind=kind),
            ),
            models.Job,
        )

    def retry(
        self,
        job_id: str,
    ) -> models.Job:
        """Retry a job.

        Runs a failed job again, now, with all its attempts before it.
        """
        target = path("/api/v1/jobs/{}/retry", job_id)
        answer: models.Job = self._call(Call("POST", target, models.Job))
        return answer


class AsyncJobs:
    """Work that waits or has failed."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        state: Literal["failed", "ready", "running"] | NotGiven | None = NOT_GIVEN,
        kind: str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.Job]:
        """List jobs.

        The organization's work that waits, runs or was given up, newest first.

        Work that is done is not kept.  A key bound to environments or inboxes sees the jobs of their
        messages.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        state: failed: given up, and kept so that it can be retried
        """
        target = "/api/v1/jobs"
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(limit=limit, cursor=cursor, order=order, state=state, kind=kind),
            ),
            models.Job,
        )

    async def retry(
        self,
        job_id: str,
    ) -> models.Job:
        """Retry a job.

        Runs a failed job again, now, with all its attempts before it.
        """
        target = path("/api/v1/jobs/{}/retry", job_id)
        answer: models.Job = await self._call(Call("POST", target, models.Job))
        return answer
