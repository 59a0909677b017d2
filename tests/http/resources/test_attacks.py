"""Hostile input against the REST API, and what is expected of it, row by row.

The rows are numbered as in the collection of attacks beside the checkout; who plays which is in
``tests/house/test_attacks.py``.
"""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
import trio

from agentpost import clock
from agentpost.http.endpoint import Endpoint
from agentpost.http.resources import RESOURCES
from agentpost.store.pool import Connection
from tests.http.resources.conftest import ALL, Answer, Api, Caller, Tenant, deliver, letter

LETTER: Final[dict[str, Any]] = {"to": "ada@x.example", "subject": "Hello", "text": "Hi."}
ROUTES: Final = [endpoint for routes in RESOURCES for endpoint in routes.endpoints]
ABSENT: Final = "01JQ8X5K2M3N4P5R6S7T8V9W00"


async def raw(call: Caller, message: str) -> bytes:
    return (await call("GET", f"/messages/{message}/raw")).octets


def named(octets: bytes, name: bytes) -> list[bytes]:
    """The lines of the header that begin a field of this name."""
    header = octets.partition(b"\r\n\r\n")[0]
    return [line for line in header.split(b"\r\n") if line.lower().startswith(name + b":")]


# R01. Header fields


@pytest.mark.parametrize(
    "subject",
    [
        "=?utf-8?q?a=0D=0ABcc:_evil@x.test?=",
        "=?utf-8?b?" + b64encode(b"a\r\nBcc: evil@x.test\r\n\r\nbody").decode() + "?=",
        "a =?utf-8?q?=0ABcc:_evil@x.test?=",
        "=?utf-8?q?a=E2=80=A8Bcc:_evil@x.test?=",
        "=?utf-8?q?a=00=0BBcc:_evil@x.test?=",
    ],
)
@pytest.mark.parametrize("way", ["reply", "reply-all", "forward"])
async def test_r01_02_a_received_subject_becomes_no_field(
    api: Api, acme: Tenant, subject: str, way: str
) -> None:
    inbox = await acme.inbox()
    received = letter(subject, sender=f"{subject} <ada@x.example>", to=inbox.address)
    placed = await deliver(api.store, inbox, received)
    body = {"text": "Yes."} | ({"to": "bob@x.example"} if way == "forward" else {})
    sent = await acme.call("POST", f"/messages/{placed.message}/{way}", body)
    assert sent.status == 202, sent.octets
    octets = await raw(acme.call, sent.json["id"])
    assert named(octets, b"bcc") == []
    assert len(named(octets, b"subject")) == 1
    assert b"\0" not in octets
    header = octets.partition(b"\r\n\r\n")[0]
    assert re.search(rb"\r(?!\n)|(?<!\r)\n", header) is None
    recipients = (await acme.call("GET", f"/messages/{sent.json['id']}/delivery")).json
    assert "evil@x.test" not in [one["email"] for one in recipients["recipients"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X\r\nBcc", "evil@x.test"),
        ("X: y\r\nBcc", "evil@x.test"),
        ("X\nBcc", "evil@x.test"),
        ("X ", "y"),
        ("", "y"),
        ("X:", "y"),
        ("Ⅹ", "y"),
        ("X-A", "y\r\nBcc: evil@x.test"),
        ("X-A", "y\nBcc: evil@x.test"),
        ("X-A", "y\rBcc: evil@x.test"),
        ("X-A", "y\u2028Bcc: evil@x.test"),
        ("Bcc", "evil@x.test"),
        ("bCC", "evil@x.test"),
        ("From", "ceo@bank.test"),
        ("Resent-Bcc", "evil@x.test"),
        ("X-SES-Source-Arn", "arn"),
    ],
)
async def test_r01_03_no_name_or_value_of_a_field_makes_another(
    acme: Tenant, name: str, value: str
) -> None:
    inbox = await acme.inbox()
    for headers in ({name: value}, [{"name": name, "value": value}]):
        answer = await acme.call(
            "POST", f"/inboxes/{inbox.id}/messages", LETTER | {"headers": headers}
        )
        assert (answer.status, answer.code) == (422, "validation_failed")
        assert answer.paths[0].startswith("headers")
    assert (await acme.call("GET", f"/inboxes/{inbox.id}/messages")).json["data"] == []


# R02. Who asks, and for what


