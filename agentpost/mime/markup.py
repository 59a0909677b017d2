"""HTML of strangers, made harmless to look at: tokens, and a well-nested rewriting of them.

Sources: the HTML standard's tokenization (attributes, comments, raw text), in so far as mail
needs it.  HTML parsers build trees, and trees of hostile mail cost them quadratic time: 250 KB
of unclosed ``<p><font color=…>`` took html5ever and Lexbor over 50 s.  So nothing here builds a
tree.  :func:`tokens` walks the octets once; :func:`rewritten` emits known elements only, closes
what was left open and never nests deeper than a bound, so that whatever parses its result
afterwards does so in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from enum import Enum
from html import escape, unescape
from typing import NamedTuple

MAX_DEPTH = 200
"""Elements inside one another that are kept; newsletters reach about 100."""
MAX_TOKENS = 100_000
"""Tags and texts of a document that are kept as they are; of what follows only the text is.
Long newsletters have 10,000."""
MAX_ATTRIBUTES = 64
"""Attributes of one element that are looked at; mail programs write under 20."""

_MARKUP = re.compile(r"<(?=[a-zA-Z/!?])")
_OPENING = re.compile(r"<(/?)([a-zA-Z][^\s/>\x00]*+)", re.ASCII)
_ATTRIBUTE = re.compile(
    r"[\s/]*+(=?[^\s/>=]*+)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|(?![\"'])([^\s>]*+)))?",
    re.ASCII,
)
_COMMENT = re.compile(r"<!--(?:-?>|.*?--!?>)", re.DOTALL)
_LONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{8,}+;?")


def word_set(words: str) -> frozenset[str]:
    """The words of a line as a set."""
    return frozenset(words.split())


RAW = frozenset(("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"))
"""Elements whose content is no markup; mail has no use for what they hold."""
_RAW_END = {name: re.compile(rf"</{name}(?=[\s/>])", re.ASCII | re.IGNORECASE) for name in RAW}
VOID = frozenset(("area", "br", "col", "hr", "img", "wbr"))
"""Elements without content or end tag."""
_BLOCKS = word_set(
    "address article aside blockquote center details dir div dl fieldset figcaption figure footer"
    " h1 h2 h3 h4 h5 h6 header hgroup hr main menu nav ol p pre section summary table ul"
)
"""Elements whose start tag ends an open paragraph."""
_CELLS = frozenset(("td", "th"))
_ROWS = _CELLS | {"tr"}
_GROUPS = _ROWS | {"thead", "tbody", "tfoot", "caption", "colgroup"}
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_TABLE = frozenset(("table",))
_SCOPE = frozenset(("table", "td", "th", "caption"))
_LISTS = _SCOPE | {"ul", "ol", "dir", "menu"}
_ENDS = {
    **dict.fromkeys(_BLOCKS, (frozenset(("p",)), _SCOPE)),
    "li": (frozenset(("li",)), _LISTS),
    "dt": (frozenset(("dt", "dd")), _SCOPE | {"dl"}),
    "dd": (frozenset(("dt", "dd")), _SCOPE | {"dl"}),
    "a": (frozenset(("a",)), _SCOPE),
    **dict.fromkeys(_HEADINGS, (_HEADINGS | {"p"}, _SCOPE)),
    **dict.fromkeys(_CELLS, (_CELLS | {"caption", "colgroup"}, _TABLE)),
    "tr": (_ROWS | {"caption", "colgroup"}, _TABLE),
    **dict.fromkeys(("thead", "tbody", "tfoot", "caption", "colgroup"), (_GROUPS, _TABLE)),
    "body": (frozenset(("head",)), frozenset()),
}
"""Start tag -> (elements it ends, elements beyond which it does not look for them)."""


class Text(NamedTuple):
    """Characters between tags, references still in them."""

    raw: str

    @property
    def text(self) -> str:
        """The characters that are meant."""
        return referenced(self.raw)


class Start(NamedTuple):
    """A start tag: its name in lower case and its attributes' source."""

    name: str
    source: str

    def attributes(self) -> dict[str, str]:
        """Names in lower case to values; the first of a name counts."""
        found: dict[str, str] = {}
        for number, match in enumerate(_ATTRIBUTE.finditer(self.source)):
            if number >= MAX_ATTRIBUTES:
                break
            if match[1]:
                value = match[2] or match[3] or match[4] or ""
                found.setdefault(match[1].lower(), referenced(value))
        return found


class End(NamedTuple):
    """An end tag."""

    name: str


Token = Text | Start | End


class Verdict(Enum):
    """What becomes of an element: kept, left out with its content, or the end of the document."""

    KEEP = 1
    SKIP = 2
    STOP = 3


Rule = Callable[[str, dict[str, str]], Verdict]


def referenced(text: str) -> str:
    """``text`` with its character references resolved; absurd numbers become U+FFFD."""
    return unescape(_LONG_REFERENCE.sub("\ufffd", text)) if "&" in text else text


def tokens(html: str) -> Iterator[Token]:
    """The text and tags of ``html`` in order, in linear time; comments and raw text left out.

    A tag or comment that never ends takes the rest of the document with it, as in browsers.
    """
    at, length = 0, len(html)
    while at < length:
        found = _MARKUP.search(html, at)
        if found is None:
            yield Text(html[at:])
            return
        mark = found.start()
        if mark > at:
            yield Text(html[at:mark])
        opening = _OPENING.match(html, mark)
        if opening is None:
            at = _after_declaration(html, mark)
            continue
        at = _after_tag(html, opening.end())
        if at < 0:
            return
        name = opening[2].lower()
        if opening[1]:
            yield End(name)
            continue
        yield Start(name, html[opening.end() : at - 1])
        if name in RAW:
            end = _RAW_END[name].search(html, at)
            if end is None:
                return
            at = end.start()


