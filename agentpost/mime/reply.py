"""What is new in an answer: its text or HTML without quotations and signatures.

No standard says how mail programs quote, so this is knowledge of their habits
(:mod:`agentpost.mime.attribution`) and caution: a line is left out only for a reason, answers
between quoted lines stay, what a forwarded message holds stays, and when nothing would be left
the reasons are given up one after the other.  Each line is looked at a bounded number of times
and no pattern sees more than a few hundred characters, so the time is linear on any input.
"""

from __future__ import annotations

import re
from html import unescape

from agentpost.mime import attribution
from agentpost.mime import html as display
from agentpost.mime.attribution import MAX_LINE, MAX_LINES
from agentpost.mime.markup import Verdict, rewritten, word_set

_QUOTED = re.compile(r"[ \t\u00a0]{0,3}(?:>|[A-Z]{1,3}> |\|[ \t]?>)")
_ESCAPED_FROM = re.compile(r">+From ")
_BARRED = re.compile(r"[ \t]{0,3}[|:](?:[ \t]|$)")
_RULE = re.compile(r"[ \t]*[_\u2014\u2500-]{10,}[ \t]*$")
_GAPS = re.compile(r"\n{3,}")
_MAX_SIGNATURE = 12
"""Lines after a delimiter without its space that still are a signature; RFC 3676 section 4.3
wants "-- " and custom four lines."""
_MAX_LINES_READ = 20_000
"""Lines that are looked at closely; of what follows only marked lines are left out."""


