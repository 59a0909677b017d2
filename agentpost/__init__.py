"""AgentPost: a self-hosted email platform for AI agents.

``from agentpost import AgentPost`` is the Python client; the server is the rest of this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentpost.client import AgentPost, AsyncAgentPost

__all__ = ["AgentPost", "AsyncAgentPost"]


def __getattr__(name: str) -> Any:
    # The server does not load the client, nor the client the server.
    if name in __all__:
        from agentpost import client

        return getattr(client, name)
    raise AttributeError(f"module 'agentpost' has no attribute {name!r}")
