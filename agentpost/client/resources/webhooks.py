"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from agentpost.client._calls import Call
from agentpost.client._signatures import verify


class Webhooks:
    """Addresses that are told what happens."""

    verify = staticmethod(verify)

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call


class AsyncWebhooks:
    """Addresses that are told what happens."""

    verify = staticmethod(verify)

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call
