"""Jobs, and what waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How one worker works on the queue; times in seconds."""

    poll_s: float = 15.0
    """Looking by itself, should a wake-up be lost."""
    gather_s: float = 0.005
    """From a wake-up to the look: what is committed together is claimed together."""
    lease_s: float = 60.0
    """A claimed job belongs to its worker so long; it is renewed while it runs."""
    max_attempts: int = 12
    """Attempts that end in an unforeseen failure, before a job is given up: about a day."""
    first_retry_s: float = 5.0
    """Before the second attempt; doubles for each further one."""
    max_retry_s: float = 4 * 3600.0
    """Longest pause between attempts."""
    jitter: float = 0.2
    """Share by which pauses vary, so that what failed together is not repeated together."""
    drain_s: float = 10.0
    """At shutdown, for jobs at work to finish; then they are cancelled and run again later."""
    max_error_characters: int = 1_000
    """Of a failure's text that are kept."""
    depth_s: float = 15.0
    """Between two counts of the queue for the metrics: as often as Prometheus asks."""


@dataclass(frozen=True, slots=True)
class HoldLimits:
    """Messages that wait for an approval or a time; times in seconds."""

    max_ahead_s: int = 90 * 24 * 3600
    """How far ahead a message may be scheduled; what is planned longer belongs into a calendar."""
    max_held: int = 1_000
    """Messages of one inbox that wait at a time (RFC 4865 section 6 wants a quota)."""
    approval_s: int = 3 * 24 * 3600
    """For somebody to approve, unless configuration or inbox say otherwise: over a weekend."""
    min_approval_s: int = 60
    """The shortest time for an approval: a person reads."""
    max_approval_s: int = 30 * 24 * 3600
    """The longest time for an approval."""
    look_s: float = 1.0
    """Between two looks for what becomes due, hence how late a message may go."""
    concurrency: int = 8
    """Messages released at once in one worker."""
    release_s: float = 120.0
    """For the release of one message."""


@dataclass(frozen=True, slots=True)
class IndexingLimits:
    """What search knows of a message's text."""

    batch_messages: int = 64
    """Messages written by one transaction."""
    batch_octets: int = 4 * 1024 * 1024
    """Octets read by one transaction."""
    max_text_characters: int = 1024 * 1024
    """Text kept of one message; what is longer is searched in its octets as well."""
    pack_messages: int = 256
    """Texts of an inbox that search looks at one by one before they become a pack: 2 ms."""
    pack_octets: int = 2 * 1024 * 1024
    """The same for the octets of these texts."""
    poll_s: float = 1.0
    """Between two looks for messages that have come."""
    rest: float = 1.0
    """Pause after a batch, as a multiple of the time it took: PostgreSQL serves mail first."""
    run_s: float = 60.0
    """Of one run of the standing job."""


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """What one search may ask, and how much is looked at for it."""

    max_query_characters: int = 1_000
    """A sentence or two; longer ones come of a mistake, such as a letter in place of a query."""
    max_query_terms: int = 32
    """Things to look for in one query: each is looked for in every message that may fit."""
    max_query_depth: int = 8
    """Parentheses and negations within one another."""
    max_looks: int = 50_000
    """Messages looked at for one answer, about half a second's; the next page goes on from there."""
    max_operations: int = 10
    """Of the database for one answer: three do for so many looks, unless inboxes are many."""
    looks_at_once: int = 25_000
    """Of these in one operation of the database, so that others have a turn."""
    first_looks: int = 1_000
    """The same for the first operation of a search: most find what they want there."""
    near_messages: int = 4_096
    """The latest messages, among which the first operation looks."""
    inbox_messages: int = 64
    """Of these, so many of one inbox at least, however many inboxes there are."""
    max_octets: int = 16 * 1024 * 1024
    """Read for one answer of messages whose text is not indexed, or not as a whole: each costs a
    thousand times a look."""
    octets_at_once: int = 4 * 1024 * 1024
    """Read of these by one operation."""
    max_highlighted_octets: int = 4 * 1024 * 1024
    """Read of the messages of one page for the fragments that are shown of their texts."""
    max_highlighted_characters: int = 100_000
    """Of one text that fragments are looked for in."""
    fragments: int = 2
    """Shown of one field."""
    fragment_characters: int = 160
    """Of one fragment: two lines."""
    facet_hits: int = 1_000
    """Messages counted for facets: the latest ones that were found."""
    facet_values: int = 20
    """Values told of one facet, those with most messages."""


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """How messages are leased to those who work on them; times in seconds."""

    max_messages: int = 100
    """Messages that one claim takes: as many as a page shows."""
    min_lease_s: float = 5.0
    """Shorter than a look at one message takes is no lease."""
    max_lease_s: float = 12 * 3600.0
    """Longer ones keep a message from everybody when its holder is gone."""
    max_attempts: int = 100
    """How often a message may be taken before it is a dead letter, at most."""
    max_delay_s: float = 7 * 24 * 3600.0
    """Until a message that was given back may be taken again."""
    expire_s: float = 2.0
    """Between two looks for leases that are over, hence how late one ends for mail programs; who
    claims looks by himself."""
    batch_inboxes: int = 100
    """Inboxes whose leases one look ends."""


