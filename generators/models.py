"""The answers of the API as frozen dataclasses, and what requests nest as typed dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from generators.naming import argument, model
from generators.schemas import PAGES, Schema, annotation, references, sentence

HEADER = '''"""The API's objects.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

from agentpost.client._values import Model
'''


def write_models(api: Schema) -> str:
    """The module's source."""
    schemas: Schema = api["components"]["schemas"]
    answers, requests = _reachable(api)
    parts = [HEADER]
    for name, schema in schemas.items():
        if name in answers:
            parts.append(_dataclass(name, schema))
    for name, schema in schemas.items():
        if name in requests - answers:
            parts.append(_typed_dict(name, schema))
    return "\n\n".join(parts) + "\n"


def operations(api: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Every operation with its path and its method."""
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def body_of(operation: Schema) -> Schema | None:
    """The schema of a JSON body; None when there is none."""
    content: Schema = operation.get("requestBody", {}).get("content", {})
    found: Schema | None = content.get("application/json", {}).get("schema")
    return found


def answers_of(operation: Schema) -> Iterator[Schema]:
    """The schemas of successful JSON answers."""
    for status, response in operation["responses"].items():
        content: Schema = response.get("content", {})
        if status < "400" and "application/json" in content:
            yield content["application/json"]["schema"]


def _reachable(api: Schema) -> tuple[set[str], set[str]]:
    """Schemas in answers, and schemas inside the bodies of requests."""
    schemas: Schema = api["components"]["schemas"]
    answers: set[str] = set()
    requests: set[str] = set()
    for _, _, operation in operations(api):
        for schema in answers_of(operation):
            _follow(schema, schemas, answers)
        body = body_of(operation)
        if body is not None:
            for name in references(body):
                # The body itself becomes the arguments of a method.
                _follow(schemas[name], schemas, requests)
    pages = {name for name in answers if name.startswith(PAGES)}
    return answers - pages, requests


def _follow(schema: Any, schemas: Schema, found: set[str]) -> None:
    for name in references(schema):
        if name not in found:
            found.add(name)
            _follow(schemas[name], schemas, found)


def _dataclass(name: str, schema: Schema) -> str:
    lines = [
        "@dataclass(frozen=True, slots=True, kw_only=True)",
        f"class {model(name)}(Model):",
        f'    """{sentence(schema.get("description", name))}"""',
        "",
    ]
    required = set(schema.get("required", ()))
    for field, value in schema.get("properties", {}).items():
        kind = annotation(value, sent=False)
        if field not in required and "None" not in kind.split(" | "):
            kind += " | None"
        lines.append(f"    {argument(field)}: {kind}")
        lines += _described(value)
    return "\n".join(lines)


def _typed_dict(name: str, schema: Schema) -> str:
    lines = [
        f"class {model(name)}(TypedDict):",
        f'    """{sentence(schema.get("description", name))}"""',
        "",
    ]
    required = set(schema.get("required", ()))
    for field, value in schema.get("properties", {}).items():
        kind = annotation(value, sent=True)
        if field not in required:
            kind = f"NotRequired[{kind}]"
        lines.append(f"    {argument(field)}: {kind}")
        lines += _described(value)
    return "\n".join(lines)


def _described(schema: Schema) -> list[str]:
    text = schema.get("description")
    return [f'    """{sentence(text)}."""'] if text else []
