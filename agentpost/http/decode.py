"""Requests from octets to typed values, with errors that say where.

JSON bodies and query strings become the declared types; whatever does not fit is told with the
path of the field, so that a program can mend its request without a human.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from agentpost.errors import FieldError, InvalidRequest, UnknownField, UnsupportedMediaType
from agentpost.http.answer import JSON
from agentpost.http.endpoint import Endpoint, Query
from agentpost.http.wire import Head

T = TypeVar("T")

MAX_PARAMETERS: Final = 100
_MERGE_PATCH: Final = "application/merge-patch+json"
_WHERE: Final = re.compile(r"(?P<what>.*) - at `(?P<key>key in )?\$(?P<path>.*)`", re.DOTALL)
_FIELD: Final = re.compile(r"(?:unknown|required) field `(?P<name>[^`]{1,200})`")
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_SPELT: Final = {
    int: (re.compile(r"-?[0-9]{1,20}", re.ASCII), "Expected a whole number"),
    datetime: (
        re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]{8,20}([Zz]|[+-][0-9]{2}:[0-9]{2})"),
        "Expected a moment with its zone, such as 2026-03-08T14:30:00Z (+ is written %2B)",
    ),
}
"""How numbers and moments are written; text is converted leniently otherwise, so that ``2020``
would be a moment half an hour after 1970."""
_EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)
"""A day inside the calendar, so that every zone has these moments."""
_KEYED: Final = re.compile(r"(?P<name>[A-Za-z_]{1,64})\[(?P<key>[^\[\]]{1,256})\]")


def field_error(error: msgspec.ValidationError) -> FieldError:
    """Where and what: msgspec's ``... - at `$.to[0]``` as a path ``to[0].emial``."""
    text = str(error)
    match = _WHERE.fullmatch(text)
    what, path = (match["what"], match["path"]) if match else (text, "")
    named = _FIELD.search(what)
    if named is not None:
        path = f"{path}.{named['name']}"
    return FieldError(path.removeprefix("."), what)


