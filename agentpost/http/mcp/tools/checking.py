"""The tool that says beforehand what would become of a message, and by which rule."""

from __future__ import annotations

from typing import Any, Final

from agentpost.errors import Forbidden, Problem, QuotaExceeded
from agentpost.http.mcp.calling import Calling
from agentpost.http.mcp.tool import Arguments, Tools
from agentpost.http.resources import me
from agentpost.http.resources.letters import addresses
from agentpost.mail.policy import Decision, Verdict

tools = Tools()

_SENDS: Final = "messages:send"
_SCOPE: Final = "messages:read"


class Check(Arguments, frozen=True):
    """A letter that might be sent."""

    inbox: str
    to: str | list[str]


@tools.add(
    "Would a message be allowed, for each recipient; by which rule; mails left today; the inbox's score.",
    Check,
    _SCOPE,
    hints="RI",
    returns={
        "type": "object",
        "properties": {"allowed": {"type": "boolean"}},
        "required": ["allowed"],
    },
)
async def check_send(call: Calling, arguments: Check) -> Any:
    """What the send itself would say, without sending."""
    desk, actor = call.desk, call.actor
    local = await desk.store.directory.reach(actor, _SCOPE, arguments.inbox)
    mine = await call(me.get_me)
    allowed, used = mine["limits"]["mails_per_day"], mine["usage"]["mails_today"]
    left = None if allowed is None else max(0, allowed - used)
    fares = await desk.store.reputation.deliverability(actor, local.inbox, scope=_SCOPE)
    found: dict[str, Any] = {"allowed": True}
    try:
        if not actor.may(_SENDS):
            raise Forbidden("This key may not send.", fix=f"Use one that holds {_SENDS}.")
        to = arguments.to
        people = addresses("to", to if isinstance(to, str) else [*to])
        decision = await desk.composing.consider(actor, local, people)
        found["recipients"] = [_recipient(one) for one in decision.verdicts]
        found |= _waits(decision)
        decision.check()
        if left is not None and len(decision.verdicts) - len(decision.refused) > left:
            raise QuotaExceeded
    except Problem as problem:
        if problem.column.http >= 500 or problem.code == "validation_failed":
            raise
        found |= {"allowed": False} | _why(problem)
    found["mails_left_today"] = left
    return found | {"score": fares.score, "rating": fares.rating}


def _recipient(one: Verdict) -> dict[str, Any]:
    told = {"email": one.recipient, "allowed": one.problem is None, "local": one.local is not None}
    if one.rule is not None:
        told["rule_id"] = one.rule
    return told if one.problem is None else told | _why(one.problem)


def _waits(decision: Decision) -> dict[str, Any]:
    """Whether it would wait for an approval, and by which rule."""
    rule = decision.waiting.rule
    return {"would": "send"} if rule is None else {"would": "hold", "held_by": rule}


def _why(problem: Problem) -> dict[str, Any]:
    return {"code": problem.code, "reason": problem.message, "fix": problem.fix}
