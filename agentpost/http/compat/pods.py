"""AgentMail's pods: environments."""

from __future__ import annotations

from typing import Any, Final

from agentpost.events.spelling import compact
from agentpost.http.compat.mount import Anything, PageQuery, asked, mounted, relisted
from agentpost.http.endpoint import Body, Request, Response
from agentpost.http.paging import TimedListQuery
from agentpost.http.resources import environments
from agentpost.ids import ulid

routes = mounted("Pods")

_ONE: Final = "/pods/{pod}"


class NewBody(Body, frozen=True, forbid_unknown_fields=True):
    """A pod to make."""

    name: str | None = None
    client_id: str | None = None


def shape(environment: environments.EnvironmentBody) -> Anything:
    """An environment as a pod."""
    return compact(
        {
            "pod_id": environment.id,
            "name": environment.name,
            "client_id": environment.client_id,
            "updated_at": environment.updated_at,
            "created_at": environment.created_at,
        }
    )


@routes.get(
    "/pods", scope="environments:read", query=PageQuery, answer=Anything, summary="List pods"
)
async def list_pods(request: Request[None, PageQuery]) -> Response:
    """The environments that the key covers."""
    query = TimedListQuery(**request.query.paging())
    found = await environments.list_environments(asked(request, query))
    return relisted(found, "pods", shape, query.limit)


@routes.get(_ONE, scope="environments:read", answer=Anything, summary="Get a pod")
async def get_pod(request: Request[None, None]) -> Response:
    """One environment."""
    pod = request.params["pod"]
    return _shown(await environments.get_environment(asked(request, environment=pod)))


@routes.post(
    "/pods", scope="environments:write", body=NewBody, answer=Anything, summary="Make a pod"
)
async def create_pod(request: Request[NewBody, None]) -> Response:
    """Makes a live environment; without a name it gets one that is its own."""
    body = request.body
    name = body.name or f"pod {ulid()[-8:].lower()}"
    wanted = environments.NewEnvironmentBody(name=name, client_id=body.client_id)
    return _shown(await environments.create_environment(asked(request, body=wanted)))


@routes.delete(_ONE, scope="environments:write", status=204, summary="Delete a pod")
async def delete_pod(request: Request[None, None]) -> Response:
    """Deletes an environment without inboxes."""
    query = environments.DeleteEnvironmentQuery()
    pod = request.params["pod"]
    return await environments.delete_environment(asked(request, query, environment=pod))


def _shown(inner: Response) -> Response:
    body: Any = inner.body
    return Response(shape(body))