def _alike(answer: Answer) -> tuple[int, bytes, list[str]]:
    """An answer without what differs between any two requests."""
    body = re.sub(rb"req_[0-9A-Z]{26}", b"", answer.octets)
    return answer.status, body, sorted(answer.fields.keys() - {"date"})


async def test_r02_01_another_s_object_and_none_are_told_in_the_same_octets(
    api: Api, acme: Tenant, globex: Tenant
) -> None:
    inbox = await acme.inbox()
    placed = await deliver(api.store, inbox)
    for path, there in (
        ("/inboxes/{}", inbox.id),
        ("/inboxes/{}/messages", inbox.id),
        ("/inboxes/{}/changes?since=0", inbox.id),
        ("/messages/{}", placed.message),
        ("/messages/{}/raw", placed.message),
        ("/threads/{}", placed.thread),
        ("/environments/{}", acme.environment.id),
    ):
        foreign = await globex.call("GET", path.format(there))
        nowhere = await globex.call("GET", path.format(there[:4] + ABSENT))
        assert foreign.status == 404
        assert _alike(foreign) == _alike(nowhere), path
    unknown = await globex.call("GET", "/inboxes/nobody%40shared.test")
    assert _alike(await globex.call("GET", f"/inboxes/{inbox.address}")) == _alike(unknown)


