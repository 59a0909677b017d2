"""The metrics of one worker."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import trio.testing
from prometheus_client.metrics import MetricWrapperBase

from agentpost import metrics
from agentpost.http.endpoint import Request, Response, Routes
from tests.http.conftest import running
from tests.imap import fakes
from tests.imap import serving as imap
from tests.imap.snapshots import mailbox
from tests.smtp import fakes as smtp


def test_what_a_listener_counts_is_told_at_each_scrape() -> None:
    counts = {"now": 3, "ever": 10, "refused": 1, "failed": 2}
    metrics.watch_connections(
        "test",
        lambda: counts["now"],
        lambda: counts["ever"],
        lambda: counts["refused"],
        lambda: counts["failed"],
    )
    assert 'agentpost_connections{service="test"} 3.0' in metrics.expose().decode()
    counts.update(now=2, ever=15)
    text = metrics.expose().decode()
    assert 'agentpost_connections{service="test"} 2.0' in text
    assert 'agentpost_connections_accepted_total{service="test"} 15.0' in text
    assert 'agentpost_connections_refused_total{service="test"} 1.0' in text
    assert metrics.expose().decode().count('accepted_total{service="test"} 15.0') == 1
    assert 'agentpost_tls_handshakes_failed_total{service="test"} 2.0' in text


COMMANDS = "agentpost_commands_total"
LOGINS = "agentpost_logins_total"


def counted(name: str) -> dict[tuple[str, ...], float]:
    """All samples of a counter, by the values of its labels."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.REGISTRY.collect()
        for sample in family.samples
        if sample.name == name
    }


def gained(name: str, before: dict[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {
        labels: value - before.get(labels, 0.0)
        for labels, value in counted(name).items()
        if value != before.get(labels, 0.0)
    }


def test_smtp_commands_and_logins_are_counted() -> None:
    commands, logins = counted(COMMANDS), counted(LOGINS)
    speaker = smtp.Client()
    for line in (
        "EHLO x",
        "NONSENSE " + "x" * 100,
        f"AUTH PLAIN {smtp.plain(password='wrong')}",
        f"AUTH PLAIN {smtp.plain(authorization='other')}",
        f"AUTH PLAIN {smtp.plain()}",
        "DATA",
        "QUIT",
    ):
        speaker.say(line)
    assert gained(COMMANDS, commands) == {
        ("smtp", "ehlo", "2xx"): 1,
        ("smtp", "unknown", "5xx"): 1,
        ("smtp", "auth", "2xx"): 1,
        ("smtp", "auth", "5xx"): 2,
        ("smtp", "data", "5xx"): 1,
        ("smtp", "quit", "2xx"): 1,
    }
    assert gained(LOGINS, logins) == {("smtp", "ok"): 1, ("smtp", "unauthenticated"): 2}


async def test_imap_commands_and_logins_are_counted(
    autojump_clock: trio.testing.MockClock,
) -> None:
    commands, logins = counted(COMMANDS), counted(LOGINS)
    async with imap.serving(fakes.desk(fakes.Memory(snapshot=mailbox([1])))) as server:
        client = await server.welcomed()
        for line in (
            "LOGIN x wrong",
            "SELECT INBOX",
            f"LOGIN x {fakes.PASSWORD}",
            "SELECT INBOX",
            "UID FETCH 1 (FLAGS)",
            "FETCH",
            "X" * 100,
            "LOGIN x y",
        ):
            await client.command(line)
    assert gained(COMMANDS, commands) == {
        ("imap", "login", "no"): 1,
        ("imap", "select", "bad"): 1,
        ("imap", "login", "ok"): 1,
        ("imap", "select", "ok"): 1,
        ("imap", "uid fetch", "ok"): 1,
        ("imap", "fetch", "bad"): 1,
        ("imap", "unknown", "bad"): 1,
        ("imap", "login", "bad"): 1,
    }
    assert gained(LOGINS, logins) == {("imap", "ok"): 1, ("imap", "unauthenticated"): 1}


async def test_requests_are_counted_by_route() -> None:
    before = counted("agentpost_http_requests_total")
    async with running(routes.endpoints) as api:
        for line in ("GET /api/v1/things/7", "GET /api/v1/nothing", "BREW /api/v1/things/7"):
            await api.ask(f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert gained("agentpost_http_requests_total", before) == {
        ("/api/v1/things/{thing}", "GET", "204"): 1,
        ("-", "-", "404"): 1,
        ("-", "-", "405"): 1,
    }


routes = Routes("Things")


@routes.get("/things/{thing}", public=True, status=204, summary="Nothing")
async def nothing(request: Request[None, None]) -> Response:
    """Nothing at all."""
    return Response()


def test_no_metric_is_declared_in_vain() -> None:
    """Every metric of the module is used by some other module."""
    root = Path(metrics.__file__).parent
    used = "".join(
        path.read_text("utf-8") for path in root.rglob("*.py") if path != root / "metrics.py"
    )
    own = inspect.getsource(metrics).partition("\n@functools.cache")[2]
    names = [name for name, value in vars(metrics).items() if isinstance(value, MetricWrapperBase)]
    assert len(names) > 10
    assert [name for name in names if not re.search(rf"\b{name}\b", used) and name not in own] == []
