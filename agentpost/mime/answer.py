"""Answers and forwards: what they take over from the message they are about.

Sources: RFC 5322 section 3.6.2 (Reply-To), 3.6.3 (destinations), 3.6.4 (identification) and
3.6.5 (subject); Mail-Followup-To and Mail-Reply-To are conventions of mailing lists.  Everything
taken over is text or octets of an :class:`Original`; the header is then written anew by
:mod:`agentpost.mime.compose`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape

from agentpost.limits import CompositionLimits
from agentpost.mime import fields, threading
from agentpost.mime.compose import Attachment, Composition, attachable
from agentpost.mime.html import sanitised, text_from_html
from agentpost.mime.subject import forward_subject, reply_subject
from agentpost.model.message import Address

_LIMITS = CompositionLimits()
_QUOTE_STYLE = "margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex"


@dataclass(frozen=True, slots=True)
class Original:
    """What is known of a message that is answered or forwarded; identifiers without brackets.

    ``attachments`` include inline ones.  ``octets`` are the whole message, for forwarding it as
    it is.
    """

    message_id: str | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    from_: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    mail_reply_to: tuple[Address, ...] = ()
    mail_followup_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    subject: str = ""
    date: datetime | None = None
    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    octets: bytes | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What the answering person adds: bodies, files, fields."""

    text: str | None = None
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def reply(
    original: Original,
    words: Words,
    *,
    from_: Address,
    own: frozenset[str] = frozenset(),
    quote: bool = True,
    limits: CompositionLimits = _LIMITS,
) -> Composition:
    """An answer to the author of ``original``.

    It goes to Reply-To (or Mail-Reply-To), else to From.  Answering one's own message goes on
    writing to its recipients.  ``own`` are the inbox's other addresses; ``quote`` appends what is
    answered.
    """
    mine = _Own(from_, own)
    to = _distinct(_author(original), mine) or _distinct(original.to, mine)
    return _answer(original, words, from_, to or _distinct(_author(original)), (), quote, limits)


def reply_all(
    original: Original,
    words: Words,
    *,
    from_: Address,
    own: frozenset[str] = frozenset(),
    quote: bool = True,
    limits: CompositionLimits = _LIMITS,
) -> Composition:
    """An answer to the author and to everyone else whom ``original`` went to.

    Mail-Followup-To, where a sender set it, names all of them instead.  Own addresses are left
    out, each address appears once.
    """
    mine = _Own(from_, own)
    if followup := _distinct(original.mail_followup_to, mine):
        return _answer(original, words, from_, followup, (), quote, limits)
    author = _distinct(_author(original), mine)
    to = _distinct((*author, *original.to), mine)
    cc = tuple(a for a in _distinct(original.cc, mine) if _key(a) not in {_key(t) for t in to})
    if not to:
        to, cc = cc or _distinct(_author(original)), ()
    return _answer(original, words, from_, to, cc, quote, limits)


def forward(
    original: Original,
    words: Words,
    *,
    from_: Address,
    to: tuple[Address, ...],
    cc: tuple[Address, ...] = (),
    bcc: tuple[Address, ...] = (),
    as_attachment: bool = False,
    limits: CompositionLimits = _LIMITS,
) -> Composition:
    """``original`` sent on: in the body with its files, or whole as message/rfc822.

    The bodies of ``words`` stand above it.  References joins the forward to the conversation.
    One with more files than a message may have is attached whole.
    Raises: ValueError when it shall be attached and ``original`` has no octets.
    """
    composition = Composition(
        from_=from_,
        to=to,
        cc=cc,
        bcc=bcc,
        subject=forward_subject(original.subject),
        text=words.text,
        html=words.html,
        attachments=words.attachments,
        headers=words.headers,
        references=_references(original),
    )
    too_many = len(words.attachments) + len(original.attachments) > limits.max_attachments
    if as_attachment or (too_many and original.octets is not None):
        if original.octets is None:
            raise ValueError("the original's octets are needed to attach it")
        name = fields.cleaned(original.subject, 60).replace("/", "_") or "message"
        whole = Attachment(f"{name}.eml", "message/rfc822", original.octets)
        return replace(composition, attachments=(*words.attachments, whole))
    return _with_forwarded(composition, original, limits)


