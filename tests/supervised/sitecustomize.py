"""Puts stand-ins in the place of the worker's nursery and of the first organization.

Python imports this before anything else when its directory is on PYTHONPATH; so the supervisor
can be tested with real processes, but without a mail server in them.
"""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_STAND_INS = {
    "agentpost.serve": _HERE / "serve.py",
    "agentpost.store.bootstrap": _HERE / "bootstrap.py",
}


class _Finder:
    @staticmethod
    def find_spec(
        name: str, path: object = None, target: object = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in _STAND_INS:
            return None
        return importlib.util.spec_from_file_location(name, _STAND_INS[name])


sys.meta_path.insert(0, _Finder)
