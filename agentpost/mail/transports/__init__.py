"""The ways out of this server, and which of them a deployment has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agentpost.config import Config
from agentpost.mail.aws import Access
from agentpost.mail.relay import Transport, Ways
from agentpost.mail.transports.ses import Ses
from agentpost.mail.transports.simulator import Deliver, Simulator
from agentpost.mail.transports.smarthost import SmartHost, parse_url
from agentpost.model.relay import Doubts, Resend


def choose(settings: Config, deliver: Deliver) -> Ways:
    """The transports that ``settings`` set up.

    ``deliver`` puts what simulated recipients answer into an inbox.
    Raises: ValueError when the settings do not fit together.
    """
    simulator = Simulator(deliver)
    known: dict[str, Transport] = {"simulator": simulator}
    for name in settings.relays:
        if name == "smtp":
            if settings.smtp_relay_url is None:
                raise ValueError("relay = smtp needs smtp_relay_url")
            known[name] = SmartHost(parse_url(settings.smtp_relay_url), settings.domain)
        elif name == "ses":
            known[name] = Ses(
                access(settings), settings.ses_configuration_set, doubts(settings).wait_s
            )
    configured = known.pop(settings.relay)
    return Ways(configured, simulator, tuple(known.values()))


def access(settings: Config) -> Access:
    """Where Amazon's services are."""
    return Access(settings.aws_region, settings.aws_endpoint_url)


def doubts(settings: Config) -> Doubts:
    """What follows when SES's answer was lost.

    Without a configuration set no event can ever prove anything: there is nothing to wait for.
    """
    wait_s, word = max(settings.ses_in_doubt_s, _LEAST_DOUBT_S), settings.ses_in_doubt
    if word == "wait" and settings.ses_configuration_set is None:
        word = "hold"
    usual = Doubts()
    return Doubts(
        wait_s=wait_s,
        resend=_RESEND[word],
        patience_s=0.0 if word == "hold" else usual.patience_s,
        recheck_s=min(usual.recheck_s, wait_s / 4),
    )


_LEAST_DOUBT_S: Final = 1.0
_RESEND: Final[Mapping[str, Resend]] = {"wait": "proven", "resend": "always", "hold": "never"}
