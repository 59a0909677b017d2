"""The process that reads new mail for search, beside the workers.

It serves nobody and gives way to those who do: it is nicer to the processor than they are.  When
it is not there searches are slower and as complete.
"""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import Final

import trio

from agentpost import metrics
from agentpost.config import Config
from agentpost.control.line import Line
from agentpost.jobs.indexing import IndexingWork
from agentpost.jobs.runner import Runner
from agentpost.store.jobs import Jobs
from agentpost.store.opening import open_store
from agentpost.store.pool import PoolLimits
from agentpost.store.settings import blobs_at, store_settings
from agentpost.store.texts import MessageTexts

log = logging.getLogger("agentpost.indexer")

_NICENESS: Final = 19
_CONNECTIONS: Final = 2
"""To the database: one for the work, one for the lease of its job."""


def run_indexer(settings: Config, line: Line) -> None:
    """Index until the supervisor says stop."""
    os.nice(_NICENESS)
    trio.run(_index, settings, line)


async def _index(settings: Config, line: Line) -> None:
    assert settings.database_url is not None
    stopping = trio.Event()
    async with (
        open_store(
            settings.database_url,
            blobs_at(settings),
            store_settings(settings),
            alone=False,
            pool=PoolLimits(connections=_CONNECTIONS),
        ) as store,
        trio.open_nursery() as background,
    ):
        background.start_soon(partial(_obey, line, stopping))
        work = IndexingWork(MessageTexts(store.door, store.blobs), stopping)
        await line.ready()
        log.info("indexing")
        await Runner(Jobs(store.door), [work]).run(stopping=stopping)
        background.cancel_scope.cancel()


async def _obey(line: Line, stopping: trio.Event) -> None:
    await line.run(
        stopping,
        expose=metrics.expose,
        reload=lambda: None,
        orphaned=lambda: os._exit(1),
    )
