"""One organization with one of everything, another one, and every route that may be asked.

The routes come from the tables that the server serves, so a new one is in the sweeps from its
first day; a route whose body cannot be empty needs a sample below, and one with a new variable in
its path a name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from agentpost.http.compat import COMPAT
from agentpost.http.endpoint import Endpoint
from agentpost.http.resources import RESOURCES
from agentpost.ids import job_id
from agentpost.model.actor import Scope, system_actor
from agentpost.model.claim import ClaimRequest
from agentpost.model.export import NewExport
from agentpost.model.message import MessageChange, MessageFilter
from agentpost.store.domains import DomainRequest
from agentpost.store.polling import PollingRequest
from agentpost.store.rules import RuleRequest
from agentpost.store.suppressions import SuppressionRequest
from agentpost.store.webhooks import WebhookRequest
from tests.http.resources.conftest import Answer, Api, Caller, Tenant, deliver, running, write_event

SAMPLES: Final[dict[str, object]] = {
    "BatchDeleteBody": {"ids": ["{message}"]},
    "BatchGetBody": {"ids": ["{message}"]},
    "CheckBody": {"direction": "send", "address": "ada@elsewhere.example", "inbox": "{inbox}"},
    "CatchAllBody": {"inbox_id": "{inbox}"},
    "BatchMarksBody": {"ids": ["{message}"], "seen": True},
    "NewKeyBody": {"name": "One", "scopes": ["inboxes:read"], "inbox_ids": ["{inbox}"]},
    "NewRuleBody": {
        "direction": "send",
        "action": "block",
        "match_type": "domain",
        "value": "another.example",
        "inbox": "{inbox}",
    },
    "ForwardBody": {"to": "ada@elsewhere.example", "text_body": "FYI"},
    "ReplyBody": {"text_body": "Yes."},
    "SendBody": {"to": "ada@elsewhere.example", "subject": "x", "text_body": "y"},
}
"""Bodies of REST by the name of their type, where neither the documentation's example nor {} will
do."""
FACADE_SAMPLES: Final[dict[str, object]] = {
    "domains.NewBody": {"domain": "another.example"},
    "lists.NewBody": {"entry": "another.example"},
    "messages.MarkedBody": {"add_labels": "mine"},
    "messages.MarkedManyBody": {"message_ids": ["{message}"], "add_labels": "mine"},
    "messages.NamesBody": {"message_ids": ["{message}"]},
    "pods.NewBody": {"name": "Another"},
    "polling.NewBody": {"client_id": "another", "event_types": ["message.received"]},
    "polling.NewInboxBody": {"client_id": "another", "event_types": ["message.received"]},
    "polling.NewPodBody": {"client_id": "another", "event_types": ["message.received"]},
    "sending.AnsweredBody": {"to": "ada@elsewhere.example", "text": "x"},
    "sending.LetterBody": {"to": "ada@elsewhere.example", "text": "x"},
    "sending.WordsBody": {"text": "x"},
    "threads.LabelledBody": {"add_labels": ["mine"]},
    "webhooks.HeadersBody": {"headers": {"x-a": "b"}},
    "webhooks.NewBody": {
        "url": "https://another.example/",
        "event_types": ["message.received"],
    },
}
"""Bodies of the façade, whose types have the same names in several modules."""

FORM: Final = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.txt"\r\n\r\nx\r\n--b--\r\n'
)
OCTETS: Final[dict[str, tuple[bytes, str]]] = {
    "/api/v1/attachments": (FORM, "multipart/form-data; boundary=b"),
}
"""Bodies that are octets and no message, with their media types, by path."""

QUERIES: Final = {
    "ChangesQuery": "since=0",
    "WaitQuery": "timeout_s=0",
    "SearchQuery": "q=secret",
}
"""Query strings by the name of their type, where something is required."""

MESSAGE: Final = (
    b"From: Ada <ada@elsewhere.example>\r\nSubject: The secret plan\r\nMessage-ID: <plan@x>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\nAttack at dawn.\r\n--b\r\nContent-Type: text/csv\r\n"
    b"Content-Disposition: attachment; filename=plan.csv\r\n\r\na,b\r\n--b--\r\n"
)
ABSENT: Final = "01JQ8X5K2M3N4P5R6S7T8V9W00"
WORDS: Final = (b"secret plan", b"dawn", b"plan.csv", b"secret-inbox")
"""What stands in Acme's mail, and in the names of what it has."""
NO_IDS: Final = frozenset({"direction", "list_type"})
"""Variables of paths that name nothing of anybody's."""

