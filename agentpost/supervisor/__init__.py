"""``agentpost serve``: one process that starts PostgreSQL and keeps workers alive.

The supervisor itself runs no event loop and imports neither Trio nor the database driver, so it
stays small.  What needs them at start (the schema, the first organization, the certificate) is
done by a child that ends, :mod:`agentpost.supervisor.prepare`, while the workers are already
importing.
"""

from agentpost.supervisor.supervise import supervise

__all__ = ["supervise"]
