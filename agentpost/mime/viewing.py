"""HTML as far as a reader sees it: what is hidden from him is taken out before anything is read.

Walks the tokens of :mod:`agentpost.mime.markup` once with a stack of looks, never a tree.  Deeper
than the bound an element that hides anything hides all until something is closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

from agentpost.mime.markup import MAX_DEPTH, VOID, End, Nesting, Start, Text, Token, tokens
from agentpost.mime.styles import Look, Sheet, look_of, may_matter, sheet
from agentpost.mime.unseen import without_unseen

_VOID = VOID | {"input", "meta", "link", "base", "param", "source", "embed", "track"}
_UNSEEN = frozenset(("head", "template", "datalist", "title", "script", "style"))
"""Elements whose content is nothing to read."""
_SMALL = re.compile(r"\s*[01](?:px)?\s*")

_BLANK = "\u200c\u200d\u2007\u2003\xa0 \t\r\n"
"""What newsletters put after the line that lists show, so that nothing else is shown there."""


class Viewer:
    """Reads one page; ``hidden`` says afterwards whether there was text that nobody sees."""

    def __init__(self) -> None:
        self.hidden = False
        self._nesting = Nesting()
        # The look inside each open element, the page's own first.
        self._looks = [Look()]
        self._over = False

    def tokens(self, html: str) -> Iterator[Token]:
        """The tags and texts of ``html`` that a reader sees the effect of, in linear time."""
        rules = sheet(html)
        for token in tokens(html):
            if isinstance(token, Text):
                if self._looks[-1].seen and not self._over:
                    yield self._cleaned(token)
                elif not self.hidden and "head" not in self._nesting.names:
                    self.hidden = bool(without_unseen(token.text)[0].strip(_BLANK))
            elif isinstance(token, End):
                if self._ends(token.name):
                    yield token
            elif self._starts(token, rules):
                yield token

    def _cleaned(self, token: Text) -> Text:
        """``token`` without characters that nobody sees, written or named."""
        text = token.text
        cleaned, hidden = without_unseen(text)
        self.hidden = self.hidden or hidden
        return token if cleaned == text else Text(escape(cleaned, quote=False))

    def _starts(self, tag: Start, rules: Sheet) -> bool:
        """Whether the element is laid out."""
        self._close(self._nesting.implied(tag.name))
        look = self._look(tag, rules)
        if tag.name in _VOID:
            return self._looks[-1].laid_out and look.laid_out and not self._over
        if len(self._nesting.names) >= MAX_DEPTH:
            self._over = self._over or not look.seen
            return look.laid_out and not self._over
        self._nesting.push(tag.name)
        self._looks.append(look)
        return look.laid_out and not self._over

    def _ends(self, name: str) -> bool:
        """Whether the end tag is of something that is laid out, or of nothing that is open."""
        closed = self._nesting.end(name)
        laid_out = self._looks[-len(closed) if closed else -1].laid_out
        self._close(closed)
        return laid_out and not self._over

    def _close(self, closed: list[str]) -> None:
        if closed:
            del self._looks[-len(closed) :]
            self._over = False

    def _look(self, tag: Start, rules: Sheet) -> Look:
        around = self._looks[-1]
        if tag.name in _UNSEEN:
            return around._replace(laid_out=False)
        if tag.name == "img":
            attributes = tag.attributes()
            if all(_SMALL.fullmatch(attributes.get(side, "")) for side in ("width", "height")):
                # It counts who opens the mail, and shows nothing.
                return around._replace(laid_out=False)
            return look_of(around, tag.name, attributes, rules)
        if not rules and not may_matter(tag.source):
            return around
        attributes = tag.attributes()
        return look_of(around, tag.name, attributes, rules)


def visible(html: str) -> tuple[str, bool]:
    """``html`` without what nobody sees, and whether text was among that.

    Comments, scripts and style sheets are left out too.  Linear time, no tree.
    """
    viewer = Viewer()
    pieces = [_written(token) for token in viewer.tokens(html)]
    return "".join(pieces), viewer.hidden


def _written(token: Token) -> str:
    if isinstance(token, Text):
        return token.raw
    if isinstance(token, End):
        return f"</{token.name}>"
    return f"<{token.name}{token.source}>"
