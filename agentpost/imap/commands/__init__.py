"""The commands, one module each, by their names on the wire.

A command is a frozen value of its arguments, a ``parse`` that reads them, a ``run`` that does it,
and a registration that says in which state it is legal and when expunges may be told after it.
"""

from __future__ import annotations

from agentpost.imap.commands import (
    append,
    authenticate,
    capability,
    check,
    close,
    copy,
    create,
    delete,
    enable,
    examine,
    expunge,
    fetch,
    id,
    idle,
    list,
    login,
    logout,
    lsub,
    move,
    namespace,
    noop,
    rename,
    search,
    select,
    status,
    store,
    subscribe,
    unselect,
    unsubscribe,
)
from agentpost.imap.commands.command import Command, Done

_MODULES = (
    append,
    authenticate,
    capability,
    check,
    close,
    copy,
    create,
    delete,
    enable,
    examine,
    expunge,
    fetch,
    id,
    idle,
    list,
    login,
    logout,
    lsub,
    move,
    namespace,
    noop,
    rename,
    search,
    select,
    status,
    store,
    subscribe,
    unselect,
    unsubscribe,
)

COMMANDS: dict[bytes, Command] = {module.COMMAND.name: module.COMMAND for module in _MODULES}
"""Every command by its name in upper case; ``UID X`` is X with ``by_uid``."""

__all__ = ["COMMANDS", "Command", "Done"]
