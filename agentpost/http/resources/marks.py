"""How clients mark messages: labels, flags, folders."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from agentpost.http.endpoint import Body
from agentpost.http.resources.shapes import Label, Labels
from agentpost.limits import IdentityLimits
from agentpost.model.mailboxname import canonical
from agentpost.model.message import MessageChange
from agentpost.store import checks

Folder = Annotated[str, Meta(min_length=1, max_length=1024, description="Name of a folder")]


class MarksBody(Body, frozen=True, forbid_unknown_fields=True):
    """What changes about a message; what is left out stays as it is."""

    add_labels: Labels = msgspec.field(default_factory=list)
    remove_labels: Labels = msgspec.field(default_factory=list)
    seen: bool | None = None
    flagged: bool | None = None
    answered: bool | None = None
    folder: Annotated[Folder | None, Meta(description="Move it there")] = None


class LabelsBody(Body, frozen=True, forbid_unknown_fields=True):
    """Labels, in whatever case."""

    labels: Annotated[list[Label], Meta(min_length=1, max_length=50)]


def change_of(body: MarksBody) -> MessageChange:
    """What a client wants changed.  Raises: UnknownField."""
    folder = None if body.folder is None else folder_in(body.folder)
    return MessageChange(
        add_labels=labels_in(body.add_labels, "add_labels"),
        remove_labels=labels_in(body.remove_labels, "remove_labels"),
        seen=body.seen,
        flagged=body.flagged,
        answered=body.answered,
        folder=folder,
    )


def folder_in(given: str) -> str:
    """The name of a folder in its one spelling.  Raises: UnknownField."""
    return canonical(checks.searchable("folder", given))


def labels_in(given: list[str], path: str = "labels") -> tuple[str, ...]:
    """Labels in their one spelling.  Raises: UnknownField."""
    return checks.labels(tuple(given), IdentityLimits(), path)
