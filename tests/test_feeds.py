"""The figures of one ERP: everything first, then what changed; everything again while booked pieces wait."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bcbridge.connectors.base import Finding
from bcbridge.house.feeds import FeedHouse
from bcbridge.model.ids import ConnectorName
from bcbridge.model.stock import Evidence, EvidenceRules
from bcbridge.runtime.circuit import Circuit
from tests.flows.stock.feed_kit import Scene, row, scene

EVERY = timedelta(minutes=2)
LIVE = EvidenceRules((Evidence.LIVE,), cycle=timedelta(minutes=15))


class Answering:
    """A connection that is there, for the circuit to ask."""

    name = ConnectorName("bc")
    kind = "bluecherry"

    async def ping(self) -> None: ...

    async def doctor(self) -> list[Finding]:
        return []

    async def aclose(self) -> None: ...


def house(here: Scene) -> FeedHouse:
    return FeedHouse("bc", here.pulls, Circuit(Answering(), here.store, now=here.clock.now), EVERY, here.clock.now)


async def test_everything_first_then_what_changed_and_everything_while_pieces_wait(tmp_path: Path) -> None:
    async with scene(tmp_path, LIVE, "A") as here:
        feed = house(here)
        here.erp.pages = [[row("A", 5)]]
        assert (await feed.once()).everything
        here.clock.minutes = 2
        assert not (await feed.once()).everything
        await here.sold("A", posted_by=1)
        here.clock.minutes = 3
        assert (await feed.once()).everything
        here.clock.minutes = 3.5
        assert not (await feed.once()).everything
        feed.pull_now()
        assert (await feed.once()).everything


async def test_a_pull_that_was_not_proven_whole_is_tried_again_soon_and_not_at_once(tmp_path: Path) -> None:
    async with scene(tmp_path, LIVE, "A") as here:
        feed = house(here)
        here.erp.pages = [[row("A", 5)]]
        await feed.once()
        feed.pull_now()
        here.erp.whole = False
        assert not (await feed.once()).everything
        here.clock.minutes, here.erp.whole = 0.5, True
        assert not (await feed.once()).everything
        here.clock.minutes = 1
        assert (await feed.once()).everything


async def test_an_echo_that_the_erp_refuses_keeps_no_figure_waiting(tmp_path: Path) -> None:
    async with scene(tmp_path, EvidenceRules((Evidence.ECHO, Evidence.MAX_AGE)), "A") as here:
        feed = house(here)
        here.erp.pages, here.erp.counts_refused = [[row("A", 5)]], True
        assert (await feed.once()).everything
        assert await here.target("A") == 5
        assert "no such SKU" in feed.figures.last_failure
        here.erp.counts_refused = False
        await feed.once()
        assert not here.erp.counts
        here.clock.minutes = 5
        await feed.once()
        assert here.erp.counts


async def test_the_cycle_is_learned_and_outlives_the_process(tmp_path: Path) -> None:
    async with scene(tmp_path, LIVE, "A") as here:
        feed = house(here)
        here.erp.pages = [[row("A", 5)]]
        await feed.once()
        here.erp.delta = [[row("A", 4)]]
        here.clock.minutes = 2
        await feed.once()
        assert feed.cycle is not None
        assert len(feed.cycle.publications) == 1
        again = house(here)
        here.clock.minutes = 3
        await again.once()
        assert again.cycle is not None
        assert again.cycle.publications == feed.cycle.publications
        assert again.cycle.period == timedelta(minutes=15)
