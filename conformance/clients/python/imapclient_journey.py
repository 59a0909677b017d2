"""What IMAPClient does; runs in the virtual environment that has it, a line of JSON a step."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientError, LoginError

given = json.loads(os.environ["JOURNEY"])
tls = ssl.create_default_context(cafile=given["certificate"])


@contextmanager
def step(name: str) -> Iterator[None]:
    """Tell how a step went; a failed one ends the script."""
    began = time.perf_counter()
    told: dict[str, object] = {"step": name}
    try:
        yield
    except Exception:
        told["reason"] = traceback.format_exc()
        raise SystemExit(1) from None
    finally:
        told["seconds"] = time.perf_counter() - began
        print(json.dumps(told), flush=True)


def letter(subject: str, text: str = "Grüße.") -> EmailMessage:
    """A message from the friend."""
    message = EmailMessage()
    message["From"] = given["friend"]
    message["To"] = given["user"]
    message["Subject"] = f"client {subject}"
    message["Message-ID"] = f"<{subject}@client.example>"
    message.set_content(text)
    message.add_attachment(b"0123456789", "application", "octet-stream", filename="Ü.bin")
    return message


def send(message: EmailMessage) -> None:
    """The friend sends it."""
    with smtplib.SMTP_SSL(given["host"], given["smtps"], context=tls) as smtp:
        smtp.login(given["friend"], given["friend_password"])
        smtp.send_message(message)


def connect() -> IMAPClient:
    """A connection that has not logged in."""
    return IMAPClient(given["host"], given["port"], ssl_context=tls, timeout=20)


def main() -> None:
    """The journey."""
    with step("be refused a wrong password"):
        try:
            connect().login(given["user"], "ap_mail_" + "x" * 32)
        except LoginError:
            pass
        else:
            raise AssertionError("this should have failed")
    client = connect()
    with step("log in, with AUTHENTICATE PLAIN as well"):
        client.login(given["user"], given["password"])
        other = connect()
        other.plain_login(given["user"], given["password"])
        assert client.has_capability("IMAP4REV1")
        assert client.has_capability("UIDPLUS")
        assert b"AgentPost" in client.id_({"name": "journey"})[0]
        assert client.namespace().personal == (("", "/"),)
    with step("list mailboxes with their uses"):
        listed = {name: flags for flags, _, name in client.list_folders()}
        assert {"INBOX", "Sent", "Drafts", "Trash"} <= set(listed)
        assert client.find_special_folder(b"\\Sent") == "Sent"
        assert b"\\Trash" in listed["Trash"]
    with step("receive and read"):
        send(letter("one"))
        send(letter("two"))
        assert client.select_folder("INBOX")[b"EXISTS"] == 2
        asked = ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]"]
        found = client.fetch(client.search(), asked)
        assert [found[uid][b"ENVELOPE"].subject for uid in (1, 2)] == [b"client one", b"client two"]
        assert found[1][b"ENVELOPE"].from_[0].mailbox.decode() in given["friend"]
        assert found[1][b"BODYSTRUCTURE"].is_multipart
        assert len(found[1][b"BODY[]"]) == found[1][b"RFC822.SIZE"]
        ago = datetime.now(UTC) - found[1][b"INTERNALDATE"].astimezone(UTC)
        assert abs(ago) < timedelta(minutes=5), ago
        assert client.fetch(1, "BODY[2]")[1][b"BODY[2]"].strip() == b"MDEyMzQ1Njc4OQ=="
    with step("search"):
        assert client.search(["SUBJECT", "two"]) == [2]
        assert client.search(["TEXT", "Grüße"], charset="UTF-8") == [1, 2]
        assert client.search(["NOT", ["OR", ["SUBJECT", "one"], ["SUBJECT", "two"]]]) == []
        assert client.search("UNSEEN") == [2]
    with step("flag, and label by keyword"):
        assert client.add_flags(1, ["\\Flagged", "invoice"])[1] >= (b"\\Flagged",)
        assert set(client.get_flags(1)[1]) >= {b"\\Flagged", b"\\Seen", b"invoice"}
        client.remove_flags(1, ["\\Seen"])
        assert b"\\Seen" not in client.get_flags(1)[1]
        client.set_flags(2, ["\\Answered"], silent=True)
        assert set(client.get_flags(2)[2]) - {b"\\Recent"} == {b"\\Answered"}
    with step("create, rename, subscribe and delete mailboxes beyond ASCII"):
        client.create_folder("Projects/Überblick")
        client.rename_folder("Projects/Überblick", "Projects/Überblick 2")
        client.subscribe_folder("Projects/Überblick 2")
        assert "Projects/Überblick 2" in [name for *_, name in client.list_sub_folders()]
        client.create_folder("Gone")
        assert client.folder_exists("Gone")
        client.delete_folder("Gone")
        assert not client.folder_exists("Gone")
        try:
            client.delete_folder("INBOX")
        except IMAPClientError:
            pass
        else:
            raise AssertionError("INBOX was deleted")
    with step("copy and move"):
        client.copy(2, "Archive" if client.folder_exists("Archive") else "Sent")
        client.move(1, "Projects/Überblick 2")
        assert client.search() == [2]
    with step("append"):
        when = datetime(2020, 2, 29, 12, 30, 1, tzinfo=timezone(timedelta(hours=-5)))
        text = letter("draft").as_bytes(policy=letter("draft").policy.clone(linesep="\r\n"))
        said = client.append("Drafts", text, ["\\Draft"], when)
        assert b"APPENDUID" in said, said
        status = client.folder_status("Drafts", ["MESSAGES", "UIDNEXT", "UNSEEN"])
        assert status == {b"MESSAGES": 1, b"UIDNEXT": 2, b"UNSEEN": 1}, status
        client.select_folder("Drafts", readonly=True)
        client.normalise_times = False
        row = client.fetch(1, ["INTERNALDATE", "BODY.PEEK[]"])[1]
        assert row[b"INTERNALDATE"] == when
        assert row[b"BODY[]"] == text
    with step("be told at once while idling, and of another's changes"):
        client.select_folder("INBOX")
        client.idle()
        send(letter("three"))
        began = time.perf_counter()
        assert (2, b"EXISTS") in client.idle_check(timeout=5)
        assert time.perf_counter() - began < 1
        other.select_folder("INBOX")
        other.add_flags(3, ["\\Flagged"])
        told = client.idle_check(timeout=5)
        if told == [(1, b"RECENT")]:  # Whose it is takes a transaction, and comes after EXISTS.
            told = client.idle_check(timeout=5)
        assert any(line[1] == b"FETCH" and b"\\Flagged" in str(line[2]).encode() for line in told)
        client.idle_done()
    with step("expunge, and be told of another's"):
        other.delete_messages(2)
        other.uid_expunge(2)
        client.noop()
        assert client.search() == [3]
        client.delete_messages(3)
        assert (1, b"EXPUNGE") in client.expunge()[1]
        assert client.search() == []
    with step("sort and thread, where offered"):
        client.select_folder("Projects/Überblick 2")
        if client.has_capability("SORT"):
            assert client.sort(["SUBJECT", "REVERSE DATE"]) == [1]
        if client.has_capability("THREAD=REFERENCES"):
            assert client.thread("REFERENCES") == ((1,),)
        if client.has_capability("QUOTA"):
            assert client.get_quota_root("INBOX")
    with step("unselect and log out"):
        client.unselect_folder()
        client.logout()
        other.logout()


if __name__ == "__main__":
    sys.exit(main())
