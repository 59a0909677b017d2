"""IMAPClient: the Python package, in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import subprocess

from conformance.clients.install import HERE, python_with
from conformance.clients.journey import Steps, Stopped, run
from conformance.clients.place import HOST, Place

_SCRIPT_S = 120.0


def version() -> str:
    """The version of the installed package.  Raises: Missing."""
    ask = "import imapclient; print(imapclient.__version__)"
    return run([python_with("imapclient"), "-c", ask]).decode().strip()


def journey(place: Place, steps: Steps) -> None:
    """The script's steps, then a look at what it left."""
    given = {
        "host": HOST,
        "port": place.port("imaps"),
        "smtps": place.port("smtps"),
        "certificate": str(place.certificate),
        "user": place.inbox.address,
        "password": place.inbox.password,
        "friend": place.friend.address,
        "friend_password": place.friend.password,
    }
    done = subprocess.run(
        [python_with("imapclient"), HERE / "python" / "imapclient_journey.py"],
        env={**os.environ, "JOURNEY": json.dumps(given)},
        capture_output=True, timeout=_SCRIPT_S, check=False,
    )  # fmt: skip
    for line in done.stdout.decode("utf-8").splitlines():
        step = json.loads(line)
        steps.add(step["step"], step["seconds"], step.get("reason"))
    if done.returncode != 0 and not steps.failed:
        steps.add("the script", 0.0, done.stderr.decode("utf-8", "replace")[-2_000:])
    if steps.failed:
        raise Stopped("the script")
    with steps("the mailbox is what the client left"), place.witness() as witness:
        # Überblick 2, as IMAP4rev1 spells it.
        assert witness.subjects("Projects/&ANw-berblick 2") == ["client one"]
        flags = witness.flags("Projects/&ANw-berblick 2")
        assert flags["client one"] >= {"\\Flagged", "invoice"}
        assert "Gone" not in witness.mailboxes()
