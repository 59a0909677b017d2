"""Labels as AgentMail has them: those that clients give, and those that say how a message stands.

``received`` or ``sent``, ``unread``, ``spam``, ``trash`` and ``blocked`` are no keywords here but
direction, flag, folder and state; filtering and changing them is translated here, reading them in
``events/spelling.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from agentpost.events import spelling
from agentpost.events.spelling import FOLDERS
from agentpost.model.message import Thread
from agentpost.store import checks

_SENT_FOLDER: Final = "Sent"
INBOX: Final = "INBOX"
_FIXED: Final = frozenset({"received", "sent", "draft", "scheduled", "blocked"})
"""They say what happened, and nobody can say otherwise."""


def of_thread(thread: Thread) -> list[str]:
    """A thread's own labels and those of its messages."""
    labels = {*thread.labels, *spelling.plain(thread.message_labels)}
    if thread.received_at is not None:
        labels.add("received")
    if thread.sent_at is not None:
        labels.add("sent")
    if thread.unread_count:
        labels.add("unread")
    return sorted(labels)


def as_filter(labels: list[str]) -> dict[str, Any]:
    """What a list is narrowed to by labels, as fields of our queries."""
    narrowed: dict[str, Any] = {}
    plain = []
    for given in labels:
        label = given.lower()
        if label == "unread":
            narrowed["seen"] = False
        elif label in ("received", "sent"):
            narrowed["direction"] = "inbound" if label == "received" else "outbound"
        elif label in FOLDERS:
            narrowed["folder"] = FOLDERS[label]
        else:
            plain.append(given)
    return {**narrowed, "labels": plain}


@dataclass(frozen=True, slots=True)
class Marks:
    """A change of labels as ours: keywords, seen or not, and where it lies."""

    add: list[str]
    remove: list[str]
    seen: bool | None = None
    folder: str | None = None

    @property
    def nothing(self) -> bool:
        """Whether no change is asked for."""
        return not (self.add or self.remove) and self.seen is None and self.folder is None


def as_marks(
    add: list[str], remove: list[str], direction: Literal["inbound", "outbound"] = "inbound"
) -> Marks:
    """What adding and removing labels means here; ``direction`` tells where a message goes that is
    taken out of Junk or Trash.

    Raises: UnknownField for labels that say what happened.
    """
    seen: bool | None = None
    folder: str | None = None
    plain: dict[str, list[str]] = {"add_labels": [], "remove_labels": []}
    for path, labels in (("remove_labels", remove), ("add_labels", add)):
        adds = path == "add_labels"
        for number, given in enumerate(labels):
            label = given.lower()
            if label in _FIXED:
                raise checks.refuse(
                    f"{path}[{number}]", "says what happened, and cannot be changed"
                )
            if label == "unread":
                seen = not adds
            elif label in FOLDERS:
                home = INBOX if direction == "inbound" else _SENT_FOLDER
                folder = FOLDERS[label] if adds else home
            else:
                plain[path].append(given)
    return Marks(plain["add_labels"], plain["remove_labels"], seen, folder)
