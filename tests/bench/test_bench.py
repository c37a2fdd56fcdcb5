"""The bench program works: its measurements run and tell their rows. No figure is asserted."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.bench import fsyncs, report
from tests.bench.children import ROOT, command, environment
from tests.bench.report import Row

TRACE = """\
11 recvfrom(7<socket:[1]>, "POST /hooks/shopify_us/orders HT"..., 65536, 0, NULL, NULL) = 3000
12 fdatasync(9</tmp/a.db-wal> <unfinished ...>
11 recvfrom(8<socket:[2]>, "POST /hooks/shopify_us/orders HT"..., 65536, 0, NULL, NULL) = 3000
12 <... fdatasync resumed>) = 0
11 write(7<socket:[1]>, "HTTP/1.1 200 OK\\r\\nContent-Type: t"..., 160) = 160
11 write(8<socket:[2]>, "HTTP/1.1 200 OK\\r\\nContent-Type: t"..., 160) = 160
"""


@pytest.mark.parametrize("name", ["queue", "finished", "restart", "stock", "stalls", "ask", "push"])
def test_the_bench_measures_and_exits_0_whatever_it_found(name: str, tmp_path: Path) -> None:
    argv = command("tests.bench", "--tiny", "--only", name, "--folder", tmp_path)
    done = subprocess.run(argv, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert name in done.stdout
    assert "goals reached" in done.stdout
    assert not list(tmp_path.iterdir())


def test_an_answer_counts_as_synced_only_after_a_sync_that_began_with_its_request_in_hand() -> None:
    counted = fsyncs.look(TRACE.splitlines())
    assert (counted.answers, counted.fsyncs, counted.after_one) == (2, 1, 1)


def test_the_page_holds_every_row_and_says_which_goals_were_missed(tmp_path: Path) -> None:
    rows = [
        Row("intake", "durable", "10/s", "0.70", "at least 0.55", True),
        Row("", "no storage", "14/s"),
        Row("queue", "done", "9/s", "2.0", "at least 3", False),
    ]
    page = tmp_path / "benchmarks.md"
    report.write(rows, facts=["2 cores"], began=report.now(), seconds=61, to=page)
    text = page.read_text()
    assert "| intake | durable | 10/s | 0.70 | at least 0.55: reached |" in text
    assert "| queue | done | 9/s | 2.0 | at least 3: **not reached** |" in text
    assert "- 2 cores" in text
