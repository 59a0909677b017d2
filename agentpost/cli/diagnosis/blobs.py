"""The bucket of large messages: whether it takes, gives and forgets an object, and how fast."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from datetime import timedelta
from typing import Final

import trio

from agentpost.cli.diagnosis.finding import Finding, ok, problem, warning
from agentpost.config import Config
from agentpost.errors import Overloaded
from agentpost.ids import new_id
from agentpost.limits import BlobLimits
from agentpost.store.blobs import BLOB, BlobsAt, open_blobs
from agentpost.store.settings import blobs_at

AREA: Final = "blobs"
_PROBE_OCTETS: Final = 64 * 1024
_SLOW_S: Final = 1.0
_PATIENCE_S: Final = 10.0
_LONG: Final = timedelta(days=365)
_MEND: Final = (
    "Look at blob_url, aws_region and aws_endpoint_url, at the credentials (the standard AWS"
    " variables, files or roles), and at the rights: s3:PutObject, s3:GetObject, s3:DeleteObject"
    " and s3:ListBucket. The log line above names the reason."
)


def look(settings: Config) -> list[Finding]:
    """The bucket, tried with an object of its own; a directory is looked at with the disk."""
    if settings.blob_directory is not None:
        return []
    # What the service answers is the reason that a person looks for.
    logging.getLogger("agentpost.store").setLevel(logging.ERROR)
    place = blobs_at(settings)
    try:
        findings = [trio.run(_try, place)]
    except ValueError as error:
        return [problem(AREA, f"{place}: {error}", _MEND)]
    endpoint = settings.aws_endpoint_url
    if endpoint is not None and endpoint.startswith("http://"):
        text = "aws_endpoint_url is not encrypted: mail and links are seen on the way"
        findings.append(warning(AREA, text, "Use https:// unless it is on this machine."))
    return findings


async def _try(place: BlobsAt) -> Finding:
    limits = replace(BlobLimits(), operation_s=_PATIENCE_S, attempts=1)
    octets = os.urandom(_PROBE_OCTETS)
    began = time.monotonic()
    async with open_blobs(place, limits) as blobs:
        doing = "writing"
        try:
            location = await blobs.put(new_id(BLOB), octets)
            doing = "reading"
            same = await blobs.piece(location, 0, _PROBE_OCTETS) == octets
            doing = "listing"
            await blobs.older_than(_LONG)
            doing = "removing"
            await blobs.remove(location)
        except Overloaded:
            return problem(AREA, f"{place}: {doing} an object does not work", _MEND)
        except FileNotFoundError:
            same = False
    if not same:
        return problem(AREA, f"{place}: what was written is not what is read", _MEND)
    each_s = (time.monotonic() - began) / 4
    if each_s > _SLOW_S:
        text = f"{place} answers in {each_s * 1000:.0f} ms"
        return warning(AREA, text, "Large mail waits for that: use a bucket near this machine.")
    return ok(AREA, f"{place} is written, read, listed and cleared in {each_s * 1000:.0f} ms each")
