"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class FilterRules:
    """Whom inboxes may write to, and whose mail they take."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def create(
        self,
        *,
        direction: Literal["receive", "reply", "send"],
        action: Literal["allow", "block"],
        match_type: Literal["address", "domain", "subdomain_wildcard"],
        value: str,
        scope: Literal["env", "environment", "inbox", "org", "organization"]
        | NotGiven
        | None = NOT_GIVEN,
        inbox: str | NotGiven | None = NOT_GIVEN,
        note: str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Rule:
        """Make a filter rule.

        Makes a rule.  It holds within seconds, over every protocol.

        Where no rule matches, mail goes.  An allow rule makes an exception from a block; to allow only
        some, block ``*`` beside it.  With a ``client_id`` that was used before, the existing rule is
        answered with status 200.

        direction: send: to whom; receive: from whom; reply: to whom as an answer
        match_type: The more specific wins: address, domain, subdomain_wildcard
        value: ada@example.org; example.org; *.example.org, or * for everyone
        scope: What it is about; inbox when one is named, else the environment
        inbox: Id or address, for a rule of one inbox
        """
        target = "/api/v1/filter-rules"
        answer: models.Rule = self._call(
            Call(
                "POST",
                target,
                models.Rule,
                body=given(
                    direction=direction,
                    action=action,
                    match_type=match_type,
                    value=value,
                    scope=scope,
                    inbox=inbox,
                    note=note,
                    client_id=client_id,
                ),
            )
        )
        return answer

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        direction: Literal["receive", "reply", "send"] | NotGiven | None = NOT_GIVEN,
        action: Literal["allow", "block"] | NotGiven | None = NOT_GIVEN,
        scope: Literal["env", "environment", "inbox", "org", "organization"]
        | NotGiven
        | None = NOT_GIVEN,
        inbox: str | NotGiven | None = NOT_GIVEN,
        value: str | NotGiven | None = NOT_GIVEN,
    ) -> Page[models.Rule]:
        """List filter rules.

        The rules that reach into what the key covers, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        inbox: Rules of this inbox alone
        value: Exactly as the rule shows it
        """
        target = "/api/v1/filter-rules"
        return Page(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(
                    limit=limit,
                    cursor=cursor,
                    order=order,
                    after=after,
                    before=before,
                    direction=direction,
                    action=action,
                    scope=scope,
                    inbox=inbox,
                    value=value,
                ),
            ),
            models.Rule,
        )

    def check(
        self,
        *,
        direction: Literal["receive", "reply", "send"],
        address: str,
        inbox: str,
    ) -> models.Checked:
        """Ask which rule decides.

        Says whether mail between an inbox and an address goes, and which rule decides.

        For ``reply`` the rules for replies decide, and where none matches those for sending.

        direction: send: to whom; receive: from whom; reply: to whom as an answer
        inbox: Id or address of the inbox that sends or receives
        """
        target = "/api/v1/filter-rules/check"
        answer: models.Checked = self._call(
            Call(
                "POST",
                target,
                models.Checked,
                body=given(direction=direction, address=address, inbox=inbox),
            )
        )
        return answer

    def get(
        self,
        rule_id: str,
    ) -> models.Rule:
        """Get a filter rule.

        One rule by its id.
        """
        target = path("/api/v1/filter-rules/{}", rule_id)
        answer: models.Rule = self._call(Call("GET", target, models.Rule))
        return answer

    def update(
        self,
        rule_id: str,
        *,
        action: Literal["allow", "block"] | NotGiven = NOT_GIVEN,
        note: str | NotGiven | None = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Rule:
        """Change a filter rule.

        Changes what the rule does, or its note; make another rule to match something else.
        """
        target = path("/api/v1/filter-rules/{}", rule_id)
        answer: models.Rule = self._call(
            Call(
                "PATCH",
                target,
                models.Rule,
                body=given(action=action, note=note),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def delete(
        self,
        rule_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Delete a filter rule.

        Removes the rule; what it decided is decided by the next that matches.
        """
        target = path("/api/v1/filter-rules/{}", rule_id)
        self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))


