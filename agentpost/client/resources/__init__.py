"""The operations of the API.  Written by ``python -m generators.client``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agentpost.client._calls import Call
from agentpost.client.resources.api_keys import ApiKeys, AsyncApiKeys
from agentpost.client.resources.approvals import Approvals, AsyncApprovals
from agentpost.client.resources.attachments import AsyncAttachments, Attachments
from agentpost.client.resources.audit_log import AsyncAuditLog, AuditLog
from agentpost.client.resources.claims import AsyncClaims, Claims
from agentpost.client.resources.credentials import AsyncCredentials, Credentials
from agentpost.client.resources.domains import AsyncDomains, Domains
from agentpost.client.resources.drafts import AsyncDrafts, Drafts
from agentpost.client.resources.environments import AsyncEnvironments, Environments
from agentpost.client.resources.events import AsyncEvents, Events
from agentpost.client.resources.exports import AsyncExports, Exports
from agentpost.client.resources.filter_rules import AsyncFilterRules, FilterRules
from agentpost.client.resources.folders import AsyncFolders, Folders
from agentpost.client.resources.inboxes import AsyncInboxes, Inboxes
from agentpost.client.resources.jobs import AsyncJobs, Jobs
from agentpost.client.resources.labels import AsyncLabels, Labels
from agentpost.client.resources.me import AsyncMe, Me
from agentpost.client.resources.messages import AsyncMessages, Messages
from agentpost.client.resources.metrics import AsyncMetrics, Metrics
from agentpost.client.resources.org import AsyncOrg, Org
from agentpost.client.resources.suppressions import AsyncSuppressions, Suppressions
from agentpost.client.resources.threads import AsyncThreads, Threads
from agentpost.client.resources.webhooks import AsyncWebhooks, Webhooks


class Resources:
    """The resources of the API, as attributes of the client."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self.me = Me(call)
        self.org = Org(call)
        self.environments = Environments(call)
        self.api_keys = ApiKeys(call)
        self.inboxes = Inboxes(call)
        self.credentials = Credentials(call)
        self.messages = Messages(call)
        self.attachments = Attachments(call)
        self.folders = Folders(call)
        self.threads = Threads(call)
        self.labels = Labels(call)
        self.drafts = Drafts(call)
        self.domains = Domains(call)
        self.filter_rules = FilterRules(call)
        self.suppressions = Suppressions(call)
        self.approvals = Approvals(call)
        self.jobs = Jobs(call)
        self.claims = Claims(call)
        self.events = Events(call)
        self.audit_log = AuditLog(call)
        self.exports = Exports(call)
        self.metrics = Metrics(call)
        self.webhooks = Webhooks(call)


class AsyncResources:
    """The resources of the API, as attributes of the client."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self.me = AsyncMe(call)
        self.org = AsyncOrg(call)
        self.environments = AsyncEnvironments(call)
        self.api_keys = AsyncApiKeys(call)
        self.inboxes = AsyncInboxes(call)
        self.credentials = AsyncCredentials(call)
        self.messages = AsyncMessages(call)
        self.attachments = AsyncAttachments(call)
        self.folders = AsyncFolders(call)
        self.threads = AsyncThreads(call)
        self.labels = AsyncLabels(call)
        self.drafts = AsyncDrafts(call)
        self.domains = AsyncDomains(call)
        self.filter_rules = AsyncFilterRules(call)
        self.suppressions = AsyncSuppressions(call)
        self.approvals = AsyncApprovals(call)
        self.jobs = AsyncJobs(call)
        self.claims = AsyncClaims(call)
        self.events = AsyncEvents(call)
        self.audit_log = AsyncAuditLog(call)
        self.exports = AsyncExports(call)
        self.metrics = AsyncMetrics(call)
        self.webhooks = AsyncWebhooks(call)
