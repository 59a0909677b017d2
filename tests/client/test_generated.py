"""The client's generated modules are those of the API as it is (R136-R138)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentpost import AgentPost
from generators import client as generator
from generators.naming import ELSEWHERE, OPERATIONS, RESOURCES
from generators.resources import Unnamed, names, write_resources


def test_what_is_in_the_repository_is_what_the_generator_writes() -> None:
    stale = [
        path.name
        for path, source in generator.written().items()
        if not path.exists() or path.read_text("utf-8") != source
    ]
    assert not stale, f"run `make generate`: {stale} differ from the API"


def test_every_operation_is_a_method_or_said_to_be_none() -> None:
    present = names(generator.api())
    assert present <= OPERATIONS.keys() | ELSEWHERE
    assert not OPERATIONS.keys() & ELSEWHERE
    assert OPERATIONS.keys() <= present, "names of operations that are gone"
    assert {resource for resource, _ in OPERATIONS.values()} <= RESOURCES.keys()


def test_every_resource_is_named_on_the_page() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "sdk-python.md").read_text("utf-8")
    with AgentPost("ap_sk_test_x") as client:
        resources = {name for name in vars(client) if not name.startswith("_")}
    named = {name for name in resources if f"`{name}`" in page or f"client.{name}" in page}
    assert resources - named == set()


def test_an_operation_without_a_name_is_an_error() -> None:
    api = generator.api()
    api["paths"]["/api/v1/surprise"] = {"get": {"operationId": "surprise", "responses": {}}}
    with pytest.raises(Unnamed):
        write_resources(api)


def test_the_client_loads_nothing_of_the_server() -> None:
    program = (
        "import sys, agentpost; agentpost.AgentPost; agentpost.AsyncAgentPost\n"
        "names = [m for m in sys.modules if m.startswith('agentpost.')]\n"
        "assert all(m.startswith('agentpost.client') for m in names), names\n"
        "assert not {'trio', 'msgspec', 'asyncpg', 'quart'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
