"""What clients give names and notes: bounded text that PostgreSQL and a header field can hold."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Any, Final, Literal

import msgspec

from agentpost.auth.addresses import canonical, lowered
from agentpost.errors import FieldError, Forbidden, NotFound, PreconditionFailed, UnknownField
from agentpost.limits import IdentityLimits
from agentpost.model.actor import Actor
from agentpost.store.store import Place, PlaceKind

InboxKind = Literal["inbox", "any_inbox"]

_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,256}", re.ASCII)
_SLUG: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9]+", re.ASCII)
_REFERENCE: Final = re.compile(r"[\x21-\x7e]{1,320}", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_HIDING: Final = {"trash": "Trash", "spam": "Junk"}
"""The folders of what is hidden; special folders keep their names."""
_UNSTORABLE: Final = re.compile(r"[\x00\ud800-\udfff]")


def refuse(path: str, message: str, fix: str | None = None) -> UnknownField:
    """The error for one wrong field; to be raised."""
    return UnknownField(f"{path}: {message}.", fix=fix, errors=(FieldError(path, message),))


def place(kind: PlaceKind, reference: str) -> Place:
    """A place named by a client: an id, or an inbox by its address however it is written.

    Raises: NotFound for text that cannot be either, such as one with a NUL.
    """
    identifier(reference)
    return Place(kind, canonical(reference) if "@" in reference else reference)


def identifier(reference: str) -> str:
    """An id named by a client, of whatever kind.

    Raises: NotFound for text that PostgreSQL could not even compare, such as one with a NUL.
    """
    if _REFERENCE.fullmatch(reference) is None:
        raise NotFound
    return reference


def no_inbox() -> NotFound:
    """The error for an inbox that is gone; to be raised."""
    return NotFound("There is no such inbox.")


def line(path: str, text: str, max_characters: int) -> str:
    """One line of text: not empty, no control characters.  Raises: UnknownField."""
    if not text.strip():
        raise refuse(path, "must not be empty")
    if len(text) > max_characters:
        raise refuse(path, f"must have at most {max_characters} characters")
    if _CONTROL.search(text) is not None:
        raise refuse(path, "must not hold control characters or line breaks")
    return text


def lines(path: str, text: str, max_characters: int) -> str:
    """Text of any number of lines.  Raises: UnknownField."""
    if len(text) > max_characters:
        raise refuse(path, f"must have at most {max_characters} characters")
    if _UNSTORABLE.search(text) is not None:
        raise refuse(path, "must not hold a NUL or half a character")
    return text


def searchable(path: str, text: str) -> str:
    """Text to look for.  Raises: UnknownField when no stored text could hold it."""
    return lines(path, text, 1_000)


def client_id(value: str | None) -> str | None:
    """A client_id (API.md, Conventions).  Raises: UnknownField."""
    if value is not None and _CLIENT_ID.fullmatch(value) is None:
        raise refuse("client_id", "must be 1 to 256 of A-Z a-z 0-9 - . _ ~")
    return value


def slug(value: str) -> str:
    """A name for URLs and humans.  Raises: UnknownField."""
    if _SLUG.fullmatch(value) is None:
        raise refuse("slug", "must be 1 to 63 lower-case letters, digits and inner hyphens")
    return value


def slug_of(name: str) -> str:
    """A slug made from a name; empty when it holds no ASCII letter or digit."""
    return _NOT_IN_SLUG.sub("-", lowered(name)).strip("-")[:63].rstrip("-")


def labels(
    values: tuple[str, ...], limits: IdentityLimits, path: str = "labels"
) -> tuple[str, ...]:
    """Labels in lower case, each once.  Raises: UnknownField."""
    if len(values) > limits.max_labels:
        raise refuse(path, f"at most {limits.max_labels} labels are allowed")
    checked = [
        line(f"{path}[{number}]", value.strip(), limits.max_label_characters).lower()
        for number, value in enumerate(values)
    ]
    return tuple(dict.fromkeys(checked))


def metadata(value: dict[str, Any], limits: IdentityLimits) -> dict[str, Any]:
    """Notes of a program.  Raises: UnknownField when they are too many or cannot be stored."""
    if len(value) > limits.max_metadata_keys:
        raise refuse("metadata", f"at most {limits.max_metadata_keys} keys are allowed")
    for key in value:
        line("metadata", key, limits.max_name_characters)
    text = json(value, "metadata")
    if len(text) > limits.max_metadata_octets:
        raise refuse("metadata", f"must have at most {limits.max_metadata_octets} octets as JSON")
    return value


def json(value: object, path: str = "metadata") -> str:
    """A value as JSON for a jsonb column.  Raises: UnknownField when it cannot be stored."""
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError):
        raise refuse(path, "must be JSON") from None
    # JSON may escape what PostgreSQL's jsonb refuses to hold.
    if "\\u0000" in text.replace("\\\\", ""):
        raise refuse(path, "must not hold a NUL")
    return text


def merged(present: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """``present`` with the keys of ``change``; a key whose value is None is removed."""
    return {key: value for key, value in {**present, **change}.items() if value is not None}


def visible(actor: Actor, include: AbstractSet[str], folder: str | None) -> None:
    """Refuse to list what is hidden from this key.  ``folder`` is canonical.

    Raises: Forbidden.
    """
    kinds = set(include)
    kinds |= {kind for kind, name in _HIDING.items() if name == folder}
    for kind in sorted(kinds):
        if not actor.may(f"{kind}:read"):
            scope = f"{kind}:read"
            raise Forbidden(
                f"Listing {kind} needs the scope {scope}.",
                fix=f"Use a key that holds the scope {scope}.",
            )


def match(allowed: frozenset[str] | None, version: int) -> None:
    """Refuse a change of another version than If-Match allows.  Raises: PreconditionFailed."""
    if allowed is not None and str(version) not in allowed:
        raise PreconditionFailed
