"""Outcomes of sending: what is counted, who is suppressed, when an inbox is paused (R49, R65, R75)."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from agentpost.auth.addresses import canonical
from agentpost.errors import DeliverabilityCritical, Forbidden, NotFound
from agentpost.ids import is_id
from agentpost.jobs.relay import RelayWork
from agentpost.mail.relay import Ways
from agentpost.mail.transports.simulator import Simulator
from agentpost.model.actor import SCOPES, Actor, system_actor, widen
from agentpost.model.reputation import PausingTerms
from agentpost.store.inboxes import Inboxes
from agentpost.store.pool import Connection, Database
from agentpost.store.reputation import Reputation
from agentpost.store.store import Door
from agentpost.store.sweeps import Sweeps
from tests.jobs.test_relay import Scripted, claim, say
from tests.jobs.world import World, make_world
from tests.store.conftest import SETTINGS


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    return await make_world(database, tmp_path)


class Office:
    """What an administrator sees of one inbox, and outcomes as transports tell them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.door = Door(world.database, world.woken.append)
        self.inboxes = Inboxes(self.door, SETTINGS)
        self.reputation = Reputation(self.door)
        self.actor = Actor(world.where.organization, "key_1", widen(SCOPES))

    async def tell(
        self, message: str, *outcomes: tuple[str, str] | tuple[str, str, str]
    ) -> list[str]:
        """Tell outcomes of recipients of a message; the inboxes that were paused."""
        rows = [(message, *one, *(("",) if len(one) == 2 else ())) for one in outcomes]
        columns = [list(column) for column in zip(*rows, strict=True)]

        async def write(connection: Connection) -> list[str]:
            found = await connection.rows("SELECT after_outcomes($1, $2, $3, $4) AS id", *columns)
            return [row["id"] for row in found]

        return await self.world.database.run("*", write, atomic=True)

    async def numbers(self) -> tuple[int, int, int]:
        found = await self.reputation.deliverability(self.actor, self.world.inbox)
        return found.sent, found.bounced, found.complained

    async def past(self, days: int, sent: int, bounced: int = 0, complained: int = 0) -> None:
        """As if this had been counted ``days`` ago."""
        await self.world.execute(
            "INSERT INTO reputation (inbox_id, day, organization_id, sent, bounced, complained)"
            " VALUES ($1, current_date - $2::integer, $3, $4, $5, $6)",
            self.world.inbox,
            days,
            self.world.where.organization,
            sent,
            bounced,
            complained,
        )

    async def paused(self) -> str | None:
        inbox = await self.inboxes.get(self.actor, self.world.inbox)
        return inbox.paused_reason if inbox.send_paused else None


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


async def test_each_outcome_counts_once_however_often_it_is_told(office: Office) -> None:
    message = await office.world.send("a@example.com", "b@example.com", "c@example.com")
    for _ in range(3):
        await office.tell(message, ("a@example.com", "sent"), ("A@example.com", "delivered"))
        await office.tell(message, ("b@example.com", "bounced", "permanent"))
        await office.tell(message, ("c@example.com", "complained"), ("c@example.com", "complained"))
    assert await office.numbers() == (3, 1, 1)
    assert len(await office.world.events("suppression.added")) == 2


@pytest.mark.parametrize(
    ("kind", "bounced", "suppressed"),
    [("permanent", 1, 1), ("refused", 1, 0), ("transient", 0, 0), ("undetermined", 0, 0)],
)
async def test_only_dead_addresses_are_suppressed(
    office: Office, kind: str, bounced: int, suppressed: int
) -> None:
    message = await office.world.send("a@example.com")
    await office.tell(message, ("a@example.com", "bounced", kind))
    assert (await office.numbers())[1] == bounced
    assert await office.world.value("SELECT count(*) FROM suppressions") == suppressed


async def test_states_that_say_nothing_of_the_recipient_do_not_count(office: Office) -> None:
    message = await office.world.send("a@example.com")
    await office.tell(
        message, *((("a@example.com", s)) for s in ("rejected", "failed", "deferred"))
    )
    assert await office.numbers() == (0, 0, 0)


async def test_a_complaint_finds_a_message_that_its_sender_deleted(office: Office) -> None:
    world = office.world
    message = await world.send("a@example.com")
    await office.tell(message, ("a@example.com", "sent"))
    for table in ("deliveries", "relays", "placements"):
        await world.execute(f"DELETE FROM {table} WHERE message_id = $1", message)
    await world.execute("DELETE FROM messages WHERE id = $1", message)
    await office.tell(message, ("a@example.com", "complained"))
    assert await office.numbers() == (1, 0, 1)
    ((_, told),) = await world.events("suppression.added")
    assert (told["source"], told["address"]) == ("complaint", "a@example.com")


async def test_what_is_not_known_here_has_no_effect(office: Office) -> None:
    assert await office.tell("msg_unknown", ("a@example.com", "complained")) == []
    assert await office.numbers() == (0, 0, 0)


