"""HTML of strangers: made harmless, read as text, freed of quotations, in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.html import sanitised, text_from_html
from agentpost.mime.markup import End, Start, Text, tokens
from agentpost.mime.reply import extracted_html


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ("<p>hi<script>alert(1)</script>", "<p>hi</p>"),
        ("<img src=x onerror=alert(1)>", "<img>"),
        ('<img src="cid:a@b" alt="x">', '<img src="cid:a@b" alt="x">'),
        ('<a href="javascript:x">a</a>', '<a rel="noopener noreferrer nofollow">a</a>'),
        ("<svg><style><img src=x onerror=y></style></svg>", ""),
        ("<math><mtext><table><mglyph><style><!--</style><img onerror=x>", None),
        ("<iframe src=https://x></iframe><form action=x><input name=y>ok", "ok"),
        ('<p style="position:fixed;color:red">x', '<p style="color:red">x</p>'),
        ('<p style="background:url(https://x)">x', None),
        ("<base href=https://evil><meta http-equiv=refresh content=1>x", "x"),
        ("</div></blockquote>x", "x"),
        ("<div><p>one<p>two</div>", "<div><p>one</p><p>two</p></div>"),
        ("<b><i>x</b>y</i>", "<b><i>x</i></b>y"),
        ("a < b & c &lt; d", "a &lt; b &amp; c &lt; d"),
        ("<!-- <p>no --><p>yes", "<p>yes</p>"),
        ("<table><tr><td>1<td>2<tr><td>3</table>", None),
        ("<noscript><p title='</noscript><img src=x>'></noscript>", None),
    ],
)
def test_only_harmless_html_is_left(html: str, clean: str | None) -> None:
    result = sanitised(html)
    if clean is not None:
        assert result == clean
    for forbidden in (
        "<script",
        "onerror",
        "javascript",
        "url(",
        "<form",
        "<iframe",
        "<svg",
        "<meta",
    ):
        assert forbidden not in result


@given(st.text("<>/abpimgtdrl =\"'!-&;srcone", max_size=200))
def test_sanitising_is_stable_and_leaves_no_handlers(html: str) -> None:
    once = sanitised(html)
    assert sanitised(once) == once
    for token in tokens(once):
        if isinstance(token, Start):
            assert not any(name.startswith("on") for name in token.attributes())


@given(st.text("<>/ab=\"'!- pre&", max_size=200))
def test_text_is_made_of_anything(html: str) -> None:
    text = text_from_html(html)
    assert text == "" or text.endswith("\n")


def test_tokens_are_those_of_browsers() -> None:
    html = "a<B c=\"d>e\" f='g' h=i/j k>x</b ><!---->y<?z?></>w<script>1<2</script><u"
    names: list[str] = []
    for token in tokens(html):
        if isinstance(token, Start):
            names.append(f"<{token.name} {token.attributes()}")
        else:
            names.append(token.text if isinstance(token, Text) else f"</{token.name}")
    assert names == [
        "a", "<b {'c': 'd>e', 'f': 'g', 'h': 'i/j', 'k': ''}", "x", "</b", "y", "w", "<script {}",
        "</script",
    ]  # fmt: skip
    assert isinstance(next(tokens("</p>")), End)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>one</p><p>two</p>", "one\n\ntwo\n"),
        ("one<br>two<br/>three", "one\ntwo\nthree\n"),
        ("<div>one</div><div>two</div>", "one\ntwo\n"),
        ("<ul><li>a<li>b</ul>", "- a\n- b\n"),
        ('<blockquote type="cite"><p>old</p><blockquote class="gmail_quote">older</blockquote></blockquote>new', "> old\n>\n>> older\n\nnew\n"),
        ("<blockquote>indented</blockquote>new</blockquote>", "indented\n\nnew\n"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1 2\n3\n"),
        ("<pre>  a\n   b</pre>", "  a\n   b\n"),
        ("a &amp; b &eacute; &#8364; &#99999999999;", "a & b \u00e9 \u20ac \ufffd\n"),
        ("<style>p{}</style><title>t</title>x", "x\n"),
        ('<span style="display: none">secret</span>seen', "seen\n"),
        ('<span style="color:red; VISIBILITY :hidden">secret</span>seen', "seen\n"),
        ('<span style="opacity:0.00;x:y">secret</span>seen', "seen\n"),
        ('<p style="opacity:0.9">seen</p>', "seen\n"),
        ('<div style="max-height:0px;overflow:hidden">secret</div>seen', "seen\n"),
        ('<div style="max-height:0.5em">seen</div>', "seen\n"),
        ("<p hidden>secret <b>still</b></p>seen", "seen\n"),
        ('<p class="hidden">seen</p>', "seen\n"),
        ("<!-- secret -->seen<!-- <p>secret</p> -->", "seen\n"),
        ('<td style="font-size:0px"><p style="font-size:14px">seen</p></td>', "seen\n"),
        ('<a href="https://x.example/a">here</a>', "here <https://x.example/a>\n"),
        ('<a href="https://x.example/">https://x.example</a>', "https://x.example\n"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example\n"),
        ('<a href="javascript:x">here</a>', "here\n"),
        ('<img alt="logo" src=x> co', "logo co\n"),
        ("a\n   b\t\tc", "a b c\n"),
        ("", ""),
        ("<p></p> <br>", ""),
    ],
)  # fmt: skip
def test_html_is_read_as_people_see_it(html: str, text: str) -> None:
    assert text_from_html(html) == text


NEW = "<div>It is there.</div>"


@pytest.mark.parametrize(
    "quotation",
    [
        '<div class="gmail_quote"><div class="gmail_attr">On x, y wrote:</div><blockquote class="gmail_quote">old</blockquote></div>',
        '<div class="gmail_quote">On Mon, Apr 2, 2012 at 6:26 PM, <span dir="ltr">A &lt;<a href="mailto:a@b.c">a@b.c</a>&gt;</span> wrote:<br><blockquote class="gmail_quote">old</blockquote></div>',
        '<div class="moz-cite-prefix">On x, y wrote:<br></div><blockquote type="cite" cite="mid:x">old</blockquote>',
        '<div><br><blockquote type="cite"><div>On 3 May 2024, at 10:17, A wrote:</div>old</blockquote></div>',
        '<div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg"><b>From:</b> A</div><div>old</div>',
        '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p><b>From:</b> A</p></div><p>old</p>',
        '<div class="protonmail_quote">On x, y wrote: <blockquote>old</blockquote></div>',
        '<div id="yahoo_quoted"><div>old</div></div>',
        '<div class="x_gmail_quote"><blockquote class="x_gmail_quote">old</blockquote></div>',
        '<div class="gmail_signature">Bob old</div>',
    ],
)  # fmt: skip
def test_quotations_of_mail_programs_are_left_out(quotation: str) -> None:
    html = extracted_html(f"<html><body>{NEW}{quotation}</body></html>")
    assert text_from_html(html) == "It is there.\n"


def test_answers_between_quotations_stay() -> None:
    html = "".join(f'<blockquote type="cite">q{n}</blockquote><p>a{n}</p>' for n in range(3))
    assert text_from_html(extracted_html(html)) == "a0\n\na1\n\na2\n"


def test_an_outlook_forward_without_a_word_stays() -> None:
    html = '<div id="divRplyFwdMsg"><b>From:</b> A</div><p>the news</p>'
    assert "the news" in extracted_html(html)


def test_a_forward_stays_whole() -> None:
    html = '<p>FYI</p><div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------</div>news</div>'
    assert "news" in extracted_html(html)


def test_only_quoted_html_is_nothing() -> None:
    assert extracted_html('<blockquote type="cite">old</blockquote>') == ""


SIZE = 100_000


@pytest.mark.parametrize(
    "piece",
    [
        "<div>", "<p><font color=%d>", "<b>", "<b><div></b>", "<table><tr><td>", "<a href='", '<a "', "<a =",
        "x=1 ", "<", "&#", "&amp", "<!--", "<!-", "<script>", "<blockquote type=cite>", "<ul><li>", "</p>", "<br>",
        "<blockquote type=cite></blockquote>", "x<br><blockquote type=cite></blockquote>", "<select><option>",
        "<span>", "</span>", "<h1>", "<a href=x><p>", "<dl><dt>", "<table><b>x",
    ],
)  # fmt: skip
def test_markup_that_tires_tree_builders_takes_linear_time(piece: str) -> None:
    """250 KB of the second take html5ever and Lexbor over 50 s."""
    numbered = "%d" in piece
    html = "".join(piece % n if numbered else piece for n in range(SIZE // len(piece)))
    begin = time.process_time()
    text_from_html(html)
    sanitised(html)
    extracted_html(html)
    assert time.process_time() - begin < 6.0
