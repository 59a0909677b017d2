"""Which mailboxes LIST and LSUB show, and with which attributes (RFC 9051 section 6.3.9,
RFC 5258, RFC 6154)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agentpost.imap.wire.listmatch import ListPattern, ancestors
from agentpost.model.mailbox import SPECIAL_USE, Mailbox


@dataclass(frozen=True, slots=True)
class Selection:
    """What a LIST selects and what it wants told (RFC 5258 section 3)."""

    subscribed: bool = False
    special_use: bool = False
    recursive: bool = False
    tell_subscribed: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the answer.  ``child_matches`` asks for CHILDINFO ("SUBSCRIBED")."""

    name: str
    attributes: tuple[str, ...]
    mailbox: Mailbox | None
    child_matches: bool = False


def listed(
    mailboxes: Iterable[Mailbox],
    subscribed: frozenset[str],
    patterns: Iterable[ListPattern],
    selection: Selection,
    *,
    non_existent: bool,
) -> list[Listed]:
    """The mailboxes that LIST shows, by name.

    ``non_existent`` says that the client knows that attribute: from IMAP4rev2 or from having used
    the extended syntax (RFC 5258 section 3).
    """
    by_name = {mailbox.name: mailbox for mailbox in mailboxes}
    parents = _with_children(by_name)
    names = set(by_name)
    if selection.subscribed:
        names = set(subscribed)
    below = _with_children(subscribed) if selection.recursive else frozenset()
    tests = list(patterns)

    def matches(name: str) -> bool:
        return any(pattern.matches(name) for pattern in tests)

    # A parent that is not selected itself stands for children that are not listed (section 3.5).
    standing = _with_children(name for name in subscribed if not matches(name)) & below
    lines = []
    for name in sorted(names | standing):
        if not matches(name):
            continue
        mailbox = by_name.get(name)
        special = mailbox is not None and mailbox.role in SPECIAL_USE
        chosen = name in names and (special or not selection.special_use)
        child_matches = selection.subscribed and name in below
        if not chosen and not (child_matches and name in standing):
            continue
        attributes = _attributes(mailbox, name in parents, non_existent=non_existent)
        if name in subscribed and (selection.subscribed or selection.tell_subscribed):
            attributes = (*attributes, "\\Subscribed")
        lines.append(Listed(name, attributes, mailbox, child_matches))
    return lines


def subscriptions(
    mailboxes: Iterable[Mailbox], subscribed: frozenset[str], pattern: ListPattern
) -> list[Listed]:
    """What LSUB shows: subscribed names, and parents of hidden ones as \\Noselect.

    Source: RFC 3501 section 6.3.9: with ``%`` a parent stands for the subscribed names below it.
    """
    by_name = {mailbox.name: mailbox for mailbox in mailboxes}
    parents = _with_children(by_name)
    lines: dict[str, Listed] = {}
    for name in sorted(subscribed):
        if pattern.matches(name):
            mailbox = by_name.get(name)
            lines[name] = Listed(name, _attributes(mailbox, name in parents), mailbox)
            continue
        for above in ancestors(name):
            if pattern.matches(above) and above not in subscribed:
                lines[above] = Listed(above, ("\\Noselect", "\\HasChildren"), None)
    return [lines[name] for name in sorted(lines)]


def _with_children(names: Iterable[str]) -> frozenset[str]:
    return frozenset(above for name in names for above in ancestors(name))


def _attributes(
    mailbox: Mailbox | None, has_children: bool, *, non_existent: bool = False
) -> tuple[str, ...]:
    children = "\\HasChildren" if has_children else "\\HasNoChildren"
    if mailbox is None or not mailbox.selectable:
        # The first implies the second (RFC 5258 section 3).
        return ("\\NonExistent" if non_existent else "\\Noselect", children)
    special = SPECIAL_USE.get(mailbox.role) if mailbox.role is not None else None
    return (children,) if special is None else (children, special)
