"""An item of a shelf is the SKU that a person said, else the one it names itself, if the ERP knows it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bcbridge.flows.orders.settings import Unit
from bcbridge.flows.stock.items import resolved
from bcbridge.mappings import Mappings
from bcbridge.model.ids import Ref
from bcbridge.model.stock import ShelfItem

KNOWN = {"012345678905", "040123000013"}


async def known(upcs: Sequence[str]) -> frozenset[str]:
    return frozenset(KNOWN & set(upcs))


def item(sku: str, barcode: str | None = None, variant: str = "7") -> ShelfItem:
    return ShelfItem(Ref(""), Ref(variant), Ref(""), Ref(variant), sku, barcode, "Tee", 3)


async def found(*items: ShelfItem, unit: Unit | None = None, **rows: str) -> list[str | None]:
    mappings = Mappings({"skus": {"shop": {key.replace("__", "/"): upc for key, upc in rows.items()}}})
    return list(await resolved(items, channel="shop", unit=unit or Unit(), mappings=mappings, known=known))


async def test_an_item_is_what_its_sku_says_with_its_leading_zeros() -> None:
    assert await found(item("012345678905"), item("12345678905"), item("")) == ["012345678905", None, None]


async def test_by_barcode_where_the_channel_is_set_so() -> None:
    by_barcode = Unit(sku_is="barcode")
    assert await found(item("TEE-M", "040123000013"), item("TEE-L"), unit=by_barcode) == ["040123000013", None]


@pytest.mark.parametrize("row", ["variant__7", "tee-m"])
async def test_a_persons_word_wins_over_what_it_says(row: str) -> None:
    assert await found(item("tee-m", "012345678905"), unit=None, **{row: "040123000013"}) == ["040123000013"]


async def test_a_persons_word_that_names_no_sku_of_the_erp_is_none() -> None:
    assert await found(item("012345678905"), variant__7="999999999999") == [None]