def extracted_text(text: str) -> str:
    """The new lines of ``text``, with LF line ends and none at the end; "" when all of it is old.

    Left out are quoted lines, what introduces them, everything after the header block of an
    unmarked quotation, signatures, and the footers of mailing lists.  What a forward encloses is
    kept.  Linear time.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    letter = _Letter(lines[:_MAX_LINES_READ])
    kept = letter.new_lines()
    if not _has_text(kept):
        # Nothing stands above the header block: so this is a forward, and its content is new.
        kept = letter.new_lines(cut=False)
    if not _has_text(kept) and not any(letter.quoted):
        kept = letter.lines
    rest = lines[_MAX_LINES_READ:]
    if rest:
        kept = [*kept, *(line for line in rest if _QUOTED.match(line) is None)]
    joined = _GAPS.sub("\n\n", "\n".join(kept))
    return joined.strip("\n \t\u00a0").replace("\u00a0", " ")


def _has_text(lines: list[str]) -> bool:
    return any(line and not line.isspace() for line in lines)


class _Letter:
    """A text in lines, and which of them are quoted, introduce a quotation or sign it."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.quoted = [_is_quoted(lines, index) for index in range(len(lines))]
        for at in range(1, len(lines)):
            if self.quoted[at - 1] and not self.quoted[at] and self._is_overhang(at):
                self.quoted[at] = True
        self._ends = [attribution.may_end(line) for line in lines]
        self._region = (0, -1)

    def new_lines(self, *, cut: bool = True) -> list[str]:
        """The lines to keep; without ``cut`` also those after an unmarked quotation's header."""
        lines = self.lines
        kept: list[str] = []
        at = 0
        while at < len(lines):
            line = lines[at]
            if self.quoted[at]:
                at += 1
            elif not line or line.isspace():
                kept.append("")
                at += 1
            elif attribution.is_forward_rule(line):
                return kept + lines[at:]
            elif introduced := self._attribution(at, cut) or self._introduction(at, cut):
                if introduced < 0:
                    return _without_rule(kept)
                at += introduced
            elif signed := self._signature(at):
                at += signed
            else:
                kept.append(line.rstrip())
                at += 1
        return kept

    def _is_overhang(self, at: int) -> bool:
        """Whether the line is the end of the quoted line above, wrapped without its mark.

        A few words, going on in the middle of a sentence, with no room left above, and the
        quotation or an empty line after them.
        """
        line, above = self.lines[at].strip(), self.lines[at - 1].rstrip()
        if not line or len(line) > 25 or len(above) + len(line) < 70 or len(above) > MAX_LINE:
            return False
        if not line[0].islower() or above.endswith((".", "?", "!", ":", ";")):
            return False
        return at + 1 >= len(self.lines) or self.quoted[at + 1] or not self.lines[at + 1].strip()

    def _next_text(self, at: int, within: int) -> int:
        """The index of the first line with text from ``at`` on, or -1."""
        for index in range(at, min(at + within, len(self.lines))):
            if self.lines[index].strip():
                return index
        return -1

    def _attribution(self, at: int, cut: bool) -> int:
        """Lines the attribution at ``at`` takes, 0 when there is none, -1 when all after is old.

        It may be wrapped, so up to four lines are read as one.
        """
        lines = self.lines
        ends = self._ends
        if not any(ends[at : at + MAX_LINES]):
            return 0
        most = MAX_LINES if attribution.may_begin(lines[at][:MAX_LINE]) else 1
        joined = ""
        for index in range(at, min(at + most, len(lines))):
            line = lines[index].strip()
            if self.quoted[index] or not line or len(joined) + len(line) >= MAX_LINE:
                break
            joined = f"{joined} {line}" if joined else line
            if not ends[index] or not attribution.is_attribution(joined):
                continue
            after = self._next_text(index + 1, 4)
            if after >= 0 and self.quoted[after]:
                return index + 1 - at
            if after >= 0 and (barred := self._barred(after)):
                return after + barred - at
            if cut and attribution.is_sure_attribution(joined):
                return -1
        return 0

    def _barred(self, at: int) -> int:
        """Lines from ``at`` that are quoted by a bar or colon; one alone does not count."""
        count = 0
        while at + count < len(self.lines) and _BARRED.match(self.lines[at + count]):
            count += 1
        return count if count > 1 else 0

    def _introduction(self, at: int, cut: bool) -> int:
        """Lines that a rule or header block at ``at`` takes; -1 when what follows is unmarked."""
        rule = attribution.is_original_rule(self.lines[at])
        lone = rule or _RULE.match(self.lines[at][:MAX_LINE]) is not None
        start = self._next_text(at + 1, 3) if lone else at
        block = attribution.header_block(self.lines, start) if start >= 0 else 0
        if not rule and not block:
            return 0
        end = start + block if block else at + 1
        after = self._next_text(end, 4)
        if after >= 0 and self.quoted[after]:
            return end - at
        return -1 if cut else 0

    def _signature(self, at: int) -> int:
        """Lines that the signature beginning at ``at`` takes, or 0.

        It lasts to the end or to the next quotation, before which an attribution may stand.
        """
        line = self.lines[at]
        if line.rstrip() in ("--", "\u2014"):
            end = self._region_end(at + 1)
            short = self._count(at + 1, end) <= _MAX_SIGNATURE
            return end - at if line == "-- " or short else 0
        if attribution.is_device_signature(line):
            end = self._region_end(at + 1)
            return 1 if end - at < 10 and self._count(at + 1, end) <= 3 else 0
        if attribution.is_list_footer(self.lines, at):
            end = self._region_end(at + 1)
            return end - at if self._count(at + 1, end) <= _MAX_SIGNATURE else 0
        return 0

    def _count(self, at: int, end: int) -> int:
        """Lines with text, counted up to one more than a signature may have."""
        count = 0
        for index in range(at, end):
            if count > _MAX_SIGNATURE:
                break
            count += not self.lines[index].isspace() and bool(self.lines[index])
        return count

    def _region_end(self, at: int) -> int:
        """Where the text that includes ``at`` gives way to a quotation or what introduces one.

        The answer holds for every line up to there, so each line is asked once.
        """
        start, end = self._region
        if start <= at <= end:
            return end
        end = at
        while end < len(self.lines) and not self._begins_quotation(end):
            end += 1
        self._region = (at, end)
        return end

    def _begins_quotation(self, at: int) -> bool:
        line = self.lines[at]
        if self.quoted[at]:
            return True
        if not line or line.isspace():
            return False
        return bool(
            attribution.is_forward_rule(line)
            or self._introduction(at, True)
            or self._attribution(at, True)
        )


def _is_quoted(lines: list[str], at: int) -> bool:
    """Whether the line is marked as quoted; ">From " alone is how mailboxes spell "From "."""
    line = lines[at]
    if _QUOTED.match(line) is None:
        return False
    if _ESCAPED_FROM.match(line) is None:
        return True
    near = lines[max(0, at - 1) : at] + lines[at + 1 : at + 2]
    return any(other.startswith(">") for other in near)


def _without_rule(kept: list[str]) -> list[str]:
    """``kept`` without the ruled line that stood over the header block."""
    while kept and (not kept[-1].strip() or _RULE.match(kept[-1][:MAX_LINE])):
        kept.pop()
    return kept


# HTML

