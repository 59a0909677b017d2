"""How what was found is spread."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FacetCount:
    """A value and how many messages have it."""

    value: str
    messages: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Labels, folders, senders and inboxes of messages, the most frequent first."""

    labels: tuple[FacetCount, ...]
    folders: tuple[FacetCount, ...]
    senders: tuple[FacetCount, ...]
    inboxes: tuple[FacetCount, ...]
