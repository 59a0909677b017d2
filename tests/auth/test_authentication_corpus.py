"""Real signed mail with the keys of its time, and another program as second opinion."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import dkim as dkimpy  # type: ignore[import-untyped]
import pytest

from agentpost.auth.dkim import Answer
from agentpost.model.dns import LookupFailed, NoSuchName
from tests.auth.test_arc import verdict
from tests.auth.test_dkim import verdicts
from tests.corpus.samples import COLLECTED

pytestmark = pytest.mark.skipif(not COLLECTED.is_dir(), reason="the corpus is not here")
NOW = 1_600_000_000.0
"""Before the signatures of the corpus expire."""
_UNANSWERED = "~~"


@cache
def keys_of_mail_dkim() -> dict[str, Answer]:
    """The name system that comes with the messages of mail-dkim."""
    keys: dict[str, Answer] = {}
    text = (COLLECTED / "dkim" / "_dns" / "mail-dkim-FAKE_DNS.dat").read_text("utf-8")
    for line in text.splitlines():
        name, _, record = line.partition(" ")
        record = record.strip()
        if not record or name.startswith("#"):
            continue
        if record == "NXDOMAIN":
            keys[name] = NoSuchName(name)
        elif record.startswith(_UNANSWERED):
            keys[name] = LookupFailed(name, "planted")
        else:
            keys[name.lower()] = (record.strip('"').encode(),)
    return keys


def with_its_keys(path: Path) -> tuple[bytes, dict[str, Answer]]:
    """A message of mail-auth: records, an empty line, and the message."""
    head, _, octets = path.read_bytes().partition(b"\n\n")
    lines = [line.decode().partition(" ") for line in head.splitlines()]
    return octets, {name: (record.encode(),) for name, _, record in lines}


@pytest.mark.parametrize(
    ("name", "results", "chain"),
    [
        ("dkim/0234-mail-auth-001.eml", ["pass", "pass"], "none"),
        ("dkim/0235-mail-auth-002.eml", ["pass"], "none"),
        ("dkim/0236-mail-auth-003.eml", ["pass", "pass"], "none"),
        ("dkim/0238-mail-auth-005.eml", ["pass"], "none"),
        ("dkim/0239-mail-auth-006.eml", ["pass"], "none"),
        ("arc/0001-mail-auth-001.eml", ["pass", "pass", "fail"], "pass"),
        ("arc/0002-mail-auth-002.eml", ["pass"], "pass"),
    ],
)
def test_mail_that_comes_with_its_keys(name: str, results: list[str], chain: str) -> None:
    octets, keys = with_its_keys(COLLECTED / name)
    assert [each.result for each in verdicts(octets, keys, NOW)] == results
    assert verdict(octets, keys, NOW).result == chain
    changed = octets.replace(b"\nFrom:", b"\nFrom: changed", 1)
    assert "pass" not in [each.result for each in verdicts(changed, keys, NOW)]


_MAIL_DKIM = {
    "goodkey_ed25519": "pass",
    "badkey1_ed25519": "permerror",
    "badkey2_ed25519": "fail",
    "badkey3_ed25519": "fail",
    "badkey4_ed25519": "permerror",
    "badkey5_ed25519": "permerror",
    "badkey_11": "permerror",
}
"""The messages of mail-dkim that are signed with what RFC 8301 leaves."""


def test_the_messages_of_mail_dkim() -> None:
    """Most were signed with SHA-1 or by drafts of the standard, which proves nothing any more."""
    keys = keys_of_mail_dkim()
    seen = set()
    for path in sorted((COLLECTED / "dkim").glob("*-mail-dkim-*.eml")):
        name = path.stem.partition("-mail-dkim-")[2]
        found = verdicts(path.read_bytes(), keys, NOW)
        if name in _MAIL_DKIM:
            seen.add(name)
            assert [each.result for each in found] == [_MAIL_DKIM[name]], name
        else:
            assert {each.result for each in found} <= {"permerror", "neutral"}, name
    assert seen == set(_MAIL_DKIM)


def test_another_program_comes_to_the_same_verdicts() -> None:
    """On every collected message whose keys are known, whatever its line ends."""
    compared = 0
    paths = [*COLLECTED.glob("dkim/*-mail-auth-0*.eml"), *COLLECTED.glob("arc/*-mail-auth-*.eml")]
    for path in sorted(paths):
        octets, keys = with_its_keys(path)
        ours = verdicts(octets, keys, NOW)
        for place, one in enumerate(ours):
            assert _other(octets, place, keys) == (one.result == "pass"), path.name
            compared += 1
    assert compared >= 10


def _other(octets: bytes, place: int, keys: dict[str, Answer]) -> bool:
    def look_up(name: bytes, timeout: float = 5) -> bytes:
        answer = keys.get(name.decode().removesuffix("."), ())
        return answer[0] if isinstance(answer, tuple) and answer else b""

    program: Any = dkimpy.DKIM(octets)
    try:
        return bool(program.verify(place, dnsfunc=look_up))
    except dkimpy.ValidationError as error:
        # It looks at the real clock.
        return "x= value is past" in str(error)
