"""What links in mail are for, and that none is taken for more than it is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.mime.links import MAX_LINKS, MAX_URL, links, list_unsubscribe
from agentpost.model.reading import Link

PURPOSES = [
    ("Verify your email", "https://x.example/a/1", "verification"),
    ("Confirm my account", "https://x.example/c?token=abc", "verification"),
    ("Activate", "https://x.example/1", "verification"),
    ("E-Mail-Adresse bestätigen", "https://x.example/1", "verification"),
    ("Vérifier mon adresse", "https://x.example/1", "verification"),
    ("Confirmar correo", "https://x.example/1", "verification"),
    ("Conferma il tuo indirizzo", "https://x.example/1", "verification"),
    ("Bevestig je e-mailadres", "https://x.example/1", "verification"),
    ("Potwierdź adres", "https://x.example/1", "verification"),
    ("Подтвердить почту", "https://x.example/1", "verification"),
    ("验证邮箱", "https://x.example/1", "verification"),
    ("メールアドレスを確認する", "https://x.example/1", "verification"),
    ("이메일 인증하기", "https://x.example/1", "verification"),
    ("تأكيد البريد", "https://x.example/1", "verification"),
    ("Click here", "https://x.example/users/confirmation?confirmation_token=1", "verification"),
    ("here", "https://x.example/verify-email/8f7", "verification"),
    ("Sign in to Example", "https://x.example/1", "magic_link"),
    ("Log in now", "https://x.example/1", "magic_link"),
    ("Jetzt einloggen", "https://x.example/1", "magic_link"),
    ("Se connecter", "https://x.example/1", "magic_link"),
    ("ログイン", "https://x.example/1", "magic_link"),
    ("Войти", "https://x.example/1", "magic_link"),
    ("here", "https://x.example/auth/magic-link?t=1", "magic_link"),
    ("Reset your password", "https://x.example/1", "password_reset"),
    ("Passwort zurücksetzen", "https://x.example/1", "password_reset"),
    ("Réinitialiser", "https://x.example/1", "password_reset"),
    ("Restablecer contraseña", "https://x.example/1", "password_reset"),
    ("パスワードを再設定", "https://x.example/1", "password_reset"),
    ("here", "https://x.example/password_resets/77/edit", "password_reset"),
    ("Unsubscribe", "https://x.example/1", "unsubscribe"),
    ("Newsletter abbestellen", "https://x.example/1", "unsubscribe"),
    ("Se désabonner", "https://x.example/1", "unsubscribe"),
    ("Darse de baja", "https://x.example/1", "unsubscribe"),
    ("Uitschrijven", "https://x.example/1", "unsubscribe"),
    ("Отписаться", "https://x.example/1", "unsubscribe"),
    ("退订", "https://x.example/1", "unsubscribe"),
    ("配信停止はこちら", "https://x.example/1", "unsubscribe"),
    ("here", "https://x.example/newsletter/unsubscribe?u=1", "unsubscribe"),
    ("Our blog", "https://x.example/blog/2024", "other"),
    ("", "https://x.example/", "other"),
]


@pytest.mark.parametrize(("words", "url", "purpose"), PURPOSES)
def test_what_a_link_is_for(words: str, url: str, purpose: str) -> None:
    html = f'<p>Hello</p><a class=b href="{url}"><b>{words}</b></a>'
    assert links(None, html) == (Link(url, words, purpose),)  # type: ignore[arg-type]


def test_what_asks_for_something_comes_first() -> None:
    html = (
        '<a href="https://x.example/unsubscribe">Unsubscribe</a>'
        '<a href="https://x.example/blog">Blog</a>'
        '<a href="https://x.example/r">Reset password</a>'
        '<a href="https://x.example/l">Log in</a>'
        '<a href="https://x.example/v">Verify</a>'
    )
    assert [link.url.rpartition("/")[2] for link in links(None, html)] == [
        "v",
        "l",
        "r",
        "blog",
        "unsubscribe",
    ]


def test_plain_text_says_before_a_link_what_it_is_for() -> None:
    text = (
        "Welcome!\n\nConfirm your address:\nhttps://x.example/a1\n\n"
        "Read on (see https://x.example/wiki/Mail_(post)). Or <https://x.example/b>, thanks.\n"
        "To unsubscribe: https://x.example/u."
    )
    assert links(text, None) == (
        Link("https://x.example/a1", "Confirm your address", "verification"),
        Link("https://x.example/wiki/Mail_(post)", "Read on (see", "other"),
        Link("https://x.example/b", "Or", "other"),
        Link("https://x.example/u", "To unsubscribe", "unsubscribe"),
    )


def test_each_address_is_told_once_with_the_words_that_say_most() -> None:
    html = (
        '<a href="https://x.example/1"><img src="cid:1" alt=""></a>'
        '<a href="https://x.example/1">Confirm</a>'
        '<a href="https://x.example/2"><img alt="Sign in" src=x></a>'
    )
    assert links("Go to https://x.example/1", html) == (
        Link("https://x.example/1", "Confirm", "verification"),
        Link("https://x.example/2", "Sign in", "magic_link"),
    )


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "mailto:a@b.c",
        "//x.example",
        "/relative",
        "https://x.example/ y",
        "https:// ",
        "https://x.example/" + "a" * MAX_URL,
        "ht\ntps://x.example",
    ],
)
def test_only_addresses_of_the_web_are_links(href: str) -> None:
    assert links(None, f'<a href="{href}">Verify</a>') == ()


def test_links_are_bounded() -> None:
    html = "".join(f'<a href="https://x.example/{number}">{number}</a>' for number in range(3000))
    assert len(links(html, html)) == MAX_LINKS
    assert len(links(None, '<a href="https://x.example/1">' + "word " * 1000)[0].text) <= 200


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (None, ()),
        ("<https://x.example/u?1>, <mailto:u@x.example?subject=u>",
         ("https://x.example/u?1", "mailto:u@x.example?subject=u")),
        ("(Use this) <https://x.example/u>", ("https://x.example/u",)),
        ("<ftp://x.example/u>, javascript:x, <javascript:x>", ()),
        ("nonsense", ()),
        ("<https://a.example/" + "1" * 5000 + ">", ()),
    ],
)  # fmt: skip
def test_list_unsubscribe_names_its_ways(field: str | None, found: tuple[str, ...]) -> None:
    """RFC 2369 section 3.2."""
    assert list_unsubscribe(field) == found


@given(st.text(), st.text())
def test_no_mail_breaks_the_search(text: str, html: str) -> None:
    for link in links(text, html):
        assert link.url.lower().startswith(("http://", "https://"))
        assert "\n" not in link.text


@pytest.mark.parametrize(
    "unit",
    ["<a href=https://x.example>", "https://", "https://x.example/a ", "<a href='", "(", "https://x(",
     "<img alt='x'", "https://x.example/)))", "https://x.example/....", "\n", " "],
)  # fmt: skip
def test_hostile_mail_takes_linear_time(unit: str) -> None:
    hostile = unit * (1_000_000 // len(unit))
    began = time.perf_counter()
    links(hostile, hostile)
    assert time.perf_counter() - began < 4.0
