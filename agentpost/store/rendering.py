"""The statement that reads what FETCH asks of messages beyond the mailbox index."""

from __future__ import annotations

from functools import cache

from agentpost.model.mailbox import HEAD_OCTETS, Wanted


@cache
def rendering(wanted: Wanted) -> tuple[tuple[str, ...], str]:
    """The fields of ``Rendered`` that are wanted, and the statement that reads them.

    Behind them comes the location of octets that are kept apart, where octets are wanted.  Where
    a span begins (from 1) and how long it is are $4 and $5 of the statement.
    """
    asked = {
        "uids": ("p.uid", True),
        "messages": ("p.message_id", wanted.ids),
        "threads": ("m.thread_id", wanted.ids),
        "envelopes": ("m.envelope", wanted.envelope),
        "bodies": ("m.body", wanted.body),
        "bodystructures": ("m.bodystructure", wanted.bodystructure),
        "previews": ("m.preview", wanted.preview),
        "parts": ("m.parts", wanted.parts),
        "heads": (f"substring(x.octets, 1, {HEAD_OCTETS})", wanted.head),
        "octets": ("x.octets", wanted.octets),
        "spans": ("substring(x.octets, $4::int, $5::int)", wanted.span is not None),
    }
    fields = tuple(name for name, (_, wants) in asked.items() if wants)
    columns = [asked[name][0] for name in fields]
    joined = "JOIN messages m ON m.id = p.message_id"
    if wanted.octets or wanted.head or wanted.span is not None:
        joined += " JOIN blobs x ON x.id = m.blob_id"
        columns.append("x.location")
    return fields, (
        f"SELECT {', '.join(columns)} FROM placements p {joined}"
        " WHERE p.mailbox_id = $1 AND p.inbox_id = $2 AND p.uid = ANY ($3) ORDER BY p.uid"
    )
