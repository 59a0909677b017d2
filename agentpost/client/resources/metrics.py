"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Metrics:
    """Numbers over time."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def events(
        self,
        *,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        environment_id: str | NotGiven | None = NOT_GIVEN,
        event_types: Sequence[str] | NotGiven = NOT_GIVEN,
        bucket: Literal["day", "hour"] | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.EventMetrics:
        """Count events.

        How many events of each type happened, by the hour or day (UTC), every bucket in its order.

        Counted every few seconds and kept for 90 days.  At most 1,000 buckets are told at once.

        inbox_id: One inbox, by its id or address
        environment_id: One environment
        event_types: Only these
        bucket: hour for up to two days, else day, if left out
        after: From the bucket of this on; a day or 30 back if left out
        before: Up to this; now if left out
        """
        target = "/api/v1/metrics/events"
        answer: models.EventMetrics = self._call(
            Call(
                "GET",
                target,
                models.EventMetrics,
                query=given(
                    inbox_id=inbox_id,
                    environment_id=environment_id,
                    event_types=event_types,
                    bucket=bucket,
                    after=after,
                    before=before,
                ),
            )
        )
        return answer

    def usage(
        self,
        *,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        environment_id: str | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.UsageMetrics:
        """Usage over time.

        Messages sent and received, and what is stored, day by day (UTC), for up to 90 days.

        What is stored is looked at once a day.  ``GET /org/usage`` tells it of this moment, beside the
        limits of the tier.

        inbox_id: One inbox, by its id or address
        environment_id: One environment
        after: From the day of this on; 30 days back if left out
        before: Up to this; now if left out
        """
        target = "/api/v1/metrics/usage"
        answer: models.UsageMetrics = self._call(
            Call(
                "GET",
                target,
                models.UsageMetrics,
                query=given(
                    inbox_id=inbox_id, environment_id=environment_id, after=after, before=before
                ),
            )
        )
        return answer

    def rates(
        self,
        *,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        environment_id: str | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.RateMetrics:
        """How mail fares over time.

        Bounces, complaints and deliveries as shares of recipients, day by day (UTC), for up to 90
        days.  A bounce counts on the day on which it was told.

        inbox_id: One inbox, by its id or address
        environment_id: One environment
        after: From the day of this on; 30 days back if left out
        before: Up to this; now if left out
        """
        target = "/api/v1/metrics/rates"
        answer: models.RateMetrics = self._call(
            Call(
                "GET",
                target,
                models.RateMetrics,
                query=given(
                    inbox_id=inbox_id, environment_id=environment_id, after=after, before=before
                ),
            )
        )
        return answer


class AsyncMetrics:
    """Numbers over time."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def events(
        self,
        *,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        environment_id: str | NotGiven | None = NOT_GIVEN,
        event_types: Sequence[str] | NotGiven = NOT_GIVEN,
        bucket: Literal["day", "hour"] | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.EventMetrics:
        """Count events.

        How many events of each type happened, by the hour or day (UTC), every bucket in its order.

        Counted every few seconds and kept for 90 days.  At most 1,000 buckets are told at once.

        inbox_id: One inbox, by its id or address
        environment_id: One environment
        event_types: Only these
        bucket: hour for up to two days, else day, if left out
        after: From the bucket of this on; a day or 30 back if left out
        before: Up to this; now if left out
        """
        target = "/api/v1/metrics/events"
        answer: models.EventMetrics = await self._call(
            Call(
                "GET",
                target,
                models.EventMetrics,
                query=given(
                    inbox_id=inbox_id,
                    environment_id=environment_id,
                    event_types=event_types,
                    bucket=bucket,
                    after=after,
                    before=before,
                ),
            )
        )
        return answer

    async def usage(
        self,
        *,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        environment_id: str | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.UsageMetrics:
        """Usage over time.

        Messages sent and received, and what is stored, day by day (UTC), for up to 90 days.

        What is stored is looked at once a day.  ``GET /org/usage`` tells it of this moment, beside the
        limits of the tier.

        inbox_id: One inbox, by its id or address
        environment_id: One environment
        after: From the day of this on; 30 days back if left out
        before: Up to this; now if left out
        """
        target = "/api/v1/metrics/usage"
        answer: models.UsageMetrics = await self._call(
            Call(
                "GET",
                target,
                models.UsageMetrics,
                query=given(
                    inbox_id=inbox_id, environment_id=environment_id, after=after, before=before
                ),
            )
        )
        return answer

    async def rates(
        self,
        *,
        inbox_id: str | NotGiven | None = NOT_GIVEN,
        environment_id: str | NotGiven | None = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
    ) -> models.RateMetrics:
        """How mail fares over time.

        Bounces, complaints and deliveries as shares of recipients, day by day (UTC), for up to 90
        days.  A bounce counts on the day on which it was told.

        inbox_id: One inbox, by its id or address
        environment_id: One environment
        after: From the day of this on; 30 days back if left out
        before: Up to this; now if left out
        """
        target = "/api/v1/metrics/rates"
        answer: models.RateMetrics = await self._call(
            Call(
                "GET",
                target,
                models.RateMetrics,
                query=given(
                    inbox_id=inbox_id, environment_id=environment_id, after=after, before=before
                ),
            )
        )
        return answer
