"""Ways out of this server."""

from __future__ import annotations

from dataclasses import dataclass


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
