"""Every bound of the server: a number, its unit, its reason and its source.

Limits are frozen values handed down, never read from a global, so that a test can shrink one and
an operator can raise one.
"""

from __future__ import annotations

from agentpost.limits.blobs import BlobLimits
from agentpost.limits.http import EventLimits, FileLimits, HttpLimits, McpLimits
from agentpost.limits.identity import DomainLimits, IdentityLimits, PolicyLimits
from agentpost.limits.imap import (
    FRAMING_AFTER_LOGIN,
    FRAMING_BEFORE_LOGIN,
    FramingLimits,
    GrammarLimits,
    ImapLimits,
)
from agentpost.limits.inbound import AuthenticationLimits, DnsLimits, InboundLimits, SnsLimits
from agentpost.limits.message import (
    BounceLimits,
    CompositionLimits,
    MessageLimits,
    MimeLimits,
    ThreadingLimits,
)
from agentpost.limits.relay import AwsLimits, RelayLimits, SesLimits, SmartHostLimits
from agentpost.limits.submission import SubmissionLimits
from agentpost.limits.work import (
    AuditLimits,
    ClaimLimits,
    ExportLimits,
    HoldLimits,
    IndexingLimits,
    JobLimits,
    MetricsLimits,
    PollingLimits,
    SearchLimits,
    SweepLimits,
    WebhookLimits,
)

__all__ = [
    "FRAMING_AFTER_LOGIN",
    "FRAMING_BEFORE_LOGIN",
    "AuditLimits",
    "AuthenticationLimits",
    "AwsLimits",
    "BlobLimits",
    "BounceLimits",
    "ClaimLimits",
    "CompositionLimits",
    "DnsLimits",
    "DomainLimits",
    "EventLimits",
    "ExportLimits",
    "FileLimits",
    "FramingLimits",
    "GrammarLimits",
    "HoldLimits",
    "HttpLimits",
    "IdentityLimits",
    "ImapLimits",
    "InboundLimits",
    "IndexingLimits",
    "JobLimits",
    "McpLimits",
    "MessageLimits",
    "MetricsLimits",
    "MimeLimits",
    "PolicyLimits",
    "PollingLimits",
    "RelayLimits",
    "SearchLimits",
    "SesLimits",
    "SmartHostLimits",
    "SnsLimits",
    "SubmissionLimits",
    "SweepLimits",
    "ThreadingLimits",
    "WebhookLimits",
]
