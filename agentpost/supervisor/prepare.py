"""What must be true before a worker starts: schema, first organization, certificate.

Runs as a child of the supervisor (``python -m agentpost prepare``), so that the memory of the
database driver and of the cryptography library ends with it.  It reads the settings as JSON from
standard input and writes a :class:`Prepared` as JSON to standard output.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from agentpost import clock, config, log
from agentpost.config import Config


@dataclass(frozen=True, slots=True)
class Prepared:
    """What came of the preparation."""

    certificate: tuple[str, str] = ("", "")
    """Paths of the certificate chain and its private key."""
    api_key: str | None = None
    """The first key, only when this start created it."""
    error: str | None = None


def main() -> int:
    """The child's whole life. Exit status 0 even for an error that it can name."""
    import trio

    settings = config.restore(json.load(sys.stdin))
    log.configure(settings.log_level, settings.log_format)
    prepared = trio.run(_prepare, settings)
    json.dump(dataclasses.asdict(prepared), sys.stdout)
    return 0


async def _prepare(settings: Config) -> Prepared:
    from agentpost.errors import Problem
    from agentpost.store.bootstrap import bootstrap
    from agentpost.store.fitness import why_unfit
    from agentpost.store.migrate import migrate
    from agentpost.store.pool import Database

    assert settings.database_url is not None
    try:
        certificate = ensure_certificate(settings)
        database = await Database.open(settings.database_url)
    except (Problem, config.ConfigError) as error:
        return Prepared(error=str(error))
    try:
        refusal = await why_unfit(database)
        if refusal is not None:
            return Prepared(error=refusal)
        await migrate(database)
        first = await bootstrap(database, settings.bootstrap_key)
    except (Problem, RuntimeError) as error:
        return Prepared(error=str(error))
    finally:
        await database.aclose()
    return Prepared(certificate=certificate, api_key=None if first is None else first.secret)


def ensure_certificate(settings: Config) -> tuple[str, str]:
    """Paths of the certificate chain and key to serve with; a self-signed pair when none is set.

    The self-signed one is replaced a month before it ends, and when a public name is missing.
    Raises: ConfigError when a configured file cannot be read.
    """
    if settings.tls_cert is not None and settings.tls_key is not None:
        for path in (settings.tls_cert, settings.tls_key):
            if not path.is_file():
                raise config.ConfigError(f"TLS file {path} does not exist")
        return str(settings.tls_cert), str(settings.tls_key)
    from agentpost import certificate

    directory = settings.data_dir / "tls"
    chain, key = directory / "certificate.pem", directory / "key.pem"
    names = _names(settings)
    now = clock.now()
    if not (_holds(key) and _holds(chain) and certificate.serves(chain.read_bytes(), names, now)):
        config.make_data_dir(directory)
        public, private = certificate.make(names, now)
        chain.unlink(missing_ok=True)  # Never an old chain beside a new key.
        config.write_private(key, private)
        config.write_private(chain, public)
    return str(chain), str(key)


def _holds(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _names(settings: Config) -> list[str]:
    names = [settings.domain, settings.public_imap.host, settings.public_smtp.host]
    names += ["localhost", "127.0.0.1", "::1"]
    for address in (settings.smtps_bind, settings.submission_bind, settings.imaps_bind):
        try:
            unspecified = ip_address(address.host).is_unspecified
        except ValueError:
            unspecified = False
        if not unspecified:
            names.append(address.host)
    return list(dict.fromkeys(names))
