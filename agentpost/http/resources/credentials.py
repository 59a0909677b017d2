"""Mail credentials: passwords for IMAP and SMTP, and their CSV export (R135; API.md, Inboxes)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from agentpost.clock import rfc3339
from agentpost.errors import Limit, RateLimited, UnknownField
from agentpost.http.desk import Terms, desk_of
from agentpost.http.endpoint import Body, Request, Response, Routes
from agentpost.http.paging import ListBody, ListQuery, Moment, cut
from agentpost.http.resources.inboxes import NewCredentialBody, new_credential_body
from agentpost.http.resources.shapes import EXAMPLE_TIME, Timestamp, coming, when
from agentpost.model.organization import MailCredential
from agentpost.store.credentials import ExportedCredential

routes = Routes("Mail credentials")

CSV: Final = "text/csv"
COLUMNS: Final = (
    "email",
    "imap_host",
    "imap_port",
    "smtp_host",
    "smtp_port",
    "username",
    "password",
)
"""Of the export, in this order and no others (R135)."""


class CredentialRequestBody(Body, frozen=True, forbid_unknown_fields=True):
    """A further credential of an inbox, for a device or a program."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    protocols: Annotated[
        list[Literal["imap", "smtp"]], Meta(min_length=1, description="Where it may log in")
    ] = msgspec.field(default_factory=lambda: ["imap", "smtp"])
    read_only: Annotated[bool, Meta(description="It can change nothing over IMAP")] = False
    approver: Annotated[
        bool,
        Meta(description="It decides about held messages over IMAP; needs approvals:decide"),
    ] = False
    expires_at: Moment | None = None


class CredentialBody(msgspec.Struct, frozen=True):
    """A mail credential without its password."""

    id: str
    inbox_id: str
    name: str
    protocols: list[str]
    read_only: bool
    approver: bool
    expires_at: Timestamp | None
    last_used_at: Timestamp | None
    created_at: Timestamp


_NEW: Final[dict[str, Any]] = {
    "id": "mc_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "name": "Ada's phone",
    "username": "support@acme.example",
    "password": "ap_mail_" + "x" * 24,
    "protocols": ["imap", "smtp"],
    "read_only": False,
    "approver": False,
    "expires_at": None,
    "imap": {"host": "mail.acme.example", "port": 993},
    "smtp": {"host": "mail.acme.example", "port": 465},
}
_LISTED: Final[dict[str, Any]] = {
    "id": "mc_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "inbox_id": "inb_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "name": "default",
    "protocols": ["imap", "smtp"],
    "read_only": False,
    "approver": False,
    "expires_at": None,
    "last_used_at": None,
    "created_at": EXAMPLE_TIME,
}


def credential_body(credential: MailCredential) -> CredentialBody:
    """A mail credential as the API shows it."""
    return CredentialBody(
        id=credential.id,
        inbox_id=credential.inbox,
        name=credential.name,
        protocols=list(credential.protocols),
        read_only=credential.read_only,
        approver=credential.approver,
        expires_at=when(credential.expires_at),
        last_used_at=when(credential.last_used_at),
        created_at=rfc3339(credential.created_at),
    )


@routes.get(
    "/inboxes/credentials/export",
    scope="credentials:read",
    answer=bytes,
    produces=(CSV,),
    summary="Export mail credentials as CSV",
    raises=(RateLimited,),
)
async def export_credentials(request: Request[None, None]) -> Response:
    """One line for each inbox that the key covers: where its mail is, and a login for it.

    The columns are email, imap_host, imap_port, smtp_host, smtp_port, username, password.  The
    password is empty where it is not readable again: in a deployment that keeps none, and for an
    inbox without a credential; rotate one to have it once more.  Every export is in the audit log,
    and a key makes at most 10 a minute, whatever its tier.
    """
    desk = desk_of(request)
    desk.governor.take_export(request.actor)
    lines = await desk.store.credentials.export(request.actor)
    fields = (("content-disposition", 'attachment; filename="credentials.csv"'),)
    table = credentials_csv(lines, desk.terms)
    return Response(table, fields=fields, media=f"{CSV}; charset=utf-8; header=present")


def credentials_csv(lines: Iterable[ExportedCredential], terms: Terms) -> bytes:
    """The export's table (RFC 4180)."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    imap, smtp = terms.imap, terms.smtp
    for line in lines:
        table.writerow(
            (
                line.email,
                imap.host,
                imap.port,
                smtp.host,
                smtp.port,
                line.username,
                line.password or "",
            )
        )
    return text.getvalue().encode()


@routes.get(
    "/inboxes/{inbox}/credentials",
    scope="credentials:read",
    query=ListQuery,
    answer=ListBody[CredentialBody],
    summary="List an inbox's mail credentials",
    examples={"response": {"data": [_LISTED], "next_cursor": None, "has_more": False}},
)
async def list_credentials(request: Request[None, ListQuery]) -> Response:
    """The credentials of an inbox that are not revoked, newest first unless asked otherwise."""
    desk, query = desk_of(request), request.query
    local = await desk.store.directory.reach(
        request.actor, "credentials:read", request.params["inbox"]
    )
    place = (request.actor.organization, "credentials", local.inbox)
    wanted = desk.cursors.page(query, *place)
    found = await desk.store.credentials.all(request.actor, local.inbox)
    page = cut(found, wanted, lambda credential: credential.id)
    return Response(desk.cursors.body(page, credential_body, query, *place))


@routes.post(
    "/inboxes/{inbox}/credentials",
    scope="credentials:write",
    body=CredentialRequestBody,
    answer=NewCredentialBody,
    status=201,
    summary="Make a mail credential",
    raises=(UnknownField, Limit),
    examples={"request": {"name": "Ada's phone"}, "response": _NEW},
)
async def create_credential(request: Request[CredentialRequestBody, None]) -> Response:
    """Makes a further password for the inbox, which is shown only here."""
    desk, body = desk_of(request), request.body
    local = await desk.store.directory.reach(
        request.actor, "credentials:write", request.params["inbox"]
    )
    made = await desk.store.credentials.create(
        request.actor,
        local.inbox,
        body.name,
        protocols=body.protocols,
        read_only=body.read_only,
        approver=body.approver,
        expires_at=coming("expires_at", body.expires_at),
    )
    return Response(new_credential_body(made, local.address, desk.terms), status=201)


@routes.delete(
    "/inboxes/{inbox}/credentials/{credential}",
    scope="credentials:write",
    status=204,
    summary="Revoke a mail credential",
)
async def revoke_credential(request: Request[None, None]) -> Response:
    """Ends a password at once; nobody logs in with it any longer."""
    params = request.params
    await desk_of(request).store.credentials.revoke(
        request.actor, params["inbox"], params["credential"]
    )
    return Response()


@routes.post(
    "/inboxes/{inbox}/credentials/{credential}/rotate",
    scope="credentials:write",
    answer=NewCredentialBody,
    summary="Rotate a mail credential",
    examples={"response": _NEW},
)
async def rotate_credential(request: Request[None, None]) -> Response:
    """Gives a credential a new password, which is shown only here; the old one ends at once."""
    desk, params = desk_of(request), request.params
    local = await desk.store.directory.reach(request.actor, "credentials:write", params["inbox"])
    made = await desk.store.credentials.rotate(request.actor, local.inbox, params["credential"])
    return Response(new_credential_body(made, local.address, desk.terms))
