"""Makes a worker settle deliveries before they are made; for a test that must find it out.

Python imports this before anything else when its directory is on PYTHONPATH.
"""

import sys

if "worker" in getattr(sys, "orig_argv", ()):
    import trio

    from agentpost.jobs.attempting import Attempting
    from agentpost.model.webhook import Due, Outcome, Webhook
    from tests.durability.hurry import hurry

    hurry()
    _honest = Attempting.attempt

    async def _attempt(self: Attempting, webhook: Webhook, due: Due) -> Outcome:
        trio.lowlevel.spawn_system_task(_honest, self, webhook, due)
        return Outcome(due.id, due.attempts, True, None, status=200)

    Attempting.attempt = _attempt  # type: ignore[method-assign]
