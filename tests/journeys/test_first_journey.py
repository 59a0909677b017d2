"""The journey the product exists for: an inbox by REST, mail by SMTP, told by IMAP IDLE at once,
listed by REST, and a reply that threads."""

from __future__ import annotations

import imaplib
import smtplib
import time
from email.message import EmailMessage

from tests.server import Server


def _message(sender: str, recipient: str, subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = subject
    message["Message-ID"] = f"<{time.time_ns()}@journey.example>"
    message.set_content("The parcel arrives on Monday.\r\n")
    return message


def _send(server: Server, message: EmailMessage, username: str, password: str) -> float:
    with smtplib.SMTP_SSL("127.0.0.1", server.port("smtps"), context=server.tls) as client:
        client.login(username, password)
        assert client.send_message(message) == {}
        return time.perf_counter()


def _idle(client: imaplib.IMAP4_SSL) -> None:
    client.send(b"idle1 IDLE\r\n")
    assert client.readline().startswith(b"+")


def _done(client: imaplib.IMAP4_SSL) -> None:
    client.send(b"DONE\r\n")
    while not client.readline().startswith(b"idle1 OK"):
        pass


def test_mail_sent_by_smtp_is_told_by_idle_listed_by_rest_and_its_reply_threads(
    server: Server,
) -> None:
    support = server.make_inbox("support")
    customer = server.make_inbox("customer")
    reader = imaplib.IMAP4_SSL("127.0.0.1", server.port("imaps"), ssl_context=server.tls)
    reader.login(support["email"], support["credential"]["password"])
    assert reader.select("INBOX") == ("OK", [b"0"])
    _idle(reader)

    question = _message(customer["email"], support["email"], "Where is my parcel?")
    accepted = _send(server, question, customer["email"], customer["credential"]["password"])
    assert reader.readline() == b"* 1 EXISTS\r\n"
    told = time.perf_counter()
    assert told - accepted < 0.1
    _done(reader)

    listed = server.call("GET", f"/api/v1/inboxes/{support['id']}/messages").json["data"]
    assert [each["subject"] for each in listed] == ["Where is my parcel?"]
    assert listed[0]["from_address"]["email"] == customer["email"]
    fetched = reader.fetch("1", "(RFC822)")[1][0]
    assert isinstance(fetched, tuple)
    raw = server.call("GET", f"/api/v1/messages/{listed[0]['id']}/raw")
    assert raw.octets == fetched[1]

    answered = server.call(
        "POST", f"/api/v1/messages/{listed[0]['id']}/reply", {"text_body": "On Monday."}
    )
    assert answered.status == 202
    assert answered.json["thread_id"] == listed[0]["thread_id"]
    back = server.call("GET", f"/api/v1/inboxes/{customer['email']}/messages").json["data"]
    reply = next(each for each in back if each["direction"] == "inbound")
    original = next(each for each in back if each["direction"] == "outbound")
    assert reply["subject"] == "Re: Where is my parcel?"
    assert reply["thread_id"] == original["thread_id"]
    reader.logout()


def test_labels_flags_and_folders_are_the_same_over_rest_and_imap(server: Server) -> None:
    inbox = server.make_inbox("both-ways")
    password = inbox["credential"]["password"]
    _send(server, _message(inbox["email"], inbox["email"], "Both"), inbox["email"], password)
    client = imaplib.IMAP4_SSL("127.0.0.1", server.port("imaps"), ssl_context=server.tls)
    client.login(inbox["email"], password)
    client.select("INBOX")
    client.store("1", "+FLAGS", r"(\Flagged invoice)")
    where = f"/api/v1/inboxes/{inbox['id']}/messages?folder=INBOX"
    message = server.call("GET", where).json["data"][0]
    assert message["flagged"] is True
    assert message["labels"] == ["invoice"]

    change = {"add_labels": ["urgent"], "remove_labels": ["invoice"], "seen": True}
    changed = server.call("PATCH", f"/api/v1/messages/{message['id']}", change)
    assert changed.status == 200
    client.noop()
    flags = client.fetch("1", "(FLAGS)")[1][0]
    assert isinstance(flags, bytes)
    assert b"urgent" in flags
    assert b"\\Seen" in flags
    assert b"invoice" not in flags

    server.call("PATCH", f"/api/v1/messages/{message['id']}", {"folder": "Archive"})
    client.noop()
    assert client.select("INBOX") == ("OK", [b"0"])
    assert client.select("Archive") == ("OK", [b"1"])
    client.logout()
