"""Every route of the REST API and of the façade below /v0 against every credential that must not
open it.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentpost import clock
from agentpost.http.endpoint import Endpoint
from agentpost.model.actor import SCOPES, widen
from tests.http.resources.conftest import ALL, Caller
from tests.isolation.matrix import (
    EVERYTHING,
    GUARDED,
    POLLED,
    ROUTES,
    WORDS,
    Matrix,
    variables,
)


def test_every_route_can_be_asked() -> None:
    """No route is left out for want of a name or a body."""
    assert len(ROUTES) > 200
    assert {endpoint.method for endpoint in ROUTES} == {"GET", "POST", "PUT", "PATCH", "DELETE"}


@pytest.mark.parametrize("root", ["/api/v1/", "/v0/"])
async def test_the_right_key_opens_every_route(matrix: Matrix, root: str) -> None:
    wrong = {}
    # What deletes comes last, the deepest paths first and the inbox, in which nothing can be
    # changed any longer, at the end: so the others still find something.
    ordered = sorted(
        (endpoint for endpoint in ROUTES if endpoint.path.startswith(root)),
        key=lambda e: (
            e.method == "DELETE",
            e.path.endswith("/{inbox}"),
            -e.path.count("/"),
            "labels" not in e.path,
        ),
    )
    gone = {"thread", "draft", "folder", "label"}  # With its messages, sent, renamed.
    for endpoint in ordered:
        answer = await matrix.ask(matrix.acme.call, endpoint)
        emptied = answer.status == 404 and any(f"{{{name}}}" in endpoint.path for name in gone)
        if answer.status >= 400 and not emptied and answer.status not in (409, 422, 429):
            wrong[f"{endpoint.method} {endpoint.path}"] = (answer.status, answer.octets)
        if endpoint.method == "DELETE" and answer.status < 400:
            gone.add(endpoint.path.rpartition("{")[2].rstrip("}"))
    assert wrong == {}


PUBLIC = {
    "GET /.well-known/autoconfig/mail/config-v1.1.xml",
    "GET /mail/config-v1.1.xml",
    "POST /autodiscover/autodiscover.xml",
    "PUT /files/{token}",
    "GET /files/{token}",
    "GET /ws",
    "GET /api/v1/ws",
    "GET /v0",
    "POST /internal/ses/sns",
}
"""What describes mailboxes to programs, sealed links, the doors that are no sockets, and SNS."""


def test_what_is_open_to_everybody_is_this_and_no_more() -> None:
    """All else asks for a key, at the one place that asks."""
    assert {
        f"{endpoint.method} {endpoint.path}" for endpoint in EVERYTHING if endpoint.public
    } == PUBLIC


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


async def test_a_key_opens_nothing_that_a_token_opens(matrix: Matrix) -> None:
    assert len(POLLED) == 3
    for endpoint in POLLED:
        answer = await matrix.ask(matrix.acme.call, endpoint)
        assert (answer.status, answer.code) == (401, "unauthenticated"), endpoint.path


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
        if variables(endpoint) and answer.status != 404:
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
    absent = matrix.absent()
    wrong = {}
    for endpoint in ROUTES:
        if not variables(endpoint):
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
        if variables(endpoint) - {"entry"} and answer.status not in (403, 404):
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
        if variables(endpoint) & {"inbox", "message", "thread", "draft"} and answer.status != 404:
            wrong[about] = answer.octets
        shown = answer.status < 400 and "batch" not in endpoint.path
        if shown and any(each in answer.octets for each in WORDS):
            wrong[about] = answer.octets
    assert wrong == {}


def _route(method: str, name: str) -> Endpoint:
    return next(e for e in ROUTES if e.method == method and e.path.endswith(f"{{{name}}}"))


READING = {"messages:read", "threads:read", "drafts:read", "drafts:write", "exports:write"}
"""Scopes whose holders are shown what is in messages, or what they have written themselves."""


async def test_who_may_not_read_mail_is_shown_no_text(matrix: Matrix) -> None:
    """Whoever labels, restores or is told of events hears of subjects at most."""
    caller = await matrix.acme.caller(*sorted(SCOPES - READING))
    shown = {}
    for endpoint in ROUTES:
        if endpoint.method == "DELETE":
            continue
        answer = await matrix.ask(caller, endpoint)
        if b"dawn" in answer.octets or b"plan.csv" in answer.octets:
            shown[f"{endpoint.method} {endpoint.path}"] = answer.octets
    assert shown == {}
