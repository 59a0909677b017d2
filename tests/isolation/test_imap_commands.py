"""Every IMAP command against every missing right and every foreign inbox.

Refusals come from one line, ``Door.allow``: it is watched here, and taken away to see that nothing
else had refused.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import pytest

from agentpost.errors import Problem
from agentpost.ids import EnvironmentId, InboxId, OrganizationId
from agentpost.imap.commands import COMMANDS
from agentpost.imap.states import Authenticated, Selected
from agentpost.model.actor import Actor, Scope
from agentpost.store.store import Door
from tests.isolation.world import World

_READ, _WRITE, _LABEL, _DELETE = (
    "messages:read",
    "messages:write",
    "labels:write",
    "messages:delete",
)
_SCOPES = (_READ, _WRITE, _LABEL, _DELETE)


@dataclass(frozen=True)
class Case:
    """One command as a client sends it, and every scope that it cannot do without.

    ``%N`` is another number each time.
    """

    name: str
    command: str
    needs: tuple[str, ...]
    selected: bool = False
    prepare: str = ""


CASES = (
    Case("LIST", 'LIST "" "*"', (_READ,)),
    Case("LSUB", 'LSUB "" "*"', (_READ,)),
    Case("STATUS", "STATUS INBOX (MESSAGES)", (_READ,)),
    Case("SELECT", "SELECT INBOX", (_READ,)),
    Case("EXAMINE", "EXAMINE INBOX", (_READ,)),
    Case("SUBSCRIBE", "SUBSCRIBE Archive", (_READ,)),
    Case("UNSUBSCRIBE", "UNSUBSCRIBE Archive", (_READ,)),
    Case("CREATE", "CREATE Mine%N", (_WRITE,)),
    Case("DELETE", "DELETE Old%N", (_WRITE,), prepare="CREATE Old%N"),
    Case("RENAME", "RENAME Old%N New%N", (_WRITE,), prepare="CREATE Old%N"),
    Case("APPEND", "APPEND INBOX {12+}\r\nSubject: x\r\n", (_READ, _WRITE)),
    Case("FETCH", "FETCH 1 (FLAGS BODY.PEEK[])", (_READ,), selected=True),
    Case("SEARCH", "SEARCH TEXT dawn", (_READ,), selected=True),
    Case("STORE", "STORE 1 +FLAGS (\\Flagged)", (_READ, _LABEL), selected=True),
    Case("COPY", "COPY 1 Archive", (_READ, _WRITE), selected=True),
    Case("MOVE", "MOVE 1 Archive", (_READ, _DELETE), selected=True),
    Case(
        "EXPUNGE",
        "EXPUNGE",
        (_READ, _DELETE),
        selected=True,
        prepare="STORE 1 +FLAGS (\\Deleted)",
    ),
)
_HARMLESS = frozenset(
    {
        "CAPABILITY", "LOGIN", "AUTHENTICATE", "LOGOUT", "ID", "ENABLE", "NAMESPACE", "NOOP",
        "CHECK", "IDLE", "UNSELECT", "CLOSE",
    }
)  # fmt: skip
"""Commands that reach no mail by themselves (CLOSE removes only what EXPUNGE could)."""


def test_no_command_is_left_out() -> None:
    assert {case.name for case in CASES} | _HARMLESS == {name.decode() for name in COMMANDS}


_numbers = itertools.count(1)


@dataclass
class Watch:
    """What ``Door.allow`` was asked, and what it refused."""

    refused: list[str | None] = field(default_factory=list)
    open: bool = False


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Watches the one line, and takes it away while ``open``."""
    watch = Watch()
    honest = Door.allow

    def allow(self: Door, actor: Actor, scope: str | None, where: Scope | None) -> None:
        if watch.open:
            return
        try:
            honest(self, actor, scope, where)
        except Problem:
            watch.refused.append(scope)
            raise

    monkeypatch.setattr(Door, "allow", allow)
    return watch


