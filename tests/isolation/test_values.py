"""R02.04 for every field of every request: what is beyond measure is refused, and no fault.

The fields and their types come from the endpoints, so a new one is in here from its first day.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import pytest

from agentpost.http.endpoint import Endpoint
from tests.isolation.matrix import ROUTES, Matrix
from tests.isolation.test_references import fields_of, with_value

MOMENTS: Final = (
    "9999-12-31T23:59:59.999999-23:59",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
)
NUMBERS: Final = (2**31, 2**63 - 1, 2**63, 2**70, -(2**63), -1, 0)
TEXTS: Final = ("", "\ud800", "\0", "a\r\nb: c", "\u202e\u2028", "x" * 100_000, "%", "'\"\\")


def _hostile(hint: Any) -> tuple[Any, ...]:
    """Values that could hurt a field of this type."""
    parts = set(_parts(hint))
    return (
        *(MOMENTS if datetime in parts else ()),
        *(NUMBERS if parts & {int, float} else ()),
        *(TEXTS if str in parts and datetime not in parts else ()),
    )


def _parts(hint: Any) -> Iterator[Any]:
    inner = typing.get_args(hint)
    if not inner:
        yield hint
    for part in inner:
        yield from _parts(part)


def _hint(kind: Any, path: tuple[str, ...]) -> Any:
    """The type of the field at a path."""
    for part in (kind, *_parts(kind)):
        hints = typing.get_type_hints(part) if hasattr(part, "__struct_fields__") else {}
        if path[0] in hints:
            return hints[path[0]] if len(path) == 1 else _hint(hints[path[0]], path[1:])
    raise AssertionError(path)


@pytest.mark.parametrize("where", ["body", "query"])
@pytest.mark.parametrize("root", ["/api/v1/", "/v0/"])
async def test_no_value_of_any_field_is_a_fault(matrix: Matrix, root: str, where: str) -> None:
    faults: dict[str, str] = {}
    for endpoint in ROUTES:
        if not endpoint.path.startswith(root):
            continue
        kind = getattr(endpoint, where)
        for path in sorted(set(fields_of(kind))):
            for value in _hostile(_hint(kind, path)):
                about = f"{endpoint.method} {endpoint.path} {'.'.join(path)}"
                try:
                    if await _asked(matrix, endpoint, where, path, value) == 500:
                        faults[about] = repr(value)[:40]
                except AssertionError as undescribed:
                    faults[about] = str(undescribed)
    assert faults == {}  # And what is answered is described in /openapi.json.


async def _asked(
    matrix: Matrix, endpoint: Endpoint, where: str, path: tuple[str, ...], value: Any
) -> int:
    if where == "body":
        body = with_value(matrix.sample(endpoint), endpoint.body, path, value)
        answer = await matrix.ask(matrix.acme.call, endpoint, more=body)
    else:
        if path[0] == "timeout_s":
            return 0  # What waits is asked in test_wait.py.
        name, text = path[0].rstrip("_"), str(value)[:5000]
        query = f"{name}={quote(text.encode('utf-8', 'surrogatepass'), '')}"
        answer = await matrix.ask(matrix.acme.call, endpoint, query=query)
    return answer.status
