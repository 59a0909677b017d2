"""Submission over a real store: what is left to do after the commit, and how threads hold."""

from __future__ import annotations

from pathlib import Path

from agentpost.jobs.relay import RelayWork
from agentpost.jobs.report import ReportWork
from agentpost.jobs.runner import Work
from agentpost.mail.delivery import Delivery
from agentpost.mail.logins import Logins
from agentpost.mail.relay import Ways, prepared
from agentpost.mail.submission import Outgoing, Submission, SubmissionSettings
from agentpost.mail.transports.simulator import Simulator
from agentpost.mime.summary import summarise
from agentpost.model.actor import system_actor
from agentpost.model.envelope import Envelope, ForwardPath, Notify
from agentpost.model.job import Done
from agentpost.model.message import Receipt
from agentpost.model.relay import Doubts, Routing
from agentpost.store.approvals import Approvals
from agentpost.store.authentication import Authentication
from agentpost.store.directory import Directory
from agentpost.store.pool import Database
from tests.jobs.world import World, make_world, policy_over

SIMULATED = "someone@simulator.x.example"


async def _nowhere(inbox: str, octets: bytes) -> None:
    raise AssertionError("nobody answers here")


class Office:
    """An inbox that may submit, and the jobs that follow."""

    def __init__(self, world: World) -> None:
        self.world = world
        door = world.messages._door
        directory = Directory(door)
        policy = policy_over(door, directory, "agentpost.localhost")
        settings = SubmissionSettings({})
        self.submission = Submission(
            world.messages,
            directory,
            Logins(Authentication(door)),
            policy,
            Approvals(door),
            settings,
        )
        simulator = Simulator(_nowhere)
        host = "agentpost.localhost"
        self.works: dict[str, Work] = {
            "relay": RelayWork(world.relays, Ways(simulator, simulator), host),
            "report": ReportWork(
                world.relays, world.messages, Delivery(world.messages, directory, policy), host
            ),
        }

    async def submit(self, *paths: ForwardPath, octets: bytes, envid: str | None = None) -> Receipt:
        world = self.world
        envelope = Envelope(world.address, paths, envid=envid)
        return await self.submission.send(
            system_actor(), world.where, world.address, envelope, octets, Outgoing()
        )

    async def work(self) -> list[str]:
        """Do what is due; the kinds of jobs that were."""
        done = []
        while jobs := await self.world.jobs.claim(
            system_actor(), [("relay", 9), ("report", 9)], 60
        ):
            for job in jobs:
                if await self.works[job.kind].run(job) == Done():
                    await self.world.jobs.finish(system_actor(), [job])
                done.append(job.kind)
        return done

    def letter(self, *fields: str) -> bytes:
        return "\r\n".join((f"From: {self.world.address}", *fields, "", "Hi.", "")).encode()


async def test_success_here_is_told_to_who_asked(database: Database, tmp_path: Path) -> None:
    office = Office(await make_world(database, tmp_path))
    world = office.world
    octets = office.letter("Subject: a", "Message-ID: <a@x>")
    asked = ForwardPath(world.address, frozenset({Notify.SUCCESS}), "rfc822;Me@x.example")
    await office.submit(asked, octets=octets, envid="e-1")
    assert await office.work() == ["report"]
    (told,) = await world.rows(
        "SELECT b.octets FROM messages m JOIN blobs b ON b.id = m.blob_id WHERE m.source = 'relay'"
    )
    for line in (
        b"Original-Envelope-Id: e-1\r\n",
        b"Original-Recipient: rfc822; Me@x.example\r\n",
        b"Action: delivered\r\n",
    ):
        assert line in told["octets"]


async def test_nothing_is_told_of_success_to_who_did_not_ask(
    database: Database, tmp_path: Path
) -> None:
    office = Office(await make_world(database, tmp_path))
    for notify in (frozenset[Notify](), frozenset({Notify.FAILURE}), frozenset({Notify.NEVER})):
        path = ForwardPath(office.world.address, notify)
        await office.submit(path, octets=office.letter(f"Subject: {sorted(notify)}"))
    assert await office.work() == []


async def test_a_report_about_a_letter_without_message_id_finds_its_thread(
    database: Database, tmp_path: Path
) -> None:
    office = Office(await make_world(database, tmp_path))
    world = office.world
    bounce = ForwardPath("bounce@simulator.x.example")
    sent = await office.submit(bounce, octets=office.letter("Subject: no id"))
    assert await office.work() == ["relay", "report"]
    threads = await world.rows("SELECT thread_id, source FROM messages ORDER BY id")
    assert [(row["thread_id"], row["source"]) for row in threads] == [
        (sent.thread_id, "system"),
        (sent.thread_id, "relay"),
    ]


async def test_an_answer_to_a_letter_without_message_id_finds_its_thread(
    database: Database, tmp_path: Path
) -> None:
    office = Office(await make_world(database, tmp_path))
    world = office.world
    sent = await office.submit(ForwardPath(SIMULATED), octets=office.letter("Subject: no id"))
    routing = Routing("simulator", (), Doubts())
    begun = await world.relays.begin(system_actor(), [sent.message_id], routing)
    outgoing = begun[sent.message_id]
    outside = summarise(prepared(outgoing, "agentpost.localhost").octets).message_id
    answer = await world.receive(
        f"From: s@x.example\r\nIn-Reply-To: <{outside}>\r\n\r\nYes.\r\n".encode()
    )
    thread = await world.value("SELECT thread_id FROM messages WHERE id = $1", answer)
    assert thread == sent.thread_id


async def test_letters_without_message_id_are_all_sent(database: Database, tmp_path: Path) -> None:
    """The id that they get is no sign of a repetition."""
    office = Office(await make_world(database, tmp_path))
    octets = office.letter("Subject: again")
    for _ in range(2):
        await office.submit(ForwardPath(SIMULATED), octets=octets)
    assert await office.work() == ["relay", "relay"]
    assert await office.world.value("SELECT count(*) FROM messages") == 2
