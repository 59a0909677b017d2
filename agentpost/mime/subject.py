"""Subjects of answers and forwards: one "Re: " or "Fwd: ", whatever stood there before.

The marks are those that mail programs write in their languages; there is no standard beyond
"Re: " (RFC 5322 section 3.6.5).
"""

from __future__ import annotations

import re

from agentpost.mime.fields import cleaned

_MAX_CHARACTERS = 900
"""Of an old subject that are carried on, so that endless ones do not grow."""

_REPLY = (
    "re res resp rép ref réf aw antw antwort sv vs odp ynt cvp r vá bls απ отв ответ на"
    " 回复 回覆 答复 答覆 返信 답장 회신 השב רד رد"
)
_FORWARD = (
    "fw fwd wg wtr weiterl tr rv reenv enc encam i inoltra doorst vb videre vl pd pdl př ilt"
    " πρθ trs továbbítás переслать пересл 转发 轉寄 转寄 転送 전달 הועבר إعادة"
)
_COUNT = r"(?:[\[(^]? ?\d{1,3}[\])]?)?"
_MARK = re.compile(
    rf"({'|'.join(sorted((_REPLY + ' ' + _FORWARD).split(), key=len, reverse=True))})"
    rf"{_COUNT}[ \u00a0]?[:\uff1a]\s*",
    re.IGNORECASE,
)
_FORWARDS = frozenset(_FORWARD.lower().split())


def reply_subject(subject: str) -> str:
    """``Re: `` and ``subject`` without the reply marks it begins with; fit for a header."""
    return f"Re: {_without(subject, forwards=False)}".rstrip()


def forward_subject(subject: str) -> str:
    """``Fwd: `` and ``subject`` without the forward marks it begins with; fit for a header."""
    return f"Fwd: {_without(subject, forwards=True)}".rstrip()


def _without(subject: str, *, forwards: bool) -> str:
    """The cleaned subject from where no mark of the wanted kind begins it."""
    text = cleaned(subject, _MAX_CHARACTERS)
    at = 0
    while (mark := _MARK.match(text, at)) and (mark[1].lower() in _FORWARDS) == forwards:
        at = mark.end()
    return text[at:]
