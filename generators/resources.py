"""The operations of the API as methods, once for the client that blocks and once for the other."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, replace
from typing import Any

from generators.models import answers_of, body_of, operations
from generators.naming import (
    ELSEWHERE,
    LINKS,
    OMITTED,
    OPERATIONS,
    RESOURCES,
    argument,
    class_name,
    model,
    path_argument,
)
from generators.schemas import Schema, annotation, listed, reference, sentence, without_none

HEADER = '''"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._signatures import verify
from agentpost.client._values import NOT_GIVEN, NotGiven, given

'''


@dataclass(frozen=True, slots=True)
class Argument:
    """A keyword argument: where it goes, and what may be given."""

    name: str
    wire: str
    kind: str
    required: bool
    text: str | None


@dataclass(frozen=True, slots=True)
class Method:
    """One method, put together from one or two operations."""

    name: str
    verb: str
    paths: tuple[tuple[str, tuple[str, ...]], ...]
    """Templates and their variables, the shorter first."""
    summary: str
    description: str
    query: tuple[Argument, ...]
    body: tuple[Argument, ...]
    content: str | None
    """Media type of a body of octets."""
    answer: str
    """A Python type; empty for none."""
    pages: bool
    keyed: bool
    conditional: bool
    link: bool = False
    """Asks for a link instead of the octets."""


class Unnamed(Exception):
    """An operation that ``generators.naming`` does not know."""


def write_resources(api: Schema) -> dict[str, str]:
    """The source of each module of the package, by its name.  Raises: Unnamed."""
    by_resource = _methods(api)
    found = {"__init__": _package()}
    for resource, text in RESOURCES.items():
        classes = [
            _class(resource, text, by_resource.get(resource, []), asynchronous)
            for asynchronous in (False, True)
        ]
        found[resource] = "\n\n".join([HEADER, *classes]) + "\n"
    return found


def _methods(api: Schema) -> dict[str, list[Method]]:
    groups: dict[tuple[str, str], list[tuple[str, str, Schema]]] = {}
    for path, verb, operation in operations(api):
        name = operation["operationId"]
        if name in ELSEWHERE:
            continue
        if name not in OPERATIONS:
            raise Unnamed(f"generators/naming.py has no name for the operation {name}")
        groups.setdefault(OPERATIONS[name], []).append((path, verb, operation))
    found: dict[str, list[Method]] = {}
    for (resource, name), members in groups.items():
        if resource not in RESOURCES:
            raise Unnamed(f"generators/naming.py does not describe the resource {resource}")
        members.sort(key=lambda member: member[0].count("{"))
        methods = found.setdefault(resource, [])
        methods.append(_method(name, members, api))
        link = LINKS.get(members[-1][2]["operationId"])
        if link is not None:
            methods.append(_link(link, members[-1], methods[-1]))
    return found


def _link(name: str, member: tuple[str, str, Schema], octets: Method) -> Method:
    """The method that gives a link to what ``octets`` gives."""
    answer = _answer(member[2], list(answers_of(member[2])))
    summary = "A link to the same, which opens for a while without a key."
    return replace(
        octets, name=name, summary=summary, description="", query=(), link=True, answer=answer
    )


def _method(name: str, members: list[tuple[str, str, Schema]], api: Schema) -> Method:
    _, verb, operation = members[-1]
    headers = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"}
    query: dict[str, Argument] = {}
    for _, _, each in members:
        for parameter in each.get("parameters", ()):
            hidden = OMITTED.get(each["operationId"], frozenset())
            if parameter["in"] == "query" and parameter["name"] not in hidden:
                found = _parameter(parameter)
                query.setdefault(found.name, found)
    schemas = [] if operation["operationId"] in LINKS else list(answers_of(operation))
    item = listed(schemas[0], api) if schemas else None
    content = None
    if body_of(operation) is None and "requestBody" in operation:
        content = next(iter(operation["requestBody"]["content"]))
    return Method(
        name,
        verb.upper(),
        tuple((path, _variables(path)) for path, _, _ in members),
        operation["summary"],
        members[0][2].get("description", ""),
        tuple(query.values()),
        _body(body_of(operation), api),
        content,
        f"models.{model(item)}" if item else _answer(operation, schemas),
        item is not None,
        "Idempotency-Key" in headers,
        "If-Match" in headers,
    )


def _variables(path: str) -> tuple[str, ...]:
    return tuple(part[1:-1] for part in path.split("/") if part.startswith("{"))


def _parameter(parameter: Schema) -> Argument:
    schema = parameter["schema"]
    kind = _prefixed(annotation(schema, sent=True))
    text = parameter.get("description") or schema.get("description")
    return Argument(
        argument(parameter["name"]), parameter["name"], kind, parameter.get("required", False), text
    )


def _body(schema: Schema | None, api: Schema) -> tuple[Argument, ...]:
    if schema is None:
        return ()
    name = reference(schema)
    found: Schema = schema if name is None else api["components"]["schemas"][name]
    required = set(found.get("required", ()))
    return tuple(
        Argument(
            argument(field),
            field,
            _prefixed(annotation(value, sent=True)),
            field in required,
            value.get("description"),
        )
        for field, value in found.get("properties", {}).items()
    )


def _answer(operation: Schema, schemas: list[Schema]) -> str:
    if schemas:
        name = reference(schemas[0])
        nothing = " | None" if "204" in operation["responses"] else ""
        return (f"models.{model(name)}" if name else "dict[str, Any]") + nothing
    for status, response in operation["responses"].items():
        if status < "300" and response.get("content"):
            kinds = list(response["content"])
            return "str" if all(kind.startswith("text/") for kind in kinds) else "bytes"
    return ""


def _prefixed(kind: str) -> str:
    """``kind`` with the models that it names in their module."""
    return re.sub(r"\b(\w+Param)\b", r"models.\1", kind)


# Source


def _class(resource: str, text: str, methods: list[Method], asynchronous: bool) -> str:
    name = ("Async" if asynchronous else "") + class_name(resource)
    call = "Callable[[Call[Any]], Awaitable[Any]]" if asynchronous else "Callable[[Call[Any]], Any]"
    lines = [f"class {name}:", f'    """{text}"""', ""]
    if resource == "webhooks":
        lines += ["    verify = staticmethod(verify)", ""]
    lines += [f"    def __init__(self, call: {call}) -> None:", "        self._call = call", ""]
    for method in methods:
        lines += _source(method, asynchronous)
    return "\n".join(lines)


def _package() -> str:
    lines = [
        '"""The operations of the API.  Written by ``python -m generators.client``."""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Awaitable, Callable",
        "from typing import Any",
        "",
        "from agentpost.client._calls import Call",
    ]
    for resource in RESOURCES:
        name = class_name(resource)
        lines.append(f"from agentpost.client.resources.{resource} import Async{name}, {name}")
    for prefix, answer in (("", "Any"), ("Async", "Awaitable[Any]")):
        lines += [
            "",
            "",
            f"class {prefix}Resources:",
            '    """The resources of the API, as attributes of the client."""',
            "",
            f"    def __init__(self, call: Callable[[Call[Any]], {answer}]) -> None:",
        ]
        for resource in RESOURCES:
            lines.append(f"        self.{resource} = {prefix}{class_name(resource)}(call)")
    return "\n".join(lines) + "\n"


def _source(method: Method, asynchronous: bool) -> list[str]:
    waits = asynchronous and not method.pages
    pager = "AsyncPager" if asynchronous else "Page"
    answer = f"{pager}[{method.answer}]" if method.pages else method.answer or "None"
    return [
        f"    {'async ' if waits else ''}def {method.name}(",
        *(f"        {each}," for each in _signature(method)),
        f"    ) -> {answer}:",
        *_docstring(method),
        *_statements(method, asynchronous),
        "",
    ]


def _signature(method: Method) -> list[str]:
    found = ["self"]
    variables = method.paths[-1][1]
    optional = set(variables) - set(method.paths[0][1])
    for variable in variables:
        name = path_argument(variable)
        found.append(f"{name}: str | None = None" if variable in optional else f"{name}: str")
    if method.content is not None:
        found.append("octets: bytes")
    keywords = [_keyword(each) for each in (*method.body, *method.query)]
    keywords.sort(key=lambda each: "=" in each)
    if method.keyed:
        keywords.append("idempotency_key: str | None = None")
    if method.conditional:
        keywords.append("if_match: str | None = None")
    return [*found, "*", *keywords] if keywords else found


def _keyword(one: Argument) -> str:
    if one.required:
        return f"{one.name}: {one.kind}"
    kind = without_none(one.kind)
    none = " | None" if kind != one.kind else ""
    return f"{one.name}: {kind} | NotGiven{none} = NOT_GIVEN"


def _docstring(method: Method) -> list[str]:
    parts = [sentence(method.summary).rstrip(".") + "."]
    if method.description:
        parts.append(sentence(method.description))
    described = [
        f"{one.name}: {_clean(one.text)}" for one in (*method.body, *method.query) if one.text
    ]
    if described:
        parts.append("\n".join(described))
    text = "\n\n".join(parts)
    closing = '"""'
    if "\n" not in text and len(text) < 80:
        return [f'        """{text}"""']
    return [
        textwrap.indent(f'"""{text}\n{closing}', " " * 8, lambda line: bool(line.strip())),
    ]