@dataclass(frozen=True, slots=True)
class SweepLimits:
    """What is kept how long, and how much one sweep removes."""

    every_s: float = 900.0
    """Between two sweeps."""
    rows: int = 5_000
    """Rows of one kind that one statement removes, so that none holds locks for long."""
    rounds: int = 20
    """Statements for each kind in one sweep."""
    files: int = 5_000
    """Files looked up by one statement."""
    files_every_s: float = 6 * 3600.0
    """Between two looks at all files: a directory listing each."""
    idempotency_days: int = 7
    """Answers kept for a repeated Idempotency-Key (API.md: at least a day)."""
    event_days: int = 30
    """The event log (API.md), and the deliveries to webhooks, which read it."""
    expunged_days: int = 90
    """Tombstones: a client that was away longer reads the mailbox anew."""
    outcome_days: int = 90
    """What bounces and complaints are matched with, and days of reputation; feedback of receivers
    comes within weeks."""
    orphan_hours: int = 24
    """Octets that nothing speaks of; a writer puts them down before its row."""
    failed_job_days: int = 30
    """Jobs that were given up."""
    notification_days: int = 1
    """Notifications that have had their effect; SNS repeats none after an hour."""
    inbound_mail_days: int = 90
    """What became of mail that a provider took for us: longer than ``oldest_days`` of the look
    into its bucket, which would take it in again."""


@dataclass(frozen=True, slots=True)
class AuditLimits:
    """How the audit log is sealed and told."""

    seal_every_s: float = 10.0
    """Between two rounds: a line can be changed unnoticed only until it is sealed."""
    rows: int = 1_000
    """Lines that one transaction seals: some tens of milliseconds."""
    organizations: int = 100
    """Organizations of one round."""
    page: int = 500
    """Lines that are read at once for CSV, NDJSON and exports."""


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """Files of mail or of the audit log; times in seconds."""

    keep_s: float = 7 * 24 * 3600.0
    """How long a file can be fetched; a longer-lived copy belongs into a store of your own."""
    waiting: int = 5
    """Exports of one organization that wait or run: each reads all that it covers."""
    page: int = 200
    """Messages whose description is read at once."""
    octets: int = 4 * 1024 * 1024
    """Messages are read in groups of at most so many octets, or alone."""
    progress_every_s: float = 2.0
    """Between two notes of how far an export is."""
    max_octets: int = 64 * 1024 * 1024 * 1024
    """Of one file: a store of objects takes 10,000 parts."""
    attempts: int = 4
    """Runs of one export, before it has failed: the third has met the same fault as the first."""
    deadline_s: float = 4 * 3600.0
    """Of one run: at a slow 5 MB/s all of the largest file."""


