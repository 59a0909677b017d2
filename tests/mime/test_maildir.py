"""Maildir in a tar archive: names lead nowhere else, octets come back (R7)."""

from __future__ import annotations

import io
import mailbox
import tarfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from agentpost.mime import maildir
from agentpost.model.mailbox import Flag

MOMENT = datetime(2026, 3, 8, 14, 30, tzinfo=UTC)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80)
LETTER = b"Subject: hello\r\n\r\nGood morning.\r\n"


@given(NAMES, st.binary(max_size=2_000))
@example("..", b"")
@example("a/../../b", b"x")
@example("\\", b"x" * 512)
def test_files_come_back_from_where_no_folder_leads_out(folder: str, octets: bytes) -> None:
    directory = maildir.directory("ada@example.org", folder)
    archive = maildir.folder(directory, MOMENT)
    archive += maildir.file(f"{directory}/cur/1.x:2,", octets, MOMENT) + maildir.END
    with tarfile.open(fileobj=io.BytesIO(archive)) as found:
        members = found.getmembers()
        assert len(members) == 5
        for member in members:
            parts = member.name.split("/")
            assert parts[0] == "ada@example.org"
            assert not {"", ".", ".."} & set(parts)
        file = found.extractfile(members[-1])
        assert file is not None
        assert file.read() == octets


@given(st.lists(NAMES, min_size=2, max_size=2, unique=True))
@example(["a.b", "a/b"])
@example(["a\\2fb", "a/b"])
def test_two_folders_are_two_directories(folders: list[str]) -> None:
    first, second = (maildir.directory("a@b", folder) for folder in folders)
    assert (first == second) is (folders[0] == folders[1])


def test_flags_stand_in_the_name() -> None:
    every = Flag.SEEN | Flag.ANSWERED | Flag.FLAGGED | Flag.DELETED | Flag.DRAFT
    name = maildir.name("msg_X", 30, MOMENT, every, ("$Forwarded", "billing"))
    assert name == f"{int(MOMENT.timestamp())}.msg_X,S=30:2,DFPRST"
    assert maildir.name("msg_X", 30, MOMENT, Flag(0), ()).endswith(":2,")


def test_a_reader_of_the_standard_library_finds_messages_folders_and_flags(tmp_path: Path) -> None:
    archive = b""
    for folder, flags in (("INBOX", Flag.SEEN), ("Clients/Müller & Co.", Flag.FLAGGED)):
        directory = maildir.directory("ada@example.org", folder)
        name = maildir.name("msg_X", len(LETTER), MOMENT, flags, ())
        archive += maildir.folder(directory, MOMENT)
        archive += maildir.file(f"{directory}/cur/{name}", LETTER, MOMENT)
    with tarfile.open(fileobj=io.BytesIO(archive + maildir.END)) as found:
        found.extractall(tmp_path, filter="data")
    inbox = mailbox.Maildir(tmp_path / "ada@example.org", create=False)
    assert [each.get_flags() for each in inbox.values()] == ["S"]
    assert inbox.list_folders() == ["Clients.Müller & Co\\2e"]
    (other,) = inbox.get_folder("Clients.Müller & Co\\2e").values()
    assert (other["Subject"], other.get_flags()) == ("hello", "F")
