"""Whether a domain has signed a message (RFC 6376, RFC 8301, RFC 8463, RFC 8616).

Reaches no network: :func:`signatures` says which keys are needed, :func:`body_hashes` does what
takes time, and :func:`judge` gives the verdict on one signature.  ARC's signatures are of the same
kind (RFC 8617 section 4.1) and go through the same functions.

Results are those of RFC 8601 section 2.7.1: ``neutral`` for a field that cannot be read,
``permerror`` for a signature that nobody can verify, ``policy`` for one that we do not accept
although it may verify, ``fail`` for one that does not fit the message.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from agentpost.auth import tags
from agentpost.auth.addresses import lowered
from agentpost.auth.canonical import (
    FORMS,
    Field,
    Form,
    Message,
    canonical_body,
    canonical_field,
)
from agentpost.auth.dkim_key import KeyFault, KeyRefused, PublicKey, read_key
from agentpost.auth.names import ascii_name, is_under
from agentpost.auth.tags import Tags, TagSyntax
from agentpost.limits import AuthenticationLimits
from agentpost.model.authentication import Dkim, DkimResult
from agentpost.model.dns import LookupFailed, NoSuchName

NAME: Final = b"dkim-signature"
_REQUIRED: Final = (b"v", b"a", b"b", b"bh", b"d", b"h", b"s")
ALGORITHMS: Final = frozenset({"rsa-sha256", "ed25519-sha256"})
_TIME: Final = re.compile(rb"[0-9]{1,12}", re.ASCII)
_LENGTH: Final = re.compile(rb"[0-9]{1,76}", re.ASCII)

BodyPart = tuple[Form, int | None]
"""Which canonical form of the body, and how many octets of it (None for all)."""


@dataclass(frozen=True, slots=True)
class BodyHash:
    """SHA-256 of a part of the body, and how many octets were left out and are missing."""

    digest: bytes
    left_out: int
    missing: bool


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature field, read."""

    field: Field
    tags: Tags
    domain: str
    selector: str
    algorithm: str
    signature: bytes
    header_form: Form = "relaxed"
    body: BodyPart = ("relaxed", None)
    body_hash: bytes = b""
    names: tuple[bytes, ...] = ()
    identity: str = ""
    """The domain of ``i=``."""
    expires: int | None = None

    @property
    def key_name(self) -> str:
        """Where its key stands (section 3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    def verdict(self, result: DkimResult, reason: str = "") -> Dkim:
        """A verdict on this signature."""
        return Dkim(result, self.domain, self.selector, self.algorithm, reason)


class Unusable(Exception):
    """A signature on which there is a verdict before any key is asked for."""

    def __init__(self, verdict: Dkim) -> None:
        super().__init__(verdict.reason)
        self.verdict = verdict


Answer = tuple[bytes, ...] | NoSuchName | LookupFailed
"""TXT records at the name of a key, or why there are none."""


def signatures(message: Message, limits: AuthenticationLimits) -> tuple[Signature | Dkim, ...]:
    """The first signature fields of the message, those that cannot be used as their verdict."""
    found: list[Signature | Dkim] = []
    for field in message.named(NAME)[: limits.max_signatures]:
        try:
            found.append(_signature(field, limits))
        except Unusable as unusable:
            found.append(unusable.verdict)
    return tuple(found)


def _signature(field: Field, limits: AuthenticationLimits) -> Signature:
    found = read_tags(field, _REQUIRED, limits)
    if found[b"v"].value != b"1":
        raise Unusable(told(found, "neutral", "the version is not 1"))
    one = body_signature(field, found, limits)
    if not all(one.names):
        raise Unusable(one.verdict("neutral", "h= holds an empty name"))
    if b"from" not in one.names:
        raise Unusable(one.verdict("permerror", "the From field is not signed"))
    identity = _identity(found, one)
    if not is_under(identity, one.domain):
        raise Unusable(one.verdict("permerror", "i= is not under d="))
    return replace(one, identity=identity)


def read_tags(field: Field, required: Iterable[bytes], limits: AuthenticationLimits) -> Tags:
    """The tags of a signature field.  Raises: Unusable."""
    if len(field.octets) > limits.max_field_octets:
        raise Unusable(Dkim("neutral", reason="the field is too long"))
    try:
        found = tags.parse(field.value)
    except TagSyntax as error:
        raise Unusable(Dkim("neutral", reason=f"the field cannot be read: {error}")) from None
    for name in required:
        if name not in found:
            raise Unusable(told(found, "permerror", f"tag {name.decode()} is missing"))
    return found


def told(found: Tags, result: DkimResult, reason: str) -> Dkim:
    """A verdict that names whatever the tags say of the signer."""
    domain, selector, algorithm = (_text(found, name) for name in (b"d", b"s", b"a"))
    domain, selector = ascii_name(domain) or "", ascii_name(selector) or ""
    algorithm = algorithm if re.fullmatch("[A-Za-z0-9-]{1,32}", algorithm) else ""
    return Dkim(result, domain, selector, algorithm, reason)


def seal(field: Field, found: Tags) -> Signature:
    """What every signature has: signer, key, algorithm and the signature proper.

    Raises: Unusable.
    """
    domain, selector = ascii_name(_text(found, b"d")), ascii_name(_text(found, b"s"))
    if domain is None or selector is None or "." not in domain:
        raise Unusable(told(found, "neutral", "d= or s= is not a domain name"))
    algorithm = lowered(_text(found, b"a"))
    if algorithm == "rsa-sha1":
        raise Unusable(told(found, "permerror", "rsa-sha1 proves nothing any more (RFC 8301)"))
    if algorithm not in ALGORITHMS:
        raise Unusable(told(found, "neutral", "the algorithm is not known"))
    try:
        signature = tags.decoded(found[b"b"].value)
    except TagSyntax as error:
        raise Unusable(told(found, "neutral", f"b=: {error}")) from None
    return Signature(field, found, domain, selector, algorithm, signature)


def body_signature(
    field: Field, found: Tags, limits: AuthenticationLimits, default: Form = "simple"
) -> Signature:
    """A signature over fields and body; ``default`` is its canonical form without ``c=``.

    Raises: Unusable.
    """
    one = seal(field, found)
    try:
        body_hash = tags.decoded(found[b"bh"].value)
        header_form, body_form = _forms(found, default)
        length = _number(found, b"l", _LENGTH)
        names = _names(found, limits)
        expires = _number(found, b"x", _TIME)
        made = _number(found, b"t", _TIME)
        if b"q" in found and b"dns/txt" not in tags.words(found[b"q"].value):
            raise TagSyntax("q= names no way to the key that is known")
        if expires is not None and made is not None and expires <= made:
            raise TagSyntax("x= is not after t=")
    except TagSyntax as error:
        raise Unusable(one.verdict("neutral", str(error))) from None
    return replace(
        one,
        header_form=header_form,
        body=(body_form, length),
        body_hash=body_hash,
        names=names,
        identity=one.domain,
        expires=expires,
    )


def body_hashes(message: Message, wanted: Iterable[BodyPart]) -> dict[BodyPart, BodyHash]:
    """The hashes that signatures need; linear in the body for each."""
    hashes: dict[BodyPart, BodyHash] = {}
    bodies: dict[Form, bytes] = {}
    for part in wanted:
        form, length = part
        if part in hashes:
            continue
        if form not in bodies:
            bodies[form] = canonical_body(message.body, form)
        body = bodies[form]
        taken = len(body) if length is None else min(length, len(body))
        digest = hashlib.sha256(memoryview(body)[:taken]).digest()
        missing = length is not None and length > len(body)
        hashes[part] = BodyHash(digest, len(body) - taken, missing)
    return hashes


def judge(
    one: Signature,
    message: Message,
    hashes: Mapping[BodyPart, BodyHash],
    answer: Answer,
    now: float,
    limits: AuthenticationLimits,
) -> Dkim:
    """The verdict on a signature with the ``answer`` to its :attr:`Signature.key_name`.

    ``now`` in seconds since 1970.
    """
    key = usable_key(one, answer, limits)
    if isinstance(key, Dkim):
        return key
    if key.strict_identity and one.identity != one.domain:
        return one.verdict("permerror", "the key does not allow i= to differ from d=")
    if one.expires is not None and now > one.expires + limits.clock_skew_s:
        return one.verdict("policy", "the signature has expired")
    body = hashes[one.body]
    if body.missing:
        return one.verdict("permerror", "l= says more octets than the body has")
    if body.digest != one.body_hash:
        return one.verdict("fail", "the body was changed")
    if not key.verifies(one.signature, signed_octets(one, message)):
        return one.verdict("fail", "the signature does not fit the header fields")
    if body.left_out:
        reason = f"l= leaves the last {body.left_out} octets of the body unsigned"
        return one.verdict("policy", reason)
    return one.verdict("pass", "the key is being tested" if key.testing else "")


def usable_key(one: Signature, answer: Answer, limits: AuthenticationLimits) -> PublicKey | Dkim:
    """The key that fits the signature's algorithm, or the verdict that follows from none."""
    if isinstance(answer, LookupFailed):
        return one.verdict("temperror", str(answer))
    if isinstance(answer, NoSuchName):
        return one.verdict("permerror", "there is no key record")
    try:
        key = read_key(answer, limits)
    except KeyFault as error:
        return one.verdict("permerror", str(error))
    except KeyRefused as error:
        return one.verdict("policy", str(error))
    if not one.algorithm.startswith(key.kind + "-"):
        return one.verdict("permerror", "the key is of another type than the signature")
    return key


