"""JSON schemas as Python types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from generators.naming import model

Schema = dict[str, Any]
_REF = "#/components/schemas/"


def reference(schema: Schema) -> str | None:
    """The name of the component that ``schema`` refers to."""
    target = schema.get("$ref")
    return target.removeprefix(_REF) if isinstance(target, str) else None


PAGES: Final = ("ListBody_", "FoundBody_")
"""How the names of components begin that hold a page of others."""


def listed(schema: Schema, api: Schema) -> str | None:
    """The component that a page of ``schema`` holds; None when it is no page."""
    name = reference(schema)
    if name is None or not name.startswith(PAGES):
        return None
    return reference(api["components"]["schemas"][name]["properties"]["data"]["items"])


def annotation(schema: Schema, *, sent: bool) -> str:
    """The Python type of a value; ``sent`` ones are taken more freely than answers are given."""
    name = reference(schema)
    if name is not None:
        if name.startswith(PAGES):
            return "dict[str, Any]"
        return model(name)
    if "anyOf" in schema:
        kinds = [annotation(each, sent=sent) for each in schema["anyOf"]]
        kind = " | ".join(dict.fromkeys(part for each in kinds for part in each.split(" | ")))
        return f"{without_none(kind)} | None" if without_none(kind) != kind else kind
    if "enum" in schema:
        return f"Literal[{', '.join(repr(each) for each in schema['enum'])}]"
    match schema.get("type"):
        case "null":
            return "None"
        case "boolean":
            return "bool"
        case "integer":
            return "int"
        case "number":
            return "float"
        case "string":
            return _text(schema, sent)
        case "array":
            item = annotation(schema.get("items", {}), sent=sent)
            return f"Sequence[{item}]" if sent else f"list[{item}]"
        case "object":
            inner = schema.get("additionalProperties")
            value = annotation(inner, sent=sent) if isinstance(inner, dict) else "Any"
            return f"Mapping[str, {value}]" if sent else f"dict[str, {value}]"
        case _:
            return "Any"


def without_none(kind: str) -> str:
    """``kind`` without its alternative None."""
    return " | ".join(part for part in kind.split(" | ") if part != "None")


def references(schema: Any) -> Iterator[str]:
    """The components that ``schema`` refers to."""
    if isinstance(schema, dict):
        name = reference(schema)
        if name is not None:
            yield name
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def sentence(text: str) -> str:
    """``text`` as a docstring may hold it."""
    return text.replace("\\", "\\\\").replace('"""', "'''").strip()


def _text(schema: Schema, sent: bool) -> str:
    if schema.get("format") == "date-time":
        return "datetime | str" if sent else "datetime"
    if schema.get("contentEncoding") == "base64":
        return "bytes | str" if sent else "str"
    return "str"
