"""Only the store speaks SQL; the sandbox has books of its own."""

from __future__ import annotations

import re
from pathlib import Path

import bcbridge

SQL = re.compile(r"\.(execute|executemany|executescript)\(|\bSELECT\s.+\sFROM\s|\bINSERT INTO\b|\bUPDATE \w+ SET\b")
ELSEWHERE = {"store", "sandbox"}


def test_no_statement_stands_outside_the_store() -> None:
    package = Path(bcbridge.__file__).parent
    files = [file for file in package.rglob("*.py") if file.relative_to(package).parts[0] not in ELSEWHERE]
    assert len(files) > 50
    found = [str(file.relative_to(package)) for file in files if SQL.search(file.read_text(encoding="utf-8"))]
    assert found == []
