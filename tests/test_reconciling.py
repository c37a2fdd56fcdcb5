"""When a channel is reconciled: once a night, made up for, when somebody asks; and what fails fails by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bcbridge import config
from bcbridge.errors import Misconfigured
from bcbridge.flows.reconcile.settings import ReconcileSettings
from bcbridge.house import reconcile
from bcbridge.house.reconcile import ReconcileActs, Reconciling
from bcbridge.model.acts import NotFound
from bcbridge.model.reconcile import Report
from bcbridge.store import reconciling
from bcbridge.store.db import Store
from tests.flows.reconcile.test_story import Scene, book

NIGHT = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
"""03:30 in New York."""


class House:
    """One channel over a real store; ``at`` is the clock."""

    def __init__(self, store: Store) -> None:
        self.store, self.scene, self.at = store, Scene(store), NIGHT - timedelta(hours=3)
        self.one = Reconciling(
            channel="shop",
            time_zone="America/New_York",
            settings=ReconcileSettings(),
            reconciler=self.scene.reconciler(),
            store=store,
            circuits=(),
            now=lambda: self.at,
        )
        self.acts = ReconcileActs(store, lambda: self.at, {"shop": self.one})

    async def turn(self, at: datetime | None = None) -> None:
        self.at = at or self.at
        await self.one._turn()

    async def runs(self) -> list[tuple[str, str]]:
        rows = await self.store.read.rows("SELECT state, asked_by FROM reconcile_runs ORDER BY id")
        return [(row["state"], row["asked_by"]) for row in rows]

    async def last(self) -> Report:
        found = await reconciling.last(self.store.read, "shop")
        assert found is not None
        return found


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with Store(tmp_path / "store.db").opened() as opened:
        await opened.write(book)
        yield House(opened)


async def test_it_runs_once_a_night_and_never_on_the_first_day(house: House) -> None:
    await house.turn()
    assert await house.runs() == []
    await house.turn(NIGHT)
    assert await house.runs() == [("done", "")]
    for later in (1, 20 * 60):
        await house.turn(NIGHT + timedelta(minutes=later))
    assert len(await house.runs()) == 1
    await house.turn(NIGHT + timedelta(days=1))
    assert len(await house.runs()) == 2


async def test_nights_that_it_slept_through_are_made_up_for_once(house: House) -> None:
    await house.turn()
    await house.turn(NIGHT + timedelta(days=3, hours=5))
    await house.turn(NIGHT + timedelta(days=3, hours=6))
    assert await house.runs() == [("done", "")]


async def test_switched_off_it_runs_when_somebody_asks(house: House) -> None:
    house.one.settings = ReconcileSettings(enabled=False)
    await house.turn()
    await house.turn(NIGHT + timedelta(days=1))
    assert await house.runs() == []
    counted = await house.acts.start("", since=None, heal=True, who="ann", dry_run=True)
    assert (counted.matched, counted.done, await house.runs()) == (1, 0, [])
    await house.acts.start("shop", since=NIGHT, heal=False, who="ann", dry_run=False)
    await house.turn()
    report = await house.last()
    assert (report.state, report.asked_by, report.heal, report.since) == ("done", "ann", False, NIGHT)


async def test_nothing_is_asked_of_before_go_live(house: House) -> None:
    house.one.begins = NIGHT - timedelta(days=1)
    assert house.one.since() == house.one.begins
    await house.acts.start("shop", since=NIGHT - timedelta(days=30), heal=False, who="ann", dry_run=False)
    await house.turn()
    assert (await house.last()).since == house.one.begins


async def test_a_channel_that_is_not_there(house: House) -> None:
    with pytest.raises(NotFound, match="there are: shop"):
        await house.acts.start("other", since=None, heal=True, who="ann", dry_run=True)


async def test_what_fails_is_tried_again_and_then_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PAUSE", timedelta(0))
    fails = 2

    async def settled() -> bool:
        nonlocal fails
        fails -= 1
        if fails >= 0:
            raise ZeroDivisionError("a fault of ours, with a customer's name in it")
        return True

    house.scene.outside.held = []
    house.one.reconciler.settled = settled
    await house.acts.start("shop", since=None, heal=False, who="ann", dry_run=False)
    with capture_logs():
        await house.turn()
    assert (await house.last()).state == "done"
    fails = 3
    await house.acts.start("shop", since=None, heal=False, who="ann", dry_run=False)
    with capture_logs():
        await house.turn()
    report = await house.last()
    assert (report.state, report.reason) == ("failed", "ZeroDivisionError")


@pytest.mark.parametrize("said", ['at = "25:00"', "days = 0", "young_minutes = -1", "often = true"])
def test_settings_that_cannot_be(tmp_path: Path, said: str) -> None:
    shipped = Path(__file__).parents[1] / "config.toml"
    file = tmp_path / "config.toml"
    file.write_text(f"{shipped.read_text()}\n[channels.shopify_us.reconcile]\n{said}\n")
    with pytest.raises(Misconfigured, match=r"channels\.shopify_us\.reconcile"):
        config.load(file)
