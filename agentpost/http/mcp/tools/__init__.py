"""All tools, in the order in which they are listed: as people learn them."""

from __future__ import annotations

from typing import Final

from agentpost.http.mcp.tool import Tool
from agentpost.http.mcp.tools import (
    approvals,
    checking,
    claims,
    domains,
    drafts,
    happenings,
    identity,
    messages,
    search,
    sending,
    threads,
    waiting,
)

TOOLS: Final[dict[str, Tool]] = {
    tool.name: tool
    for part in (
        identity,
        threads,
        messages,
        search,
        sending,
        checking,
        waiting,
        claims,
        drafts,
        approvals,
        domains,
        happenings,
    )
    for tool in part.tools.tools
}
