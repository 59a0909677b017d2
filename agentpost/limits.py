"""Every bound of the server: a number, its unit, its reason and its source.

Limits are frozen values handed down, never read from a global, so that a test can shrink one and
an operator can raise one.
"""

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
class HttpLimits:
    """What one HTTP connection, request and answer may take; times in seconds."""

    max_requests: int = 256
    """Requests at work in one worker at once; each may hold a body and a database call."""
    max_head_octets: int = 16 * 1024
    """Request line and header fields together; proxies and browsers stay under 8 KiB."""
    max_fields: int = 100
    """Header fields of one request; real clients send under 30."""
    max_body_octets: int = 1024 * 1024
    """Body of a request whose endpoint does not say otherwise."""
    max_mail_body_octets: int = 16 * 1024 * 1024
    """Body of a request that carries a message: its files come in base64, as they will go out."""
    max_buffered_octets: int = 128 * 1024 * 1024
    """Bodies that one worker holds at once; a request waits until its body fits."""
    max_pipelined_octets: int = 64 * 1024
    """What a client may send ahead of an answer it waits for."""
    first_request_s: float = 15.0
    """From the connection to the first complete head."""
    head_s: float = 10.0
    """From the first octet of a head to its last: a slow head holds a connection (slowloris)."""
    keep_alive_s: float = 75.0
    """Idle between two requests; longer than the 60 s of common load balancers, which must be
    the side that closes."""
    body_s: float = 20.0
    """Time allowed for a body, besides what ``body_octets_per_s`` allows for its size."""
    body_octets_per_s: int = 8 * 1024
    """The slowest client whose body is waited for: a poor mobile connection."""
    answer_s: float = 60.0
    """A handler's time, unless its endpoint says otherwise."""
    sweep_s: float = 1.0
    """Between two looks for connections past their deadline, hence how late one may be cut."""
    cleanup_s: float = 1.0
    """For an ASGI application to put away what it holds after its exchange is over."""
    drain_s: float = 20.0
    """At shutdown, for requests at work to finish; then connections are cut."""
    websocket_message_octets: int = 64 * 1024
    """One message of a WebSocket client; its frames are subscriptions and acknowledgements."""
    websocket_ping_s: float = 25.0
    """Between pings; middle boxes drop silent connections after 30 to 60 s."""
    max_subscriptions: int = 64
    """Subscriptions and waits of one WebSocket."""
    stream_ping_s: float = 25.0
    """Between signs of life on an event stream, for the same middle boxes."""
    stream_retry_s: float = 2.0
    """After which a browser opens a broken event stream again."""


@dataclass(frozen=True, slots=True)
class EventLimits:
    """How the event log is read for those who listen; times in seconds."""

    tail_look_s: float = 1.0
    """Between two looks without a wake-up: what an event outside any inbox, or one of another
    instance whose wake-up was lost, is late at most."""
    tail_settle_s: float = 0.001
    """Until the next look while an older transaction holds an event back; doubles each time."""
    tail_max_settle_s: float = 0.1
    """Longest such pause."""
    tail_events: int = 256
    """Events of one organization that one look reads, and that stay in memory."""
    tail_keep_s: float = 30.0
    """How long they stay; twice as long as a listener that hears nothing waits to look."""
    envelope_octets: int = 16 * 1024 * 1024
    """Events as JSON that are kept for the next listener of the same one."""
    envelope_keep_s: float = 5.0
    """How long: labels and texts are told as they are now."""


@dataclass(frozen=True, slots=True)
class McpLimits:
    """What one client of the Model Context Protocol may take; times in seconds."""

    max_batch: int = 50
    """Messages of one request, where the version has batches; each counts as a request."""
    max_sessions: int = 100
    """Open sessions of one key; the one unused for longest ends when another begins.  Clients that
    go away without a word leave theirs behind."""
    session_idle_s: int = 24 * 3600
    """A session that nobody used for so long ends: assistants stay open over a working day."""
    session_touch_s: int = 3600
    """How often the use of a session is noted; each note is a write."""
    max_subscriptions: int = 64
    """Resources that one session watches; each is looked at whenever its inbox changes."""
    ping_s: float = 25.0
    """Between two signs of life on a stream; middle boxes drop silent connections after 30 to
    60 s."""
    progress_s: float = 5.0
    """Between two progress notifications; clients count each as a reason to wait on."""
    max_wait_s: int = 300
    """The longest wait of one call, as in the REST API."""
    max_file_octets: int = 256 * 1024
    """A file given as text or base64; a larger one would fill a model's context, and is linked."""
    max_line_octets: int = 16 * 1024 * 1024
    """One message over stdio: as large as a request that carries mail."""
    max_at_once: int = 16
    """Requests at work at once over stdio; one more waits."""


