"""HTML as far as a reader sees it: what is hidden from him is taken out before anything is read.

Walks the tokens of :mod:`agentpost.mime.markup` once with a stack of looks, never a tree.  Deeper
than the bound elements are only counted, and one that hides hides all until they are closed.
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
        self._seen = True
        # Elements beyond the bound by name, which have no looks, and whether one of them hides.
        self._deep: dict[str, int] = {}
        self._over = False

    def tokens(self, html: str) -> Iterator[Token]:
        """The tags and texts of ``html`` that a reader sees the effect of, in linear time."""
        rules = sheet(html)
        for token in tokens(html):
            if isinstance(token, Text):
                if self._seen:
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
        if "&" not in token.raw and token.raw.isascii():
            return token
        text = token.text
        cleaned, hidden = without_unseen(text)
        self.hidden = self.hidden or hidden
        return token if cleaned == text else Text(escape(cleaned, quote=False))

    def _starts(self, tag: Start, rules: Sheet) -> bool:
        """Whether the element is laid out."""
        if not self._deep:
            self._close(self._nesting.implied(tag.name))
        look = self._look(tag, rules)
        if tag.name in _VOID:
            return self._looks[-1].laid_out and look.laid_out and not self._over
        if len(self._nesting.names) >= MAX_DEPTH:
            self._deep[tag.name] = self._deep.get(tag.name, 0) + 1
            self._over = self._over or not look.seen
            self._seen = self._seen and not self._over
            return look.laid_out and not self._over
        self._nesting.push(tag.name)
        if look is not self._looks[-1]:
            self._seen = look.seen
        self._looks.append(look)
        return look.laid_out and not self._over

    def _ends(self, name: str) -> bool:
        """Whether the end tag is of something that is laid out, or of nothing that is open."""
        if self._deep:
            shown = self._looks[-1].laid_out and not self._over
            self._end_deep(name)
            return shown
        closed = self._nesting.end(name)
        laid_out = self._looks[-len(closed) if closed else -1].laid_out
        self._close(closed)
        return laid_out and not self._over

    def _end_deep(self, name: str) -> None:
        count = self._deep.pop(name, 0)
        if count > 1:
            self._deep[name] = count - 1
        if not self._deep:
            self._over = False
            self._seen = self._looks[-1].seen

    def _close(self, closed: list[str]) -> None:
        if closed:
            del self._looks[-len(closed) :]
            self._seen = self._looks[-1].seen

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
