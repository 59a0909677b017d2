"""Mutt and NeoMutt, driven by key strokes on a terminal of their own."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

from conformance.clients import letters
from conformance.clients.install import debian
from conformance.clients.journey import Steps, run, until
from conformance.clients.place import HOST, Place

_SESSION_S = 40.0


def version_of(program: str) -> Callable[[], str]:
    """Something that tells the version of the installed program."""

    def version() -> str:
        said = run([debian(program, program), "-v"]).decode("utf-8", "replace")
        match = re.match(r"\S+ (\S+)", said)
        return match[1] if match else "?"

    return version


def journey_of(program: str) -> Callable[[Place, Steps], None]:
    """The journey of one of the two."""

    def journey(place: Place, steps: Steps) -> None:
        _journey(program, place, steps)

    return journey


def _journey(program: str, place: Place, steps: Steps) -> None:
    config = place.write("muttrc", _config(place))
    me, friend = place.inbox.address, place.friend.address
    out = place.directory / "out"

    def letter(subject: str) -> letters.Letter:
        return letters.plain(friend, me, f"{program} {subject}")

    def begin(pushed: str) -> _Terminal:
        return _Terminal([program, "-n", "-F", str(config), "-e", f"push '{pushed}'"], place)

    def keys(pushed: str) -> None:
        session = begin(pushed)
        try:
            session.until_ended()
        finally:
            session.close()

    with steps("send from the command line, and keep a copy in Sent"):
        attached = place.write("attached.bin", bytes(range(256)) * 40)
        subject = f"{program} sent Grüße"
        run(
            [program, "-n", "-F", config, "-s", subject, "-a", attached, "--", friend],
            stdin="Hi. Grüße.\n".encode(),
            env=_environment(place),
        )
        with place.witness() as witness:
            sent = witness.mail("Sent")
            assert len(sent) == 1, list(sent)
        with place.witness(place.friend) as witness:
            received = witness.mail()
            assert len(received) == 1
            assert b"attached.bin" in next(iter(received.values()))
    with steps("receive, read and save a message"), place.witness() as witness:
        place.receive(letters.rich(friend, me, f"{program} rich"), letter("two"), letter("three"))
        keys(
            "<search>two<enter><display-message><exit>"
            f"<search>rich<enter><pipe-message>cat > {out}<enter><quit>"
        )
        assert "Grüße aus Köln" in out.read_text("utf-8")
        assert "\\Seen" in witness.flags()[f"{program} two"]
    with steps("flag"), place.witness() as witness:
        keys("<search>two<enter><flag-message><search>three<enter><toggle-new><quit>")
        assert witness.flags()[f"{program} two"] == {"\\Seen", "\\Flagged"}
    with steps("search on the server and tag what is found"), place.witness() as witness:
        keys("<tag-pattern>=b parcel<enter><tag-prefix><set-flag>!<quit>")
        flags = witness.flags()
        assert all("\\Flagged" in flags[f"{program} {each}"] for each in ("two", "three")), flags
        assert "\\Flagged" not in flags[f"{program} rich"]
    with (
        steps("move into a mailbox that is not there yet, copy into it"),
        place.witness() as witness,
    ):
        keys("<search>two<enter><save-message>=Projects/Über<enter><quit>")
        keys("<search>three<enter><copy-message>=Projects/Über<enter><quit>")
        assert witness.subjects("Projects/&ANw-ber") == [f"{program} two", f"{program} three"]
        assert set(witness.subjects()) == {f"{program} rich", f"{program} three"}
        assert "\\Flagged" in witness.flags("Projects/&ANw-ber")[f"{program} two"]
    if program == "mutt":  # NeoMutt's list of mailboxes opens where none can be made.
        with steps("make a mailbox"), place.witness() as witness:
            session = begin("<change-folder>?<create-mailbox>Made/Here<enter>")
            until(lambda: "Made/Here" in witness.mailboxes(), "the new mailbox")
            session.close()
    with steps("delete and expunge"), place.witness() as witness:
        keys("<search>three<enter><delete-message><sync-mailbox><quit>")
        assert witness.subjects() == [f"{program} rich"]
    with steps("be told of new mail while waiting"), place.witness() as witness:
        place.directory.joinpath("told").unlink(missing_ok=True)
        session = begin("")
        try:
            session.until_shown("rich")
            place.receive(letter("new"))
            session.until_shown(f"{program} new")
        finally:
            session.close()
        assert f"{program} new" in witness.subjects()
    with steps("postpone a draft"), place.witness() as witness:
        script = place.write("editor.sh", 'printf "Draft text.\\n" >> "$1"\n')
        keys(
            f'<enter-command>set editor="sh {script}"<enter>'
            f"<mail>{friend}<enter>{program} draft<enter><postpone-message><quit>"
        )
        assert witness.subjects("Drafts") == [f"{program} draft"]
    with steps("reply"), place.witness() as witness:
        keys(
            f'<enter-command>set editor="sh {script}"<enter>'
            "<search>rich<enter><reply><send-message><quit>"
        )
        until(lambda: len(witness.subjects("Sent")) == 2, "the reply in Sent")
        assert f"Re: {program} rich" in witness.subjects("Sent")
        assert "\\Answered" in witness.flags()[f"{program} rich"]


class _Terminal:
    """A program on a pseudo terminal, and what it has shown."""

    def __init__(self, command: list[str], place: Place) -> None:
        self._shown = b""
        self._ended = False
        self._pid, self._screen = pty.fork()
        if self._pid == 0:
            try:
                os.chdir(place.directory)
                os.execvpe(command[0], command, _environment(place))
            finally:
                os._exit(127)

    def until_ended(self) -> None:
        """Wait for its end."""
        end = time.monotonic() + _SESSION_S
        while not self._ended:
            self._look(end, "its end")

    def until_shown(self, text: str) -> None:
        """Wait until ``text`` has been on the screen."""
        end = time.monotonic() + _SESSION_S
        while text.encode() not in self._shown:
            assert not self._ended, self._tail()
            self._look(end, text)

    def _look(self, end: float, what: str) -> None:
        assert time.monotonic() < end, f"waited in vain for {what}: {self._tail()}"
        if not select.select([self._screen], [], [], 0.5)[0]:
            return
        try:
            octets = os.read(self._screen, 65_536)
        except OSError:  # Linux says EIO when the other side is closed.
            octets = b""
        self._ended = not octets
        self._shown += octets

    def _tail(self) -> str:
        text = re.sub(rb"\x1b[\[(][0-9;?]*[A-Za-z]?", b" ", self._shown[-3_000:])
        return text.decode("utf-8", "replace")

    def close(self) -> None:
        """End it."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._screen)


