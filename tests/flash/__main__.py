"""``python -m tests.flash``: a flash sale over three shops, with each way of keeping numbers; exit 1 if a claim fails.

``--only NAME`` (again for more), ``--orders N``, ``--seconds S``, ``--seed N``, ``--write FILE``, ``--keep DIR``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.bench.report import machine, now
from tests.flash.page import for_terminal, write
from tests.flash.sale import VARIANTS, Result, Size, Variant, run


def main(argv: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(argv)
    size = Size(orders=asked.orders, seconds=asked.seconds, seed=asked.seed)
    chosen = [variant for variant in VARIANTS if not asked.only or variant.name in asked.only]
    console = Console()
    results = [_one(variant, size, asked.keep, console) for variant in chosen]
    console.print(for_terminal(results))
    failures = [f"{result.variant.name}: {text}" for result in results for text in result.failures()]
    for failure in failures:
        console.print(f"failed: {failure}", style="bold red", markup=False)
    if asked.write is not None:
        write(results, asked.write, [f"{now():%Y-%m-%d}, seed {size.seed}", *machine()])
    return 1 if failures else 0


def _one(variant: Variant, size: Size, keep: Path | None, console: Console) -> Result:
    folder = (keep or Path(tempfile.mkdtemp(prefix="bcbridge-flash-"))) / variant.name.replace(" ", "-")
    result = run(variant, size, folder, say=lambda text: console.print(text, markup=False))
    if keep is None and not result.failures():
        shutil.rmtree(folder.parent)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.flash", description="A flash sale over three shops.")
    names = [variant.name for variant in VARIANTS]
    parser.add_argument("--only", action="append", choices=names, help="this way alone; may be repeated")
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the sale lasts")
    parser.add_argument("--seed", type=int, default=1, help="what is wanted, and how many there are")
    parser.add_argument("--write", type=Path, help="the page (docs/flash-sale.md)")
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