def _clean(text: str) -> str:
    return sentence(" ".join(text.split()))


def _statements(method: Method, asynchronous: bool) -> list[str]:
    lines = _target(method)
    parts = [f'"{method.verb}"', "target"]
    kind = method.answer.removesuffix(" | None").replace("dict[str, Any]", "dict")
    parts.append("dict" if method.pages else kind or "None")
    if method.link:
        parts.append("query=given(presigned=True)")
    elif method.query:
        parts.append(f"query={_given(method.query)}")
    if method.body:
        parts.append(f"body={_given(method.body)}")
    if method.content is not None:
        parts += ["content=octets", f'media="{method.content}"']
    headers: dict[str, str] = {}
    if method.keyed:
        parts.append("keyed=True")
        headers["Idempotency-Key"] = "idempotency_key"
    if method.conditional:
        headers["If-Match"] = "if_match"
    if headers:
        pairs = ", ".join(f'"{name}": {value}' for name, value in headers.items())
        parts.append(f"headers=chosen({{{pairs}}})")
    call = f"Call({', '.join(parts)})"
    if method.pages:
        pager = "AsyncPager" if asynchronous else "Page"
        return [*lines, f"        return {pager}(self._call, {call}, {method.answer})"]
    value = f"{'await ' if asynchronous else ''}self._call({call})"
    if not method.answer:
        return [*lines, f"        {value}"]
    return [*lines, f"        answer: {method.answer} = {value}", "        return answer"]


def _target(method: Method) -> list[str]:
    if len(method.paths) == 1:
        return [f"        target = {_path(method.paths[0])}"]
    (short, long) = method.paths
    missing = path_argument((set(long[1]) - set(short[1])).pop())
    return [
        f"        if {missing} is None:",
        f"            target = {_path(short)}",
        "        else:",
        f"            target = {_path(long)}",
    ]


def _path(found: tuple[str, tuple[str, ...]]) -> str:
    template, variables = found
    if not variables:
        return f'"{template}"'
    for variable in variables:
        template = template.replace(f"{{{variable}}}", "{}")
    return f'path("{template}", {", ".join(path_argument(each) for each in variables)})'


def _given(arguments: tuple[Argument, ...]) -> str:
    inner = ", ".join(f"{one.name}={one.name}" for one in arguments)
    return f"given({inner})"


def names(api: dict[str, Any]) -> set[str]:
    """Every operation of the API by name; for the test that none is forgotten."""
    return {operation["operationId"] for _, _, operation in operations(api)}
