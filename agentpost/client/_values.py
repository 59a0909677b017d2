"""Values between Python and JSON: models of answers, and arguments of requests."""

from __future__ import annotations

import base64
import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Final, Literal, TypeVar, cast, get_args, get_origin

T = TypeVar("T")


class NotGiven(Enum):
    """The kind of ``NOT_GIVEN``: an argument that was left out, where None would say something."""

    NOT_GIVEN = "not given"

    def __repr__(self) -> str:
        return "NOT_GIVEN"


NOT_GIVEN: Final = NotGiven.NOT_GIVEN


class Model:
    """An answer of the server.

    Fields that a newer server adds are ignored; what an answer leaves out is None.
    """

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """The fields as Python values, nested models as dictionaries."""
        return {each.name: _plain(getattr(self, each.name)) for each in dataclasses.fields(self)}


def decoded(kind: type[T], value: object) -> T:
    """``value``, as ``json.loads`` gives it, as a ``kind``."""
    return cast(T, _decode(kind, value))


def given(**arguments: object) -> dict[str, Any]:
    """The arguments that were not left out, as JSON has them.

    A trailing underscore keeps a name from being a Python keyword and is not sent.
    """
    return {
        name.removesuffix("_"): encoded(value)
        for name, value in arguments.items()
        if value is not NOT_GIVEN
    }


def encoded(value: object) -> Any:
    """``value`` for JSON: moments in RFC 3339, octets in base64, models as objects."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            if value.tzinfo is None:
                raise ValueError("a moment needs a time zone: datetime.now(timezone.utc)")
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Model():
            return encoded(value.to_dict())
        case Mapping():
            return {str(name): encoded(each) for name, each in value.items()}
        case Sequence() | set() | frozenset():
            return [encoded(each) for each in value]
        case _:
            raise TypeError(f"{type(value).__name__} cannot be sent")


def _plain(value: object) -> Any:
    match value:
        case Model():
            return value.to_dict()
        case list():
            return [_plain(each) for each in value]
        case _:
            return value


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode(kind: Any, value: object) -> Any:
    if value is None or kind is Any:
        return value
    origin = get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        chosen = [each for each in get_args(kind) if each is not type(None)]
        return _decode(chosen[0], value) if len(chosen) == 1 else value
    if origin is list and isinstance(value, list):
        (item,) = get_args(kind)
        return [_decode(item, each) for each in value]
    if origin is Literal:
        return value
    if kind is datetime and isinstance(value, str):
        return _moment(value)
    if isinstance(kind, type) and issubclass(kind, Model) and isinstance(value, dict):
        hints = _hints(cast(Any, kind))
        return kind(
            **{
                each.name: _decode(hints[each.name], value.get(each.name.removesuffix("_")))
                for each in dataclasses.fields(cast(Any, kind))
            }
        )
    return value


def _moment(text: str) -> datetime | str:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text
