"""Ways into this server, and whom it believes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SnsLimits:
    """What is believed of Amazon SNS, and what is fetched from it; times in seconds."""

    max_body_octets: int = 1024 * 1024
    """One request: SNS carries 256 KB, which JSON inside JSON spells longer."""
    answer_s: float = 14.0
    """Our work on one notification: SNS waits 15 s and then tells it again."""
    max_age_s: float = 3600.0
    """From a notification's Timestamp: SNS repeats it for no longer."""
    max_ahead_s: float = 300.0
    """How far its clock may be before ours."""
    fetch_s: float = 5.0
    """Fetching a certificate, or confirming a subscription."""
    max_fetched_octets: int = 32 * 1024
    """What is read of either; a certificate has 2 KB."""
    fetches_per_minute: int = 30
    """Strangers can make us look for certificates that are not there: no more often than this."""
    kept_certificates: int = 16
    """Certificates remembered; SNS uses one a region at a time."""


@dataclass(frozen=True, slots=True)
class InboundLimits:
    """Mail that a provider hands over, and the sweep of its bucket; times in seconds."""

    max_recipients: int = 500
    """Recipients of one mail that are looked up; SES takes 100, a header may name more."""
    max_received_fields: int = 100
    """Received fields before a mail counts as looping (RFC 5321 section 6.3: at least 100)."""
    max_id_characters: int = 256
    """A provider's name for a mail or a notification; SES's have under 80."""
    max_words_characters: int = 4_096
    """Of another server's words that are kept for one recipient."""
    attempts: int = 3
    """Tries at storing while inboxes and mailboxes come and go."""
    every_s: float = 30.0
    """Between two looks at the bucket, so that after a start all is there within a minute."""
    grace_s: float = 120.0
    """An object younger than this is left to its notification, which knows the envelope."""
    page_objects: int = 1_000
    """Objects listed by one request (S3: 1,000)."""
    concurrency: int = 8
    """Objects fetched at once, each in memory as a whole."""
    run_s: float = 1_800.0
    """One look at the bucket in all; the next one goes on."""
    oldest_days: int = 60
    """Older objects are left alone: what has become of them may have been forgotten."""
    object_s: float = 60.0
    """Fetching one object."""


@dataclass(frozen=True, slots=True)
class DnsLimits:
    """How the domain name system is asked and how much of it is remembered; times in seconds."""

    lookup_s: float = 10.0
    """One question in all: RFC 7208 section 4.6.4 grants all of SPF 20 s."""
    try_s: float = 3.0
    """One try at one name server; then the next."""
    concurrency: int = 64
    """Questions of one worker under way at once; each holds a socket."""
    udp_octets: int = 1_232
    """Answers over UDP: what passes every network unfragmented (RFC 6891 section 6.2.5 leaves the
    number to us); longer ones are asked for over TCP."""
    max_records: int = 500
    """Records of one answer; real names have under 100, and one message holds about 4,000."""
    cached_entries: int = 20_000
    """Answers that one worker remembers."""
    cached_octets: int = 16 * 1024 * 1024
    """The same for what they take."""
    max_ttl_s: float = 3_600.0
    """An answer is believed so long at most, whatever its owner says."""
    max_denial_s: float = 300.0
    """The same for the absence of a name or record: somebody may be about to publish it."""
    failed_s: float = 15.0
    """Before a question that failed is asked again: a name that never answers must not hold all
    turns."""


@dataclass(frozen=True, slots=True)
class AuthenticationLimits:
    """How much work a stranger's message may cause before we know who sent it; times in seconds."""

    whole_s: float = 40.0
    """SPF, DKIM, DMARC and ARC together; what is not known then is a temporary error."""
    spf_s: float = 20.0
    """SPF alone (RFC 7208 section 4.6.4 grants at least 20 s)."""
    spf_lookups: int = 10
    """Terms that ask the DNS (RFC 7208 section 4.6.4)."""
    spf_void_lookups: int = 2
    """Of these, terms that get nothing (the same section)."""
    spf_names: int = 10
    """Hosts of one mx or ptr term whose addresses are asked for (the same section)."""
    spf_record_octets: int = 16 * 1024
    """One SPF record; real ones stay under 1 KiB (RFC 7208 section 3.4)."""
    max_header_octets: int = 1024 * 1024
    """The header section; four times what submission takes.  With a longer one nothing is known."""
    max_header_fields: int = 20_000
    """The same in fields, each of which costs memory."""
    max_signatures: int = 10
    """DKIM-Signature fields that are looked at; lists and forwarders leave two or three."""
    max_sets: int = 50
    """ARC sets (RFC 8617 section 4.2.1)."""
    max_signed_names: int = 1_000
    """Names in one h= tag; we ourselves write under 100."""
    max_field_octets: int = 32 * 1024
    """One signature field; a 4096-bit signature with 100 names takes 3 KiB."""
    min_key_bits: int = 1_024
    """RSA (RFC 8301 section 3.2)."""
    max_key_bits: int = 8_192
    """RSA; verifying takes the square of it, 0.5 ms here (RFC 8301 wants 4096 at least)."""
    max_key_octets: int = 4_096
    """One key record; 8192 bits take 1.4 KiB in base64."""
    thread_octets: int = 100 * 1024
    """Larger messages are hashed in a thread, so that nobody waits for them."""
    clock_skew_s: float = 300.0
    """How far the clocks of sender and receiver may differ when a signature expires."""
