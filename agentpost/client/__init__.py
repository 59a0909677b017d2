"""The Python client: ``from agentpost import AgentPost``.

It stands beside the server and imports nothing of it; installed alone it needs httpx2 only.
"""

from agentpost.client._client import AgentPost, AsyncAgentPost
from agentpost.client._errors import (
    AgentPostError,
    ApiError,
    AuthenticationFailed,
    Conflict,
    ConnectionFailed,
    FieldError,
    Forbidden,
    InvalidRequest,
    NotFound,
    PreconditionFailed,
    QuotaExceeded,
    RateLimited,
    ServerFault,
    SignatureInvalid,
    TimedOut,
)
from agentpost.client._models import Event
from agentpost.client._pages import AsyncPage, AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven

__all__ = [
    "NOT_GIVEN",
    "AgentPost",
    "AgentPostError",
    "ApiError",
    "AsyncAgentPost",
    "AsyncPage",
    "AsyncPager",
    "AuthenticationFailed",
    "Conflict",
    "ConnectionFailed",
    "Event",
    "FieldError",
    "Forbidden",
    "InvalidRequest",
    "NotFound",
    "NotGiven",
    "Page",
    "PreconditionFailed",
    "QuotaExceeded",
    "RateLimited",
    "ServerFault",
    "SignatureInvalid",
    "TimedOut",
]
