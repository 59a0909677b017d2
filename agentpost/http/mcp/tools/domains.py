"""Tools about custom domains.  What DNS holds was written by somebody else, and is wrapped like mail."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import UNSET, Meta

from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.schema import of_fields
from agentpost.http.mcp.tool import Arguments, Number, Text, Tools
from agentpost.http.resources import domains

tools = Tools()


class ListDomains(Arguments, frozen=True):
    """What domains are narrowed to."""

    domain: Text = UNSET
    limit: Number = UNSET
    cursor: Text = UNSET


class NewDomain(Arguments, frozen=True):
    """A domain to add."""

    domain: str
    client_id: Text = UNSET


class OneDomain(Arguments, frozen=True):
    """A domain."""

    domain: Annotated[str, Meta(description="Its id")]


@tools.add(
    "List custom domains and what is missing in their DNS.",
    ListDomains,
    "domains:read",
    hints="RI",
)
async def list_domains(call: Calling, arguments: ListDomains) -> Any:
    """Domains with their records."""
    return await call(domains.list_domains, query=arguments.given("domain", "limit", "cursor"))


@tools.add(
    "Add a custom domain; the answer holds the DNS records to publish.",
    NewDomain,
    "domains:write",
    hints="I",
    returns=of_fields("id", "status"),
)
async def add_domain(call: Calling, arguments: NewDomain) -> Any:
    """A new domain."""
    return await call(domains.create_domain, body=arguments.given("domain", "client_id"))


@tools.add(
    "Look at a domain's DNS records now.",
    OneDomain,
    "domains:write",
    hints="IO",
)
async def verify_domain(call: Calling, arguments: OneDomain) -> Any:
    """What DNS says."""
    return await call(domains.verify_domain, {"domain": arguments.domain})
