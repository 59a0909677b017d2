"""The walk over the store: a sound one has no faults, and each planted fault is found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agentpost.model.actor import system_actor
from agentpost.store.blobs_disk import DiskBlobs
from agentpost.store.consistency import CheckLimits, Consistency, Fault
from agentpost.store.consistency_rules import BLOB_RULES, PARTS, RULES
from agentpost.store.pool import Connection, Database
from agentpost.store.store import Door
from tests.jobs.world import LETTER, World, make_world

_ACTOR = system_actor()

_HOLD = (
    "INSERT INTO holds (message_id, organization_id, environment_id, inbox_id, kind, credential,"
    " reverse_path, due_at, job_id) SELECT {}, organization_id, environment_id, id, 'schedule',"
    " 'key_1', '', now(), 0 FROM inboxes"
)
PLANTED = {
    "placement_message": "DELETE FROM messages",
    "placement_mailbox": "DELETE FROM mailboxes WHERE role = 'inbox'",
    "placement_inbox": "UPDATE placements SET inbox_id = 'inb_other'",
    "placement_uid": "UPDATE mailboxes SET uidnext = 1, recent_from = 1",
    "placement_modseq": "UPDATE placements SET modseq = 1000000",
    "placement_size": "UPDATE placements SET size = size + 1",
    "placement_expunged": "INSERT INTO expunged (mailbox_id, uid, organization_id, inbox_id,"
    " message_id, modseq) SELECT mailbox_id, uid, organization_id, inbox_id, message_id, modseq"
    " FROM placements",
    "placement_noted": "DELETE FROM changed_blocks",
    "tombstone_inbox": "INSERT INTO expunged (mailbox_id, uid, organization_id, inbox_id,"
    " message_id, modseq) SELECT 999999, 1, organization_id, 'inb_gone', 'msg_gone', 1"
    " FROM inboxes",
    "tombstone_uid": "INSERT INTO expunged (mailbox_id, uid, organization_id, inbox_id,"
    " message_id, modseq) SELECT id, uidnext, organization_id, inbox_id, 'msg_gone', 1"
    " FROM mailboxes WHERE role = 'inbox'",
    "tombstone_modseq": "INSERT INTO expunged (mailbox_id, uid, organization_id, inbox_id,"
    " message_id, modseq) SELECT 999999, 1, organization_id, id, 'msg_gone', modseq + 1"
    " FROM inboxes",
    "inbox_environment": "UPDATE inboxes SET organization_id = (SELECT id FROM organizations"
    " WHERE id = 'org_other')",
    "inbox_mailbox": "UPDATE mailboxes SET role = NULL WHERE role = 'inbox'",
    "mailbox_modseq": "UPDATE mailboxes SET modseq = 1000000",
    "mailbox_recent": "UPDATE mailboxes SET recent_from = uidnext + 1",
    "message_blob": "DELETE FROM blobs",
    "message_size": "UPDATE messages SET size = size + 1",
    "message_blob_age": "UPDATE messages SET blob_id = 'blob_00000000000000000000000000'",
    "message_inbox": "UPDATE messages SET environment_id = 'env_other'",
    "message_thread": "DELETE FROM threads",
    "message_placement": "DELETE FROM placements",
    "message_modseq": "UPDATE messages SET created_modseq = 1000000",
    "message_text": "DELETE FROM unindexed",
    "thread_messages": "UPDATE messages SET thread_id = 'thr_other'",
    "thread_inbox": "UPDATE threads SET inbox_id = 'inb_other'",
    "reference_thread": "UPDATE thread_refs SET thread_id = 'thr_other'",
    "draft_message": "INSERT INTO drafts (id, organization_id, environment_id, inbox_id,"
    " message_id) SELECT 'dft_1', organization_id, environment_id, id, 'msg_gone' FROM inboxes",
    "draft_inbox": "INSERT INTO drafts (id, organization_id, environment_id, inbox_id, message_id)"
    " SELECT 'dft_1', organization_id, environment_id, 'inb_other', id FROM messages LIMIT 1",
    "hold_message": _HOLD.format("'msg_gone'"),
    "hold_job": "UPDATE holds SET job_id = 0",
    "hold_approval": "DELETE FROM approvals",
    "delivery_message": "UPDATE deliveries SET message_id = 'msg_gone'",
    "delivery_relay": "DELETE FROM relays",
    "relay_blob": "UPDATE relays SET blob_id = 'blob_gone'",
    "relay_environment": "UPDATE relays SET environment_id = 'env_gone'",
    "relay_recipients": "UPDATE deliveries SET state = 'sent'",
    "relay_job": "DELETE FROM jobs",
    "job_organization": "UPDATE jobs SET organization_id = 'org_gone'",
    "job_lease": "UPDATE jobs SET leased_until = run_at + interval '1 second'",
    "claim_message": "UPDATE claims SET message_id = 'msg_gone'",
    "claim_environment": "UPDATE claims SET environment_id = 'env_gone'",
    "claim_passed": "UPDATE inboxes SET claims_from = 'msg_~'",
    "claim_attempts": "UPDATE claims SET state = 'dead'",
    "approval_inbox": "UPDATE approvals SET environment_id = 'env_other'",
    "approval_hold": "DELETE FROM holds",
    "approval_over": "UPDATE approvals SET state = 'approved'",
    "approval_decided": "UPDATE approvals SET decided_at = now()",
    "event_organization": "UPDATE events SET organization_id = 'org_gone'",
    "event_environment": "UPDATE events SET environment_id = 'env_gone'",
    "event_ahead": "UPDATE events SET seq = seq + (1000::bigint << 20)",
    "event_given": "DELETE FROM webhook_deliveries",
    "webhook_environment": "UPDATE webhooks SET organization_id = 'org_other'",
    "webhook_queue": "DELETE FROM webhook_queues",
    "webhook_log": "DELETE FROM webhook_logs",
    "webhook_starts": "UPDATE webhooks SET starts_after = starts_after + (1000::bigint << 20)",
    "webhook_disabled": "UPDATE webhooks SET enabled = false",
    "queue_lease": "UPDATE webhook_queues SET holder = 'whk_1'",
    "queue_look": "UPDATE webhook_queues SET next_at = NULL",
    "queue_failures": "UPDATE webhook_queues SET failures = 3",
    "log_ahead": "UPDATE webhook_logs SET position = position + (1000::bigint << 20)",
    "log_behind": "UPDATE organizations o SET forgotten_seq = l.position + 1"
    " FROM webhook_logs l WHERE l.organization_id = o.id",
    "webhook_delivery_webhook": "UPDATE webhook_deliveries SET organization_id = 'org_other'",
    "webhook_delivery_name": "UPDATE webhook_deliveries SET id = 'dlv_1'",
    "webhook_delivery_event": "DELETE FROM events",
    "webhook_delivery_state": "UPDATE webhook_deliveries SET state = 'succeeded'",
    "polling_key": "UPDATE polling_webhooks SET key_id = 'key_gone'",
    "polling_starts": "UPDATE polling_webhooks SET starts_after = starts_after + (1000::bigint << 20)",
    "consumer_webhook": "UPDATE polling_consumers SET organization_id = 'org_other'",
    "consumer_ahead": "UPDATE polling_consumers SET given = ARRAY[position + (1000::bigint << 20)]",
    "session_key": "UPDATE mcp_sessions SET credential = 'key_gone'",
    "session_watched": "UPDATE mcp_sessions SET watched = '[]'",
    "session_seen": "UPDATE mcp_sessions SET seen_at = now() + interval '1 day'",
}
PLANTED_IN_BLOBS = {
    "blob_uses": "UPDATE blobs SET uses = uses + 1",
    "blob_size": "UPDATE blobs SET size = size + 1",
    "blob_octets": "UPDATE blobs SET octets = set_byte(octets, 0, 0) WHERE octets IS NOT NULL",
}
_OTHER = "INSERT INTO organizations (id, name, slug, tier) VALUES ('org_other', 'x', 'x', 'free')"
_EVENT = (
    "INSERT INTO events (environment_id, id, organization_id, type, data)"
    " SELECT id, 'evt_1', organization_id, 'message.received', '{}' FROM environments"
)
_OF_AGENTS = (
    # A webhook, which was given an event that happened later, and a session of an agent.
    (
        "INSERT INTO webhooks (id, organization_id, environment_id, url, event_types, environment_ids,"
        " payload, ordering, timeout_s, secret, updated_at)"
        " SELECT 'whk_1', organization_id, id, 'https://a.test/', '{*}', ARRAY[id], 'thin', 'none', 30,"
        " '', now() - interval '1 hour' FROM environments"
    ),
    (
        "INSERT INTO webhook_queues (webhook_id, organization_id)"
        " SELECT id, organization_id FROM webhooks"
    ),
    "INSERT INTO webhook_logs (organization_id) SELECT organization_id FROM webhooks",
    (
        "INSERT INTO events (environment_id, id, organization_id, type, data)"
        " SELECT id, 'evt_2', organization_id, 'message.received', '{}' FROM environments"
    ),
    "SELECT fan_out_webhooks(1000)",
    (
        "INSERT INTO api_keys (id, organization_id, name, prefix, secret_hash, scopes)"
        " SELECT 'key_1', id, 'x', 'x', 'x', '{}' FROM organizations"
    ),
    (
        "INSERT INTO mcp_sessions (id, organization_id, credential, protocol)"
        " SELECT 'ses_1', id, 'key_1', '2025-11-25' FROM organizations"
    ),
    (
        "INSERT INTO polling_webhooks (id, organization_id, environment_id, client_id, event_types,"
        " key_id, token_hash)"
        " SELECT 'whk_2', organization_id, id, 'x', '{*}', 'key_1', 'x' FROM environments"
    ),
    (
        "INSERT INTO polling_consumers (webhook_id, name, organization_id, position)"
        " SELECT id, 'x', organization_id, starts_after FROM polling_webhooks"
    ),
    # A message that waits for an approval, until its job comes.
    (
        "INSERT INTO approvals (id, organization_id, environment_id, inbox_id, message_id, thread_id,"
        " credential, rule, told, expires_at) SELECT 'apr_1', organization_id, environment_id, inbox_id,"
        " id, thread_id, 'key_1', 'always', '{}', now() + interval '1 day' FROM messages"
        " WHERE direction = 'outbound'"
    ),
    (
        "WITH job AS (INSERT INTO jobs (organization_id, kind, run_at)"
        " SELECT organization_id, 'release', expires_at FROM approvals RETURNING id)"
        " INSERT INTO holds (message_id, organization_id, environment_id, inbox_id, kind, credential,"
        " reverse_path, due_at, approval_id, job_id) SELECT a.message_id, a.organization_id,"
        " a.environment_id, a.inbox_id, 'approval', 'key_1', '', a.expires_at, a.id, j.id"
        " FROM approvals a, job j"
    ),
)
_KEPT_BY_THE_DATABASE = {"mailbox_inbox", "queue_webhook"}
"""Foreign keys keep these; the rule guards restored or hand-edited databases."""


async def walk(world: World, blob_root: Path, *, octets: bool = True, rows: int = 2) -> list[Fault]:
    """All faults, found in batches so small that each part takes several."""
    limits = CheckLimits(rows=rows, blobs_with_octets=rows)
    blobs = DiskBlobs(blob_root)
    consistency = Consistency(Door(world.database, lambda _: None), blobs, limits)
    faults: list[Fault] = []
    for name in PARTS:
        after: tuple[str, ...] | None = None
        while True:
            batch = await consistency.batch(_ACTOR, name, after)
            faults += batch.faults
            if (after := batch.after) is None:
                break
    for look in (consistency.blobs, consistency.files):
        after = None
        while True:
            batch = (
                await look(_ACTOR, after, octets=octets)
                if look == consistency.blobs
                else await consistency.files(_ACTOR, after)
            )
            faults += batch.faults
            if (after := batch.after) is None:
                break
    return faults


@pytest.fixture
async def filled(database: Database, tmp_path: Path) -> World:
    """Mail received and on its way out, small and large, one message expunged, one read, one claimed,
    one held; a webhook that was given an event, a session."""
    world = await make_world(database, tmp_path / "blobs")
    for number in range(3):
        await world.receive(LETTER.replace(b"letter@", b"letter%d@" % number))
    await world.receive(LETTER.replace(b"letter@", b"large@") + b"x" * 300_000)
    await world.send("someone@example.com", "other@example.net")
    inbox = await world.value("SELECT id FROM mailboxes WHERE role = 'inbox'")
    await world.rows("SELECT expunge($1, $2, '{1}', false)", world.inbox, inbox)
    await world.rows(
        "SELECT store_flags($1, $2, '{2}', 'add', 1::smallint, '{}', NULL)", world.inbox, inbox
    )
    await world.rows(
        "SELECT begin_claims($1, ARRAY(SELECT message_id FROM placements WHERE uid = 3"
        " AND mailbox_id = $2)::text[], '{clm_1}', 'key_1', '1 minute', 5::smallint)",
        world.inbox,
        inbox,
    )
    for sql in _OF_AGENTS:
        await world.rows(sql)
    return world


async def test_a_sound_store_has_no_faults(filled: World, tmp_path: Path) -> None:
    assert await walk(filled, tmp_path / "blobs") == []
    assert await walk(filled, tmp_path / "blobs", octets=False, rows=1_000) == []


async def test_every_rule_has_a_planted_fault() -> None:
    assert set(PLANTED) | _KEPT_BY_THE_DATABASE | set(BLOB_RULES) == set(RULES)
    assert len(RULES) == len(set(RULES))


class _Undo(Exception):
    """Rolls a planted fault back."""


async def _found_after(world: World, sql: str) -> set[str]:
    """The rules that are broken inside a transaction that runs ``sql`` and is then undone."""
    broken: set[str] = set()

    async def plant(connection: Connection) -> None:
        await connection.execute(_OTHER)
        await connection.execute(sql)
        for part in PARTS.values():
            rows = await connection.rows(part.statement(first=True), 1_000)
            broken.update(row["rule"] for row in rows if row["rule"] is not None)
        raise _Undo

    with pytest.raises(_Undo):
        await world.database.run("*", plant, atomic=True)
    return broken


async def test_each_planted_fault_is_found(filled: World, tmp_path: Path) -> None:
    await filled.execute(_EVENT)
    missed = [rule for rule, sql in PLANTED.items() if rule not in await _found_after(filled, sql)]
    assert missed == []
    assert await walk(filled, tmp_path / "blobs") == []


@pytest.mark.parametrize("rule", PLANTED_IN_BLOBS)
async def test_a_planted_fault_of_octets_is_found(filled: World, tmp_path: Path, rule: str) -> None:
    await filled.execute(PLANTED_IN_BLOBS[rule])
    assert rule in {fault.rule for fault in await walk(filled, tmp_path / "blobs")}


async def _large(world: World, tmp_path: Path) -> Path:
    location = await world.value("SELECT location FROM blobs WHERE location IS NOT NULL")
    return tmp_path / "blobs" / str(location)


async def test_what_happened_to_a_file_is_told(filled: World, tmp_path: Path) -> None:
    path = await _large(filled, tmp_path)
    octets = path.read_bytes()
    path.write_bytes(b"y" + octets[1:])
    assert await walk(filled, tmp_path / "blobs", octets=False) == []
    assert [each.rule for each in await walk(filled, tmp_path / "blobs")] == ["blob_octets"]
    path.write_bytes(octets[:-1])
    assert [each.rule for each in await walk(filled, tmp_path / "blobs")] == ["file_size"]
    path.unlink()
    assert [each.rule for each in await walk(filled, tmp_path / "blobs")] == ["file_missing"]
    path.mkdir()
    found = await walk(filled, tmp_path / "blobs")
    assert [each.rule for each in found] in (["file_size"], ["file_unreadable"])


async def test_a_file_without_a_row_is_told_when_it_is_old(filled: World, tmp_path: Path) -> None:
    directory = tmp_path / "blobs" / "ZZ"
    directory.mkdir()
    stray = directory / "blob_01JQ8X5K2M3N4P5R6S7T8V9WZZ"
    stray.write_bytes(b"x")
    assert await walk(filled, tmp_path / "blobs") == []
    os.utime(stray, (1, 1))
    found = await walk(filled, tmp_path / "blobs")
    assert [(each.rule, each.subject) for each in found] == [
        ("file_without_row", f"ZZ/{stray.name}")
    ]


async def test_uses_are_right_after_a_relay_is_done(filled: World, tmp_path: Path) -> None:
    jobs = await filled.jobs.claim(_ACTOR, [("relay", 10)], 60)
    message = next(iter(jobs)).payload["message_id"]
    await filled.rows("SELECT begin_relays($1)", [message])
    await filled.rows(
        "SELECT settle_relays($1, $2, $3, '{true}', ARRAY[NULL::timestamptz], '{1,1}', $4,"
        " '{sent,sent}', '{2.0.0,2.0.0}', '{ok,ok}', '{a,b}', '{1,1}', '{}', '{}', '{}', '{}', '{}', '{}')",
        [message],
        [jobs[0].id],
        [jobs[0].attempts],
        ["someone@example.com", "other@example.net"],
    )
    assert await walk(filled, tmp_path / "blobs") == []


async def test_nothing_is_changed(filled: World, tmp_path: Path) -> None:
    before = await filled.value("SELECT pg_current_xact_id_if_assigned()")
    seen = {name: await filled.value(f"SELECT count(*) FROM {name}") for name in PARTS}
    await walk(filled, tmp_path / "blobs")
    assert seen == {name: await filled.value(f"SELECT count(*) FROM {name}") for name in PARTS}
    assert before is None
