"""The commands, one module each, by their names on the wire.

A command is a frozen value of its arguments, a ``parse`` that reads them, a ``run`` that does it,
and a registration that says in which state it is legal and when expunges may be told after it.
"""

from __future__ import annotations

from agentpost.imap.commands import append as append_command
from agentpost.imap.commands import authenticate as authenticate_command
from agentpost.imap.commands import capability as capability_command
from agentpost.imap.commands import check as check_command
from agentpost.imap.commands import close as close_command
from agentpost.imap.commands import copy as copy_command
from agentpost.imap.commands import create as create_command
from agentpost.imap.commands import delete as delete_command
from agentpost.imap.commands import enable as enable_command
from agentpost.imap.commands import examine as examine_command
from agentpost.imap.commands import expunge as expunge_command
from agentpost.imap.commands import fetch as fetch_command
from agentpost.imap.commands import id as id_command
from agentpost.imap.commands import idle as idle_command
from agentpost.imap.commands import list as list_command
from agentpost.imap.commands import login as login_command
from agentpost.imap.commands import logout as logout_command
from agentpost.imap.commands import lsub as lsub_command
from agentpost.imap.commands import move as move_command
from agentpost.imap.commands import namespace as namespace_command
from agentpost.imap.commands import noop as noop_command
from agentpost.imap.commands import rename as rename_command
from agentpost.imap.commands import search as search_command
from agentpost.imap.commands import select as select_command
from agentpost.imap.commands import status as status_command
from agentpost.imap.commands import store as store_command
from agentpost.imap.commands import subscribe as subscribe_command
from agentpost.imap.commands import unselect as unselect_command
from agentpost.imap.commands import unsubscribe as unsubscribe_command
from agentpost.imap.commands.command import Command, Done

_MODULES = (
    append_command,
    authenticate_command,
    capability_command,
    check_command,
    close_command,
    copy_command,
    create_command,
    delete_command,
    enable_command,
    examine_command,
    expunge_command,
    fetch_command,
    id_command,
    idle_command,
    list_command,
    login_command,
    logout_command,
    lsub_command,
    move_command,
    namespace_command,
    noop_command,
    rename_command,
    search_command,
    select_command,
    status_command,
    store_command,
    subscribe_command,
    unselect_command,
    unsubscribe_command,
)

COMMANDS: dict[bytes, Command] = {module.COMMAND.name: module.COMMAND for module in _MODULES}
"""Every command by its name in upper case; ``UID X`` is X with ``by_uid``."""

__all__ = ["COMMANDS", "Command", "Done"]
