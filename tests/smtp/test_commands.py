"""Arguments of commands."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.model.envelope import Body, ForwardPath, Notify, Ret
from agentpost.smtp.wire import commands
from agentpost.smtp.wire.commands import Auth, Chunk, Mail, Refused

_PIECES = [
    b"FROM:", b"TO:", b"<", b">", b"a@b.test", b" ", b"SIZE=", b"9", b"BODY=8BITMIME", b"SMTPUTF8",
    b"ENVID=", b"+2B", b"+", b"ORCPT=rfc822;", b"NOTIFY=NEVER", b",", b'"', b"\\", b"\0", b"\xc3\xa9",
    b"\xff", b"LAST", b"PLAIN", b"=", b"RET=FULL", b"AUTH=<>",
]  # fmt: skip


def mail(text: str, *, extended: bool = True) -> Mail:
    return commands.mail(text.encode(), extended=extended)


def rcpt(text: str, *, smtputf8: bool = False) -> ForwardPath:
    return commands.rcpt(text.encode(), extended=True, smtputf8=smtputf8, hostname="mail.test")


def code(work: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        work()
    return caught.value.reply.octets[:9].decode()


def test_verb_and_argument() -> None:
    assert commands.split(b"noop") == (b"NOOP", b"")
    assert commands.split(b"MAIL FROM:<a@b>  \t") == (b"MAIL", b"FROM:<a@b>")
    assert commands.split(b"NOOP  x y") == (b"NOOP", b"x y")
    for line in (b"", b" NOOP", b"NOOP\tx", b"NOOP\r", b"1X", b"NO-OP", "ıNOOP".encode()):
        assert commands.split(line) == (b"", b"")


def test_mail_has_all_its_parameters() -> None:
    assert mail("FROM:<>") == Mail("")
    assert mail("from:  <a@b.test>", extended=False) == Mail("a@b.test")
    assert mail(
        "FROM:<a@b.test> SIZE=007 body=8bitmime SMTPUTF8 Ret=full ENVID=a+2Bb+20c AUTH=x+3Dy"
    ) == Mail("a@b.test", 7, Body.EIGHTBITMIME, True, Ret.FULL, "a+b c")


def test_rcpt_has_all_its_parameters() -> None:
    assert rcpt("TO:<PostMaster>") == ForwardPath("postmaster@mail.test")
    assert rcpt("TO:<a@b.test> NOTIFY=delay,SUCCESS ORCPT=rfc822;a+2Bc@b.test") == ForwardPath(
        "a@b.test", frozenset({Notify.DELAY, Notify.SUCCESS}), "rfc822;a+c@b.test"
    )
    assert rcpt("TO:<é@b.test> ORCPT=utf-8;é@b.test", smtputf8=True).orcpt == "utf-8;é@b.test"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM:a@b.test", "501 5.1.7"),
        ("FROM <a@b.test>", "501 5.5.4"),
        ("FROM:<a@b.test>x", "501 5.5.4"),
        ("FROM:<a@b.test>\tSIZE=1", "501 5.5.4"),
        ("FROM:<a@b.test> SIZE", "501 5.5.4"),
        ("FROM:<a@b.test> SIZE=", "501 5.5.4"),
        ("FROM:<a@b.test> SIZE=１", "501 5.5.4"),
        ("FROM:<a@b.test> ENVID=" + "x" * 101, "501 5.5.4"),
        ("FROM:<a@b.test> ENVID=+0D+0A", "501 5.5.4"),
        ("FROM:<a@b.test> ENVID=é", "501 5.5.4"),
        ("FROM:<é@b.test>", "553 5.6.7"),
        ("FROM:<a@b.test> X=1 X=2", "501 5.5.4"),
        ("FROM:<a@b.test> TRANSID=1", "555 5.5.4"),
    ],
)
def test_mail_is_refused(text: str, said: str) -> None:
    assert code(lambda: mail(text)) == said


def test_orcpt_is_bounded() -> None:
    assert code(lambda: rcpt("TO:<a@b.test> ORCPT=rfc822;" + "x" * 500)) == "501 5.5.4"
    assert code(lambda: rcpt("TO:<a@b.test> ORCPT=utf-8;é")) == "501 5.5.4"
    assert code(lambda: rcpt("TO:<a@b.test> ORCPT=rfc822;+FF")) == "501 5.5.4"


def test_bdat() -> None:
    assert commands.bdat(b"10") == Chunk(10, False)
    assert commands.bdat(b"0 last") == Chunk(0, True)
    for wrong in (b"", b"-1", b"1_0", b"+1", b"1 LAST X", b"1 FIRST", b"1" * 21, "１".encode()):
        with pytest.raises(Refused):
            commands.bdat(wrong)


def test_auth() -> None:
    assert commands.auth(b"plain") == Auth("PLAIN", None)
    assert commands.auth(b"LOGIN =") == Auth("LOGIN", b"")
    assert commands.auth(b"PLAIN AGEAYg==") == Auth("PLAIN", b"\0a\0b")
    for wrong in (b"", b"PLAIN a b", b"PLAIN AGE", b"PLAIN AGE=X", b"PLAIN A\xffGE", b"X Y"):
        with pytest.raises(Refused):
            commands.auth(wrong)


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join) | st.binary(max_size=60))
def test_every_argument_is_read_or_refused(argument: bytes) -> None:
    for parse in (
        lambda: commands.mail(argument, extended=True),
        lambda: commands.mail(b"FROM:<a@b> " + argument, extended=True),
        lambda: commands.rcpt(b"TO:<a@b> " + argument, extended=True, smtputf8=True, hostname="h"),
        lambda: commands.rcpt(argument, extended=False, smtputf8=False, hostname="h"),
        lambda: commands.bdat(argument),
        lambda: commands.auth(argument),
        lambda: commands.hello(argument, 255),
        lambda: commands.verify(argument),
        lambda: commands.split(argument),
        lambda: commands.decode(argument),
    ):
        with contextlib.suppress(Refused):
            parse()


def test_long_arguments_cost_linear_time() -> None:
    for hostile in (
        b'FROM:<"' + b"\\\\" * 6000,
        b"FROM:<" + b'"a"' * 4000,
        b"FROM:<a@b>" + b" X" * 6000,
    ):
        with pytest.raises(Refused):
            commands.mail(hostile, extended=True)
