"""What a body, a query string or a header names: foreign ids there are as absent as in a path.

The fields come from the types of the endpoints.  One that looks like a reference and is neither in
``REFERENCES`` nor in ``NO_REFERENCES`` fails the first test, so that a new one is not forgotten.
"""

from __future__ import annotations

import re
import typing
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

import msgspec
import pytest

from agentpost.http.endpoint import Endpoint
from tests.http.resources.conftest import ALL, Answer, Caller
from tests.isolation.matrix import (
    ABSENT,
    GUARDED,
    MESSAGE,
    ROUTES,
    STREAMS,
    WORDS,
    Matrix,
    one_of_everything,
)

REFERENCES: Final = {
    "add_attachments.key": "upload",
    "add_inbox_ids": "inbox",
    "add_pod_ids": "pod",
    "attachments.key": "upload",
    "catch_all_inbox_id": "inbox",
    "environment_id": "pod",
    "environment_ids": "pod",
    "filter.thread_id": "thread",
    "forward_of": "message",
    "ids": "message",
    "in_reply_to": "message",
    "inbox": "inbox",
    "inbox_id": "inbox",
    "inbox_ids": "inbox",
    "message_ids": "message",
    "pod_ids": "pod",
    "remove_attachments": "attachment",
    "remove_inbox_ids": "inbox",
    "remove_pod_ids": "pod",
    "thread_id": "thread",
}
"""Fields that name something, and what kind of thing: a variable of paths, or an upload."""
NO_REFERENCES: Final = frozenset(
    {"client_id", "attachments.content_id", "add_attachments.content_id", "public_key"}
)
"""Fields with such names that name nothing of the server's."""
_SUSPICIOUS: Final = re.compile(
    r"(\w+_ids?|ids?|inbox(es)?|pods?|environments?|messages?|threads?|\w*key|in_reply_to"
    r"|forward_of|remove_attachments|webhooks?|drafts?|domains)"
)