@dataclass(frozen=True, slots=True)
class MetricsLimits:
    """What is counted and told of events; times in seconds."""

    every_s: float = 10.0
    """Between two counts: what is told is at most so old."""
    events: int = 5_000
    """Events that one transaction counts."""
    organizations: int = 100
    """Organizations of one round."""
    inboxes: int = 50
    """Inboxes that are measured by one statement."""
    keep_days: int = 90
    """Of counts; as long as reputation is kept."""
    buckets: int = 1_000
    """Of one answer (API.md)."""
    places: int = 1_000
    """Inboxes or environments of a bound key whose numbers are added up by one question."""


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """What one webhook may ask for, and how its deliveries are tried; times in seconds."""

    max_webhooks: int = 100
    """Of one environment; every event is held against each."""
    max_url_characters: int = 2_048
    """What every server accepts."""
    max_headers: int = 20
    """Header fields that a customer adds."""
    max_header_octets: int = 4_096
    """All of them together; servers refuse heads over 8 KiB."""
    max_places: int = 200
    """Inboxes, environments or types that one webhook names."""
    min_timeout_s: int = 5
    """A receiver that thinks needs a moment."""
    max_timeout_s: int = 60
    """What waits longer should queue the event and answer."""
    pauses_s: tuple[float, ...] = (5, 30, 120, 600, 3_600, 14_400, 43_200, 86_400)
    """Between the attempts of a delivery, of which there is one more (API.md)."""
    jitter: float = 0.2
    """Share by which pauses vary, so that what failed together does not come back together."""
    max_retry_after_s: float = 14_400.0
    """A receiver may ask for a longer pause, up to this."""
    max_failures: int = 50
    """Failed attempts in a row that end a webhook (R109), over at least the next span."""
    failing_s: float = 86_400.0
    """So that one bad hour of a busy receiver does not."""
    overlap_s: float = 86_400.0
    """How long a replaced secret still signs."""
    endpoints: int = 500
    """Webhooks that one worker serves at once; each that hangs holds a task and some sockets."""
    healthy_endpoints: int = 250
    """Of these kept for webhooks whose last attempt went well, so that the others delay nobody."""
    in_flight: int = 8
    """Deliveries to one webhook at once; it begins with fewer, and falls back after failures."""
    first_in_flight: int = 2
    """At once to a webhook of which nothing is known yet."""
    weary_after: int = 10
    """Failures in a row after which a webhook gets one attempt, and then rests."""
    rest_s: float = 30.0
    """That rest: as long as an attempt may hang, so that it takes half a place at most."""
    batch: int = 64
    """Deliveries of one webhook that are read together."""
    chains: int = 16
    """Inboxes of an ordered webhook that are read together."""
    outcomes: int = 64
    """Outcomes that are written by one transaction."""
    lease_s: float = 60.0
    """How long a worker that died keeps its webhooks from the others."""
    poll_s: float = 2.0
    """Between two looks for work that nobody spoke of."""
    gather_s: float = 0.01
    """After a wake-up, so that what comes together is read together."""
    fan_out: int = 1_000
    """Events of one organization that are given to its webhooks by one statement."""
    replay: int = 1_000
    """Events of a window that one transaction queues again."""
    history: int = 20
    """Attempts of one delivery that are remembered briefly."""


@dataclass(frozen=True, slots=True)
class PollingLimits:
    """Webhooks that are read instead of being delivered; times in seconds."""

    max_webhooks: int = 10
    """Of one organization, environment or inbox, as AgentMail has it."""
    max_channels: int = 10
    """Environments and inboxes that one of them names, together."""
    max_types: int = 100
    """Types that one of them names: more than there are."""
    max_consumers: int = 100
    """Whose positions are kept for one of them; a name for every run would leave a row each."""
    max_consumer_characters: int = 256
    """The name of a consumer, as of a client_id."""
    events: int = 50
    """Events of one answer, unless fewer or more are asked for."""
    max_events: int = 200
    """Each is read with its message: half a second, and clients wait for fifteen."""
    answer_octets: int = 4 * 1024 * 1024
    """An answer ends after the event that reaches it; one event may have a megabyte of text."""
    lease_s: float = 30.0
    """For a consumer to work on what it was given, unless it asks for another time."""
    max_lease_s: float = 3_600.0
    """A longer one would keep the next run of a program that ended from its events."""
    note_s: float = 60.0
    """Between two notes of how far a consumer has looked that is given nothing; each is a write."""
    max_offset: int = 2_000_000_000
    """Where the numbers of events begin anew: some clients have 32 bits for them."""
