"""SMTP submission."""

from __future__ import annotations

from dataclasses import dataclass


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
