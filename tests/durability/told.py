"""A receiver of webhooks that writes down what it was told, and whether that was all of it.

It refuses three times in ten, and at times takes what came and gives no answer: then it comes again.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import standardwebhooks
import svix
import trio

from tests.jobs.receiver import Request, answer, receiving

_FAILING = 0.3


@dataclass
class Ledger:
    """What one webhook took, by the id of the event, and whatever was wrong with it."""

    secret: str
    taken: dict[str, str] = field(default_factory=dict)
    """The SHA-256 of the body that came with each id."""
    again: int = 0
    complaints: list[str] = field(default_factory=list)

    def take(self, request: Request) -> None:
        """Write down a delivery; whatever is not as it must be is a complaint."""
        name = request.fields.get("webhook-id", "")
        try:
            standardwebhooks.Webhook(self.secret).verify(request.body, request.fields)
            svix.Webhook(self.secret).verify(request.body, _of_svix(request))
        except Exception as error:
            self.complaints.append(f"{name}: its signature is refused: {error}")
        body = request.json
        # AgentMail's spelling calls it otherwise.
        if (named := body.get("id") or body.get("event_id")) != name:
            self.complaints.append(f"{name} names the event {named}")
        digest = hashlib.sha256(request.body).hexdigest()
        self.again += name in self.taken
        if self.taken.setdefault(name, digest) != digest:
            self.complaints.append(f"{name} came again with another body")

    def broken(self, happened: Iterable[str]) -> list[str]:
        """What is wrong, held against the ids of the events that were committed."""
        wanted = set(happened)
        lost, strange = wanted - self.taken.keys(), self.taken.keys() - wanted
        wrong = list(self.complaints)
        if lost:
            wrong.append(f"lost: {len(lost)} of {len(wanted)} events")
        if strange:
            wrong.append(f"strange: {len(strange)} events that never happened")
        return wrong


def _of_svix(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.fields.items() if name.startswith("svix-")}


class Receiving(threading.Thread):
    """The receiver, in a thread of its own; each path is one webhook's."""

    def __init__(self, seed: int) -> None:
        super().__init__(name="receiver", daemon=True)
        self.ledgers: dict[str, Ledger] = {}
        self.answers: Counter[str] = Counter()
        self.failures: defaultdict[str, int] = defaultdict(int)
        self._random = random.Random(seed)
        self._port = 0
        self._ready = threading.Event()
        self._over = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None

    def url(self, path: str) -> str:
        """Where a webhook of this path is to be told."""
        assert self._ready.wait(10)
        return f"http://127.0.0.1:{self._port}{path}"

    def stop(self) -> None:
        """End it."""
        if self._token is not None:
            self._token.run_sync_soon(self._over.set)
        self.join(10)

    def run(self) -> None:
        trio.run(self._receive)

    async def _receive(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with receiving() as receiver:

            def say(request: Request) -> bytes:
                receiver.requests.clear()
                return self._say(request)

            receiver.says = say
            self._port = receiver.port
            self._ready.set()
            await self._over.wait()

    def _say(self, request: Request) -> bytes:
        kind = "taken"
        if self._random.random() < _FAILING:
            kind = self._random.choice(("500", "503", "302", "silent"))
        self.answers[kind] += 1
        if kind in ("taken", "silent"):
            self.ledgers[request.path].take(request)
        if kind == "silent":
            # It was taken, and nobody is told so.
            return b""
        return answer(200 if kind == "taken" else int(kind))
