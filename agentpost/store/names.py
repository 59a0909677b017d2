"""The mailboxes of the inboxes in use, by name, in memory.

What names an inbox has changes rarely, and every SELECT asks.  Whoever changes a name forgets the
inbox here once that may be committed; a list that was being read meanwhile is not kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from agentpost.ids import InboxId
from agentpost.model.mailbox import Mailbox

Named = Mapping[str, Mailbox]

_INBOXES: Final = 2000
"""Inboxes of which names are kept; the least recently used ones go first."""


class Names:
    """Mailboxes by inbox and name."""

    def __init__(self) -> None:
        self._known: OrderedDict[InboxId, Named] = OrderedDict()
        self._forgotten = 0

    async def of(self, inbox: InboxId, read: Callable[[], Awaitable[Named]]) -> Named:
        """The mailboxes of ``inbox``, by ``read`` when they are not known."""
        known = self._known.get(inbox)
        if known is not None:
            self._known.move_to_end(inbox)
            return known
        forgotten = self._forgotten
        named = await read()
        if forgotten == self._forgotten:
            self._known[inbox] = named
            if len(self._known) > _INBOXES:
                self._known.popitem(last=False)
        return named

    def forget(self, inbox: InboxId) -> None:
        """A name in ``inbox`` may have changed."""
        self._forgotten += 1
        self._known.pop(inbox, None)

    def forget_all(self) -> None:
        """Names may have changed anywhere."""
        self._forgotten += 1
        self._known.clear()
