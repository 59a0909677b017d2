"""The metrics of one worker."""

from __future__ import annotations

from agentpost import metrics


def test_what_a_listener_counts_is_told_at_each_scrape() -> None:
    counts = {"now": 3, "ever": 10, "refused": 1}
    metrics.watch_connections(
        "test", lambda: counts["now"], lambda: counts["ever"], lambda: counts["refused"]
    )
    assert 'agentpost_connections{service="test"} 3.0' in metrics.expose().decode()
    counts.update(now=2, ever=15)
    text = metrics.expose().decode()
    assert 'agentpost_connections{service="test"} 2.0' in text
    assert 'agentpost_connections_accepted_total{service="test"} 15.0' in text
    assert 'agentpost_connections_refused_total{service="test"} 1.0' in text
    assert metrics.expose().decode().count('accepted_total{service="test"} 15.0') == 1
