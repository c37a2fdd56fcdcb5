"""Kinds of systems are a list: nothing asks which kind it deals with, and there may be many connections of each."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from bcbridge.connectors.kinds import KINDS

HOUSE = Path(__file__).resolve().parents[1] / "bcbridge"
ROOMS = {HOUSE / "connectors" / kind for kind in KINDS}
SANDBOX = HOUSE / "sandbox"
"""Of our house neither: a list of servers, which speak what they speak."""
ELSEWHERE = {*ROOMS, SANDBOX, HOUSE / "connectors/kinds.py"}
SHARED = [file for file in sorted(HOUSE.rglob("*.py")) if not ELSEWHERE & {file, *file.parents}]


def asked(file: Path) -> Iterator[str]:
    """What a file compares with the name of a kind: ``==``, ``in``, ``match``, or the key of a table."""
    for node in ast.walk(ast.parse(file.read_text())):
        parts: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            parts = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            parts = [node.value]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key is not None]
        for part in (inner for each in parts for inner in ast.walk(each)):
            if isinstance(part, ast.Constant) and part.value in KINDS:
                yield f"{file.relative_to(HOUSE)}: {ast.unparse(node)}"


@pytest.mark.parametrize("file", SHARED, ids=[str(file.relative_to(HOUSE)) for file in SHARED])
def test_nothing_outside_the_rooms_asks_for_a_kind(file: Path) -> None:
    assert list(asked(file)) == []


def test_the_look_for_such_a_question_finds_one() -> None:
    assert len(list(asked(HOUSE / "connectors/kinds.py"))) == len(KINDS)