def _after_tag(html: str, at: int) -> int:
    """Where the tag whose attributes begin at ``at`` is over, or -1."""
    length = len(html)
    while at < length:
        match = _ATTRIBUTE.match(html, at)
        if match is None or match.end() == at:
            break
        at = match.end()
    return at + 1 if at < length and html[at] == ">" else -1


def _after_declaration(html: str, at: int) -> int:
    """Where the comment, declaration or nonsense that begins at ``at`` is over."""
    if html.startswith("<!--", at):
        comment = _COMMENT.match(html, at)
        return comment.end() if comment else len(html)
    end = html.find(">", at)
    return end + 1 if end >= 0 else len(html)


class Nesting:
    """Which elements are open, from the outermost on, and what a tag closes among them."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._open: dict[str, int] = {}

    def push(self, name: str) -> None:
        """An element begins."""
        self.names.append(name)
        self._open[name] = self._open.get(name, 0) + 1

    def implied(self, name: str) -> list[str]:
        """Closes what the start tag ``name`` ends; the names, the innermost first."""
        ends = _ENDS.get(name)
        return self._close(*ends) if ends else []

    def end(self, name: str) -> list[str]:
        """Closes the nearest element of this name unless a table stands between, as ``implied``."""
        if name == "table" or name in _GROUPS:
            return self._close(frozenset((name,)), _TABLE if name != "table" else frozenset())
        return self._close(frozenset((name,)), _SCOPE)

    def _close(self, names: frozenset[str], barrier: frozenset[str]) -> list[str]:
        """Closes up to and with the outermost of ``names`` on this side of ``barrier``."""
        if not any(map(self._open.get, names)):
            return []
        stack = self.names
        found = -1
        for at in range(len(stack) - 1, -1, -1):
            if stack[at] in names:
                found = at
                if len(names) == 1:
                    break
            elif stack[at] in barrier:
                break
        if found < 0:
            return []
        closed = stack[found:][::-1]
        for name in closed:
            self._open[name] -= 1
        del stack[found:]
        return closed


class _Writer:
    """Emits tags so that every element is closed within the one it was opened in."""

    def __init__(self, tags: frozenset[str], attributes: dict[str, frozenset[str]]) -> None:
        self.pieces: list[str] = []
        self._tags = tags
        common = attributes.get("*", frozenset())
        self._attributes = {tag: attributes.get(tag, common) | common for tag in tags}
        self._nesting = Nesting()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Opens an element, closing those it ends; deeper than the bound only its content stays."""
        if name not in self._tags:
            return
        self._write_ends(self._nesting.implied(name))
        if name not in VOID:
            if len(self._nesting.names) >= MAX_DEPTH:
                return
            self._nesting.push(name)
        if attributes:
            allowed = self._attributes[name]
            kept = "".join(
                f' {key}="{escape(value)}"' for key, value in attributes.items() if key in allowed
            )
            self.pieces.append(f"<{name}{kept}>")
        else:
            self.pieces.append(f"<{name}>")

    def end(self, name: str) -> None:
        """Closes the nearest element of this name unless a table stands between."""
        self._write_ends(self._nesting.end(name))

    def finish(self) -> str:
        """The whole, everything closed."""
        self._write_ends(self._nesting.names[::-1])
        self._nesting = Nesting()
        return "".join(self.pieces)

    def _write_ends(self, names: list[str]) -> None:
        self.pieces += [f"</{name}>" for name in names]


def _keep(_name: str, _attributes: dict[str, str]) -> Verdict:
    return Verdict.KEEP


def rewritten(
    html: str,
    tags: frozenset[str],
    attributes: dict[str, frozenset[str]],
    rule: Rule = _keep,
    before_skip: Callable[[list[str]], None] | None = None,
) -> str:
    """``html`` with only ``tags`` and ``attributes`` (by tag, "*" for all), well nested.

    ``rule`` looks at each start tag and says what becomes of the element.  ``before_skip`` is
    given what was emitted, a tag or text an item, before an element is left out, and may empty
    texts.  Linear in the length when both are.
    """
    writer = _Writer(tags, attributes)
    kept = _unskipped(html, rule, before_skip or _nothing, writer.pieces)
    for count, token in enumerate(kept):
        if isinstance(token, Text):
            writer.pieces.append(escape(token.text, quote=False))
        elif count > MAX_TOKENS:
            continue
        elif isinstance(token, End):
            writer.end(token.name)
        else:
            writer.start(token.name, token.attributes() if token.source else {})
    return writer.finish()


def _nothing(_pieces: list[str]) -> None:
    """Leaves what was emitted as it is."""


def _unskipped(
    html: str, rule: Rule, before_skip: Callable[[list[str]], None], pieces: list[str]
) -> Iterator[Token]:
    """The tokens that ``rule`` keeps, up to where it stops."""
    skipped, depth = "", 0
    for token in tokens(html):
        if depth:
            if not isinstance(token, Text) and token.name == skipped:
                depth += 1 if isinstance(token, Start) else -1
        elif isinstance(token, Start):
            verdict = rule(token.name, token.attributes() if token.source else {})
            if verdict is Verdict.STOP:
                return
            if verdict is Verdict.KEEP:
                yield token
            elif token.name not in VOID:
                before_skip(pieces)
                skipped, depth = token.name, 1
        else:
            yield token
