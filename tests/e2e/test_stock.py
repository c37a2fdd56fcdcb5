"""Stock from end to end, on real processes: the ERP's ledger, three shops that sell from the numbers they show.

Judged from the books: the shops' ``stock`` and ``stock_moves``, the ERP's ``ledger`` and ``oversold``. The simulated
ERP exports its stock when a test says so; figures are dated by the rows' own stamps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.e2e import race
from tests.e2e.shops import BIGCOMMERCE, SHOPIFY, SHOPS, WOOCOMMERCE, Shop
from tests.e2e.shown import Place, all_moves, differing, free, oversold_by_upc, shown, stock
from tests.e2e.world import World, call, world

pytestmark = [pytest.mark.timeout(240), pytest.mark.slow]

PROFILE = """
[connections.bluecherry.profile]
stock_evidence = ["row_ledger"]
stock_build_seconds = 0
clock_skew_seconds = 1
locations_not_for_sale = ["QRN"]
"""
BY_HAND = 100_000
"""Seconds between two exports: a test makes them."""
QUICK = {
    WOOCOMMERCE: {"write_least_ms": 20, "write_most_ms": 60},
    BIGCOMMERCE: {"settle_least_seconds": 0.1, "settle_most_seconds": 0.4},
}
SELLING = tuple(
    replace(shop, settings=shop.settings + ("stock_settles_seconds = 1\n" if shop is BIGCOMMERCE else ""))
    for shop in SHOPS
)
DRESS, SKIRT, SHIRT, SCARF = "040123000013", "040123000020", "040123000037", "040123000044"
SPLIT = ("040123000105", "040123000112", "040123000129")
SHARED = ("040123000136", "040123000143", "040123000150")
NOBODYS = {"do": "adjust", "upc": "040123999904", "location": "NJ1", "qty": 1}
"""No shop has it: a movement of the ERP's own, which dates what was exported with it."""
SETTLES_SECONDS = 60.0
LIVES_EVERY_SECONDS = 3.0


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    simulated = {"stock_cycle_seconds": BY_HAND}
    folder = tmp_path_factory.mktemp("stock")
    with world(folder, shops=SELLING, public=True, erp_settings=PROFILE, stock="", simulated_erp=simulated) as selling:
        for shop, values in QUICK.items():
            selling.faults(f"http://127.0.0.1:{selling.ports[shop.served]}", values=values)
        table = selling.mappings / "stock.toml"
        rows = "".join(f'"sku/{upc}" = {{ scarce = "split" }}\n' for upc in SPLIT)
        table.write_text(f"{table.read_text()}\n[default]\n{rows}")
        publish(selling)
        selling.run_bridge()
        alike(selling, "all shops show what there is")
        yield selling


def publish(one: World) -> None:
    call(f"{one.erp}/_sandbox/publish", {})


