"""What this server can do, as CAPABILITY tells it (RFC 9051 section 6.1.1).

A word stands here when its commands do; nothing is announced ahead.
"""

from __future__ import annotations

from agentpost.imap.states import Authenticated, Connected

_ALWAYS = ("IMAP4rev2", "IMAP4rev1", "LITERAL-", "ID", "ENABLE", "SASL-IR")
_STRANGERS = ("AUTH=PLAIN",)
_MEMBERS = (
    "NAMESPACE",
    "IDLE",
    "UNSELECT",
    "UIDPLUS",
    "MOVE",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "BINARY",
    "PREVIEW",
    "SAVEDATE",
    "SPECIAL-USE",
    "CHILDREN",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "STATUS=SIZE",
    "UTF8=ACCEPT",
)


def capability_words(state: Connected, append_limit: int) -> tuple[str, ...]:
    """The capabilities to tell in this state; ``append_limit`` is in octets (RFC 7889)."""
    if not isinstance(state, Authenticated):
        return _ALWAYS + _STRANGERS
    return (*_ALWAYS, *_MEMBERS, f"APPENDLIMIT={append_limit}")