# Whom to, and which conversation


class _Own:
    """The addresses of the answering inbox, subaddresses (``+tag``) with them."""

    def __init__(self, from_: Address, others: Iterable[str]) -> None:
        self._keys = {_key(from_), *(_key(Address(one)) for one in others)}

    def __contains__(self, person: Address) -> bool:
        key = _key(person)
        local, _, domain = key.rpartition("@")
        return key in self._keys or f"{local.partition('+')[0]}@{domain}" in self._keys


def _key(person: Address) -> str:
    """What makes two spellings one address: case is ignored, as nobody tells them apart."""
    return person.email.lower()


def _distinct(people: Iterable[Address], without: _Own | None = None) -> tuple[Address, ...]:
    """The valid addresses of ``people``, each once, names fit for a header."""
    found: dict[str, Address] = {}
    for person in people:
        if without is not None and person in without:
            continue
        if fields.fault_of_email(person.email) is None:
            name = fields.cleaned(person.name or "", 200) or None
            found.setdefault(_key(person), Address(person.email, name))
    return tuple(found.values())


def _author(original: Original) -> tuple[Address, ...]:
    """Whom an answer goes to."""
    for people in (original.mail_reply_to, original.reply_to, original.from_):
        if _distinct(people):
            return people
    return ()


def _answer(
    original: Original,
    words: Words,
    from_: Address,
    to: tuple[Address, ...],
    cc: tuple[Address, ...],
    quote: bool,
    limits: CompositionLimits,
) -> Composition:
    """The answer to these recipients."""
    parent = original.message_id
    composition = Composition(
        from_=from_,
        to=to,
        cc=cc,
        subject=reply_subject(original.subject),
        text=words.text,
        html=words.html,
        attachments=words.attachments,
        headers=words.headers,
        in_reply_to=(parent,) if parent and fields.is_message_id(parent) else (),
        references=_references(original),
    )
    return _with_quoted(composition, original, limits) if quote else composition


def _references(original: Original) -> tuple[str, ...]:
    """The conversation's identifiers that may be written."""
    parent = original.message_id
    return threading.reply_references(
        parent if parent and fields.is_message_id(parent) else None,
        tuple(filter(fields.is_message_id, original.in_reply_to)),
        tuple(filter(fields.is_message_id, original.references)),
    )


# What is quoted


def _with_quoted(
    composition: Composition, original: Original, limits: CompositionLimits
) -> Composition:
    """The answer with the original quoted below it, in each of its bodies."""
    old = _old_text(original, limits)
    if not old.strip() and not (original.html or "").strip():
        return composition
    line = _attribution(original)
    quoted = "\n".join(
        f">{rest}" if rest.startswith(">") else f"> {rest}".rstrip() for rest in _lines(old)
    )
    text = composition.text
    if text is None and composition.html is not None:
        text = text_from_html(composition.html)
    html = composition.html
    inline: tuple[Attachment, ...] = ()
    if html is not None:
        rich = _old_html(original, limits)
        html += (
            f'<br><div class="gmail_quote"><div class="gmail_attr">{escape(line)}<br></div>'
            f'<blockquote class="gmail_quote" type="cite" style="{_QUOTE_STYLE}">'
            f"{rich}</blockquote></div>"
        )
        inline = _shown(original, rich, composition.attachments)
    return replace(
        composition,
        text=f"{_ended(text)}{line}\n{quoted}\n",
        html=html,
        attachments=(*composition.attachments, *inline),
    )


