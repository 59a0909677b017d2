"""Every operation of openapi.json against the running server, by schemathesis.

    python -m conformance.schema [--examples N] [--quick] [--seed N] [--paths REGEX] [--document FILE]

Requests are made of what the document says, and of what it forbids; ids that the server has told
before stand in most paths, so that they lead somewhere.  No answer may be a server error, and each has a
status, a media type, header fields and a body that the document knows.  Ends with status 1 when one
has not.  ``--quick`` leaves out the many requests that hold every boundary of every parameter, and
``--document`` holds the server to another document than its own.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.server import Server, serving

_ENDLESS: Final = r"^/(api/v1/)?(ws|stream)$"
"""They never come to an end; tests of their own drive them."""
_WAITING: Final = ("/wait", "/claims")
"""They wait as long as they are told, up to five minutes; here they do not."""
_PAGES: Final = r"^/docs/.*\.md$"
"""The documentation as it lies on the disk: one of the pages stands for all."""
_CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
_KIND: Final = {
    "approval": "apr",
    "attachment": "att",
    "claim": "clm",
    "credential": "mc",
    "delivery": "dlv",
    "domain": "dom",
    "draft": "drf",
    "environment": "env",
    "event": "evt",
    "export": "exp",
    "inbox": "inb",
    "job": "job",
    "key": "key",
    "message": "msg",
    "rule": "rul",
    "thread": "thr",
    "webhook": "whk",
}
"""The prefix of the ids that stand in a path for this."""
_ID: Final = re.compile(r"\b([a-z]{2,4})_[0-9A-HJKMNP-TV-Z]{26}\b")
_REMEMBERED: Final = 20
_KNOWN_SHARE: Final = 0.8
"""Of the paths that get an id which the server has told."""
_SHOWN: Final = 2_000
_ALONE: Final = {"AGENTPOST_DNS_RESOLVER": "127.0.0.1:9"}
"""Nobody answers there: no name that was made up leads anywhere."""
_RAW: Final = ("text/xml", "message/rfc822", "application/octet-stream")
"""Bodies that are sent as they are made."""


@dataclass
class Known:
    """Ids that answers have told, the latest of each kind."""

    random: random.Random
    never: frozenset[str]
    """Those that must not be touched: without its own key nobody could go on."""
    ids: defaultdict[str, deque[str]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=_REMEMBERED))
    )
    statuses: Counter[int] = field(default_factory=Counter)

    def remember(self, text: str) -> None:
        """Remember the ids in an answer."""
        for found in _ID.finditer(text):
            name, kind = found[0], found[1]
            if name not in self.never and name not in self.ids[kind]:
                self.ids[kind].append(name)

    def place(self, parameters: dict[str, Any]) -> None:
        """Put known ids in a path."""
        for name in parameters:
            known = self.ids.get(_KIND.get(name, ""))
            if known and self.random.random() < _KNOWN_SHARE:
                parameters[name] = self.random.choice(known)


def _furnish(server: Server, known: Known) -> None:
    """Something of each kind, so that paths lead somewhere from the beginning."""

    def make(path: str, body: object = None, method: str = "POST") -> Any:
        answer = server.call(method, "/api/v1" + path, body)
        assert answer.status < 300, (path, answer.octets)
        known.remember(answer.octets.decode())
        return answer.json

    one, two = (server.make_inbox(name) for name in ("one", "two"))
    known.remember(f"{one['id']} {two['id']}")
    file = {"filename": "a.txt", "content": "aGVsbG8=", "mime_type": "text/plain"}
    for number in range(3):
        letter = {"to": [two["email"]], "subject": f"Letter {number}", "text": "Your code: 4711"}
        make(f"/inboxes/{one['id']}/messages/send", {**letter, "attachments": [file]})
    make(f"/inboxes/{one['id']}/drafts", {"to": [two["email"]], "subject": "A draft"})
    make("/webhooks", {"url": "https://receiver.example/hook", "event_types": ["*"]})
    make("/domains", {"domain": "acme.example"})
    until = time.monotonic() + 10
    while not (got := make(f"/inboxes/{two['id']}/messages", method="GET")["data"]):
        assert time.monotonic() < until, "no letter came"
        time.sleep(0.05)
    make(f"/messages/{got[0]['id']}/attachments", method="GET")
    for path in ("/threads", "/events", "/environments", "/jobs"):
        make(path, method="GET")


def _register(known: Known) -> None:
    for media in _RAW:
        schemathesis.serializer(media)(_as_it_is)

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
        if case.path_parameters:
            known.place(case.path_parameters)
        if case.operation.path.endswith(_WAITING):
            for asked in (case.query, case.body):
                if isinstance(asked, dict) and isinstance(asked.get("timeout_s"), (int, float)):
                    asked["timeout_s"] = min(asked["timeout_s"], 0)
            if case.operation.method == "get" and isinstance(case.query, dict):
                case.query.setdefault("timeout_s", 0)

    @schemathesis.hook
    def after_call(context: Any, case: Any, response: Any) -> None:
        known.statuses[response.status_code] += 1
        if response.status_code < 300:
            known.remember(response.content.decode("utf-8", "replace"))


def _as_it_is(context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def _settings(server: Server, examples: int, seed: int, *, quick: bool) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": f"http://127.0.0.1:{server.port('http')}",
            "headers": {"Authorization": f"Bearer {server.key}"},
            "continue-on-failure": True,
            "request-timeout": 20,
            "warnings": False,
            "cache": {"enabled": False},
            "generation": {
                "max-examples": examples,
                "deterministic": True,
                "database": "none",
                "no-shrink": True,
                "with-security-parameters": False,
            },
            "checks": {"enabled": False, **{name: {"enabled": True} for name in _CHECKS}},
            "phases": {"coverage": {"enabled": not quick}, "stateful": {"enabled": False}},
        }
    )


def _faults(config: SchemathesisConfig, document: Mapping[str, Any], paths: str) -> list[str]:
    """Run it; one text for each thing that is wrong."""
    schema = schemathesis.openapi.from_dict(dict(document), config=config)
    wanted = schema.include(path_regex=paths)
    wanted = wanted.exclude(path_regex=_ENDLESS).exclude(path_regex=_PAGES)
    faults: dict[str, None] = {}
    for event in from_schema(wanted).execute():
        if isinstance(event, events.ScenarioFinished):
            for checks in event.recorder.checks.values():
                for check in checks:
                    if check.failure_info is not None:
                        told = check.failure_info
                        why = f"{told.failure.title}: {told.failure.message}"[:_SHOWN]
                        faults[f"{event.label}: {why}\n{told.code_sample}"] = None
        elif isinstance(event, events.NonFatalError):
            faults[f"{event.label}: {event.value}"] = None
        elif isinstance(event, events.FatalError):
            raise event.exception
    return list(faults)


def main(arguments: list[str]) -> int:
    """See the module's text."""
    parser = argparse.ArgumentParser(prog="python -m conformance.schema")
    parser.add_argument("--examples", type=int, default=50, help="made of each operation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="without every boundary")
    parser.add_argument("--paths", default="", help="regular expression: only these")
    parser.add_argument("--document", type=Path, help="instead of the server's openapi.json")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory, serving(Path(directory), **_ALONE) as server:
        own = server.call("GET", "/api/v1/me").octets.decode()
        known = Known(random.Random(chosen.seed), frozenset(f[0] for f in _ID.finditer(own)))
        _furnish(server, known)
        _register(known)
        config = _settings(server, chosen.examples, chosen.seed, quick=chosen.quick)
        document = server.call("GET", "/openapi.json").json
        if chosen.document is not None:
            document = json.loads(chosen.document.read_text())
        faults = _faults(config, document, chosen.paths)
        alive = server.call("GET", "/api/v1/me").status == 200
    for fault in faults:
        print(fault, end="\n\n")
    answers = " ".join(f"{status}:{count}" for status, count in sorted(known.statuses.items()))
    print(f"{known.statuses.total()} requests in {time.monotonic() - began:.0f} s ({answers})")
    print(f"{len(faults)} faults" if faults else "no faults")
    if not alive:
        print("the key does not open any longer: what followed proves nothing")
    return int(bool(faults) or not alive or not known.statuses.total())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
