"""How an inbox's mail fares, and letting it send again (R49, R65; API.md, Inboxes)."""

from __future__ import annotations

from tests.http.resources.conftest import Api, Tenant


async def counted(api: Api, acme: Tenant, inbox: str, *numbers: int) -> None:
    """As if this had been counted today: sent, bounced, complained."""
    await api.store.database.run(
        "*",
        lambda c: c.execute(
            "INSERT INTO reputation (inbox_id, day, organization_id, sent, bounced, complained)"
            " VALUES ($1, current_date, $2, $3, $4, $5)",
            inbox,
            acme.organization.id,
            *numbers,
        ),
    )


async def test_a_new_inbox_is_excellent(acme: Tenant) -> None:
    inbox = await acme.inbox()
    found = (await acme.call("GET", f"/inboxes/{inbox.address}/deliverability")).json
    assert (found["score"], found["rating"], found["sent"]) == (100.0, "excellent", 0)
    assert found["next_threshold"] == {"rating": "good", "below_score": 90.0}
    assert found["pauses"] == {
        "bounce_rate": 0.05,
        "complaint_rate": 0.003,
        "min_sample": 100,
        "window_days": 30,
    }


async def test_the_numbers_behind_the_score(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await counted(api, acme, inbox.id, 200, 4, 1)
    found = (await acme.call("GET", f"/inboxes/{inbox.id}/deliverability?window_days=7")).json
    assert (found["score"], found["rating"], found["window_days"]) == (80.0, "good", 7)
    assert (found["bounce_rate"], found["complaint_rate"]) == (0.02, 0.005)
    assert found["reason_to_pause"] is None
    path = f"/inboxes/{inbox.id}/deliverability?window_days="
    for days in ("0", "91", "x"):
        assert (await acme.call("GET", path + days)).status == 400


async def test_an_inbox_with_bad_numbers_resumes_by_force_only(api: Api, acme: Tenant) -> None:
    inbox = await acme.inbox()
    await counted(api, acme, inbox.id, 200, 100, 0)
    await acme.call("POST", f"/inboxes/{inbox.id}/pause", {"reason": "manual"})
    found = (await acme.call("GET", f"/inboxes/{inbox.id}/deliverability")).json
    assert (found["rating"], found["next_threshold"]) == ("critical", None)
    assert (found["reason_to_pause"], found["send_paused"]) == ("bounce_rate", True)
    path = f"/inboxes/{inbox.id}/resume"
    refused = await acme.call("POST", path)
    assert (refused.status, refused.code) == (409, "deliverability_critical")
    limited = await acme.caller("inboxes:write")
    assert (await limited("POST", path, {"force": True})).code == "forbidden"
    resumed = await acme.call("POST", path, {"force": True})
    assert (resumed.status, resumed.json["send_paused"]) == (200, False)
    after = (await acme.call("GET", f"/inboxes/{inbox.id}/deliverability")).json
    assert (after["score"], after["reason_to_pause"]) == (0.0, None)