async def test_r02_01_the_time_of_a_refusal_tells_nothing(
    api: Api, acme: Tenant, globex: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many statements run for what is another's as for what does not exist."""
    inbox = await acme.inbox()
    placed = await deliver(api.store, inbox)
    said: list[str] = []
    for name in ("row", "rows", "value", "execute"):
        monkeypatch.setattr(Connection, name, _noting(said, getattr(Connection, name)))
    for path, there in (
        ("/messages/{}", placed.message),
        ("/messages/{}/raw", placed.message),
        ("/threads/{}", placed.thread),
        ("/inboxes/{}/messages", inbox.id),
    ):
        runs = []
        for name in (there, there[:4] + ABSENT):
            said.clear()
            assert (await globex.call("GET", path.format(name))).status == 404
            runs.append(list(said))
        assert runs[0] == runs[1], path
        assert runs[0], path


def _noting(said: list[str], method: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    async def noting(connection: Connection, sql: str, *arguments: object) -> Any:
        if "secret_hash" not in sql:  # Who asks is remembered for a while.
            said.append(sql)
        return await method(connection, sql, *arguments)

    return noting


async def test_r02_01_a_cursor_of_another_list_opens_nothing(
    api: Api, acme: Tenant, globex: Tenant
) -> None:
    inbox = await acme.inbox()
    for _ in range(2):
        await deliver(api.store, inbox)
    path = f"/inboxes/{inbox.id}/messages?limit=1"
    cursor = (await acme.call("GET", path)).json["next_cursor"]
    assert (await acme.call("GET", f"{path}&cursor={cursor}")).status == 200
    other = await globex.inbox("other")
    mine = await acme.inbox("mine")
    bent = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    for call, where in (
        (globex.call, f"/inboxes/{other.id}/messages?limit=1&cursor={cursor}"),
        (acme.call, f"/inboxes/{mine.id}/messages?limit=1&cursor={cursor}"),
        (acme.call, f"{path}&cursor={cursor}&seen=true"),
        (acme.call, f"{path}&cursor={cursor}&order=asc"),
        (acme.call, f"/inboxes/{inbox.id}/threads?limit=1&cursor={cursor}"),
        (acme.call, f"{path}&cursor={bent}"),
        (acme.call, f"{path}&cursor=" + "A" * 5_000),
        (acme.call, f"{path}&cursor=%00"),
    ):
        answer = await call("GET", where)
        assert (answer.status, answer.code) in (
            (400, "invalid_cursor"),
            (400, "malformed_request"),
        ), where


async def test_r02_01_a_key_that_ended_is_no_key(acme: Tenant) -> None:
    """RFC 6750 section 3.1: expired and revoked alike are 401."""
    expired = await acme.caller(*ALL, expires_at=clock.now())
    answer = await expired("GET", "/me")
    assert (answer.status, answer.code) == (401, "expired")
    assert "www-authenticate" in answer.fields
    revoked = await acme.caller(*ALL)
    key = (await revoked("GET", "/me")).json["key_id"]
    await acme.store.keys.revoke(acme.actor, key)
    assert (await revoked("GET", "/me")).status == 401


async def test_r02_03_a_hundred_side_by_side_send_once(acme: Tenant) -> None:
    inbox = await acme.inbox()
    answers: list[Answer] = []
    calls = [Caller(acme.call.port, acme.call.key) for _ in range(100)]
    acme.callers.extend(calls)

    async def send(call: Caller) -> None:
        path = f"/inboxes/{inbox.id}/messages"
        answers.append(await call("POST", path, LETTER, idempotency_key="once"))

    async with trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(send, call)
    assert {(a.status, a.json.get("code")) for a in answers} <= {
        (202, None),
        (409, "idempotency_in_flight"),
    }
    assert len({a.json["id"] for a in answers if a.status == 202}) == 1
    listed = (await acme.call("GET", f"/inboxes/{inbox.id}/messages")).json["data"]
    assert len(listed) == 1
    other = await acme.call(
        "POST", f"/inboxes/{inbox.id}/messages", LETTER | {"text": "No."}, idempotency_key="once"
    )
    assert (other.status, other.code) == (409, "idempotency_key_reuse")


async def test_r02_03_a_hundred_side_by_side_make_one_inbox(acme: Tenant, globex: Tenant) -> None:
    answers: list[Answer] = []
    calls = [Caller(acme.call.port, acme.call.key) for _ in range(100)]
    acme.callers.extend(calls)

    async def create(call: Caller) -> None:
        answers.append(await call("POST", "/inboxes", {"client_id": "the-one"}))

    async with trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(create, call)
    assert sorted({a.status for a in answers}) == [200, 201]
    assert sum(a.status == 201 for a in answers) == 1
    assert len({a.json["id"] for a in answers}) == 1
    theirs = await globex.call("POST", "/inboxes", {"client_id": "the-one"})
    assert theirs.status == 201
    assert theirs.json["id"] != answers[0].json["id"]


HOSTILE_JSON: Final = {
    "depth": b"[" * 100_000,
    "deep objects": b'{"metadata":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    "a long key": b'{"' + b"k" * 1_000_000 + b'":1}',
    "a key twice": b'{"username":"a","username":"b","username":7}',
    "NaN": b'{"metadata":{"a":NaN}}',
    "Infinity": b'{"metadata":{"a":-Infinity}}',
    "a lone surrogate": b'{"display_name":"\\ud800"}',
    "a lone surrogate as a key": b'{"metadata":{"\\udfff":1}}',
    "NUL": b'{"display_name":"a\\u0000b"}',
    "a raw NUL": b'{"display_name":"a\0b"}',
    "NUL in a key": b'{"metadata":{"\\u0000":"b"}}',
    "1e400": b'{"metadata":{"a":1e400}}',
    "no UTF-8": b'{"display_name":"\xff\xfe"}',
    "overlong UTF-8": b'{"display_name":"\xc0\xaf"}',
    "UTF-16": '{"display_name":"a"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"display_name":"a"}',
    "no object": b'"text"',
    "a number": b"1" * 100_000,
    "nothing but space": b" \t\r\n" * 1_000,
    "two values": b"{}{}",
    "a comment": b"{/* */}",
}


@pytest.mark.parametrize("octets", HOSTILE_JSON.values(), ids=HOSTILE_JSON)
async def test_r02_04_hostile_json_is_the_caller_s_mistake(acme: Tenant, octets: bytes) -> None:
    inbox = await acme.inbox()
    began = time.perf_counter()
    for method, path in (
        ("POST", "/inboxes"),
        ("PATCH", f"/inboxes/{inbox.id}"),
        ("POST", f"/inboxes/{inbox.id}/messages"),
        ("POST", f"/inboxes/{inbox.id}/drafts"),
        ("POST", "/messages/batch-get"),
        ("POST", "/environments"),
        ("POST", "/api-keys"),
    ):
        answer = await acme.call(method, path, octets, content_type="application/json")
        assert answer.status in (400, 413, 422), (method, path, answer.octets)
        assert answer.json["fix"]
    assert time.perf_counter() - began < 5


async def test_r02_04_a_body_over_the_bound_is_not_read(acme: Tenant) -> None:
    body = b'{"' + b"k" * 10 * 1024 * 1024 + b'":1}'
    stream = await trio.open_tcp_stream("127.0.0.1", acme.call.port)
    async with stream:
        head = (
            f"POST /api/v1/inboxes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {acme.call.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        await stream.send_all(head.encode() + body[:65_536])
        with trio.fail_after(5):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("number", [2**70, -(2**70), "1e400", "NaN", "１", "1_0", "0x1", ""])
async def test_r02_04_numbers_beyond_measure_are_refused(acme: Tenant, number: object) -> None:
    inbox = await acme.inbox()
    for path in (
        f"/inboxes/{inbox.id}/messages?limit={number}",
        f"/inboxes/{inbox.id}/changes?since={number}",
        f"/inboxes/{inbox.id}/threads?limit={number}",
    ):
        quoted = path.replace("１", "%EF%BC%91")
        assert (await acme.call("GET", quoted)).status == 400, path
    for number_of in ("max_imap_connections",):
        body = {"settings": {number_of: number}}
        assert (await acme.call("PATCH", f"/inboxes/{inbox.id}", body)).status == 422


FOREIGN_NAMES: Final = (
    "..%2F..%2Fetc%2Fpasswd",
    "%2e%2e",
    "%2e%2e%2f",
    "..",
    "A" * 5_000,
    "inb_" + "A" * 5_000,
    "inb_01jq8x5k2m3n4p5r6s7t8v9w00",
    "INB_01JQ8X5K2M3N4P5R6S7T8V9W00",
    "inb_01JQ8X5K2M3N4P5R6S7T8V9WIL",
    "org_" + ABSENT,
    "msg_" + ABSENT,
    "thr_" + ABSENT,
    "drf_" + ABSENT,
    "%27%20OR%201%3D1--",
    "%F0%9F%92%A9",
    "%ED%A0%80",
    "%FF",
    "*",
    "%25",
    "null",
    "0",
)


@pytest.mark.parametrize("name", FOREIGN_NAMES)
async def test_r02_05_what_is_no_id_of_that_kind_is_not_found(acme: Tenant, name: str) -> None:
    wrong = {}
    for endpoint in _with_ids():
        path = re.sub(r"\{[a-z]+\}", name, endpoint.path)
        if endpoint.query is not None and endpoint.query.__name__ == "ChangesQuery":
            path += "?since=0"
        answer = await acme.call("GET", path)
        if answer.status not in (400, 404) or (answer.status == 400 and "%" not in name):
            wrong[path] = (answer.status, answer.octets)
    assert wrong == {}


def _with_ids() -> list[Endpoint]:
    return [
        endpoint
        for endpoint in ROUTES
        if endpoint.method == "GET" and "{" in endpoint.path and not endpoint.public
    ]


async def test_r02_05_nul_in_a_path_is_no_request(acme: Tenant) -> None:
    for name in ("%00", "inb_%00", "a%00@shared.test"):
        assert (await acme.call("GET", f"/inboxes/{name}")).status == 400


async def test_r02_06_nobody_says_of_itself_where_it_comes_from(acme: Tenant) -> None:
    bound = await acme.caller("inboxes:read", ip_allow=("203.0.113.7/32",))
    forged = {
        "x_forwarded_for": "203.0.113.7",
        "forwarded": "for=203.0.113.7;host=evil.test",
        "x_forwarded_host": "evil.test",
        "x_forwarded_proto": "http",
        "x_real_ip": "203.0.113.7",
        "host": "evil.test",
    }
    answer = await bound("GET", "/me", **forged)
    assert (answer.status, answer.code) == (403, "forbidden")
    made = await acme.call("POST", "/inboxes", {}, **forged)
    assert made.status == 201
    shown = made.octets + json.dumps(made.fields).encode()
    assert b"evil.test" not in shown


# R03. URLs that lead inside

INSIDE: Final = (
    "http://127.0.0.1/",
    "http://localhost:5432/",
    "http://169.254.169.254/latest/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[::127.0.0.1]/",
    "http://2130706433/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://\u2460\u2461\u2466.0.0.1/",
    "http://127\u30020\u30020\u30021/",
    "http://a.test\\@127.0.0.1/",
    "http://a@127.0.0.1/",
    "http://127.0.0.1#@a.test/",
    "http://public.test:25/",
    "http://0.0.0.0/",
    "http://224.0.0.1/",
    "file:///etc/passwd",
    "gopher://x",
    "//127.0.0.1/",
    "https://a.test/\r\nX-A: b",
    "https://a.test/\x00",
)


@pytest.mark.parametrize("url", INSIDE)
async def test_r03_no_door_takes_a_url_that_leads_inside(acme: Tenant, url: str) -> None:
    """Webhooks, made and changed, in both spellings; and files that are fetched."""
    inbox = await acme.inbox()
    hook = {"url": "https://public.test/", "event_types": ["message.received"]}
    made = await acme.call("POST", "/webhooks", hook)
    letter = LETTER | {"attachments": [{"url": url}]}
    for method, path, body in (
        ("POST", "/webhooks", hook | {"url": url}),
        ("PATCH", f"/webhooks/{made.json['id']}", {"url": url}),
        ("POST", "/v0/webhooks", hook | {"url": url}),
        ("POST", f"/inboxes/{inbox.id}/messages", letter),
        ("POST", f"/inboxes/{inbox.id}/drafts", letter),
    ):
        answer = await acme.call(method, path, body)
        assert (answer.status, answer.code) == (422, "validation_failed"), (path, answer.octets)
        # Nothing of an answer that it may have got, and no word that tells open from closed.
        assert "refused" not in answer.json["message"].lower()
    assert len((await acme.call("GET", "/webhooks")).json["data"]) == 1
    assert (await acme.call("GET", f"/inboxes/{inbox.id}/messages")).json["data"] == []


# R06. Credentials


def _token(head: dict[str, object], signature: str) -> str:
    def part(value: object) -> str:
        return b64encode(json.dumps(value).encode(), b"-_").decode().rstrip("=")

    claims = {"sub": "key_1", "scope": "*", "exp": 9_999_999_999}
    return f"{part(head)}.{part(claims)}.{signature}"


@pytest.mark.parametrize(
    "token",
    [
        _token({"alg": "none"}, ""),
        _token({"alg": "HS256", "kid": "../../dev/null"}, "AAAA"),
        _token({"alg": "RS256", "jku": "https://evil.test/keys"}, "AAAA"),
        _token({"alg": "HS256", "kid": "' UNION SELECT 'x"}, "AAAA"),
    ],
)
async def test_r06_01_a_token_nobody_issued_is_no_key(api: Api, token: str) -> None:
    caller = api.stranger()
    answer = await caller("GET", "/me", authorization=f"Bearer {token}")
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert token not in answer.octets.decode()


async def test_r06_05_a_key_is_known_by_all_its_characters(acme: Tenant) -> None:
    key = acme.call.key
    assert key is not None
    near = [key[:-1] + other for other in "aZ0" if other != key[-1]]
    for wrong in (*near, key + "a", key[:-1], key.upper(), key + "%20", key[:14] + "x" * 32):
        caller = Caller(acme.call.port, wrong)
        acme.callers.append(caller)
        assert (await caller("GET", "/me")).status == 401, wrong
    assert (await acme.call("GET", "/me")).status == 200


# R07. What strangers' files could do in a browser


@pytest.mark.parametrize(
    ("media", "name"),
    [
        ("text/html", "a.html"),
        ("image/svg+xml", "a.svg"),
        ("text/plain", "a.txt"),
        ("application/xhtml+xml", "a.xhtml"),
        ("text/html\t; x", "a.html"),
        ("a/b", 'a\\"\\r\\nSet-Cookie: a=b'),
        ("nonsense", "=?utf-8?q?a=0D=0ASet-Cookie:_a=3Db.html?="),
    ],
)
async def test_r07_02_a_file_is_never_shown(api: Api, acme: Tenant, media: str, name: str) -> None:
    inbox = await acme.inbox()
    octets = (
        f"From: a@x.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        f'Content-Type: {media}\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\n'
        f"<script>alert(1)</script>\r\n--b--\r\n"
    ).encode()
    placed = await deliver(api.store, inbox, octets)
    path = f"/messages/{placed.message}"
    listed = (await acme.call("GET", f"{path}/attachments")).json["data"]
    for where in (f"{path}/attachments/{listed[0]['id']}/content", f"{path}/raw"):
        answer = await acme.call("GET", where)
        assert answer.status == 200
        assert answer.fields["content-disposition"].startswith("attachment;")
        assert answer.fields["x-content-type-options"] == "nosniff"
        assert answer.fields["content-security-policy"] == "sandbox; default-src 'none'"
        assert "set-cookie" not in answer.fields
