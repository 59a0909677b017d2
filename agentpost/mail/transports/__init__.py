"""The ways out of this server, and which one a deployment takes."""

from __future__ import annotations

from agentpost.mail.relay import Transport, Ways
from agentpost.mail.transports.simulator import Deliver, Simulator
from agentpost.mail.transports.smarthost import SmartHost, parse_url


def choose(relay: str, smtp_relay_url: str | None, domain: str, deliver: Deliver) -> Ways:
    """The transports for the settings ``relay``, ``smtp_relay_url`` and ``domain``.

    ``deliver`` puts what simulated recipients answer into an inbox.
    Raises: ValueError when the settings do not fit together.
    """
    simulator = Simulator(deliver)
    configured: Transport = simulator
    if relay == "smtp":
        if smtp_relay_url is None:
            raise ValueError("relay = smtp needs smtp_relay_url")
        configured = SmartHost(parse_url(smtp_relay_url), domain)
    elif relay != "simulator":
        raise ValueError(f"there is no relay {relay}")
    return Ways(configured, simulator)
