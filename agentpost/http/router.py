"""From a method and a path to an endpoint: a tree of path segments.

Segments are compared before percent-decoding, so that ``%2F`` within an address stays inside
its segment; the variable ones are decoded afterwards.  A literal segment wins over a variable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from agentpost.errors import InvalidRequest
from agentpost.http.endpoint import Endpoint

MAX_SEGMENTS: Final = 16


class _Node:
    __slots__ = ("endpoints", "literal", "variable")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.variable: _Node | None = None
        self.endpoints: dict[str, tuple[Endpoint, tuple[str, ...]]] = {}


class Match:
    """What a path leads to: endpoints by method, and the values of its variable segments."""

    __slots__ = ("_endpoints", "_values")

    def __init__(
        self, endpoints: dict[str, tuple[Endpoint, tuple[str, ...]]], values: tuple[str, ...]
    ) -> None:
        self._endpoints = endpoints
        self._values = values

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods the path has, for Allow."""
        names = set(self._endpoints)
        if "GET" in names:
            names.add("HEAD")
        return tuple(sorted(names | {"OPTIONS"}))

    def endpoint(self, method: str) -> Endpoint | None:
        """The endpoint for a method; HEAD is GET without its body."""
        found = self._endpoints.get("GET" if method == "HEAD" else method)
        return None if found is None else found[0]

    def params(self, method: str) -> dict[str, str]:
        """The variable segments by name, decoded.

        Raises: InvalidRequest when one is not UTF-8.
        """
        names = self._endpoints["GET" if method == "HEAD" else method][1]
        return {name: _decode(value) for name, value in zip(names, self._values, strict=True)}


def _decode(segment: str) -> str:
    if "%" not in segment:
        return segment
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidRequest("A path segment is not UTF-8.") from None


class Router:
    """Finds endpoints; made once from all declarations."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Node()
        self.endpoints: list[Endpoint] = []
        for endpoint in endpoints:
            self._add(endpoint)

    def _add(self, endpoint: Endpoint) -> None:
        node, names = self._root, []
        for segment in endpoint.path.split("/")[1:]:
            if segment.startswith("{") and segment.endswith("}"):
                names.append(segment[1:-1])
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literal.setdefault(segment, _Node())
        if endpoint.method in node.endpoints:
            raise ValueError(f"{endpoint.method} {endpoint.path} is declared twice")
        node.endpoints[endpoint.method] = (endpoint, tuple(names))
        self.endpoints.append(endpoint)

    def match(self, path: str) -> Match | None:
        """What ``path`` leads to, or ``None``."""
        segments = path.split("/")[1:]
        if len(segments) > MAX_SEGMENTS:
            return None
        found = _descend(self._root, segments, 0, ())
        return None if found is None else Match(*found)


def _descend(
    node: _Node, segments: list[str], at: int, values: tuple[str, ...]
) -> tuple[dict[str, tuple[Endpoint, tuple[str, ...]]], tuple[str, ...]] | None:
    if at == len(segments):
        return (node.endpoints, values) if node.endpoints else None
    segment = segments[at]
    literal = node.literal.get(segment)
    if literal is not None:
        found = _descend(literal, segments, at + 1, values)
        if found is not None:
            return found
    if node.variable is not None and segment:
        return _descend(node.variable, segments, at + 1, (*values, segment))
    return None
