"""How a verb reaches the configured database, whether the server runs or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

from agentpost import config, log
from agentpost.cli.output import Failure, failure_of
from agentpost.config import Config

if TYPE_CHECKING:
    from agentpost.model.actor import Actor
    from agentpost.model.organization import Environment, Organization
    from agentpost.store.opening import Store
    from agentpost.store.pool import Database

T = TypeVar("T")
_PAGE = 200


@contextmanager
def database_address(settings: Config, *, create: bool = False) -> Iterator[str]:
    """The URL of the configured database.

    The embedded server is spoken to when it runs, else started for the moment; it is made when
    there is none and ``create`` allows it.  Call it on the main thread.
    Raises: Failure.
    """
    from agentpost.store import embedded

    if settings.database_url is not None:
        yield settings.database_url
        return
    try:
        url = embedded.running(settings.data_dir)
        if url is not None:
            yield url
            return
        if not create and not embedded.exists(settings.data_dir):
            raise Failure(
                f"There is no database in {settings.data_dir} yet.",
                "Run 'agentpost serve' or 'agentpost migrate' first, or name the right directory "
                "with --data-dir.",
            )
        config.make_data_dir(settings.data_dir)
        server = embedded.start(settings.data_dir, pg_bin=settings.pg_bin)
    except embedded.EmbeddedError as error:
        raise Failure(str(error)) from None
    try:
        yield server.url
    finally:
        server.stop()


def with_store(settings: Config, work: Callable[[Store], Awaitable[T]], *, tell: bool = False) -> T:
    """Run ``work`` on the store of the configured database and return what it returns.

    With ``tell`` the workers of a running server are told afterwards that anything may have
    changed.  Raises: Failure for whatever the store refuses.
    """
    import trio

    from agentpost.errors import Problem
    from agentpost.events.bus import CHANNEL
    from agentpost.store.opening import open_store
    from agentpost.store.settings import blobs_at, store_settings

    quiet_log(settings)

    async def run(url: str) -> T:
        await _check_schema(url)
        identity = store_settings(settings)
        async with open_store(url, blobs_at(settings), identity, alone=False) as store:
            value = await work(store)
            if tell:
                await store.database.run("", lambda c: c.rows("SELECT pg_notify($1, '')", CHANNEL))
            return value

    with database_address(settings) as url:
        try:
            return trio.run(run, url)
        except Problem as problem:
            raise failure_of(problem) from None


async def reach(url: str) -> Database:
    """The database, connected, with one connection.  Raises: Failure with the driver's reason."""
    from agentpost.errors import Problem
    from agentpost.store.pool import Database, PoolLimits

    try:
        return await Database.open(url, PoolLimits(connections=1))
    except Problem as error:
        reason = "" if error.__cause__ is None else f" ({error.__cause__})"
        raise Failure(
            f"{error.message}{reason}",
            "Look whether PostgreSQL runs, at database_url, and at its pg_hba.conf.",
        ) from None
    except Exception as error:
        # The driver's own words: a wrong password, a database that is not there.
        raise Failure(
            f"The database refuses the connection: {error}",
            "Correct database_url, or create the role and the database that it names.",
        ) from None


async def _check_schema(url: str) -> None:
    from agentpost.store.migrate import missing

    database = await reach(url)
    try:
        steps = await missing(database)
    except RuntimeError as error:
        raise Failure(str(error)) from None
    finally:
        await database.aclose()
    if steps:
        raise Failure(
            "The schema of the database is older than this release.", "Run 'agentpost migrate'."
        )


def quiet_log(settings: Config) -> None:
    """Log what a person at a terminal wants to know: warnings, unless more was asked for."""
    asked = "log_level" in settings.origins
    log.configure(settings.log_level if asked else "warning", settings.log_format)


def operator_of(organization: Organization) -> Actor:
    """The operator at the command line, acting inside one organization."""
    from agentpost.model.actor import SCOPES, Actor, widen

    return Actor(organization.id, "cli", widen(SCOPES), tier=organization.tier, source="cli")


async def all_organizations(store: Store) -> list[Organization]:
    """Every organization, oldest first."""
    from agentpost.model.actor import system_actor
    from agentpost.model.page import PageRequest

    found: list[Organization] = []
    position: tuple[str, ...] | None = ()
    while position is not None:
        request = PageRequest(_PAGE, descending=False, position=position or None)
        page = await store.organizations.page(system_actor("cli"), request)
        found += page.rows
        position = page.next_position
    return found


async def choose_organization(store: Store, reference: str | None) -> Organization:
    """The organization with this id or slug, or the only one there is.

    Raises: Failure, click.UsageError.
    """
    found = await all_organizations(store)
    if reference is not None:
        for organization in found:
            if reference in (organization.id, organization.slug):
                return organization
        raise Failure(
            f"There is no organization {reference}.", "'agentpost org list' shows those there are."
        )
    if len(found) == 1:
        return found[0]
    if not found:
        raise Failure("There is no organization yet.", "Make one: agentpost org create NAME")
    slugs = ", ".join(organization.slug for organization in found[:10])
    raise click.UsageError(f"There are several organizations; choose one with --org: {slugs}")


async def all_environments(store: Store, organization: Organization) -> list[Environment]:
    """Every environment of an organization, oldest first."""
    from agentpost.model.page import PageRequest

    actor = operator_of(organization)
    found: list[Environment] = []
    position: tuple[str, ...] | None = ()
    while position is not None:
        request = PageRequest(_PAGE, descending=False, position=position or None)
        page = await store.environments.page(actor, request)
        found += page.rows
        position = page.next_position
    return found


async def choose_environment(
    store: Store, organization: Organization, reference: str | None
) -> Environment:
    """The environment with this id or slug, or the default one.  Raises: Failure."""
    for environment in await all_environments(store, organization):
        if reference is None and environment.is_default:
            return environment
        if reference in (environment.id, environment.slug):
            return environment
    raise Failure(
        f"There is no environment {reference} in {organization.slug}.",
        "'agentpost environment list' shows those there are.",
    )
