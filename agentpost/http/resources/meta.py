"""What the server says about itself: health, version, API description, error documentation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import msgspec

from agentpost.http import documents, openapi
from agentpost.http.conditional import not_modified
from agentpost.http.endpoint import Endpoint, Request, Response, Routes

Anything = Request[None, None]

_CACHE = ("cache-control", "public, max-age=300")


class HealthBody(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class ReadyBody(msgspec.Struct, frozen=True):
    """Whether requests can be served, and what each of them depends on."""

    ready: bool
    checks: dict[str, bool]


class VersionBody(msgspec.Struct, frozen=True):
    """Which server this is; goes into bug reports."""

    name: str
    version: str
    api: str


routes = Routes("Server", root="")


@routes.get(
    "/healthz",
    public=True,
    answer=HealthBody,
    summary="Liveness",
    examples={"response": {"status": "ok"}},
)
async def get_health(request: Anything) -> Response:
    """The process is alive.  Says nothing about the database; see ``/readyz``."""
    return Response(HealthBody("ok"))


@routes.get("/readyz", public=True, answer=ReadyBody, summary="Readiness", also={503: "Not ready"})
async def get_readiness(request: Anything) -> Response:
    """Whether requests should be sent here: 200, or 503 while a dependency does not answer or the
    server is shutting down.
    """
    checks = dict(await request.services.ready())
    checks["accepting"] = not request.services.stopping.is_set()
    ready = all(checks.values())
    return Response(ReadyBody(ready, checks), status=200 if ready else 503)


@routes.get("/version", public=True, answer=VersionBody, summary="Version")
async def get_version(request: Anything) -> Response:
    """Name and version of the server, and the version of its API."""
    return Response(VersionBody("agentpost", request.services.version, "v1"))


def documentation(endpoints: Sequence[Endpoint], version: str) -> Routes:
    """The endpoints that describe ``endpoints`` and themselves; rendered once."""
    described = Routes("Documentation", root="")
    pages: dict[str, tuple[bytes, str, str]] = {}

    def page(path: str, media: str, summary: str, text: str) -> None:
        async def show(request: Anything) -> Response:
            octets, kind, version_tag = pages[path]
            fields = (_CACHE,)
            if not_modified(request.header("if-none-match"), version_tag):
                return Response(None, status=304, version=version_tag, fields=fields)
            return Response(octets, version=version_tag, fields=fields, media=kind)

        show.__name__ = "get_" + re.sub(r"[^a-z]+", "_", path.strip("/"))
        show.__doc__ = text
        produces = (media.partition(";")[0],)
        described.get(
            path,
            public=True,
            summary=summary,
            answer=bytes,
            produces=produces,
            also={304: "The client has it already"},
        )(show)
        pages[path] = (b"", media, "")

    html, markdown = "text/html; charset=utf-8", "text/markdown; charset=utf-8"
    page("/openapi.json", "application/json", "OpenAPI 3.1", "Describes every endpoint.")
    page("/llms.txt", "text/plain; charset=utf-8", "For agents", "What to know before calling.")
    page("/docs/errors", html, "Errors", "Every error code with what to do about it.")
    page("/docs/errors.md", markdown, "Errors as Markdown", "As ``/docs/errors``.")
    guides = {f"/docs/{name}": text for name, text in documents.guides().items()}
    guides.pop("/docs/errors.md", None)  # The one above is made from what this server knows.
    for path, text in guides.items():
        title = text.partition("\n")[0].lstrip("# ")
        page(path, markdown, f"Documentation: {title}", "A page of the documentation.")
    everything = [*endpoints, *described.endpoints]
    made = {
        "/openapi.json": msgspec.json.encode(openapi.document(everything, version)),
        "/llms.txt": documents.for_agents(everything).encode(),
        "/docs/errors": documents.errors_html().encode(),
        "/docs/errors.md": documents.errors_markdown().encode(),
        **{path: text.encode() for path, text in guides.items()},
    }
    for path, octets in made.items():
        tag = hashlib.sha256(octets).hexdigest()[:32]
        pages[path] = (octets, pages[path][1], tag)
    return described
