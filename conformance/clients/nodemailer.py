"""nodemailer: what most programs for Node.js send mail with."""

from __future__ import annotations

from conformance.clients import node
from conformance.clients.journey import Steps
from conformance.clients.place import Place


def version() -> str:
    """The version of the installed package."""
    return node.version("nodemailer")


def journey(place: Place, steps: Steps) -> None:
    """The script's steps, then a look at what arrived."""
    node.journey("nodemailer.mjs", place, steps)
    with steps("everything arrived once"), place.witness() as witness:
        subjects = witness.subjects()
        wanted = ["plain", "Grüße", "starttls", *(f"pooled {number}" for number in range(5))]
        decoded = [_decoded(subject) for subject in subjects]
        assert sorted(decoded) == sorted(f"nodemailer {each}" for each in wanted), decoded
    with steps("and stands in Sent"), place.witness(place.friend) as witness:
        assert len(witness.subjects("Sent")) == len(subjects)


def _decoded(subject: str) -> str:
    from email.header import decode_header, make_header

    return str(make_header(decode_header(subject)))
