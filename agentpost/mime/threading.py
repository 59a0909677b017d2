"""Which message answers which, and what a conversation is called.

Source: RFC 5322 section 3.6.4 (identification fields), RFC 5256 section 2.1 (base subject).
Conversations are joined by identifiers only, never by subject.  What arrives in these fields is
often broken (comments, lost brackets, addresses in In-Reply-To), so identifiers are searched for
rather than parsed, and both their length and their number are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from agentpost.limits import ThreadingLimits

_LIMITS = ThreadingLimits()

# Everything between brackets that could be an identifier: no white space except the folding that
# some relays put into long ones, which `normal_id` takes out again.
_BRACKETED = re.compile(r"<([^<>]*)>")
_SPACE = re.compile(r"[ \t\r\n]+")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
# LENIENT_BARE_ID: some senders write In-Reply-To without angle brackets.
_BARE = re.compile(r"[^\s<>\"(),;:@]+@[^\s<>\"(),;:@]+")

_LEADER = re.compile(r"(?:re|fwd?)[ \t]*(?:\[[^\[\]]*\][ \t]*)?:", re.ASCII | re.IGNORECASE)
_BLOB = re.compile(r"\[[^\[\]]*\][ \t]*")
_FORWARD_HEADER = "[fwd:"
_FORWARD_TRAILER = "(fwd)"


def normal_id(text: str, limits: ThreadingLimits = _LIMITS) -> str | None:
    """One message identifier without its angle brackets, or None when it cannot be one.

    White space inside (left by careless folding) goes; case stays, as identifiers are compared
    octet by octet.  None for the empty one, one with control characters, and one over
    ``limits.max_id_characters``.
    """
    found = _BRACKETED.search(text)
    inner = found[1] if found else text
    inner = _SPACE.sub("", inner)
    if not inner or len(inner) > limits.max_id_characters or _CONTROL.search(inner):
        return None
    return inner if "<" not in inner and ">" not in inner else None


def message_ids(field: str, limits: ThreadingLimits = _LIMITS) -> tuple[str, ...]:
    """The identifiers in an unfolded References or In-Reply-To value, in order, each once.

    Bracketed ones count; only when there is none, bare ``left@right`` words do, and then only when
    the field is nothing but such words: "Your message of Monday from bob@example.org" names no
    message.  At most ``limits.max_ids`` of them: the first and the latest.
    """
    bounded = field
    if len(field) > limits.max_field_characters:
        half = limits.max_field_characters // 2
        # The empty identifier between keeps the two cut ends from reading as one.
        bounded = field[:half] + "<<>>" + field[-half:]
    found: Iterable[str] = _BRACKETED.findall(bounded)
    if not found:
        words = bounded.split()
        found = words if words and all(map(_BARE.fullmatch, words)) else ()
    ids = dict.fromkeys(i for i in (normal_id(one, limits) for one in found) if i)
    return bounded_references(tuple(ids), limits)


def bounded_references(ids: tuple[str, ...], limits: ThreadingLimits = _LIMITS) -> tuple[str, ...]:
    """``ids`` cut to ``limits.max_ids`` and ``limits.max_references_octets``.

    The first one stays, as it names the conversation, and as many of the last as fit, as they
    are the nearest ancestors.
    """
    if not ids:
        return ()
    room = limits.max_references_octets - _written(ids[0])
    kept: list[str] = []
    for one in reversed(ids[1:]):
        room -= _written(one)
        if room < 0 or len(kept) + 1 >= limits.max_ids:
            break
        kept.append(one)
    return (ids[0], *reversed(kept))


def _written(one: str) -> int:
    """Octets an identifier takes in the field: brackets and a separator with it."""
    return len(one.encode("utf-8", "surrogatepass")) + 3


def ancestors(
    in_reply_to: Iterable[str],
    references: Iterable[str],
    *,
    own: str | None = None,
    limits: ThreadingLimits = _LIMITS,
) -> tuple[str, ...]:
    """The identifiers to look a conversation up by, nearest parent first, bounded.

    ``in_reply_to`` and ``references`` are field values in the order they stand in the message
    (usually one of each).  In-Reply-To names the parent when it names exactly one message;
    References then leads from the nearest ancestor to the root (RFC 5322 section 3.6.4).  ``own``
    is the message's own identifier, which some senders put into References.
    """
    parents = [one for field in in_reply_to for one in message_ids(field, limits)]
    chain = [one for field in references for one in message_ids(field, limits)]
    nearest = [*parents, *reversed(chain)] if len(parents) == 1 else [*reversed(chain), *parents]
    ids = dict.fromkeys(nearest)
    if own is not None:
        ids.pop(normal_id(own, limits) or "", None)
    ordered = tuple(ids)
    if len(ordered) <= limits.max_ids:
        return ordered
    return (*ordered[: limits.max_ids - 1], ordered[-1])


def reply_references(
    message_id: str | None,
    in_reply_to: tuple[str, ...],
    references: tuple[str, ...],
    limits: ThreadingLimits = _LIMITS,
) -> tuple[str, ...]:
    """What an answer's References field holds (RFC 5322 section 3.6.4), oldest first, bounded.

    The parent's References, or its In-Reply-To when that is a single identifier and there is no
    References, followed by the parent's own identifier.  Identifiers come without brackets.
    """
    chain = references or (in_reply_to if len(in_reply_to) == 1 else ())
    ids = dict.fromkeys(chain)
    if message_id is not None:
        ids.pop(message_id, None)
        ids[message_id] = None
    return bounded_references(tuple(ids), limits)


def base_subject(subject: str) -> str:
    """The subject without reply and forward marks, list names and trailers.

    ``subject`` is decoded text.  Exactly the procedure of RFC 5256 section 2.1, so the marks are
    the English ones only; linear in the length of the subject.
    """
    text = _SPACE.sub(" ", subject)
    start, end = 0, len(text)
    while True:
        end = _without_trailers(text, start, end)
        start = _without_leaders(text, start, end)
        wrapped = text[start : start + len(_FORWARD_HEADER)].lower() == _FORWARD_HEADER
        if not (wrapped and end - start > len(_FORWARD_HEADER) and text[end - 1] == "]"):
            return text[start:end]
        start += len(_FORWARD_HEADER)
        end -= 1


def _without_trailers(text: str, start: int, end: int) -> int:
    """Step 2: where ``text`` ends once every "(fwd)" and space at its end is gone."""
    while end > start:
        if text[end - 1] == " ":
            end -= 1
        elif text[max(start, end - 5) : end].lower() == _FORWARD_TRAILER:
            end -= 5
        else:
            break
    return end


def _without_leaders(text: str, start: int, end: int) -> int:
    """Steps 3 to 5: where ``text`` begins after its leaders and the blobs that may go."""
    while start < end:
        if text[start] == " ":
            start += 1
            continue
        if leader := _LEADER.match(text, start, end):
            start = leader.end()
            continue
        last = after = start
        while blob := _BLOB.match(text, after, end):
            last, after = after, blob.end()
        if after == start:
            return start
        if _LEADER.match(text, after, end):
            start = after
        else:
            # No leader follows, so step 4 drops blob after blob unless nothing would be left.
            return after if after < end else last
    return start
