"""Messages as files of a Maildir, in a tar archive (POSIX.1-2001 pax).

Each inbox is a Maildir called by its address; folders besides INBOX are directories below it whose
names begin with a dot (Maildir++).  What a file system could take amiss in a name is written as a
backslash and the hexadecimal digits of its octets, so a name leads nowhere else.  A file's name
ends with its flags, in order.
"""

from __future__ import annotations

import re
import tarfile
from datetime import datetime
from typing import Final

from agentpost.model.mailbox import Flag

_BLOCK: Final = tarfile.BLOCKSIZE
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\:*?\"<>|.]")
_UNSAFE_IN_ADDRESS: Final = re.compile(r"[\x00-\x1f\x7f\\/:*?\"<>|]")
_LETTERS: Final = (
    ("D", Flag.DRAFT),
    ("F", Flag.FLAGGED),
    ("R", Flag.ANSWERED),
    ("S", Flag.SEEN),
    ("T", Flag.DELETED),
)
_PASSED: Final = "$forwarded"
"""The keyword that Maildir has a letter for."""

END: Final = bytes(2 * _BLOCK)
"""What stands at the end of an archive."""


def directory(address: str, folder: str | None) -> str:
    """The Maildir of a folder; levels of its name are separated by ``/``."""
    root = _escaped(_UNSAFE_IN_ADDRESS, address)
    if folder is None or folder == "INBOX":
        return root
    levels = (_escaped(_UNSAFE, level) for level in folder.split("/"))
    return f"{root}/." + ".".join(levels)


def name(message: str, size: int, moment: datetime, flags: Flag, keywords: tuple[str, ...]) -> str:
    """The name of a message's file: its time, its id, its size and its flags."""
    letters = {letter for letter, flag in _LETTERS if flag in flags}
    if any(keyword.lower() == _PASSED for keyword in keywords):
        letters.add("P")
    return f"{int(moment.timestamp())}.{message},S={size}:2,{''.join(sorted(letters))}"


def file(path: str, octets: bytes, moment: datetime) -> bytes:
    """One file of the archive: its header, its octets, and up to the end of a block."""
    return _header(path, len(octets), moment) + octets + bytes(-len(octets) % _BLOCK)


def folder(path: str, moment: datetime) -> bytes:
    """The directories that make a Maildir of ``path``."""
    directories = (path, *(f"{path}/{each}" for each in ("cur", "new", "tmp")))
    return b"".join(_header(each, None, moment) for each in directories)


def _header(path: str, size: int | None, moment: datetime) -> bytes:
    found = tarfile.TarInfo(path)
    found.mtime = int(moment.timestamp())
    found.mode = 0o600
    if size is None:
        found.type, found.mode = tarfile.DIRTYPE, 0o700
    else:
        found.size = size
    return found.tobuf(tarfile.PAX_FORMAT)


def _escaped(unsafe: re.Pattern[str], text: str) -> str:
    return unsafe.sub(lambda found: f"\\{ord(found[0]):02x}", text) or "\\"
