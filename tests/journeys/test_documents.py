"""The code of the requirement documents runs as it stands (R133, R135, and R58 to R60 with curl).

The documents are read where they lie beside the checkout; of their code only host, port, key and
addresses are exchanged.  Where they are not, the same calls stand below in our own words.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server import Server

_ROOT = Path(__file__).resolve().parents[2]
_SEEDS = _ROOT.parent / "shared" / "seeds"
_NODE = _ROOT / "conformance" / "clients" / "node"
_ADDRESS = "support-a1b2c3@shared.agent-post.dev"
_KEY = "ap_sk_your_api_key_here"

_SMTPLIB = """\
import smtplib
from email.mime.text import MIMEText

msg = MIMEText("Text of the message.")
msg["Subject"] = "Your ticket has been resolved"
msg["From"] = "support-a1b2c3@shared.agent-post.dev"
msg["To"] = "customer@example.com"
with smtplib.SMTP_SSL("smtp.agent-post.dev", 465) as server:
    server.login("support-a1b2c3@shared.agent-post.dev", "ap_sk_your_api_key_here")
    server.send_message(msg)
"""
_IMAPLIB = """\
import email
import imaplib

imap = imaplib.IMAP4_SSL("imap.agent-post.dev", 993)
imap.login("support-a1b2c3@shared.agent-post.dev", "ap_sk_your_api_key_here")
imap.select("INBOX")
status, messages = imap.search(None, "UNSEEN")
for number in messages[0].split():
    status, data = imap.fetch(number, "(RFC822)")
    msg = email.message_from_bytes(data[0][1])
    print(f"From: {msg['From']}")
    print(f"Subject: {msg['Subject']}")
imap.logout()
"""
_NODEMAILER = """\
import nodemailer from 'nodemailer';
const transporter = nodemailer.createTransport({
  host: 'smtp.agent-post.dev',
  port: 465,
  secure: true,
  auth: { user: 'support-a1b2c3@shared.agent-post.dev', pass: 'ap_sk_your_api_key_here' },
});
await transporter.sendMail({
  from: 'support-a1b2c3@shared.agent-post.dev',
  to: 'customer@example.com',
  subject: 'Your ticket has been resolved',
  text: 'Text of the message.',
});
"""
_CURL = (
    """curl -X POST https://api.agent-post.dev/api/v1/inboxes \\
  -H "Authorization: Bearer $AGENTPOST_API_KEY" -H "Content-Type: application/json" \\
  -d '{"username": "deploy-alerts", "display_name": "Deployment Alerts"}'""",
    """curl -X POST https://api.agent-post.dev/api/v1/inboxes \\
  -H "Authorization: Bearer $AGENTPOST_API_KEY" -H "Content-Type: application/json" \\
  -d '{"username": "ticket-routing", "client_id": "ticket-router-prod-v1"}'""",
    """curl "https://api.agent-post.dev/api/v1/inboxes?limit=20" \\
  -H "Authorization: Bearer $AGENTPOST_API_KEY\"""",
    """curl "https://api.agent-post.dev/api/v1/inboxes/inb_abc123" \\
  -H "Authorization: Bearer $AGENTPOST_API_KEY\"""",
    """curl "https://api.agent-post.dev/api/v1/inboxes/credentials/export" \\
  -H "Authorization: Bearer $AGENTPOST_API_KEY" -o credentials.csv""",
)
_CURL_COMMAND = re.compile(
    r"""curl(?:(?:[ ]|[ ]*\\\n[ ]*)(?:'[^']*'|"[^"]*"|-[A-Za-z]\b|https?://\S+|POST|\w+\.csv))+"""
)


def _documents() -> str:
    if not _SEEDS.is_dir():
        return ""
    return "\n\n".join(path.read_text("utf-8") for path in sorted(_SEEDS.glob("*.txt")))


def _example(first: str, last: str, ours: str) -> str:
    """The code from the line ``first`` to the next line that begins with ``last``."""
    match = re.search(
        rf"^{re.escape(first)}.*?^[ \t]*{re.escape(last)}",
        _documents(),
        re.DOTALL | re.MULTILINE,
    )
    assert match is not None or not _SEEDS.is_dir(), first
    return ours if match is None else match[0]


def _curl_commands() -> list[str]:
    found = _CURL_COMMAND.findall(_documents())
    return found if _SEEDS.is_dir() else list(_CURL)


@pytest.fixture
def support(server: Server) -> dict[str, Any]:
    return server.make_inbox("support")


def _ours(code: str, server: Server, inbox: dict[str, Any]) -> str:
    """The code with our host, ports, address and key."""
    for name, port, service in (("smtp", "465", "smtps"), ("imap", "993", "imaps")):
        host = f"{name}.agent-post.dev"
        if host in code:
            code = code.replace(host, "localhost").replace(port, str(server.port(service)))
    assert _ADDRESS in code
    assert _KEY in code
    return code.replace(_ADDRESS, inbox["email"]).replace(_KEY, server.key)


