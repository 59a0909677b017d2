"""From a head to an answer: routing, keys, scopes, decoding, errors, idempotency, rates."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Annotated, Any, ClassVar

import msgspec
import pytest
import trio
import trio.testing
from msgspec import Meta

from agentpost.errors import TABLE, Conflict, NotFound, QuotaExceeded
from agentpost.http.answer import Answer
from agentpost.http.api import Api
from agentpost.http.endpoint import Body, Query, Request, Response, Routes
from agentpost.http.ratelimit import Governor
from agentpost.http.services import Services
from agentpost.http.wire import parse_head
from agentpost.ids import EnvironmentId, OrganizationId
from agentpost.limits import HttpLimits
from agentpost.model.actor import Actor
from agentpost.net import Peer

KEY = "ap_sk_test_0123456789abcdef0123456789abcdef"
READER = Actor(OrganizationId("org_1"), "key_1", frozenset({"inboxes:read"}), tier="free")
routes = Routes("Test")


class Address(msgspec.Struct, forbid_unknown_fields=True):
    email: str
    name: str | None = None


class Letter(Body, frozen=True, forbid_unknown_fields=True):
    aliases: ClassVar[dict[str, str]] = {"text": "text_body"}

    to: list[Address | str]
    text_body: Annotated[str, Meta(max_length=20)] = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class Search(Query, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    labels: list[str] = msgspec.field(default_factory=list)
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    seen: bool | None = None


class Echo(msgspec.Struct):
    value: Any


@routes.get("/inboxes/{inbox}", scope="inboxes:read", query=Search, answer=Echo, summary="s")
async def get_inbox(request: Request[None, Search]) -> Response:
    """Echoes."""
    q = request.query
    seen = [request.params["inbox"], q.limit, q.labels, q.metadata, q.seen]
    return Response(Echo(seen), version=17)


@routes.get("/inboxes/credentials/export", scope="credentials:read", answer=Echo, summary="s")
async def export(request: Request[None, None]) -> Response:
    """Not reached by a reader."""
    return Response(Echo(1))


@routes.post(
    "/letters", scope="inboxes:read", body=Letter, answer=Echo, status=202, summary="s",
    idempotent=True,
)  # fmt: skip
async def send(request: Request[Letter, None]) -> Response:
    """Echoes."""
    key = request.idempotency
    return Response(Echo([request.body, key and key.key, key and key.fingerprint.hex()]))


@routes.get("/fails/{how}", answer=Echo, summary="s")
async def fail(request: Request[None, None]) -> Response:
    """Fails."""
    how = request.params["how"]
    if how == "bug":
        raise RuntimeError("secret detail")
    if how == "conflict":
        raise Conflict("They differ.", fix="Look again.")
    if how == "quota":
        raise QuotaExceeded
    raise NotFound


@routes.delete("/things", public=True, status=204, summary="s")
async def forget(request: Request[None, None]) -> Response:
    """Forgets."""
    return Response()


@routes.get("/environment", answer=Echo, summary="s")
async def environment(request: Request[None, None]) -> Response:
    """Tells the environment."""
    actor = request.actor
    return Response(Echo([actor.environment, actor.environments and sorted(actor.environments)]))


class Keys:
    def __init__(self) -> None:
        self.actor = READER

    async def by_key(self, secret: str, *, peer: str | None, source: str = "rest") -> Actor:
        if secret != KEY:
            raise TABLE["unauthenticated"]
        return self.actor

    async def by_polling_token(self, token: str, *, peer: str | None) -> Actor:
        raise TABLE["unauthenticated"]

    async def has_environment(
        self, organization: OrganizationId, environment: EnvironmentId
    ) -> bool:
        await trio.lowlevel.checkpoint()
        return True


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def api(keys: Keys) -> Api:
    async def ready() -> dict[str, bool]:
        return {}

    services = Services(keys, trio.Event(), ready, "1")
    return Api(routes.endpoints, services, Governor(strangers_per_minute=3), HttpLimits())


async def ask(
    api: Api, method: str, target: str, *lines: str, body: bytes = b"", key: str | None = KEY
) -> tuple[int, dict[str, str], Any]:
    head = [f"{method} {target} HTTP/1.1", "Host: x", *lines]
    if key is not None:
        head.append(f"Authorization: Bearer {key}")
    if body:
        head.append(f"Content-Length: {len(body)}")
        if not any(line.startswith("Content-Type") for line in lines):
            head.append("Content-Type: application/json")
    admitted = await api.admit(parse_head("\r\n".join(head).encode()), Peer("192.0.2.1", 5))
    answer = admitted if isinstance(admitted, Answer) else await admitted.answer(body)
    assert isinstance(answer.body, bytes)
    value: Any = msgspec.json.decode(answer.body) if answer.body else None
    if answer.status >= 400:
        assert set(value) == {"name", "code", "message", "fix", "docs", "request_id", "errors"}
        assert value["fix"]
        assert value["docs"] == f"/docs/errors#{value['code']}"
        assert value["request_id"] == dict(answer.fields)["x-request-id"]
    return answer.status, dict(answer.fields), value


async def test_success(api: Api) -> None:
    status, fields, value = await ask(
        api, "GET", "/api/v1/inboxes/a%2Fb%40x?limit=5&labels=a,b&labels=c&metadata[k]=v&seen=true"
    )
    assert status == 200
    assert value == {"value": ["a/b@x", 5, ["a", "b", "c"], {"k": "v"}, True]}
    assert fields["etag"] == '"17"'
    assert fields["ratelimit-limit"] == fields["x-ratelimit-limit"] == "60"
    assert fields["ratelimit-remaining"] == "59"
    assert fields["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/api/v1/none", 404, "not_found"),
        ("GET", "/api/v1/inboxes/", 404, "not_found"),
        ("GET", "/api/v1/inboxes/a/b", 404, "not_found"),
        ("GET", "/api/v1/inboxes/%ff", 400, "invalid_request"),
        ("PUT", "/api/v1/inboxes/a", 405, "method_not_allowed"),
        ("BREW", "/api/v1/inboxes/a", 405, "method_not_allowed"),
        ("GET", "/api/v1/inboxes/credentials/export", 403, "forbidden"),
        ("GET", "/api/v1/fails/conflict", 409, "conflict"),
        ("GET", "/api/v1/fails/quota", 402, "quota_exceeded"),
        ("GET", "/api/v1/inboxes/a?limit=0", 400, "invalid_request"),
        ("GET", "/api/v1/inboxes/a?limit=x", 400, "invalid_request"),
        ("GET", "/api/v1/inboxes/a?limit=1&limit=2", 400, "invalid_request"),
        ("GET", "/api/v1/inboxes/a?lmit=1", 400, "invalid_request"),
        ("GET", "/api/v1/inboxes/a?labels=%ff", 400, "invalid_request"),
        ("GET", "/api/v1/environment?a=b", 400, "invalid_request"),
        ("GET", "/api/v1/inboxes/a?" + "&".join(f"l{n}=1" for n in range(101)), 400, "invalid_request"),
    ],
)  # fmt: skip
async def test_refusals(api: Api, method: str, target: str, status: int, code: str) -> None:
    got, _, value = await ask(api, method, target)
    assert (got, value["code"]) == (status, code)


async def test_a_wrong_parameter_is_named(api: Api) -> None:
    _, _, value = await ask(api, "GET", "/api/v1/inboxes/a?limit=101")
    assert value["errors"][0]["path"] == "limit"
    _, _, value = await ask(api, "GET", "/api/v1/inboxes/a?lmit=1")
    assert value["errors"][0]["path"] == "lmit"


async def test_allow_and_options(api: Api) -> None:
    _, fields, _ = await ask(api, "PUT", "/api/v1/inboxes/a")
    assert fields["allow"] == "GET, HEAD, OPTIONS"
    status, fields, _ = await ask(api, "OPTIONS", "/api/v1/letters", key=None)
    assert (status, fields["allow"]) == (204, "OPTIONS, POST")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b'{"to":[],"subjet":"x"}', "subjet"),
        (b'{"to":[{"email":"a","nam":"b"}]}', "to[0].nam"),
        (b'{"to":["a",{"name":"b"}]}', "to[1].email"),
        (b'{"to":["a",5]}', "to[1]"),
        (b'{"text_body":"x"}', "to"),
        (b'{"to":[],"text":"a","text_body":"b"}', "text"),
        (b'{"to":[],"text":5}', "text_body"),
        (b'{"to":[],"text":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', "text_body"),
        (b"[]", ""),
        (b"5", ""),
    ],
)
async def test_a_wrong_field_is_422_with_its_path(api: Api, body: bytes, path: str) -> None:
    status, _, value = await ask(api, "POST", "/api/v1/letters", body=body)
    assert (status, value["code"]) == (422, "validation_failed")
    assert value["errors"][0]["path"] == path


@pytest.mark.parametrize(
    "body", [b"{", b'{"to":', b'{"colour": 1, ', b"\xff", b"[" * 100_000, b'{"metadata":' * 50_000, b'{"to":["\\ud800"]}']
)  # fmt: skip
async def test_a_body_that_is_no_json_is_400(api: Api, body: bytes) -> None:
    status, _, value = await ask(api, "POST", "/api/v1/letters", body=body)
    assert (status, value["code"]) == (400, "invalid_request")


async def test_nul_is_refused_and_its_escaped_spelling_is_not(api: Api) -> None:
    status, _, _ = await ask(api, "POST", "/api/v1/letters", body=b'{"to":["a\\u0000"]}')
    assert status == 422
    status, _, _ = await ask(api, "POST", "/api/v1/letters", body=b'{"to":["a\\\\u0000"]}')
    assert status == 202


async def test_aliases(api: Api) -> None:
    body = b'{"to":["a@b"],"text":"hi"}'
    status, _, value = await ask(api, "POST", "/api/v1/letters", body=body)
    assert status == 202
    assert value["value"][0] == {"to": ["a@b"], "text_body": "hi", "metadata": {}}


@pytest.mark.parametrize(
    "line",
    ["Content-Type: text/plain", "Content-Type:", "Content-Encoding: gzip"],
)
async def test_media_that_cannot_be_read_is_415(api: Api, line: str) -> None:
    status, _, _ = await ask(api, "POST", "/api/v1/letters", line, body=b"{}")
    assert status == 415


async def test_accept(api: Api) -> None:
    for accept in ("application/json", "text/html, */*;q=0.1", "application/*"):
        status, _, _ = await ask(api, "GET", "/api/v1/environment", f"Accept: {accept}")
        assert status == 200
    status, _, _ = await ask(api, "GET", "/api/v1/environment", "Accept: text/csv")
    assert status == 406


async def test_idempotency_key(api: Api) -> None:
    body = b'{"to":[]}'
    line = "Idempotency-Key: a.B-1_~"
    _, _, first = await ask(api, "POST", "/api/v1/letters", line, body=body)
    _, _, again = await ask(api, "POST", "/api/v1/letters", line, body=body)
    _, _, other = await ask(api, "POST", "/api/v1/letters", line, body=body + b" ")
    assert first["value"][1] == "a.B-1_~"
    assert first["value"][2] == again["value"][2] != other["value"][2]
    for bad in ("", "ä", "a b", "a" * 257):
        line = f"Idempotency-Key: {bad}"
        status, _, _ = await ask(api, "POST", "/api/v1/letters", line, body=body)
        assert status == 400


async def test_keys(api: Api) -> None:
    for line in (
        "",
        "Authorization: Basic eA==",
        "Authorization: Bearer",
        "Authorization: Bearer no",
    ):
        lines = [line] if line else []
        status, fields, value = await ask(api, "GET", "/api/v1/environment", *lines, key=None)
        if line.endswith("no"):
            assert status == 429
            assert int(fields["retry-after"]) >= 1
        else:
            assert (status, value["code"]) == (401, "unauthenticated")
            assert fields["www-authenticate"].startswith("Bearer")
        assert "ratelimit-limit" in fields


async def test_an_unexpected_failure_is_500_without_details(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "agentpost.http"):
        status, _, value = await ask(api, "GET", "/api/v1/fails/bug")
    assert (status, value["code"]) == (500, "internal_error")
    assert "secret detail" not in str(value)
    record = caplog.records[-1]
    assert record.exc_info is not None
    assert "secret detail" in str(record.exc_info[1])


async def test_a_204_says_nothing(api: Api) -> None:
    status, fields, value = await ask(api, "DELETE", "/api/v1/things", key=None)
    assert (status, value) == (204, None)
    assert "content-type" not in fields


ONE, TWO = "env_01JQ8X5K2M3N4P5R6S7T8V9W00", "env_01JQ8X5K2M3N4P5R6S7T8V9W01"


async def test_the_environment_header_narrows(api: Api, keys: Keys) -> None:
    line = f"AgentPost-Environment: {ONE}"
    _, _, value = await ask(api, "GET", "/api/v1/environment", line)
    assert value["value"] == [ONE, [ONE]]
    keys.actor = replace(READER, environments=frozenset({EnvironmentId(TWO)}))
    status, _, _ = await ask(api, "GET", "/api/v1/environment", line)
    assert status == 404
    status, _, _ = await ask(api, "GET", "/api/v1/environment", "AgentPost-Environment: default")
    assert status == 400


async def test_the_limit_of_a_tier(api: Api, autojump_clock: trio.testing.MockClock) -> None:
    for _ in range(60):
        status, _, _ = await ask(api, "GET", "/api/v1/environment")
        assert status == 200
    status, fields, value = await ask(api, "GET", "/api/v1/environment")
    assert (status, value["code"]) == (429, "rate_limited")
    assert fields["ratelimit-remaining"] == "0"
    assert fields["ratelimit-reset"] == "60"
    assert fields["retry-after"] == "1"
    await trio.sleep(1.01)
    status, _, _ = await ask(api, "GET", "/api/v1/environment")
    assert status == 200


def test_every_4xx_of_the_table_has_a_fix() -> None:
    assert all(kind.column.fix for kind in TABLE.values() if 400 <= kind.column.http < 500)


def test_the_same_endpoint_twice_is_an_error() -> None:
    from agentpost.http.router import Router

    with pytest.raises(ValueError, match="twice"):
        Router([routes.endpoints[0], routes.endpoints[0]])
