"""The rules of the house that a reviewer would otherwise have to remember."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import agentpost.limits
from agentpost import config
from agentpost.errors import TABLE, Problem
from agentpost.http.endpoint import Routes
from agentpost.http.resources import RESOURCES
from tests.house.documentation import configuration_rows, made, present

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "agentpost"
MODULES = sorted(SOURCE.rglob("*.py"))

_GENERATED = "Written by ``python -m generators."
_MAX_LINES = 560
_MAX_FUNCTION_LINES = 90


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


"""Lists of everything there is of a kind, which are looked up and not read."""


def test_files_are_short() -> None:
    sources = {name_of(path): path.read_text("utf-8") for path in MODULES}
    # What a program writes is read by programs; its first line says so.
    by_hand = {name: text for name, text in sources.items() if _GENERATED not in text[:200]}
    lengths = {name: text.count("\n") for name, text in by_hand.items()}
    assert not {name: count for name, count in lengths.items() if count > _MAX_LINES}


def test_functions_are_short() -> None:
    long = {
        f"{name_of(path)}:{node.name}": node.end_lineno - node.lineno
        for path in MODULES
        for node in functions(path)
        if node.end_lineno is not None and node.end_lineno - node.lineno > _MAX_FUNCTION_LINES
    }
    assert not long


def test_every_module_says_what_it_knows() -> None:
    silent = [
        name_of(path)
        for path in MODULES
        if path.read_text("utf-8").strip() and not ast.get_docstring(tree_of(path))
    ]
    assert not silent


def test_every_resource_is_served_and_tested() -> None:
    served = {id(routes) for routes in RESOURCES}
    for path in sorted((SOURCE / "http" / "resources").glob("[a-z]*.py")):
        module = importlib.import_module(f"agentpost.http.resources.{path.stem}")
        own = [each for each in vars(module).values() if isinstance(each, Routes)]
        if path.stem != "meta":  # It describes the others, and is served with them.
            assert {id(routes) for routes in own} <= served, path
        if own and path.stem != "meta":
            assert (ROOT / "tests" / "http" / "resources" / f"test_{path.stem}.py").is_file(), path


def test_authorization_is_required_in_one_place() -> None:
    places = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "require"
    ]
    assert len(places) == 1, places
    assert places[0].startswith("agentpost/store/")


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    left = [
        f"{name_of(path)}:{number}"
        for path in MODULES
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert not left


def test_exceptions_are_never_swallowed_bare() -> None:
    bare = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not bare


def test_every_error_has_its_three_columns() -> None:
    for code, kind in TABLE.items():
        column = kind.column
        assert re.fullmatch(r"[a-z_]+", code)
        assert 400 <= column.http < 600
        assert column.imap is None or re.fullmatch(r"[A-Z]+( \([A-Z0-9 -]+\))?", column.imap)
        reply, enhanced = column.smtp
        assert 400 <= reply < 600
        assert enhanced.startswith(f"{reply // 100}.")
        assert column.message.endswith(".")
        assert column.fix.endswith(".")
    assert len(TABLE) == len(Problem.__subclasses__())


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    missing = [row for row in configuration_rows() if row not in text]
    assert not missing, "put these rows into docs/configuration.md:\n" + "\n".join(missing)
    documented = set(re.findall(r"^\| `([a-z0-9_.]+)` \| `AGENTPOST_", text, re.MULTILINE))
    assert documented == set(config.SETTINGS)


@pytest.mark.parametrize("page", ["errors.md", "limits.md"])
def test_errors_and_limits_are_documented(page: str) -> None:
    assert present(page) == made(page), "run: python -m tests.house.documentation"


def test_every_command_is_documented() -> None:
    from agentpost.cli import agentpost as command_line

    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs").rglob("*.md"))
    text += (ROOT / "README.md").read_text("utf-8")
    missing = [verb for verb in command_line.commands if f"agentpost {verb}" not in text]
    assert not missing


def test_the_configuration_example_loads(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    examples = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert examples
    for number, example in enumerate(examples):
        path = tmp_path / f"{number}.toml"
        path.write_text(example)
        config.load(config_file=path, environ={})


def test_limits_are_frozen_and_explained() -> None:
    for path in [*(SOURCE / "limits").glob("*.py"), SOURCE / "net" / "limits.py"]:
        for node in tree_of(path).body:
            if not isinstance(node, ast.ClassDef):
                continue
            assert ast.get_docstring(node), node.name
            for field, following in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(field, ast.AnnAssign):
                    explained = isinstance(following, ast.Expr)
                    assert explained, f"{node.name}.{ast.unparse(field.target)} says no reason"
    for kind in vars(agentpost.limits).values():
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_the_client_needs_nothing_of_the_server() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert [re.split(r"[<>=]", need)[0] for need in project["dependencies"]] == ["httpx2"]


def test_the_client_imports_nothing_of_the_house() -> None:
    allowed = {"agentpost.client", "httpx2"}
    for path in sorted((SOURCE / "client").rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                known = name.partition(".")[0] in sys.stdlib_module_names
                assert known or any(
                    name == ours or name.startswith(ours + ".") for ours in allowed
                ), f"{name_of(path)} imports {name}"


def test_no_file_of_the_repository_names_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a checkout")
    places = {str(ROOT)}
    if Path(sys.base_prefix).is_relative_to(Path.home()):
        places.add(sys.base_prefix)
    pattern = re.compile("|".join(map(re.escape, places)).encode())
    named = []
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        ours = name and path.is_file()
        if ours and pattern.search(path.read_bytes()):
            named.append(name)
    assert not named


def test_every_part_is_on_a_floor() -> None:
    """A new top-level module must be placed in the import contract, or it escapes it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    floors = next(contract for contract in contracts if contract["type"] == "layers")
    placed = {name for layer in floors["layers"] for name in re.findall(r"\w+", layer)}
    present = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py"}
    present |= {path.name for path in SOURCE.iterdir() if any(path.rglob("*.py"))}
    beside = {"__init__", "client"}
    assert present - placed - beside == set()
