"""The audit log over REST (R31): filters, pages, CSV and NDJSON, and who sees what."""

from __future__ import annotations

import csv
import io
import itertools
import json

from agentpost.http.resources.audit_log import COLUMNS
from agentpost.model.actor import Scope, system_actor
from agentpost.store import audit
from agentpost.store.auditchain import AuditChain
from tests.http.resources.conftest import Tenant

CSV = "text/csv"
NDJSON = "application/x-ndjson"


async def seal(tenant: Tenant) -> None:
    chain = AuditChain(tenant.store.door)
    await chain.seal(system_actor(), tenant.actor.organization, 10_000)


async def write(tenant: Tenant, action: str, resource: str, **detail: object) -> None:
    where = Scope(tenant.actor.organization, tenant.environment.id)
    await tenant.store.database.run(
        "*",
        lambda c: audit.append(c, tenant.actor, where, action, resource, dict(detail)),
        atomic=True,
    )


async def test_lines_are_narrowed_and_ordered(acme: Tenant) -> None:
    inbox = await acme.inbox()
    shown = (await acme.call("GET", f"/audit-log?resource={inbox.id}")).json["data"]
    assert [(one["action"], one["actor"]) for one in shown] == [("inbox.created", "key_setup")]
    assert shown[0]["environment_id"] == acme.environment.id
    assert shown[0]["hash"] is None
    moment = shown[0]["created_at"]
    for query, found in (
        ("action=inbox.created", 1),
        ("action=inbox.deleted", 0),
        (f"resource={inbox.id}&actor=key_setup", 1),
        ("actor=nobody", 0),
        (f"action=inbox.created&before={moment}", 0),
        ("action=inbox.created&after=2020-01-01T00:00:00Z", 1),
    ):
        assert len((await acme.call("GET", f"/audit-log?{query}")).json["data"]) == found, query
    every = (await acme.call("GET", "/audit-log?limit=100")).json["data"]
    upwards = (await acme.call("GET", "/audit-log?limit=100&order=asc")).json["data"]
    assert every == upwards[::-1]


async def test_pages_follow_each_other(acme: Tenant) -> None:
    for number in range(5):
        await write(acme, "x.done", f"res_{number}")
    seen, cursor = [], ""
    while True:
        page = (await acme.call("GET", f"/audit-log?action=x.done&limit=2{cursor}")).json
        seen += [one["resource"] for one in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"res_{number}" for number in range(4, -1, -1)]


async def test_sealed_lines_show_their_hashes(acme: Tenant) -> None:
    await acme.inbox()
    await seal(acme)
    lines = (await acme.call("GET", "/audit-log?order=asc&limit=100")).json["data"]
    assert [one["sequence"] for one in lines] == list(range(1, len(lines) + 1))
    for before, after in itertools.pairwise(lines):
        assert after["previous_hash"] == before["hash"]


async def test_ndjson_and_csv_hold_all_that_fits(acme: Tenant) -> None:
    for number in range(1_100):
        await write(acme, "x.done", f"res_{number}", n=number)
    listed = (await acme.call("GET", "/audit-log?action=x.done&order=asc&limit=100")).json["data"]
    path = "/audit-log?action=x.done&order=asc&limit=1"
    answer = await acme.call("GET", path, accept=NDJSON)
    assert answer.fields["content-type"] == NDJSON
    lines = [json.loads(line) for line in answer.octets.splitlines()]
    assert len(lines) == 1_100
    assert lines[:100] == listed
    answer = await acme.call("GET", path, accept=f"{CSV}, application/json;q=0.5")
    assert answer.fields["content-type"] == f"{CSV}; charset=utf-8; header=present"
    table = list(csv.DictReader(io.StringIO(answer.octets.decode(), newline="")))
    assert tuple(table[0]) == COLUMNS
    assert [row["resource"] for row in table] == [one["resource"] for one in lines]
    assert json.loads(table[7]["detail"]) == {"n": 7}


async def test_no_cell_is_a_formula(acme: Tenant) -> None:
    await write(acme, "x.done", "=HYPERLINK(1)")
    answer = await acme.call("GET", "/audit-log?action=x.done", accept=CSV)
    (row,) = csv.DictReader(io.StringIO(answer.octets.decode(), newline=""))
    assert row["resource"] == "'=HYPERLINK(1)"


async def test_other_kinds_are_refused_and_anything_is_json(acme: Tenant) -> None:
    assert (await acme.call("GET", "/audit-log", accept="text/html")).status == 406
    for accept in ("*/*", "application/*", "application/json"):
        answer = await acme.call("GET", "/audit-log", accept=accept)
        assert answer.fields["content-type"] == "application/json"
    answer = await acme.call("GET", "/audit-log?cursor=x", accept=CSV)
    assert (answer.status, answer.code) == (400, "invalid_cursor")


async def test_each_sees_its_own(acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    assert inbox.id.encode() not in (await globex.call("GET", "/audit-log?limit=100")).octets
    other, _ = await acme.store.environments.create(acme.actor, "Other")
    bound = await acme.caller("audit:read", environments=(other.id,))
    for accept in (NDJSON, "application/json"):
        shown = await bound("GET", "/audit-log?limit=100", accept=accept)
        assert inbox.id.encode() not in shown.octets
        assert other.id.encode() in shown.octets
