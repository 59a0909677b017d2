"""The way out: the relay that is set, and whether the smart host takes our name and password."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import trio

from agentpost.cli.diagnosis.finding import Finding, ok, problem
from agentpost.config import Config
from agentpost.limits import SmartHostLimits
from agentpost.mail.transports.conversation import Conversation, Host, Trouble
from agentpost.mail.transports.smarthost import parse_url

AREA: Final = "relay"
_PATIENCE_S: Final = 10.0


def look(settings: Config) -> list[Finding]:
    """The relay settings; the smart host is logged in to, and nothing is sent."""
    if settings.relay == "simulator":
        return [ok(AREA, "simulator: mail to other servers stays here and is answered for")]
    assert settings.smtp_relay_url is not None  # The configuration sees to it.
    try:
        host = parse_url(settings.smtp_relay_url)
    except ValueError as error:
        return [problem(AREA, str(error), "Correct smtp_relay_url.")]
    return [trio.run(_converse, host, settings.domain)]


async def _converse(host: Host, domain: str) -> Finding:
    limits = replace(
        SmartHostLimits(),
        connect_s=_PATIENCE_S,
        handshake_s=_PATIENCE_S,
        greeting_s=_PATIENCE_S,
        command_s=_PATIENCE_S,
    )
    where = f"the smart host {host.name}:{host.port}"
    try:
        conversation = await Conversation.open(host, domain, limits)
    except Trouble as trouble:
        mend = "Correct smtp_relay_url (host, port, user, password), or ask who runs the host."
        return problem(AREA, f"{where}: {trouble.reason}", mend)
    await conversation.quit()
    how = "in clear, on this machine" if host.tls == "none" else "over TLS"
    login = "takes our login" if host.user is not None else "is spoken to without a login"
    return ok(AREA, f"{where} {login}, {how}")
