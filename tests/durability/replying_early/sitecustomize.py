"""Makes a worker answer before it has committed; for a test that must find it out.

Python imports this before anything else when its directory is on PYTHONPATH.
"""

import sys

_LATER_S = 0.3

if "worker" in getattr(sys, "orig_argv", ()):
    import logging

    import trio

    from agentpost.ids import MailboxId, ModSeq, ThreadId, Uid
    from agentpost.model.mailbox import Placed
    from agentpost.store.depositing import Deposit
    from agentpost.store.deposits import Committer

    _honest = Committer.commit

    async def _later(committer: Committer, deposit: Deposit) -> None:
        await trio.sleep(_LATER_S)
        try:
            await _honest(committer, deposit)
        except Exception:
            logging.getLogger(__name__).exception("too late")

    async def _commit(self: Committer, deposit: Deposit) -> tuple[Placed, ...]:
        trio.lowlevel.spawn_system_task(_later, self, deposit)
        return tuple(
            Placed(each.message, MailboxId(1), 1, Uid(1), ModSeq(1), ThreadId("thr_" + "0" * 26))
            for each in deposit.arrivals
        )

    Committer.commit = _commit  # type: ignore[method-assign]
