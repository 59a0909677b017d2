"""The resources of the REST API, one file each; ``RESOURCES`` is what a worker serves."""

from typing import Final

from agentpost.http.endpoint import Routes
from agentpost.http.resources import (
    api_keys,
    attachments,
    batches,
    changes,
    client_config,
    contents,
    credentials,
    drafts,
    environments,
    folders,
    importing,
    inboxes,
    jobs,
    labels,
    me,
    messages,
    organization,
    sending,
    socket,
    threads,
)

RESOURCES: Final[tuple[Routes, ...]] = (
    me.routes,
    organization.routes,
    environments.routes,
    api_keys.routes,
    inboxes.routes,
    credentials.routes,
    client_config.routes,
    client_config.public,
    messages.routes,
    importing.routes,
    batches.routes,
    sending.routes,
    contents.routes,
    attachments.routes,
    attachments.public,
    folders.routes,
    changes.routes,
    threads.routes,
    labels.routes,
    drafts.routes,
    jobs.routes,
    socket.routes,
)