async def _answer(
    world: World, case: Case, actor: Actor, where: Scope | None = None
) -> tuple[bytes, bytes]:
    """All that the command is answered, and the tagged line, where only it is ``actor``'s."""
    number = str(next(_numbers))
    await world.put(world.acme)
    client = world.session(world.actor_at(world.acme), world.acme.where)
    if case.selected:
        await client.ok("SELECT INBOX")
    if case.prepare:
        await client.ok(case.prepare.replace("%N", number))
    state = client.session.state
    assert isinstance(state, Authenticated)
    # As if every right had been there at SELECT: the mailbox is open for writing.
    client.session.state = replace(state, actor=actor, where=where or state.where)
    answer = await client.command(case.command.replace("%N", number))
    return answer, answer.rpartition(b"a%d " % client.number)[2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_command_without_its_scope_is_refused_by_the_one_line(
    world: World, door: Watch, case: Case
) -> None:
    for missing in case.needs:
        answer, tagged = await _answer(world, case, world.actor_at(world.acme, missing))
        assert tagged.startswith(b"NO [NOPERM] "), answer
        assert missing.encode() in tagged
        assert b"Attack" not in answer
        assert missing in door.refused
    door.refused.clear()
    others = [scope for scope in _SCOPES if scope not in case.needs]
    answer, tagged = await _answer(world, case, world.actor_at(world.acme, *others))
    assert tagged.startswith(b"OK "), answer
    assert door.refused == []
    door.open = True
    answer, tagged = await _answer(world, case, world.actor_at(world.acme, *_SCOPES))
    assert tagged.startswith(b"OK "), answer


async def test_a_mailbox_that_may_not_be_changed_opens_for_reading(world: World) -> None:
    client = world.session(world.actor_at(world.acme, _LABEL), world.acme.where)
    assert b"[READ-ONLY]" in await client.command("SELECT INBOX")
    assert b"[READ-ONLY]" in await client.command("STORE 1 +FLAGS (\\Seen)")
    assert b"Attack" in await client.ok("FETCH 1 (BODY[])")
    assert b"\\Seen" not in await client.ok("FETCH 1 (FLAGS)")


async def test_close_removes_nothing_without_the_right_to(world: World) -> None:
    client = world.session(world.actor_at(world.acme), world.acme.where)
    await client.ok("SELECT INBOX")
    await client.ok("STORE 1 +FLAGS (\\Deleted)")
    state = client.session.state
    assert isinstance(state, Selected)
    client.session.state = replace(state, actor=world.actor_at(world.acme, _DELETE))
    await client.ok("CLOSE")
    assert b"(MESSAGES 1)" in await client.ok("STATUS INBOX (MESSAGES)")


def _foreign(world: World) -> dict[str, Scope]:
    """Places that the session must not reach; the last ones do not exist."""
    own = world.acme.where
    assert own.environment is not None
    return {
        "other organization": world.globex.where,
        "other environment": replace(own, environment=world.elsewhere, inbox=world.second.id),
        "no organization": Scope(_NO_ORGANIZATION, _NO_ENVIRONMENT, _NO_INBOX),
        "no inbox": replace(own, inbox=_NO_INBOX),
    }


_NO_INBOX = InboxId("inb_" + "0" * 26)
_NO_ORGANIZATION = OrganizationId("org_" + "0" * 26)
_NO_ENVIRONMENT = EnvironmentId("env_" + "0" * 26)


async def test_what_exists_elsewhere_is_answered_like_what_does_not(
    world: World, door: Watch
) -> None:
    """Should a session ever be led to another's inbox, the one line stands before it."""
    own = world.acme.where
    assert own.environment is not None
    actor = replace(world.actor_at(world.acme), environments=frozenset({own.environment}))
    for case in CASES:
        answers = set()
        for name, where in _foreign(world).items():
            door.refused.clear()
            answer, tagged = await _answer(world, case, actor, where)
            assert tagged.startswith(b"NO ["), (case.name, name, answer)
            assert b"Attack" not in answer
            assert door.refused, (case.name, name)
            answers.add(tagged)
        assert len(answers) == 1, (case.name, answers)
