"""The way out: the relay that is set, and whether the smart host or Amazon SES would take mail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import trio

from agentpost.cli.diagnosis.finding import Finding, ok, problem, warning
from agentpost.config import Config
from agentpost.limits import AwsLimits, SmartHostLimits
from agentpost.mail.aws import Client, Doubt, Refused, Unreached, open_client
from agentpost.mail.transports import access
from agentpost.mail.transports.conversation import Conversation, Host, Trouble
from agentpost.mail.transports.smarthost import parse_url

AREA: Final = "relay"
_PATIENCE_S: Final = 10.0


def look(settings: Config) -> list[Finding]:
    """The relays that are set up; the smart host is logged in to, and nothing is sent."""
    found: list[Finding] = []
    if settings.relay == "simulator":
        found.append(ok(AREA, "simulator: mail to other servers stays here and is answered for"))
    if settings.smtp_relay_url is not None:
        found.append(_smart_host(settings))
    if "ses" in settings.relays:
        found += trio.run(_ask_ses, settings)
    return found


def _smart_host(settings: Config) -> Finding:
    assert settings.smtp_relay_url is not None
    try:
        host = parse_url(settings.smtp_relay_url)
    except ValueError as error:
        return problem(AREA, str(error), "Correct smtp_relay_url.")
    return trio.run(_converse, host, settings.domain)


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


_GRANT: Final = (
    "Set AWS_REGION and credentials as for any program of AWS, with the permissions ses:SendEmail,"
    " ses:GetAccount and ses:GetConfigurationSetEventDestinations."
)


async def _ask_ses(settings: Config) -> list[Finding]:
    limits = AwsLimits(connect_s=_PATIENCE_S, read_s=_PATIENCE_S, call_s=_PATIENCE_S)
    try:
        async with open_client("sesv2", access(settings), limits) as client:
            where = f"Amazon SES in {client.region}"
            account = await client.ask("get_account")
            return [_account(where, account), await _events(settings, where, client)]
    except ValueError as error:
        return [problem(AREA, f"Amazon SES: {error}", _GRANT)]
    except Refused as error:
        return [problem(AREA, f"Amazon SES refuses to tell of the account: {error.code}", _GRANT)]
    except (Unreached, Doubt) as error:
        return [problem(AREA, f"Amazon SES does not answer: {error}", _GRANT)]


def _account(where: str, account: Any) -> Finding:
    if not account.get("SendingEnabled", True):
        mend = "Look into the console of Amazon SES why sending is paused, and resume it."
        return problem(AREA, f"{where}: sending is paused for the account", mend)
    if not account.get("ProductionAccessEnabled", True):
        mend = "Ask AWS for production access; until then only verified addresses get mail."
        return warning(AREA, f"{where}: the account is in the sandbox", mend)
    quota = account.get("SendQuota", {})
    rate, day = quota.get("MaxSendRate", 0), quota.get("Max24HourSend", 0)
    used = quota.get("SentLast24Hours", 0)
    text = f"{where} takes our credentials: {rate:g} recipients a second, {used:g} of {day:g} a day"
    if 0 < day <= used:
        return problem(AREA, text, "Wait, or ask AWS for a higher quota.")
    return ok(AREA, text)


async def _events(settings: Config, where: str, client: Client) -> Finding:
    """Whether SES would tell what became of a message whose answer was lost."""
    name = settings.ses_configuration_set
    if name is None:
        mend = "Set ses_configuration_set to a configuration set with an SNS event destination."
        return warning(AREA, f"{where}: without a configuration set no events come", mend)
    mend = "Give the configuration set an SNS event destination with all types of events."
    try:
        answer = await client.ask(
            "get_configuration_set_event_destinations", ConfigurationSetName=name
        )
    except Refused as error:
        return problem(AREA, f"{where}: configuration set {name}: {error.code}", mend)
    for each in answer.get("EventDestinations", ()):
        sends = "SEND" in each.get("MatchingEventTypes", ())
        if each.get("Enabled") and each.get("SnsDestination") and sends:
            return ok(AREA, f"{where}: events of configuration set {name} go to SNS")
    return warning(AREA, f"{where}: configuration set {name} sends no Send events to SNS", mend)