def _with_forwarded(
    composition: Composition, original: Original, limits: CompositionLimits
) -> Composition:
    """The forward with the original's header lines, bodies and files."""
    block = _header_block(original)
    head = "".join(f"{name}: {value}\n" for name, value in block)
    note = composition.text
    if note is None and composition.html is not None:
        note = text_from_html(composition.html)
    text = f"{_ended(note)}---------- Forwarded message ---------\n{head}\n{_old_text(original, limits)}"
    html = composition.html
    rich = ""
    if html is not None or original.html is not None:
        rich = _old_html(original, limits)
        rows = "".join(f"<b>{name}:</b> {escape(value)}<br>" for name, value in block)
        above = html if html is not None else _marked_up(note or "")
        html = (
            f'{above}<br><div class="gmail_quote"><div class="gmail_attr">'
            f"---------- Forwarded message ---------<br>{rows}</div><br>{rich}</div>"
        )
    ids = {file.content_id for file in _shown(original, rich, composition.attachments)}
    files = tuple(
        file if file.content_id in ids else replace(file, content_id=None)
        for file in map(attachable, original.attachments)
        if file not in composition.attachments
    )
    return replace(
        composition, text=text, html=html, attachments=(*composition.attachments, *files)
    )


def _shown(original: Original, rich: str, taken: tuple[Attachment, ...]) -> tuple[Attachment, ...]:
    """The original's inline files that the quoted HTML shows and the answer does not have."""
    ids = {file.content_id for file in taken}
    return tuple(
        file
        for file in map(attachable, original.attachments)
        if file.content_id and file.content_id not in ids and f'"cid:{file.content_id}"' in rich
    )


def _attribution(original: Original) -> str:
    """``On Sun, 8 Mar 2026 at 14:30 +0100, Alice <alice@example.com> wrote:``, as far as known."""
    who = _shown_name(original.from_[:1]) or "somebody"
    if original.date is None:
        return f"{who} wrote:"
    return f"On {_shown_date(original.date)}, {who} wrote:"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _shown_date(date: datetime) -> str:
    """The date in its own zone, in English whatever the locale."""
    day, month = _DAYS[date.weekday()], _MONTHS[date.month - 1]
    return f"{day}, {date.day} {month} {date.year} at {date:%H:%M} {date:%z}".rstrip()


def _shown_name(people: tuple[Address, ...]) -> str:
    """Addresses as people read them."""
    return ", ".join(
        fields.cleaned(f"{p.name} <{p.email}>" if p.name else p.email, 300) for p in people[:100]
    )


def _header_block(original: Original) -> list[tuple[str, str]]:
    """The lines over a forwarded message."""
    rows = [
        ("From", _shown_name(original.from_)),
        ("Date", _shown_date(original.date) if original.date else ""),
        ("Subject", fields.cleaned(original.subject)),
        ("To", _shown_name(original.to)),
        ("Cc", _shown_name(original.cc)),
    ]
    return [(name, value) for name, value in rows if value]


def _old_text(original: Original, limits: CompositionLimits) -> str:
    """The original as text, bounded."""
    text = original.text
    if text is None or not text.strip():
        text = text_from_html(original.html) if original.html is not None else text or ""
    text = "\n".join(_lines(_writable(text)))
    most = limits.max_quoted_characters
    return text if len(text) <= most else text[:most] + "\n[...]"


def _old_html(original: Original, limits: CompositionLimits) -> str:
    """The original as harmless HTML, bounded; as text when its HTML is too long to cut."""
    html = original.html
    if html is None or not html.strip() or len(html) > limits.max_quoted_characters:
        return _marked_up(_old_text(original, limits))
    return sanitised(_writable(html))


def _marked_up(text: str) -> str:
    """Text as HTML."""
    return "<br>\n".join(escape(line) for line in _lines(text))


def _writable(text: str) -> str:
    """Received text without NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _lines(text: str) -> list[str]:
    """The lines of ``text``, no empty ones at the end."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


def _ended(text: str | None) -> str:
    """New text with an empty line below it; nothing when there is none."""
    body = (text or "").rstrip()
    return f"{body}\n\n" if body else ""
