"""A worker that does nothing but relay, and is there again as soon as it was killed.

``python -m tests.durability.relaying DATABASE_URL BLOBS SES_URL once|again``: everything is imported
once, then each worker is a fork, whose process id is written to standard output.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import trio

from agentpost.jobs.relay import RelayWork
from agentpost.jobs.runner import Runner
from agentpost.limits import JobLimits, RelayLimits
from agentpost.mail.aws import Access, open_client
from agentpost.mail.relay import Ways
from agentpost.mail.transports.ses import Ses
from agentpost.mail.transports.simulator import Simulator
from agentpost.model.relay import Doubts
from agentpost.store.blobs_disk import DiskBlobs
from agentpost.store.jobs import Jobs
from agentpost.store.pool import Database
from agentpost.store.relays import Relays
from agentpost.store.store import Door

_DOUBTS = Doubts(wait_s=4.0, resend="proven", recheck_s=0.3)
_RELAY = RelayLimits(first_retry_s=0.2, max_retry_s=0.4, concurrency=8)
_JOBS = JobLimits(poll_s=0.1, lease_s=1.5)


class Again(Ses):
    """The planted fault: a transport that believes it may repeat what is in doubt."""

    once = False


async def relay(url: str, blob_root: str, ses_url: str, *, once: bool) -> None:
    """Run jobs until killed."""
    database = await Database.open(url)
    door = Door(database, lambda _: None)
    relays = Relays(door, DiskBlobs(Path(blob_root)), lambda _: None, lambda: None)
    kind = Ses if once else Again
    ses = kind(Access("eu-west-1", ses_url), "events", _DOUBTS.wait_s)
    work = RelayWork(relays, Ways(ses, Simulator(_nowhere)), "own.example", _RELAY, doubts=_DOUBTS)
    await Runner(Jobs(door), [work], _JOBS).run(stopping=trio.Event())


async def _nowhere(inbox: str, octets: bytes) -> None:
    raise AssertionError("nothing is delivered here")


async def _import_all() -> None:
    """What the first client would import."""
    async with open_client("sesv2", Access("eu-west-1", "http://127.0.0.1:1")):
        pass


def main(arguments: list[str]) -> None:
    """See the module's text."""
    url, blob_root, ses_url, manner = arguments
    trio.run(_import_all)
    while True:
        child = os.fork()
        if child == 0:
            trio.run(lambda: relay(url, blob_root, ses_url, once=manner == "once"))
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        if os.getppid() == 1:
            return


if __name__ == "__main__":
    main(sys.argv[1:])
