"""What was read, as rows of one table: on the terminal while it is measured, and in docs/benchmarks.md at the end."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
LIBRARIES = ("aiohttp", "anyio", "uvloop", "aiosqlite", "pydantic", "orjson", "httpx")

HEAD = """# Benchmarks

Written by `make bench`; what is measured, and how, is told in `tests/bench/`. Absolute figures move from run to run
and from machine to machine: **compare ratios**, each of which was taken side by side in this one run.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One reading. ``ratio`` against what was measured beside it; ``goal`` in words and whether it was reached."""

    group: str
    what: str
    reading: str
    ratio: str = ""
    goal: str = ""
    reached: bool | None = None

    @property
    def verdict(self) -> str:
        if self.reached is None:
            return ""
        return f"{self.goal}: {'reached' if self.reached else '**not reached**'}"

    def line(self) -> str:
        told = f"{self.group:<10} {self.what:<58} {self.reading:<44} {self.ratio:<26}"
        return f"{told} {self.verdict.replace('**', '')}".rstrip()


def machine() -> list[str]:
    """The machine and the versions, a line each."""
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    return [
        f"{os.cpu_count()} cores ({_processor()}), {_memory()} GiB of memory, Linux {platform.release()}",
        f"CPython {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {libraries}",
        f"bcbridge {metadata.version('bcbridge')}{_commit()}",
    ]


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return re.sub(r"\s+", " ", line.partition(":")[2]).strip()
    return platform.machine()


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=PAGE.parent, capture_output=True, text=True, check=False
    )
    return f" at {told.stdout.strip()}" if told.returncode == 0 else ""


def write(rows: Sequence[Row], *, facts: Sequence[str], began: datetime, seconds: float, to: Path = PAGE) -> None:
    """The page as a whole: machine, versions, one table."""
    lines = [HEAD, f"Measured on {began:%Y-%m-%d}, {seconds / 60:.0f} minutes:", ""]
    lines += [f"- {fact}" for fact in facts]
    lines += ["", "| | what | reading | ratio | goal |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {row.group} | {row.what} | {row.reading} | {row.ratio} | {row.verdict} |" for row in rows]
    to.write_text("\n".join(lines) + "\n")


def now() -> datetime:
    return datetime.now(UTC)


def say(text: str) -> None:
    """At once: whoever waits sees where it is."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
