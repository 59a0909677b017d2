"""HTML bodies: sanitised for display, and read as plain text.

Sources: the HTML standard for what elements mean; RFC 2392 for ``cid:``.  Sanitising is done
twice, by :mod:`agentpost.mime.markup` (allow-list, bounded depth) and then by nh3, which knows
the traps of real parsers.  Text is made without either, in one pass.
"""

from __future__ import annotations

import re

import nh3

from agentpost.mime.markup import End, Start, Text, rewritten, word_set
from agentpost.mime.viewing import Viewer

TAGS = word_set(
    "a abbr address b big blockquote br caption center cite code col colgroup dd del div dl dt em"
    " font h1 h2 h3 h4 h5 h6 hr i img ins kbd li ol p pre q s samp small span strike strong sub"
    " sup table tbody td tfoot th thead tr tt u ul var wbr"
)
"""Elements that mail needs to look right, none that acts."""
_ALIGNED = frozenset(("align", "valign", "width", "height", "bgcolor"))
ATTRIBUTES: dict[str, frozenset[str]] = {
    "*": frozenset(("dir", "lang", "style", "title")),
    "a": frozenset(("href",)),
    "blockquote": frozenset(("type", "class")),
    "div": frozenset(("align", "class")),
    "font": frozenset(("color", "face", "size")),
    "img": frozenset(("alt", "src")) | _ALIGNED,
    "li": frozenset(("value",)),
    "ol": frozenset(("start", "type")),
    "p": frozenset(("align",)),
    "table": _ALIGNED | {"border", "cellpadding", "cellspacing"},
    "td": _ALIGNED | {"colspan", "rowspan"},
    "th": _ALIGNED | {"colspan", "rowspan"},
    "tr": _ALIGNED,
}
_STYLES = word_set(
    "background-color border border-bottom border-collapse border-color border-left border-right"
    " border-spacing border-style border-top border-width color direction display font-family font-size"
    " font-style font-weight height letter-spacing line-height list-style-type margin"
    " margin-bottom margin-left margin-right margin-top max-width padding padding-bottom"
    " padding-left padding-right padding-top text-align text-decoration text-indent"
    " text-transform vertical-align white-space width word-break"
)
_CLASSES = {"div": {"gmail_quote", "gmail_attr"}, "blockquote": {"gmail_quote"}}
_CLEANER = nh3.Cleaner(
    tags=set(TAGS),
    attributes={
        tag: {name for name in names if name != "class"} for tag, names in ATTRIBUTES.items()
    },
    allowed_classes=_CLASSES,
    url_schemes={"http", "https", "mailto", "tel", "cid"},
    url_relative="deny",
    filter_style_properties=set(_STYLES),
    link_rel="noopener noreferrer nofollow",
)


def sanitised(html: str) -> str:
    """``html`` as a fragment that is safe to show: no script, no form, no frame, no foreign CSS.

    Pictures keep their addresses (``https:`` and ``cid:``); whether remote ones are loaded is
    for who shows them to decide.  Linear time on any input.
    """
    return _CLEANER.clean(rewritten(html, TAGS, ATTRIBUTES))


def clean_fragment(fragment: str) -> str:
    """The second pass alone, for what :func:`agentpost.mime.markup.rewritten` gave."""
    return _CLEANER.clean(fragment)


# As plain text

