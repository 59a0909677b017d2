"""How a client speaks to its server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """``headers`` hold the key, hence they are not shown by ``repr``; ``timeout_s`` bounds each
    attempt at a call, ``max_retries`` the attempts after the first."""

    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout_s: float
    max_retries: int
