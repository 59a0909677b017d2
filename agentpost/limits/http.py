"""HTTP, links and files."""

from __future__ import annotations

from dataclasses import dataclass


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
    grants_every_s: float = 0.5
    """Between two times that a worker tells the others what requests it granted: as long several
    of them may each grant what is left of a limit."""
    shared_grants: int = 1000
    """Keys, organizations and addresses of which it tells, those with the most requests first; the
    others come next time."""
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
    told_ahead_octets: int = 1024 * 1024
    """Octets of messages that are read together when their events are told one after the other."""
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
    max_canceled: int = 64
    """Cancelled requests that a session remembers until whoever works on them has heard of it: more
    than a client has running."""
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
class FileLimits:
    """Links that open files without a key, and files that wait to be attached; times in seconds."""

    link_s: int = 900
    """A link to download or to upload one file: it may lie in a log or a prompt by then (R8), and is
    used within minutes."""
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
