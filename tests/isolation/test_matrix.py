"""Every route of the REST API against every credential that must not open it.

The routes come from the table that the server serves, so a new one is in here from its first day;
a route whose body cannot be empty needs a sample below.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from agentpost import clock
from agentpost.http.endpoint import Endpoint
from agentpost.http.resources import RESOURCES
from agentpost.ids import job_id
from agentpost.model.actor import SCOPES, system_actor, widen
from agentpost.model.claim import ClaimRequest
from agentpost.model.export import NewExport
from agentpost.model.message import MessageFilter
from agentpost.store.domains import DomainRequest
from agentpost.store.rules import RuleRequest
from agentpost.store.suppressions import SuppressionRequest
from agentpost.store.webhooks import WebhookRequest
from tests.http.resources.conftest import ALL, Answer, Caller, Tenant, deliver, running, write_event

SAMPLES: Final[dict[str, object]] = {
    "BatchDeleteBody": {"ids": ["{message}"]},
    "BatchGetBody": {"ids": ["{message}"]},
    "CheckBody": {"direction": "send", "address": "ada@elsewhere.example", "inbox": "{inbox}"},
    "CatchAllBody": {"inbox_id": "{inbox}"},
    "BatchMarksBody": {"ids": ["{message}"], "seen": True},
    "ForwardBody": {"to": "ada@elsewhere.example", "text_body": "FYI"},
    "ReplyBody": {"text_body": "Yes."},
    "SendBody": {"to": "ada@elsewhere.example", "subject": "x", "text_body": "y"},
}
"""Bodies by the name of their type, where neither the documentation's example nor {} will do."""

FORM: Final = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.txt"\r\n\r\nx\r\n--b--\r\n'
)
OCTETS: Final[dict[str, tuple[bytes, str]]] = {
    "/api/v1/attachments": (FORM, "multipart/form-data; boundary=b"),
}
"""Bodies that are octets and no message, with their media types, by path."""

QUERIES: Final = {"ChangesQuery": "?since=0", "WaitQuery": "?timeout_s=0"}
"""Query strings by the name of their type, where something is required."""

MESSAGE: Final = (
    b"From: Ada <ada@elsewhere.example>\r\nSubject: The secret plan\r\nMessage-ID: <plan@x>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\n\r\nAttack at dawn.\r\n--b\r\nContent-Type: text/csv\r\n"
    b"Content-Disposition: attachment; filename=plan.csv\r\n\r\na,b\r\n--b--\r\n"
)
ABSENT: Final = "01JQ8X5K2M3N4P5R6S7T8V9W00"

_WORDS: Final = (b"secret plan", b"dawn", b"plan.csv", b"secret-inbox")

GUARDED: Final = [
    endpoint for routes in RESOURCES for endpoint in routes.endpoints if not endpoint.public
]
ROUTES: Final = [endpoint for endpoint in GUARDED if "text/event-stream" not in endpoint.produces]
"""Without what never ends once it is open: test_events.py says what streams tell to whom."""


