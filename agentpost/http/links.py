"""The URLs of files that need no key: made for who may read or write, opened for who has them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from agentpost import clock
from agentpost.auth.links import Link, LinkKind, LinkMethod, Links
from agentpost.ids import EnvironmentId, InboxId, OrganizationId
from agentpost.limits import FileLimits
from agentpost.model.actor import Actor
from agentpost.model.export import Export
from agentpost.model.message import Message
from agentpost.model.upload import Upload

ROOT: Final = "/files"
LINK_SEAL: Final = "file links"
"""Name of the deployment's secret that seals links."""


class FileLinks:
    """Makes and opens the URLs under ``/files``."""

    def __init__(self, secret: bytes, base_url: str, limits: FileLimits | None = None) -> None:
        """``base_url`` is that of the HTTP interface as clients see it."""
        self._links = Links(secret)
        self._base = base_url + ROOT
        self._limits = limits or FileLimits()

    def ends(self) -> datetime:
        """When a link that is made now ends, in whole seconds."""
        return clock.now().replace(microsecond=0) + timedelta(seconds=self._limits.link_s)

    def download(
        self, actor: Actor, message: Message, kind: LinkKind, ends: datetime, part: str = ""
    ) -> str:
        """The URL of a message's octets, or of one of its files."""
        return self._url(
            Link(
                "GET",
                kind,
                int(ends.timestamp()),
                message.organization,
                message.environment,
                message.inbox,
                message.id,
                part,
                actor.credential,
            )
        )

    def upload(self, actor: Actor, upload: Upload, ends: datetime) -> str:
        """The URL to put an announced file to."""
        return self._url(
            Link(
                "PUT",
                "upload",
                int(ends.timestamp()),
                upload.organization,
                upload.environment,
                "",
                upload.key,
                "",
                actor.credential,
                upload.size,
            )
        )

    def export(self, actor: Actor, export: Export, ends: datetime) -> str:
        """The URL of an export's file."""
        ends_at = int(ends.timestamp())
        organization, credential = export.organization, actor.credential
        return self._url(
            Link("GET", "export", ends_at, organization, "", "", export.id, "", credential)
        )

    def open(self, token: str, method: LinkMethod) -> Link:
        """What a token opens now.  Raises: LinkInvalid, LinkExpired."""
        return self._links.open(token, method, clock.now().timestamp())

    def _url(self, link: Link) -> str:
        return f"{self._base}/{self._links.seal(link)}"


def bearer(link: Link) -> Actor:
    """Whoever has the link: may do the one thing that it is for, in the one place."""
    if link.kind == "export":
        scopes = frozenset({"exports:write"})
        return Actor(OrganizationId(link.organization), link.credential, scopes, source="link")
    scope = "messages:write" if link.method == "PUT" else "messages:read"
    environment = EnvironmentId(link.environment)
    return Actor(
        OrganizationId(link.organization),
        link.credential,
        frozenset({scope}),
        environments=frozenset({environment}),
        inboxes=frozenset({InboxId(link.inbox)}) if link.inbox else None,
        environment=environment,
        source="link",
    )
