"""Whether the chain of those who handled a message holds (RFC 8617).

Every fault is final and makes the chain ``fail`` (section 5.2.1).  Reaches no network:
:func:`collect` finds the sets and so the keys that are needed, :func:`judge` gives the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from agentpost.auth import dkim
from agentpost.auth.canonical import Field, Message, canonical_field
from agentpost.auth.dkim import Answer, BodyHash, BodyPart, Signature, Unusable
from agentpost.auth.dkim_key import PublicKey
from agentpost.limits import AuthenticationLimits
from agentpost.model.authentication import Arc

RESULTS: Final = b"arc-authentication-results"
MESSAGE: Final = b"arc-message-signature"
SEAL: Final = b"arc-seal"
_OURS: Final = frozenset({RESULTS, MESSAGE, SEAL})
_IN_RESULTS: Final = re.compile(rb"[ \t\r\n]*+i[ \t\r\n]*+=[ \t\r\n]*+([0-9]{1,2})[ \t\r\n]*+;")
_INSTANCE: Final = re.compile(rb"[0-9]{1,2}", re.ASCII)
_FOR_MESSAGE: Final = (b"i", b"a", b"b", b"bh", b"d", b"h", b"s")
_FOR_SEAL: Final = (b"i", b"a", b"b", b"d", b"s", b"cv")


class Broken(Exception):
    """The chain does not hold; the text says where."""


@dataclass(frozen=True, slots=True)
class Set:
    """The three fields that one handler added."""

    instance: int
    results: Field
    message: Signature
    seal: Signature

    @property
    def says(self) -> bytes:
        """What its sealer found of the chain so far (``cv=``)."""
        return self.seal.tags[b"cv"].value


def collect(message: Message, limits: AuthenticationLimits) -> tuple[Set, ...]:
    """The sets of the message from the first on; none when there is no field of ARC.

    Raises: Broken (section 5.2, steps 1 to 3).
    """
    fields = [each for each in message.fields if each.name in _OURS]
    if len(fields) > 3 * limits.max_sets:
        raise Broken("there are too many sets")
    found: dict[int, dict[bytes, Field]] = {}
    for field in fields:
        mine = found.setdefault(_instance(field, limits), {})
        if field.name in mine:
            raise Broken("a field stands twice in one set")
        mine[field.name] = field
    if sorted(found) != [*range(1, len(found) + 1)]:
        raise Broken("a set is missing")
    sets = tuple(_set(instance, found[instance], limits) for instance in sorted(found))
    if sets and sets[-1].says == b"fail":
        raise Broken("the last handler says that the chain was broken")
    for each in sets:
        if each.says != (b"none" if each.instance == 1 else b"pass"):
            raise Broken(f"set {each.instance} says that the chain was broken before")
    return sets


def key_names(sets: tuple[Set, ...]) -> frozenset[str]:
    """Where the keys stand that :func:`judge` needs."""
    signed = [each.seal.key_name for each in sets]
    return frozenset([*signed, *(each.message.key_name for each in sets[-1:])])


def body_parts(sets: tuple[Set, ...]) -> tuple[BodyPart, ...]:
    """What of the body must be hashed for :func:`judge`."""
    return tuple(each.message.body for each in sets[-1:])


def judge(
    sets: tuple[Set, ...],
    message: Message,
    hashes: Mapping[BodyPart, BodyHash],
    answers: Mapping[str, Answer],
    now: float,
    limits: AuthenticationLimits,
) -> Arc:
    """The verdict on a chain (section 5.2, steps 4 to 7)."""
    if not sets:
        return Arc("none")
    last = sets[-1]
    verdict = dkim.judge(last.message, message, hashes, answers[last.message.key_name], now, limits)
    if verdict.result != "pass":
        return _failed(last, f"the message signature: {verdict.reason}")
    canonical = [_canonical(each) for each in sets]
    for place in range(len(sets) - 1, -1, -1):
        one = sets[place]
        key = dkim.usable_key(one.seal, answers[one.seal.key_name], limits)
        if not isinstance(key, PublicKey):
            return _failed(last, f"seal {one.instance}: {key.reason}")
        if not key.verifies(one.seal.signature, _sealed_octets(one, canonical[:place])):
            return _failed(last, f"seal {one.instance} does not fit")
    return Arc("pass", last.instance, last.seal.domain)


def _failed(last: Set, reason: str) -> Arc:
    return Arc("fail", last.instance, last.seal.domain, reason)


def _canonical(one: Set) -> bytes:
    """A set as later seals cover it (section 5.1.1)."""
    fields = (one.results, one.message.field, one.seal.field)
    return b"".join(canonical_field(each.octets, "relaxed") for each in fields)


def _sealed_octets(one: Set, before: list[bytes]) -> bytes:
    """What the seal of a set covers: the sets before, and its own, without its signature."""
    own = (one.results, one.message.field)
    octets = [*before, *(canonical_field(each.octets, "relaxed") for each in own)]
    octets.append(dkim.unsigned(one.seal.field, one.seal.tags, "relaxed"))
    return b"".join(octets)


def _instance(field: Field, limits: AuthenticationLimits) -> int:
    if field.name == RESULTS:
        found = _IN_RESULTS.match(field.value)
        digits = found[1] if found is not None else b""
    else:
        try:
            digits = dkim.read_tags(field, [b"i"], limits)[b"i"].value
        except Unusable as unusable:
            raise Broken(unusable.verdict.reason) from None
    if not _INSTANCE.fullmatch(digits) or not 1 <= int(digits) <= limits.max_sets:
        raise Broken("the instance of a set is not a number from 1 to 50")
    return int(digits)


def _set(instance: int, fields: dict[bytes, Field], limits: AuthenticationLimits) -> Set:
    if len(fields) != len(_OURS):
        raise Broken(f"set {instance} is not complete")
    try:
        found = dkim.read_tags(fields[SEAL], _FOR_SEAL, limits)
        if b"h" in found or b"bh" in found:
            raise Broken(f"seal {instance} claims to cover other fields")
        seal = dkim.seal(fields[SEAL], found)
        found = dkim.read_tags(fields[MESSAGE], _FOR_MESSAGE, limits)
        # LENIENT_ARC_FORM: without c= it would be simple, as in DKIM; those who leave it out,
        # and the public suite, mean relaxed.
        signature = dkim.body_signature(fields[MESSAGE], found, limits, default="relaxed")
    except Unusable as unusable:
        raise Broken(f"set {instance}: {unusable.verdict.reason}") from None
    if SEAL in signature.names:
        raise Broken(f"the message signature of set {instance} covers a seal")
    return Set(instance, fields[RESULTS], signature, seal)