@dataclass
class Matrix:
    """One organization with one of everything, and another one."""

    acme: Tenant
    globex: Tenant
    names: dict[str, str]

    def path(self, endpoint: Endpoint, names: dict[str, str] | None = None) -> str:
        return endpoint.path.format(**(self.names if names is None else names))

    async def ask(
        self, caller: Caller, endpoint: Endpoint, names: dict[str, str] | None = None
    ) -> Answer:
        body: Any = None
        fields = {}
        if endpoint.body is bytes:
            body, media = OCTETS.get(endpoint.path, (MESSAGE, endpoint.accepts[0]))
            fields = {"content_type": media}
        elif endpoint.body is not None:
            body = self._named(endpoint.examples.get("request", {}))
            body = self._named(SAMPLES.get(endpoint.body.__name__, body))
        query = QUERIES.get(endpoint.query.__name__, "") if endpoint.query is not None else ""
        path = self.path(endpoint, names) + query
        return await caller(endpoint.method, path, body, **fields)

    def _named(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._named(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._named(each) for each in value]
        return value.format(**self.names) if isinstance(value, str) and value[:1] == "{" else value

    def secrets(self) -> Iterator[bytes]:
        """What no stranger may ever be shown."""
        for name in self.names.values():
            if len(name) > 10:
                yield name.encode()
        yield from _WORDS


@pytest.fixture
async def matrix(database_url: str, tmp_path: Path) -> AsyncIterator[Matrix]:
    async with running(database_url, tmp_path) as api:
        acme, globex = await api.tenant("acme"), await api.tenant("globex")
        store = api.store
        inbox = await acme.inbox("secret-inbox")
        placed = await deliver(store, inbox, MESSAGE)
        draft = await deliver(store, inbox, MESSAGE, role="drafts")
        second, _ = await store.environments.create(acme.actor, "Second")
        where = (await store.directory.reach(acme.actor, None, inbox.id)).scope
        await store.mailboxes.create(acme.actor, where, "secret-inbox-folder")
        files = await acme.call("GET", f"/messages/{placed.message}/attachments")
        credentials = await store.credentials.all(acme.actor, inbox.id)
        job = await store.jobs.add(
            system_actor(),
            "report",
            {"message_id": placed.message},
            organization=acme.actor.organization,
        )
        rule, _ = await store.rules.create(
            acme.actor, RuleRequest("send", "allow", "domain", "partner.example")
        )
        suppressed, _ = await store.suppressions.add(
            acme.actor, SuppressionRequest("gone-for-ever@elsewhere.example")
        )
        (claimed,) = await store.claims.take(
            acme.actor, inbox.id, MessageFilter(direction="inbound"), ClaimRequest(1, 600.0, 5)
        )
        event = await write_event(acme, "message.received", inbox.id)
        hook, _ = await store.webhooks.create(
            acme.actor, WebhookRequest("https://secret-receiver.example/", inboxes=(inbox.id,))
        )
        delivery = await store.webhook_log.test(acme.actor, hook.id)
        spare = await (await acme.caller("inboxes:read"))("GET", "/me")
        domain, _ = await store.domains.create(acme.actor, DomainRequest("secret-inbox.example"))
        export, _ = await store.exports.create(acme.actor, NewExport("mbox", inbox=inbox.id))
        names = {
            "inbox": inbox.id,
            "message": placed.message,
            "thread": placed.thread,
            "draft": "drf_" + draft.message[4:],
            "attachment": files.json["data"][0]["id"],
            "credential": credentials[0].id,
            "key": spare.json["key_id"],
            "environment": second.id,
            "domain": domain.id,
            "export": export.id,
            "folder": "secret-inbox-folder",
            "job": job_id(job),
            "rule": rule.id,
            "address": suppressed.address,
            "webhook": hook.id,
            "delivery": delivery.id,
            "approval": await _held(acme, inbox.id),
            "event": event,
            "claim": claimed.id,
        }
        yield Matrix(acme, globex, names)


async def _held(acme: Tenant, inbox: str) -> str:
    """The approval that a message of the inbox waits for."""
    body = {"to": "ada@elsewhere.example", "subject": "secret plan", "hold_for_approval": True}
    agent = await acme.caller("messages:write")
    await agent("POST", f"/inboxes/{inbox}/messages", body)
    listed = await acme.call("GET", "/approvals")
    return str(listed.json["data"][0]["id"])


def test_every_route_can_be_asked() -> None:
    """No route is left out for want of a name or a body."""
    assert len(ROUTES) > 70
    assert {endpoint.method for endpoint in ROUTES} == {"GET", "POST", "PUT", "PATCH", "DELETE"}


async def test_the_right_key_opens_every_route(matrix: Matrix) -> None:
    last = {"DELETE": 1}
    wrong = {}
    # What deletes comes last, the deepest paths first and the inbox, in which nothing can be
    # changed any longer, at the end: so the others still find something.
    ordered = sorted(
        ROUTES,
        key=lambda e: (
            last.get(e.method, 0),
            e.path.endswith("/{inbox}"),
            -e.path.count("/"),
            "labels" not in e.path,
        ),
    )
    gone = {"thread", "draft", "folder"}
    for endpoint in ordered:
        answer = await matrix.ask(matrix.acme.call, endpoint)
        emptied = answer.status == 404 and any(f"{{{name}}}" in endpoint.path for name in gone)
        if answer.status >= 400 and not emptied and answer.status not in (409, 422):
            wrong[f"{endpoint.method} {endpoint.path}"] = (answer.status, answer.octets)
    assert wrong == {}


async def test_no_key_and_a_wrong_key_open_nothing(matrix: Matrix) -> None:
    wrong = {}
    for secret in (None, "ap_sk_live_" + "x" * 32, "ap_mail_" + "x" * 32, "nonsense"):
        caller = Caller(matrix.acme.call.port, secret)
        matrix.acme.callers.append(caller)
        # Strangers are few a minute: a sample of the routes for each.
        for endpoint in GUARDED[:: len(GUARDED) // 12]:
            answer = await matrix.ask(caller, endpoint)
            if answer.status != 401 or answer.code != "unauthenticated":
                wrong[f"{secret} {endpoint.method} {endpoint.path}"] = answer.status
    assert wrong == {}


async def test_revoked_and_expired_keys_open_nothing(matrix: Matrix) -> None:
    acme = matrix.acme
    revoked = await acme.caller(*ALL)
    first = await revoked("GET", "/me")
    await acme.store.keys.revoke(acme.actor, first.json["key_id"])
    expired = await acme.caller(*ALL, expires_at=clock.now() - timedelta(seconds=1))
    wrong = {}
    for endpoint in GUARDED[:: len(GUARDED) // 25]:
        for caller, status, code in (
            (revoked, 401, "unauthenticated"),
            (expired, 401, "expired"),
        ):
            answer = await matrix.ask(caller, endpoint)
            if (answer.status, answer.code) != (status, code):
                wrong[f"{code} {endpoint.method} {endpoint.path}"] = answer.status
    assert wrong == {}


async def test_every_route_needs_its_scope(matrix: Matrix) -> None:
    callers: dict[str, Caller] = {}
    wrong = {}
    for endpoint in GUARDED:
        scope = endpoint.scope
        if scope is None:
            continue
        if scope not in callers:
            others = [one for one in sorted(SCOPES) if scope not in widen(frozenset({one}))]
            callers[scope] = await matrix.acme.caller(*others)
        answer = await matrix.ask(callers[scope], endpoint)
        if (answer.status, answer.code) != (403, "forbidden") or scope not in answer.json["fix"]:
            wrong[f"{endpoint.method} {endpoint.path}"] = answer.status
    assert wrong == {}


async def test_another_organization_learns_nothing(matrix: Matrix) -> None:
    wrong = {}
    for endpoint in ROUTES:
        answer = await matrix.ask(matrix.globex.call, endpoint)
        about = f"{endpoint.method} {endpoint.path}"
        if "{" in endpoint.path and answer.status != 404:
            wrong[about] = answer.octets
        told = answer.octets
        for name in matrix.path(endpoint).encode().split(b"/"):
            told = told.replace(name, b"") if len(name) > 20 else told
        if "batch" not in endpoint.path and any(each in told for each in matrix.secrets()):
            wrong[about] = answer.octets
    assert wrong == {}
    assert (await matrix.acme.call("GET", matrix.path(_route("GET", "message")))).status == 200


async def test_another_s_and_none_at_all_read_alike(matrix: Matrix) -> None:
    """What exists elsewhere is refused in the same words as what exists nowhere."""
    absent = {name: f"{value[:4]}{ABSENT}" for name, value in matrix.names.items()}
    absent |= {"credential": f"mc_{ABSENT}", "folder": "secret-inbox-folder"}
    absent |= {"rule": f"fr_{ABSENT}", "address": "nobody@elsewhere.example"}
    wrong = {}
    for endpoint in ROUTES:
        if "{" not in endpoint.path:
            continue
        theirs = await matrix.ask(matrix.globex.call, endpoint)
        nowhere = await matrix.ask(matrix.globex.call, endpoint, absent)
        for field in ("code", "message", "fix"):
            if theirs.json.get(field) != nowhere.json.get(field):
                wrong[f"{endpoint.method} {endpoint.path}"] = (theirs.json, nowhere.json)
    assert wrong == {}


async def test_a_key_of_another_environment_learns_nothing(matrix: Matrix) -> None:
    other, _ = await matrix.acme.store.environments.create(matrix.acme.actor, "Third")
    bound = await matrix.acme.caller(*ALL, environments=(other.id,))
    wrong = {}
    for endpoint in ROUTES:
        answer = await matrix.ask(bound, endpoint)
        about = f"{endpoint.method} {endpoint.path}"
        # A bound key cannot concern itself with the whole organization: that is told as such.
        if "{" in endpoint.path and answer.status not in (403, 404):
            wrong[about] = answer.octets
        told = answer.octets.replace(matrix.path(endpoint).encode(), b"")
        shown = answer.status < 400 and "batch" not in endpoint.path
        if shown and any(each in told for each in matrix.secrets()):
            wrong[about] = answer.octets
    assert wrong == {}


async def test_a_key_bound_to_another_inbox_learns_nothing(matrix: Matrix) -> None:
    other = await matrix.acme.inbox("other")
    bound = await matrix.acme.caller(*ALL, inboxes=(other.id,))
    wrong = {}
    for endpoint in ROUTES:
        answer = await matrix.ask(bound, endpoint)
        about = f"{endpoint.method} {endpoint.path}"
        inner = any(
            f"{{{name}}}" in endpoint.path for name in ("inbox", "message", "thread", "draft")
        )
        if inner and answer.status != 404:
            wrong[about] = answer.octets
        shown = answer.status < 400 and "batch" not in endpoint.path
        if shown and any(each in answer.octets for each in _WORDS):
            wrong[about] = answer.octets
    assert wrong == {}


def _route(method: str, name: str) -> Endpoint:
    return next(e for e in ROUTES if e.method == method and e.path.endswith(f"{{{name}}}"))
