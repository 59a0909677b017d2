"""What ``/openapi.json`` promises, held against every answer that the tests of the API see."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import msgspec
from openapi_schema_validator import OAS31Validator

from agentpost.http import openapi
from agentpost.http.answer import JSON
from agentpost.http.endpoint import Endpoint
from agentpost.http.resources import RESOURCES
from agentpost.http.router import Router

_ENDPOINTS = [endpoint for routes in RESOURCES for endpoint in routes.endpoints]
_ROUTER = Router(_ENDPOINTS)
_RATES = [
    prefix + name
    for prefix in ("ratelimit-", "x-ratelimit-")
    for name in ("limit", "remaining", "reset")
]


@cache
def document() -> dict[str, Any]:
    """The document, as a client reads it."""
    octets = msgspec.json.encode(openapi.document(_ENDPOINTS, "0"))
    decoded: dict[str, Any] = json.loads(octets)
    return decoded


@cache
def _validator(path: str, method: str, status: int, media: str) -> Any:
    whole = document()
    content = whole["paths"][path][method]["responses"][str(status)]["content"]
    return OAS31Validator({**content[media]["schema"], "components": whole["components"]})


def check(method: str, target: str, status: int, fields: dict[str, str], octets: bytes) -> None:
    """Refuse an answer that the document does not describe, or that lacks the rate fields."""
    for name in _RATES:
        assert name in fields, f"{method} {target}: {status} without {name}"
    match = _ROUTER.match(target.partition("?")[0])
    endpoint = None if match is None else match.endpoint(method)
    if endpoint is not None and status != 500:
        _check(endpoint, status, fields, octets)


def _check(endpoint: Endpoint, status: int, fields: dict[str, str], octets: bytes) -> None:
    path, method = endpoint.path, endpoint.method.lower()
    responses = document()["paths"][path][method]["responses"]
    assert str(status) in responses, f"{method} {path} answers {status}, which is not described"
    media = fields.get("content-type", "").partition(";")[0]
    if not octets:
        return
    described = responses[str(status)]["content"]
    assert media in described or "*/*" in described, f"{method} {path} answers {media}"
    if media == JSON and JSON in described:
        _validator(path, method, status, media).validate(json.loads(octets))
