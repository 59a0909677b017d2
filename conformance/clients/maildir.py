"""A Maildir as synchronizers keep it: messages with their flags in the file name."""

from __future__ import annotations

import itertools
from pathlib import Path

from conformance.clients.letters import Letter

_FLAGS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
_numbers = itertools.count(1)


class Maildir:
    """One mailbox on the local side."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _files(self) -> dict[str, Path]:
        found = [*(self.path / "new").iterdir(), *(self.path / "cur").iterdir()]
        return {_subject(file.read_bytes()): file for file in found}

    def subjects(self) -> set[str]:
        """The subjects of all messages."""
        return set(self._files())

    def octets(self, subject: str) -> bytes:
        """A message with line ends as they travel, without what a synchronizer adds."""
        lines = self._files()[subject].read_bytes().replace(b"\r\n", b"\n").split(b"\n")
        ours = [line for line in lines if not line.startswith((b"X-TUID: ", b"X-OfflineIMAP: "))]
        return b"\r\n".join(ours)

    def flags(self, subject: str) -> set[str]:
        """The flags of a message, in IMAP's words; other letters stand for keywords."""
        letters = self._files()[subject].name.partition(":2,")[2]
        return {_FLAGS.get(letter, letter) for letter in letters}

    def set_flags(self, subject: str, letters: str) -> None:
        """Give a message these flags, in Maildir's letters, and no others."""
        file = self._files()[subject]
        name = file.name.partition(":2,")[0]
        file.rename(self.path / "cur" / f"{name}:2,{''.join(sorted(letters))}")

    def add(self, letter: Letter, flags: str = "") -> None:
        """Deliver a message, as a local program would."""
        name = f"17000{next(_numbers):05d}.M1P1.localhost:2,{flags}"
        (self.path / "cur" / name).write_bytes(letter.octets.replace(b"\r\n", b"\n"))

    def remove(self, subject: str) -> None:
        """Delete a message's file."""
        self._files()[subject].unlink()

    def make(self) -> None:
        """Make the mailbox itself."""
        for name in ("cur", "new", "tmp"):
            (self.path / name).mkdir(parents=True)


def _subject(octets: bytes) -> str:
    for line in octets.split(b"\n"):
        if line.lower().startswith(b"subject: "):
            return line[9:].strip().decode("utf-8", "replace")
    return ""
