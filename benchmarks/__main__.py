"""``python -m benchmarks [name [argument ...]]``: run one benchmark of this directory, or all."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks


def main(arguments: list[str]) -> None:
    """Import each benchmark and call its ``main``, which finds its arguments in ``sys.argv``."""
    known = [each.name for each in pkgutil.iter_modules(benchmarks.__path__)]
    for name in arguments[:1] or [each for each in known if not each.startswith("_")]:
        module = importlib.import_module(f"benchmarks.{name}")
        sys.argv = [name, *arguments[1:]]
        if hasattr(module, "main"):
            print(f"== {name}", flush=True)
            module.main()


main(sys.argv[1:])
