"""What Prometheus is told.

Every worker counts for itself, in its own registry and without shared memory, so that counting
costs a dictionary look-up.  The supervisor serves the metrics address: at each scrape it asks
the workers over their control lines and joins the answers, each sample labelled with its
``worker``.  Sums are the query's business (``sum by (...)``): an exporter that sums counters of
processes that come and go shows falls that never happened, while ``rate`` handles the restart of
a single labelled series as it should.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

REGISTRY = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

CONNECTIONS = Gauge("agentpost_connections", "Open connections.", ["service"], registry=REGISTRY)
ACCEPTED = Counter(
    "agentpost_connections_accepted", "Connections accepted.", ["service"], registry=REGISTRY
)
REFUSED = Counter(
    "agentpost_connections_refused", "Connections over a limit.", ["service"], registry=REGISTRY
)
FAILED_HANDSHAKES = Counter(
    "agentpost_tls_handshakes_failed", "Connections lost in TLS.", ["service"], registry=REGISTRY
)
LOGINS = Counter(
    "agentpost_logins",
    "Logins over IMAP and SMTP: ok, or the code of the error.",
    ["service", "outcome"],
    registry=REGISTRY,
)
COMMANDS = Counter(
    "agentpost_commands",
    "IMAP and SMTP commands: ok, no and bad, or the first digit of the reply.",
    ["service", "command", "outcome"],
    registry=REGISTRY,
)
REQUESTS = Counter(
    "agentpost_http_requests",
    "HTTP requests; without a route where there is no such one.",
    ["route", "method", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "agentpost_http_request_seconds",
    "Time from request to response.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
MESSAGES = Counter(
    "agentpost_messages", "Messages stored, by way in.", ["direction", "source"], registry=REGISTRY
)
DELIVERIES = Counter(
    "agentpost_deliveries", "Attempts to relay, by outcome.", ["outcome"], registry=REGISTRY
)
REPORTS = Counter(
    "agentpost_reports",
    "Received mails read for what they report on sent mail, by outcome.",
    ["outcome"],
    registry=REGISTRY,
)
WEBHOOKS = Counter(
    "agentpost_webhooks",
    "Attempts to tell webhooks: the first digit of the answer, or why there was none.",
    ["outcome"],
    registry=REGISTRY,
)
COMMIT_BATCH = Histogram(
    "agentpost_commit_batch_size",
    "Deposits written by one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
    registry=REGISTRY,
)
COMMIT_SECONDS = Histogram(
    "agentpost_commit_seconds",
    "Time of one group commit.",
    buckets=(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2),
    registry=REGISTRY,
)
NOTIFICATIONS = Counter(
    "agentpost_notifications",
    "Notifications of the provider, by kind and what came of them.",
    ["kind", "outcome"],
    registry=REGISTRY,
)
INBOUND = Counter(
    "agentpost_inbound_mails",
    "Mails a provider took for us, by what came of them.",
    ["outcome"],
    registry=REGISTRY,
)
JOBS = Counter("agentpost_jobs", "Jobs run, by outcome.", ["kind", "outcome"], registry=REGISTRY)
QUEUED = Gauge(
    "agentpost_jobs_queued",
    "Jobs in the queue: ready, running or failed. Every worker tells all of them.",
    ["kind", "state"],
    registry=REGISTRY,
)
FAULTS = Counter(
    "agentpost_faults",
    "Exceptions that were bugs, by protocol.",
    ["service"],
    registry=REGISTRY,
)


@functools.cache
def command(service: str, verb: bytes, outcome: str) -> Counter:
    """The counter of one command of ``imap`` or ``smtp``, to be increased.

    ``verb`` is one of the service's own table or ``UNKNOWN``, never what a client wrote: every
    combination is kept for ever.
    """
    return COMMANDS.labels(service, verb.decode("ascii").lower(), outcome)


UNKNOWN = b"unknown"
"""The verb of what is no command."""


def watch_connections(
    service: str,
    now: Callable[[], int],
    ever: Callable[[], int],
    refused: Callable[[], int],
    failed_handshakes: Callable[[], int],
) -> None:
    """Report a listener's own counts, read at each scrape.

    All but ``now`` only grow; they are given as functions because the listener counts without
    knowing of metrics.
    """
    CONNECTIONS.labels(service).set_function(now)
    _WATCHED[service] = (
        (ACCEPTED, ever),
        (REFUSED, refused),
        (FAILED_HANDSHAKES, failed_handshakes),
    )


_WATCHED: dict[str, tuple[tuple[Counter, Callable[[], int]], ...]] = {}
_SEEN: dict[tuple[str, Counter], int] = {}


def expose() -> bytes:
    """This worker's metrics in Prometheus' text format."""
    for service, counted in _WATCHED.items():
        for counter, total in counted:
            _advance(counter, service, total())
    return generate_latest(REGISTRY)


def _advance(counter: Counter, service: str, total: int) -> None:
    before = _SEEN.get((service, counter), 0)
    counter.labels(service).inc(total - before)
    _SEEN[service, counter] = total