@dataclass(frozen=True, slots=True)
class FramingLimits:
    """What one IMAP command may bring before its grammar is looked at."""

    max_line_octets: int = 65_536
    """One line without its CR LF; clients keep to about 8,192 (RFC 7162 section 4), long UID
    lists of mature clients need more."""
    max_literals: int = 1_000
    """Literals of one command; each costs a round trip or a few octets, so more is an attack."""
    max_argument_octets: int = 1024 * 1024
    """Everything of one command but the messages it uploads."""
    max_nonsynchronizing_octets: int = 4_096
    """One literal that does not wait for us (RFC 7888 section 5, LITERAL-)."""
    max_message_octets: int = 10 * 1024 * 1024
    """One literal of a command that uploads messages: R72, APPENDLIMIT."""
    max_swallowed_octets: int = 1024 * 1024
    """Octets of a refused command that are read and dropped before the connection is closed."""


FRAMING_BEFORE_LOGIN = FramingLimits(
    max_line_octets=8_192,
    max_literals=8,
    max_argument_octets=8_192,
    max_message_octets=8_192,
)
"""A stranger needs a name, a password and at most a long token."""

FRAMING_AFTER_LOGIN = FramingLimits()


@dataclass(frozen=True, slots=True)
class GrammarLimits:
    """How large the arguments of an IMAP command may grow."""

    max_search_string_octets: int = 1_024
    """One string of SEARCH; every message is compared with it."""
    max_search_depth: int = 20
    """Parentheses, NOT and OR inside each other; people stop at three."""
    max_search_keys: int = 2_000
    """Search keys of one command; programs look up hundreds of Message-IDs with OR."""
    max_header_names: int = 100
    """Names of one HEADER.FIELDS list; the longest a known client sends has about 30."""
    max_fetch_items: int = 200
    """Data items of one FETCH; clients fetch one section of every part of a large message."""
    max_part_depth: int = 100
    """Numbers of one part specifier; mail is nested a few levels deep."""
    max_pattern_octets: int = 512
    """One LIST pattern; matching costs its length for every mailbox."""
    max_patterns: int = 20
    """Patterns of one LIST (RFC 5258 section 3)."""
    max_mailbox_octets: int = 1_024
    """A mailbox name in UTF-8, all levels together."""
    max_mailbox_levels: int = 32
    """Levels of a mailbox name."""
    max_keyword_octets: int = 128
    """One keyword; labels are short."""
    max_flags: int = 128
    """Flags and keywords named by one command."""


