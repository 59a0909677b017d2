"""``python -m benchmarks [name ...]``: run every benchmark of this directory, or those named."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def main(names: list[str]) -> None:
    """Import each benchmark and call its ``main``."""
    known = [each.name for each in pkgutil.iter_modules(benchmarks.__path__)]
    for name in names or [each for each in known if not each.startswith("_")]:
        module = importlib.import_module(f"benchmarks.{name}")
        if hasattr(module, "main"):
            print(f"== {name}")
            module.main()


main(sys.argv[1:])
