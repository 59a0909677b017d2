"""Times in which webhooks are told again, shortened for a process that is a test's own."""

from __future__ import annotations

from typing import Any

from agentpost.limits import WebhookLimits

_QUICK = {"pauses_s": (0.1,) * 40, "rest_s": 0.1, "lease_s": 2.0, "poll_s": 0.2}


def hurry() -> None:
    """Have every ``WebhookLimits`` of this process be quick."""
    usual = WebhookLimits.__init__

    def quick(self: WebhookLimits, **given: Any) -> None:
        usual(self, **{**_QUICK, **given})

    WebhookLimits.__init__ = quick  # type: ignore[method-assign, assignment]
