"""Characters that no one sees: they hide words from people, or from filters.

Sources: Unicode 16 sections 23.2 (joiners and spaces of no width), 23.9 (tag characters), UAX #9
(directions).  A tag character stands for an ASCII letter, so whole sentences can stand in a text
unseen; an override turns the direction, so that what is read is not what is shown.
"""

from __future__ import annotations

import re

_FLAGS = "\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074|\U000e0077\U000e006c\U000e0073)\U000e007f"
"""The flags of England, Scotland and Wales: the only tags that are shown."""
_ZERO = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\U0001d173-\U0001d17a"
_OVERRIDES = "\u202a-\u202e"
_TAGS = "\U000e0000-\U000e007f"
_JOINERS = "\u200c\u200d"
_VARIANTS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SHAPED = "\u00a9-\ufdff\uff00-\U0001ffff"
"""Letters and pictures that joiners and selectors can shape."""
_UNSEEN = re.compile(
    f"({_FLAGS})"
    # Whole letters of ASCII, or octets, that nobody sees.
    f"|([{_TAGS}]+|[{_VARIANTS}]{{2,}})|([{_OVERRIDES}])"
    # Runs of no width, joiners among them.
    f"|([{_JOINERS}]*+[{_ZERO}][{_ZERO}{_JOINERS}]*|[{_JOINERS}]{{2,}})"
    # What shapes nothing on both sides of it.
    f"|((?<![{_SHAPED}{_VARIANTS}])[{_JOINERS}]|[{_JOINERS}](?![{_SHAPED}])"
    f"|(?<![{_SHAPED}#*0-9])[{_VARIANTS}])"
)
_MANY = 8
"""Characters of no width in a row that can only be a message; breaks in long words are single."""


def without_unseen(text: str) -> tuple[str, bool]:
    """``text`` without characters that no one sees, and whether they can have hidden something.

    Joiners that shape letters or pictures stay; so do marks that only say which way a script runs.
    Linear time.
    """
    if text.isascii() or _UNSEEN.search(text) is None:
        return text, False
    hidden = False

    def kept(found: re.Match[str]) -> str:
        nonlocal hidden
        if found[1] is not None:
            return found[1]
        if found[2] is not None or found[3] in ("\u202d", "\u202e") or len(found[0]) >= _MANY:
            hidden = True
        return ""

    return _UNSEEN.sub(kept, text), hidden
