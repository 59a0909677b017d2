"""The queue: jobs that wait in PostgreSQL until a worker claims them.

A claim moves a job's ``run_at`` to the end of its lease.  While the worker lives it renews the
lease; when it dies, the job is simply due again.  Nothing is polled that is not due, and one
partial index serves waiting, leased and repeated jobs alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from agentpost.errors import Conflict, NotFound
from agentpost.ids import OrganizationId, job_id
from agentpost.model.actor import Actor, Scope
from agentpost.model.job import Job, JobState
from agentpost.model.page import Page, PageRequest
from agentpost.store import audit
from agentpost.store.narrowing import Narrowing, reach
from agentpost.store.pool import Connection, Row
from agentpost.store.store import Door

_SHOWN = "CASE WHEN state = 'ready' AND leased_until > now() THEN 'running' ELSE state END"
_STATE = (
    f"id, kind, payload, {_SHOWN} AS state, attempts, run_at, leased_until, last_error, created_at"
)


class Jobs:
    """Claims, ends and shows jobs."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def add(
        self,
        actor: Actor,
        kind: str,
        payload: dict[str, object],
        *,
        organization: OrganizationId | None = None,
        delay_s: float = 0.0,
    ) -> int:
        """Queue a job of its own; work that a change causes is queued in the change's commit."""

        async def write(connection: Connection, _: Scope) -> int:
            made: int = await connection.value(
                "INSERT INTO jobs (organization_id, kind, payload, run_at)"
                " VALUES ($1, $2, $3, now() + $4::interval) RETURNING id",
                organization,
                kind,
                msgspec.json.encode(payload).decode(),
                timedelta(seconds=delay_s),
            )
            return made

        return await self._door.write(actor, None, None, write, single=True)

    async def ensure_standing(self, actor: Actor, kinds: Sequence[str]) -> None:
        """Make the one row of each standing job, unless it is there; a failed one is revived."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(
                "INSERT INTO jobs (kind, standing) SELECT k, true FROM unnest($1::text[]) AS k"
                " ON CONFLICT (kind) WHERE standing DO UPDATE"
                "  SET state = 'ready', run_at = now(), attempts = 0, leased_until = NULL"
                "  WHERE jobs.state = 'failed'",
                list(kinds),
            )

        await self._door.write(actor, None, None, write, single=True)

    async def claim(
        self, actor: Actor, wanted: Sequence[tuple[str, int]], lease_s: float
    ) -> tuple[Job, ...]:
        """Take jobs that are due, of each kind at most so many, the longest due first.

        They belong to the caller for ``lease_s``; jobs that others are just taking are left.
        """

        async def write(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                _CLAIM,
                [kind for kind, _ in wanted],
                [limit for _, limit in wanted],
                timedelta(seconds=lease_s),
            )

        found = await self._door.write(actor, None, None, write, single=True)
        jobs = [_job(row) for row in found]
        jobs.sort(key=lambda job: job.id)
        return tuple(jobs)

    async def renew(self, actor: Actor, jobs: Sequence[Job], lease_s: float) -> frozenset[int]:
        """Keep claimed jobs for another ``lease_s``; gives the ids of those still held."""

        async def write(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                "UPDATE jobs j SET run_at = now() + $3::interval,"
                " leased_until = now() + $3::interval"
                f" FROM {_HELD} AND j.state = 'ready' RETURNING j.id",
                *_claims(jobs),
                timedelta(seconds=lease_s),
            )

        found = await self._door.write(actor, None, None, write, single=True)
        return frozenset(row["id"] for row in found)

    async def finish(self, actor: Actor, jobs: Sequence[Job]) -> None:
        """Delete jobs that are done; one that was lost to another worker is left to it."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(f"DELETE FROM jobs j USING {_HELD}", *_claims(jobs))

        await self._door.write(actor, None, None, write, single=True)

    async def again(self, actor: Actor, job: Job, delay_s: float, error: str | None = None) -> None:
        """Let a job run again later; without an error its attempts start anew."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(
                "UPDATE jobs SET run_at = now() + $3::interval, leased_until = NULL,"
                " last_error = $4, attempts = CASE WHEN $4::text IS NULL THEN 0 ELSE attempts END"
                " WHERE id = $1 AND attempts = $2 AND leased_until IS NOT NULL",
                job.id,
                job.attempts,
                timedelta(seconds=delay_s),
                error,
            )

        await self._door.write(actor, None, None, write, single=True)

    async def give_up(self, actor: Actor, job: Job, error: str) -> None:
        """Keep a job as failed: a dead letter that an operator can look at and retry."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(
                "UPDATE jobs SET state = 'failed', leased_until = NULL, last_error = $3"
                " WHERE id = $1 AND attempts = $2 AND leased_until IS NOT NULL",
                job.id,
                job.attempts,
                error,
            )

        await self._door.write(actor, None, None, write, single=True)

    async def release(self, actor: Actor, jobs: Sequence[Job]) -> None:
        """Give back jobs that were claimed and not begun, or cut short; the attempt is not
        counted."""

        async def write(connection: Connection, _: Scope) -> None:
            await connection.execute(
                "UPDATE jobs j SET run_at = now(), leased_until = NULL,"
                " attempts = greatest(j.attempts - 1, 0)"
                f" FROM {_HELD}",
                *_claims(jobs),
            )

        await self._door.write(actor, None, None, write, single=True)

    async def page(
        self, actor: Actor, page: PageRequest, *, state: str | None = None, kind: str | None = None
    ) -> Page[JobState]:
        """The organization's jobs, newest first unless asked otherwise.

        A credential bound to environments or inboxes sees the jobs of messages there.
        """

        async def read(connection: Connection, _: Scope) -> list[Row]:
            query = Narrowing(page.limit + 1, "DESC" if page.descending else "ASC")
            _keep_to(query, actor)
            if state is not None:
                query.add(f"{_SHOWN} = {{0}}", state)
            if kind is not None:
                query.add("kind = {0}", kind)
            if page.position is not None:
                sign = "<" if page.descending else ">"
                query.add(f"id {sign} {{0}}", int(page.position[0]))
            return await connection.rows(
                f"SELECT {_STATE} FROM jobs WHERE {query.condition}"
                f" ORDER BY id {query.direction} LIMIT {query.limit}",
                *query.arguments,
            )

        found = await self._door.read(actor, "jobs:read", None, read)
        states = tuple(_state(row) for row in found[: page.limit])
        more = len(found) > page.limit
        return Page(states, (str(states[-1].id),) if more else None)

    async def retry(self, actor: Actor, job: int) -> JobState:
        """Run a failed job again, now.

        Raises: NotFound when there is no such job here; Conflict when it has not failed.
        """

        async def write(connection: Connection, place: Scope) -> Row:
            query = Narrowing(1, "ASC")
            _keep_to(query, actor)
            query.add("id = {0}", job)
            row = await connection.row(
                f"SELECT state FROM jobs WHERE {query.condition} FOR UPDATE", *query.arguments
            )
            if row is None:
                raise NotFound("There is no such job.")
            if row["state"] != "failed":
                raise Conflict("The job has not failed.", fix="Only a failed job can be retried.")
            retried = await connection.row(
                "UPDATE jobs SET state = 'ready', run_at = now(), attempts = 0 WHERE id = $1"
                f" RETURNING {_STATE}",
                job,
            )
            assert retried is not None
            if not actor.system:
                await audit.append(connection, actor, place, "job.retried", job_id(job))
            return retried

        return _state(await self._door.write(actor, "jobs:write", None, write))

    async def depth(self, actor: Actor) -> dict[tuple[str, str], int]:
        """How many jobs there are, by kind and state."""

        async def read(connection: Connection, _: Scope) -> list[Row]:
            return await connection.rows(
                f"SELECT kind, {_SHOWN} AS state, count(*) AS jobs FROM jobs GROUP BY 1, 2"
            )

        rows = await self._door.read(actor, None, None, read)
        return {(row["kind"], row["state"]): row["jobs"] for row in rows}


