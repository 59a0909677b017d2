"""Operations of the API.  Written by ``python -m generators.client``; edit the endpoints instead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

from agentpost.client import _models as models
from agentpost.client._calls import Call, chosen, path
from agentpost.client._pages import AsyncPager, Page
from agentpost.client._values import NOT_GIVEN, NotGiven, given


class Domains:
    """Domains of your own."""

    def __init__(self, call: Callable[[Call[Any]], Any]) -> None:
        self._call = call

    def create(
        self,
        *,
        domain: str,
        client_id: str | NotGiven | None = NOT_GIVEN,
        inbound: bool | NotGiven = NOT_GIVEN,
        catch_all_inbox_id: str | NotGiven | None = NOT_GIVEN,
        subdomains: bool | NotGiven = NOT_GIVEN,
    ) -> models.Domain:
        """Add a domain.

        Adds a domain to the environment and says which records to publish for it.

        It is looked for in DNS by itself, with growing pauses for a week, and when you ask.  Nobody
        else can have it verified without control of its zone.  With a ``client_id`` that was used
        before, the existing domain is answered with status 200.

        domain: Also in other scripts
        inbound: Whether mail to the domain comes here
        catch_all_inbox_id: An inbox of the same environment that gets mail to unknown addresses
        subdomains: Whether addresses at every subdomain belong to it
        """
        target = "/api/v1/domains"
        answer: models.Domain = self._call(
            Call(
                "POST",
                target,
                models.Domain,
                body=given(
                    domain=domain,
                    client_id=client_id,
                    inbound=inbound,
                    catch_all_inbox_id=catch_all_inbox_id,
                    subdomains=subdomains,
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
        domain: str | NotGiven | None = NOT_GIVEN,
        status: Literal["failed", "pending", "suspended", "verified", "verifying"]
        | NotGiven
        | None = NOT_GIVEN,
    ) -> Page[models.Domain]:
        """List domains.

        The domains that the key covers, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/domains"
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
                    domain=domain,
                    status=status,
                ),
            ),
            models.Domain,
        )

    def get(
        self,
        domain_id: str,
    ) -> models.Domain:
        """Get a domain.

        One domain with its records and what was found of them.
        """
        target = path("/api/v1/domains/{}", domain_id)
        answer: models.Domain = self._call(Call("GET", target, models.Domain))
        return answer

    def update(
        self,
        domain_id: str,
        *,
        inbound: bool | NotGiven = NOT_GIVEN,
        catch_all_inbox_id: str | NotGiven | None = NOT_GIVEN,
        subdomains: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Domain:
        """Change a domain.

        Changes how the domain receives.  What is to be published may change with it.

        inbound: Whether mail to the domain comes here
        catch_all_inbox_id: An inbox of the same environment that gets mail to unknown addresses
        subdomains: Whether addresses at every subdomain belong to it
        """
        target = path("/api/v1/domains/{}", domain_id)
        answer: models.Domain = self._call(
            Call(
                "PATCH",
                target,
                models.Domain,
                body=given(
                    inbound=inbound, catch_all_inbox_id=catch_all_inbox_id, subdomains=subdomains
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    def delete(
        self,
        domain_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Remove a domain.

        Removes a domain at which no inbox lives any longer, with its keys.

        Deleted inboxes keep their mail; they can be restored only when the domain is verified again.
        """
        target = path("/api/v1/domains/{}", domain_id)
        self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))

    def verify(
        self,
        domain_id: str,
    ) -> models.Domain:
        """Look at a domain's records now.

        Asks DNS for every record and answers with what was found; once in five seconds at most.

        A domain is verified when everything required is found.  It is looked at again daily, and is
        no longer verified only when something was gone for more than a day.
        """
        target = path("/api/v1/domains/{}/verify", domain_id)
        answer: models.Domain = self._call(Call("POST", target, models.Domain))
        return answer

    def zone_file(
        self,
        domain_id: str,
    ) -> str:
        """Get the records as a zone file.

        The records in the form that BIND and most providers of DNS read.
        """
        target = path("/api/v1/domains/{}/zone-file", domain_id)
        answer: str = self._call(Call("GET", target, str))
        return answer

    def catch_all(
        self,
        domain_id: str,
        *,
        inbox_id: str | None,
        if_match: str | None = None,
    ) -> models.Domain:
        """Choose who gets mail to unknown addresses.

        Lets an inbox of the environment get what is written to unknown addresses of the domain.

        A message says in ``delivered_to`` where it was written to.  Without a catch-all such mail is
        refused.  The shared domain has none.

        inbox_id: An inbox of the same environment that gets mail to unknown addresses
        """
        target = path("/api/v1/domains/{}/catch-all", domain_id)
        answer: models.Domain = self._call(
            Call(
                "PUT",
                target,
                models.Domain,
                body=given(inbox_id=inbox_id),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer


class AsyncDomains:
    """Domains of your own."""

    def __init__(self, call: Callable[[Call[Any]], Awaitable[Any]]) -> None:
        self._call = call

    async def create(
        self,
        *,
        domain: str,
        client_id: str | NotGiven | None = NOT_GIVEN,
        inbound: bool | NotGiven = NOT_GIVEN,
        catch_all_inbox_id: str | NotGiven | None = NOT_GIVEN,
        subdomains: bool | NotGiven = NOT_GIVEN,
    ) -> models.Domain:
        """Add a domain.

        Adds a domain to the environment and says which records to publish for it.

        It is looked for in DNS by itself, with growing pauses for a week, and when you ask.  Nobody
        else can have it verified without control of its zone.  With a ``client_id`` that was used
        before, the existing domain is answered with status 200.

        domain: Also in other scripts
        inbound: Whether mail to the domain comes here
        catch_all_inbox_id: An inbox of the same environment that gets mail to unknown addresses
        subdomains: Whether addresses at every subdomain belong to it
        """
        target = "/api/v1/domains"
        answer: models.Domain = await self._call(
            Call(
                "POST",
                target,
                models.Domain,
                body=given(
                    domain=domain,
                    client_id=client_id,
                    inbound=inbound,
                    catch_all_inbox_id=catch_all_inbox_id,
                    subdomains=subdomains,
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
        domain: str | NotGiven | None = NOT_GIVEN,
        status: Literal["failed", "pending", "suspended", "verified", "verifying"]
        | NotGiven
        | None = NOT_GIVEN,
    ) -> AsyncPager[models.Domain]:
        """List domains.

        The domains that the key covers, newest first unless asked otherwise.

        limit: Rows of one page
        cursor: next_cursor of the page before; alias page_token
        order: desc: newest first
        after: Made later than this
        before: Made earlier than this
        """
        target = "/api/v1/domains"
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
                    domain=domain,
                    status=status,
                ),
            ),
            models.Domain,
        )

    async def get(
        self,
        domain_id: str,
    ) -> models.Domain:
        """Get a domain.

        One domain with its records and what was found of them.
        """
        target = path("/api/v1/domains/{}", domain_id)
        answer: models.Domain = await self._call(Call("GET", target, models.Domain))
        return answer

    async def update(
        self,
        domain_id: str,
        *,
        inbound: bool | NotGiven = NOT_GIVEN,
        catch_all_inbox_id: str | NotGiven | None = NOT_GIVEN,
        subdomains: bool | NotGiven = NOT_GIVEN,
        if_match: str | None = None,
    ) -> models.Domain:
        """Change a domain.

        Changes how the domain receives.  What is to be published may change with it.

        inbound: Whether mail to the domain comes here
        catch_all_inbox_id: An inbox of the same environment that gets mail to unknown addresses
        subdomains: Whether addresses at every subdomain belong to it
        """
        target = path("/api/v1/domains/{}", domain_id)
        answer: models.Domain = await self._call(
            Call(
                "PATCH",
                target,
                models.Domain,
                body=given(
                    inbound=inbound, catch_all_inbox_id=catch_all_inbox_id, subdomains=subdomains
                ),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer

    async def delete(
        self,
        domain_id: str,
        *,
        if_match: str | None = None,
    ) -> None:
        """Remove a domain.

        Removes a domain at which no inbox lives any longer, with its keys.

        Deleted inboxes keep their mail; they can be restored only when the domain is verified again.
        """
        target = path("/api/v1/domains/{}", domain_id)
        await self._call(Call("DELETE", target, None, headers=chosen({"If-Match": if_match})))

    async def verify(
        self,
        domain_id: str,
    ) -> models.Domain:
        """Look at a domain's records now.

        Asks DNS for every record and answers with what was found; once in five seconds at most.

        A domain is verified when everything required is found.  It is looked at again daily, and is
        no longer verified only when something was gone for more than a day.
        """
        target = path("/api/v1/domains/{}/verify", domain_id)
        answer: models.Domain = await self._call(Call("POST", target, models.Domain))
        return answer

    async def zone_file(
        self,
        domain_id: str,
    ) -> str:
        """Get the records as a zone file.

        The records in the form that BIND and most providers of DNS read.
        """
        target = path("/api/v1/domains/{}/zone-file", domain_id)
        answer: str = await self._call(Call("GET", target, str))
        return answer

    async def catch_all(
        self,
        domain_id: str,
        *,
        inbox_id: str | None,
        if_match: str | None = None,
    ) -> models.Domain:
        """Choose who gets mail to unknown addresses.

        Lets an inbox of the environment get what is written to unknown addresses of the domain.

        A message says in ``delivered_to`` where it was written to.  Without a catch-all such mail is
        refused.  The shared domain has none.

        inbox_id: An inbox of the same environment that gets mail to unknown addresses
        """
        target = path("/api/v1/domains/{}/catch-all", domain_id)
        answer: models.Domain = await self._call(
            Call(
                "PUT",
                target,
                models.Domain,
                body=given(inbox_id=inbox_id),
                headers=chosen({"If-Match": if_match}),
            )
        )
        return answer
