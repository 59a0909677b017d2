"""AgentMail's own SDK against this server: only its environment is changed."""

from __future__ import annotations

import asyncio
import inspect
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pydantic
import pytest
import trio
from agentmail import AgentMail, AsyncAgentMail
from agentmail.environment import AgentMailEnvironment

from tests.http.resources.conftest import Api, Tenant, running

PARTS = (
    "accounts",
    "agent",
    "api_keys",
    "apps",
    "auth",
    "domains",
    "drafts",
    "inboxes",
    "lists",
    "metrics",
    "organizations",
    "pods",
    "threads",
    "webhooks",
)
"""The properties of the SDK's client that make requests."""


def methods(client: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All methods of the SDK that make a request, by their dotted names."""
    names = PARTS if not prefix else sorted(set(dir(client)) - {"with_raw_response"})
    for name in names:
        if name.startswith("_"):
            continue
        part = getattr(client, name)
        dotted = prefix + name
        if type(part).__name__.endswith("Client"):
            yield from methods(part, dotted + ".")
        elif inspect.ismethod(part):
            yield dotted, part


def check_typed(method: Any, value: Any, answer: httpx.Response) -> None:
    """The answer fits the model that the SDK says it is, which the SDK itself does not check."""
    kind = typing.get_type_hints(inspect.unwrap(method))["return"]
    if kind in (None, type(None)):
        assert value is None
        return
    pydantic.TypeAdapter(kind).validate_json(answer.content)


@dataclass
class Sdk:
    """A caller of the SDK's methods that remembers which of them were answered well."""

    port: int
    key: str
    done: set[str] = field(default_factory=set)
    last: list[httpx.Response] = field(default_factory=list)
    _client: AgentMail | None = None
    _transport: httpx.Client | None = None

    @property
    def environment(self) -> AgentMailEnvironment:
        place = f"127.0.0.1:{self.port}"
        return AgentMailEnvironment(http=f"http://{place}", websockets=f"ws://{place}")

    def client(self) -> AgentMail:
        """The synchronous client."""
        if self._client is not None:
            return self._client

        def keep(answer: httpx.Response) -> None:
            answer.read()
            self.last.append(answer)

        self._transport = httpx.Client(timeout=20, event_hooks={"response": [keep]})
        self._client = AgentMail(
            environment=self.environment, api_key=self.key, httpx_client=self._transport
        )
        return self._client

    def close(self) -> None:
        """Close its connections."""
        if self._transport is not None:
            self._transport.close()

    async def __call__(self, name: str, /, *args: Any, **given: Any) -> Any:
        """Call a method with the synchronous client, and check the type of its answer."""

        def call() -> tuple[Any, Any]:
            method: Any = self.client()
            for part in name.split("."):
                method = getattr(method, part)
            value = method(*args, **given)
            if inspect.isgenerator(value):
                chunks: Any = value
                value = b"".join(chunks)
            return method, value

        method, value = await trio.to_thread.run_sync(call)
        if not isinstance(value, bytes):
            check_typed(method, value, self.last[-1])
        self.done.add(name)
        return value

    async def asyncio(self, work: Callable[[AsyncAgentMail], Awaitable[Any]]) -> Any:
        """Run something with the asynchronous client, on the loop that it was made for."""

        async def main() -> Any:
            async with httpx.AsyncClient(timeout=20) as transport:
                return await work(
                    AsyncAgentMail(
                        environment=self.environment, api_key=self.key, httpx_client=transport
                    )
                )

        return await trio.to_thread.run_sync(lambda: asyncio.run(main()))


@contextmanager
def sdk_of(tenant: Tenant) -> Iterator[Sdk]:
    """The SDK with a key that may do everything in an organization."""
    assert tenant.call.key is not None
    sdk = Sdk(tenant.call.port, tenant.call.key)
    try:
        yield sdk
    finally:
        sdk.close()


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with running(database_url, tmp_path, reached=True) as started:
        yield started


@pytest.fixture
async def acme(api: Api) -> Tenant:
    return await api.tenant("acme")


@pytest.fixture
async def globex(api: Api) -> Tenant:
    return await api.tenant("globex")


@pytest.fixture
def sdk(acme: Tenant) -> Iterator[Sdk]:
    with sdk_of(acme) as made:
        yield made
