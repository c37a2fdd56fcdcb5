"""Other processes of a measurement: started, awaited by what they say, asked for their memory, ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ENDS_WITHIN_SECONDS = 20.0


def command(module: str, *arguments: object, python: str = sys.executable) -> list[str]:
    return [python, "-m", module, *map(str, arguments)]


@contextmanager
def started(argv: Sequence[str], *, log: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that lives as long as the block; it is told to end, then killed."""
    said = log.open("a") if log else None
    process = subprocess.Popen(argv, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=said, text=True)
    try:
        yield process
    finally:
        end(process)
        if said is not None:
            said.close()


def end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(ENDS_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(ENDS_WITHIN_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


def said(process: subprocess.Popen[str]) -> Any:
    """The next line that the process says, which is JSON."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended without a word, code {process.wait(ENDS_WITHIN_SECONDS)}")
    return json.loads(line)


def run(argv: Sequence[str], *, within: float = 600.0) -> Any:
    """What a process that ends by itself said last, which is JSON."""
    done = subprocess.run(
        argv, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=within, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: code {done.returncode}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def tell(facts: object) -> None:
    """What a child says to the bench: one line of JSON."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def peak_mib(pid: int) -> float:
    """The most memory that a process ever held (VmHWM): a child's ``ru_maxrss`` would include its parent's."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) / 1024 if found else 0.0


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
