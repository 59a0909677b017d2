"""Identities, and what the policy allows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IdentityLimits:
    """What organizations, keys and inboxes may hold besides mail, and how long logins are kept."""

    max_name_characters: int = 100
    """Name of an organization, environment, key or credential."""
    max_display_name_characters: int = 256
    """Display name of an inbox; it stands in every From field."""
    max_signature_characters: int = 20_000
    """Signature of an inbox, HTML included."""
    max_reason_characters: int = 500
    """Why an inbox is paused."""
    max_metadata_keys: int = 50
    """Keys in the metadata of one object."""
    max_metadata_octets: int = 16 * 1024
    """Metadata of one object as JSON: notes for programs, not a document store."""
    max_labels: int = 50
    """Labels of one inbox."""
    max_label_characters: int = 100
    """One label."""
    label_batch: int = 500
    """Messages, or threads, from which one transaction takes a label, or on which it renames it."""
    label_batches: int = 100
    """Of these transactions one request makes, which takes seconds; the next one goes on."""
    max_keys: int = 1_000
    """API keys of an organization that are not revoked."""
    max_credentials: int = 50
    """Mail credentials of one inbox that are not revoked: a device each."""
    max_ip_allow: int = 100
    """Addresses and networks one key is bound to."""
    max_key_places: int = 1_000
    """Environments, or inboxes, one key is bound to."""
    max_environments: int = 10_000
    """Environments of one organization: one for each of its customers."""
    max_overlap_s: int = 30 * 24 * 3600
    """How long an API key may work on after it was rotated."""
    address_attempts: int = 20
    """Random suffixes tried for a new address; a second one is needed once in 100,000 times."""
    failed_logins_per_minute: int = 10
    """Over IMAP and SMTP from one network; more are refused unseen, right or wrong (I08.01 of the
    attack list)."""
    cached_s: float = 5.0
    """How long a worker believes what it read of a credential or an address: what a revocation
    in another worker takes at most when its wake-up is lost."""
    cached_entries: int = 20_000
    """Credentials, and addresses, that one worker remembers."""
    max_used_pending: int = 20_000
    """Credentials whose last use waits to be written; more are noted at their next use."""


@dataclass(frozen=True, slots=True)
class PolicyLimits:
    """What decides whether mail may be sent or received."""

    max_rules: int = 5_000
    """Filter rules of one organization; all of them are in memory while it sends."""
    max_note_characters: int = 500
    """A rule's note, or the reason of a suppression."""
    cached_s: float = 5.0
    """How long a worker believes what it read of rules and suppressions: what a change in another
    worker takes at most."""
    cached_organizations: int = 500
    """Organizations whose rules one worker remembers."""
    cached_addresses: int = 20_000
    """Addresses of which one worker remembers whether they are suppressed."""
    near_quota: float = 0.8
    """Share of the day's mails at which an organization is told that its quota is near."""
    min_complaints: int = 3
    """Complaints that pause an inbox at the least: one of a hundred is above every threshold."""
    loop_messages: int = 20
    """Messages of one conversation within ``loop_s`` that count as two programs answering each
    other, when each side wrote a third of them or more; people do not write so fast."""
    loop_s: float = 600.0
    """The time in which they are counted, in seconds."""
    retold_s: float = 60.0
    """A refusal of the same recipient before the message itself is told again after so long, in
    seconds; the client may ask any number of times."""
    max_told_recipients: int = 50
    """Recipients that one event of a refusal names."""


@dataclass(frozen=True, slots=True)
class DomainLimits:
    """How many domains are claimed, and how often their records are looked at; times in seconds."""

    max_domains: int = 1_000
    """Domains of one organization: one for each of its customers."""
    ask_every_s: float = 5.0
    """Between two looks that were asked for; a person needs longer to change a record."""
    look_s: float = 30.0
    """One look at all records of a domain; each has the deadline of a lookup."""
    lease_s: float = 300.0
    """A look that was begun and not ended is taken up by another worker after this."""
    first_check_s: float = 60.0
    """From the claim to the first look by itself; then the pause is as long as the search so far."""
    max_check_s: float = 3_600.0
    """Longest such pause: what a negative answer is remembered by name servers."""
    give_up_s: float = 7 * 24 * 3600.0
    """Of a search without success; asking begins another one."""
    recheck_s: float = 24 * 3600.0
    """Between two looks at a domain that is verified."""
    miss_check_s: float = 6 * 3600.0
    """The same after something of it was gone, and the least time between misses that count."""
    misses: int = 5
    """Misses in a row before a domain is no longer verified: more than a day, as long as zones
    that are being moved take."""
    poll_s: float = 30.0
    """Between two looks for domains that are due."""
    batch: int = 16
    """Domains looked at at once."""
    max_found: int = 10
    """Records found at one place that are shown."""
    max_found_characters: int = 500
    """Of each of them."""
    max_spf_lookups: int = 10
    """Records that an SPF record is followed into (RFC 7208 section 4.6.4)."""
    signer_s: float = 5.0
    """How long a worker believes what it read of the keys of a domain."""
    signers: int = 1_000
    """Domains whose keys one worker remembers."""
