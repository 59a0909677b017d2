"""Journeys that are scripts for Node.js: a line of JSON for each step they make."""

from __future__ import annotations

import json
import os
import subprocess

from conformance.clients.install import node_modules
from conformance.clients.journey import Steps, Stopped
from conformance.clients.place import HOST, Account, Place

_SCRIPT_S = 120.0


def version(package: str) -> str:
    """The version of an installed package.  Raises: Missing."""
    about = node_modules() / "node_modules" / package / "package.json"
    found: str = json.loads(about.read_text("utf-8"))["version"]
    return found


def journey(script: str, place: Place, steps: Steps) -> None:
    """Run a script of ``node/`` and take over its steps.  Raises: Stopped when one failed."""
    given = {
        "host": HOST,
        "ports": {name: place.port(name) for name in ("smtps", "submission", "imaps", "http")},
        "inbox": _account(place.inbox),
        "friend": _account(place.friend),
    }
    environment = {
        **os.environ,
        "NODE_EXTRA_CA_CERTS": str(place.certificate),
        "JOURNEY": json.dumps(given),
    }
    done = subprocess.run(
        ["node", script], cwd=node_modules(), env=environment, capture_output=True,
        timeout=_SCRIPT_S, check=False,
    )  # fmt: skip
    for line in done.stdout.decode("utf-8").splitlines():
        step = json.loads(line)
        steps.add(step["step"], step["seconds"], step.get("reason"))
    if done.returncode != 0 and not steps.failed:
        steps.add(script, 0.0, done.stderr.decode("utf-8", "replace")[-2_000:])
    if steps.failed:
        raise Stopped(script)


def _account(account: Account) -> dict[str, str]:
    return {"id": account.id, "address": account.address, "password": account.password}
