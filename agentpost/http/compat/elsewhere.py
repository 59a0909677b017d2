"""What AgentMail has and this server has not: 501 ``not_supported``, and what to do instead."""

from __future__ import annotations

from typing import Any, Final

from agentpost.errors import NotSupported
from agentpost.http.compat.mount import at, mounted
from agentpost.http.endpoint import Method, Query, Request, Response

routes = mounted("Not supported")

_ACCOUNT: Final = "/accounts/{account}"
_CALENDAR: Final = "/inboxes/{inbox}/calendar"
_EVENT: Final = _CALENDAR + "/events/{event}"
_FILES: Final = "/inboxes/{inbox}/files"
_ARMOR: Final = "/inboxes/{inbox}/messages/{message}/agent-armor"
_KEEP: Final = "Keep accounts of other services in a program of your own."
_AGENDA: Final = "Keep the calendar elsewhere; invitations arrive as attachments (text/calendar)."
_SHARE: Final = "Send files as attachments; POST /api/v1/attachments takes large ones beforehand."

ABSENT: Final[dict[str, tuple[tuple[Method, str], ...]]] = {
    _KEEP: (
        *(
            ("GET", place + path)
            for place in ("", "/inboxes/{inbox}", "/pods/{pod}")
            for path in ("/accounts", _ACCOUNT)
        ),
        ("PATCH", _ACCOUNT + "/update"),
        ("GET", "/apps"),
        ("GET", "/apps/search"),
        ("GET", "/apps/{app}"),
        ("GET", "/apps/{app}/accounts"),
        ("POST", "/apps/{app}/connect"),
    ),
    "Make an organization with `agentpost org create`, and keys with /v0/api-keys.": (
        ("POST", "/agent/sign-up"),
        ("POST", "/agent/human"),
        ("POST", "/agent/verify"),
        ("POST", "/inboxes/{inbox}/authorize"),
    ),
    _AGENDA: (
        ("GET", _CALENDAR),
        ("PATCH", _CALENDAR),
        ("GET", _CALENDAR + "/events"),
        ("GET", _CALENDAR + "/agenda"),
        ("POST", _CALENDAR + "/events"),
        ("GET", _EVENT),
        ("PATCH", _EVENT),
        ("DELETE", _EVENT),
        ("GET", _EVENT + "/instances"),
        ("POST", _EVENT + "/respond"),
    ),
    _SHARE: (
        ("POST", _FILES),
        ("GET", _FILES),
        ("GET", _FILES + "/{file}"),
        ("DELETE", _FILES + "/{file}"),
        ("POST", _FILES + "/{file}/complete"),
    ),
    "Use filter rules, and approvals for what is to be looked at before it goes.": (
        ("POST", _ARMOR + "/feedback"),
        ("POST", _ARMOR + "/release"),
    ),
    "There are no features to join; everything that is there is on.": (
        ("GET", "/organizations/labs"),
        ("POST", "/organizations/labs"),
    ),
}
"""Methods and paths by what to do instead."""


class AnyQuery(Query, frozen=True, forbid_unknown_fields=False):
    """Whatever is asked; the answer is the same."""


def _declare(fix: str, method: Method, path: str) -> None:
    async def absent(request: Request[Any, Any]) -> Response:
        raise NotSupported(fix=fix)

    absent.__doc__ = fix
    at(
        routes,
        method,
        path,
        status=501,
        query=AnyQuery,
        raises=(NotSupported,),
        summary="Not supported",
    )(absent)


for _fix, _paths in ABSENT.items():
    for _method, _path in _paths:
        _declare(_fix, _method, _path)
