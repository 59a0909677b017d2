"""Sends every client on its journey and prints a table; see ``--help``."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.clients import (
    curl,
    imapclient,
    imapflow,
    mbsync,
    mutt,
    nodemailer,
    offlineimap,
    swaks,
)
from conformance.clients.journey import Missing, Steps, Stopped
from conformance.clients.place import Place
from tests.server import Server, serving


@dataclass(frozen=True, slots=True)
class Client:
    """A client: how to find out its version (installing it), and its journey."""

    name: str
    version: Callable[[], str]
    journey: Callable[[Place, Steps], None]


CLIENTS = (
    Client("curl", curl.version, curl.journey),
    Client("swaks", swaks.version, swaks.journey),
    Client("nodemailer", nodemailer.version, nodemailer.journey),
    Client("imapflow", imapflow.version, imapflow.journey),
    Client("imapclient", imapclient.version, imapclient.journey),
    Client("mbsync", mbsync.version, mbsync.journey),
    Client("offlineimap", offlineimap.version, offlineimap.journey),
    Client("mutt", mutt.version_of("mutt"), mutt.journey_of("mutt")),
    Client("neomutt", mutt.version_of("neomutt"), mutt.journey_of("neomutt")),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one journey; ``missing`` names what could not be installed."""

    client: str
    version: str
    steps: Steps
    missing: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the client is here and all its steps worked."""
        return self.missing is None and not self.steps.failed


def main(arguments: Sequence[str]) -> int:
    """Exit status 0 when every journey worked, 1 when one failed or a client is missing."""
    names = [client.name for client in CLIENTS]
    parser = argparse.ArgumentParser("python -m conformance.clients", description=__doc__)
    parser.add_argument("clients", nargs="*", metavar="client", help=", ".join(names))
    parser.add_argument("--without", action="append", default=[], choices=names)
    parser.add_argument("--steps", action="store_true", help="print every step, not only failures")
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.clients) - set(names)
    if unknown:
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    wanted = [
        client
        for client in CLIENTS
        if client.name in (chosen.clients or names) and client.name not in chosen.without
    ]
    # Short: PostgreSQL's socket lives below it.
    directory = Path(tempfile.mkdtemp(prefix="ap-"))
    (directory / "server").mkdir()
    try:
        with serving(directory / "server") as server:
            outcomes = [_travel(client, server, directory / client.name) for client in wanted]
            log = _complaints(server)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    _print(outcomes, every_step=chosen.steps)
    if log:
        print("\nThe server logged failures of its own:\n" + "\n".join(log))
    return 0 if all(outcome.ok for outcome in outcomes) and not log else 1


def _travel(client: Client, server: Server, directory: Path) -> Outcome:
    steps = Steps()
    try:
        version = client.version()
    except Missing as missing:
        return Outcome(client.name, "-", steps, str(missing))
    print(f"{client.name} {version} …", file=sys.stderr, flush=True)
    try:
        client.journey(Place(server, client.name, directory), steps)
    except Stopped:
        pass
    except Exception as error:
        steps.add("the journey itself", 0.0, "".join(traceback.format_exception(error)))
    return Outcome(client.name, version, steps)


def _complaints(server: Server) -> list[str]:
    """What the server logged as its own faults: a client is never the cause of those."""
    lines = (server.directory / "serve.log").read_bytes().split(b"\n")
    records = [json.loads(line) for line in lines if line.startswith(b"{")]
    bad = [json.dumps(each) for each in records if each["level"] in ("error", "critical")]
    # Whatever is no record was written by an interpreter at its end.
    return bad + [line.decode("utf-8", "replace") for line in lines if line[:1] not in b"{"]


def _print(outcomes: list[Outcome], *, every_step: bool) -> None:
    print(f"{'client':<14}{'version':<16}{'steps':>7}  {'time':>7}  result")
    for outcome in outcomes:
        made, failed = outcome.steps.made, outcome.steps.failed
        seconds = sum(step.seconds for step in made)
        result = "ok" if outcome.ok else f"missing: {outcome.missing}"
        if failed:
            result = "FAILED: " + ", ".join(step.name for step in failed)
        worked = f"{len(made) - len(failed)}/{len(made)}"
        print(f"{outcome.client:<14}{outcome.version:<16}{worked:>7}  {seconds:>6.1f}s  {result}")
        for step in made:
            if every_step or step.reason is not None:
                print(
                    f"    {'ok' if step.reason is None else 'no':<3}{step.name} {step.seconds:.2f}s"
                )
            if step.reason is not None:
                print("        " + step.reason.replace("\n", "\n        "))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.TimeoutExpired as late:
        sys.exit(str(late))
