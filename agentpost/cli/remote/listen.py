"""``agentpost listen``: events as they happen, on the screen or handed to a program nearby.

With ``--forward-to`` each event is posted to an address of this machine as a webhook would be,
signed, so that the receiver of webhooks can be written where the internet does not reach.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from agentpost.auth.signatures import new_secret, signed
from agentpost.cli.output import Failure
from agentpost.cli.remote.calling import base_url_option, call, record

if TYPE_CHECKING:
    import httpx2

    from agentpost import AgentPost
    from agentpost.client import Event

_POST_S = 30.0


@click.command("listen")
@click.option("--inbox", help="Only this inbox, by its id.")
@click.option("--event", "events", multiple=True, help='Type; repeatable; "*" is all of them.')
@click.option("--from-seq", type=click.IntRange(min=0), help="Begin behind this event.")
@click.option("--forward-to", metavar="URL", help="Post each event there, signed as a webhook is.")
@click.option(
    "--secret", envvar="AGENTPOST_WEBHOOK_SECRET", help="whsec_... to sign with; else a new one."
)
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many events.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each event.")
@base_url_option
def listen_command(
    inbox: str | None,
    events: tuple[str, ...],
    from_seq: int | None,
    forward_to: str | None,
    secret: str | None,
    count: int | None,
    *,
    as_json: bool,
    base_url: str | None,
) -> None:
    """Show events as they happen, until Ctrl-C; what breaks is taken up where it was.

    \b
    Examples:
      agentpost listen
      agentpost listen --event message.received --json | jq .data.subject
      agentpost listen --forward-to http://localhost:3000/hook
    """
    forward = None if forward_to is None else _Forward(forward_to, secret)

    def work(client: AgentPost) -> None:
        stream = client.realtime.stream(
            list(events) or None, inbox_id=inbox, from_seq=from_seq, payload="full"
        )
        for number, event in enumerate(stream, 1):
            _show(event, as_json=as_json)
            if forward is not None:
                forward(event)
            if number == count:
                return

    call(base_url, work)


def _show(event: Event, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(record(event)))
        return
    told = event.data.get("subject") or event.data.get("message_id") or event.inbox_id or ""
    click.echo(f"{event.timestamp:%H:%M:%S}  {event.seq}  {event.type}  {told}")


class _Forward:
    """Posts events to one address, in their order."""

    def __init__(self, url: str, secret: str | None) -> None:
        import httpx2

        if not url.startswith(("http://", "https://")):
            raise click.UsageError("--forward-to takes an address with http:// or https://.")
        if secret is None:
            secret = new_secret()
            click.echo(f"Signing with {secret}", err=True)
        self._url = url
        self._secret = secret
        self._http: httpx2.Client = httpx2.Client(timeout=_POST_S)

    def __call__(self, event: Event) -> None:
        import httpx2

        body = json.dumps(record(event)).encode()
        signatures = signed([self._secret], event.id, int(time.time()), body)
        headers = {"Content-Type": "application/json", **dict(signatures)}
        try:
            answer = self._http.post(self._url, content=body, headers=headers)
        except httpx2.HTTPError as error:
            raise Failure(f"{self._url} does not take events: {type(error).__name__}") from error
        click.echo(f"  -> {answer.status_code}", err=True)
