"""JSON schemas of tools, short: a model pays for every character of them on every turn.

They are made from the types that arguments are decoded with, so that both always say the same;
what a model does not need (titles, defaults, references) is left out.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

Schema = dict[str, Any]

_KEPT: Final = ("type", "enum", "items", "properties", "required", "description", "maximum")

MAIL: Final[Schema] = {
    "type": "object",
    "properties": {"untrusted": {"const": True}, "content": {}},
    "required": ["untrusted", "content"],
}
"""What a tool gives that returns mail."""
PAGE: Final[Schema] = {
    "type": "object",
    "properties": {"data": {"type": "array"}, "next_cursor": {"type": ["string", "null"]}},
    "required": ["data"],
}
"""What a tool gives that lists."""


def of_arguments(kind: type[msgspec.Struct]) -> Schema:
    """The schema of a tool's arguments."""
    (root,), parts = msgspec.json.schema_components([kind], ref_template="{name}")
    schema = _short(root, parts)
    schema.pop("description", None)
    return schema


def of_fields(*names: str) -> Schema:
    """The schema of an object that has these texts, and perhaps more."""
    texts = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": texts, "required": list(names)}


def _short(schema: Schema, parts: dict[str, Any]) -> Schema:
    if "$ref" in schema:
        found = _short(parts[schema["$ref"]], parts)
        found.pop("description", None)
        return found
    if "anyOf" in schema:
        # One text where a list of them is wanted is accepted; the list is what is asked for.
        lists = [one for one in schema["anyOf"] if one.get("type") == "array"]
        return _short(lists[0] if lists else schema["anyOf"][0], parts)
    short: Schema = {name: schema[name] for name in _KEPT if name in schema}
    if "properties" in short:
        short["properties"] = {
            name: _short(each, parts) for name, each in short["properties"].items()
        }
    if "items" in short:
        short["items"] = _short(short["items"], parts)
    if not short.get("required", True):
        del short["required"]
    return short
