"""OfflineIMAP: a Maildir and the server kept alike by Python's imaplib2."""

from __future__ import annotations

from conformance.clients import letters
from conformance.clients.install import debian
from conformance.clients.journey import Steps, run
from conformance.clients.maildir import Maildir
from conformance.clients.place import HOST, Place


def version() -> str:
    """The version of the installed program."""
    return run([debian("offlineimap", "offlineimap3"), "--version"]).split()[-1].decode()


def journey(place: Place, steps: Steps) -> None:
    """First download, changes of each side, new mailboxes, and nothing to do."""
    root = place.directory / "mail"
    config = place.write("offlineimaprc", _config(place))
    me, friend = place.inbox.address, place.friend.address
    inbox = Maildir(root / "INBOX")

    def sync(*options: str) -> None:
        said = run(["offlineimap", "-c", config, "-o", "-u", "basic", *options])
        assert b"ERROR" not in said, said.decode("utf-8", "replace")

    def letter(subject: str) -> letters.Letter:
        return letters.plain(friend, me, f"offline {subject}")

    with steps("log in and download everything"), place.witness() as witness:
        place.receive(letters.rich(friend, me, "offline rich"), letter("two"), letter("three"))
        witness.store("offline two", "+FLAGS", "\\Seen \\Flagged")
        sync()
        assert inbox.subjects() == {"offline rich", "offline two", "offline three"}
        there = witness.mail()
        assert inbox.octets("offline two") == there["offline two"]
        # Python's email package, through which it passes messages, adds empty lines to multiparts.
        assert _filled(inbox.octets("offline rich")) == _filled(there["offline rich"])
        assert inbox.flags("offline two") == {"\\Seen", "\\Flagged"}
        assert {"Sent", "Drafts", "Trash"} <= {each.name for each in root.iterdir()}
    with steps("take over what the server's side changed"), place.witness() as witness:
        place.receive(letter("four"))
        witness.store("offline two", "-FLAGS", "\\Flagged")
        witness.expunge("offline three")
        sync()
        assert inbox.subjects() == {"offline rich", "offline two", "offline four"}
        assert inbox.flags("offline two") == {"\\Seen"}
    with steps("hand over what the local side changed"), place.witness() as witness:
        inbox.set_flags("offline four", "FS")
        inbox.remove("offline two")
        written = letters.rich(me, friend, "offline written here")
        Maildir(root / "Drafts").add(written, "DS")
        sync()
        assert witness.flags()["offline four"] == {"\\Seen", "\\Flagged"}
        assert set(witness.subjects()) == {"offline rich", "offline four"}
        assert "offline written here" in witness.subjects("Drafts")
        assert witness.flags("Drafts")["offline written here"] == {"\\Seen", "\\Draft"}
    with steps("join changes of both sides"), place.witness() as witness:
        witness.store("offline four", "+FLAGS", "\\Answered")
        inbox.set_flags("offline rich", "FS")
        place.receive(letter("five"))
        inbox.add(letter("local"), "S")
        sync()
        wanted = {"offline rich", "offline four", "offline five", "offline local"}
        assert inbox.subjects() == wanted == set(witness.subjects())
        assert inbox.flags("offline four") == {"\\Seen", "\\Flagged", "\\Answered"}
        assert witness.flags()["offline rich"] == {"\\Seen", "\\Flagged"}
    with steps("make and fill new mailboxes, both ways"), place.witness() as witness:
        witness.create("Projects/Alpha")
        witness.append(letter("filed"), "Projects/Alpha")
        # One level: a parent that the server makes beside it is beyond OfflineIMAP's folder list.
        Maildir(root / "Local").make()
        Maildir(root / "Local").add(letter("deep"), "S")
        sync()
        assert Maildir(root / "Projects.Alpha").subjects() == {"offline filed"}
        assert witness.subjects("Local") == ["offline deep"]
    with steps("follow a move"), place.witness() as witness:
        witness.move("offline five", "Projects/Alpha")
        sync()
        assert Maildir(root / "Projects.Alpha").subjects() == {"offline filed", "offline five"}
        assert "offline five" not in inbox.subjects()
    with steps("find nothing to do, also in quick mode"), place.witness() as witness:
        before = witness.flags()
        sync()
        sync("-q")
        assert witness.flags() == before


def _filled(octets: bytes) -> list[bytes]:
    return [line for line in octets.split(b"\r\n") if line]


def _config(place: Place) -> str:
    return f"""
[general]
accounts = one
metadata = {place.directory}/metadata
maxsyncaccounts = 1
socktimeout = 30

[Account one]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {place.directory}/mail
sep = .

[Repository far]
type = IMAP
remotehost = {HOST}
remoteport = {place.port("imaps")}
remoteuser = {place.inbox.address}
remotepass = {place.inbox.password}
ssl = yes
sslcacertfile = {place.certificate}
maxconnections = 2
"""