def _environment(place: Place) -> dict[str, str]:
    keep = {name: os.environ[name] for name in ("PATH",) if name in os.environ}
    terminal = {"TERM": "vt100", "LANG": "C.UTF-8", "LINES": "40", "COLUMNS": "120"}
    return {**keep, **terminal, "HOME": str(place.directory)}


def _config(place: Place) -> str:
    user, password = place.inbox.address, place.inbox.password
    escaped = user.replace("@", "%40")
    certificate: Path = place.certificate
    return f"""
set from = "{user}"
set realname = "Journey"
set use_from = yes
set imap_user = "{user}"
set imap_pass = "{password}"
set folder = "imaps://{HOST}:{place.port("imaps")}/"
set spoolfile = "+INBOX"
set record = "+Sent"
set postponed = "+Drafts"
set trash = ""
set smtp_url = "smtps://{escaped}@{HOST}:{place.port("smtps")}/"
set smtp_pass = "{password}"
set certificate_file = "{certificate}"
set ssl_force_tls = yes
set imap_idle = yes
set imap_condstore = yes
set imap_qresync = yes
set mail_check = 5
set timeout = 5
set copy = yes
set move = no
set quit = yes
set delete = yes
set confirmappend = no
set confirmcreate = no
set auto_tag = no
set mark_old = no
set sleep_time = 0
set wait_key = no
set wrap_search = yes
set include = no
set fast_reply = yes
set abort_unmodified = no
set abort_noattach = no
set recall = no
set pager_stop = yes
set header_cache = "{place.directory}/cache"
set send_charset = "us-ascii:utf-8"
"""