def _timed(annotation: Any) -> bool:
    """Whether a type has a moment anywhere in it."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return any(_timed(field.type) for field in msgspec.structs.fields(annotation))
    return annotation is datetime or any(map(_timed, get_args(annotation)))


def _beyond(value: Any, path: str = "") -> Iterator[FieldError]:
    """The moments outside the calendar in UTC, which could be stored and never shown again."""
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            where = f"{path}.{field.encode_name}" if path else field.encode_name
            yield from _beyond(getattr(value, field.name), where)
    elif isinstance(value, datetime) and not _EARLIEST <= value <= _LATEST:
        yield FieldError(path, "must lie from 0001-01-02 to 9999-12-30")


_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _check_json(body: bytes) -> None:
    """What does not fit may be no JSON further on, which is the worse fault.

    Raises: InvalidRequest.
    """
    try:
        msgspec.json.decode(body)
    except msgspec.ValidationError:
        return
    except _NOT_JSON as error:
        raise _not_json(error) from None


def _not_json(error: Exception) -> InvalidRequest:
    # The text of these errors tells a position, never content.
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return InvalidRequest(f"The body is not JSON: {reason}", fix="Send one JSON object in UTF-8.")


class BodyDecoder:
    """Decodes the body of one endpoint."""

    __slots__ = ("_accepts", "_aliases", "_decoder", "_json", "_timed", "_type")

    def __init__(self, endpoint: Endpoint) -> None:
        self._type = endpoint.body
        self._accepts = frozenset(endpoint.accepts)
        self._json = JSON in self._accepts and endpoint.body is not bytes
        self._timed = _timed(endpoint.body)
        self._aliases: dict[str, str] = getattr(endpoint.body, "aliases", {})
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            Any if self._aliases or endpoint.body in (None, bytes) else endpoint.body
        )

    def check_media(self, head: Head) -> None:
        """Refuse a body that could not be decoded, before it is read.

        Raises: UnsupportedMediaType.
        """
        if head.fields.get(b"content-encoding", b"identity").lower() != b"identity":
            raise UnsupportedMediaType(
                "The body is compressed.", fix="Send the body without a Content-Encoding."
            )
        if head.framing == "none" or self._type is None:
            return
        media = (head.field(b"content-type") or "").partition(";")[0].strip(" \t").lower()
        if (
            "*/*" in self._accepts
            or media in self._accepts
            or (self._json and media == _MERGE_PATCH)
        ):
            return
        wanted = " or ".join(sorted(self._accepts))
        raise UnsupportedMediaType(
            f"The body's media type is {media!r}." if media else "The body has no Content-Type.",
            fix=f"Send the body as Content-Type: {wanted}.",
        )

    def decode(self, body: bytes) -> Any:
        """The body as the endpoint's type.

        Raises: InvalidRequest when it is no JSON; UnknownField when it does not fit, with paths.
        """
        if self._type is None:
            return None
        if not self._json:
            return body
        try:
            decoded = self._decoded(body or b"{}")
        except msgspec.ValidationError as error:
            _check_json(body)
            raise UnknownField(errors=(field_error(error),)) from None
        except _NOT_JSON as error:
            raise _not_json(error) from None
        if self._timed and (beyond := tuple(_beyond(decoded))):
            raise UnknownField(errors=beyond)
        return decoded

    def _decoded(self, body: bytes) -> Any:
        # PostgreSQL's text cannot hold U+0000, and nothing in mail should.
        if b"\\u0000" in body and _NUL.search(body):
            raise UnknownField("A string holds U+0000.", fix="Remove the character U+0000.")
        if not self._aliases:
            return self._decoder.decode(body)
        return msgspec.convert(self._canonical(self._decoder.decode(body)), self._type)

    def _canonical(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for alias, name in self._aliases.items():
            if alias in value:
                if name in value:
                    message = f"{alias} is another spelling of {name}; send one of them"
                    raise UnknownField(errors=(FieldError(alias, message),))
                value[name] = value.pop(alias)
        return value


class QueryDecoder:
    """Decodes the query string of one endpoint."""

    __slots__ = ("_aliases", "_default", "_lists", "_maps", "_spelt", "_timed", "_type")

    def __init__(self, kind: type[Query] | None) -> None:
        self._type = kind
        self._timed = _timed(kind)
        self._default: Query | None = None
        self._aliases: dict[str, str] = getattr(kind, "aliases", {})
        self._lists: frozenset[str] = frozenset()
        self._maps: frozenset[str] = frozenset()
        self._spelt: dict[str, tuple[re.Pattern[str], str]] = {}
        if kind is not None:
            fields = msgspec.structs.fields(kind)
            self._lists = frozenset(f.encode_name for f in fields if _holds(f.type, list, tuple))
            self._maps = frozenset(f.encode_name for f in fields if _holds(f.type, dict))
            self._spelt = {
                f.encode_name: spelt
                for f in fields
                for k, spelt in _SPELT.items()
                if _holds(f.type, k)
            }
            if not any(f.required for f in fields):
                self._default = kind()

    def decode(self, query: str) -> Any:
        """The parameters as the endpoint's query type.

        Raises: InvalidRequest with the name of the parameter.
        """
        if not query and (self._default is not None or self._type is None):
            return self._default
        try:
            pairs = parse_qsl(
                query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
            )
        except (UnicodeDecodeError, ValueError):
            raise InvalidRequest(
                f"The query is not UTF-8, or has over {MAX_PARAMETERS} parameters."
            ) from None
        if self._type is None:
            raise _bad_parameter(pairs[0][0] if pairs else query, "there is no such parameter")
        try:
            decoded = msgspec.convert(self._gather(pairs), self._type, strict=False)
        except msgspec.ValidationError as error:
            found = field_error(error)
            raise _bad_parameter(found.path, found.message) from None
        for beyond in _beyond(decoded) if self._timed else ():
            raise _bad_parameter(beyond.path, beyond.message)
        return decoded

    def _gather(self, pairs: list[tuple[str, str]]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for given, value in pairs:
            name = self._aliases.get(given, given)
            keyed = _KEYED.fullmatch(name) if "[" in name else None
            if keyed is not None and keyed["name"] in self._maps:
                values.setdefault(keyed["name"], {})[keyed["key"]] = value
            elif name in self._lists:
                values.setdefault(name, []).extend(part for part in value.split(",") if part)
            elif name in values:
                raise _bad_parameter(given, "it stands twice")
            elif name in self._spelt and self._spelt[name][0].fullmatch(value) is None:
                raise _bad_parameter(given, self._spelt[name][1])
            else:
                values[name] = value
        return values


def _holds(annotation: Any, *kinds: type) -> bool:
    if get_origin(annotation) in kinds or annotation in kinds:
        return True
    return any(_holds(part, *kinds) for part in get_args(annotation))


def _bad_parameter(name: str, message: str) -> InvalidRequest:
    shown = name[:100]
    return InvalidRequest(
        f"The query parameter {shown} is not valid: {message}.",
        errors=(FieldError(shown, message),),
    )
