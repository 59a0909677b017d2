"""The generator itself: deterministic, of every kind, fit for the wire when asked."""

from __future__ import annotations

import email

import pytest

from tests.mailgen import HOSTILE, REALISTIC, hostile, realistic, sized


@pytest.mark.parametrize("kind", REALISTIC)
def test_realistic_mail_is_readable_and_repeatable(kind: str) -> None:
    for seed in range(20):
        octets = realistic(seed, kind=kind)
        assert octets == realistic(seed, kind=kind)
        message = email.message_from_bytes(octets)
        assert not [part.defects for part in message.walk() if part.defects and kind != "bare"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_mail_is_repeatable_and_bounded(kind: str) -> None:
    for seed in range(3):
        octets = hostile(seed, kind=kind)
        assert octets == hostile(seed, kind=kind)
        assert len(octets) < 1_000_000


@pytest.mark.parametrize("seed", range(60))
def test_wire_mail_is_fit_for_smtp(seed: int) -> None:
    for octets in (realistic(seed, wire=True), hostile(seed, wire=True)):
        assert b"\0" not in octets
        assert octets.count(b"\r\n") == octets.count(b"\n") == octets.count(b"\r")
        assert max(map(len, octets.split(b"\r\n"))) <= 998


def test_sizes_are_exact() -> None:
    for octets in (*range(500, 700), 4096, 102_400):
        assert len(sized(octets, octets)) == octets
    with pytest.raises(ValueError, match="octets"):
        sized(100)
