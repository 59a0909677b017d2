"""The chain of the audit log: each change, gap and cut of a sealed log is found (R31)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.ids import OrganizationId
from agentpost.model.actor import system_actor
from agentpost.model.audit import FIRST, AuditEntry, AuditFilter, digest, told, told_with_hashes
from agentpost.model.page import PageRequest
from agentpost.store.auditchain import AuditChain
from tests.store.conftest import Parts, Tenant, make_inbox

SYSTEM = system_actor()


async def sealed(parts: Parts, *tenants: Tenant, rows: int = 3) -> AuditChain:
    """A chain of some lines of each organization, looked at in small steps."""
    for tenant in tenants:
        for number in range(5):
            await make_inbox(parts, tenant, f"box-{number}")
    chain = AuditChain(parts.door, rows=rows)
    for organization in await chain.unsealed(SYSTEM, 10):
        while await chain.seal(SYSTEM, organization, 2):
            pass
    return chain


async def faults(chain: AuditChain) -> list[str]:
    found, after = [], None
    for look in (chain.batch, chain.heads):
        after = None
        while True:
            batch = await look(SYSTEM, after)
            found += [fault.rule for fault in batch.faults]
            after = batch.after
            if after is None:
                break
    return found


async def execute(parts: Parts, sql: str, *arguments: object) -> None:
    await parts.database.run("*", lambda c: c.execute(sql, *arguments))


async def test_every_line_gets_its_place_and_the_chain_holds(
    parts: Parts, acme: Tenant, globex: Tenant
) -> None:
    chain = await sealed(parts, acme, globex)
    assert await chain.unsealed(SYSTEM, 10) == ()
    assert await faults(chain) == []
    page = await parts.audit.page(acme.actor, AuditFilter(), PageRequest(100, descending=False))
    seals = [entry.seal for entry in page.rows]
    assert [seal.sequence for seal in seals if seal] == list(range(1, len(page.rows) + 1))
    # More lines go on where it ends.
    await make_inbox(parts, acme, "later")
    assert await chain.unsealed(SYSTEM, 10) == (acme.organization.id,)
    assert await chain.seal(SYSTEM, acme.organization.id, 100) == 1
    assert await faults(chain) == []


async def test_whoever_reads_the_log_can_check_it(parts: Parts, acme: Tenant) -> None:
    """With nothing but what the API tells, and the rule that docs/audit.md states."""
    await sealed(parts, acme)
    page = await parts.audit.page(acme.actor, AuditFilter(), PageRequest(100, descending=False))
    lines: list[dict[str, Any]] = [
        json.loads(json.dumps(told_with_hashes(entry))) for entry in page.rows
    ]
    previous = bytes(32).hex()
    for line in lines:
        hash_, before = line.pop("hash"), line.pop("previous_hash")
        text = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert before == previous
        assert hashlib.sha256(bytes.fromhex(before) + text.encode()).hexdigest() == hash_
        previous = hash_


PLANTED = {
    "audit_changed": "UPDATE audit SET actor = 'somebody_else' WHERE place = 4",
    "audit_missing": "DELETE FROM audit WHERE place = 3",
    "audit_order": "UPDATE audit SET previous = sha256('x') WHERE place = 2",
    "audit_end": "DELETE FROM audit WHERE place = (SELECT max(place) FROM audit)",
}


@pytest.mark.parametrize("rule", PLANTED)
@pytest.mark.parametrize("rows", [1, 3, 100])
async def test_what_was_done_to_a_sealed_log_is_found(
    parts: Parts, acme: Tenant, rule: str, rows: int
) -> None:
    chain = await sealed(parts, acme, rows=rows)
    await execute(parts, PLANTED[rule])
    assert rule in await faults(chain)


async def test_a_log_that_is_gone_as_a_whole_is_found(parts: Parts, acme: Tenant) -> None:
    chain = await sealed(parts, acme)
    await execute(parts, "DELETE FROM audit")
    assert await faults(chain) == ["audit_end"]


async def test_a_line_that_changed_its_detail_or_time_is_found(parts: Parts, acme: Tenant) -> None:
    chain = await sealed(parts, acme)
    for change in ("detail = '{\"x\": 1}'", "created_at = created_at + interval '1 second'"):
        await execute(parts, f"UPDATE audit SET {change} WHERE place = 1")
    assert "audit_changed" in await faults(chain)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, max_size=4))
def test_a_hash_is_that_of_what_is_told_however_it_is_spelled(detail: dict[str, Any]) -> None:
    entry = AuditEntry(
        1, OrganizationId("org_1"), None, "key_1", "x.done", None, detail,
        datetime(2026, 3, 8, tzinfo=UTC),
    )  # fmt: skip
    read = json.loads(json.dumps({**told(entry), "sequence": 7}, indent=2))
    text = json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert digest(FIRST, 7, entry) == hashlib.sha256(FIRST + text.encode()).digest()
