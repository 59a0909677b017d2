"""Links in mail and what they are for: to confirm, to sign in, to set a password, to unsubscribe.

From the HTML as a reader sees it, with the words on each link, and from the plain text; never
followed.  What a link is for is told by its words and its address
(:mod:`agentpost.mime.codewords`); linear in the length of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from agentpost.mime import codewords
from agentpost.mime.markup import Start, Text, tokens
from agentpost.model.reading import Link, Purpose

MAX_LINKS: Final = 50
MAX_URL: Final = 4096
"""Longer ones are no links that anyone clicks."""
_MAX_CHARACTERS: Final = 200_000
_MAX_SEEN: Final = 1_000
_MAX_WORDS: Final = 200
_RANKS: Final[dict[Purpose, int]] = {
    "verification": 0,
    "magic_link": 1,
    "password_reset": 2,
    "other": 3,
    "unsubscribe": 4,
}
_URL: Final = re.compile(r"https?://[^\s<>\"'`{}|\\^\[\]\x00-\x1f]{1,4096}", re.IGNORECASE)
_ALLOWED: Final = re.compile(r"https?://[!-~\u00a1-\uffff]{1,4096}", re.IGNORECASE)
_TRAILING: Final = ".,;:!?*_'"
_AROUND: Final = " \t\r\n<>()[]:;,.*-"
_IN_ADDRESS: Final = re.compile(r"[/?&=._\-+%#]+")
_LIST_ITEM: Final = re.compile(r"<\s*([^<>\s]{1,4096})\s*>")


def links(text: str | None, html: str | None) -> tuple[Link, ...]:
    """The links of a message, those that ask for something first; each address once.

    ``html`` and ``text`` are what a reader sees.
    """
    found: dict[str, Link] = {}
    for url, words in (*_from_html(html or ""), *_from_text(text or "")):
        if url not in found or (found[url].purpose == "other" and words):
            found[url] = Link(url, words, _purpose(url, words))
        if len(found) >= _MAX_SEEN:
            break
    ranked = sorted(found.values(), key=lambda link: _RANKS[link.purpose])
    return tuple(ranked[:MAX_LINKS])


def list_unsubscribe(field: str | None) -> tuple[str, ...]:
    """The addresses in a List-Unsubscribe field (RFC 2369 section 3.2): https, http and mailto."""
    if field is None:
        return ()
    allowed = ("https:", "http:", "mailto:")
    items = [match[1] for match in _LIST_ITEM.finditer(field[:_MAX_CHARACTERS])]
    return tuple(dict.fromkeys(item for item in items if item.lower().startswith(allowed)))[:10]


def _purpose(url: str, words: str) -> Purpose:
    # What stands on it says more than where it leads.
    named = _by_words(words.casefold())
    if named != "other":
        return named
    path = unquote(url[:MAX_URL].partition("://")[2].partition("/")[2])
    return _by_words(_IN_ADDRESS.sub(" ", path).casefold())


def _by_words(words: str) -> Purpose:
    if codewords.UNSUBSCRIBE.search(words):
        return "unsubscribe"
    if codewords.RESET.search(words):
        return "password_reset"
    if codewords.VERIFY.search(words):
        return "verification"
    if codewords.SIGN_IN.search(words):
        return "magic_link"
    return "other"


def _from_html(html: str) -> Iterator[tuple[str, str]]:
    """Addresses of ``a`` elements with their words; of pictures, what stands for them."""
    url: str | None = None
    words: list[str] = []
    length = 0
    for token in tokens(html[: 5 * _MAX_CHARACTERS]):
        if isinstance(token, Text):
            if url is not None and length < _MAX_WORDS:
                words.append(token.text[:_MAX_WORDS])
                length += len(token.raw)
        elif isinstance(token, Start):
            if token.name == "a":
                if url is not None:
                    yield url, _words(words)
                url, words, length = _allowed(token.attributes().get("href", "")), [], 0
            elif token.name == "img" and url is not None and length < _MAX_WORDS:
                alternative = token.attributes().get("alt", "")
                words.append(alternative[:_MAX_WORDS])
                length += len(alternative)
        elif token.name == "a" and url is not None:
            yield url, _words(words)
            url = None
    if url is not None:
        yield url, _words(words)


def _from_text(text: str) -> Iterator[tuple[str, str]]:
    past = 0
    for match in _URL.finditer(text[:_MAX_CHARACTERS]):
        url = match[0].rstrip(_TRAILING)
        # A bracket that opens outside the address closes outside of it.
        while url.endswith(")") and url.count("(") < url.count(")"):
            url = url[:-1].rstrip(_TRAILING)
        yield url, _before(text, past, match.start())
        past = match.start() + len(url)


def _before(text: str, past: int, at: int) -> str:
    """What says in plain text what an address is for: the words before it, or the line above."""
    begin = max(past, at - _MAX_WORDS)
    above, _, same = text[begin:at].rpartition("\n")
    words = same.strip(_AROUND)
    return words or above.rstrip().rpartition("\n")[2].strip(_AROUND)


def _words(pieces: list[str]) -> str:
    return " ".join("".join(pieces).split())[:_MAX_WORDS]


def _allowed(href: str) -> str | None:
    url = href.strip()
    return url if len(url) <= MAX_URL and _ALLOWED.fullmatch(url) else None