def _keep_to(query: Narrowing, actor: Actor) -> None:
    """Keep to the jobs that the actor may know of; no row level security stands behind this."""
    if actor.system:
        return
    query.add("organization_id = {0}", actor.organization)
    if actor.environments is None and actor.inboxes is None:
        return
    # One list of arguments: the inner conditions are numbered on.
    inner = Narrowing(1, "ASC", arguments=query.arguments)
    reach(inner, actor, None, "m", deleted=True)
    query.conditions.append(
        "EXISTS (SELECT 1 FROM messages m WHERE m.id = jobs.payload->>'message_id'"
        f" AND {inner.condition})"
    )


_HELD = (
    "unnest($1::bigint[], $2::smallint[]) AS h (id, attempt)"
    " WHERE j.id = h.id AND j.attempts = h.attempt AND j.leased_until IS NOT NULL"
)
"""Jobs that still belong to who claimed them."""


def _claims(jobs: Sequence[Job]) -> tuple[list[int], list[int]]:
    return [job.id for job in jobs], [job.attempts for job in jobs]


_CLAIM = """
WITH due AS (
    SELECT d.id FROM unnest($1::text[], $2::integer[]) AS w (kind, most)
    CROSS JOIN LATERAL (
        SELECT j.id FROM jobs j
        WHERE j.state = 'ready' AND j.kind = w.kind AND j.run_at <= now()
        ORDER BY j.run_at LIMIT w.most FOR UPDATE SKIP LOCKED
    ) d
)
UPDATE jobs j SET attempts = j.attempts + 1, run_at = now() + $3::interval,
    leased_until = now() + $3::interval
FROM due WHERE j.id = due.id
RETURNING j.id, j.kind, j.payload, j.attempts, j.organization_id, j.created_at
"""


def _job(row: Row) -> Job:
    organization = row["organization_id"]
    return Job(
        id=row["id"],
        kind=row["kind"],
        payload=msgspec.json.decode(row["payload"]),
        attempts=row["attempts"],
        organization=None if organization is None else OrganizationId(organization),
        created_at=row["created_at"],
    )


def _state(row: Row) -> JobState:
    return JobState(
        id=row["id"],
        kind=row["kind"],
        payload=msgspec.json.decode(row["payload"]),
        state=row["state"],
        attempts=row["attempts"],
        run_at=row["run_at"],
        leased_until=row["leased_until"],
        last_error=row["last_error"],
        created_at=row["created_at"],
    )
