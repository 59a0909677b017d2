"""Commands that change a mailbox: how often they ask the database, and what a silent one hides."""

from __future__ import annotations

from typing import Any

import pytest

from agentpost.ids import Uid
from agentpost.model.mailbox import Flag, FlagChange
from tests.imap.harness import Place

_LETTER = b"Subject: hello\r\n\r\nThe body.\r\n"


class _Count:
    """Operations of the database that began."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.operations = 0
        run = place.store.database.run

        def counted(*arguments: object, **named: object) -> object:
            self.operations += 1
            return run(*arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(place.store.database, "run", counted)


@pytest.mark.parametrize(
    ("command", "operations"),
    [
        ("NOOP", 0),
        ("SELECT INBOX", 0),
        ("STATUS Archive (MESSAGES)", 0),
        ("STORE 1 +FLAGS (\\Flagged)", 1),
        ("STORE 1:3 +FLAGS.SILENT (\\Flagged word)", 1),
        ("FETCH 1 (FLAGS)", 0),
        ("COPY 1 Archive", 1),
        ("COPY 1 INBOX", 1),
        ("MOVE 1:2 Archive", 1),
        ("EXPUNGE", 1),
    ],
)
async def test_no_command_asks_for_what_it_knows(
    place: Place, monkeypatch: pytest.MonkeyPatch, command: str, operations: int
) -> None:
    await place.put(_LETTER, _LETTER, _LETTER)
    await place.put(_LETTER, flags=Flag.DELETED)
    client = await place.selected()
    await client.ok("STATUS Archive (MESSAGES)")
    await client.ok("NOOP")
    count = _Count(place, monkeypatch)
    await client.ok(command)
    # Copies into the selected mailbox are \\Recent to this session, which says so to the others.
    assert count.operations == operations + (command == "COPY 1 INBOX")
    await client.ok("NOOP")
    assert count.operations == operations + (command == "COPY 1 INBOX")


async def test_a_silent_change_hides_no_change_of_another(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (uid,) = await place.put(_LETTER)
    client = await place.selected()
    box = await place.store.mailboxes.find(place.actor, place.where, "INBOX")
    store = place.store.mailboxes.store_flags

    async def followed_by_another(*arguments: Any) -> tuple[Uid, ...]:
        answer = await store(*arguments)
        change = FlagChange("add", Flag.FLAGGED)
        await store(place.actor, place.where, box.id, [uid], change)
        return answer

    monkeypatch.setattr(place.store.mailboxes, "store_flags", followed_by_another)
    answer = await client.ok("STORE 1 +FLAGS.SILENT (\\Seen)")
    assert b"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen \\Recent))" in answer


async def test_a_silent_change_is_not_told_when_nobody_interfered(place: Place) -> None:
    await place.put(_LETTER, _LETTER)
    client = await place.selected()
    for change in ("+FLAGS.SILENT (\\Seen one)", "FLAGS.SILENT (TWO)", "-FLAGS.SILENT (two)"):
        assert b"FETCH" not in await client.ok(f"STORE 1:2 {change}")
    assert b"* 1 FETCH (FLAGS (\\Recent))" in await client.ok("FETCH 1 (FLAGS)")


async def test_nothing_goes_nowhere(place: Place) -> None:
    """Also a copy of no message needs the mailbox it names (RFC 9051 section 6.4.7)."""
    client = await place.selected()
    assert b"NO [TRYCREATE]" in await client.command("UID COPY 7 Nowhere")
    assert await client.ok("UID COPY 7 Archive") == b""
