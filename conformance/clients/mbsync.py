"""mbsync (isync): both sides of a mailbox changed, then made alike again."""

from __future__ import annotations

from conformance.clients import letters
from conformance.clients.install import debian
from conformance.clients.journey import Steps, run
from conformance.clients.maildir import Maildir
from conformance.clients.place import HOST, Place


def version() -> str:
    """The version of the installed program."""
    return run([debian("mbsync", "isync"), "--version"]).split()[1].decode()


def journey(place: Place, steps: Steps) -> None:
    """First download, changes of each side, new and removed mailboxes, and nothing to do."""
    root = place.directory / "mail"
    root.mkdir()
    config = place.write("mbsyncrc", _config(place))
    me, friend = place.inbox.address, place.friend.address
    inbox, archive = Maildir(root / "INBOX"), Maildir(root / "Archive")

    def sync() -> bytes:
        return run(["mbsync", "-c", config, "-a", "-V"])

    def letter(subject: str) -> letters.Letter:
        return letters.plain(friend, me, f"mbsync {subject}")

    first = letters.rich(friend, me, "mbsync rich")
    with steps("log in and download everything"), place.witness() as witness:
        place.receive(first, letter("two"), letter("three"))
        witness.store("mbsync two", "+FLAGS", "\\Seen \\Flagged")
        sync()
        assert inbox.subjects() == {"mbsync rich", "mbsync two", "mbsync three"}
        assert inbox.octets("mbsync rich") == witness.mail()["mbsync rich"]
        assert inbox.flags("mbsync two") == {"\\Seen", "\\Flagged"}
        assert {"Sent", "Drafts", "Trash"} <= {each.name for each in root.iterdir()}
    with steps("take over what the server's side changed"), place.witness() as witness:
        place.receive(letter("four"))
        witness.store("mbsync two", "-FLAGS", "\\Flagged")
        witness.store("mbsync rich", "+FLAGS", "\\Answered")
        witness.expunge("mbsync three")
        sync()
        assert inbox.subjects() == {"mbsync rich", "mbsync two", "mbsync four"}
        assert inbox.flags("mbsync two") == {"\\Seen"}
        assert inbox.flags("mbsync rich") == {"\\Answered"}
    with steps("hand over what the local side changed"), place.witness() as witness:
        inbox.set_flags("mbsync four", "FS")
        inbox.remove("mbsync two")
        written = letters.rich(me, friend, "mbsync written here")
        Maildir(root / "Drafts").add(written, "DS")
        sync()
        assert witness.flags()["mbsync four"] == {"\\Seen", "\\Flagged"}
        assert set(witness.subjects()) == {"mbsync rich", "mbsync four"}
        there = witness.mail("Drafts")["mbsync written here"]
        assert _without_tuid(there) == written.octets
        assert witness.flags("Drafts")["mbsync written here"] == {"\\Seen", "\\Draft"}
    with steps("join changes of both sides"), place.witness() as witness:
        witness.store("mbsync four", "+FLAGS", "\\Answered")
        inbox.set_flags("mbsync rich", "FRS")
        place.receive(letter("five"))
        inbox.add(letter("local"), "S")
        sync()
        wanted = {"mbsync rich", "mbsync four", "mbsync five", "mbsync local"}
        assert inbox.subjects() == wanted == set(witness.subjects())
        assert witness.flags()["mbsync four"] == {"\\Seen", "\\Flagged", "\\Answered"}
        assert inbox.flags("mbsync four") == {"\\Seen", "\\Flagged", "\\Answered"}
        assert witness.flags()["mbsync rich"] == {"\\Seen", "\\Flagged", "\\Answered"}
    with steps("make and fill new mailboxes, both ways"), place.witness() as witness:
        witness.create("Projects/&ANw-ber")
        witness.append(letter("filed"), "Projects/&ANw-ber")
        Maildir(root / "Local" / "Deep").make()
        Maildir(root / "Local" / "Deep").add(letter("deep"), "S")
        sync()
        assert Maildir(root / "Projects" / "&ANw-ber").subjects() == {"mbsync filed"}
        assert witness.subjects("Local/Deep") == ["mbsync deep"]
    with steps("follow a move"), place.witness() as witness:
        if "Archive" not in witness.mailboxes():
            witness.create("Archive")
        witness.move("mbsync five", "Archive")
        sync()
        assert archive.subjects() == {"mbsync five"}
        assert "mbsync five" not in inbox.subjects()
    with steps("find nothing to do"), place.witness() as witness:
        before = witness.flags()
        said = sync().decode("utf-8", "replace")
        assert witness.flags() == before
        assert "error" not in said.lower(), said
    with steps("carry many messages"), place.witness() as witness:
        for number in range(120):
            Maildir(root / "Local" / "Deep").add(letter(f"many {number}"), "S")
        sync()
        assert len(witness.subjects("Local/Deep")) == 121


def _without_tuid(octets: bytes) -> bytes:
    """mbsync marks what it uploads where it does not trust UIDPLUS to tell the new uid."""
    return b"\r\n".join(line for line in octets.split(b"\r\n") if not line.startswith(b"X-TUID: "))


def _config(place: Place) -> str:
    return f"""
IMAPStore far
Host {HOST}
Port {place.port("imaps")}
User {place.inbox.address}
Pass {place.inbox.password}
SSLType IMAPS
SystemCertificates no
CertificateFile {place.certificate}
PipelineDepth 20

MaildirStore near
Path {place.directory}/mail/
Inbox {place.directory}/mail/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
"""
