"""First pages of lists, remembered while nothing happens in their inbox.

Agents ask the same list again and again.  A page is kept from one change of its inbox to the next:
every commit in an inbox forgets its pages before the one who wrote is answered, so nobody reads
what is older than his own change.  That holds only while this process is the only writer.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from agentpost.ids import InboxId

MAX_OCTETS: Final = 16 * 1024 * 1024
"""Of pages kept; the least recently asked for go first."""
MAX_PAGE_OCTETS: Final = 256 * 1024
"""A larger answer is made anew each time."""
MAX_PAGES: Final = 32
"""Of one inbox."""


class PageMemory:
    """Answers by inbox and query; ``keeps`` says whether there is but one writer."""

    def __init__(self, *, keeps: bool, max_octets: int = MAX_OCTETS) -> None:
        self._keeps = keeps
        self._room = max_octets
        self._pages: OrderedDict[InboxId, dict[str, bytes]] = OrderedDict()
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Changes whenever pages are forgotten: take it before reading what a page is made of."""
        return self._epoch

    def get(self, inbox: InboxId, query: str) -> bytes | None:
        """The page, if it still holds."""
        pages = self._pages.get(inbox)
        if pages is None:
            return None
        self._pages.move_to_end(inbox)
        return pages.get(query)

    def put(self, inbox: InboxId, query: str, page: bytes, epoch: int) -> None:
        """Keep a page, unless something was forgotten since ``epoch``."""
        if not self._keeps or epoch != self._epoch or len(page) > MAX_PAGE_OCTETS:
            return
        pages = self._pages.setdefault(inbox, {})
        if len(pages) >= MAX_PAGES or query in pages:
            self.forget(inbox)
            pages = self._pages.setdefault(inbox, {})
        pages[query] = page
        self._room -= len(page)
        while self._room < 0:
            self.forget(next(iter(self._pages)))

    def forget(self, inbox: InboxId | None) -> None:
        """Something changed in an inbox, or perhaps in any."""
        self._epoch += 1
        if inbox is None:
            for known in list(self._pages):
                self._drop(known)
        else:
            self._drop(inbox)

    def _drop(self, inbox: InboxId) -> None:
        for page in self._pages.pop(inbox, {}).values():
            self._room += len(page)
