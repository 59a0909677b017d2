"""Waiting, under asyncio as under Trio."""

from __future__ import annotations

import sys


async def sleep(seconds: float) -> None:
    """Wait in whichever event loop runs this."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        await trio.sleep(seconds)
    else:
        import asyncio

        await asyncio.sleep(seconds)
