"""swaks, the Swiss army knife for SMTP: every way to log in and to hand over a message."""

from __future__ import annotations

import re
from pathlib import Path

from conformance.clients import letters
from conformance.clients.install import debian
from conformance.clients.journey import Steps, run
from conformance.clients.place import HOST, Place

_RECIPIENTS_REFUSED = 24
_SENDER_REFUSED = 23
_LOGIN_DENIED = 28


def version() -> str:
    """The version of the installed program."""
    return run([debian("swaks", "swaks"), "--version"]).split()[2].decode()


def journey(place: Place, steps: Steps) -> None:
    """Submission with each mechanism, over both ports; pipelined; refusals that keep the line."""
    me, friend = place.inbox.address, place.friend

    def swaks(*options: str | Path, port: str = "smtps", to: str = me, status: int = 0) -> str:
        tls = "--tls-on-connect" if port == "smtps" else "--tls"
        command: list[str | Path] = [
            "swaks", "--server", HOST, "--port", str(place.port(port)), tls,
            "--tls-verify", "--tls-ca-path", place.certificate, "--timeout", "20",
            "--from", friend.address, "--to", to, "--auth-user", friend.address,
            "--auth-password", friend.password, *options,
        ]  # fmt: skip
        return run(command, status=status).decode("utf-8", "replace")

    def subject(text: str) -> tuple[str, str]:
        return "--header", f"Subject: {text}"

    def arrived(*subjects: str) -> None:
        with place.witness() as witness:
            assert set(subjects) <= set(witness.subjects()), witness.subjects()

    for mechanism in ("PLAIN", "LOGIN"):
        for port in ("smtps", "submission"):
            with steps(f"send with AUTH {mechanism}, {port}"):
                swaks("--auth", mechanism, *subject(f"swaks {mechanism} {port}"), port=port)
                arrived(f"swaks {mechanism} {port}")
    with steps("send pipelined"):
        said = swaks("--pipeline", *subject("swaks pipelined"))
        assert "250-PIPELINING" in said or "250 PIPELINING" in said, said
        arrived("swaks pipelined")
    with steps("send what looks like the end, and 8-bit text"):
        letter = letters.rich(friend.address, me, "swaks rich")
        swaks("--data", f"@{place.write('rich.eml', letter.octets)}")
        with place.witness() as witness:
            # swaks ends what it read from a file with one more line end.
            assert witness.mail()["swaks rich"].endswith(letter.octets + b"\r\n")
    with steps("send an attachment to two"):
        file = place.write("attached.bin", bytes(range(256)) * 200)
        both = f"{me},{friend.address}"
        swaks("--attach", f"@{file}", *subject("swaks attached"), to=both)
        arrived("swaks attached")
        with place.witness(friend) as witness:
            assert "swaks attached" in witness.subjects()
            assert "swaks attached" in witness.subjects("Sent")
    with steps("be refused a wrong password"):
        swaks("--auth-password", "ap_mail_" + "x" * 32, status=_LOGIN_DENIED)
    with steps("be refused another's address"):
        swaks("--from", me, status=_SENDER_REFUSED)
    with steps("be refused an unknown recipient"):
        swaks(to="nobody@" + me.partition("@")[2], status=_RECIPIENTS_REFUSED)
    with steps("be refused AUTH without TLS"):
        plain = [
            "swaks", "--server", HOST, "--port", str(place.port("submission")), "--auth", "PLAIN",
            "--auth-user", friend.address, "--auth-password", friend.password, "--to", me,
            "--from", friend.address,
        ]  # fmt: skip
        said = run(plain, status=_LOGIN_DENIED).decode()
        assert not re.search("250.AUTH", said), said
