"""A façade in AgentMail's spelling below ``/v0``; ``COMPAT`` is what a worker serves of it.

Source: version 2.0.18 of AgentMail's Python SDK, whose own methods test it.
"""

from typing import Final

from agentpost.http.compat import (
    consuming,
    domains,
    drafts,
    elsewhere,
    history,
    inboxes,
    keys,
    lists,
    messages,
    metrics,
    organization,
    pods,
    polling,
    search,
    sending,
    socket,
    threads,
    webhooks,
)
from agentpost.http.endpoint import Routes

COMPAT: Final[tuple[Routes, ...]] = (
    organization.routes,
    pods.routes,
    keys.routes,
    inboxes.routes,
    messages.routes,
    history.routes,
    sending.routes,
    search.routes,
    threads.routes,
    drafts.routes,
    domains.routes,
    lists.routes,
    metrics.routes,
    webhooks.routes,
    polling.routes,
    consuming.routes,
    socket.routes,
    elsewhere.routes,
)
