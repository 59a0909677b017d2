"""What the operator decides: every setting, where its value came from, and what it may be.

A setting is one field of :class:`Config`.  Its value comes from, in rising order: the default,
the TOML file, the environment (``AGENTPOST_`` and the key in capitals, dots as underscores), a
flag of the command line.  The file is the one named by ``--config``, else by
``AGENTPOST_CONFIG``, else ``agentpost.toml`` in the data directory when there is one.

A key nobody knows is an error with a suggestion, never ignored: a misspelt limit that silently
keeps its default is found out too late.
"""

from agentpost.config.files import hold, make_data_dir, master_key, write_private
from agentpost.config.load import FILE_NAME, ConfigError, dump, load, restore, unknown
from agentpost.config.settings import SETTINGS, TIER_NAMES, Config, Origin, Setting, Tier, Tiers
from agentpost.config.values import Address

__all__ = [
    "FILE_NAME",
    "SETTINGS",
    "TIER_NAMES",
    "Address",
    "Config",
    "ConfigError",
    "Origin",
    "Setting",
    "Tier",
    "Tiers",
    "dump",
    "hold",
    "load",
    "make_data_dir",
    "master_key",
    "restore",
    "unknown",
    "write_private",
]
