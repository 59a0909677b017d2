"""Every transcript of ``conformance/imap``, and that there is one for every command."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from agentpost.imap.commands import COMMANDS
from agentpost.limits import ImapLimits
from tests.imap.harness import Place
from tests.imap.script import Mismatch, Run, parse, read
from tests.imap.serving import serving

DIRECTORY = Path(__file__).resolve().parents[2] / "conformance" / "imap"
SCRIPTS = sorted(DIRECTORY.glob("*.imap"))
QUICK = ImapLimits(failed_login_s=0.0, max_bad_commands=100)


def _known(place: Place) -> dict[str, str]:
    address = place.actor.address or ""
    plain = f"\0{address}\0{place.password}".encode()
    return {
        "address": address,
        "password": place.password,
        "plain": base64.b64encode(plain).decode(),
        "plain_as_self": base64.b64encode(address.encode() + plain).decode(),
    }


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
async def test_the_server_follows_the_transcript(path: Path, place: Place) -> None:
    desk = replace(place.desk, limits=QUICK)
    async with serving(desk) as running:
        await Run(read(path), running, place, _known(place)).play()
    assert desk.budget.used == 0
    assert desk.connections == {}


def test_every_command_has_a_transcript() -> None:
    assert {name.decode().lower() for name in COMMANDS} <= {path.stem for path in SCRIPTS}


async def _play(text: str, place: Place, tmp_path: Path) -> None:
    path = tmp_path / "made.imap"
    path.write_text(text)
    async with serving(place.desk) as running:
        await Run(read(path), running, place, _known(place)).play()


@pytest.mark.parametrize(
    "script",
    [
        "\nno noop\n",
        "\nok nonsense\n",
        "\nok noop\n* 1 exists\n",
        "\nok select inbox\n! * 0 exists\n",
        "\nok select inbox\n! *\n",
        "\nok select inbox\n* flags (\\seen)\n",
        "\nok select inbox\n* 0 exists\n** flags ($*)\n",
        '\n"" select inbox\nok [read-only]\n',
        "\nok status inbox (messages uidnext)\n* status inbox (messages $x uidnext $x)\n",
        "\n+ noop\n",
        "\nbye noop\n",
    ],
)
async def test_the_runner_sees_what_differs(script: str, place: Place, tmp_path: Path) -> None:
    with pytest.raises(Mismatch):
        await _play(script, place, tmp_path)


def test_responses_become_trees() -> None:
    assert parse(b'1 fetch (body[header.fields (to)] {3}\r\na"b uid 7)') == [
        "1",
        "fetch",
        ["(", "body[header.fields (to)]", b'a"b', "uid", "7"],
    ]
    assert parse(b'ok [copyuid 1 2:3 4] "x \\" y"') == [
        "ok", ["[", "copyuid", "1", "2:3", "4"], b'x " y',
    ]  # fmt: skip
