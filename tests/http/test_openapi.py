"""The pages the server writes about itself."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from openapi_spec_validator import OpenAPIV31SpecValidator

from agentpost.errors import TABLE, AlreadyExists
from agentpost.http.api import Api
from agentpost.http.app import make_api
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.paging import ListBody, ListQuery
from agentpost.http.ratelimit import Governor
from agentpost.http.services import Services
from agentpost.http.wire import parse_head
from agentpost.ids import EnvironmentId, OrganizationId
from agentpost.limits import HttpLimits
from agentpost.model.actor import Actor
from agentpost.net import Peer

routes = Routes("Things")


class NewThing(Body, frozen=True, forbid_unknown_fields=True):
    """A thing to make."""

    name: str
    parts: list[str] = msgspec.field(default_factory=list)


class Thing(msgspec.Struct):
    """A thing."""

    id: str
    name: str


class Things(ListQuery, frozen=True, forbid_unknown_fields=True):
    labels: list[str] = msgspec.field(default_factory=list)
    metadata: dict[str, str] = msgspec.field(default_factory=dict)


@routes.post(
    "/things", scope="inboxes:write", body=NewThing, answer=Thing, status=201,
    summary="Make a thing", raises=(AlreadyExists,), idempotent=True,
    examples={"request": {"name": "a"}, "response": {"id": "1", "name": "a"}},
)  # fmt: skip
async def create_thing(request: Request[NewThing, None]) -> Response:
    """Makes a thing."""
    return Response(Thing("1", request.body.name))


@routes.get(
    "/things", scope="inboxes:read", query=Things, answer=ListBody[Thing], summary="List things"
)
async def list_things(request: Request[None, Things]) -> Response:
    """Lists things."""
    return Response(ListBody([], None, False))


@routes.patch(
    "/things/{thing}", scope="inboxes:write", body=NewThing, answer=Thing, summary="Change",
    conditional=True,
)  # fmt: skip
async def update_thing(request: Request[NewThing, None]) -> Response:
    """Changes a thing."""
    return Response(Thing("1", "a"))


class NoKeys:
    async def by_key(self, secret: str, *, peer: str | None, source: str = "rest") -> Actor:
        raise TABLE["unauthenticated"]

    async def by_polling_token(self, token: str, *, peer: str | None) -> Actor:
        raise TABLE["unauthenticated"]

    async def has_environment(
        self, organization: OrganizationId, environment: EnvironmentId
    ) -> bool:
        await trio.lowlevel.checkpoint()
        return True


class Server:
    def __init__(self) -> None:
        self.checks = {"database": True}
        self.stopping = trio.Event()

        async def ready() -> dict[str, bool]:
            return self.checks

        services = Services(NoKeys(), self.stopping, ready, "1.2.3")
        self.api: Api = make_api([routes], services, Governor(), HttpLimits())

    async def get(self, path: str, *lines: str) -> tuple[int, dict[str, str], bytes]:
        head = "\r\n".join((f"GET {path} HTTP/1.1", "Host: x", *lines)).encode()
        admitted = await self.api.admit(parse_head(head), Peer("192.0.2.1", 1))
        answer: Any = await admitted.answer(b"") if hasattr(admitted, "answer") else admitted
        return answer.status, dict(answer.fields), answer.body


@pytest.fixture
def server() -> Server:
    return Server()


async def document(server: Server) -> dict[str, Any]:
    status, fields, body = await server.get("/openapi.json")
    assert status == 200
    assert fields["content-type"] == "application/json"
    decoded: dict[str, Any] = msgspec.json.decode(body)
    return decoded


async def test_the_document_is_valid(server: Server) -> None:
    OpenAPIV31SpecValidator(await document(server)).validate()


async def test_the_document_says_what_was_declared(server: Server) -> None:
    paths = (await document(server))["paths"]
    post = paths["/api/v1/things"]["post"]
    assert post["security"] == [{"key": ["inboxes:write"]}]
    assert {p["name"] for p in post["parameters"]} == {"AgentPost-Environment", "Idempotency-Key"}
    assert {"201", "400", "401", "403", "409", "413", "415", "422", "429"} <= set(post["responses"])
    assert "already_exists" in post["responses"]["409"]["content"]["application/json"]["examples"]
    assert post["requestBody"]["content"]["application/json"]["example"] == {"name": "a"}
    query = {p["name"]: p for p in paths["/api/v1/things"]["get"]["parameters"]}
    assert query["limit"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 20,
    }
    assert query["metadata"]["style"] == "deepObject"
    patch = paths["/api/v1/things/{thing}"]["patch"]
    assert {"thing", "If-Match"} <= {p["name"] for p in patch["parameters"]}
    assert {"404", "412"} <= set(patch["responses"])
    assert paths["/healthz"]["get"]["security"] == []
    assert "/openapi.json" in paths


async def test_operation_ids_are_unique(server: Server) -> None:
    paths = (await document(server))["paths"]
    ids = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(ids) == len(set(ids))


async def test_documents_are_cached_by_their_etag(server: Server) -> None:
    _, fields, _ = await server.get("/openapi.json")
    status, again, body = await server.get("/openapi.json", f"If-None-Match: {fields['etag']}")
    assert (status, body) == (304, b"")
    assert again["etag"] == fields["etag"]
    assert "max-age" in again["cache-control"]


async def test_every_error_code_is_documented(server: Server) -> None:
    _, fields, html = await server.get("/docs/errors")
    assert fields["content-type"].startswith("text/html")
    _, _, markdown = await server.get("/docs/errors.md")
    for code in (*TABLE, "internal_error", "malformed_request", "head_too_large"):
        assert f'id="{code}"'.encode() in html
        assert f"## {code}\n".encode() in markdown


async def test_llms_txt_names_every_endpoint(server: Server) -> None:
    _, fields, body = await server.get("/llms.txt")
    assert fields["content-type"].startswith("text/plain")
    for endpoint in server.api.router.endpoints:
        assert f"`{endpoint.method} {endpoint.path}`".encode() in body


async def test_health_readiness_version(server: Server) -> None:
    assert (await server.get("/healthz"))[0] == 200
    status, _, body = await server.get("/readyz")
    assert (status, msgspec.json.decode(body)["ready"]) == (200, True)
    server.checks["database"] = False
    status, _, body = await server.get("/readyz")
    assert status == 503
    assert msgspec.json.decode(body)["checks"] == {"database": False, "accepting": True}
    server.checks["database"] = True
    server.stopping.set()
    assert (await server.get("/readyz"))[0] == 503
    _, _, body = await server.get("/version")
    assert msgspec.json.decode(body) == {"name": "agentpost", "version": "1.2.3", "api": "v1"}


async def test_the_guides_are_served(server: Server) -> None:
    for name in ("index", "quickstart", "rest", "websocket"):
        status, fields, body = await server.get(f"/docs/{name}.md")
        assert (status, fields["content-type"]) == (200, "text/markdown; charset=utf-8")
        assert body.startswith(b"# ")
    assert (await server.get("/docs/pyproject.toml"))[0] == 404
