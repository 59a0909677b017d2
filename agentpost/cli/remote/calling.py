"""One call of the API from the command line: the client, the page asked for, failures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from agentpost.cli.output import Failure, Record
from agentpost.cli.progress import bars, counted
from agentpost.clock import rfc3339

if TYPE_CHECKING:
    import httpx2

    from agentpost import AgentPost
    from agentpost.client._values import Model

T = TypeVar("T")

base_url_option: Final[Callable[[Callable[..., Any]], Callable[..., Any]]] = click.option(
    "--base-url",
    metavar="URL",
    envvar="AGENTPOST_BASE_URL",
    help="Where the API is; else AGENTPOST_BASE_URL, else http://127.0.0.1:8080.",
)
_MOMENT: Final = click.DateTime(
    ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S"]
)
_PAGE: Final = 100
_ALL: Final = 100_000
"""Rows of the longest list: all of it is in memory before it is shown."""


def limit_option(verb: Callable[..., Any]) -> Callable[..., Any]:
    """How many rows a list has: ``limit``."""
    whole = click.option("--all", "limit", flag_value=_ALL, help=f"All rows, up to {_ALL:,}.")
    bounded = click.option(
        "--limit", type=click.IntRange(1, _ALL), default=20, show_default=True, help="At most."
    )
    return bounded(whole(verb))


def moment_option(
    name: str, about: str, *, required: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A moment, as people write it; without a zone it is UTC."""
    return click.option(
        name, type=_MOMENT, callback=_in_utc, required=required, metavar="TIME", help=about
    )


def _in_utc(_: click.Context, __: click.Parameter, value: datetime | None) -> datetime | None:
    return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


def call(
    base_url: str | None, work: Callable[[AgentPost], T], http: httpx2.Client | None = None
) -> T:
    """What ``work`` does with the API; the key comes from ``AGENTPOST_API_KEY``.

    ``http`` carries the requests, if it is not an ordinary client.
    Raises: Failure when the server refuses or cannot be reached.
    """
    from agentpost import AgentPost
    from agentpost.client import AgentPostError, ApiError, ConnectionFailed, TimedOut
    from agentpost.client._client import DEFAULT_BASE_URL

    try:
        with AgentPost(base_url=base_url, http_client=http) as client:
            return work(client)
    except ApiError as error:
        fields = "".join(f"\n  {each.path}: {each.message}" for each in error.errors)
        raise Failure(f"{error.message} ({error.code}){fields}", error.fix) from error
    except (ConnectionFailed, TimedOut) as error:
        raise Failure(
            f"The server at {base_url or DEFAULT_BASE_URL} cannot be reached: {error}",
            "Start it with agentpost serve, or say where it is: AGENTPOST_BASE_URL or --base-url.",
        ) from error
    except AgentPostError as error:
        raise Failure(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def first(rows: Iterable[T], limit: int, *, hidden: bool = False) -> list[T]:
    """The first rows of a list that goes on over its pages; a bar tells how many have come."""
    with bars(hidden=hidden or limit <= _PAGE) as begin:
        bar = begin("rows", None if limit == _ALL else limit)
        return list(islice(counted(rows, bar), limit))


def page(limit: int) -> int:
    """How many rows to ask for at once."""
    return min(limit, _PAGE)


def record(model: Model) -> Record:
    """What the server answered, moments and lists as JSON has them."""
    return {name: _plain(value) for name, value in model.to_dict().items()}


def people(addresses: object) -> str:
    """Addresses as a table shows them."""
    found = addresses if isinstance(addresses, list) else [addresses] if addresses else []
    return ", ".join(str(one.get("email", "")) for one in found if isinstance(one, dict)) or "-"


def text_of(given: str | None, file: Path | None) -> str | None:
    """The text of an option, or of a file; ``-`` reads standard input.

    Raises: Failure when the file cannot be read as UTF-8.
    """
    if given is not None and file is not None:
        raise click.UsageError("Give the text or its file, not both.")
    if file is None:
        return given
    try:
        if str(file) == "-":
            return sys.stdin.read()
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {error}") from error


def _plain(value: object) -> object:
    match value:
        case datetime():
            return rfc3339(value)
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case _:
            return value
