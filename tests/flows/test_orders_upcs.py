"""Which UPC a line is: a person's word, its own, or what its variant was sold as before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcbridge.flows.orders import content_hash
from bcbridge.model.ids import Ref, Upc
from bcbridge.model.order import Order
from bcbridge.model.outcome import Blocked, Link, Problem, Ready
from tests.flows.at_hand import DRESS, HOUSE, SHIRT, SKIRT, House, line, order
from tests.flows.scene import Scene, scene

VARIANT = Ref("1042")
LINKED = replace(HOUSE, links={VARIANT: DRESS})


def sold(code: str, **said: Any) -> Order:
    """One piece of variant 1042, its SKU as the product says today."""
    facts = {"ref": Ref("line-1"), "variant": VARIANT, "sku_is_live": True, "barcode": None, **said}
    return order(line(code, "50.00", **facts), total="50.00")


def ready(house: House, ordered: Order) -> Ready:
    outcome = house.judge(ordered)
    assert isinstance(outcome, Ready), outcome
    return outcome


def booked(house: House, ordered: Order) -> str:
    (part,) = ready(house, ordered).parts
    return part.lines[0].upc


def problem(house: House, ordered: Order) -> Problem:
    outcome = house.judge(ordered)
    assert isinstance(outcome, Blocked), outcome
    (only,) = outcome.problems
    return only


# -- a link --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["", "RENAMED-1", DRESS])
def test_a_variant_that_was_renamed_or_deleted_is_booked_as_what_it_was_sold_as(said: str) -> None:
    assert booked(LINKED, sold(said)) == DRESS


def test_what_was_found_by_its_link_is_noted() -> None:
    (note,) = ready(LINKED, sold("RENAMED-1")).notes
    assert (note.code, note.subject) == ("sku_by_link", "line RENAMED-1")
    assert ready(LINKED, sold(DRESS)).notes == ()


def test_a_variant_that_is_another_sku_now_blocks_and_names_both() -> None:
    found = problem(LINKED, sold(SKIRT))
    assert (found.code, found.cause) == ("link_differs", "skus/variant/1042")
    assert found.text == f"its variant was sold as {DRESS} before, now it says {SKIRT}"


def test_a_link_to_a_upc_that_the_erp_no_longer_has_says_which() -> None:
    gone = replace(HOUSE, links={VARIANT: "099999999990"})
    found = problem(gone, sold("RENAMED-1"))
    assert (found.code, found.cause) == ("unknown_sku", "sku/099999999990")
    assert found.text == "the ERP has no SKU with this UPC, 099999999990"
    assert booked(gone, sold(DRESS, variant=Ref("7"))) == DRESS


def test_only_a_sku_that_is_live_is_looked_up_by_its_link() -> None:
    found = problem(LINKED, sold("RENAMED-1", sku_is_live=False))
    assert (found.code, found.cause, found.also) == (
        "unknown_sku",
        "sku/RENAMED-1",
        ("skus/variant/1042", "skus/RENAMED-1"),
    )
    assert booked(LINKED, sold(SKIRT, sku_is_live=False)) == SKIRT


def test_what_is_found_by_its_link_must_bear_its_barcode() -> None:
    assert booked(LINKED, sold("RENAMED-1", barcode=DRESS)) == DRESS
    assert problem(LINKED, sold("RENAMED-1", barcode=SHIRT)).code == "barcode_differs"


@pytest.mark.parametrize("live", [True, False])
def test_a_ready_order_says_what_its_variants_are(live: bool) -> None:
    assert ready(HOUSE, sold(DRESS, sku_is_live=live)).links == (Link(variant=VARIANT, upc=Upc(DRESS), live=live),)
    assert ready(HOUSE, sold(DRESS, variant=None)).links == ()


def test_one_sku_on_two_variants_is_no_problem_of_an_order() -> None:
    """Two hits would be one for stock; of an order each line says itself what it is."""
    both = [line(DRESS, "50.00", variant=Ref(number), ref=Ref(number), sku_is_live=True) for number in ("7", "8")]
    outcome = ready(HOUSE, order(*both, total="100.00"))
    assert [row.upc for row in outcome.parts[0].lines] == [DRESS, DRESS]
    assert {one.variant for one in outcome.links} == {"7", "8"}


def test_a_product_that_is_renamed_is_no_change_of_an_order() -> None:
    assert content_hash(sold("RENAMED-1")) == content_hash(sold(DRESS))
    assert content_hash(sold("RENAMED-1", sku_is_live=False)) != content_hash(sold(DRESS, sku_is_live=False))


def test_what_was_copied_at_the_sale_counts_as_what_the_variant_was_sold_as() -> None:
    """A channel that tells both: the SKU of the sale, where it is a UPC of the ERP, knows better than another sale."""
    elsewhere = replace(HOUSE, links={VARIANT: SHIRT})
    assert booked(elsewhere, sold("RENAMED-1", sku_sold=DRESS)) == DRESS
    assert problem(HOUSE, sold(SKIRT, sku_sold=DRESS)).code == "link_differs"
    assert booked(HOUSE, sold(SKIRT, sku_sold="STYLE-1")) == SKIRT
    assert booked(elsewhere, sold("RENAMED-1", sku_sold="STYLE-1")) == SHIRT


def test_a_variant_that_is_renamed_or_deleted_after_the_sale_is_no_change_of_an_order_that_tells_both() -> None:
    then = content_hash(sold(DRESS, sku_is_live=False, sku_sold=DRESS))
    assert content_hash(sold("RENAMED-1", sku_sold=DRESS)) == then
    assert content_hash(sold("", sku_is_live=False, sku_sold=DRESS)) == then
    assert content_hash(sold(SKIRT, sku_is_live=False, sku_sold=SKIRT)) != then


# -- a person's word -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["variant/1042", "RENAMED-1", "renamed-1"])
def test_a_row_says_which_upc_a_variant_or_a_sku_is(key: str) -> None:
    assert booked(HOUSE.told(key, SKIRT), sold("RENAMED-1", sku_is_live=False, barcode=SHIRT)) == SKIRT


def test_a_row_wins_over_the_line_and_its_link_and_the_variants_over_its_skus() -> None:
    assert booked(LINKED.told("variant/1042", SHIRT), sold(SKIRT)) == SHIRT
    assert booked(LINKED.told("variant/1042", SHIRT).told(SKIRT, DRESS), sold(SKIRT)) == SHIRT
    assert ready(LINKED.told("variant/1042", SHIRT), sold(SKIRT)).links == (
        Link(variant=VARIANT, upc=Upc(SHIRT), live=True),
    )


def test_an_id_is_never_taken_for_a_sku() -> None:
    """Numbers are ids in one shop and SKUs in another."""
    assert booked(HOUSE.told("1042", SHIRT), sold(DRESS)) == DRESS


# -- the barcode ---------------------------------------------------------------------------------------------------


def test_where_the_upc_is_the_barcode_the_sku_may_be_any_text() -> None:
    house = HOUSE.setting(unit={"sku_is": "barcode"})
    assert booked(house, sold("DRESS-BLK-M", barcode=DRESS)) == DRESS
    found = problem(house, sold(DRESS, barcode=None, sku_is_live=False))
    assert (found.code, found.text) == ("unknown_sku", "the line names no UPC")
    assert problem(house, sold("DRESS-BLK-M", barcode="1", sku_is_live=False)).cause == "sku/1"


# -- remembered ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def s(tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(tmp_path) as made:
        yield made


def of_variant(code: str, upc: str | None = None) -> dict[str, Any]:
    facts: dict[str, Any] = {"variant": VARIANT, "sku_is_live": True, "barcode": upc}
    return {"lines": (line(code, "80.00", **facts),)}


async def test_what_a_variant_was_sold_as_is_remembered_and_used(s: Scene) -> None:
    await s.look(s.shop.put(s.sold(5001, said=of_variant(DRESS))))
    await s.look(s.shop.put(s.sold(5002, said=of_variant(""))), s.shop.put(s.sold(5003, said=of_variant(SKIRT))))
    assert (await s.row(5002))["state"] == "accepted"
    assert [data["code"] for kind, data in await s.events(5002) if kind == "noted"] == ["sku_by_link"]
    assert await s.codes(5003) == ["link_differs"]


async def test_a_sku_that_was_copied_at_the_sale_counts_as_it_is_and_the_first_is_remembered(s: Scene) -> None:
    """A variant that bears another article now: its new orders say so themselves, older ones are asked about."""
    copied, moved = of_variant(DRESS), of_variant(SKIRT)
    for said in (copied, moved):
        said["lines"] = tuple(one.model_copy(update={"sku_is_live": False}) for one in said["lines"])
    await s.look(s.shop.put(s.sold(5001, said=copied)))
    await s.look(s.shop.put(s.sold(5002, said=moved)))
    await s.look(s.shop.put(s.sold(5003, said=of_variant(SKIRT))))
    assert (await s.row(5002))["state"] == "accepted"
    assert await s.codes(5003) == ["link_differs"]


async def test_an_order_that_is_blocked_teaches_nothing(s: Scene) -> None:
    await s.look(s.shop.put(s.sold(5001, said={**of_variant(DRESS), "outstanding": Decimal("1.00")})))
    await s.look(s.shop.put(s.sold(5002, said={**of_variant(DRESS), "ship_to": None})))
    assert await s.b.store.read.rows("SELECT * FROM sku_links") == []


async def test_a_persons_row_cures_the_order_and_replaces_the_link(s: Scene) -> None:
    await s.look(s.shop.put(s.sold(5001, said=of_variant(DRESS))))
    ref = s.shop.put(s.sold(5002, said=of_variant(SKIRT)))
    await s.look(ref)
    s.mappings[0] = s.mappings[0].with_value("skus", "shop", "variant/1042", SKIRT)
    await s.look(ref)
    assert (await s.row(5002))["state"] == "accepted"
    (link,) = await s.b.store.read.rows("SELECT variant, upc FROM sku_links")
    assert tuple(link) == (VARIANT, SKIRT)
