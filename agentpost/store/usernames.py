"""User names of inboxes: which are allowed (R52-R55), and readable ones for those who have none.

The suffix of shared addresses keeps them apart across all organizations (R50).
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from agentpost.errors import FieldError, UnknownField

MAX_CHARACTERS: Final = 64
SUFFIX_CHARACTERS: Final = 6

_ALLOWED: Final = re.compile(r"[a-z0-9._-]+", re.ASCII)
_EDGES: Final = "-._"
# Without characters that are read for one another.
_SUFFIX: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_MAX_LOCAL_PART: Final = 64  # RFC 5321 section 4.5.3.1.1


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ADJECTIVES: Final = _words(
    "amber bold brave breezy bright brisk calm clever cosy crisp deft eager early fair fleet fond "
    "frank fresh gentle glad golden grand green happy hardy hazel honest humble jolly keen kind "
    "lively lucid lucky lunar mellow merry mild neat nimble noble patient plain polite prompt "
    "proud quick quiet rapid ready rosy sharp silver sincere smooth snowy solar solid spry steady "
    "sunny sure swift tidy true vivid warm wise"
)
_NOUNS: Final = _words(
    "acorn alder aspen badger beacon birch bison brook cedar cliff comet condor cove crane creek "
    "dawn delta dune eagle ember falcon fern finch fjord garden glade grove harbor hawk heron hill "
    "island jasper kestrel lagoon lark lichen linden lynx maple marten meadow mesa moss oak orchid "
    "osprey otter owl petrel pine plover pond quartz rain raven reed ridge river robin sparrow "
    "spruce summit tern thistle valley willow wren"
)


def check_username(username: str) -> None:
    """Refuse a user name that is not allowed.

    Raises: UnknownField, with the rule that it breaks.
    """
    broken = broken_rule(username)
    if broken is not None:
        raise UnknownField(
            f"The user name is not allowed: {broken}.",
            fix="Use 1 to 64 lower-case letters, digits, hyphens, dots and underscores, beginning"
            " and ending with a letter or digit, without '..' or '--'; or leave it out.",
            errors=(FieldError("username", broken),),
        )


def broken_rule(username: str) -> str | None:
    """The rule that a user name breaks, in words; None when it is allowed."""
    if not 1 <= len(username) <= MAX_CHARACTERS:
        return f"it must have from 1 to {MAX_CHARACTERS} characters"
    if _ALLOWED.fullmatch(username) is None:
        return "only lower-case letters a-z, digits, '-', '.' and '_' are allowed"
    if username[0] in _EDGES or username[-1] in _EDGES:
        return "it may not begin or end with '-', '.' or '_'"
    if ".." in username or "--" in username:
        return "it may not hold '..' or '--'"
    return None


def generated_username() -> str:
    """A readable user name such as ``brisk-heron``."""
    return f"{secrets.choice(_ADJECTIVES)}-{secrets.choice(_NOUNS)}"


def shared_address(username: str, domain: str) -> str:
    """An address on the shared domain: ``{username}-{random}@{domain}``.

    A user name over 57 characters is cut in the address, since a local part has at most 64
    octets (RFC 5321 section 4.5.3.1.1); the inbox keeps the whole of it.
    """
    head = username[: _MAX_LOCAL_PART - SUFFIX_CHARACTERS - 1].rstrip(_EDGES)
    suffix = "".join(secrets.choice(_SUFFIX) for _ in range(SUFFIX_CHARACTERS))
    return f"{head}-{suffix}@{domain}"
