"""``python -m tests.chaos``: sell, kill, break, judge; exit 1 on anything lost, doubled or wrong.

``--orders N`` (5,000), ``--seed N`` (a new one), ``--kills N`` at each named step (3), ``--write FILE`` puts the table
into a page, ``--without-read-back`` takes the read-back out: then doubles must be reported, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import platform
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos.arena import DISPATCHES, HURRIED, LOOKED_AT_AGAIN, Arena, erp_settings, simulated_erp
from tests.chaos.plan import Plan
from tests.chaos.run import Outcome, Run
from tests.chaos.table import for_terminal, write

MOST_ORDERS = 1_000_000
LINE_EVERY_SECONDS = 10.0
SAID = 20
PIECES_MORE = 100
"""Of everything that is not meant to run out."""


def main(argv: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(argv)
    seed = asked.seed or random.SystemRandom().randrange(1, 10**6)
    plan = Plan(
        orders=asked.orders,
        seed=seed,
        kills=asked.kills,
        random_kills=asked.random_kills,
        deadline_minutes=asked.deadline_minutes or 6 + asked.orders / 400,
        read_back=not asked.without_read_back,
    )
    console = Console()
    console.print(f"seed {seed}: {plan.orders:,} orders, {len(plan.lives())} kills; repeat with --seed {seed}")
    folder = asked.keep or Path(tempfile.mkdtemp(prefix="bcbridge-chaos-"))
    try:
        outcome = chaos(plan, folder, console)
    except KeyboardInterrupt:
        console.print(f"broken off; what there is lies in {folder}")
        return 130
    failures = outcome.failures()
    _tell(console, outcome, failures, folder)
    if asked.write is not None:
        write(outcome, asked.write, machine=_machine(), command=_command(plan))
    if not failures and asked.keep is None:
        shutil.rmtree(folder)
    return 1 if failures else 0


@contextmanager
def _listening(arena: Arena) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) ends the run at its next step, the second one at once."""

    def told(signum: int, frame: FrameType | None) -> None:
        if arena.told_to_end:
            raise KeyboardInterrupt
        arena.told_to_end = True

    before = {one: signal.signal(one, told) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def chaos(plan: Plan, folder: Path, console: Console | None = None) -> Outcome:
    """One run in this folder. Its processes are ended by their pids, whatever happens."""
    arena = Arena(
        folder / "world",
        shops=HURRIED,
        public=True,
        erp_settings=erp_settings(plan.stock_cycle_seconds),
        channel=LOOKED_AT_AGAIN,
        stock="",
        dispatches=DISPATCHES,
        simulated_erp=simulated_erp(plan.stock_cycle_seconds),
    )
    try:
        with _listening(arena), _bar(console) as bar:
            arena.start_sandbox(fresh=True)
            arena.well_stocked(PIECES_MORE + plan.orders // 20)
            return Run(arena, plan, watch=_watching(plan, bar, console)).go()
    finally:
        arena.close()


# -- what a person sees --------------------------------------------------------------------------------------------


def _bar(console: Console | None) -> AbstractContextManager[Progress | None]:
    if console is None or not console.is_terminal:
        return nullcontext()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TextColumn("{task.fields[told]}"), console=console)


def _watching(plan: Plan, bar: Progress | None, console: Console | None) -> Callable[[Run], None]:
    if bar is not None:
        return _bars(plan, bar)
    return _lines(console) if console is not None else lambda run: None


def _bars(plan: Plan, bar: Progress) -> Callable[[Run], None]:
    sold = bar.add_task("sold", total=plan.orders, told="")
    done = bar.add_task("at rest", total=plan.orders, told="")
    killed = bar.add_task("killed", total=len(plan.lives()), told="")

    def watch(run: Run) -> None:
        bar.update(sold, completed=run.sold, total=max(run.sold, plan.orders), told=run.phase)
        bar.update(done, completed=run.at_rest, total=max(run.sold, plan.orders), told=_states(run))
        bar.update(killed, completed=sum(run.reaper.kills.values()))

    return watch


def _lines(console: Console) -> Callable[[Run], None]:
    last = 0.0

    def watch(run: Run) -> None:
        nonlocal last
        if time.monotonic() - last > LINE_EVERY_SECONDS:
            last = time.monotonic()
            kills = sum(run.reaper.kills.values())
            console.print(f"{last - run.began:4.0f} s {run.phase}: sold {run.sold}, {_states(run)}, killed {kills}")

    return watch


def _states(run: Run) -> str:
    return " ".join(f"{state} {n}" for state, n in run.states.items() if n)


def _tell(console: Console, outcome: Outcome, failures: list[str], folder: Path) -> None:
    console.print(for_terminal(outcome))
    for kind in ("lost", "doubled", "wrong"):
        for text in outcome.verdict.said[kind][:SAID]:
            console.print(f"{kind}: {text}", style="red", markup=False)
    for text in outcome.numbers[:SAID]:
        console.print(f"number: {text}", style="red", markup=False)
    for leak in outcome.leaks[:SAID]:
        console.print(f"private: {leak}", style="red", markup=False)
    for failure in failures:
        console.print(f"failed: {failure}", style="bold red", markup=False)
    if failures:
        console.print(f"what there is lies in {folder}")
    else:
        console.print(
            "every paid order once, to the cent; every blocked one explained; every number as it is", style="bold green"
        )


def _machine() -> str:
    python, sqlite = platform.python_version(), sqlite3.sqlite_version
    return f"{datetime.now(UTC):%Y-%m-%d}, {_processor()}, {platform.system()}, Python {python}, SQLite {sqlite}"


def _processor() -> str:
    import os

    return f"{os.cpu_count()} cores ({platform.machine()})"


def _command(plan: Plan) -> str:
    return f"python -m tests.chaos --orders {plan.orders} --seed {plan.seed}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="The proof: no order lost or doubled.")
    parser.add_argument("--orders", type=_count, default=5_000, help="how many are sold, up to a million")
    parser.add_argument("--seed", type=int, default=0, help="repeats a run; 0: a new one")
    parser.add_argument("--kills", type=int, default=3, help="SIGKILLs at each named step")
    parser.add_argument("--random-kills", type=int, default=9, help="SIGKILLs at any moment")
    parser.add_argument("--deadline-minutes", type=float, default=0, help="0: six, and one for each 400 orders")
    parser.add_argument("--without-read-back", action="store_true", help="the proof's own proof: must report doubles")
    parser.add_argument("--write", type=Path, help="put the table into this page (docs/proof.md)")
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it there")
    return parser


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= MOST_ORDERS:
        raise argparse.ArgumentTypeError(f"from 1 to {MOST_ORDERS:,}")
    return count


if __name__ == "__main__":
    sys.exit(main())
