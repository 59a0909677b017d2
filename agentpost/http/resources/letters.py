"""What clients write into letters: recipients, texts, files, fields (API.md, Messages)."""

from __future__ import annotations

import mimetypes
from typing import Annotated, ClassVar, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agentpost.http.endpoint import Body
from agentpost.http.paging import Moment
from agentpost.http.resources.shapes import Labels, Metadata
from agentpost.limits import IdentityLimits
from agentpost.mail.composing import Beside
from agentpost.mime.answer import Words
from agentpost.mime.compose import Attachment, Composition
from agentpost.model.inbox import LocalAddress
from agentpost.model.message import Address, IdempotentRequest
from agentpost.store import checks

UNKNOWN_TYPE: Final = "application/octet-stream"


class RecipientBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Someone to write to."""

    email: Annotated[str, Meta(min_length=3, max_length=320)]
    name: Annotated[str | None, Meta(description="Display name")] = None


Recipients = Annotated[
    RecipientBody | str | list[RecipientBody | str],
    Meta(description='Objects, or strings such as "Ada <ada@example.org>"; one or a list'),
]


class FileBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file to attach."""

    content: Annotated[
        bytes | UnsetType, Meta(description="The file in base64; this, key or url is needed")
    ] = UNSET
    key: (
        Annotated[
            str, Meta(max_length=100, description="Of a file that was uploaded to /attachments")
        ]
        | None
    ) = None
    url: (
        Annotated[
            str,
            Meta(max_length=2048, description="Where the file is fetched from, without redirects"),
        ]
        | None
    ) = None
    filename: Annotated[str, Meta(max_length=255)] | None = None
    mime_type: (
        Annotated[str, Meta(max_length=255, description="By the name's extension when left out")]
        | None
    ) = None
    inline: Annotated[bool, Meta(description="To be shown rather than offered")] = False
    content_id: (
        Annotated[str, Meta(max_length=200, description='Shown by HTML as src="cid:..."')] | None
    ) = None


class HeaderBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A header field."""

    name: str
    value: str


Headers = Annotated[
    dict[str, str] | list[HeaderBody],
    Meta(description="Further header fields; those that the server writes are refused"),
]
Files = Annotated[list[FileBody], Meta(max_length=100)]


class WordsBody(Body, frozen=True, forbid_unknown_fields=True):
    """What a person or a program says: texts, files, and what goes beside them."""

    aliases: ClassVar[dict[str, str]] = {"text": "text_body", "html": "html_body"}

    text_body: Annotated[
        str | None, Meta(description="Made of html_body when left out; alias text")
    ] = None
    html_body: Annotated[str | None, Meta(description="Alias html")] = None
    cc: Recipients = msgspec.field(default_factory=list)
    bcc: Recipients = msgspec.field(default_factory=list)
    reply_to: Recipients = msgspec.field(default_factory=list)
    attachments: Files = msgspec.field(default_factory=list)
    headers: Headers = msgspec.field(default_factory=dict)
    labels: Labels = msgspec.field(default_factory=list)
    metadata: Metadata = msgspec.field(default_factory=dict)


SendAt = Annotated[
    Moment | None, Meta(description="When to send it: within 90 days; at once when left out")
]


class SentWordsBody(WordsBody, frozen=True, forbid_unknown_fields=True):
    """What is said, and when it goes."""

    send_at: SendAt = None
    hold_for_approval: Annotated[
        bool, Meta(description="Send it only when somebody else approves it")
    ] = False


class LetterBody(SentWordsBody, frozen=True, forbid_unknown_fields=True):
    """A letter of its own, answering nothing."""

    to: Recipients = msgspec.field(default_factory=list)
    subject: str | None = None


def addresses(path: str, given: Recipients) -> tuple[Address, ...]:
    """Recipients in the one form that the floors below know; what is wrong is named there.

    Raises: UnknownField for a string that is no address with its name.
    """
    if not isinstance(given, list):
        return (_address(path, given),)
    return tuple(_address(f"{path}[{at}]", one) for at, one in enumerate(given))


def _address(path: str, given: RecipientBody | str) -> Address:
    if isinstance(given, RecipientBody):
        return Address(given.email, given.name or None)
    text = given.strip()
    if not text.endswith(">") and "@" in text:
        return Address(text)
    name, opened, email = text[:-1].rpartition("<")
    if not opened:
        raise checks.refuse(path, 'must be an address, or a name with one: "Ada <ada@example.org>"')
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return Address(email.strip(), name or None)


def files(given: Files) -> tuple[Attachment, ...]:
    """Files as they are attached."""
    return tuple(
        Attachment(one.filename, _media_type(one), _content(one), one.content_id, one.inline)
        for one in given
    )


def _content(file: FileBody) -> bytes:
    assert isinstance(file.content, bytes)  # Those named by a key are read before.
    return file.content


def _media_type(file: FileBody) -> str:
    if file.mime_type is not None:
        return file.mime_type
    return mimetypes.guess_type(file.filename or "", strict=False)[0] or UNKNOWN_TYPE


def headers(given: Headers) -> tuple[tuple[str, str], ...]:
    """Header fields in their order."""
    if isinstance(given, dict):
        return tuple(given.items())
    return tuple((one.name, one.value) for one in given)


def composition(body: LetterBody, local: LocalAddress) -> Composition:
    """The letter that a client describes, from the inbox that it is to leave from."""
    return Composition(
        from_=Address(local.address, local.display_name),
        to=addresses("to", body.to),
        cc=addresses("cc", body.cc),
        bcc=addresses("bcc", body.bcc),
        reply_to=addresses("reply_to", body.reply_to),
        subject=body.subject or "",
        text=body.text_body,
        html=body.html_body,
        attachments=files(body.attachments),
        headers=headers(body.headers),
    )


def words(body: WordsBody) -> Words:
    """What an answer adds to the message that it is about."""
    return Words(body.text_body, body.html_body, files(body.attachments), headers(body.headers))


def beside(body: SentWordsBody, idempotency: IdempotentRequest | None) -> Beside:
    """What goes with a letter without being part of it.  Raises: UnknownField."""
    limits = IdentityLimits()
    return Beside(
        checks.labels(tuple(body.labels), limits),
        checks.metadata(body.metadata, limits),
        idempotency,
        body.send_at,
        body.hold_for_approval,
    )
