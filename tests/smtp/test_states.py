"""Which command is legal when: every command in every state."""

from __future__ import annotations

import pytest

from agentpost.smtp.wire import states
from tests.smtp.fakes import Client, client, plain

_STATES = {
    "unprotected": (False, []),
    "unprotected, greeted": (False, ["EHLO x"]),
    "anonymous": (True, []),
    "greeted": (True, ["EHLO x"]),
    "ready, not greeted": (True, [f"AUTH PLAIN {plain()}"]),
    "ready": (True, ["EHLO x", f"AUTH PLAIN {plain()}"]),
    "sender": (True, ["EHLO x", f"AUTH PLAIN {plain()}", "MAIL FROM:<inbox-a@shared.test>"]),
    "recipient": (
        True,
        [
            "EHLO x",
            f"AUTH PLAIN {plain()}",
            "MAIL FROM:<inbox-a@shared.test>",
            "RCPT TO:<a@ext.test>",
        ],
    ),
    "chunking": (
        True,
        [
            "EHLO x",
            f"AUTH PLAIN {plain()}",
            "MAIL FROM:<inbox-a@shared.test>",
            "RCPT TO:<a@ext.test>",
            "BDAT 0",
        ],
    ),
}

# Columns: the nine states above.
_LAW = {
    "EHLO x":                     "250 250 250 250 250 250 250 250 250",
    "HELO x":                     "250 250 250 250 250 250 250 250 250",
    "NOOP":                       "250 250 250 250 250 250 250 250 250",
    "RSET":                       "250 250 250 250 250 250 250 250 250",
    "HELP":                       "214 214 214 214 214 214 214 214 214",
    "QUIT":                       "221 221 221 221 221 221 221 221 221",
    "VRFY x":                     "530 530 252 252 252 252 252 252 252",
    "STARTTLS":                   "220 220 503 503 503 503 503 503 503",
    f"AUTH PLAIN {plain()}":      "538 538 235 235 503 503 503 503 503",
    "MAIL FROM:<inbox-a@shared.test>": "530 530 503 530 503 250 503 503 503",
    "RCPT TO:<b@ext.test>":       "530 530 503 530 503 503 250 250 503",
    "DATA":                       "530 530 503 530 503 503 503 354 503",
    "BDAT 0 LAST":                "530 530 503 530 503 503 503 250 250",
    "EXPN x":                     "502 502 502 502 502 502 502 502 502",
    "NONSENSE":                   "500 500 500 500 500 500 500 500 500",
}  # fmt: skip


def reach(name: str) -> Client:
    tls, steps = _STATES[name]
    made = Client(tls=tls)
    for step in steps:
        assert made.say(step)[0] == "2", step
    return made


@pytest.mark.parametrize("command", _LAW)
@pytest.mark.parametrize("number", range(len(_STATES)), ids=list(_STATES))
def test_command_in_state(command: str, number: int) -> None:
    expected = _LAW[command].split()[number]
    assert reach(list(_STATES)[number]).say(command)[:3] == expected


def test_every_command_is_in_the_law() -> None:
    tried = {command.split()[0].encode() for command in _LAW}
    assert tried >= states.COMMANDS


@pytest.mark.parametrize(
    "wrong",
    [
        "NONSENSE", "EXPN x", "NOOP \x01", "VRFY", "MAIL FROM:<x@y.test>", "MAIL FROM:x", "AUTH PLAIN",
        "RCPT TO:<x", "RCPT TO:<nobody@ext.test>", "DATA x", "QUIT x", "RSET x", "EHLO", "HELO", "STARTTLS",
    ],
)  # fmt: skip
def test_refused_command_leaves_the_transaction_as_it_was(wrong: str) -> None:
    speaker = client()
    speaker.begin()
    assert speaker.say(wrong)[0] in "45"
    assert speaker.say("DATA").startswith("354")
    assert speaker.say("x\r\n.").startswith("250")


@pytest.mark.parametrize("right", ["RSET", "EHLO x", "HELO x"])
@pytest.mark.parametrize("chunks", [False, True])
def test_what_ends_a_transaction(right: str, chunks: bool) -> None:
    speaker = client()
    speaker.begin()
    if chunks:
        assert speaker.send(b"BDAT 3\r\nabc").startswith(b"250")
    assert speaker.say(right)[0] == "2"
    assert speaker.memory.taken == 0
    assert speaker.say("DATA").startswith("503")
    speaker.begin()
    assert speaker.say("DATA").startswith("354")


def test_vrfy_and_help_leave_the_transaction() -> None:
    speaker = client()
    speaker.begin()
    assert speaker.say("VRFY ünïcode@x").startswith("252")
    assert speaker.say("HELP").startswith("214")
    assert speaker.say("NOOP").startswith("250")
    assert speaker.say("DATA").startswith("354")