@dataclass(frozen=True, slots=True)
class SubmissionLimits:
    """What one SMTP connection may take besides the limits of the network; times in seconds."""

    max_command_octets: int = 2048
    """A command line with its CRLF.  RFC 5321 wants 512, extensions add up to 1,200 to that."""
    max_auth_octets: int = 12_288
    """AUTH and its responses (RFC 4954 section 4)."""
    max_endless_octets: int = 1024 * 1024
    """What may follow on a line that is too long before the connection is closed."""
    max_hello_octets: int = 255
    """The name in EHLO: a domain (RFC 5321 section 4.5.3.1.2)."""
    max_junk_commands: int = 100
    """Commands that send nothing (NOOP, RSET, EHLO, VRFY, out of sequence) between messages."""
    max_bad_commands: int = 20
    """Commands that cannot be read, between messages; real clients send none."""
    max_failed_logins: int = 3
    """Then the connection ends; a mail program asks its user before the second attempt."""
    failed_login_s: float = 1.0
    """From a failed AUTH to its reply, always, so that the time does not tell why it failed."""
    command_before_login_s: float = 30.0
    """A complete command from a stranger; slow strangers hold connections (slowloris)."""
    command_s: float = 300.0
    """A complete command after login (RFC 5321 section 4.5.3.2.7: at least 5 minutes)."""
    data_window_s: float = 60.0
    """The window over which the speed of message data is judged."""
    data_octets_per_s: int = 500
    """The slowest client whose data is waited for."""
    answer_s: float = 300.0
    """Our own work on one command: under the client's 10 minutes (RFC 5321 4.5.3.2.6)."""
    reservation_s: float = 20.0
    """How long 354 waits for memory before 452: clients wait 2 minutes (RFC 5321 4.5.3.2.4)."""
    reservation_octets: int = 128 * 1024
    """Memory granted before 354 to a message that does not say its size; then as it grows."""
    max_swallowed_octets: int = 64 * 1024 * 1024
    """What is read of a message already refused, to stay in step; beyond, the connection ends."""
    sweep_s: float = 1.0
    """Between two looks for connections past their deadline, hence how late one may be cut."""
    cleanup_s: float = 1.0
    """For an ASGI application to put away what it holds after its exchange is over."""
    drain_s: float = 20.0
    """At shutdown, for messages on their way to arrive; then connections are cut."""


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
class RelayLimits:
    """How long and how often a message is offered to the next server; times in seconds."""

    concurrency: int = 32
    """Messages on their way at once in one worker: at the 100 ms that SES takes for one, they
    make 300 a second."""
    first_retry_s: float = 60.0
    """Before the second attempt; doubles for each further one (RFC 5321 section 4.5.4.1)."""
    max_retry_s: float = 2 * 3600.0
    """Longest pause between attempts."""
    jitter: float = 0.2
    """Share by which pauses vary."""
    give_up_s: float = 3 * 24 * 3600.0
    """From submission; senders of today expect to be told sooner than the 4 to 5 days of
    RFC 5321 section 4.5.4.1."""
    attempt_s: float = 3600.0
    """One attempt in all; the smart host's own deadlines are far below."""
    listening_s: float = 10.0
    """Between two notes that this server would hear of a provider's events; it counts as away
    after half a minute."""
    settle_octets: int = 4_096
    """Of a server's words that are kept for one recipient."""
    batch_settlements: int = 64
    """Outcomes written by one transaction."""


@dataclass(frozen=True, slots=True)
class SmartHostLimits:
    """Deadlines and bounds towards the smart host; times in seconds."""

    connect_s: float = 30.0
    """TCP, all addresses of the host together."""
    handshake_s: float = 30.0
    """TLS."""
    greeting_s: float = 300.0
    """The first 220 (RFC 5321 section 4.5.3.2.1)."""
    command_s: float = 300.0
    """MAIL, RCPT, EHLO, AUTH (sections 4.5.3.2.2 and 4.5.3.2.3)."""
    data_s: float = 120.0
    """From DATA to 354 (section 4.5.3.2.4)."""
    block_s: float = 180.0
    """For each block of message data to leave (section 4.5.3.2.5)."""
    block_octets: int = 65_536
    """Octets of one such block."""
    final_s: float = 600.0
    """From the final dot to its reply (section 4.5.3.2.6)."""
    quit_s: float = 2.0
    """QUIT is a courtesy."""
    max_connections: int = 4
    """Connections at once; more are taken for abuse by common providers."""
    max_messages: int = 100
    """Messages over one connection, so that load spreads over the host's machines."""
    idle_s: float = 30.0
    """A connection without work is kept so long."""
    max_recipients: int = 50
    """Recipients of one transaction."""
    max_reply_octets: int = 16_384
    """One reply with all its lines; more is no SMTP server."""
    max_line_octets: int = 4_096
    """One reply line (RFC 5321 section 4.5.3.1.5 says 512)."""


@dataclass(frozen=True, slots=True)
class AwsLimits:
    """Deadlines and bounds towards Amazon's services; times in seconds."""

    connect_s: float = 10.0
    """TCP and TLS; also for a free connection."""
    write_s: float = 30.0
    """For each piece of a request to leave."""
    read_s: float = 60.0
    """From the end of a request to its answer; SES scans a message before it answers."""
    call_s: float = 120.0
    """One call in all."""
    idle_s: float = 4.0
    """A connection without work is kept so long: below what Amazon's servers keep one, so that no
    request meets one that is just being closed and is left in doubt."""
    connections: int = 64
    """Connections at once to one service."""


