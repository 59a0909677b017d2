"""The names that clients are told: whether the system's resolver knows them.

There is no DNS library here, so records other than addresses cannot be looked at; what was not
checked is said in ``NOT_CHECKED``.
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from urllib.parse import urlsplit

from agentpost.cli.diagnosis.finding import Finding, ok, problem, warning
from agentpost.config import Config

AREA: Final = "names"
NOT_CHECKED: Final = (
    "MX, SPF, DKIM and DMARC records of the domain (the system's resolver gives addresses only)",
    "whether firewalls and routers let clients reach the listening addresses from outside",
)
_PATIENCE_S: Final = 10.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def look(settings: Config) -> list[Finding]:
    """The host names of the configuration."""
    wanted = {settings.public_imap.host: "imap_host", settings.public_smtp.host: "smtp_host"}
    if settings.public_imap.host == settings.public_smtp.host == settings.domain:
        wanted = {settings.domain: "domain"}
    url_host = urlsplit(settings.public_url).hostname if settings.public_url else None
    if url_host:
        wanted.setdefault(url_host, "public_url")
    local = {name: key for name, key in wanted.items() if is_local(name)}
    findings = [_local(name, key, settings) for name, key in local.items()]
    asked = [name for name in wanted if name not in local]
    # A resolver that does not answer must not hold the doctor: its threads are left behind.
    pool = ThreadPoolExecutor(max(1, len(asked)))
    try:
        answers = {name: pool.submit(_addresses, name) for name in asked}
        for name, answer in answers.items():
            findings.append(_judge(name, wanted[name], answer.result(_PATIENCE_S)))
    except TimeoutError:
        mend = "Look at the resolver in /etc/resolv.conf."
        findings.append(problem(AREA, f"no answer within {_PATIENCE_S:.0f} s", mend))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return findings


def is_local(name: str) -> bool:
    """Whether a name can only mean this machine (RFC 6761 section 6.3)."""
    return name == "localhost" or name.endswith(".localhost")


def _local(name: str, key: str, settings: Config) -> Finding:
    binds = (settings.imaps_bind, settings.smtps_bind, settings.submission_bind)
    if all(address.host in _LOOPBACK for address in binds):
        return ok(AREA, f"{key} {name} means this machine, and only it is served")
    text = f"{key} {name} means nothing on other machines, but they can connect"
    return warning(AREA, text, "Set domain to a name of yours in the DNS.")


def _judge(name: str, key: str, found: list[str] | str) -> Finding:
    mend = f"Add an A or AAAA record for {name} that leads here, or correct {key}."
    if isinstance(found, str):
        return problem(AREA, f"{key} {name} is not found: {found}", mend)
    return ok(AREA, f"{key} {name} is {', '.join(found)}")


def _addresses(name: str) -> list[str] | str:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return sorted({str(entry[4][0]) for entry in found})
