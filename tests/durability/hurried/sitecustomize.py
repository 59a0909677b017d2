"""Makes a worker hurry; Python imports this first when its directory is on PYTHONPATH."""

import sys

if "worker" in getattr(sys, "orig_argv", ()):
    from tests.durability.hurry import hurry

    hurry()
