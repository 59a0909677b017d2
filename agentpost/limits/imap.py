"""IMAP."""

from __future__ import annotations

from dataclasses import dataclass


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
