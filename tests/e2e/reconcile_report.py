"""The reports of a clean day, of the same day with every fault, and after it was healed: for docs/reconcile.md.

``python -m tests.e2e.reconcile_report [--write]``
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from tests.e2e import seeded
from tests.e2e.world import world

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reconcile.md"
BEGIN, END = "<!-- report: begin -->", "<!-- report: end -->"
HEAD = re.compile(r"^(\w+): orders created since .*$", re.MULTILINE)


def reports() -> list[tuple[str, str]]:
    """Each with its heading."""
    with (
        tempfile.TemporaryDirectory() as folder,
        world(Path(folder) / "world", dispatches=seeded.SETTINGS, public=True) as one,
    ):
        one.run_bridge()
        names = seeded.a_clean_day(one, orders=24)
        clean = one.cli("reconcile", "orders").stdout
        seeded.seed(one, names)
        faults = one.cli("reconcile", "orders").stdout
        healed = one.cli("reconcile", "orders").stdout
    return [("A clean day", clean), ("With every fault", faults), ("The run after it", healed)]


def for_page(found: list[tuple[str, str]]) -> str:
    undated = [(heading, HEAD.sub(lambda head: head[1], said).rstrip()) for heading, said in found]
    blocks = (f"### {heading}\n\n```text\n{said}\n```" for heading, said in undated)
    return f"{BEGIN}\n\n" + "\n\n".join(blocks) + f"\n\n{END}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="put them into docs/reconcile.md")
    chosen = parser.parse_args()
    text = for_page(reports())
    if not chosen.write:
        sys.stdout.write(f"{text}\n")
        return 0
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + text + rest.partition(END)[2])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
