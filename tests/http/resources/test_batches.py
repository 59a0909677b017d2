"""Several messages in one request: each has its own result, none hinders another."""

from __future__ import annotations

from tests.http.resources.conftest import Tenant, deliver

ABSENT = "msg_01JQ8X5K2M3N4P5R6S7T8V9W00"


async def test_each_message_has_its_result(acme: Tenant, globex: Tenant) -> None:
    inbox = await acme.inbox()
    one, two = await deliver(acme.store, inbox), await deliver(acme.store, inbox)
    theirs = await deliver(globex.store, await globex.inbox())
    wanted = [one.message, ABSENT, theirs.message, "no id", two.message]
    got = (await acme.call("POST", "/messages/batch-get", {"ids": wanted})).json["results"]
    assert [each["id"] for each in got] == wanted
    assert [each["status"] for each in got] == [200, 404, 404, 404, 200]
    assert got[1]["error"] == got[2]["error"]
    assert got[0]["message"]["id"] == one.message
    texts = await acme.call("POST", "/messages/batch-get", {"ids": [one.message], "view": "llm"})
    assert texts.json["results"][0]["message"]["extracted_text"] == "Good morning."
    change = {"ids": wanted, "add_labels": ["seen-by-bot"], "seen": True}
    changed = (await acme.call("POST", "/messages/batch-update", change)).json["results"]
    assert [each["status"] for each in changed] == [200, 404, 404, 404, 200]
    assert changed[4]["message"]["labels"] == ["seen-by-bot"]
    gone = (await acme.call("POST", "/messages/batch-delete", {"ids": wanted})).json["results"]
    assert [each["status"] for each in gone] == [204, 404, 404, 404, 204]
    assert (await acme.call("GET", f"/messages/{two.message}")).json["folder"] == "Trash"
    destroy = {"ids": [one.message], "permanent": True}
    await acme.call("POST", "/messages/batch-delete", destroy)
    assert (await acme.call("GET", f"/messages/{one.message}")).status == 404
    assert (await globex.call("GET", f"/messages/{theirs.message}")).json["seen"] is False


async def test_batches_are_bounded_and_scoped(acme: Tenant) -> None:
    for path in ("batch-get", "batch-update", "batch-delete"):
        for ids in ([], [ABSENT] * 101):
            answer = await acme.call("POST", f"/messages/{path}", {"ids": ids})
            assert (answer.status, answer.paths) == (422, ["ids"])
    nobody = await acme.caller("inboxes:read")
    for path in ("batch-get", "batch-update", "batch-delete"):
        assert (await nobody("POST", f"/messages/{path}", {"ids": [ABSENT]})).status == 403