@dataclass(frozen=True, slots=True)
class SesLimits:
    """What one message may be for Amazon SES, and how fast we send; times in seconds."""

    max_octets: int = 40_000_000
    """The whole message (SES: 40 MB after encoding)."""
    max_recipients: int = 50
    """Recipients of one call (SES: 50); more are split over several."""
    begin_s: float = 60.0
    """From the start of an attempt to its last call; at most a quarter of what an attempt may be
    in doubt, so that none is under way when another begins."""
    call_s: float = 120.0
    """One call in all; at most half of that."""
    open_s: float = 15.0
    """For the client to be ready, which it is from the start on."""
    turn_s: float = 20.0
    """Longest wait for a turn at the rate that SES bears; then the message is tried later."""
    throttled_s: float = 30.0
    """Pause of a message that found no turn: its fellows are before it."""
    max_refusals: int = 4
    """Calls of one attempt that SES refuses for their rate."""
    min_rate: float = 1.0
    """Recipients a second that are tried at least: the rate of the SES sandbox."""
    max_rate: float = 10_000.0
    """Recipients a second at most; above any quota of SES."""


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


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Links that open files without a key, and files that wait to be attached; times in seconds."""

    link_s: int = 3600
    """A link to download or to upload one file: it may lie in a log or a prompt by then (R8)."""
    upload_s: int = 24 * 3600
    """From the announcement of a file to the last message that it may be attached to."""
    waiting: int = 1_000
    """Files of one environment that wait: ten times what one message can hold."""
    waiting_octets: int = 1024 * 1024 * 1024
    """The same in octets, as they were announced."""
    held_octets: int = 64 * 1024 * 1024
    """Uploaded files that one worker holds while messages are made of them; more wait."""
    linked_files: int = 10
    """Files of one message that are fetched from URLs."""
    fetch_s: float = 20.0
    """For all of them together: a request that waits longer is given up by its client."""
    form_octets: int = 64 * 1024
    """A multipart form besides its file: boundaries, names, small fields."""
    form_parts: int = 16
    """Parts of one form; three are known."""


@dataclass(frozen=True, slots=True)
class BlobLimits:
    """Deadlines and bounds towards a store of objects; times in seconds."""

    connect_s: float = 5.0
    """TCP and TLS; an address that does not answer by then is down."""
    read_s: float = 10.0
    """Between two pieces of an answer."""
    operation_s: float = 25.0
    """One object written, read or removed, repetitions included: half of what a request may take."""
    attempts: int = 3
    """Requests of one operation, with growing pauses; stores ask for repetition when they shift load."""
    connections: int = 32
    """Connections of one process."""
    page: int = 1_000
    """Objects of one listing (the most that S3 gives)."""
    part_octets: int = 8 * 1024 * 1024
    """What is written at once of a file that is made piece by piece (S3 takes no less than 5 MiB
    and no more than 10,000 parts)."""
    cached_octets: int = 32 * 1024 * 1024
    """Objects that one process keeps after reading: mail programs read a large message in a hundred
    pieces."""


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


@dataclass(frozen=True, slots=True)
class ImapLimits:
    """What one IMAP connection may take besides the limits of the network; times in seconds."""

    max_bad_commands: int = 20
    """Commands in a row that cannot be understood; real clients send none."""
    max_failed_logins: int = 3
    """Then the connection ends; a mail program asks its user before the second attempt."""
    failed_login_s: float = 1.0
    """From a failed login to its answer, always, so that the time does not tell why it failed."""
    command_before_login_s: float = 30.0
    """A stranger's time for a complete command; slow strangers hold connections."""
    login_s: float = 180.0
    """A stranger's time in all, whatever it says meanwhile."""
    autologout_s: float = 1_860.0
    """Silence after login before BYE: RFC 9051 section 5.4 wants at least 30 minutes."""
    idle_s: float = 1_860.0
    """One IDLE; clients renew it within 29 minutes (RFC 2177)."""
    idle_still_s: float = 285.0
    """Between signs of life during IDLE: within the five minutes that forgetful NAT tables
    grant, and rare, because ten thousand idle connections shall cost nothing."""
    idle_retry_s: float = 5.0
    """Until IDLE looks again when the store did not answer."""
    literal_s: float = 300.0
    """A command under way must make progress within this time (I01.23 of the attack list)."""
    command_octets_per_s: int = 1_000
    """The slowest client whose command is waited for, besides ``literal_s`` in all: what holds
    memory must not trickle."""
    reservation_s: float = 20.0
    """How long ``+`` waits for memory before NO."""
    connections_per_inbox: int = 100
    """Logged-in connections of one inbox, unless its settings say otherwise (R131)."""
    commands_per_minute: int = 60_000
    """Commands of one connection; beyond it answers are slowed down, not refused."""
    welcome_check_s: float = 10.0
    """Between two looks whether the credentials of all sessions still hold."""
    drain_s: float = 8.0
    """For sessions to end at shutdown."""


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