def fields_of(kind: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all fields of a body's or a query's type."""
    for part in typing.get_args(kind):
        yield from fields_of(part, before)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for name, inner in typing.get_type_hints(kind).items():
            if name in kind.__struct_fields__:
                yield (*before, name)
                yield from fields_of(inner, (*before, name))


def with_value(
    body: dict[str, Any], kind: Any, path: tuple[str, ...], value: Any
) -> dict[str, Any]:
    """The body with a value at a path; lists get it as their one element."""
    name, rest = path[0], path[1:]
    hint = typing.get_type_hints(kind)[name]
    inner: Any = value
    if rest:
        within = next(_structs(hint, rest[0]))
        inner = with_value({}, within, rest, value)
    return {**body, name: [inner] if _listed(hint) else inner}


def _structs(hint: Any, field: str) -> Iterator[Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        if field in hint.__struct_fields__:
            yield hint
        return
    for part in typing.get_args(hint):
        yield from _structs(part, field)


def _listed(hint: Any) -> bool:
    return typing.get_origin(hint) is list or any(map(_listed, typing.get_args(hint)))


@dataclass(frozen=True)
class Reference:
    """A field of an endpoint that names something."""

    endpoint: Endpoint
    where: str
    path: tuple[str, ...]

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def kind(self) -> str:
        return REFERENCES[self.name]

    def __str__(self) -> str:
        return f"{self.endpoint.method} {self.endpoint.path} {self.where} {self.name}"


def _all() -> Iterator[Reference]:
    for endpoint in GUARDED:
        for where in ("body", "query"):
            for path in sorted(set(fields_of(getattr(endpoint, where)))):
                if _SUSPICIOUS.fullmatch(path[-1]):
                    yield Reference(endpoint, where, path)


EVERY: Final = list(_all())


def test_every_field_that_could_name_something_is_known() -> None:
    assert {each.name for each in EVERY} == REFERENCES.keys() | NO_REFERENCES


@dataclass
class Attacker:
    """Somebody with a key, and one of everything to ask with."""

    caller: Caller
    own: Matrix
    covers: frozenset[str] = frozenset()
    """Kinds of Acme's things that this key may name."""
    bound: bool = False

    async def ask(self, reference: Reference, value: str) -> Answer:
        """A good request but for what one field names."""
        if reference.where == "query":
            query = f"{reference.name}={quote(value, '')}"
            return await self.own.ask(
                self.caller, reference.endpoint, query=query, accept="application/json, */*"
            )
        body = self.own.sample(reference.endpoint)
        body = with_value(body, reference.endpoint.body, reference.path, value)
        return await self.own.ask(self.caller, reference.endpoint, more=body)


@pytest.fixture(params=["another organization", "another inbox"])
async def attacker(request: pytest.FixtureRequest, matrix: Matrix) -> AsyncIterator[Attacker]:
    plain = MESSAGE
    for word in WORDS:
        plain = plain.replace(word, b"plain.csv")
    tenant = matrix.globex if request.param == "another organization" else matrix.acme
    names = await one_of_everything(tenant, "other", plain)
    own = replace(matrix, names=names)
    if tenant is matrix.globex:
        yield Attacker(tenant.call, own)
        return
    bound = await tenant.caller(*ALL, inboxes=(names["inbox"],))
    yield Attacker(bound, own, frozenset({"pod", "upload"}), bound=True)


async def test_what_is_named_elsewhere_is_as_absent_as_in_a_path(
    matrix: Matrix, attacker: Attacker
) -> None:
    absent = matrix.absent() | {"upload": f"att_{ABSENT}"}
    wrong: dict[str, Any] = {}
    for reference in EVERY:
        if reference.name in NO_REFERENCES or reference.kind in attacker.covers:
            continue
        theirs = matrix.names[reference.kind]
        foreign = await attacker.ask(reference, theirs)
        nowhere = await attacker.ask(reference, absent[reference.kind])
        told = foreign.octets.replace(theirs.encode(), b"")
        alike = foreign.status == nowhere.status < 500 and (
            foreign.status < 400
            or [foreign.json[each] for each in ("code", "message", "fix")]
            == [nowhere.json[each] for each in ("code", "message", "fix")]
        )
        if not alike or any(each in told for each in WORDS):
            wrong[str(reference)] = (foreign.status, foreign.octets, nowhere.octets)
    assert wrong == {}


async def test_one_s_own_may_be_named(attacker: Attacker) -> None:
    """The refusals are for what is named, and for nothing else in these requests."""
    wrong: dict[str, Any] = {}
    for reference in EVERY:
        if reference.name in NO_REFERENCES or reference.name.startswith("remove_"):
            continue
        if reference.endpoint in STREAMS:
            continue
        if attacker.bound and ("/domains" in reference.endpoint.path or reference.kind == "pod"):
            continue  # These concern more than one inbox, and are refused to this key at once.
        answer = await attacker.ask(reference, attacker.own.names[reference.kind])
        renamed = answer.status == 404 and "{label}" in reference.endpoint.path
        if answer.status >= 400 and not renamed:
            wrong[str(reference)] = (answer.status, answer.octets)
    assert wrong == {}


async def test_no_foreign_name_is_kept(matrix: Matrix, attacker: Attacker) -> None:
    """What is accepted changes nothing: the id that was named is kept nowhere."""
    for reference in EVERY:
        if reference.where == "query" or reference.endpoint.method == "GET":
            continue
        if reference.name in NO_REFERENCES or reference.kind in attacker.covers:
            continue
        answer = await attacker.ask(reference, matrix.names[reference.kind])
        if answer.status < 400 and answer.octets:
            kept = {name: value for name, value in answer.json.items() if name in reference.path}
            assert matrix.names[reference.kind] not in str(kept), (str(reference), answer.octets)


async def test_a_foreign_environment_in_the_header_is_not_there(matrix: Matrix) -> None:
    other, _ = await matrix.acme.store.environments.create(matrix.acme.actor, "Third")
    bound = await matrix.acme.caller(*ALL, environments=(other.id,))
    wrong = {}
    for endpoint in ROUTES:
        for caller in (matrix.globex.call, bound):
            foreign, nowhere = [
                await matrix.ask(caller, endpoint, agentpost_environment=name)
                for name in (matrix.names["environment"], f"env_{ABSENT}")
            ]
            same = [each.json[name] for each in (foreign, nowhere) for name in ("code", "message")]
            if foreign.status != 404 or same[:2] != same[2:]:
                wrong[f"{endpoint.method} {endpoint.path}"] = foreign.octets
    assert wrong == {}


NAMED_BY_CLIENTS: Final = [each.endpoint for each in EVERY if each.name == "client_id"]


async def test_a_client_id_gives_nobody_what_he_may_not_see(
    matrix: Matrix, attacker: Attacker
) -> None:
    """With a known client_id the existing thing is answered; a stranger's is not known."""
    assert len(NAMED_BY_CLIENTS) > 10
    wrong = {}
    for number, endpoint in enumerate(NAMED_BY_CLIENTS):
        if endpoint.path.startswith("/v0/pods/") and attacker.own.globex is not matrix.globex:
            continue
        given = {"client_id": f"the-one-{number}"}
        if endpoint.path.endswith("/domains"):
            given["domain"] = f"number-{number}.example"
        made = await matrix.ask(matrix.acme.call, endpoint, more=given)
        again = await matrix.ask(matrix.acme.call, endpoint, more=given)
        assert made.status in (200, 201, 202), (endpoint.path, made.octets)
        identity = _identity(made)
        assert _identity(again) == identity or "key" in identity, (endpoint.path, again.octets)
        foreign = await attacker.own.ask(attacker.caller, endpoint, more=given)
        if identity.encode() in foreign.octets or any(each in foreign.octets for each in WORDS):
            wrong[endpoint.path] = (foreign.status, foreign.octets)
    assert wrong == {}


def _identity(made: Answer) -> str:
    body = made.json
    names = ("id", "webhook_id", "draft_id", "api_key_id", "inbox_id", "domain_id", "pod_id")
    return str(next(body[name] for name in names if name in body))
