"""Every transcript of conformance/smtp, run against the session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.smtp.transcript import Mismatch, Run

_PLACE = Path(__file__).resolve().parents[2] / "conformance" / "smtp"
_ALL = sorted(_PLACE.glob("*.smtp"))


@pytest.mark.parametrize("path", _ALL, ids=lambda path: path.stem)
def test_transcript(path: Path) -> None:
    Run(path).play()


@pytest.mark.parametrize(
    "text",
    [
        "C: NOOP\nS: 251\n",
        "C: NOOP\n",
        "C: NOOP\nS: 250\nS: 250\n",
        "S: 250\n",
        "C: NOOP\nS: 250\n! closed\n",
        "C: QUIT\nS: 221\n! open\n",
        "! messages 1\n",
        "X: NOOP\n",
        "! nonsense\n",
    ],
)
def test_runner_notices_what_is_wrong(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.smtp"
    path.write_text(text)
    with pytest.raises(Mismatch):
        Run(path).play()