EVERYTHING: Final = [endpoint for routes in (*RESOURCES, *COMPAT) for endpoint in routes.endpoints]
POLLED: Final = [endpoint for endpoint in EVERYTHING if endpoint.polling]
"""What no key opens, but a token for one thing: test_polling.py says which for whom."""
GUARDED: Final = [
    endpoint for endpoint in EVERYTHING if not endpoint.public and endpoint not in POLLED
]
STREAMS: Final = [endpoint for endpoint in GUARDED if "text/event-stream" in endpoint.produces]
"""What never ends once it is open: test_events.py says what streams tell to whom."""
ROUTES: Final = [
    endpoint for endpoint in GUARDED if endpoint not in STREAMS and endpoint.status != 501
]
"""What answers; 501 is what the façade has no answer for, whoever asks about whatever."""


def variables(endpoint: Endpoint) -> set[str]:
    """The variables of a path that name something of somebody's."""
    return {part[1:-1] for part in endpoint.path.split("/") if part[:1] == "{"} - NO_IDS


@dataclass
class Matrix:
    """One organization with one of everything, and another one."""

    api: Api
    acme: Tenant
    globex: Tenant
    names: dict[str, str]

    def path(self, endpoint: Endpoint, names: dict[str, str] | None = None) -> str:
        names = self.names if names is None else names
        if endpoint.path.startswith("/v0/"):
            names = names | {"message": names["message_id"]}
        return endpoint.path.format(**names)

    async def ask(
        self,
        caller: Caller,
        endpoint: Endpoint,
        names: dict[str, str] | None = None,
        *,
        query: str = "",
        more: dict[str, Any] | None = None,
        **fields: str,
    ) -> Answer:
        """A request that is well made; ``more`` joins its body, ``query`` its query string."""
        body: Any = None
        if endpoint.body is bytes:
            body, media = OCTETS.get(endpoint.path, (MESSAGE, endpoint.accepts[0]))
            fields["content_type"] = media
        elif endpoint.body is not None:
            body = {**self.sample(endpoint), **(more or {})}
        needed = QUERIES.get(endpoint.query.__name__, "") if endpoint.query is not None else ""
        asked = "&".join(filter(None, (needed, query)))
        path = self.path(endpoint, names) + (f"?{asked}" if asked else "")
        return await caller(endpoint.method, path, body, **fields)

    def sample(self, endpoint: Endpoint) -> Any:
        """A body for an endpoint that names what Acme has."""
        kind = endpoint.body
        body = endpoint.examples.get("request", {})
        if endpoint.path.startswith("/v0"):
            module = kind.__module__.rpartition(".")[2]
            body = FACADE_SAMPLES.get(f"{module}.{kind.__name__}", body)
        else:
            body = SAMPLES.get(kind.__name__, body)
        return self._named(body)

    def _named(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._named(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._named(each) for each in value]
        return value.format(**self.names) if isinstance(value, str) and value[:1] == "{" else value

    def secrets(self) -> Iterator[bytes]:
        """What no stranger may ever be shown."""
        for kind, name in self.names.items():
            # What the organization's own rules say holds for everybody in it.
            if len(name) > 10 and kind != "entry":
                yield name.encode()
        yield from WORDS

    def absent(self) -> dict[str, str]:
        """Names of the same kinds that are nobody's."""
        absent = {name: f"{value[:4]}{ABSENT}" for name, value in self.names.items()}
        absent |= {"credential": f"mc_{ABSENT}", "folder": "secret-inbox-folder"}
        absent |= {"rule": f"fr_{ABSENT}", "address": "nobody@elsewhere.example"}
        absent |= {"entry": "nobody.example", "message_id": "%3Cnothing%40x%3E"}
        return absent | {name: self.names[name] for name in NO_IDS}


@asynccontextmanager
async def matrix_of(database_url: str, directory: Path) -> AsyncIterator[Matrix]:
    """The running API with Acme's things in it."""
    async with running(database_url, directory) as api:
        acme, globex = await api.tenant("acme"), await api.tenant("globex")
        yield Matrix(api, acme, globex, await one_of_everything(acme, "secret-inbox", MESSAGE))


async def one_of_everything(tenant: Tenant, word: str, octets: bytes) -> dict[str, str]:
    """Make one of everything, and tell its names by the variables of paths.

    ``word`` begins what is unique on the server.  Besides: ``upload``, a file that waits, and
    ``message_id``, which is what the façade calls the message.
    """
    store, actor = tenant.store, tenant.actor
    short = word.rpartition("-")[2]
    inbox = await tenant.inbox(word)
    placed = await deliver(store, inbox, octets)
    draft = await deliver(store, inbox, octets, role="drafts")
    second, _ = await store.environments.create(actor, f"Second of {short}")
    where = (await store.directory.reach(actor, None, inbox.id)).scope
    await store.mailboxes.create(actor, where, f"{word}-folder")
    files = await tenant.call("GET", f"/messages/{placed.message}/attachments")
    credentials = await store.credentials.all(actor, inbox.id)
    job = await store.jobs.add(
        system_actor(), "report", {"message_id": placed.message}, organization=actor.organization
    )
    blocked = f"{short}.partner.example"
    partner = RuleRequest("send", "block", "domain", blocked, "organization")
    await store.rules.create(actor, partner)
    await store.rules.create(actor, replace(partner, scope="inbox", inbox=inbox.id))
    rule, _ = await store.rules.create(actor, replace(partner, scope="environment"))
    suppressed, _ = await store.suppressions.add(
        actor, SuppressionRequest(f"{short}@elsewhere.example")
    )
    (claimed,) = await store.claims.take(
        actor, inbox.id, MessageFilter(direction="inbound"), ClaimRequest(1, 600.0, 5)
    )
    label = MessageChange(add_labels=(f"{word}-label",))
    await store.messages.update(actor, placed.message, label)
    event = await write_event(tenant, "message.received", inbox.id)
    hook, _ = await store.webhooks.create(
        actor, WebhookRequest(f"https://{word}-receiver.example/", inboxes=(inbox.id,))
    )
    delivery = await store.webhook_log.test(actor, hook.id)
    for place in (Scope(where.organization), replace(where, inbox=None), where):
        read = PollingRequest(f"{word}-reader", ("message.received",), (), (inbox.id,))
        await store.polling.create(actor, place, read)
    bound = {"environments": (inbox.environment,), "inboxes": (inbox.id,)}
    spare = await (await tenant.caller("inboxes:read", **bound))("GET", "/me")
    domain, _ = await store.domains.create(actor, DomainRequest(f"{word}.example"))
    export, _ = await store.exports.create(actor, NewExport("mbox", inbox=inbox.id))
    form = "multipart/form-data; boundary=b"
    upload = await tenant.call("POST", "/attachments", FORM, content_type=form)
    return {
        "inbox": inbox.id,
        "message": placed.message,
        "message_id": "%3Cplan%40x%3E",
        "thread": placed.thread,
        "draft": "drf_" + draft.message[4:],
        "attachment": files.json["data"][0]["id"],
        "credential": credentials[0].id,
        "key": spare.json["key_id"],
        "environment": second.id,
        "pod": tenant.environment.id,
        "domain": domain.id,
        "export": export.id,
        "folder": f"{word}-folder",
        "label": f"{word}-label",
        "job": job_id(job),
        "rule": rule.id,
        "entry": rule.value,
        "direction": rule.direction,
        "list_type": rule.action,
        "address": suppressed.address,
        "webhook": hook.id,
        "delivery": delivery.id,
        "polling": f"{word}-reader",
        "approval": await _held(tenant, inbox.id, word),
        "event": event,
        "claim": claimed.id,
        "upload": upload.json["key"],
        **dict.fromkeys(("account", "app", "consumer", "file"), "x"),
    }


async def _held(tenant: Tenant, inbox: str, subject: str) -> str:
    """The approval that a message of the inbox waits for."""
    body = {"to": "ada@elsewhere.example", "subject": subject, "hold_for_approval": True}
    agent = await tenant.caller("messages:write")
    await agent("POST", f"/inboxes/{inbox}/messages", body)
    listed = await tenant.call("GET", "/approvals")
    return str(listed.json["data"][0]["id"])
