"""Where clients come from: Debian's packages, npm, and PyPI (in a virtual environment of its own).

Nothing is installed twice, and nothing outside this folder but Debian's packages.
"""

from __future__ import annotations

import os
import shutil
import sys
from functools import cache
from pathlib import Path

from conformance.clients.journey import Missing, run

HERE = Path(__file__).parent
NODE = HERE / "node"
VENV = HERE / ".venv"
_INSTALL_S = 600.0


def debian(program: str, package: str) -> Path:
    """The program, from its Debian package when it is not here yet.

    Raises: Missing when that takes rights we do not have.
    """
    found = shutil.which(program)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        try:
            run(["apt-get", "install", "-y", "-q", package], env=quiet, seconds=_INSTALL_S)
        except AssertionError as error:
            raise Missing(f"Debian package {package}: {error}") from error
        found = shutil.which(program)
    if found is None:
        raise Missing(f"Debian package {package}")
    return Path(found)


@cache
def node_modules() -> Path:
    """The folder with ``package.json`` whose packages are installed.  Raises: Missing."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Missing("Node.js with npm")
    if not has_node_packages():
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"]
        try:
            run(command, cwd=NODE, seconds=_INSTALL_S)
        except AssertionError as error:
            raise Missing(f"npm packages: {error}") from error
    return NODE


def has_node_packages() -> bool:
    """Whether Node.js and the npm packages are here already."""
    there = ("nodemailer", "imapflow")
    return shutil.which("node") is not None and all(
        (NODE / "node_modules" / name / "package.json").is_file() for name in there
    )


@cache
def python_with(package: str) -> Path:
    """The interpreter of a virtual environment that has ``package``.  Raises: Missing."""
    python = VENV / "bin" / "python"
    try:
        if not python.exists():
            run([sys.executable, "-m", "venv", VENV], seconds=_INSTALL_S)
        if not list(VENV.glob(f"lib/python*/site-packages/{package}")):
            pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            run([python, *pip, package], seconds=_INSTALL_S)
    except AssertionError as error:
        raise Missing(f"PyPI package {package}: {error}") from error
    return python
