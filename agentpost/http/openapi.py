"""The OpenAPI 3.1 document, assembled from the endpoint declarations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from agentpost.errors import (
    AuthenticationFailed,
    Expired,
    Forbidden,
    InvalidRequest,
    NotAcceptable,
    NotFound,
    Overloaded,
    PreconditionFailed,
    Problem,
    RateLimited,
    TooLarge,
    UnknownField,
    UnsupportedMediaType,
)
from agentpost.http.answer import JSON
from agentpost.http.endpoint import Endpoint
from agentpost.http.problems import ProblemBody

_TEMPLATE: Final = "#/components/schemas/{name}"
_VARIABLE: Final = re.compile(r"\{([a-z_]+)\}")
_KEY_SHAPE: Final = "1 to 256 characters of A-Z a-z 0-9 - . _ ~"
_TAGS: Final = r'^(\*|(W/)?"[^"]*"( *, *(W/)?"[^"]*")*)$'
_WITHOUT_BODY: Final = (101, 204, 304)
_HEADERS: Final = {
    "RateLimit-Limit": "Requests a minute; 1000000 when there is no limit",
    "RateLimit-Remaining": "Requests that are left now",
    "RateLimit-Reset": "Seconds until all of them are back",
    "X-Request-Id": "Names this request in the server's log",
}


def document(endpoints: Sequence[Endpoint], version: str) -> dict[str, Any]:
    """The whole document as JSON values."""
    types = _types(endpoints)
    schemas, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    by_type = dict(zip(map(_key, types), schemas, strict=True))
    queries = {
        _key(endpoint.query): _resolve(by_type[_key(endpoint.query)], components)
        for endpoint in endpoints
        if endpoint.query is not None
    }
    for endpoint in endpoints:
        # Parameters are listed one by one; the structure that holds them is ours alone.
        if endpoint.query is not None:
            components.pop(endpoint.query.__name__, None)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, by_type, queries)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "AgentPost",
            "version": version,
            "summary": "E-mail for AI agents.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(e.tag for e in endpoints)],
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in _HEADERS.items()
            },
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: ap_sk_live_..., ap_sk_dev_... or ap_sk_test_...",
                }
            },
        },
    }


def _key(kind: Any) -> str:
    return repr(kind)


def _types(endpoints: Iterable[Endpoint]) -> list[Any]:
    found: dict[str, Any] = {_key(ProblemBody): ProblemBody}
    for endpoint in endpoints:
        for kind in (endpoint.body, endpoint.query, endpoint.answer, endpoint.json_answer):
            if kind is not None and kind is not bytes:
                found[_key(kind)] = kind
    return list(found.values())


def _resolve(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        resolved: dict[str, Any] = components[schema["$ref"].rpartition("/")[2]]
        return resolved
    return schema


def _operation(
    endpoint: Endpoint, by_type: dict[str, Any], queries: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.summary,
        "description": endpoint.description,
        "parameters": _parameters(endpoint, queries),
        "responses": _responses(endpoint, by_type),
        "security": [] if endpoint.public else [{"key": _roles(endpoint)}],
    }
    if endpoint.body is not None:
        content: dict[str, Any] = {}
        for media in endpoint.accepts:
            schema = {} if endpoint.body is bytes else by_type[_key(endpoint.body)]
            content[media] = {"schema": schema}
            if media == JSON and "request" in endpoint.examples:
                content[media]["example"] = endpoint.examples["request"]
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _roles(endpoint: Endpoint) -> list[str]:
    return [] if endpoint.scope is None else [endpoint.scope]


def _parameters(endpoint: Endpoint, queries: dict[str, Any]) -> list[dict[str, Any]]:
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "description": (
                "Id (inb_...) or e-mail address of the inbox" if name == "inbox" else f"The {name}"
            ),
        }
        for name in _VARIABLE.findall(endpoint.path)
    ]
    if endpoint.query is not None:
        schema = queries[_key(endpoint.query)]
        required = set(schema.get("required", ()))
        for name, field in schema.get("properties", {}).items():
            parameters.append(_query_parameter(name, field, required=name in required))
    if not endpoint.public:
        text = "Environment to work in, for a key that covers several"
        parameters.append(_header("AgentPost-Environment", text, "^env_[0-9A-HJKMNP-TV-Z]{26}$"))
    if endpoint.idempotent:
        text = f"Makes a repetition safe: {_KEY_SHAPE}"
        parameters.append(_header("Idempotency-Key", text, "^[A-Za-z0-9._~-]{1,256}$"))
    if endpoint.conditional:
        parameters.append(_header("If-Match", "ETag that the object must still have", _TAGS))
    return parameters


def _query_parameter(name: str, field: dict[str, Any], *, required: bool) -> dict[str, Any]:
    schema = dict(field)
    parameter: dict[str, Any] = {"name": name, "in": "query", "required": required}
    description = schema.pop("description", None)
    if description:
        parameter["description"] = description
    if schema.get("type") == "object":
        parameter |= {"style": "deepObject", "explode": True}
    parameter["schema"] = schema
    return parameter


def _header(name: str, description: str, pattern: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "schema": {"type": "string", "pattern": pattern},
        "description": description,
    }


def _responses(endpoint: Endpoint, by_type: dict[str, Any]) -> dict[str, Any]:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}
    responses: dict[str, Any] = {}
    for status, text in {endpoint.status: endpoint.summary, **endpoint.also}.items():
        responses[str(status)] = {"description": text, "headers": headers}
        if endpoint.answer is not None and status not in _WITHOUT_BODY:
            content = _content(endpoint, by_type, with_example=status == endpoint.status)
            responses[str(status)]["content"] = content
    for status, kinds in sorted(_failures(endpoint).items()):
        responses[str(status)] = responses.get(str(status)) or {
            "description": "; ".join(f"`{k.column.code}`: {k.column.message}" for k in kinds),
            "headers": headers,
            "content": {
                JSON: {
                    "schema": by_type[_key(ProblemBody)],
                    "examples": {k.column.code: {"value": _example(k)} for k in kinds},
                }
            },
        }
    return responses


def _content(endpoint: Endpoint, by_type: dict[str, Any], *, with_example: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for media in endpoint.produces:
        answer = endpoint.json_answer if media == JSON and endpoint.json_answer else endpoint.answer
        octets = {"type": "object" if media == JSON else "string"}
        schema = octets if answer is bytes else by_type[_key(answer)]
        if media == JSON and "*/*" in endpoint.produces:
            # A file that happens to be JSON comes under the same type.
            schema = {"anyOf": [schema, {}]}
        found[media] = {"schema": schema}
        if with_example and media == JSON and "response" in endpoint.examples:
            found[media]["example"] = endpoint.examples["response"]
    return found


def _failures(endpoint: Endpoint) -> dict[int, list[type[Problem]]]:
    kinds: list[type[Problem]] = [InvalidRequest, NotAcceptable, Overloaded, *endpoint.raises]
    if not endpoint.public:
        # Not found is also the environment that AgentPost-Environment names.
        kinds += [AuthenticationFailed, Expired, Forbidden, NotFound, RateLimited]
    if endpoint.body is not None:
        kinds += [TooLarge, UnsupportedMediaType]
        kinds += [] if endpoint.body is bytes else [UnknownField]
    if endpoint.conditional:
        kinds.append(PreconditionFailed)
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in dict.fromkeys(kinds):
        by_status.setdefault(kind.column.http, []).append(kind)
    return by_status


def _example(kind: type[Problem]) -> dict[str, Any]:
    column = kind.column
    return {
        "name": kind.__name__,
        "code": column.code,
        "message": column.message,
        "fix": column.fix,
        "docs": f"/docs/errors#{column.code}",
        "request_id": "req_01JQ8X5K2M3N4P5R6S7T8V9W00",
        "errors": [],
    }
