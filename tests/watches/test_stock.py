"""Figures that are not read or not believed, pieces nobody releases, numbers that drift or are refused: each is told,
and ends by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Self

import anyio
import pytest

from bcbridge.flows.stock.compare import Comparer
from bcbridge.house.wiring import House, masters_read
from bcbridge.model.shelf import Comparison
from bcbridge.store import meta
from bcbridge.store.stamps import stamp
from bcbridge.store.stock import known
from tests.runtime.kit import until
from tests.watches.rounds import ERP, SHOP, Rounds

TEE = "040123000013"


async def write(rounds: Rounds, sql: str, **given: object) -> None:
    await rounds.house.store.write(lambda tx: tx.execute(sql, given))


async def read_whole(rounds: Rounds, **facts: str) -> None:
    """Everything was read just now."""
    at = stamp(rounds.now())
    await write(
        rounds,
        "INSERT OR REPLACE INTO stock_feeds (erp, pull_ended, delta_ended, held) VALUES (:erp, :at, :at, :held)",
        erp=ERP,
        at=at,
        held=facts.get("held", ""),
    )


async def outlet(rounds: Rounds) -> None:
    await write(
        rounds,
        "INSERT INTO stock_outlets (channel, location, erp, basis) VALUES (:channel, 'L1', :erp, 'ots')",
        channel=SHOP,
        erp=ERP,
    )
    await write(
        rounds,
        "INSERT INTO stock_pools (channel, location, erp, warehouse) VALUES (:channel, 'L1', :erp, 'NJ1')",
        channel=SHOP,
        erp=ERP,
    )


async def figure(rounds: Rounds, ots: int) -> None:
    await write(
        rounds,
        "INSERT OR REPLACE INTO stock_figures (sku, erp, warehouse, ots, qoh_minus_pick, ots_wip, lots, as_of,"
        " evidence, read_at) VALUES (:sku, :erp, 'NJ1', :ots, 0, 0, '{}', :at, 'row_ledger', :at)",
        sku=TEE,
        erp=ERP,
        ots=ots,
        at=stamp(rounds.now()),
    )


async def demand(rounds: Rounds, order: str, qty: int, **state: str) -> None:
    posted = stamp(rounds.now()) if state.get("state") == "posted" else None
    await write(
        rounds,
        "INSERT INTO stock_demand (channel, order_ref, sku, warehouse, qty, state, seen_at, posted_by)"
        " VALUES (:channel, :order, :sku, 'NJ1', :qty, :state, :at, :posted)",
        channel=SHOP,
        order=order,
        sku=TEE,
        qty=qty,
        state=state.get("state", "known"),
        at=stamp(rounds.now()),
        posted=posted,
    )


@pytest.fixture
def keeps_stock(rounds: Rounds) -> Rounds:
    """The shipped configuration keeps the numbers of the shop."""
    assert SHOP in rounds.house.stock.outlets
    return rounds


def limits(house: House, **changed: object) -> None:
    one = house.stock.outlets[SHOP]
    assert one.channel.stock is not None
    one.channel = replace(one.channel, stock=one.channel.stock.model_copy(update=changed))


async def test_figures_that_were_not_read_for_too_long_are_old(keeps_stock: Rounds) -> None:
    await read_whole(keeps_stock)
    keeps_stock.later(minutes=59)
    assert await keeps_stock.go("stock_old") == {}
    keeps_stock.later(minutes=2)
    (text, *_) = await keeps_stock.texts("stock_old")
    assert text.startswith("the figures of bluecherry are 1 h 01 m old")
    await read_whole(keeps_stock)
    assert await keeps_stock.go("stock_old") == {}


async def test_an_export_that_stands_still_is_old_though_it_is_read_all_the_time(keeps_stock: Rounds) -> None:
    await figure(keeps_stock, 5)
    await demand(keeps_stock, "1001", 1, state="posted")
    keeps_stock.later(minutes=61)
    await read_whole(keeps_stock)
    (text, *_) = await keeps_stock.texts("stock_old")
    assert text.startswith("the figures of bluecherry do not show what was booked 1 h 01 m ago")
    await figure(keeps_stock, 4)
    assert await keeps_stock.go("stock_old") == {}


async def test_a_pull_that_was_not_believed_is_somebodys_business_until_one_is_stored(keeps_stock: Rounds) -> None:
    await read_whole(keeps_stock, held="all figures: 41 of 90 figures with stock would be none")
    (one,) = (await keeps_stock.go("stock_pull_held")).values()
    assert (one["connector"], one["text"]) == (ERP, "all figures: 41 of 90 figures with stock would be none")
    await read_whole(keeps_stock)
    assert await keeps_stock.go("stock_pull_held") == {}


async def test_a_booked_piece_that_no_figure_contains_is_told_after_a_day(keeps_stock: Rounds) -> None:
    await outlet(keeps_stock)
    await read_whole(keeps_stock)
    await figure(keeps_stock, 5)
    keeps_stock.later(seconds=1)
    await demand(keeps_stock, "gid://1", 2, state="posted")
    keeps_stock.later(hours=23)
    assert await keeps_stock.go("stock_not_released") == {}
    keeps_stock.later(hours=2)
    (text,) = await keeps_stock.texts("stock_not_released")
    assert text.startswith("2 pieces of 1 orders count for more than 1 d 0 h")
    assert "gid://1" in text
    await figure(keeps_stock, 3)
    assert await keeps_stock.go("stock_not_released") == {}


async def test_oversold_skus_are_named_with_their_orders_until_the_figure_covers_them(keeps_stock: Rounds) -> None:
    await outlet(keeps_stock)
    await read_whole(keeps_stock)
    await figure(keeps_stock, 1)
    await demand(keeps_stock, "gid://1", 1)
    assert await keeps_stock.go("stock_oversold") == {}
    await demand(keeps_stock, "gid://2", 1)
    (text,) = await keeps_stock.texts("stock_oversold")
    assert text == f"1 SKUs are oversold: {TEE} by 1 (shopify_us:gid://2, shopify_us:gid://1)"
    await figure(keeps_stock, 2)
    assert await keeps_stock.go("stock_oversold") == {}


async def test_a_comparison_with_much_drift_is_told_with_its_causes(keeps_stock: Rounds) -> None:
    limits(keeps_stock.house, drift_limit=2)
    at = stamp(keeps_stock.now())
    add = "INSERT INTO stock_compares (id, channel, began_at, ended_at, items, drifted, healed)"
    await write(keeps_stock, f"{add} VALUES (1, :c, :at, :at, 90, 2, 2)", c=SHOP, at=at)
    for sku in ("1", "2"):
        await write(
            keeps_stock,
            "INSERT INTO stock_drifts (compare_id, sku, location, explained, actual, cause) VALUES (1, :s, 'L1', 3, 5,"
            " 'edited')",
            s=sku,
        )
    (text,) = await keeps_stock.texts("stock_drift")
    assert text == "2 of 90 numbers of shopify_us had drifted, set right: edited (2)"
    later = stamp(keeps_stock.now() + timedelta(hours=1))
    await write(keeps_stock, f"{add} VALUES (2, :c, :at, :at, 90, 1, 1)", c=SHOP, at=later)
    assert await keeps_stock.go("stock_drift") == {}


@pytest.mark.parametrize(
    ("code", "state", "said"),
    [
        ("stock_rows_refused", "refused", "1 numbers of shopify_us are refused: not tracked (1)"),
        ("stock_sku_twice", "twice", f"1 SKUs stand on two items of shopify_us each: {TEE}"),
    ],
)
async def test_numbers_that_cannot_be_told_are_told_to_people(
    keeps_stock: Rounds, code: str, state: str, said: str
) -> None:
    columns = "sku, channel, location, item, state, why"
    await write(
        keeps_stock,
        f"INSERT INTO stock_shown ({columns}) VALUES (:sku, :channel, 'L1', 'i', :state, 'not tracked')",
        sku=TEE,
        channel=SHOP,
        state=state,
    )
    assert await keeps_stock.texts(code) == [said]
    await write(keeps_stock, "UPDATE stock_shown SET state = 'kept'")
    assert await keeps_stock.go(code) == {}


async def test_numbers_that_wait_and_do_not_go_through_are_told_after_a_while(keeps_stock: Rounds) -> None:
    figures = keeps_stock.house.stock.outlets[SHOP].publisher.figures
    figures.failing_since, figures.last_failure = keeps_stock.now(), "it needs write_inventory"
    keeps_stock.later(minutes=6)
    assert await keeps_stock.go("stock_not_told") == {}  # nothing waits
    await write(
        keeps_stock,
        "INSERT INTO stock_shown (sku, channel, location, item, explained, target, due, due_at)"
        " VALUES (:sku, :channel, 'L1', 'i', 5, 0, 0, :at)",
        sku=TEE,
        channel=SHOP,
        at=stamp(keeps_stock.now()),
    )
    assert await keeps_stock.texts("stock_not_told") == [
        "shopify_us keeps old numbers for 6 m 00 s: it needs write_inventory"
    ]
    figures.failing_since = None
    assert await keeps_stock.go("stock_not_told") == {}


async def masters_were_read(house: House) -> None:
    for one in house.erps[ERP].masters:
        name = masters_read(f"{one.connector}/{one.noun}")
        await house.store.write(partial(meta.put, name=name, value=stamp(house.now())))


class Reader(Comparer):
    """Says when it was asked to read, and finds nothing."""

    @classmethod
    def instead(cls, one: Comparer) -> Self:
        return cls(one.channel, one.shelf, one.memory, one.skus, one.catch_up, one.now)

    async def once(self) -> Comparison:
        self.asked.append(self.now())
        return Comparison(items=0, unknown=0, unknown_names=(), anchored=0, left=0, drifts=())

    @cached_property
    def asked(self) -> list[datetime]:
        return []


async def test_no_shelf_is_read_before_the_erps_skus_were(keeps_stock: Rounds) -> None:
    """Else what stands on it would be items that nobody knows, until new ones are looked for."""
    outlet = keeps_stock.house.stock.outlets[SHOP]
    outlet.comparer = reader = Reader.instead(outlet.comparer)
    outlet.looked_over.set()
    async with anyio.create_task_group() as loops:
        loops.start_soon(outlet.compare)
        await anyio.wait_all_tasks_blocked()
        assert not reader.asked
        await masters_were_read(keeps_stock.house)
        await until(lambda: len(reader.asked) == 1)
        loops.cancel_scope.cancel()


async def test_an_item_that_is_listed_and_not_there_brings_about_no_comparison_after_the_other(
    keeps_stock: Rounds,
) -> None:
    outlet = keeps_stock.house.stock.outlets[SHOP]
    outlet.comparer = reader = Reader.instead(outlet.comparer)
    compared = reader.asked
    await masters_were_read(keeps_stock.house)
    outlet.looked_over.set()
    async with anyio.create_task_group() as loops:
        loops.start_soon(outlet.compare)
        await until(lambda: len(compared) == 1)
        outlet.publisher.on_missing()
        await anyio.wait_all_tasks_blocked()
        assert len(compared) == 1
        keeps_stock.later(minutes=11)
        outlet.publisher.on_missing()
        await until(lambda: len(compared) == 2)
        outlet.compare_bell.ring()  # a person may ask at any time
        await until(lambda: len(compared) == 3)
        loops.cancel_scope.cancel()


async def test_in_production_no_number_is_told_before_a_person_confirmed_it(keeps_stock: Rounds) -> None:
    house = keeps_stock.house
    may_write = house.stock.outlets[SHOP].publisher.may_write
    await read_whole(keeps_stock)
    await write(keeps_stock, "UPDATE stock_feeds SET pull_began = pull_ended")
    for channel in house.channels:
        await house.store.write(partial(known.know, channel=channel, upto=keeps_stock.now()))
    house.production, house.confirmed = {SHOP: True}, frozenset()
    assert not await may_write()
    house.production = {}  # not known yet: as if it were
    assert not await may_write()
    house.confirmed = frozenset({f"{SHOP}.stock"})
    assert await may_write()
    house.production, house.confirmed = {SHOP: False}, frozenset()
    assert await may_write()