def _indented(code: str) -> str:
    """The code with its indentation, which the documents have lost: the block that a colon opens
    ends with the program, or with the logout."""
    lines, margin = [], ""
    for line in code.splitlines():
        margin = "" if line.startswith("imap.logout") else margin
        lines.append(margin + line)
        if line.endswith(":"):
            margin += "    "
    return "\n".join(lines)


def _python(code: str) -> str:
    if re.search(r":\n\S", code):
        code = _indented(code)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def _sent(server: Server, inbox: dict[str, Any]) -> list[str]:
    """The subjects in the inbox's Sent."""
    import imaplib

    with imaplib.IMAP4_SSL("localhost", server.port("imaps"), ssl_context=server.tls) as client:
        client.login(inbox["email"], server.key)
        client.select("Sent", readonly=True)
        numbers = client.search(None, "ALL")[1][0].split()
        fetched = [client.fetch(n.decode(), "(BODY[HEADER.FIELDS (SUBJECT)])")[1] for n in numbers]
    rows = [row[0][1] for row in fetched if isinstance(row[0], tuple)]
    return [row.decode().partition(":")[2].strip() for row in rows]


@pytest.mark.proves("R133", "R123", "R125")
def test_the_example_with_smtplib_sends(server: Server, support: dict[str, Any]) -> None:
    code = _example("import smtplib", "server.send_message(msg)", _SMTPLIB)
    _python(_ours(code, server, support))
    assert _sent(server, support) == ["Your ticket has been resolved"]


@pytest.mark.proves("R133", "R123", "R126")
def test_the_example_with_imaplib_reads_what_is_unseen(
    server: Server, support: dict[str, Any]
) -> None:
    sending = _ours(
        _example("import smtplib", "server.send_message(msg)", _SMTPLIB), server, support
    )
    _python(sending.replace("customer@example.com", support["email"]))
    code = _ours(_example("import imaplib", "imap.logout()", _IMAPLIB), server, support)
    said = _python(code).splitlines()
    assert said == [f"From: {support['email']}", "Subject: Your ticket has been resolved"]
    assert _python(code) == ""


@pytest.mark.proves("R133")
def test_the_example_with_nodemailer_sends(server: Server, support: dict[str, Any]) -> None:
    if shutil.which("node") is None or not (_NODE / "node_modules" / "nodemailer").is_dir():
        pytest.skip("nodemailer is not here; make conformance installs it")
    code = _example("import nodemailer", "text: 'Hi", _NODEMAILER)
    if _SEEDS.is_dir():
        code = _documents()[_documents().index(code) :]
        code = code[: code.index("});", code.index("sendMail")) + 3]
    certificate = server.directory / "data" / "tls" / "certificate.pem"
    done = subprocess.run(
        ["node", "--input-type=module", "-e", _ours(code, server, support)],
        cwd=_NODE,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(certificate)},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert _sent(server, support) == ["Your ticket has been resolved"]


def _shell(command: str, server: Server, inbox: str, directory: Path) -> str:
    base = f"http://127.0.0.1:{server.port('http')}"
    command = command.replace("https://api.agent-post.dev", base).replace("inb_abc123", inbox)
    command = command.replace("ap_sk_live_your_key_here", "$AGENTPOST_API_KEY")
    done = subprocess.run(
        ["sh", "-c", f"{command} --silent --show-error --fail-with-body --max-time 20"],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "AGENTPOST_API_KEY": server.key},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout.decode()


@pytest.mark.proves("R58", "R59", "R60", "R57", "R101")
def test_the_examples_with_curl_create_list_and_get_inboxes(
    server: Server, support: dict[str, Any], tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    commands = [each for each in _curl_commands() if "credentials/export" not in each]
    assert len(commands) >= 4
    for command in commands:
        answer = json.loads(_shell(command, server, support["id"], tmp_path))
        if "-X POST" in command:
            asked = json.loads(re.search(r"-d '([^']*)'", command)[1])  # type: ignore[index]
            assert {name: answer[name] for name in asked} == asked
            assert re.fullmatch(rf"{asked['username']}-[a-z0-9]{{6}}@shared\..*", answer["email"])
            if "client_id" in asked:
                again = json.loads(_shell(command, server, support["id"], tmp_path))
                assert again["id"] == answer["id"]
        elif "inb_abc123" in command:
            assert (answer["id"], answer["email"]) == (support["id"], support["email"])
        else:
            assert support["id"] in {each["id"] for each in answer["data"]}


@pytest.mark.proves("R135")
def test_the_example_with_curl_exports_credentials_that_open_the_inbox(
    server: Server, support: dict[str, Any], tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    (command,) = [each for each in _curl_commands() if "credentials/export" in each]
    _shell(command, server, support["id"], tmp_path)
    text = (tmp_path / "credentials.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    columns = ["email", "imap_host", "imap_port", "smtp_host", "smtp_port", "username", "password"]
    assert list(rows[0]) == columns
    row = next(each for each in rows if each["email"] == support["email"])
    assert row["username"] == support["email"]
    assert row["imap_port"] == str(server.port("imaps"))
    assert row["smtp_port"] == str(server.port("smtps"))
    assert row["password"] == support["credential"]["password"]
