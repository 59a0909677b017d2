"""The log: one line a record, with its context, without anybody's secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentpost import log


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("agentpost")
    before = (root.handlers[:], root.level, ours.level, logging.raiseExceptions)
    yield
    root.handlers[:], logging.raiseExceptions = before[0], before[3]
    root.setLevel(before[1])
    ours.setLevel(before[2])
    logging.captureWarnings(capture=False)


def written(form: str, level: str = "info", **constant: str) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    log.configure(level, form, stream, **constant)
    return logging.getLogger("agentpost.test"), stream


def test_json_holds_message_context_and_extras() -> None:
    logger, stream = written("json", worker="3")
    token = log.connection_id.set("imap-1")
    logger.info("accepted %d", 5, extra={"peer": "192.0.2.1:9"})
    log.connection_id.reset(token)
    record = json.loads(stream.getvalue())
    assert record["message"] == "accepted 5"
    assert record["level"] == "info"
    assert (record["connection"], record["peer"], record["worker"]) == (
        "imap-1",
        "192.0.2.1:9",
        "3",
    )
    assert record["time"].endswith("Z")


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_record_is_one_line_whatever_a_peer_says(form: str) -> None:
    logger, stream = written(form)
    logger.info("said %s", "a\r\nfake: b\u2028c\x1b[31m", extra={"more": "d\ne"})
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_a_peer_says_is_cut_and_commands_no_terminal(form: str) -> None:
    """G01.02: names with line ends, ANSI escapes, direction marks, a megabyte of anything."""
    logger, stream = written(form)
    hostile = "a\r\n\x1b[2J\x9b31m\u202eexe.gpj\u2066" + "z" * 1_000_000
    logger.warning("hello from %s", hostile, extra={"username": hostile, "names": [hostile]})
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.rstrip("\n").isascii()
    assert line.rstrip("\n").isprintable()
    assert "zzz" in line
    assert len(line) < 3 * (log.MAX_CHARACTERS + 100) + 500


def test_no_half_of_a_secret_is_left_at_the_cut() -> None:
    for length in range(log.MAX_CHARACTERS - 60, log.MAX_CHARACTERS + 10):
        logger, stream = written("json")
        logger.warning("%spostgresql://me:SECRETSECRET@db/agentpost", "x" * (length - 1) + " ")
        assert "SECRET" not in stream.getvalue()


def test_of_a_long_traceback_the_end_is_kept() -> None:
    logger, stream = written("json")
    try:
        raise ValueError("x" * 1_000_000 + " the end")
    except ValueError:
        logger.exception("failed")
    kept = json.loads(stream.getvalue())["traceback"]
    assert kept.endswith("the end")
    assert len(kept) <= log.MAX_TRACEBACK_CHARACTERS


def test_tracebacks_are_kept_and_redacted() -> None:
    logger, stream = written("json")
    try:
        raise ValueError("bad key ap_sk_live_" + "s" * 32)
    except ValueError:
        logger.exception("failed")
    record = json.loads(stream.getvalue())
    assert "ValueError" in record["traceback"]
    assert "ssss" not in record["traceback"]


@pytest.mark.proves("R23")
@pytest.mark.parametrize(
    "line",
    [
        "ap_sk_SECRETSECRETSECRETSECRETSECRETSE",
        "ap_sk_live_SECRETSECRETSECRETSECRETSECRETSE",
        "ap_mail_SECRETSECRET",
        "whsec_SECRETSECRET",
        "Authorization: Bearer SECRETSECRET.SECRET",
        "authorization: basic SECRETSECRET==",
        "GET /ws?token=SECRET&inbox=1",
        "GET /cb?state=1&code=SECRET HTTP/1.1",
        "postgresql://me:SECRET@db/agentpost",
        "eyJhbGciSECRETSECRET.SECRET.SECRET",
        "AUTH PLAIN SECRETSECRET=",
        "a1 AUTHENTICATE PLAIN SECRETSECRET=",
    ],
)
def test_nothing_that_looks_like_a_credential_is_written(line: str) -> None:
    for form in ("json", "text"):
        logger, stream = written(form)
        logger.warning("said %s", line, extra={"nested": {"deep": [line]}})
        assert "SECRET" not in stream.getvalue()
        assert log.MASK in stream.getvalue()


@given(st.text(max_size=300))
def test_json_stays_json_after_redaction(text: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.JsonFormatter())
    for suffix in ("", " ap_mail_" + "x" * 20, " ?token=" + text):
        record = logging.makeLogRecord({"msg": text + suffix, "name": "x"})
        json.loads(handler.format(record))


def test_libraries_are_heard_from_warning_on() -> None:
    _, stream = written("text")
    logging.getLogger("library").info("chatter")
    logging.getLogger("library").warning("trouble")
    assert "chatter" not in stream.getvalue()
    assert "trouble" in stream.getvalue()