_QUOTE_CLASSES = word_set(
    "gmail_attr gmail_signature gmail_signature_prefix moz-cite-prefix moz-signature yahoo_quoted"
    " yahoo-quoted-begin protonmail_quote protonmail_signature_block tutanota_quote zmail_extra"
    " moz-email-headers-table freemail_quote ms-outlook-mobile-signature quote_author hmquote"
    " bloop_original_html cite-prefix gmx_quote mail-quote-collapse ox-quote wisestamp_signature"
)
"""Classes of what mail programs put around quotations, their introductions and signatures."""
_QUOTE_IDS = word_set(
    "mail-editor-reference-message-container yahoo_quoted isForwardContent signature reply-intro"
    " ms-outlook-mobile-signature signature_quote yahoo-quoted-begin lineBreakAtBeginningOfMessage"
)
_STOP_IDS = word_set("appendonsend divRplyFwdMsg stopSpelling replySplit OLK_SRC_BODY_SECTION")
"""Where Outlook begins to quote: all that follows is old."""
_STOP_CLASSES = word_set("outlookmessageheader elided-text-original")
_OUTLOOK_BORDER = re.compile(
    r"border:none;border-top:solid #(?:e1e1e1|b5c4df|cccccc) 1\.0pt;padding:3\.0pt 0(?:in|cm) 0"
)


def extracted_html(html: str) -> str:
    """The new part of ``html``, sanitised: no quotation, no signature; "" when all of it is old.

    What mail programs mark (by class, id, ``blockquote type=cite`` or Outlook's ruled header) is
    left out; a forward is kept whole, as what it encloses is new.  Linear time.
    """
    if "orwarded message" in html or _FORWARD_HEADING.search(html):
        return display.sanitised(html)
    kept = rewritten(
        html, display.TAGS, display.ATTRIBUTES, _quotation, before_skip=_without_attribution
    )
    if not _shows_anything(kept):
        # Outlook puts the same ruled header over a forward without a word of one's own.
        kept = rewritten(html, display.TAGS, display.ATTRIBUTES, _marked_quotation)
    return display.clean_fragment(kept) if _shows_anything(kept) else ""


_TAG = re.compile(r"<(?!img)[^>]*>")


def _shows_anything(fragment: str) -> bool:
    """Whether rewritten HTML holds more than tags and spaces."""
    return bool(_TAG.sub("", fragment).replace("&nbsp;", "").strip())


_BLOCK_TAG = re.compile(r"</?(?:div|p|td|tr|table|li|ul|ol|blockquote|h[1-6]|hr)\b")
_MAX_PIECES = 40


def _without_attribution(pieces: list[str]) -> None:
    """Empties the text just before a quotation when it introduces it ("On … wrote:")."""
    texts: list[int] = []
    joined = ""
    for at in range(len(pieces) - 1, max(-1, len(pieces) - 1 - _MAX_PIECES), -1):
        piece = pieces[at]
        if piece.startswith("<"):
            if joined.strip() and (_BLOCK_TAG.match(piece) or piece.startswith("<br")):
                if attribution.is_attribution(unescape(" ".join(joined.split()))):
                    break
                if _BLOCK_TAG.match(piece):
                    return
            continue
        joined = piece + joined
        texts.append(at)
        if len(joined) > 2 * MAX_LINE:
            return
    if attribution.is_attribution(unescape(" ".join(joined.split()))):
        for at in texts:
            pieces[at] = ""


_FORWARD_HEADING = re.compile(
    r">\s*(?:-{5,} ?)?(?:Begin forwarded message|Weitergeleitete Nachricht|Message transféré|"
    r"Mensaje reenviado|Messaggio inoltrato|Doorgestuurd bericht|Vidarebefordrat)"
)


def _marked_quotation(name: str, attributes: dict[str, str]) -> Verdict:
    """Leaves out what is marked as quoted or signed."""
    if not attributes:
        return Verdict.KEEP
    classes = {one.removeprefix("x_") for one in attributes.get("class", "").split()}
    ident = attributes.get("id", "").removeprefix("x_")
    if name == "blockquote" and ("gmail_quote" in classes or attributes.get("type") == "cite"):
        return Verdict.SKIP
    if not classes.isdisjoint(_QUOTE_CLASSES) or ident in _QUOTE_IDS:
        return Verdict.SKIP
    return Verdict.KEEP


def _quotation(name: str, attributes: dict[str, str]) -> Verdict:
    """The same, and the end where Outlook begins to quote."""
    if not attributes:
        return Verdict.KEEP
    ident = attributes.get("id", "").removeprefix("x_")
    if ident in _STOP_IDS or attributes.get("name") == "quote":
        return Verdict.STOP
    if _OUTLOOK_BORDER.search(attributes.get("style", "").lower().replace(": ", ":")[:MAX_LINE]):
        return Verdict.STOP
    if name == "hr" and attributes.get("tabindex") == "-1":
        return Verdict.STOP
    return _marked_quotation(name, attributes)
