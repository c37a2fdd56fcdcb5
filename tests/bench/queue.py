"""The queue: durable enqueue and completion of no-op jobs, beside three peers in turns with us.

Each peer runs in the way that was fastest for it among those that commit each step to disk: huey without the threads of
its consumer, each of the others and ours in batches of the size that is best for it; the backlog is the same for all.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.bench import servers
from tests.bench.children import ROOT, command, run
from tests.bench.report import Row
from tests.bench.scale import Scale
from tests.bench.servers import Absent

PEERS = Path(__file__).with_name("peers")
ENVIRONMENT = ROOT / ".venv-bench"
MADE = ENVIRONMENT / ".made"
BATCH = 1_000
BATCH_OF_PGQUEUER = 500
BATCH_OF_SAQ = 200
TIMES = 3

Reading = dict[str, float]
Run = Callable[[], Reading]


def measure(scale: Scale, folder: Path) -> Iterator[Row]:
    with ExitStack() as stack:
        runs: dict[str, Run] = {"bcbridge": lambda: engine(folder, scale.jobs)}
        absent: list[Row] = []
        if scale.peers:
            for name, begin in (("huey on SQLite", _huey), ("SAQ on Redis", _saq), ("pgqueuer on PostgreSQL", _pgq)):
                try:
                    runs[name] = begin(stack, folder, scale.jobs)
                except Absent as why:
                    absent.append(Row("", name, f"not measured: {why}"))
        read = _in_turns(runs, scale.rounds)
    yield from _rows(read, scale.jobs)
    yield from absent


def _in_turns(runs: dict[str, Run], rounds: int) -> dict[str, list[Reading]]:
    read: dict[str, list[Reading]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, once in runs.items():
            read[name].append(once())
    return read


def _rows(read: dict[str, list[Reading]], jobs: int) -> Iterator[Row]:
    ours, peers = read["bcbridge"], {name: told for name, told in read.items() if name != "bcbridge"}
    fastest = max(peers, key=lambda name: median(one["both"] for one in peers[name]), default="")
    times = _ratio(ours, peers[fastest]) if fastest else 0.0
    yield Row(
        "queue",
        f"enqueue, then complete {jobs:,} no-op jobs in the real engine",
        _told(ours),
        f"{times:.1f} x {fastest}" if fastest else "no peer",
        f"at least {TIMES} x the fastest peer" if fastest else "",
        times >= TIMES if fastest else None,
    )
    for name, told in peers.items():
        yield Row("", name, _told(told), f"bcbridge is {_ratio(ours, told):.1f} x")


def _ratio(these: Sequence[Reading], those: Sequence[Reading]) -> float:
    """Of the whole way of a job, enqueued and done; the median over the rounds."""
    return median(one["both"] / other["both"] for one, other in zip(these, those, strict=True))


def _told(read: Sequence[Reading]) -> str:
    enqueued, done, both = (median(one[key] for one in read) for key in ("enqueued", "done", "both"))
    return f"enqueued {enqueued:,.0f}/s, done {done:,.0f}/s, both {both:,.0f}/s"


# -- who runs ----------------------------------------------------------------------------------------------------------


def engine(folder: Path, jobs: int) -> Reading:
    store = folder / "queue.db"
    reading: Reading = run(command("tests.bench.engine", store, jobs, BATCH))
    for path in folder.glob(f"{store.name}*"):
        path.unlink()
    return reading


def _huey(stack: ExitStack, folder: Path, jobs: int) -> Run:
    argv = peer("huey_sqlite")
    numbers = iter(range(1_000))
    return lambda: dict(run([*argv, str(folder / f"huey-{next(numbers)}.db"), str(jobs)]))


def _saq(stack: ExitStack, folder: Path, jobs: int) -> Run:
    argv = peer("saq_redis")
    place = folder / "redis"
    place.mkdir()
    url = stack.enter_context(servers.redis(place))
    return lambda: dict(run([*argv, url, str(jobs), str(BATCH_OF_SAQ)]))


def _pgq(stack: ExitStack, folder: Path, jobs: int) -> Run:
    argv = peer("pgqueuer_postgres")
    place = folder / "postgres"
    place.mkdir()
    dsn = stack.enter_context(servers.postgres(place))
    return lambda: dict(run([*argv, dsn, str(jobs), str(BATCH_OF_PGQUEUER)]))


def peer(script: str) -> list[str]:
    """The peers live in an environment of their own, made when it is first needed. Raises Absent."""
    lock = PEERS / "requirements.lock"
    if not MADE.exists() or MADE.stat().st_mtime < lock.stat().st_mtime:
        _make(lock)
    return [str(ENVIRONMENT / "bin/python"), str(PEERS / f"{script}.py")]


def _make(lock: Path) -> None:
    pip = [str(ENVIRONMENT / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)
    except subprocess.CalledProcessError as fault:
        raise Absent(f"its environment could not be made ({fault.returncode})") from None
    MADE.write_text(f"{time.time()}\n")
