"""What a command is: its name, its grammar, its behaviour, where it is legal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentpost.imap.states import Connected
from agentpost.imap.wire.cursor import Cursor

if TYPE_CHECKING:
    from agentpost.imap.session import Session


@dataclass(frozen=True, slots=True)
class Done:
    """The tagged OK of a command: its response code and text, when they say something special."""

    code: bytes | str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the registry.

    ``numbered`` commands name messages by sequence number, so that no expunge may be told while
    they are answered (RFC 9051 section 7.5.1); their UID forms may tell it.
    """

    name: bytes
    needs: type[Connected]
    parse: Callable[[Cursor], Any]
    run: Callable[[Session, Any, bytes, bool], Awaitable[Done]]
    by_uid: bool = False
    numbered: bool = False
    only_before_login: bool = False
    tells_nothing: bool = False

    def may_expunge(self, by_uid: bool) -> bool:
        """Whether messages that are gone may be told with this command's answer."""
        return by_uid or not self.numbered


def nothing(cursor: Cursor) -> None:
    """The grammar of a command without arguments."""
    del cursor
