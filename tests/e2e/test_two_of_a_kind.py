"""Two WooCommerce shops in one bridge: two names of one kind, with keys, places in their lists and tables of their own.

One is in Paris and sells in euros, tax inside; the other in New York, in dollars, tax on top.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.shops import WOOCOMMERCE, Shop
from tests.e2e.world import World, world

pytestmark = pytest.mark.timeout(240)

PARIS = WOOCOMMERCE
NEW_YORK = replace(
    WOOCOMMERCE.also("woocommerce_us", "SWU"),
    simulated=("currency=USD", "time_zone=America/New_York", "country=US", "prices_include_tax=false"),
)
SHIRT = "040123000013"
SHIPPERS = {"SWC": "UPG", "SWU": "FXO"}
"""What *Standard* is in each one's table."""
PATIENCE_SECONDS = 90.0


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("two"), shops=(PARIS, NEW_YORK), public=True) as one:
        for table in ("terms", "allowances"):  # like the first one's
            text = (one.mappings / f"{table}.toml").read_text()
            ROWS[table] = text.partition("\n[woocommerce_eu]\n")[2]
        for table, rows in ROWS.items():
            with (one.mappings / f"{table}.toml").open("a") as file:
                file.write(f"\n[woocommerce_us]\n{rows}\n")
        one.run_bridge()
        for shop in one.shops:
            one.sell_all(12, shop=shop, seed=91, unbookable=0)
        one.all_booked()
        yield one


ROWS = {
    "customers": "USD = 'SHOPUSD'\nEUR = 'SHOPEUR'\nGBP = 'SHOPGBP'",
    "ship_via": "Standard = 'FXO'\nExpress = 'UP2'\nOvernight = 'FXO'\nEconomy = 'USP'\n'(none)' = 'UPG'",
    "tax_codes": "'NJ State Tax' = 'NJ'\n'CA State Tax' = 'CA'\n'NY State Tax' = 'NY'\nVAT = 'VAT'\n'(none)' = 'NOTAX'",
    "warehouses": "'(none)' = 'NJ1'",
}


def test_both_sell_into_one_erp_to_the_cent(both: World) -> None:
    judgement = both.judged()
    assert judgement.wrong == ()
    for shop in both.shops:
        assert sum(key.startswith(shop.code) for key in judgement.booked) > 6
    assert {"USD", "EUR"} <= {str(document["curr_code"]) for document in both.booked()}


def test_each_has_tables_of_its_own(both: World) -> None:
    """The same way of shipping is another shipper."""
    keys = {sold(both, shop) for shop in both.shops}
    both.comes(lambda: keys <= both.keys_in("booked"), "they are booked", within=PATIENCE_SECONDS)
    shippers = {str(one["po_num"])[:3]: one["shipper"] for one in both.booked() if one["po_num"][:-4] in keys}
    assert shippers == SHIPPERS


def sold(one: World, shop: Shop) -> str:
    placed = one.order_at(shop, lines=[{"sku": SHIRT}], shipping={"title": "Standard", "price": "5.00"})
    return f"{shop.code}{placed['id']}"


def test_each_has_a_place_of_its_own_in_its_list_and_is_rung_for_itself(both: World) -> None:
    places = both.rows("SELECT connector FROM cursors WHERE noun = 'orders' ORDER BY connector")
    assert [one["connector"] for one in places] == ["woocommerce_eu", "woocommerce_us"]
    assert all(both.hooks("taken", shop) > 0 for shop in both.shops)


def test_one_whose_key_is_gone_is_paused_and_the_other_goes_on(both: World) -> None:
    both.faults(both.at(NEW_YORK), rates={"key_401": 1})
    both.comes(lambda: "woocommerce_us is paused" in str(both.ready()["why"]), "it says so", within=PATIENCE_SECONDS)
    shut_out, let_in = sold(both, NEW_YORK), sold(both, PARIS)
    both.comes(lambda: let_in in both.keys_in("booked"), "the other goes on", within=PATIENCE_SECONDS)
    assert shut_out not in both.all_states()
    assert "woocommerce_eu is paused" not in str(both.ready()["why"])
    both.faults(both.at(NEW_YORK), clear=True)
    both.comes(lambda: shut_out in both.keys_in("booked"), "and then it too", within=PATIENCE_SECONDS)