def signed_octets(one: Signature, message: Message) -> bytes:
    """What the signature was made over (section 3.7)."""
    chosen = signed_fields(message, one.names)
    octets = [canonical_field(each.octets, one.header_form) for each in chosen]
    octets.append(unsigned(one.field, one.tags, one.header_form))
    return b"".join(octets)


def signed_fields(message: Message, names: Iterable[bytes]) -> list[Field]:
    """The fields that ``names`` stand for, each name taking the next one from the bottom up."""
    stacks: dict[bytes, list[Field]] = {}
    for field in message.fields:
        stacks.setdefault(field.name, []).append(field)
    return [stacks[name].pop() for name in names if stacks.get(name)]


def unsigned(field: Field, found: Tags, form: Form) -> bytes:
    """A signature field without its signature and its last CRLF."""
    colon = field.octets.index(b":") + 1
    tag = found[b"b"]
    octets = field.octets[: colon + tag.start] + field.octets[colon + tag.end :]
    if not octets.endswith(b"\r\n"):
        # The value of b= stood last and took the CRLF with it.
        octets += b"\r\n"
    return canonical_field(octets, form).removesuffix(b"\r\n")


def _text(found: Tags, name: bytes) -> str:
    try:
        return found[name].value.decode("utf-8") if name in found else ""
    except UnicodeDecodeError:
        return ""


def _forms(found: Tags, default: Form) -> tuple[Form, Form]:
    if b"c" not in found:
        return default, default
    header, slash, body = _text(found, b"c").partition("/")
    body = body if slash else "simple"
    if header not in FORMS or body not in FORMS:
        raise TagSyntax("c= names a canonical form that is not known")
    return _form(header), _form(body)


def _form(name: str) -> Form:
    return "relaxed" if name == "relaxed" else "simple"


def _number(found: Tags, name: bytes, pattern: re.Pattern[bytes]) -> int | None:
    if name not in found:
        return None
    if not pattern.fullmatch(found[name].value):
        raise TagSyntax(f"{name.decode()}= is not a number")
    return int(found[name].value)


def _names(found: Tags, limits: AuthenticationLimits) -> tuple[bytes, ...]:
    names = tuple(each.lower() for each in tags.words(found[b"h"].value))
    if len(names) > limits.max_signed_names:
        raise TagSyntax("h= names too many fields")
    return names


def _identity(found: Tags, one: Signature) -> str:
    if b"i" not in found:
        return one.domain
    return ascii_name(_text(found, b"i").rpartition("@")[2]) or ""
