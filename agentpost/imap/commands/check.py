"""CHECK (RFC 3501 section 6.4.1): a checkpoint; everything is on disk before it is answered.

check = "CHECK"
"""

from __future__ import annotations

from agentpost.imap.commands.command import Command, nothing
from agentpost.imap.commands.noop import run
from agentpost.imap.states import Selected

COMMAND = Command(b"CHECK", Selected, nothing, run)
