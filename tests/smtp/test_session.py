"""The session: grouping of replies, logins, limits, memory, faults."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost.limits import MessageLimits, SubmissionLimits
from agentpost.model.envelope import Body, Envelope, ForwardPath, Notify, Ret
from agentpost.smtp.desk import Terms
from tests.smtp.fakes import (
    ADDRESS,
    PASSWORD,
    TERMS,
    Client,
    FakeMemory,
    b64,
    client,
    plain,
    small_terms,
)

_GROUP = (
    b"MAIL FROM:<inbox-a@shared.test>\r\nRCPT TO:<a@ext.test>\r\nRCPT TO:<b@ext.test>\r\nDATA\r\n"
)


def test_a_group_of_commands_is_answered_by_one_write() -> None:
    speaker = client()
    writes = speaker.writes(_GROUP)
    assert [write.count(b"\r\n") for write in writes] == [4]
    assert len(speaker.writes(b"x\r\n.\r\n")) == 1


def test_replies_that_must_not_wait_do_not_wait() -> None:
    # RFC 2920 section 3.2: EHLO, DATA, VRFY, NOOP, QUIT and what is not recognized.
    speaker = client()
    writes = speaker.writes(
        b"NOOP\r\nVRFY x\r\nRSET\r\nNONSENSE\r\nMAIL FROM:<x\r\nNOOP\r\nQUIT\r\n"
    )
    assert [write[:3] for write in writes] == [b"250", b"252", b"250", b"501", b"250", b"221"]
    assert writes[2].count(b"\r\n") == 2


def test_everything_at_once_is_answered_in_order() -> None:
    speaker = Client()
    said = speaker.send(
        f"EHLO x\r\nAUTH PLAIN {plain()}\r\n".encode()
        + _GROUP
        + b"one\r\n.\r\n"
        + _GROUP
        + b"two\r\n.\r\nQUIT\r\nNOOP\r\n"
    )
    codes = [line[:3].decode() for line in said.splitlines() if line[3:4] == b" "]
    assert codes == ["250", "235", *["250", "250", "250", "354", "250"] * 2, "221"]
    assert [octets for _, octets in speaker.desk.submitted] == [b"one\r\n", b"two\r\n"]


def test_envelope_reaches_the_desk() -> None:
    speaker = client()
    speaker.say(f"MAIL FROM:<{ADDRESS}> SIZE=3 BODY=7BIT SMTPUTF8 RET=HDRS ENVID=e1")
    speaker.say("RCPT TO:<ä@ext.test> NOTIFY=NEVER ORCPT=rfc822;x@y")
    speaker.say("RCPT TO:<b@ext.test>")
    speaker.say("DATA")
    assert speaker.say("x\r\n.") == "250 2.0.0 msg_1 thr_1"
    assert speaker.desk.submitted == [
        (
            Envelope(
                ADDRESS,
                (
                    ForwardPath("ä@ext.test", frozenset({Notify.NEVER}), "rfc822;x@y"),
                    ForwardPath("b@ext.test"),
                ),
                Ret.HDRS,
                "e1",
                True,
                Body.SEVENBIT,
            ),
            b"x\r\n",
        )
    ]
    assert speaker.desk.peers == ["192.0.2.1"]


_UNITS = [
    b"EHLO x\r\n", b"HELO x\r\n", b"NOOP\r\n", b"RSET\r\n", b"NONSENSE\r\n", b"MAIL FROM:<x\r\n",
    f"AUTH PLAIN {plain()}\r\n".encode(), f"AUTH PLAIN {plain(password='wrong')}\r\n".encode(),
    b"AUTH PLAIN\r\n", b"AUTH LOGIN\r\n", b"*\r\n", plain().encode() + b"\r\n",
    b"MAIL FROM:<inbox-a@shared.test>\r\n", b"MAIL FROM:<inbox-a@shared.test> SIZE=99999\r\n",
    b"RCPT TO:<a@ext.test>\r\n", b"RCPT TO:<nobody@ext.test>\r\n", b"DATA\r\n", _GROUP,
    b"x\r\n", b".\r\n", b"..\r\n", b"x\r\n.\r\n", b"rejected by policy\r\n.\r\n", b"crash\r\n.\r\n",
    b"x" * 700 + b"\r\n", b"a\rb\r\n", b"BDAT 3\r\na\rb", b"BDAT 5 LAST\r\nQ\r\nx\r", b"BDAT 0 LAST\r\n",
    b"BDAT x\r\n", b"BDAT 700 LAST\r\n" + b"y" * 700, b"x" * 3000 + b"\r\n", b"QUIT x\r\n",
]  # fmt: skip

_small = small_terms(message=MessageLimits(max_octets=600, max_recipients=2))


def conversation(pieces: list[bytes]) -> tuple[bytes, list[Any], FakeMemory]:
    speaker = Client(terms=_small)
    said = b""
    for piece in pieces:
        if speaker.session.closing:
            break
        said += speaker.send(piece)
    speaker.session.close()
    return said, speaker.desk.submitted, speaker.memory


@given(
    st.lists(st.sampled_from(_UNITS), max_size=25),
    st.booleans(),
    st.lists(st.integers(0, 3000), max_size=12),
)
def test_replies_do_not_depend_on_how_the_octets_arrive(
    units: list[bytes], login: bool, cuts: list[int]
) -> None:
    logging.disable()
    start = f"EHLO x\r\nAUTH PLAIN {plain()}\r\n".encode() if login else b""
    octets = start + b"".join(units)
    places = sorted(min(cut, len(octets)) for cut in cuts)
    pieces = [octets[i:j] for i, j in zip([0, *places], [*places, len(octets)], strict=True)]
    whole = conversation([octets])
    assert conversation(pieces)[:2] == whole[:2]
    assert conversation([octets[i : i + 1] for i in range(len(octets))])[:2] == whole[:2]
    assert whole[2].taken == 0
    logging.disable(logging.NOTSET)


@given(st.lists(st.sampled_from(_UNITS) | st.binary(max_size=30), max_size=25), st.booleans())
def test_no_input_breaks_the_session(units: list[bytes], tls: bool) -> None:
    logging.disable()
    speaker = Client(tls=tls, terms=_small)
    for unit in units:
        if speaker.session.closing:
            break
        for write in speaker.writes(unit):
            assert write.isascii()
            assert write.endswith(b"\r\n")
            assert all(len(line) <= 512 for line in write.splitlines(keepends=True))
    logging.disable(logging.NOTSET)


class TestLogin:
    def test_mechanisms(self) -> None:
        for steps in (
            [f"AUTH PLAIN {plain()}"],
            [f"AUTH PLAIN {plain(authorization=ADDRESS)}"],
            ["AUTH PLAIN", plain()],
            ["AUTH LOGIN", b64(ADDRESS), b64(PASSWORD)],
            [f"AUTH LOGIN {b64(ADDRESS)}", b64(PASSWORD)],
        ):
            speaker = Client()
            *first, last = [speaker.say(step) for step in steps]
            assert all(said.startswith("334") for said in first)
            assert last == "235 2.7.0 Authenticated"

    @pytest.mark.parametrize(
        ("response", "said"),
        [
            (b64("\0a"), "501 5.5.2"),
            (b64("\0a\0b\0c"), "501 5.5.2"),
            (b64("\0\0b"), "501 5.5.2"),
            (b64("\udcff".encode("utf-8", "surrogateescape").decode("latin-1")), "501 5.5.2"),
            ("A" * 12_300, "501 5.5.2"),
            ("A" * 65_536, "501 5.5.2"),
            ("!", "501 5.5.2"),
            (plain(password="wrong"), "535 5.7.8"),
            (plain(authorization="root"), "535 5.7.8"),
            (plain(password="no-scope"), "535 5.7.1"),
            (plain(password="too-often"), "454 4.7.1"),
            (plain(password="too-many"), "421 4.7.0"),
            (plain(password="crash"), "451 4.3.0"),
        ],
    )
    def test_failures(self, response: str, said: str) -> None:
        speaker = Client()
        assert speaker.say("AUTH PLAIN") == "334 "
        assert speaker.say(response).startswith(said)
        if not said.startswith("421"):
            assert speaker.say(f"AUTH PLAIN {plain()}").startswith("235")

    def test_nul_in_a_user_name(self) -> None:
        speaker = Client()
        assert speaker.say(f"AUTH LOGIN {b64(ADDRESS + chr(0))}").startswith("501 5.5.2")

    def test_octets_that_are_not_utf8(self) -> None:
        assert Client().say("AUTH PLAIN AP8AYg==").startswith("501 5.5.2")

    def test_long_initial_response(self) -> None:
        speaker = Client()
        long = plain(username="u" * 1000, password="x" * 1000, authorization="u" * 1000)
        assert len(long) > 2048
        assert speaker.say(f"AUTH PLAIN {long}").startswith("535")
        assert speaker.say(f"AUTH PLAIN {plain(password='x' * 5000)}").startswith("501 5.5.2")
        assert speaker.say(f"auth plain {'A' * 12_300}").startswith("500 5.5.2")
        # Without AUTH in front the ordinary limit holds.
        assert speaker.say("NOOP " + "x" * 3000).startswith("500 5.5.2")

    def test_failed_logins_are_slowed_and_counted(self) -> None:
        speaker = Client()
        for _ in range(2):
            assert speaker.say(f"AUTH PLAIN {plain(password='wrong')}").count("\r\n") == 0
        said = speaker.say(f"AUTH PLAIN {plain(password='wrong')}").split("\r\n")
        assert [line[:9] for line in said] == ["535 5.7.8", "421 4.7.0"]
        assert speaker.session.closing
        assert speaker.pauses == [TERMS.limits.failed_login_s] * 3

    def test_successful_login_is_not_slowed(self) -> None:
        assert client().pauses == []

    def test_bare_lf_ends_the_dialogue(self) -> None:
        speaker = Client()
        speaker.say("AUTH PLAIN")
        assert speaker.send(plain().encode() + b"\n").startswith(b"500 5.5.2")
        assert speaker.say("NOOP").startswith("250")

    def test_no_password_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        speaker = Client()
        speaker.say(f"AUTH PLAIN {plain(password='crash')}")
        assert "crash" not in caplog.records[0].getMessage()


class TestLimits:
    def test_useful_work_forgives(self) -> None:
        speaker = client(terms=small_terms(limits=SubmissionLimits(max_junk_commands=3)))
        for _ in range(5):
            speaker.say("RSET")
            assert speaker.send(_GROUP).endswith(b"354 End data with <CRLF>.<CRLF>\r\n")
            assert speaker.say("x\r\n.").startswith("250")

    def test_one_refused_sender_in_a_large_group_is_not_abuse(self) -> None:
        speaker = client()
        group = b"MAIL FROM:<x@other.test>\r\n" + b"RCPT TO:<a@ext.test>\r\n" * 50 + b"DATA\r\n"
        said = speaker.send(group)
        assert said.count(b"503 5.5.1") == 51
        assert not speaker.session.closing

    def test_junk_chunks_end_the_session_without_memory(self) -> None:
        speaker = client()
        said = speaker.send(b"BDAT 1\r\nx" * 2000)
        assert said.endswith(b"421 4.7.0 Too many commands that send no mail\r\n")
        assert said.count(b"503") == 99  # EHLO counts as well
        assert speaker.memory.most == 0

    def test_empty_chunks_are_junk(self) -> None:
        speaker = client()
        speaker.begin()
        assert b"421 4.7.0" in speaker.send(b"BDAT 0\r\n" * 200)

    def test_chunks_are_bounded_by_the_message_size(self) -> None:
        speaker = client(terms=small_terms(message=MessageLimits(max_octets=1000)))
        speaker.begin()
        said = speaker.send(b"BDAT 1\r\nx" * 1200)
        assert said.count(b"250") == 1000
        assert b"552 5.3.4" in said
        assert b"421 4.7.0" in said

    def test_refused_data_without_end(self) -> None:
        limits = SubmissionLimits(max_swallowed_octets=10_000)
        speaker = client(terms=small_terms(limits=limits, message=MessageLimits(max_octets=100)))
        speaker.begin()
        speaker.say("DATA")
        said = b""
        while not speaker.session.closing:
            said += speaker.send(b"x" * 1000)
        assert [line[:9] for line in said.splitlines()] == [b"552 5.3.4", b"421 4.3.4"]
        assert speaker.memory.taken == 0

    def test_absurd_chunk(self) -> None:
        speaker = client()
        speaker.begin()
        said = speaker.send(b"BDAT 99999999999999999999 LAST\r\n")
        assert [line[:9] for line in said.splitlines()] == [b"552 5.3.4", b"421 4.3.4"]

    def test_null_reverse_path_where_it_is_allowed(self) -> None:
        speaker = client(terms=small_terms(null_reverse_path=True))
        assert speaker.say("MAIL FROM:<>").startswith("250")


class TestMemory:
    def test_announced_size_is_reserved_and_given_back(self) -> None:
        speaker = client()
        speaker.begin(parameters=" SIZE=1000000")
        speaker.say("DATA")
        assert speaker.memory.taken == 1_000_000
        speaker.say("x\r\n.")
        assert speaker.memory.taken == 0

    def test_message_grows_beyond_what_was_announced(self) -> None:
        speaker = client()
        speaker.begin(parameters=" SIZE=10")
        speaker.say("DATA")
        for _ in range(20):
            speaker.send(b"x" * 49_998 + b"\r\n")
        assert 1_000_000 <= speaker.memory.taken <= 2_200_000
        assert speaker.say(".").startswith("250")
        assert speaker.memory.taken == 0

    def test_no_memory_midway(self) -> None:
        speaker = client(memory=FakeMemory(free=300_000))
        speaker.begin()
        speaker.say("DATA")
        for _ in range(20):
            assert speaker.send(b"x" * 49_998 + b"\r\n") == b""
        assert speaker.memory.taken == 0
        assert speaker.say(".").startswith("452 4.3.1")
        assert speaker.say("DATA").startswith("503")
        speaker.begin()

    def test_no_memory_for_a_chunk(self) -> None:
        speaker = client(memory=FakeMemory(free=100))
        speaker.begin()
        assert speaker.send(b"BDAT 200 LAST\r\n" + b"x" * 200).startswith(b"452 4.3.1")
        assert speaker.memory.taken == 0
        speaker.begin()
        assert speaker.send(b"BDAT 4 LAST\r\nxx\r\n").startswith(b"250")

    def test_lost_connection_gives_memory_back(self) -> None:
        speaker = client()
        speaker.begin()
        speaker.say("DATA")
        speaker.send(b"half a mess")
        speaker.session.close()
        assert speaker.memory.taken == 0
        assert speaker.desk.submitted == []

    def test_refused_message_gives_memory_back(self) -> None:
        speaker = client()
        for text in ("rejected by policy", "come later", "crash", "a\nb"):
            speaker.begin()
            speaker.say("DATA")
            assert speaker.say(f"{text}\r\n.")[0] in "45"
            assert speaker.memory.taken == 0


def test_a_fault_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    speaker = client()
    speaker.begin()
    assert speaker.say("RCPT TO:<crash@ext.test>") == (
        "451 4.3.0 Internal error; it is logged, try again later"
    )
    assert caplog.records[0].exc_info is not None
    assert speaker.say("RCPT TO:<a@ext.test>").startswith("250")


def test_problem_is_told_with_its_cure() -> None:
    speaker = client()
    assert speaker.say("MAIL FROM:<ceo@other.test>") == (
        "553 5.7.1 The sender address does not belong to the authenticated inbox. "
        "Send from the inbox's own address."
    )


def test_nothing_said_in_clear_survives_the_handshake() -> None:
    speaker = Client(tls=False)
    speaker.say("EHLO x")
    assert speaker.send(b"STARTTLS\r\nEHLO y\r\nNOO") == b"220 2.0.0 Ready to start TLS\r\n"
    assert speaker.session.tls_due
    speaker.session.secured()
    assert speaker.say("P").startswith("500")
    assert speaker.say("MAIL FROM:<a@b>").startswith("503")


def test_a_future_release_reaches_the_desk() -> None:
    now = datetime(2026, 3, 8, tzinfo=UTC)
    speaker = client(terms=Terms("mail.shared.test", now=lambda: now))
    assert "FUTURERELEASE 7776000 2026-06-06T00:00:00Z" in speaker.say("EHLO x")
    speaker.say(f"MAIL FROM:<{ADDRESS}> HOLDUNTIL=2026-03-09T00:00:00.5Z")
    speaker.say("RCPT TO:<b@ext.test>")
    speaker.say("DATA")
    speaker.say("x\r\n.")
    [(envelope, _)] = speaker.desk.submitted
    release = envelope.release
    assert release is not None
    assert release.request == "until;2026-03-09T00:00:00.5Z"
    assert release.at(now) == now + timedelta(days=1, microseconds=500_000)
    # RFC 4865 section 4.2: up to the advertised moment, and not a second more.
    last = f"MAIL FROM:<{ADDRESS}> HOLDUNTIL=2026-06-06T00:00:0"
    assert speaker.say(last + "1Z").startswith("501 5.5.4")
    assert speaker.say(last + "0Z").startswith("250")


def test_no_more_is_held_than_fits() -> None:
    # RFC 4865 section 6: MAIL is refused with 552 5.7.16.
    speaker = client()
    speaker.desk.full = True
    assert speaker.say(f"MAIL FROM:<{ADDRESS}> HOLDFOR=60").startswith("552 5.7.16")
    assert speaker.say(f"MAIL FROM:<{ADDRESS}>").startswith("250")
