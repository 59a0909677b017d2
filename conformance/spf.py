"""Our SPF beside the public test suite for RFC 7208, which pyspf's source archive holds.

    python -m conformance.spf

Fetches the archive, evaluates every case against the zones that the suite brings, and ends with
status 1 when a verdict is not among those that it allows.  Nothing of it is kept.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import trio
import yaml

from agentpost.auth import spf
from agentpost.limits import AuthenticationLimits
from tests.zones import FAILS, ZoneResolver

SUITE = "rfc7208-tests.yml"
_LIMITS = AuthenticationLimits()


class _Unanswered(dict[str, Any]):
    """The records of a name; whatever else is asked of it times out."""

    def get(self, kind: str, default: Any = None) -> Any:
        return super().get(kind, FAILS)


class _Aliased(ZoneResolver):
    """Follows aliases, as every real resolver does."""

    def _records(self, name: str, kind: str) -> Any:
        for _ in range(10):
            types = self.zone.get(name.lower().removesuffix("."), {})
            alias = None if kind == "CNAME" or types is FAILS else dict.get(types, "CNAME")
            if alias is None:
                break
            name = alias[0]
        return super()._records(name, kind)


def _types(records: list[Any]) -> dict[str, Any]:
    """One name's records.  SPF stands for TXT where the suite does not say what TXT holds."""
    types: dict[str, Any] = {}
    spoken = [kind for record in records if isinstance(record, dict) for kind in record]
    for record in records:
        if not isinstance(record, dict):
            continue
        ((kind, value),) = record.items()
        kind = "TXT" if kind == "SPF" and "TXT" not in spoken else kind
        if value == "NONE" or kind == "SPF":
            continue
        if value == "TIMEOUT":
            types[kind] = FAILS
        elif types.get(kind) is not FAILS:
            types.setdefault(kind, []).append(_value(kind, value))
    return _Unanswered(types) if "TIMEOUT" in records else types


def _value(kind: str, value: Any) -> Any:
    if kind == "MX":
        return tuple(value)
    if kind != "TXT":
        return value
    return ("".join(value) if isinstance(value, list) else value).encode()


def _suite(directory: Path) -> Iterator[dict[str, Any]]:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, "--dest", str(directory), "pyspf"], check=True)
    (archive,) = directory.glob("pyspf-*.tar.gz")
    with tarfile.open(archive) as packed:
        (member,) = [one for one in packed.getmembers() if one.name.endswith("/" + SUITE)]
        octets = packed.extractfile(member)
        assert octets is not None
        yield from filter(None, yaml.safe_load_all(octets.read().decode("utf-8")))


async def _wrong(scenario: dict[str, Any]) -> tuple[int, list[str]]:
    zone = {name: _types(records) for name, records in scenario["zonedata"].items()}
    wrong = []
    for name, case in scenario["tests"].items():
        allowed = [case["result"]] if isinstance(case["result"], str) else case["result"]
        found = await spf.check(
            ip_address(case["host"]), case["mailfrom"], case["helo"], _Aliased(zone), _LIMITS
        )
        if found.result not in allowed:
            wrong.append(f"{scenario['description']}: {name}: {found.result}, not {allowed}")
    return len(scenario["tests"]), wrong


async def _run() -> int:
    count, wrong = 0, []
    with tempfile.TemporaryDirectory() as directory:
        for scenario in _suite(Path(directory)):
            more, found = await _wrong(scenario)
            count += more
            wrong += found
    for line in wrong:
        print(line)
    print(f"SPF: {count - len(wrong)} of {count} cases of {SUITE} as they must be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(trio.run(_run))
