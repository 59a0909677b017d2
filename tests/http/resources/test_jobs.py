"""Jobs over REST: what is shown to whom, and trying again."""

from __future__ import annotations

import pytest

from agentpost.ids import job_id, job_number
from agentpost.model.actor import system_actor
from tests.http.resources.conftest import Api, Tenant


async def queue(tenant: Tenant, kind: str = "report", message: str | None = None) -> int:
    payload: dict[str, object] = {} if message is None else {"message_id": message}
    return await tenant.store.jobs.add(
        system_actor(), kind, payload, organization=tenant.actor.organization
    )


async def fail(tenant: Tenant, number: int, error: str = "it was given up") -> None:
    await tenant.store.database.run(
        "*",
        lambda c: c.execute(
            "UPDATE jobs SET state = 'failed', attempts = 12, last_error = $2 WHERE id = $1",
            number,
            error,
        ),
    )


async def test_jobs_are_listed_newest_first_and_by_state_and_kind(acme: Tenant) -> None:
    store = acme.store
    first, second, third = [await queue(acme, kind) for kind in ("report", "bounce", "report")]
    await fail(acme, third)
    await store.jobs.claim(system_actor(), [("bounce", 5)], 60)
    listed = (await acme.call("GET", "/jobs")).json["data"]
    assert [(one["id"], one["state"]) for one in listed] == [
        (job_id(third), "failed"),
        (job_id(second), "running"),
        (job_id(first), "ready"),
    ]
    assert (listed[0]["attempts"], listed[0]["last_error"]) == (12, "it was given up")
    for query, found in (
        ("state=ready", [first]),
        ("state=running", [second]),
        ("state=failed", [third]),
        ("kind=report", [third, first]),
        ("kind=report&order=asc", [first, third]),
        ("kind=nothing", []),
    ):
        shown = (await acme.call("GET", f"/jobs?{query}")).json["data"]
        assert [one["id"] for one in shown] == [job_id(number) for number in found], query
    assert (await acme.call("GET", "/jobs?state=gone")).status == 400


async def test_pages_follow_each_other(acme: Tenant) -> None:
    made = [await queue(acme) for _ in range(5)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await acme.call("GET", f"/jobs?limit=2{cursor}")).json
        seen += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [job_id(number) for number in reversed(made)]


async def test_a_failed_job_runs_again(acme: Tenant) -> None:
    number = await queue(acme)
    path = f"/jobs/{job_id(number)}/retry"
    assert (await acme.call("POST", path)).code == "conflict"
    await fail(acme, number)
    told: list[int] = []
    acme.store.committed.queued.append(lambda: told.append(1))
    answer = await acme.call("POST", path)
    assert answer.status == 200
    assert (answer.json["state"], answer.json["attempts"]) == ("ready", 0)
    assert told == [1]
    (job,) = await acme.store.jobs.claim(system_actor(), [("report", 5)], 60)
    assert job.id == number
    audit = await acme.store.database.run(
        "*", lambda c: c.value("SELECT resource FROM audit WHERE action = 'job.retried'")
    )
    assert audit == job_id(number)


async def test_another_organization_s_jobs_are_not_there(acme: Tenant, globex: Tenant) -> None:
    number = await queue(acme)
    await fail(acme, number)
    own = await acme.store.jobs.add(system_actor(), "sweep", {})
    assert (await globex.call("GET", "/jobs")).json["data"] == []
    assert job_id(own) not in (await acme.call("GET", "/jobs")).octets.decode()
    for number_of in (number, own):
        answer = await globex.call("POST", f"/jobs/{job_id(number_of)}/retry")
        assert (answer.status, answer.code) == (404, "not_found")


async def test_a_bound_key_sees_the_jobs_of_its_messages(api: Api, acme: Tenant) -> None:
    inbox, other = await acme.inbox("one"), await acme.inbox("two")
    sent = await acme.call(
        "POST", f"/inboxes/{inbox.id}/messages", {"to": "a@elsewhere.example", "text_body": "x"}
    )
    plain = await queue(acme)
    near = await acme.caller("jobs:read", "jobs:write", inboxes=(inbox.id,))
    far = await acme.caller("jobs:read", "jobs:write", inboxes=(other.id,))
    (shown,) = (await near("GET", "/jobs")).json["data"]
    assert (shown["kind"], shown["message_id"]) == ("relay", sent.json["id"])
    assert (await far("GET", "/jobs")).json["data"] == []
    assert (await far("POST", f"/jobs/{shown['id']}/retry")).status == 404
    assert (await near("POST", f"/jobs/{shown['id']}/retry")).code == "conflict"
    assert (await near("POST", f"/jobs/{job_id(plain)}/retry")).status == 404


async def test_retrying_needs_more_than_reading(acme: Tenant) -> None:
    number = await queue(acme)
    await fail(acme, number)
    reader = await acme.caller("jobs:read")
    assert (await reader("POST", f"/jobs/{job_id(number)}/retry")).status == 403


@pytest.mark.parametrize(
    "name", ["job_1", "471", "msg_01JQ8X5K2M3N4P5R6S7T8V9W00", "job_" + "7" * 26]
)
async def test_what_is_no_job_is_not_found(acme: Tenant, name: str) -> None:
    assert (await acme.call("POST", f"/jobs/{name}/retry")).status == 404


@pytest.mark.parametrize("number", [1, 31, 32, 471, (1 << 63) - 1])
def test_ids_of_jobs_lead_back(number: int) -> None:
    assert job_number(job_id(number)) == number
    assert len(job_id(number)) == 30
