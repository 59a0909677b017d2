"""kill -9 of a worker, the supervisor and all of PostgreSQL at random moments under load.

``AGENTPOST_TEST_PROFILE=soak`` kills two hundred times.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tests.durability.house import broken_readings, furnish, kept, mixed_load, readers, told
from tests.durability.killing import KINDS, kill
from tests.durability.ledger import Ledger
from tests.server import serving

# Read now: no test sees the settings from outside.
_SOAK = os.environ.get("AGENTPOST_TEST_PROFILE") == "soak"
_KILLS = 200 if _SOAK else 6
_ANSWERS_BETWEEN = 60

pytestmark = pytest.mark.slow


def test_what_was_acknowledged_is_there_once_whatever_is_killed(tmp_path: Path) -> None:
    chance = random.Random(time.time_ns() if _SOAK else 3)
    kinds = [KINDS[number % len(KINDS)] for number in range(_KILLS)]
    chance.shuffle(kinds)
    ledger = Ledger()
    with serving(tmp_path) as server:
        accounts = furnish(server, "one", "two", "three")
        seen = readers(server, accounts)
        load = mixed_load(server, ledger, accounts)
        seen.start()
        load.start()
        try:
            for kind in kinds:
                load.go_on(_ANSWERS_BETWEEN)
                time.sleep(chance.random() * 0.2)
                kill(server, kind)
            load.go_on(_ANSWERS_BETWEEN)
            load.finish()
        finally:
            load.abandon()
            seen.stop()
        found = told(server, accounts)
        there = kept(server)
    assert ledger.broken(found) == []
    assert broken_readings(seen, there, ledger) == []
    assert ledger.doubted > 0, "nothing was under way at any kill: the test proves nothing"
