"""What is in a message, octet for octet, whole and in parts."""

from __future__ import annotations

import hashlib

import pytest

from tests.http.resources.conftest import Tenant, deliver, letter

FILES = (
    b"From: ada@example.org\r\nSubject: Files\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>Hi</p>\r\n"
    b"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename*=UTF-8''%C3%A4%22b.pdf\r\n\r\nJVBERi0xLjQ=\r\n"
    b"--b\r\nContent-Type: image/png\r\nContent-ID: <logo>\r\nContent-Disposition: inline\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\niVBORw==\r\n--b--\r\n"
)


async def test_the_raw_message_is_what_came(acme: Tenant) -> None:
    octets = letter(text="\u00e4\r\n.dot\r\n" + "x" * 2000)
    placed = await deliver(acme.store, await acme.inbox(), octets)
    path = f"/messages/{placed.message}/raw"
    raw = await acme.call("GET", path)
    assert (raw.status, raw.octets) == (200, octets)
    assert raw.fields["content-type"] == "message/rfc822"
    tag = f'"{hashlib.sha256(octets).hexdigest()}"'
    assert raw.fields["etag"] == tag
    same = await acme.call("GET", path, if_none_match=tag)
    assert (same.status, same.octets) == (304, b"")
    head = await acme.call("HEAD", path)
    assert (head.status, head.octets) == (200, b"")
    assert head.fields["content-length"] == str(len(octets))


@pytest.mark.parametrize("size", [2_000, 600_000])
async def test_ranges_of_small_and_large_messages(acme: Tenant, size: int) -> None:
    octets = letter(text="0123456789" * (size // 10))
    placed = await deliver(acme.store, await acme.inbox(), octets)
    path, total = f"/messages/{placed.message}/raw", len(octets)
    whole = await acme.call("GET", path)
    assert whole.octets == octets
    assert whole.fields["content-length"] == str(total)
    assert "transfer-encoding" not in whole.fields
    for asked, start, end in (
        ("bytes=0-0", 0, 1),
        ("bytes=5-", 5, total),
        ("bytes=-7", total - 7, total),
        (f"bytes=10-{total * 2}", 10, total),
        (f"bytes=-{total * 2}", 0, total),
    ):
        part = await acme.call("GET", path, range=asked)
        assert (part.status, part.octets) == (206, octets[start:end]), asked
        assert part.fields["content-range"] == f"bytes {start}-{end - 1}/{total}"
    for asked in ("bytes=5-1", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=a-b"):
        ignored = await acme.call("GET", path, range=asked)
        assert (ignored.status, ignored.octets) == (200, octets), asked
    for asked in (f"bytes={total}-", "bytes=-0"):
        beyond = await acme.call("GET", path, range=asked)
        assert (beyond.status, beyond.code) == (416, "range_not_satisfiable"), asked
        assert beyond.fields["content-range"] == f"bytes */{total}"
    tag = whole.fields["etag"]
    assert (await acme.call("GET", path, range="bytes=0-3", if_range=tag)).status == 206
    assert (await acme.call("GET", path, range="bytes=0-3", if_range='"old"')).status == 200


async def test_files_are_listed_and_downloaded(acme: Tenant) -> None:
    placed = await deliver(acme.store, await acme.inbox(), FILES)
    base = f"/messages/{placed.message}/attachments"
    pdf, logo = (await acme.call("GET", base)).json["data"]
    assert (pdf["filename"], pdf["mime_type"], pdf["size"]) == (
        "\u00e4_b.pdf",
        "application/pdf",
        8,
    )
    assert (logo["inline"], logo["content_id"], logo["filename"]) == (True, "logo", None)
    assert pdf["id"].startswith("att_")
    assert len(pdf["id"]) == 30
    assert pdf["id"] != logo["id"]
    assert (await acme.call("GET", f"{base}/{pdf['id']}")).json == pdf
    content = await acme.call("GET", f"{base}/{pdf['id']}/content", accept="application/pdf")
    assert (content.status, content.octets) == (200, b"%PDF-1.4")
    assert content.fields["content-type"] == "application/pdf"
    assert content.fields["content-disposition"] == (
        "attachment; filename=\"__b.pdf\"; filename*=UTF-8''%C3%A4_b.pdf"
    )
    assert "sandbox" in content.fields["content-security-policy"]
    assert content.fields["x-content-type-options"] == "nosniff"
    part = await acme.call("GET", f"{base}/{pdf['id']}/content", range="bytes=1-3")
    assert (part.status, part.octets) == (206, b"PDF")
    whole = (await acme.call("GET", f"/messages/{placed.message}")).json
    assert whole["attachments"] == [pdf, logo]
    assert whole["has_attachments"] is True
    for name in ("att_01JQ8X5K2M3N4P5R6S7T8V9W00", "x", "..%2F.."):
        for path in (f"{base}/{name}", f"{base}/{name}/content"):
            answer = await acme.call("GET", path)
            assert (answer.status, answer.code) == (404, "not_found")


async def test_a_hostile_type_is_offered_as_octets(acme: Tenant) -> None:
    octets = FILES.replace(b"application/pdf", b"text/html\x01; charset=x").replace(
        b"%C3%A4%22b.pdf", b"a%0D%0AX-Evil:%201.html"
    )
    placed = await deliver(acme.store, await acme.inbox(), octets)
    base = f"/messages/{placed.message}/attachments"
    for file in (await acme.call("GET", base)).json["data"]:
        content = await acme.call("GET", f"{base}/{file['id']}/content")
        assert content.status == 200
        assert "x-evil" not in content.fields
        assert content.fields["content-disposition"].startswith("attachment")


async def test_an_id_of_one_message_means_nothing_in_another(acme: Tenant) -> None:
    inbox = await acme.inbox()
    one, two = await deliver(acme.store, inbox, FILES), await deliver(acme.store, inbox, FILES)
    first = (await acme.call("GET", f"/messages/{one.message}/attachments")).json["data"][0]
    answer = await acme.call("GET", f"/messages/{two.message}/attachments/{first['id']}")
    assert answer.status == 404


async def test_delivery_is_told_recipient_by_recipient(acme: Tenant) -> None:
    inbox, other = await acme.inbox(), await acme.inbox("other")
    body = {"to": [other.address, "ada@elsewhere.example"], "subject": "x", "text": "y"}
    sent = (await acme.call("POST", f"/inboxes/{inbox.id}/messages", body)).json
    delivery = (await acme.call("GET", f"/messages/{sent['id']}/delivery")).json
    assert (delivery["message_id"], delivery["status"]) == (sent["id"], "queued")
    states = {each["email"]: (each["state"], each["local"]) for each in delivery["recipients"]}
    assert states == {
        other.address: ("delivered", True),
        "ada@elsewhere.example": ("queued", False),
    }
    whole = (await acme.call("GET", f"/messages/{sent['id']}")).json
    assert whole["delivery"]["recipients"] == delivery["recipients"]


async def test_contents_need_their_scope_and_their_tenant(acme: Tenant, globex: Tenant) -> None:
    placed = await deliver(acme.store, await acme.inbox(), FILES)
    base = f"/messages/{placed.message}"
    file = (await acme.call("GET", f"{base}/attachments")).json["data"][0]["id"]
    paths = (
        f"{base}/raw",
        f"{base}/attachments",
        f"{base}/attachments/{file}",
        f"{base}/attachments/{file}/content",
        f"{base}/delivery",
    )
    sender = await acme.caller("messages:send")
    for path in paths:
        assert (await sender("GET", path)).status == 403
        assert (await globex.call("GET", path)).status == 404
