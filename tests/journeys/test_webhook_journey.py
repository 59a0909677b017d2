"""From mail by SMTP to a signed webhook, through a running server with two workers."""

from __future__ import annotations

import json
import smtplib
import threading
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue

import pytest
import standardwebhooks
import svix

from tests.server import serving

Told = tuple[dict[str, str], bytes]


class _Receiver(BaseHTTPRequestHandler):
    told: Queue[Told]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.told.put(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.mark.proves("R2", "R9", "R108", "R109")
def test_mail_by_smtp_reaches_a_webhook(tmp_path: Path) -> None:
    told: Queue[Told] = Queue()
    handler = type("Receiver", (_Receiver,), {"told": told})
    receiver = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    try:
        settings = {"AGENTPOST_WEBHOOK_ALLOW": "127.0.0.1/32", "AGENTPOST_WORKERS": "2"}
        with serving(tmp_path, **settings) as server:
            inbox = server.make_inbox("support")
            url = f"http://localhost:{receiver.server_port}/hook"
            made = server.call("POST", "/api/v1/webhooks", {"url": url})
            assert made.status == 201
            message = EmailMessage()
            message["From"] = message["To"] = inbox["email"]
            message["Subject"] = "Your code"
            message.set_content("It is 4711.\r\n")
            with smtplib.SMTP_SSL("127.0.0.1", server.port("smtps"), context=server.tls) as client:
                client.login(inbox["email"], inbox["credential"]["password"])
                client.send_message(message)
            types = set()
            while "message.received" not in types:
                headers, body = told.get(timeout=20)
                standardwebhooks.Webhook(made.json["secret"]).verify(body, headers)
                svix.Webhook(made.json["secret"]).verify(body, headers)
                types.add(json.loads(body)["type"])
            path = f"/api/v1/webhooks/{made.json['id']}/deliveries"
            assert server.call("GET", path).json["data"]
    finally:
        receiver.shutdown()
        receiver.server_close()
