"""Whether each answer follows an fsync: the front door under strace, its syncs and its answers in their order.

A run of its own, since strace slows what it looks at. An answer counts when a sync of the store's log that *began*
after the request had arrived had ended before the answer left.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.children import ENDS_WITHIN_SECONDS, command, run, said, started

CALLS = "fsync,fdatasync,read,recvfrom,recvmsg,write,writev,sendto,sendmsg"
LINE = re.compile(r"^(?P<pid>\d+) +(?P<rest>.*)$")
SYNC = re.compile(r"^f(?:data)?sync\((?P<file>\d+<[^>]*>)")
ENDED = re.compile(r"^<\.\.\. f(?:data)?sync resumed>.* = 0|^f(?:data)?sync\(.* = 0")
ARRIVED = re.compile(r"^(?:<\.\.\. )?(?:read|recvfrom|recvmsg)\b.*POST /hooks/")
ANSWERED = re.compile(r"^(?:write|writev|sendto|sendmsg)\((?P<line>\d+)<.*HTTP/1\.1 200 OK")
ASKED = re.compile(r"^(?:<\.\.\. )?(?:read|recvfrom|recvmsg)(?: resumed>|\((?P<line>\d+)<)")


@dataclass(frozen=True, slots=True)
class Counted:
    answers: int
    fsyncs: int
    after_one: int


def can_be_counted() -> bool:
    return shutil.which("strace") is not None


def count(folder: Path, first: int, webhooks: int, *, concurrency: int) -> Counted:
    """Run the durable front door under strace and look at what it did."""
    trace, store = folder / "trace", folder / f"traced-{first}.db"
    front = command("tests.bench.front", "durable", store)
    strace = ["strace", "-f", "-qq", "-y", "-s", "40", "--seccomp-bpf", "-e", f"trace={CALLS}", "-o", str(trace)]
    with started([*strace, *front]) as process:
        told = said(process)
        run(command("tests.bench.load", told["port"], first, webhooks, concurrency))
        os.kill(told["pid"], signal.SIGTERM)  # strace ends with what it looks at, not before
        process.wait(ENDS_WITHIN_SECONDS)
    with trace.open(errors="replace") as lines:
        return look(lines)


def look(lines: Iterable[str]) -> Counted:
    """Follow the calls: what arrived on each line, the sync that began last and the one that ended last."""
    answers = syncs = after_one = begun = ended = 0
    waiting: dict[str, int] = {}
    under_way: dict[str, int] = {}
    for pid, call in _calls(lines):
        if SYNC.match(call):
            begun += 1
            under_way[pid] = begun
        if ENDED.match(call):
            syncs += 1
            ended = max(ended, under_way.pop(pid, 0))
        if ARRIVED.match(call):
            waiting[_line(call)] = begun
        if answer := ANSWERED.match(call):
            answers += 1
            after_one += ended > waiting.get(answer.group("line"), 0)
    return Counted(answers, syncs, after_one)


def _calls(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if found := LINE.match(line):
            yield found.group("pid"), found.group("rest")


def _line(call: str) -> str:
    """The descriptor a request came on."""
    found = ASKED.match(call)
    return (found.group("line") or "") if found else ""
