"""Amazon's services, spoken to natively on Trio: the only module here that knows aiobotocore.

What a caller must know of a request that failed is not why, but what may have come of it, and
``ask`` tells exactly that: refused by the service (``Refused``), never handed over whole, so that
it cannot have been carried out (``Unreached``), or handed over and left without an answer, so that
it may have been (``Doubt``).  The HTTP client is watched for the moment at which the last octet of
a request has left.  Nothing is repeated here: whoever asks knows whether that is safe.

aiobotocore is imported when the first client is opened: it takes a third of a second and 28 MB.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import trio

from agentpost.limits import AwsLimits

_TALKATIVE = ("aiobotocore", "botocore", "httpcore2", "httpx2")
"""Loggers that write down requests and answers when they are let: no mail belongs in a log."""


class Refused(Exception):
    """The service answered that it has not done it.

    ``code`` is its name for the reason, ``text`` its words, ``status`` that of HTTP.
    """

    def __init__(self, code: str, text: str, status: int) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.status = status


class Unreached(Exception):
    """The request was not handed over whole: it cannot have been carried out."""


class Doubt(Exception):
    """The request was handed over whole, and there is no answer: it may have been carried out."""


@dataclass(frozen=True, slots=True)
class Access:
    """Where the services are.  Who we are is found by botocore's own chain of credentials.

    ``region`` None leaves the region to the standard variables and files of AWS;
    ``endpoint_url`` is for other services that speak the same protocol.
    """

    region: str | None = None
    endpoint_url: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class _Progress:
    """How far one request has come."""

    handed_over: bool = False

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        # A write that fails has not handed over the end of the request.
        if event == "http11.send_request_body.complete":
            self.handed_over = True


_progress: ContextVar[_Progress | None] = ContextVar("aws_progress", default=None)


class Client:
    """One service of Amazon's; made by ``open_client``."""

    def __init__(self, raw: Any, limits: AwsLimits) -> None:
        self.raw = raw
        """aiobotocore's client, for what ``ask`` does not cover: streams and presigned URLs."""
        self._limits = limits

    @property
    def region(self) -> str:
        """The region that is asked."""
        return cast(str, self.raw.meta.region_name)

    async def ask(
        self, operation: str, /, deadline_s: float | None = None, **parameters: Any
    ) -> Mapping[str, Any]:
        """Call ``operation`` (``send_email``) once and give its answer.

        Raises: Refused, Unreached, Doubt.
        """
        progress = _Progress()
        token = _progress.set(progress)
        try:
            with trio.fail_after(deadline_s or self._limits.call_s):
                return cast("Mapping[str, Any]", await getattr(self.raw, operation)(**parameters))
        except trio.TooSlowError:
            raise _failure(progress, "no answer in time") from None
        except Exception as error:
            raise _translated(error, progress) from error
        finally:
            _progress.reset(token)


def _failure(progress: _Progress, reason: str) -> Exception:
    return Doubt(reason) if progress.handed_over else Unreached(reason)


def _translated(error: Exception, progress: _Progress) -> Exception:
    """What an error of botocore's means."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        answer = cast("dict[str, Any]", error.response)
        said = answer.get("Error", {})
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code, text = str(said.get("Code", "")), str(said.get("Message", ""))
        # Of 503 it is known that nothing was done; behind any other fault of theirs a request
        # may have been carried out, or a machine in front of theirs may have lost the answer.
        if status >= 500 and status != 503:
            return Doubt(f"the service answered {status} {code}")
        return Refused(code, text, status)
    if isinstance(error, BotoCoreError):
        # Its text may name the endpoint, and an endpoint's URL may hold a password.
        return _failure(progress, type(error).__name__)
    return _failure(progress, f"an error of ours, {type(error).__name__}")


@asynccontextmanager
async def open_client(
    service: str, access: Access, limits: AwsLimits | None = None, **config: Any
) -> AsyncIterator[Client]:
    """A client of ``service`` (``sesv2``, ``s3``) for any number of tasks at once.

    ``config`` are further options of botocore's.
    Raises: ValueError when no region is known, or the endpoint is no URL.
    """
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session
    from botocore.exceptions import BotoCoreError

    limits = limits or AwsLimits()
    session = get_session()
    options = AioConfig(
        http_session_cls=_session_class(),
        connect_timeout=limits.connect_s,
        read_timeout=limits.read_s,
        connector_args={
            "keepalive_timeout": limits.idle_s,
            "write_timeout": limits.write_s,
            "pool_timeout": limits.connect_s,
        },
        max_pool_connections=limits.connections,
        # Once, whatever happens: a repetition could send a message twice.
        retries={"total_max_attempts": 1, "mode": "standard"},
        warm_up_loader_caches=False,
        **config,
    )
    # Credentials are fetched with the same client, which runs on Trio.
    session.set_default_client_config(options)
    try:
        opening = session.create_client(
            service, region_name=access.region, endpoint_url=access.endpoint_url, config=options
        )
        async with opening as raw:
            yield Client(raw, limits)
    except BotoCoreError as error:
        raise ValueError(f"AWS cannot be used: {type(error).__name__}") from error


@cache
def _session_class() -> type[Any]:
    """aiobotocore's HTTP session on httpx2, which runs on Trio, watched while it sends."""
    from aiobotocore.httpxsession import HttpxSession

    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)

    class WatchedSession(HttpxSession):  # type: ignore[misc, no-any-unimported, unused-ignore]
        """Tells the progress of a request to who waits for it."""

        def _make_async_client(self) -> Any:
            client = super()._make_async_client()
            client.event_hooks = {"request": [_watch]}
            return client

    return WatchedSession


async def _watch(request: Any) -> None:
    progress = _progress.get()
    if progress is not None:
        request.extensions["trace"] = progress.trace