async def test_a_suppression_that_is_over_comes_back(office: Office) -> None:
    world = office.world
    message = await world.send("a@example.com")
    await world.execute(
        "INSERT INTO suppressions (environment_id, address, id, organization_id, source,"
        " expires_at) VALUES ($1, 'a@example.com', 'sup_old', $2, 'manual', now() - $3::interval)",
        world.where.environment,
        world.where.organization,
        timedelta(hours=1),
    )
    await office.tell(message, ("a@example.com", "bounced", "permanent"))
    (row,) = await world.rows("SELECT id, source, expires_at FROM suppressions")
    assert row["id"] != "sup_old"
    assert (row["source"], row["expires_at"]) == ("bounce", None)


async def test_the_relay_s_outcomes_are_counted_in_their_transaction(office: Office) -> None:
    world = office.world
    simulator = Simulator(_nowhere)
    transport = Scripted(say(b="bounced", c="complained", d="deferred"))
    work = RelayWork(world.relays, Ways(transport, simulator), "agentpost.localhost")
    await world.send("a@example.com", "b@example.com", "c@example.com", "d@example.com")
    await work.run(await claim(world))
    assert await office.numbers() == (3, 1, 1)
    # 2.0.0 is no status of a dead address; a complaint suppresses whatever the status.
    found = await world.rows("SELECT address, source FROM suppressions")
    assert [(row["address"], row["source"]) for row in found] == [("c@example.com", "complaint")]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("5.1.1", "permanent"),
        ("5.1.10", "permanent"),
        ("5.2.1", "permanent"),
        ("5.0.0", "permanent"),
        (None, "permanent"),
        ("5.2.2", "refused"),
        ("5.3.4", "refused"),
        ("5.7.1", "refused"),
    ],
)
async def test_a_refusal_is_of_the_address_or_of_the_message(
    office: Office, status: str | None, kind: str
) -> None:
    """RFC 3463 section 3: a full mailbox, a policy or a size say nothing against the address."""
    assert await office.world.value("SELECT bounce_kind($1)", status) == kind


async def _nowhere(inbox: str, octets: bytes) -> None:
    raise AssertionError("nothing is delivered here")


