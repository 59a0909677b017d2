"""Logins over IMAP and SMTP: which credential opens what, and what a stranger is told.

A stranger is told the same in every case, octet for octet: a wrong secret, an inbox that there is
not, and an inbox that is another's all look alike.  Only who holds the right secret learns more.
"""

from __future__ import annotations

import pytest

from agentpost.store.inboxes import InboxRequest
from tests.isolation.world import World

_STRANGER_IMAP = "NO [AUTHENTICATIONFAILED] "
_STRANGER_SMTP = "535 5.7.8 "


async def _both(world: World, username: str, password: str) -> tuple[str, str]:
    return (
        await world.imap_login(username, password),
        await world.smtp_login(username, password),
    )


async def _is_a_stranger(world: World, username: str, password: str) -> None:
    """The answers are those to a secret that was never given out, for an inbox that never was."""
    told = await _both(world, username, password)
    assert told == await _both(world, "nobody@shared.test", "ap_mail_" + "x" * 32)
    assert told[0].startswith(_STRANGER_IMAP)
    assert told[1].startswith(_STRANGER_SMTP)


async def test_the_inbox_s_own_credentials_open_it(world: World) -> None:
    key = await world.key("messages:read", "messages:write")
    for secret in (world.acme.password, key.secret):
        for name in (world.acme.address, world.acme.inbox.inbox.id):
            imap, smtp = await _both(world, name, secret)
            assert imap == "OK", imap
            assert smtp.startswith("235 "), smtp


async def test_another_organization_s_inbox_is_like_none(world: World) -> None:
    key = await world.key("messages:read", "messages:write")
    for name in (world.globex.address, world.globex.inbox.inbox.id):
        await _is_a_stranger(world, name, key.secret)
        await _is_a_stranger(world, name, world.acme.password)
    await _is_a_stranger(world, "inb_" + "0" * 26, key.secret)


async def test_another_environment_s_inbox_is_like_none(world: World) -> None:
    key = await world.key("messages:read", "messages:write", environment=world.elsewhere)
    await _is_a_stranger(world, world.acme.address, key.secret)


async def test_another_inbox_s_credential_is_like_none(world: World) -> None:
    other, _ = await world.store.inboxes.create(world.acme.owner, InboxRequest("other"))
    await _is_a_stranger(world, other.inbox.address, world.acme.password)


async def test_a_deleted_inbox_is_like_none(world: World) -> None:
    await world.store.inboxes.delete(world.acme.owner, world.acme.inbox.inbox.id)
    await _is_a_stranger(world, world.acme.address, world.acme.password)


async def test_a_revoked_credential_is_like_none_at_once(world: World) -> None:
    key = await world.key("messages:read", "messages:write")
    assert world.acme.inbox.credential is not None
    credential = world.acme.inbox.credential.credential.id
    for secret in (key.secret, world.acme.password):
        assert (await world.imap_login(world.acme.address, secret)) == "OK"
    await world.store.keys.revoke(world.acme.owner, key.key.id)
    await world.store.credentials.revoke(world.acme.owner, world.acme.address, credential)
    for secret in (key.secret, world.acme.password):
        await _is_a_stranger(world, world.acme.address, secret)


async def test_expiry_is_told_to_the_holder_alone(world: World) -> None:
    key = await world.key("messages:read", "messages:write")
    assert world.acme.inbox.credential is not None
    await world.expire("api_keys", key.key.id)
    await world.expire("mail_credentials", world.acme.inbox.credential.credential.id)
    for secret in (key.secret, world.acme.password):
        imap, smtp = await _both(world, world.acme.address, secret)
        assert imap.startswith("NO [EXPIRED] ")
        assert smtp.startswith("535 5.7.")
        await _is_a_stranger(world, world.globex.address, secret)


@pytest.mark.parametrize(
    ("scopes", "imap", "smtp"),
    [
        (("messages:read",), "OK", "5"),
        (("messages:write",), "NO [", "235 "),
        (("messages:send",), "NO [", "235 "),
        (("labels:write", "messages:delete", "inboxes:read"), "NO [", "5"),
    ],
)
async def test_a_key_needs_the_protocol_s_scope(
    world: World, scopes: tuple[str, ...], imap: str, smtp: str
) -> None:
    key = await world.key(*scopes)
    told = await _both(world, world.acme.address, key.secret)
    assert told[0].startswith(imap), told
    assert told[1].startswith(smtp), told
    if imap != "OK":
        assert "messages:read" in told[0]
    if smtp == "5":
        assert "messages:write" in told[1]
    # What is missing is told to who may know that the inbox exists.
    await _is_a_stranger(world, world.globex.address, key.secret)


@pytest.mark.parametrize(
    ("protocols", "read_only", "imap", "smtp"),
    [
        (("imap",), False, True, False),
        (("smtp",), False, False, True),
        (("imap", "smtp"), True, True, False),
        (("imap",), True, True, False),
    ],
)
async def test_a_mail_credential_is_for_its_protocols(
    world: World, protocols: tuple[str, ...], read_only: bool, imap: bool, smtp: bool
) -> None:
    made = await world.store.credentials.create(
        world.acme.owner, world.acme.address, "Narrow", protocols=protocols, read_only=read_only
    )
    told = await _both(world, world.acme.address, made.secret)
    assert (told[0] == "OK") is imap, told
    assert told[1].startswith("235 ") is smtp, told
    if not imap:
        assert told[0].startswith("NO ["), told
        assert not told[0].startswith(_STRANGER_IMAP), told
    if not smtp:
        assert told[1].startswith("5"), told
    await _is_a_stranger(world, world.globex.address, made.secret)


async def test_a_read_only_credential_changes_nothing(world: World) -> None:
    made = await world.store.credentials.create(
        world.acme.owner, world.acme.address, "Reader", read_only=True
    )
    client = world.stranger()
    await client.ok(f'LOGIN "{world.acme.address}" "{made.secret}"')
    assert b"[READ-ONLY]" in await client.command("SELECT INBOX")
    for command in (
        "STORE 1 +FLAGS (\\Deleted)",
        "COPY 1 Archive",
        "MOVE 1 Archive",
        "CREATE Mine",
        "DELETE Mine",
        "RENAME Archive Mine",
        "APPEND INBOX {1+}\r\nx",
        "EXPUNGE",
    ):
        answer = await client.command(command)
        # EXPUNGE and COPY and MOVE say that the mailbox is, the others that the credential is.
        assert b" NO [NOPERM] " in answer or b" NO [READ-ONLY] " in answer, (command, answer)
    assert b"Attack at dawn" in await client.ok("FETCH 1 (BODY[])")
    assert b"\\Seen" not in await client.ok("FETCH 1 (FLAGS)")
