"""curl: IMAP and SMTP over TLS, and the REST interface, one transfer a step."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from conformance.clients import letters
from conformance.clients.install import debian
from conformance.clients.journey import Steps, run
from conformance.clients.place import HOST, Account, Place

_LOGIN_DENIED = 67
_RECEIVED_NO = 55
_QUIET = ("--silent", "--show-error", "--max-time", "20")


def version() -> str:
    """The version of the installed program."""
    return run([debian("curl", "curl"), "--version"]).split()[1].decode()


def journey(place: Place, steps: Steps) -> None:
    """Mail in and out, mailboxes made and removed, and the same inbox over REST."""
    _imap(place, steps)
    _smtp(place, steps)
    _rest(place, steps)


class _Curl:
    def __init__(self, place: Place, account: Account) -> None:
        self._place = place
        self._address = account.address
        user = ["--user", f"{account.address}:{account.password}"]
        self._options: list[str | Path] = [*_QUIET, "--cacert", place.certificate, *user]

    def imap(self, where: str, *options: str | Path, status: int = 0) -> bytes:
        url = f"imaps://{HOST}:{self._place.port('imaps')}/{where}"
        return run(["curl", *self._options, *options, url], status=status)

    def smtp(self, url: str, recipient: str, *options: str | Path, status: int = 0) -> bytes:
        envelope = ["--mail-from", self._address, "--mail-rcpt", recipient]
        return run(["curl", *self._options, *options, *envelope, url], status=status)


def _imap(place: Place, steps: Steps) -> None:
    curl = _Curl(place, place.inbox)
    first = letters.rich(place.friend.address, place.inbox.address, "curl first")
    second = letters.plain(place.friend.address, place.inbox.address, "curl second")
    with steps("log in and list mailboxes"):
        listed = curl.imap("")
        for name in (b"INBOX", b"Sent", b"Drafts", b"Trash"):
            assert re.search(rb'^\* LIST \([^)]*\) "/" "?' + name, listed, re.MULTILINE), listed
    with steps("refuse a wrong password"):
        stranger = Account("", place.inbox.address, "ap_mail_" + "x" * 32)
        _Curl(place, stranger).imap("", status=_LOGIN_DENIED)
    with steps("log in with AUTHENTICATE PLAIN, with and without an initial response"):
        curl.imap("", "--login-options", "AUTH=PLAIN")
        curl.imap("", "--login-options", "AUTH=PLAIN", "--sasl-ir")
    with steps("receive"):
        place.receive(first, second)
        assert curl.imap("INBOX?UNSEEN") == b"* SEARCH 1 2\r\n"
    with steps("read a message octet for octet"):
        with place.witness() as witness:
            there = witness.mail()
        assert curl.imap("INBOX;UID=1") == there["curl first"]
        assert there["curl first"].endswith(first.octets)
        assert curl.imap("INBOX;MAILINDEX=2").endswith(second.octets)
    with steps("read a section"):
        text = curl.imap("INBOX;UID=1;SECTION=1.1")
        assert text.startswith("Grüße aus Köln\r\n.\r\n..two".encode()), text
        header = curl.imap("INBOX;UID=2;SECTION=HEADER.FIELDS%20(SUBJECT)")
        assert header.startswith(b"Subject: curl second\r\n"), header
    with steps("search"):
        assert curl.imap("INBOX?SUBJECT%20second") == b"* SEARCH 2\r\n"
        assert curl.imap("INBOX?SUBJECT%20nothing") in (b"* SEARCH\r\n", b"* SEARCH \r\n")
    with steps("flag"):
        curl.imap("INBOX", "-X", r"STORE 1 +FLAGS (\Flagged invoice)")
        with place.witness() as witness:
            assert witness.flags()["curl first"] >= {"\\Flagged", "invoice"}
    with steps("append"):
        draft = place.write(
            "draft.eml", letters.plain(place.inbox.address, "x@y.example", "draft").octets
        )
        curl.imap("Drafts", "-T", draft)
        with place.witness() as witness:
            assert witness.mail("Drafts")["draft"] == draft.read_bytes()
    with steps("create and rename a mailbox"):
        curl.imap("", "-X", "CREATE Projects/Alpha")
        curl.imap("", "-X", "RENAME Projects/Alpha Projects/Beta")
        assert b"Projects/Beta" in curl.imap("", "-X", 'LIST "" "Projects/%"')
    with steps("move and copy"):
        curl.imap("INBOX", "-X", "UID COPY 1 Projects/Beta")
        curl.imap("INBOX", "-X", "UID MOVE 2 Projects/Beta")
        with place.witness() as witness:
            assert witness.subjects("Projects/Beta") == ["curl first", "curl second"]
            assert witness.subjects() == ["curl first"]
            assert witness.flags("Projects/Beta")["curl first"] >= {"\\Flagged", "invoice"}
    with steps("delete messages and a mailbox"):
        curl.imap("INBOX", "-X", r"STORE 1 +FLAGS (\Deleted)")
        curl.imap("INBOX", "-X", "EXPUNGE")
        curl.imap("", "-X", "DELETE Projects/Beta")
        with place.witness() as witness:
            assert witness.subjects() == []
            assert "Projects/Beta" not in witness.mailboxes()
    with steps("be told of a mailbox that is not there"):
        # What curl calls a denied login is any NO.
        curl.imap("Nowhere;UID=1", status=_LOGIN_DENIED)


def _smtp(place: Place, steps: Steps) -> None:
    curl = _Curl(place, place.friend)
    smtps = f"smtps://{HOST}:{place.port('smtps')}/journey.example"
    submission = f"smtp://{HOST}:{place.port('submission')}/journey.example"
    me, friend = place.inbox.address, place.friend.address
    with steps("send over implicit TLS"):
        letter = letters.rich(friend, me, "curl smtps")
        curl.smtp(smtps, me, "--upload-file", place.write("smtps.eml", letter.octets))
        with place.witness() as witness:
            assert witness.mail()["curl smtps"].endswith(letter.octets)
    with steps("send with STARTTLS"):
        letter = letters.rich(friend, me, "curl starttls")
        file = place.write("starttls.eml", letter.octets)
        curl.smtp(submission, me, "--ssl-reqd", "--upload-file", file)
        with place.witness() as witness:
            assert witness.mail()["curl starttls"].endswith(letter.octets)
    with steps("find what was sent in Sent"), place.witness(place.friend) as witness:
        assert {"curl smtps", "curl starttls"} <= set(witness.subjects("Sent"))
    with steps("be refused an unknown recipient"):
        nobody = "nobody@" + me.partition("@")[2]
        file = place.write("nobody.eml", letters.plain(friend, nobody, "nobody").octets)
        curl.smtp(smtps, nobody, "--upload-file", file, status=_RECEIVED_NO)


def _rest(place: Place, steps: Steps) -> None:
    def rest(path: str, *options: str | Path) -> bytes:
        url = f"http://127.0.0.1:{place.port('http')}/api/v1/{path}"
        bearer = f"Authorization: Bearer {place.server.key}"
        return run(["curl", *_QUIET, "--fail-with-body", "-H", bearer, *options, url])

    with steps("create, list and get an inbox"):
        as_json = ["-H", "Content-Type: application/json"]
        made: dict[str, Any] = json.loads(
            rest("inboxes", "-X", "POST", *as_json, "-d", '{"username": "made-by-curl"}')
        )
        assert made["id"] in {each["id"] for each in json.loads(rest("inboxes"))["data"]}
        assert json.loads(rest(f"inboxes/{made['id']}"))["email"] == made["email"]
    with steps("export the credentials"):
        lines = rest("inboxes/credentials/export").decode().split("\n")
        columns = "email,imap_host,imap_port,smtp_host,smtp_port,username,password"
        assert lines[0].strip() == columns, lines[0]
        assert any(line.startswith(place.inbox.address + ",") for line in lines)
    with steps("list and read the mail that IMAP shows"):
        listed = json.loads(rest(f"inboxes/{place.inbox.id}/messages?folder=INBOX"))["data"]
        with place.witness() as witness:
            there = witness.mail()
        assert {each["subject"] for each in listed} == set(there)
        for each in listed:
            assert rest(f"messages/{each['id']}/raw") == there[each["subject"]]
    with steps("send and see it arrive"):
        body = {"to": [{"email": place.inbox.address}], "subject": "curl rest", "text_body": "Hi."}
        path = f"inboxes/{place.friend.id}/messages"
        rest(path, "-X", "POST", *as_json, "-d", json.dumps(body))
        with place.witness() as witness:
            assert "curl rest" in witness.subjects()
