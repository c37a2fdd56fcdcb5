"""The figures of the sales as one table: on the terminal, and in docs/flash-sale.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from tests.flash.sale import (
    BUILD_SECONDS,
    CYCLE_SECONDS,
    POLL_SECONDS,
    POST_EVERY_SECONDS,
    Result,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "flash-sale.md"
HEADS = (
    "",
    "oversold",
    "model",
    "race allows (R1 + R2)",
    "really sold",
    "model",
    "refused though free",
    "model",
    "settled",
)
TEXT = """# The flash sale

Written by `make flash ARGS="--write docs/flash-sale.md"`; one way alone: `--only split`. Three shops, Shopify,
WooCommerce and BigCommerce, sell from the numbers that they show: {orders:,} orders in {seconds:.0f} seconds (50, 30
and 20 %), {skus} SKUs of 10 to 100 pieces, the best SKU a sixth of the lines. Then it is quiet until every shop shows
what the rule says. The simulated systems and the bridge are two processes on one machine.

| what | how long |
| --- | --- |
| Shopify | 0.55 s for any call |
| WooCommerce | 0.4 to 1.0 s a write of eight numbers, two at a time |
| BigCommerce | a number is in force 1 to 6 s after the answer |
| the shops' lists are read | every {poll:g} s, and webhooks ring |
| the ERP books what it accepted | every {post:g} s |
| the ERP exports its stock | every {cycle} s, built in {build} s (15 minutes in the model, too long to wait for) |

{facts}

{table}

- **oversold**: pieces booked for the shops beyond what was free, by the ERP's own books.
- **race allows**: section 5 of the rule ([ADR 0031](adr/0031-the-rule-of-stock.md)), measured, summed over the SKUs.
  At each sale in a shop: the pieces that the other shops had sold and the bridge had not looked at when it composed the
  number in force there (R1), and those that a shop which cannot compare had sold itself, not looked at either, when
  that number took effect (R2). Of each SKU the largest such sum. Sales are the shops' `stock_moves`; a look is
  `seen_at` of a demand row, a number was composed at `made_at` of its write; looks less than 50 ms before it count as
  none.
- **really sold**: sold and there, of all that was wanted.
- **refused though free**: a shopper was refused a piece that was free at that moment. Each refusal counts, so that one
  piece may be refused many times.
- **model**: the rule's own, over 20 seeds; there selling goes on slowly for half an hour after the minute, and more is
  sold for that alone.

With `split` nothing is oversold, whatever the race. With `share` no SKU is oversold by more than its race. The run
fails (exit 1) where either does not hold, where the ERP's books and the shops' differ, and where a shop does not come
to show what the rule says.
"""


def rows(results: Sequence[Result]) -> list[tuple[str, ...]]:
    """One for each sale, in words."""
    return [_row(result) for result in results]


def _row(result: Result) -> tuple[str, ...]:
    totals, (oversold, really, lost) = result.totals, result.variant.model
    wanted = totals["sold"] + result.missed
    settled = "never" if result.settled_after is None else f"after {result.settled_after:.0f} s"
    return (
        result.variant.name,
        f"{result.oversold:,}",
        oversold,
        f"{totals['allowed']:,} ({totals['r1']:,} + {totals['r2']:,})",
        f"{totals['really_sold']:,} of {wanted:,} wanted",
        really,
        f"{totals['lost']:,}",
        lost,
        settled,
    )


def for_terminal(results: Sequence[Result]) -> Table:
    table = Table(*HEADS, box=None, padding=(0, 2, 0, 0))
    for row in rows(results):
        table.add_row(*row)
    return table


def write(results: Sequence[Result], page: Path, facts: Sequence[str]) -> None:
    """The page anew."""
    size = results[0].size
    lines = [HEADS, tuple("---" for _ in HEADS), *rows(results)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in lines)
    told = "\n".join(f"- {fact}" for fact in facts)
    text = TEXT.format(
        orders=size.orders,
        seconds=size.seconds,
        skus=size.skus,
        poll=POLL_SECONDS,
        post=POST_EVERY_SECONDS,
        cycle=CYCLE_SECONDS,
        build=BUILD_SECONDS,
        facts=told,
        table=table,
    )
    page.write_text(text)
