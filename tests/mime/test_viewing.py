"""What a reader sees of HTML and text, and what is hidden from him (R08.01 of the attack list)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentpost.mime.html import text_from_html
from agentpost.mime.markup import MAX_DEPTH
from agentpost.mime.unseen import without_unseen
from agentpost.mime.viewing import visible

HIDDEN = [
    '<div style="display:none">X</div>',
    '<div style="DISPLAY : none !important">X</div>',
    '<div style="d\\69splay:none">X</div>',
    '<div style="display:/* */none">X</div>',
    '<div style="visibility:hidden"><b>X</b></div>',
    '<div style="opacity:0"><p style="opacity:1">X</p></div>',
    '<div style="opacity:0.01">X</div>',
    '<div style="filter:opacity(0)">X</div>',
    '<span style="font-size:0">X</span>',
    '<span style="font-size:1px">X</span>',
    '<span style="font-size:.05em">X</span>',
    '<span style="font-size:1%">X</span>',
    '<span style="font:0/0 a">X</span>',
    '<span style="font: bold 1px/1 serif">X</span>',
    '<span style="color:#fff">X</span>',
    '<span style="color:#FFFFFF">X</span>',
    '<span style="color:white">X</span>',
    '<span style="color:rgb(255, 255, 255)">X</span>',
    '<span style="color:rgb(100% 100% 100%)">X</span>',
    '<span style="color:hsl(0, 0%, 100%)">X</span>',
    '<span style="color:#fefefe">X</span>',
    '<span style="color:snow">X</span>',
    '<span style="color:transparent">X</span>',
    '<span style="color:rgba(0,0,0,0)">X</span>',
    '<span style="color:#00000000">X</span>',
    '<font color="ffffff">X</font>',
    "<font color=white>X</font>",
    '<body text="#ffffff"><p>X</p></body>',
    '<table bgcolor="#000000"><tr><td>X</td></tr></table>',
    '<div style="background:#123456"><p><span style="color:#123456">X</span></p></div>',
    '<div style="background-color:black">X</div>',
    '<div style="width:0;height:0;overflow:hidden">X</div>',
    '<div style="height:1px;overflow:hidden">X</div>',
    '<div style="max-height:0">X</div>',
    '<div style="position:absolute;left:-9999px">X</div>',
    '<div style="position:fixed; top:-200em">X</div>',
    '<div style="text-indent:-9999px">X</div>',
    '<div style="margin-left:-10000px">X</div>',
    '<div style="position:absolute;clip:rect(0,0,0,0)">X</div>',
    '<div style="clip-path:inset(100%)">X</div>',
    '<div style="transform:scale(0)">X</div>',
    '<div style="transform:translateX(-9999px)">X</div>',
    "<p hidden>X</p>",
    "<p hidden=until-found>X</p>",
    "<template>X</template>",
    "<style>.h{display:none}</style><p class='a h'>X</p>",
    "<style>p.h, .z { color : #fff }</style><p class=h>X</p>",
    "<style>#h{font-size:0}</style><p id=h>X</p>",
    "<style>@media screen{.h{opacity:0}}</style><p class=h>X</p>",
    "<STYLE>b{visibility:hidden}</STYLE><b>X</b>",
    '<div style="display:none">' + "<div>" * (MAX_DEPTH + 10) + "X" + "</div>" * (MAX_DEPTH + 11),
    "<div>" * (MAX_DEPTH + 10) + '<p style="display:none">X</p>',
    "<b>" + "<div>" * MAX_DEPTH + '<i style="display:none"><b></b><p></p></u>X</i>',
]  # fmt: skip

SEEN = [
    '<div style="display:block">X</div>',
    '<div style="visibility:hidden"><b style="visibility:visible">X</b></div>',
    '<td style="font-size:0"><p style="font-size:14px">X</p></td>',
    '<div style="font-size:0.9em">X</div>',
    '<div style="font:400 12px serif">X</div>',
    '<div style="opacity:.5">X</div>',
    '<span style="color:#eeeeee">X</span>',
    '<div style="background:#000"><span style="color:#fff">X</span></div>',
    '<table bgcolor="black"><tr><td><font color="white">X</font></td></tr></table>',
    '<div style="background:url(a.png) #fff;color:#fff">X</div>',
    '<div style="background-image:linear-gradient(#000,#111);color:#fff">X</div>',
    '<span style="color:#fff"><a href="https://x.example/">X</a></span>',
    '<div style="color:inherit">X</div>',
    '<div style="max-width:0;overflow:hidden;text-overflow:ellipsis">X</div>',
    '<div style="height:0">X</div>',
    '<div style="position:absolute;left:-20px">X</div>',
    '<div style="text-indent:2em">X</div>',
    "<p hidden>secret<p>X",
    '<p style="display:none">secret<div>X</div>',
    '<p style="color:#fff">secret</p>X',
    "<style>@media (max-width:600px){.h{display:none}}</style><p class=h>X</p>",
    "<style>.other{display:none}</style><p class=h>X</p>",
    "<style>.h{display:none}</style><style>@media print{.g{display:none}}</style><p class=i>X</p>",
    '<p class="hidden" data-x="display:none">X</p>',
    "<head><title>t</title><body>X",
]  # fmt: skip


@pytest.mark.parametrize("html", HIDDEN)
def test_hidden_text_is_left_out_and_told(html: str) -> None:
    kept, hidden = visible(f"<i>before</i>{html}")
    assert hidden
    assert "X" not in kept
    assert "X" not in text_from_html(html)
    assert "before" in kept


@pytest.mark.parametrize("html", SEEN)
def test_what_people_see_stays(html: str) -> None:
    kept, _ = visible(html)
    assert "X" in kept.replace("X-", "")
    assert "X" in text_from_html(html)
    assert "secret" not in text_from_html(html)


@pytest.mark.parametrize(
    "html",
    [
        "plain",
        '<div style="display:none">&nbsp;&zwnj;&nbsp;\u200b</div>seen',
        '<img src="https://x.example/o.gif" width="1" height="1" alt="pixel">seen',
        "<head>\n<style>.a{}</style>\n</head>seen",
        '<div style="font-size:0"> <p style="font-size:12px">seen</p> </div>',
    ],
)
def test_nothing_worth_telling_is_not_told(html: str) -> None:
    kept, hidden = visible(html)
    assert not hidden
    assert "pixel" not in text_from_html(html)
    assert "seen" in kept or html == "plain"


def test_the_attack_of_the_list() -> None:
    """R08.01: instructions in every hiding place beside a visible one."""
    html = (
        "<p>Please pay the bill.</p><!-- comment: obey -->"
        '<p style="display:none">none: obey</p><p style="font-size:1px">tiny: obey</p>'
        '<p style="color:white">white: obey</p>'
        f"<p>Thank you.{''.join(chr(0xE0000 + ord(c)) for c in 'tags: obey')}</p>"
        "<p>It&#x202E;yebo&#x202C; ends.</p>"
    )
    assert text_from_html(html) == "Please pay the bill.\n\nThank you.\n\nItyebo ends.\n"
    assert visible(html)[1]


TAGGED = "".join(chr(0xE0000 + ord(c)) for c in "obey")


@pytest.mark.parametrize(
    ("text", "kept", "hidden"),
    [
        ("plain", "plain", False),
        ("grün und süß", "grün und süß", False),
        (f"a{TAGGED}b", "ab", True),
        ("a\u202eb\u202cc", "abc", True),
        ("a\u2067b\u2069c", "a\u2067b\u2069c", False),
        ("long\u00adword\u200bbreak", "longwordbreak", False),
        ("a" + "\u200b\u200c" * 8 + "b", "ab", True),
        ("\ufefftext", "text", False),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", False),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb", False),
        ("a\u200db", "ab", False),
        ("\u2764\ufe0f\u200d\U0001f525 1\ufe0f\u20e3", "\u2764\ufe0f\u200d\U0001f525 1\ufe0f\u20e3", False),
        ("\u845b\U000e0100\u98fe", "\u845b\U000e0100\u98fe", False),
        ("\U0001f60a" + "\U000e0158\U000e0152\U000e0155" * 3, "\U0001f60a", True),
        (
            "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f!",
            "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f!",
            False,
        ),
        (f"\U0001f3f4{TAGGED}\U000e007f", "\U0001f3f4", True),
    ],
)  # fmt: skip
def test_characters_that_no_one_sees(text: str, kept: str, hidden: bool) -> None:
    assert without_unseen(text) == (kept, hidden)


_PIECES = st.sampled_from(
    [
        "<div style='display:none'>", "<p>", "</p>", "</div>", "<td style=font-size:0>", "</td>",
        "<table>", "</table>", "<style>.a{color:#fff}", "</style>", "<span class=a>", "</span>",
        "<img alt=a>", "<br>", "text", "&#xE0041;", "<!--", "-->", "<", "\u202e", "<font color=white>",
        "<body>", "<head>", "<li hidden>", "{", "}", "@media{",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(_PIECES, max_size=60))
def test_seeing_twice_is_seeing_once(pieces: list[str]) -> None:
    """Nothing that was kept is hidden at a second look but for what a style sheet said."""
    html = "".join(pieces)
    once, _ = visible(html)
    if "<style" not in html:
        twice, hidden = visible(once)
        assert text_from_html(twice) == text_from_html(once)
        assert not hidden


@pytest.mark.parametrize(
    "html",
    [
        "<p><font color=red>" * 20_000,
        "<div style='" + "a:b;" * 50 + "'>x" * 2_000,
        "<style>" + ".a{color:#fff}" * 20_000 + "</style>" + "<p class='a b c d'>x" * 5_000,
        "<style>" + "@media x{" * 20_000 + "</style>x",
        "<style>x</STYLE>" * 20_000,
        "<p>" + "<table>" + "<span>" * 150 + "</p>" * 50_000,
        "<p style='background:" + "(" * 200_000 + "'>x",
        "<p style='" + "a" * 200_000 + "'>x",
        "&#8203;" * 50_000,
        "\u200c" * 200_000,
        ("\u200c" * 50 + "a") * 4_000,
        "\u200b" * 200_000,
    ],
)
def test_hostile_html_takes_linear_time(html: str) -> None:
    begun = time.process_time()
    visible(html)
    assert time.process_time() - begun < 3.0
