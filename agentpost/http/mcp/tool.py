"""How a tool is declared: one value that lists, checks, describes and calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, UnsetType

from agentpost.errors import UnknownField
from agentpost.http.decode import field_error
from agentpost.http.mcp import schema
from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.untrusted import WARNING
from agentpost.model.actor import Actor
from agentpost.store import checks

Text = str | UnsetType
Truth = bool | UnsetType
Number = int | UnsetType
Texts = list[str] | UnsetType
People = str | list[str] | UnsetType
"""LENIENT_SINGLE_RECIPIENT: models send one address where a list is asked for."""


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a tool takes.  A name nobody knows is an error that names it, so that models learn."""

    def given(self, *names: str) -> dict[str, Any]:
        """Those of ``names`` that were given, as plain values."""
        values = msgspec.to_builtins(self)
        return {name: values[name] for name in names if name in values}


class Nothing(Arguments, frozen=True):
    """No arguments."""


Confirm = Annotated[bool, Meta(description="true: really do it")]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a tool has come that waits."""

    done: float
    total: float


Run = Callable[[Calling, Any], Awaitable[Any]]
Waiting = Callable[[Calling, Any], AsyncIterator[Any]]
"""Gives :class:`Progress` again and again and, last, its result."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool."""

    name: str
    scopes: tuple[str, ...]
    """What a key must hold; a tool that it may not use is not listed."""
    arguments: type[Arguments]
    mail: bool
    """Its result holds what outside senders wrote."""
    listing: dict[str, Any]
    """As ``tools/list`` tells it."""
    essential: bool
    run: Run | None
    waiting: Waiting | None

    def usable(self, actor: Actor) -> bool:
        """Whether the actor holds all that the tool needs."""
        return all(actor.may(scope) for scope in self.scopes)

    def read(self, arguments: Any) -> Arguments:
        """Arguments as the tool's type.  Raises: UnknownField."""
        try:
            return msgspec.convert(arguments, self.arguments)
        except msgspec.ValidationError as error:
            raise UnknownField(errors=(field_error(error),)) from None


MAIL: Final = schema.MAIL
PAGE: Final = schema.PAGE


class Tools:
    """The tools of one file, in order of declaration."""

    def __init__(self) -> None:
        self.tools: list[Tool] = []

    def add(
        self,
        about: str,
        arguments: type[Arguments],
        *scopes: str,
        hints: str,
        returns: dict[str, Any] = MAIL,
        essential: bool = False,
        waits: bool = False,
    ) -> Callable[[Any], Any]:
        """Declare the decorated function as the tool of its name.

        ``about`` is what a model reads; ``hints`` are letters: R it only reads, D it changes or
        destroys what was there, I a repetition changes nothing more, O it meets the outside world.
        """

        def declare(function: Any) -> Any:
            name = function.__name__
            title = name.replace("_", " ").capitalize()
            mail = returns is MAIL
            description = f"{about} {WARNING}" if mail else about
            listing = {
                "name": name,
                "description": description,
                "inputSchema": schema.of_arguments(arguments),
                "outputSchema": returns,
                "annotations": {
                    "title": title,
                    "readOnlyHint": "R" in hints,
                    "destructiveHint": "D" in hints,
                    "idempotentHint": "I" in hints,
                    "openWorldHint": "O" in hints,
                },
            }
            self.tools.append(
                Tool(
                    name,
                    scopes,
                    arguments,
                    mail,
                    listing,
                    essential,
                    None if waits else function,
                    function if waits else None,
                )
            )
            return function

        return declare


def confirmed(arguments: Any) -> None:
    """Refuse to destroy anything that was not confirmed.  Raises: UnknownField."""
    if arguments.confirm is not True:
        raise checks.refuse("confirm", "must be true: this cannot be undone by another call")
