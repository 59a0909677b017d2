"""Messages and their structure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """What one message may be, on every way in and out."""

    max_octets: int = 10 * 1024 * 1024
    """Whole message, attachments included: R72; SMTP SIZE, IMAP APPENDLIMIT, REST 413."""
    max_header_octets: int = 256 * 1024
    """Header section of an incoming submission; more is an attack on parsers."""
    max_header_fields: int = 1000
    """Fields in the header section; the largest real mail of our corpus has under 200."""
    max_received_fields: int = 50
    """Received fields before a message counts as looping (RFC 5321 section 6.3 wants >= 100
    hops tolerated between relays; a submission has next to none)."""
    max_recipients: int = 50
    """Recipients of one message: the relay's own bound (SES takes 50 a call)."""


@dataclass(frozen=True, slots=True)
class ThreadingLimits:
    """How much of In-Reply-To and References is believed, and how much we write."""

    max_ids: int = 100
    """Identifiers of one message that a conversation is looked up by; real threads that deep are
    rare, and each one is a key in a query."""
    max_id_characters: int = 998
    """One identifier; it cannot be folded, so it fits one line (RFC 5322 section 2.1.1)."""
    max_field_characters: int = 32 * 1024
    """Of a longer field only both ends are read; 100 identifiers of real mail take under 10,000."""
    max_references_octets: int = 8 * 1024
    """References we write; several servers refuse header fields over 10 to 16 KiB."""


@dataclass(frozen=True, slots=True)
class CompositionLimits:
    """What one composed message may hold besides the limit on the whole."""

    max_custom_headers: int = 100
    """Fields of one request; more is a mistake of the caller."""
    max_header_value_octets: int = 8 * 1024
    """One custom field, encoded; several servers refuse fields over 10 to 16 KiB."""
    max_subject_characters: int = 2000
    """Twice what a single line could hold; mail programs show a tenth of it."""
    max_attachments: int = 100
    """Parts of one message; mail programs and scanners stop at a few hundred."""
    max_quoted_characters: int = 100_000
    """Text or HTML of the answered message that is quoted; the rest is left out with a mark."""


@dataclass(frozen=True, slots=True)
class MimeLimits:
    """How much of a message's structure is read; what lies beyond is kept but not looked into."""

    max_depth: int = 100
    """Multiparts and messages inside each other; real mail stays under 10."""
    max_parts: int = 10_000
    """Parts of one message; the last one then holds the rest unread."""
    max_passes: int = 16
    """How often the octets are gone through in search of boundaries, one multipart inside the
    other; real nesting halves the octets on the way."""
    free_pass_octets: int = 8 * 1024 * 1024
    """Octets searched for boundaries that do not count for that: a few milliseconds."""
    max_header_octets: int = 256 * 1024
    """Of one header section that are read for fields; the largest of real mail is under 64 KiB."""
    max_fields: int = 2_000
    """Header fields of one header section; real mail has under 200."""
    max_value_octets: int = 64 * 1024
    """Of one structured field (a media type with its parameters, a date) that are parsed."""
    max_parameters: int = 200
    """Parameters of one field; continuations (RFC 2231) take one each."""
    max_addresses: int = 10_000
    """Addresses and group marks of one address field."""
    max_text_octets: int = 2 * 1024 * 1024
    """Decoded octets of one body part that become text; more is a file and not a letter."""
    max_html_characters: int = 512 * 1024
    """Of one HTML part that are turned into plain text; a tag costs microseconds."""
    max_sample_octets: int = 4 * 1024
    """What the guess at an undeclared charset looks at; guessing costs microseconds an octet."""
    max_attachments: int = 1_000
    """Attachments that are listed."""
    max_filename_characters: int = 200
    """A file name; common file systems take 255 octets."""
    preview_characters: int = 200
    """The preview of a message in lists."""
    preview_octets: int = 4 * 1024
    """Octets of the first text part that the preview is made from."""


@dataclass(frozen=True, slots=True)
class BounceLimits:
    """How much of a mail that may be a bounce is read, and how long its message is waited for."""

    max_status_octets: int = 64 * 1024
    """Of the fields of a report; one recipient takes under 1,000."""
    max_text_characters: int = 64 * 1024
    """Of the text for people; what is told stands at its beginning."""
    max_lines: int = 2_000
    """Of each of them."""
    max_line_characters: int = 2_000
    """Of one line or field; the longest diagnostic of real mail has 1,200."""
    max_returned_octets: int = 64 * 1024
    """Of the message that came back: its header section."""
    max_recipients: int = 100
    """Recipients that one report tells of: twice those of a message."""
    max_ids: int = 8
    """Message-IDs that one report may name its message by."""
    in_flight_s: float = 30.0
    """Until a report is read again whose message is just being sent."""
    in_flight_looks: int = 20
    """Then it counts although the attempt was not settled: ten minutes, longer than any takes."""