async def test_the_score_is_what_the_documentation_says(office: Office) -> None:
    """R49: 100 - 5 x bounce % - 20 x complaint %, from 0 to 100, and the rating that goes by it."""
    random = Random(7)
    triples = [(0, 0, 0), (200, 4, 0), (100, 2, 0), (100, 6, 0), (100, 10, 0)]
    for _ in range(2_000):
        sent = random.randint(1, 2_000)
        triples.append(
            (sent, random.randint(0, max(1, sent // 8)), random.randint(0, max(1, sent // 40)))
        )
    rows = await office.world.rows(
        "SELECT s, deliverability_rating(s) AS r"
        " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS n (a, b, c),"
        " deliverability_score(n.a, n.b, n.c) AS s",
        *(list(column) for column in zip(*triples, strict=True)),
    )
    assert {row["r"] for row in rows} == {"excellent", "good", "warning", "critical"}
    for (sent, bounced, complained), row in zip(triples, rows, strict=True):
        plain = 100.0
        if sent:
            plain -= 5 * min(100, 100 * bounced / sent) + 20 * min(100, 100 * complained / sent)
        score = row["s"]
        assert score == pytest.approx(max(0.0, plain), abs=0.051)
        expected = "excellent" if score >= 90 else "good" if score >= 70 else "warning"
        assert row["r"] == (expected if score >= 50 else "critical")


async def test_too_many_bounces_pause_an_inbox(office: Office) -> None:
    """R65; the sample of the event is that of the window, and R64 is told to customers."""
    world = office.world
    await office.past(1, 120, 7)
    message = await world.send("a@example.com")
    assert await office.tell(message, ("a@example.com", "bounced", "permanent")) == [world.inbox]
    assert await office.paused() == "bounce_rate"
    (_, told), *rest = await world.events("inbox.paused")
    assert rest == []
    assert told["bounce_rate"] == pytest.approx(8 / 121, abs=1e-4)
    assert (told["sample"], told["reason"]) == (121, "bounce_rate")
    assert told["score"] == pytest.approx(100 - 500 * 8 / 121, abs=0.06)
    assert told["resume_hint"]
    (_, changed), *rest = await world.events("inbox.deliverability_changed")
    assert rest == []
    assert (changed["previous_rating"], changed["rating"]) == ("excellent", "warning")
    assert await world.value("SELECT count(*) FROM audit WHERE action = 'inbox.paused'") == 1


@pytest.mark.parametrize(
    ("sent", "bounced", "complained", "reason"),
    [
        (99, 98, 0, None),
        (100, 5, 0, None),
        (100, 6, 0, "bounce_rate"),
        (1_000, 0, 2, None),
        (1_000, 0, 3, None),
        (1_000, 0, 4, "complaint_rate"),
        (100, 0, 2, None),
        (100, 0, 3, "complaint_rate"),
    ],
)
async def test_thresholds_and_the_least_sample(
    office: Office, sent: int, bounced: int, complained: int, reason: str | None
) -> None:
    found = await office.world.value(
        "SELECT reason_to_pause($1, $2, $3)", sent, bounced, complained
    )
    assert found == reason


async def test_the_operator_chooses_the_thresholds(office: Office) -> None:
    await office.reputation.configure(system_actor(), PausingTerms(50.0, 50.0, 2, 1, 7))
    await office.past(6, 1)
    await office.past(7, 1_000, 1_000)
    message = await office.world.send("a@example.com", "b@example.com")
    assert await office.tell(message, ("a@example.com", "bounced", "refused")) == []
    assert await office.tell(message, ("b@example.com", "bounced", "refused")) != []
    with pytest.raises(NotFound):
        await office.reputation.configure(office.actor, PausingTerms())


async def test_mail_that_arrives_can_complete_the_sample(office: Office) -> None:
    """Ten of the first hundred bounced: the hundredth recipient pauses, whatever became of him."""
    await office.past(1, 99, 10)
    message = await office.world.send("a@example.com")
    assert await office.tell(message, ("a@example.com", "sent")) != []


async def test_what_is_older_than_the_window_is_forgotten(office: Office) -> None:
    await office.past(30, 1_000, 900)
    await office.past(29, 100, 5)
    found = await office.reputation.deliverability(office.actor, office.world.inbox)
    assert (found.sent, found.bounced, found.window_days) == (100, 5, 30)
    wider = await office.reputation.deliverability(office.actor, office.world.inbox, 60)
    assert (wider.sent, wider.window_days) == (1_100, 60)


async def test_resuming_against_the_numbers_wants_force_and_then_forgives(office: Office) -> None:
    world = office.world
    await office.past(1, 200, 30)
    first = await world.send("a@example.com", "b@example.com")
    await office.tell(first, ("a@example.com", "bounced", "refused"))
    assert await office.paused() == "bounce_rate"
    with pytest.raises(DeliverabilityCritical):
        await office.inboxes.resume(office.actor, world.inbox)
    plain = Actor(world.where.organization, "key_2", frozenset({"inboxes:write"}))
    with pytest.raises(Forbidden):
        await office.inboxes.resume(plain, world.inbox, force=True)
    await office.inboxes.resume(office.actor, world.inbox, force=True)
    ((_, told),) = await world.events("inbox.resumed")
    assert told["forced"] is True
    # One more bounce is one of one, not one of two hundred: nothing to pause for.
    assert await office.tell(first, ("b@example.com", "bounced", "refused")) == []
    assert await office.paused() is None


async def test_resuming_with_good_numbers_needs_nothing(office: Office) -> None:
    await office.inboxes.pause(office.actor, office.world.inbox, "holidays")
    await office.inboxes.resume(office.actor, office.world.inbox)
    ((_, told),) = await office.world.events("inbox.resumed")
    assert (told["forced"], told["score"]) == (False, 100)


async def test_a_purge_leaves_no_numbers(office: Office) -> None:
    world = office.world
    message = await world.send("a@example.com")
    await office.tell(message, ("a@example.com", "complained"))
    await office.inboxes.purge(office.actor, world.inbox)
    for table in ("reputation", "standings"):
        assert await world.value(f"SELECT count(*) FROM {table}") == 0
    assert b"a@example.com" not in await world.value("SELECT min(recipient) FROM outcomes")


async def test_ids_made_by_the_database_are_like_the_others(office: Office) -> None:
    made = [
        row["id"]
        for row in await office.world.rows(
            "SELECT new_id('evt') AS id FROM generate_series(1, 200) AS n"
        )
    ]
    assert len(set(made)) == 200
    assert all(is_id(one, "evt") for one in made)
    assert abs(int(time.time()) - _seconds(made[0])) < 60


def _seconds(identifier: str) -> int:
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = 0
    for letter in identifier[4:14]:
        number = number * 32 + digits.index(letter)
    return number // 1000


async def test_the_database_and_the_server_write_addresses_alike(office: Office) -> None:
    """An address that bounced must be recognised when somebody writes to it again."""
    written = [
        "Ada@Example.ORG",
        '"ada"@example.org',
        '"a b"@Example.org',
        '"ADA+x"@example.org',
        "\u212aurt@example.org",
        "Ä@BÜCHER.example",
        "a@b@EXAMPLE.org",
        "",
    ]
    rows = await office.world.rows(
        "SELECT canonical_address(a) AS a FROM unnest($1::text[]) WITH ORDINALITY AS u (a, n)"
        " ORDER BY n",
        written,
    )
    assert [row["a"] for row in rows] == [canonical(one) for one in written]


async def test_old_numbers_are_swept(office: Office) -> None:
    world = office.world
    message = await world.send("a@example.com")
    await office.tell(message, ("a@example.com", "sent"))
    await office.past(89, 5)
    await office.past(91, 7)
    sweeps = Sweeps(office.door, world.blobs)
    for kind in ("outcomes", "reputation"):
        await sweeps.forget(system_actor(), kind, timedelta(days=90), 100)
    assert await world.value("SELECT count(*) FROM outcomes") == 1
    assert await world.value("SELECT sum(sent) FROM reputation") == 6
    await world.execute("UPDATE outcomes SET created_at = now() - interval '91 days'")
    assert await sweeps.forget(system_actor(), "outcomes", timedelta(days=90), 100) == 1
