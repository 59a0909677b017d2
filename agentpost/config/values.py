"""What the value of a setting may look like, and how its text is read.

A parser takes a :class:`Raw` value and returns the typed one, or raises ValueError with a text
that completes "<setting> ...".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener binds: ``host:port`` or ``[v6]:port``; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Raw:
    """A value as it was written: text from the environment or a flag, or a TOML value."""

    value: object
    is_text: bool
    base: Path
    """Directory that relative paths are relative to."""


Parser = Callable[[Raw], object]
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
    re.ASCII,
)
_SET_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_TOPIC = re.compile(
    r"arn:aws(?:-cn|-us-gov)?:sns:[a-z0-9-]{3,40}:[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?",
    re.ASCII,
)
_BUCKET_URL = re.compile(
    r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9!_.*'()/=+@:-]{0,512})?",
    re.ASCII,
)
_KEY = re.compile(r"ap_sk_(?:live_|dev_|test_)?[A-Za-z0-9]{32,64}", re.ASCII)


def as_text(raw: Raw) -> str:
    if not isinstance(raw.value, str):
        raise ValueError("must be a string")
    text = raw.value
    if not text or text != text.strip() or not text.isprintable():
        raise ValueError("must be text without surrounding white space or control characters")
    return text


def integer(low: int, high: int) -> Parser:
    def parse(raw: Raw) -> int:
        value = raw.value
        if raw.is_text and isinstance(value, str) and _DIGITS.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError("must be a whole number in decimal digits")
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}")
        return value

    return parse


def limit(raw: Raw) -> int | None:
    if raw.value == "unlimited":
        return None
    try:
        value = integer(1, 10**9)(raw)
    except ValueError as error:
        raise ValueError(f"{error}, or 'unlimited'") from None
    assert isinstance(value, int)
    return value


def seconds(raw: Raw) -> float:
    value = raw.value
    if raw.is_text and isinstance(value, str) and re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number of seconds")
    if not 0 <= value <= 86_400:
        raise ValueError("must be from 0 to 86400 seconds")
    return float(value)


def percent(raw: Raw) -> float:
    """A share in percent."""
    value = raw.value
    if raw.is_text and isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number of percent")
    if not 0 < value <= 100:
        raise ValueError("must be above 0 and at most 100 percent")
    return float(value)


def boolean(raw: Raw) -> bool:
    value = raw.value
    if raw.is_text and value in {"true", "false"}:
        return value == "true"
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def path(raw: Raw) -> Path:
    found = Path(as_text(raw)).expanduser()
    return found if found.is_absolute() else raw.base / found


def one_of(*words: str) -> Parser:
    def parse(raw: Raw) -> str:
        text = as_text(raw)
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def name_of_set(raw: Raw) -> str:
    """Source: SES's names of configuration sets."""
    text = as_text(raw)
    if not _SET_NAME.fullmatch(text):
        raise ValueError("must be 1 to 64 letters, digits, underscores and hyphens")
    return text


def host_name(raw: Raw) -> str:
    text = as_text(raw)
    if not _HOST_NAME.fullmatch(text):
        raise ValueError("must be a host name such as mail.example.com")
    return text.lower()


def spf_mechanism(raw: Raw) -> str:
    text = as_text(raw).lower()
    if not re.fullmatch(r"(include:|a:|mx:|ip4:|ip6:|exists:)[!-~]{1,200}|a|mx", text, re.ASCII):
        raise ValueError("must be one SPF mechanism such as include:spf.example.com")
    return text


def address(raw: Raw) -> Address:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:\[\]\s]+)):([0-9]{1,5})", as_text(raw))
    if match is None or int(match[3]) > 65535:
        raise ValueError("must be host:port or [ipv6]:port with a port from 0 to 65535")
    return Address(match[1] or match[2], int(match[3]))


def numeric_address(raw: Raw) -> Address:
    found = address(raw)
    try:
        ip_address(found.host)
    except ValueError:
        raise ValueError("must be an IP address with a port, such as 192.0.2.53:53") from None
    if not found.port:
        raise ValueError("must have a port from 1 to 65535")
    return found


def networks(raw: Raw) -> tuple[str, ...]:
    value = raw.value
    if value == "none":
        return ()
    written = value.split(",") if isinstance(value, str) else value
    if not isinstance(written, list) or not all(isinstance(one, str) for one in written):
        raise ValueError("must be addresses or networks such as 10.0.0.0/8, separated by commas")
    found = []
    for one in written:
        try:
            found.append(str(ip_network(one.strip())))
        except ValueError as error:
            raise ValueError(f"must be addresses or networks, or 'none': {error}") from None
    return tuple(found)


def topics(raw: Raw) -> tuple[str, ...]:
    """Source: Amazon Resource Names of SNS topics."""
    value = raw.value
    if value == "none":
        return ()
    written = value.split(",") if isinstance(value, str) else value
    if not isinstance(written, list) or not all(isinstance(one, str) for one in written):
        raise ValueError("must be ARNs of SNS topics, separated by commas")
    found = [one.strip() for one in written]
    if not all(_TOPIC.fullmatch(one) for one in found):
        raise ValueError(
            "must be ARNs such as arn:aws:sns:eu-west-1:123456789012:mail, separated by commas"
        )
    return tuple(found)


def bucket_url(raw: Raw) -> str:
    text = as_text(raw)
    if not _BUCKET_URL.fullmatch(text):
        raise ValueError("must be s3://bucket or s3://bucket/prefix/")
    return text


def url(*schemes: str) -> Parser:
    def parse(raw: Raw) -> str:
        text = as_text(raw)
        if urlsplit(text).scheme not in schemes or "://" not in text:
            raise ValueError(
                f"must be a URL beginning with {' or '.join(s + '://' for s in schemes)}"
            )
        return text

    return parse


_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"(?:[A-Za-z0-9!_.*'()-]{1,100}/){0,16}", re.ASCII)


def blob_url(raw: Raw) -> str:
    text = url("file", "s3")(raw)
    assert isinstance(text, str)
    parts = urlsplit(text)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not parts.path.startswith("/"):
            raise ValueError("must be file:// and an absolute path, as in file:///srv/blobs")
        return text
    prefix = parts.path.strip("/")
    plain = _PREFIX.fullmatch(prefix + "/" if prefix else "") and ".." not in prefix.split("/")
    if not _BUCKET.fullmatch(parts.netloc) or not plain or parts.query or parts.fragment:
        raise ValueError("must be s3:// with a bucket and, if wanted, a prefix: s3://mail/blobs")
    return text


def api_key(raw: Raw) -> str:
    text = as_text(raw)
    if not _KEY.fullmatch(text):
        raise ValueError(
            "must be ap_sk_ (then live_, dev_ or test_ if wanted) and 32-64 letters or digits"
        )
    return text


def key_32_octets(raw: Raw) -> str:
    text = as_text(raw)
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("must be 64 lower-case hexadecimal digits (32 octets)")
    return text
