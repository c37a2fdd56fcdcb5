"""The shape of the house, held by tests: its arrows, its words, its clocks and the size of its stories."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import bcbridge
from bcbridge.connectors.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
HOUSE = Path(bcbridge.__file__).parent
MODULES = sorted(HOUSE.rglob("*.py"))
WHO_KNOW_THE_ROOMS = ("connectors/kinds.py", "config.py", "sandbox/", "sandbox_process.py", "cli/", "app.py")
"""Besides the rooms themselves."""
CLOCKLESS = ("model/", "flows/", "connectors/", "store/", "mappings.py", "errors.py")
"""Below the engine: the present comes in as an argument."""
CLOCKS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
}
CLOCKS_ALLOWED: dict[str, str] = {}
"""File and why it may look at the clock itself."""
NO_NAMES = {"manager", "helper", "helpers", "util", "utils", "service", "services", "common", "misc"}
NO_NAMES_ALLOWED = {"cli/common.py": "what every command of the command line shares; typer's own word for it"}
MEDIAN_LINES, NINETIETH_LINES = 7, 30


def named(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_the_arrows_point_down() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_room_is_under_the_arrows() -> None:
    """A new room is written into the contracts of pyproject.toml, or nothing would hold it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rooms = {f"bcbridge.connectors.{kind}" for kind in KINDS}
    (independence,) = (one for one in contracts if one["type"] == "independence")
    assert set(independence["modules"]) >= rooms
    for one in contracts:
        about_rooms = rooms & {*one.get("source_modules", ()), *one.get("forbidden_modules", ())}
        assert about_rooms in (set(), rooms), one["name"]


@pytest.mark.parametrize("path", [path for path in MODULES if named(path).startswith("model/")], ids=named)
def test_no_float_in_the_model(path: Path) -> None:
    floats = [ast.unparse(node) for node in ast.walk(parsed(path)) if _is_float(node)]
    assert not floats, f"{named(path)}: {floats}"


def _is_float(node: ast.AST) -> bool:
    literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
    return literal or (isinstance(node, ast.Name) and node.id == "float")


def test_nothing_asks_which_room_it_talks_to() -> None:
    asking = [
        f"{named(path)}: {ast.unparse(node)}"
        for path in MODULES
        if not named(path).startswith(WHO_KNOW_THE_ROOMS)
        for node in ast.walk(parsed(path))
        if _asks_for_a_room(node)
    ]
    assert not asking


def _asks_for_a_room(node: ast.AST) -> bool:
    """A comparison, a match or a lookup by the name of a kind."""
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        return any(_names_a_room(side) for side in sides)
    return isinstance(node, ast.MatchValue) and _names_a_room(node.value)


def _names_a_room(node: ast.AST) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_names_a_room(one) for one in node.elts)
    return isinstance(node, ast.Constant) and node.value in KINDS


def test_nothing_compares_a_connectors_kind() -> None:
    """``kind`` of other things (a line, a fault) are enumerations or words of the vendor's."""
    asking = [
        f"{named(path)}:{node.lineno}"
        for path in MODULES
        if not named(path).startswith(WHO_KNOW_THE_ROOMS)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Compare) and _is_kind_of_a_connector(node.left)
    ]
    assert not asking


def _is_kind_of_a_connector(node: ast.AST) -> bool:
    owner = node.value if isinstance(node, ast.Attribute) and node.attr == "kind" else None
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name in {"connector", "connection", "channel", "erp", "room", "settings"}


def test_the_present_comes_in_as_an_argument() -> None:
    looking = [
        f"{named(path)}:{node.lineno} {ast.unparse(node.func)}"
        for path in MODULES
        if named(path).startswith(CLOCKLESS) and named(path) not in CLOCKS_ALLOWED
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and _is_clock(node.func)
    ]
    assert not looking


def _is_clock(function: ast.expr) -> bool:
    return isinstance(function, ast.Attribute) and ".".join(ast.unparse(function).split(".")[-2:]) in CLOCKS


def test_every_module_has_a_name_that_says_something() -> None:
    empty = {named(path) for path in MODULES if {path.stem, path.parent.name} & NO_NAMES}
    assert empty <= set(NO_NAMES_ALLOWED)


def test_every_module_says_what_it_is() -> None:
    silent = [named(path) for path in MODULES if path.stat().st_size and not ast.get_docstring(parsed(path))]
    assert not silent


def test_functions_can_be_held_in_the_head() -> None:
    lengths = sorted(_length(node) for path in MODULES for node in _functions(parsed(path)))
    assert statistics.median(lengths) <= MEDIAN_LINES
    assert lengths[len(lengths) * 9 // 10] < NINETIETH_LINES


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end."""
    return (function.end_lineno or function.lineno) - function.lineno + 1
