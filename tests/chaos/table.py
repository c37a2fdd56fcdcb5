"""What a run showed, as a table: for a terminal and for docs/proof.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.table import Table

from tests.chaos.plan import RANDOM
from tests.chaos.run import Outcome

STEPS = {
    "before_row": "before the outbox row",
    "after_cut": "outbox rows written, none sent",
    "after_row": "`sending` on disk, before the call",
    "after_acceptance": "the ERP has answered, nothing of it on disk",
    "after_settle": "its answer on disk",
    "before_link": "seen posted, not confirmed",
    "after_link": "confirmed and linked",
    RANDOM: "at a random moment, from outside",
}
BEGIN, END = "<!-- the run -->", "<!-- end of the run -->"

Row = tuple[str, str]


def rows(outcome: Outcome) -> Iterator[Row]:
    """What and how much, from top to bottom."""
    verdict = outcome.verdict
    yield "**orders**", f"**{outcome.sold:,}**"
    yield "seed", str(outcome.plan.seed)
    for connection, count in sorted(verdict.of_shop.items()):
        yield f"sold by {connection}", f"{count:,}"
    yield "booked", f"{verdict['booked']:,} ({verdict.share_booked:.1%})"
    yield "blocked, each for the reason it was made unbookable", f"{verdict['blocked']:,}"
    yield "cancelled", f"{verdict['cancelled']:,}"
    yield "unpaid or test, not booked", f"{verdict['unpaid or test']:,}"
    yield "refused by the ERP after acceptance, booked anew by a person", f"{outcome.rebooked:,}"
    yield "pieces that left the ERP's warehouses", f"{verdict['left']:,}"
    yield "pieces that their shops show as sent, each once", f"{verdict['shown as sent']:,}"
    yield "cancelled after they were booked: stopped, or a person was told", f"{verdict['cancelled after booking']:,}"
    yield "orders that a person was told of after they were booked", f"{verdict['named afterwards']:,}"
    yield "**SIGKILLs**", f"**{sum(outcome.kills.values())}**"
    for name, words in STEPS.items():
        if outcome.kills[name]:
            yield words, str(outcome.kills[name])
    yield "**faults**", f"**{sum(outcome.faults.values()):,}**"
    for name, count in outcome.faults.items():
        yield name, f"{count:,}"
    yield "**lost**", f"**{verdict['lost']}**"
    yield "**doubled**", f"**{verdict['doubled']}**"
    yield "**wrong**", f"**{verdict['wrong']}**"
    yield "numbers of shops held against the ERP's ledger", f"{outcome.compared:,}"
    yield "**numbers that are wrong**", f"**{len(outcome.numbers)}**"
    yield "pieces oversold meanwhile, by the ERP's books", f"{outcome.oversold:,}"
    settled = outcome.settled_seconds
    yield "numbers settled after", "never" if settled is None else f"{settled:.0f} s"
    yield "canaries or secrets out of their place", str(len(outcome.leaks))
    yield "searched for them", ", ".join(f"{place} {size:,} bytes" for place, size in outcome.looked.items())
    yield "selling took", f"{outcome.selling_seconds:.0f} s"
    caught = outcome.catching_up_seconds
    yield "caught up after the last sale", "never" if caught is None else f"{caught:.0f} s"
    yield "the whole run", f"{outcome.seconds:.0f} s"


def for_terminal(outcome: Outcome) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for what, how_much in rows(outcome):
        heavy = "bold" if "**" in what else ""
        table.add_row(what.replace("*", "").replace("`", ""), how_much.replace("*", ""), style=heavy)
    return table


def for_page(outcome: Outcome, *, machine: str, command: str) -> str:
    told = "\n".join(f"| {what} | {how_much} |" for what, how_much in rows(outcome))
    return f"{BEGIN}\n`{command}`\n\n{machine}\n\n| what | how much |\n| --- | --- |\n{told}\n{END}"


def write(outcome: Outcome, page: Path, *, machine: str, command: str) -> None:
    """Put the table where the last one stood."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{page} has no place for the table: {BEGIN} ... {END}")
    page.write_text(before + for_page(outcome, machine=machine, command=command) + after)
