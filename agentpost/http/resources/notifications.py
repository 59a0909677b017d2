"""Where Amazon SNS posts what SES says (API.md, Operations); whoever else posts here is refused."""

from __future__ import annotations

from typing import Final

from agentpost.errors import Forbidden, InvalidRequest, NotFound, Overloaded
from agentpost.http.desk import desk_of
from agentpost.http.endpoint import Request, Response, Routes
from agentpost.limits import SnsLimits

_LIMITS: Final = SnsLimits()

routes = Routes("Server", root="")


@routes.post(
    "/internal/ses/sns",
    public=True,
    body=bytes,
    # SNS says text/plain of the JSON that it posts.
    accepts=("text/plain", "application/json"),
    status=204,
    summary="Notifications of Amazon SES",
    raises=(InvalidRequest, Forbidden, NotFound, Overloaded),
    max_body_octets=_LIMITS.max_body_octets,
    deadline_s=_LIMITS.answer_s,
    examples={
        "request": {
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:mail",
            "Message": "{}",
            "Timestamp": "2026-03-08T14:30:00.000Z",
            "SignatureVersion": "2",
            "Signature": "EXAMPLEw6JRN",
            "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0.pem",
        }
    },
)
async def take_notification(request: Request[bytes, None]) -> Response:
    """For Amazon SNS only: mail that came, and what became of mail that was sent.  The signature is
    checked; subscriptions to the configured topics are confirmed by themselves.  An answer of
    success comes after everything has been written down.
    """
    await desk_of(request).notifications.receive(request.body)
    return Response()