def alike(one: World, what: str, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Every shop comes to show what the rule says; ``meanwhile`` is done every few seconds."""
    wrong: list[str] = []
    last = time.monotonic()

    def right() -> bool:
        nonlocal last
        wrong[:] = differing(one, split=SPLIT)
        if wrong and time.monotonic() > last + LIVES_EVERY_SECONDS:
            meanwhile()
            last = time.monotonic()
        return not wrong

    try:
        one.comes(right, what, within=SETTLES_SECONDS)
    except AssertionError as fault:
        raise AssertionError(f"{what}: {wrong[:10]}") from fault


def settle(one: World) -> None:
    """The ERP lives on and exports, all is read: every shop shows what the rule says."""
    live_on(one)
    alike(one, "every shop shows max(0, F)", meanwhile=lambda: live_on(one))


def live_on(one: World) -> None:
    """Something moves in the ERP, is exported and read; then everything is read: nothing of it is older than that."""
    stock(one, NOBODYS)
    publish(one)
    pulled_again(one, 2)
    one.did("numbers", "accept", "bluecherry", "--why", "everything is read", "--yes")


def has(one: World, upc: str, pieces: int) -> None:
    """So many open to sell, in the warehouse all shops sell from; exported, and shown everywhere."""
    stock(one, {"do": "set", "upc": upc, "location": "NJ1", "pieces": pieces, "only": True}, NOBODYS)
    publish(one)
    one.comes(lambda: shows(one, upc) == [pieces] * 3, f"all show {pieces} of {upc}", within=SETTLES_SECONDS)


def shows(one: World, upc: str) -> list[int]:
    return [shown(one, shop)[Place(upc, "NJ1")] for shop in one.shops]


def pulled_again(one: World, times: int) -> None:
    """The ERP's figures are read so many times more."""
    asked = "SELECT pull_ended, delta_ended FROM stock_feeds"
    for _ in range(times):
        before = one.rows(asked)
        one.comes(lambda: one.rows(asked) != before, "figures are pulled", within=SETTLES_SECONDS)  # noqa: B023


def told(one: World, upc: str, since: datetime) -> list[tuple[str, int, int]]:
    """What shops were told of a SKU: shop, from, to."""
    mine = [move for move in all_moves(one) if move.place == Place(upc, "NJ1") and move.at >= since]
    return [(move.shop, move.before, move.after) for move in mine if move.by == "api"]


def test_a_piece_sold_in_one_shop_is_gone_everywhere_before_the_erp_knows(one: World) -> None:
    has(one, DRESS, 1)
    begun = datetime.now(UTC)
    one.faults(one.erp, rates={"error_500": 1})
    placed = one.order(lines=[{"sku": DRESS, "quantity": 1}])
    one.comes(lambda: shows(one, DRESS) == [0, 0, 0], "it is gone everywhere", within=20)
    assert placed["name"] not in one.booked_names()
    one.faults(one.erp, clear=True, values={"stock_cycle_seconds": BY_HAND})
    one.comes(lambda: placed["name"] in one.in_state("booked"), "booked, and read back", within=SETTLES_SECONDS)
    pulled_again(one, 2)
    assert shows(one, DRESS) == [0, 0, 0], "the old figure has put it on sale again"
    settle(one)
    assert free(one)[Place(DRESS, "NJ1")] == 0
    others = sorted(move for move in told(one, DRESS, begun) if move[0] != SHOPIFY.connection)
    assert others == [("bigcommerce_us", 1, 0), ("woocommerce_eu", 1, 0)]
    at_home = [after for shop, _, after in told(one, DRESS, begun) if shop == SHOPIFY.connection]
    assert max(at_home, default=0) <= 0, (
        "of a sale in the seconds after a read it is lowered twice, then read: never up"
    )


def test_a_hand_in_the_admin_is_found_and_set_right_and_an_item_nobody_can_write_stops_no_other(one: World) -> None:
    item = next(row["item"] for row in one.books(one.shop, "stock") if row["sku"] == SKIRT).rsplit("/", 1)[-1]
    has(one, SHIRT, 40)
    by_hand(one, SHOPIFY, {"sku": SHIRT, "number": 77, "location": "New Jersey DC"})
    by_hand(one, WOOCOMMERCE, {"sku": SHIRT, "number": 5})
    by_hand(one, BIGCOMMERCE, {"sku": SHIRT, "number": 400})
    one.comes(lambda: sorted(shows(one, SHIRT)) == [5, 77, 400], "they are in force", within=30)
    track(one, item, tracked=False)
    untracked = shown(one, SHOPIFY)[Place(SKIRT, "NJ1")]
    stock(one, *({"do": "adjust", "upc": upc, "location": "NJ1", "qty": 3} for upc in (SKIRT, SCARF)), NOBODYS)
    publish(one)

    def set_right() -> bool:
        """A number that was told a moment ago is not compared yet: whoever asks sooner asks again."""
        for shop in one.shops:
            one.cli("numbers", "compare", shop.connection, "--yes")
        return shows(one, SHIRT) == [40] * 3

    one.comes(set_right, "what a hand did is set right", within=SETTLES_SECONDS)
    there = free(one)
    one.comes(lambda: shows(one, SCARF) == [there[Place(SCARF, "NJ1")]] * 3, "the others are told", within=30)
    assert shown(one, SHOPIFY)[Place(SKIRT, "NJ1")] == untracked
    drifts = {(row["channel"], row["actual"]): row["cause"] for row in one.rows(DRIFTS, SHIRT)}
    assert {("shopify_us", 77), ("woocommerce_eu", 5), ("bigcommerce_us", 400)} <= drifts.keys()
    track(one, item, tracked=True)
    one.did("numbers", "compare", "shopify_us", "--yes")
    settle(one)


DRIFTS = "SELECT channel, actual, cause FROM stock_drifts JOIN stock_compares ON id = compare_id WHERE sku = ?"


def track(one: World, item: str, *, tracked: bool) -> None:
    call(f"{one.shop}/_sandbox/inventory_items/{item}", {"tracked": tracked}, method="PATCH")


def by_hand(one: World, shop: Shop, number: dict[str, object]) -> None:
    call(f"{one.at(shop)}/_sandbox/admin/stock", number)


def test_killed_in_the_middle_of_a_push_of_all_numbers_every_shop_shows_exactly_what_there_is(one: World) -> None:
    begun = len(all_moves(one))
    upcs = sorted({place.upc for place, pieces in free(one).items() if place.warehouse == "NJ1" and pieces > 5})
    stock(one, *({"do": "adjust", "upc": upc, "location": "NJ1", "qty": -2} for upc in upcs), NOBODYS)
    for shop in one.shops:
        one.did("numbers", "push", shop.connection, "--why", "test", "--yes")
    publish(one)
    one.comes(lambda: len(all_moves(one)) > begun + len(upcs), "some of the numbers are told", within=30)
    one.kill_bridge()
    assert differing(one, split=SPLIT), "everything was told before it was killed"
    one.run_bridge()
    settle(one)


def test_when_all_is_quiet_again_every_shop_shows_what_the_ledger_has_free_and_no_more(one: World) -> None:
    one.faults(one.erp, values={"life": 20, "stock_cycle_seconds": 2})
    for shop in one.shops:
        one.sell_all(30, shop=shop, seed=77, rate=8, mixed=0.1, unbookable=0.1)
    one.comes(lambda: known_all(one) and at_rest(one), "everything has come to rest")
    one.faults(one.erp, values={"life": 0, "stock_cycle_seconds": BY_HAND})
    one.comes(lambda: at_rest(one), "everything has come to rest")
    settle(one)
    known = one.rows("SELECT order_ref FROM stock_demand WHERE state IN ('known', 'sent')")
    counted = {str(row["order_ref"]).rsplit("/", 1)[-1] for row in known}
    waiting = one.rows("SELECT channel_id FROM orders WHERE state IN ('blocked', 'not_yet')")
    assert counted <= {row["channel_id"] for row in waiting}, "pieces of no open order are counted"


def known_all(one: World) -> bool:
    """The bridge has met every order."""
    return {key for key, sold in one.sales().items() if not sold.no_order} <= one.all_states().keys()


def at_rest(one: World) -> bool:
    happenings = any(one.books(one.at(shop), "happenings") for shop in one.shops)
    return not happenings and not one.keys_in("ready", "sending", "accepted", "in_doubt")


def test_in_a_small_flash_sale_split_oversells_nothing_and_share_no_more_than_the_race_allows(one: World) -> None:
    pieces = {Place(upc, "NJ1"): 30 for upc in (*SPLIT, *SHARED)}
    at_once = ({"do": "set", "upc": place.upc, "location": "NJ1", "pieces": 30, "only": True} for place in pieces)
    before = oversold_by_upc(one)
    stock(one, *at_once, NOBODYS)
    publish(one)
    settle(one)
    begun = datetime.now(UTC)
    hot = [[place.upc, 1] for place in pieces]
    plans = {
        shop: one.sell(orders, shop=shop, seed=3, rate=orders / 15, simple=True, unbookable=0, hot=hot)["plan"]
        for shop, orders in zip(one.shops, (120, 70, 50), strict=True)
    }
    one.comes(lambda: all(one.is_sold(shop, plan) for shop, plan in plans.items()), "all is sold")
    one.comes(lambda: known_all(one) and at_rest(one), "everything has come to rest")
    races = race.raced(one, pieces, since=begun)
    after = oversold_by_upc(one)
    for found in races:
        upc = found.place.upc
        assert after.get(upc, 0) - before.get(upc, 0) == found.oversold, f"the ERP's books differ: {found}"
        assert found.oversold <= (0 if upc in SPLIT else found.allowed), found
    assert race.totals(races)["really_sold"] > 100, "hardly anything was sold: nothing is proven"
    settle(one)