_SPACE = re.compile(r"[ \t\r\n\f\v]+")
_NO_BREAK = "\u00a0"
_RULE = "_" * 32
_MAX_QUOTE_DEPTH = 20
_APART = frozenset(("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "pre", "table"))
"""Elements with an empty line around them."""
_LINES = word_set(
    "address article aside blockquote body caption center dd details dir div dt fieldset"
    " figcaption figure footer form header li main menu nav section tr"
)
"""Elements that begin on a line of their own."""


class _Page:
    """Text laid out in lines, each with the quotation depth it stands at."""

    def __init__(self) -> None:
        self.quotes = 0
        self._lines: list[str] = []
        self._line: list[str] = []
        self._gap = False
        self._last = 0
        self._quoted: list[bool] = []

    def open_quote(self, quoted: bool) -> None:
        """Begins a blockquote, which marks its lines when it is a quotation."""
        self.leave_gap()
        self._quoted.append(quoted and self.quotes < _MAX_QUOTE_DEPTH)
        self.quotes += self._quoted[-1]

    def close_quote(self) -> None:
        """Ends the innermost blockquote, if there is one."""
        self.end_line()
        if self._quoted:
            self.quotes -= self._quoted.pop()
        self.leave_gap()

    def write(self, text: str) -> None:
        """Adds ``text`` to the present line; a space at its beginning would be lost anyway."""
        if not self._line:
            text = text.lstrip(" ")
        if text:
            self._line.append(text)

    def end_line(self, *, even_empty: bool = False) -> None:
        """Ends the present line; an empty one only counts when it was asked for."""
        text = "".join(self._line).rstrip(" ")
        self._line = []
        if text or even_empty:
            self._put(text)

    def leave_gap(self) -> None:
        """Ends the present line and sees that an empty one precedes the next text."""
        self.end_line()
        self._gap = True

    def _put(self, text: str) -> None:
        prefix = ">" * self.quotes
        if self._gap:
            self._gap = False
            if self._lines and self._lines[-1].strip("> "):
                self._lines.append(">" * min(self.quotes, self._last))
        self._last = self.quotes
        line = f"{prefix} {text}" if prefix and text else prefix + text
        if text or not self._lines or self._lines[-1] != line:
            self._lines.append(line)

    def text(self) -> str:
        """The whole, ended by one line end; empty when there is nothing."""
        self.end_line()
        whole = "\n".join(self._lines).strip("\n").replace(_NO_BREAK, " ")
        return whole + "\n" if whole else ""


def text_from_html(html: str, *, links: bool = True) -> str:
    """``html`` as plain text with LF line ends: paragraphs, lists, quotations as ``> ``
    (blockquotes that a mail program marked as such, not those that only indent).

    What nobody sees stays out.  With ``links`` an address that the link's text does not show
    follows it in angle brackets.  Linear time, no tree.
    """
    page = _Page()
    preformatted = 0
    link: tuple[str, list[str]] | None = None
    for token in Viewer().tokens(html):
        if isinstance(token, Text):
            if preformatted:
                _write_preformatted(page, token.text)
                continue
            text = _SPACE.sub(" ", token.text)
            page.write(text)
            if link:
                link[1].append(text)
            continue
        name = token.name
        if name == "a" and links:
            _write_link(page, link)
            link = _link(token) if isinstance(token, Start) else None
        elif name == "pre":
            page.leave_gap()
            preformatted += 1 if isinstance(token, Start) else -(preformatted > 0)
        elif isinstance(token, End):
            _lay_out_end(page, name)
        else:
            _lay_out_start(page, token)
    _write_link(page, link)
    return page.text()


def _lay_out_start(page: _Page, tag: Start) -> None:
    """What a start tag does to the page."""
    name = tag.name
    if name == "br":
        page.end_line(even_empty=True)
    elif name == "hr":
        page.end_line()
        page.write(_RULE)
        page.end_line()
    elif name == "img":
        page.write(_SPACE.sub(" ", tag.attributes().get("alt", "")))
    elif name == "blockquote":
        page.open_quote(_is_quotation(tag.attributes()))
    elif name in _APART:
        page.leave_gap()
    elif name in _LINES:
        page.end_line()
        if name == "li":
            page.write("-" + _NO_BREAK)
    elif name in ("td", "th"):
        page.write(" ")


def _lay_out_end(page: _Page, name: str) -> None:
    """What an end tag does to the page."""
    if name == "blockquote":
        page.close_quote()
    elif name in _APART:
        page.leave_gap()
    elif name in _LINES:
        page.end_line()


def _is_quotation(attributes: dict[str, str]) -> bool:
    """Whether a blockquote quotes: many senders only indent with it."""
    return (
        "cite" in attributes
        or attributes.get("type", "").lower() == "cite"
        or "quote" in attributes.get("class", "").lower()
        or "border-left" in attributes.get("style", "").lower()
    )


def _write_preformatted(page: _Page, text: str) -> None:
    """Text whose spaces and line ends count."""
    first, *rest = text.replace("\r\n", "\n").replace(" ", _NO_BREAK).split("\n")
    page.write(first)
    for line in rest:
        page.end_line(even_empty=True)
        page.write(line)


def _link(tag: Start) -> tuple[str, list[str]] | None:
    """The address of a link worth showing, and room for its text."""
    address = tag.attributes().get("href", "").strip()
    shown = address[:8].lower().startswith(("http://", "https://", "mailto:"))
    return (address, []) if shown and len(address) <= 500 and not _SPACE.search(address) else None


def _write_link(page: _Page, link: tuple[str, list[str]] | None) -> None:
    """The address after its text, unless the text is the address or there is none."""
    if link is None:
        return
    address, pieces = link
    text = "".join(pieces).strip()
    if (
        text
        and address.removeprefix("mailto:").rstrip("/").lower() not in text.lower()
        and (text.lower() not in address.lower() or len(text) < 5)
    ):
        page.write(f" <{address}>")
