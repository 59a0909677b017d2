"""The resources of the REST API, one file each; ``RESOURCES`` is what a worker serves."""

from typing import Final

from agentpost.http.endpoint import Routes
from agentpost.http.resources import (
    api_keys,
    changes,
    credentials,
    environments,
    folders,
    inboxes,
    me,
    organization,
    threads,
)

RESOURCES: Final[tuple[Routes, ...]] = (
    me.routes,
    organization.routes,
    environments.routes,
    api_keys.routes,
    inboxes.routes,
    credentials.routes,
    folders.routes,
    changes.routes,
    threads.routes,
)