class AsyncFilterRules:
    """Whom inboxes may write to, and whose mail they take."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def create(
        self,
        *,
        direction: Literal["receive", "reply", "send"],
        action: Literal["allow", "block"],
        match_type: Literal["address", "domain", "subdomain_wildcard"],
        value: str,
        scope: Literal["env", "environment", "inbox", "org", "organization"]
        | NotGiven
        | None = NOT_GIVEN,
        inbox: str | NotGiven | None = NOT_GIVEN,
        note: str | NotGiven | None = NOT_GIVEN,
        client_id: str | NotGiven | None = NOT_GIVEN,
    ) -> models.Rule:
        """Make a filter rule.

        Makes a rule.  It holds within seconds, over every protocol.

        Where no rule matches, mail goes.  An allow rule makes an exception from a block; to allow only
        some, block ``*`` beside it.  With a ``client_id`` that was used before, the existing rule is
        answered with status 200.

        direction: send: to whom; receive: from whom; reply: to whom as an answer
        match_type: The more specific wins: address, domain, subdomain_wildcard
        value: ada@example.org; example.org; *.example.org, or * for everyone
        scope: What it is about; inbox when one is named, else the environment
        inbox: Id or address, for a rule of one inbox
        """
        target = "/api/v1/filter-rules"
        answer: models.Rule = await self._call(
            Call(
                "POST",
                target,
                models.Rule,
                body=given(
                    direction=direction,
                    action=action,
                    match_type=match_type,
                    value=value,
                    scope=scope,
                    inbox=inbox,
                    note=note,
                    client_id=client_id,
                ),
            )
        )
        return answer

    def list(
        self,
        *,
        limit: int | NotGiven = NOT_GIVEN,
        cursor: str | NotGiven | None = NOT_GIVEN,
        order: Literal["asc", "desc"] | NotGiven = NOT_GIVEN,
        after: datetime | str | NotGiven | None = NOT_GIVEN,
        before: datetime | str | NotGiven | None = NOT_GIVEN,
        direction: Literal["receive", "reply", "send"] | NotGiven | None = NOT_GIVEN,
        action: Literal["allow", "block"] | NotGiven | None = NOT_GIVEN,
        scope: Literal["env", "environment", "inbox", "org", "organization"]
        | NotGiven
        | None = NOT_GIVEN,
        inbox: str | NotGiven | None = NOT_GIVEN,
        value: str | NotGiven | None = NOT_GIVEN,
    ) -> AsyncPager[models.Rule]:
        """List filter rules.

        The rules that reach into what the key covers, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        inbox: Rules of this inbox alone
        value: Exactly as the rule shows it
        """
        target = "/api/v1/filter-rules"
        return AsyncPager(
            self._call,
            Call(
                "GET",
                target,
                dict,
                query=given(
                    limit=limit,
                    cursor=cursor,
                    order=order,
                    after=after,
                    before=before,
                    direction=direction,
                    action=action,
                    scope=scope,
                    inbox=inbox,
                    value=value,
                ),
            ),
            models.Rule,
        )

    async def check(
        self,
        *,
        direction: Literal["receive", "reply", "send"],
        address: str,
        inbox: str,
    ) -> models.Checked:
        """Ask which rule decides.

        Says whether mail between an inbox and an address goes, and which rule decides.

        For ``reply`` the rules for replies decide, and where none matches those for sending.

        direction: send: to whom; receive: from whom; reply: to whom as an answer
        inbox: Id or address of the inbox that sends or receives
        """
        target = "/api/v1/filter-rules/check"
        answer: models.Checked = await self._call(
            Call(
                "POST",
                target,
                models.Checked,
                body=given(direction=direction, address=address, inbox=inbox),
            )
        )
        return answer

    async def get(
        self,
        rule_id: str,
    ) -> models.Rule:
        """Get a filter rule.

        One rule by its id.
        """
        target = path("/api/v1/filter-rules/{}", rule_id)
        answer: models.Rule = await self._call(Call("GET", target, models.Rule))
        return answer

    async def update(
        self,
        rule_id: str,
        *,
        action: Literal["allow", "block"] | NotGiven = NOT_GIVEN,
        note: str | NotGiven | None = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Rule:
        """Change a filter rule.

        Changes what the rule does, or its note; make another rule to match something else.
        """
        target = path("/api/v1/filter-rules/{}", rule_id)
        answer: models.Rule = await self._call(
            Call(
                "PATCH",
                target,
                models.Rule,
                body=given(action=action, note=note),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def delete(
        self,
        rule_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Delete a filter rule.

        Removes the rule; what it decided is decided by the next that matches.
        """
        target = path("/api/v1/filter-rules/{}", rule_id)
        await self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))
