"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, path
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Claims:
    """An inbox as a work queue: messages leased to one worker at a time."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def take(
        self,
        inbox_id: str,
        *,
        max: int | NotGiven = NOT_GIVEN,
        lease_s: float | NotGiven = NOT_GIVEN,
        filter: models.ClaimFilterParam | NotGiven = NOT_GIVEN,
        max_attempts: int | NotGiven = NOT_GIVEN,
        timeout_s: float | NotGiven = NOT_GIVEN,
        view: Literal["full", "llm", "summary"] | NotGiven = NOT_GIVEN,
    ) -> models.ClaimList:
        """Claim messages.

        Take messages to work on, the oldest first: nobody else is given them while the lease lasts.

        Mail programs show the keyword `$Claimed` meanwhile.  Acknowledge what is done, give back what
        is not; a lease that ends by itself does that too, with the event `claim.expired`.  Needs
        `messages:read` as well.

        max: At most so many
        lease_s: Seconds of the lease
        max_attempts: Taken so often without being done, a message gets the label dead-letter
        timeout_s: Wait so long for the first message
        view: llm: the new text only, without quotations and signatures
        """
        target = path("/api/v1/inboxes/{}/claims", inbox_id)
        answer: models.ClaimList = self._call(
            Call(
                "POST",
                target,
                models.ClaimList,
                body=given(
                    max=max,
                    lease_s=lease_s,
                    filter=filter,
                    max_attempts=max_attempts,
                    timeout_s=timeout_s,
                    view=view,
                ),
            )
        )
        return answer

    def acknowledge(
        self,
        claim_id: str,
        *,
        seen: bool | NotGiven | None = NOT_GIVEN,
        answered: bool | NotGiven | None = NOT_GIVEN,
        add_labels: Sequence[str] | NotGiven = NOT_GIVEN,
        remove_labels: Sequence[str] | NotGiven = NOT_GIVEN,
    ) -> models.Claim:
        """Acknowledge a claim.

        The message is done: nobody is given it again, and it counts as seen unless you say otherwise.

        Also when the lease is over, as long as nobody else has taken the message.  A second time
        changes nothing.
        """
        target = path("/api/v1/claims/{}/ack", claim_id)
        answer: models.Claim = self._call(
            Call(
                "POST",
                target,
                models.Claim,
                body=given(
                    seen=seen, answered=answered, add_labels=add_labels, remove_labels=remove_labels
                ),
            )
        )
        return answer

    def give_back(
        self,
        claim_id: str,
        *,
        delay_s: float | NotGiven = NOT_GIVEN,
    ) -> models.Claim:
        """Give a claim back.

        The message is not done: somebody may take it again, after `delay_s`.

        When it was taken `max_attempts` times, it gets the label `dead-letter` and is not given to
        anybody any longer.

        delay_s: Seconds from now on
        """
        target = path("/api/v1/claims/{}/nack", claim_id)
        answer: models.Claim = self._call(
            Call("POST", target, models.Claim, body=given(delay_s=delay_s))
        )
        return answer

    def extend(
        self,
        claim_id: str,
        *,
        lease_s: float | NotGiven = NOT_GIVEN,
    ) -> models.Claim:
        """Extend a claim.

        Hold the message for `lease_s` from now on; the lease must not be over yet.

        lease_s: Seconds of the lease
        """
        target = path("/api/v1/claims/{}/extend", claim_id)
        answer: models.Claim = self._call(
            Call("POST", target, models.Claim, body=given(lease_s=lease_s))
        )
        return answer


class AsyncClaims:
    """An inbox as a work queue: messages leased to one worker at a time."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def take(
        self,
        inbox_id: str,
        *,
        max: int | NotGiven = NOT_GIVEN,
        lease_s: float | NotGiven = NOT_GIVEN,
        filter: models.ClaimFilterParam | NotGiven = NOT_GIVEN,
        max_attempts: int | NotGiven = NOT_GIVEN,
        timeout_s: float | NotGiven = NOT_GIVEN,
        view: Literal["full", "llm", "summary"] | NotGiven = NOT_GIVEN,
    ) -> models.ClaimList:
        """Claim messages.

        Take messages to work on, the oldest first: nobody else is given them while the lease lasts.

        Mail programs show the keyword `$Claimed` meanwhile.  Acknowledge what is done, give back what
        is not; a lease that ends by itself does that too, with the event `claim.expired`.  Needs
        `messages:read` as well.

        max: At most so many
        lease_s: Seconds of the lease
        max_attempts: Taken so often without being done, a message gets the label dead-letter
        timeout_s: Wait so long for the first message
        view: llm: the new text only, without quotations and signatures
        """
        target = path("/api/v1/inboxes/{}/claims", inbox_id)
        answer: models.ClaimList = await self._call(
            Call(
                "POST",
                target,
                models.ClaimList,
                body=given(
                    max=max,
                    lease_s=lease_s,
                    filter=filter,
                    max_attempts=max_attempts,
                    timeout_s=timeout_s,
                    view=view,
                ),
            )
        )
        return answer

    async def acknowledge(
        self,
        claim_id: str,
        *,
        seen: bool | NotGiven | None = NOT_GIVEN,
        answered: bool | NotGiven | None = NOT_GIVEN,
        add_labels: Sequence[str] | NotGiven = NOT_GIVEN,
        remove_labels: Sequence[str] | NotGiven = NOT_GIVEN,
    ) -> models.Claim:
        """Acknowledge a claim.

        The message is done: nobody is given it again, and it counts as seen unless you say otherwise.

        Also when the lease is over, as long as nobody else has taken the message.  A second time
        changes nothing.
        """
        target = path("/api/v1/claims/{}/ack", claim_id)
        answer: models.Claim = await self._call(
            Call(
                "POST",
                target,
                models.Claim,
                body=given(
                    seen=seen, answered=answered, add_labels=add_labels, remove_labels=remove_labels
                ),
            )
        )
        return answer

    async def give_back(
        self,
        claim_id: str,
        *,
        delay_s: float | NotGiven = NOT_GIVEN,
    ) -> models.Claim:
        """Give a claim back.

        The message is not done: somebody may take it again, after `delay_s`.

        When it was taken `max_attempts` times, it gets the label `dead-letter` and is not given to
        anybody any longer.

        delay_s: Seconds from now on
        """
        target = path("/api/v1/claims/{}/nack", claim_id)
        answer: models.Claim = await self._call(
            Call("POST", target, models.Claim, body=given(delay_s=delay_s))
        )
        return answer

    async def extend(
        self,
        claim_id: str,
        *,
        lease_s: float | NotGiven = NOT_GIVEN,
    ) -> models.Claim:
        """Extend a claim.

        Hold the message for `lease_s` from now on; the lease must not be over yet.

        lease_s: Seconds of the lease
        """
        target = path("/api/v1/claims/{}/extend", claim_id)
        answer: models.Claim = await self._call(
            Call("POST", target, models.Claim, body=given(lease_s=lease_s))
        )
        return answer
