"""What a store counts, and the numbers it shows: read whole for a compare, or a few by their ids.

An item is named ``4001`` (a variant) or ``product/111`` (a product that is tracked as a whole). What a shopper may buy
is on hand less the item's safety stock; both are told of every location by one call. How an item is tracked, and its
barcode, only the catalogue tells: it is walked by product, and joined with the numbers of the same products, so that
never more than a page of either is held.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from bcbridge.connectors.bigcommerce.client import (
    LARGEST_PAGE,
    MOST_PAGES,
    Client,
    Data,
    OddAnswer,
    as_agreed,
    together,
)
from bcbridge.connectors.bigcommerce.failures import Missing
from bcbridge.connectors.budget import Share
from bcbridge.model.ids import Ref
from bcbridge.model.stock import ShelfItem, ShelfPage

T = TypeVar("T")

PRODUCTS, VARIANTS, NUMBERS = "/v3/catalog/products", "/v3/catalog/variants", "/v3/inventory/items"
PRODUCT = "product/"
PRODUCTS_A_CALL, IDS_A_CALL = 100, 400
"""How many ids one call names: a long address is refused by some gateways."""
LARGEST_STOCK_PAGE = 1_000
WALK = {"include_fields": "name,inventory_tracking", "sort": "id", "direction": "asc", "limit": LARGEST_PAGE}
VARIANT_FIELDS = {"include_fields": "product_id,sku,upc,option_values"}
NONE, BY_VARIANT, BY_PRODUCT = "none", "variant", "product"
NOT_TRACKED = "BigCommerce does not count it: inventory tracking of its product is none"
TOGETHER = "BigCommerce counts all variants of its product as one: inventory tracking is product"


@dataclass(frozen=True, slots=True)
class Number:
    """What one location shows of one item: ``sells`` is on hand less ``safety``."""

    sells: int
    safety: int
    sku: str
    variant: int
    product: int


Numbers = dict[tuple[Ref, Ref], Number]
"""By location and item."""


@dataclass(frozen=True, slots=True)
class Product:
    """``variants``: how many it has."""

    id: int
    name: str
    tracking: str
    variants: int = 0


class Items:
    """The items of one store."""

    def __init__(self, client: Client) -> None:
        self._client = client

    # -- all of them

    async def pages(self, locations: Sequence[Ref]) -> AsyncIterator[tuple[ShelfPage, Numbers]]:
        """Every variant of every product, at each of these locations, and the numbers it was made from."""
        async for products in self._products():
            for some in cut(products, PRODUCTS_A_CALL):
                yield await self._page(some, locations)

    async def _products(self) -> AsyncIterator[list[Product]]:
        """Always the first page behind the last id: a row that goes away moves none out of sight."""
        last = 0
        for _ in range(MOST_PAGES):
            reply = await self._client.get(PRODUCTS, {**WALK, "id:greater": last}, share=Share.BULK)
            with as_agreed("products"):
                found = [_product(row) for row in reply.rows_v3()]
            yield found
            if len(found) < LARGEST_PAGE:
                return
            last = max(one.id for one in found)
        raise OddAnswer(f"{PRODUCTS} does not end", by_content=True)

    async def _page(self, products: Sequence[Product], locations: Sequence[Ref]) -> tuple[ShelfPage, Numbers]:
        ids = {"product_id:in": ",".join(str(one.id) for one in products)}
        rows = await self._client.all_v3(VARIANTS, {**ids, **VARIANT_FIELDS}, share=Share.BULK)
        by_id = {one.id: one for one in _counted(products, rows)}
        asked, numbers = None, Numbers()
        async for reply in self._client.replies_v3(NUMBERS, ids, size=LARGEST_STOCK_PAGE, share=Share.BULK):
            asked = asked or reply.asked
            with as_agreed("inventory"):
                numbers |= {key: one for row in reply.rows_v3() for key, one in _everywhere(row, by_id)}
        assert asked is not None  # a list is at least one page
        with as_agreed("variants"):
            items = tuple(item for row in rows for item in _items(row, by_id, numbers, locations))
        return ShelfPage(items, asked), numbers

    # -- a few of them

    async def numbers(self, location: Ref, items: Sequence[Ref]) -> Numbers:
        """What one location shows of these items now; those that are not there are absent."""
        products = [one.removeprefix(PRODUCT) for one in items if one.startswith(PRODUCT)]
        variants = [one for one in items if not one.startswith(PRODUCT)]
        calls = [partial(self._numbers, location, "product_id:in", ids) for ids in cut(products, IDS_A_CALL)]
        calls += [partial(self._numbers, location, "variant_id:in", ids) for ids in cut(variants, IDS_A_CALL)]
        found = Numbers()
        for some in await together(calls):
            found |= some
        return found

    async def _numbers(self, location: Ref, name: str, ids: Sequence[str]) -> Numbers:
        path, asked = f"/v3/inventory/locations/{location}/items", {name: ",".join(ids)}
        try:
            rows = await self._client.all_v3(path, asked, size=LARGEST_STOCK_PAGE, share=Share.STOCK)
        except Missing:  # the location is not there any more
            return {}
        with as_agreed("inventory"):
            told = [_number(row["identity"], row) for row in rows]
        by_product = name == "product_id:in"
        return {(location, of_product(one.product) if by_product else Ref(str(one.variant))): one for one in told}

    async def tracking(self, numbers: Iterable[Number]) -> Mapping[int, str]:
        """How their products are tracked, of those that the catalogue still has."""
        told: dict[int, str] = {}
        for ids in cut(sorted({one.product for one in numbers}), PRODUCTS_A_CALL):
            asked = {"id:in": ",".join(map(str, ids)), "include_fields": "inventory_tracking"}
            rows = await self._client.all_v3(PRODUCTS, asked, share=Share.STOCK)
            with as_agreed("products"):
                told |= {int(row["id"]): str(row["inventory_tracking"]) for row in rows}
        return told


def cut(many: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (many[start : start + size] for start in range(0, len(many), size))


def of_product(number: int) -> Ref:
    return Ref(f"{PRODUCT}{number}")


def _product(row: Data) -> Product:
    return Product(int(row["id"]), str(row.get("name") or ""), str(row["inventory_tracking"]))


def _counted(products: Iterable[Product], rows: Iterable[Data]) -> Iterator[Product]:
    with as_agreed("variants"):
        found = [int(row["product_id"]) for row in rows]
    for one in products:
        yield Product(one.id, one.name, one.tracking, found.count(one.id))


def _everywhere(row: Data, products: Mapping[int, Product]) -> Iterator[tuple[tuple[Ref, Ref], Number]]:
    """One item at each of its locations."""
    identity = row["identity"]
    product = products.get(int(identity["product_id"]))
    for there in row["locations"]:
        number = _number(identity, there)
        item = of_product(number.product) if product and product.tracking == BY_PRODUCT else Ref(str(number.variant))
        yield (Ref(str(there["location_id"])), item), number


def _number(identity: Data, there: Data) -> Number:
    safety = int((there.get("settings") or {}).get("safety_stock") or 0)
    on_hand = int(there["total_inventory_onhand"])
    variant, product = int(identity.get("variant_id") or 0), int(identity.get("product_id") or 0)
    return Number(
        int(there.get("available_to_sell", on_hand - safety)), safety, identity.get("sku") or "", variant, product
    )


def _items(
    row: Data, products: Mapping[int, Product], numbers: Numbers, locations: Iterable[Ref]
) -> Iterator[ShelfItem]:
    """One variant, as each location shows it."""
    product = products[int(row["product_id"])]
    variant = Ref(str(row["id"]))
    item = of_product(product.id) if product.tracking == BY_PRODUCT and product.variants == 1 else variant
    why = _left_alone(product)
    for location in locations:
        number = numbers.get((location, item))
        yield ShelfItem(
            location=location,
            item=item,
            group=Ref(""),
            variant=variant,
            sku=str(row.get("sku") or "").strip(),
            barcode=str(row.get("upc") or "").strip() or None,
            title=_title(product.name, row.get("option_values") or ()),
            shown=None if number is None or why else number.sells,
            managed=not why,
            why=why,
        )


def _left_alone(product: Product) -> str:
    """Why no number may be written; "" where one may."""
    if product.tracking == NONE:
        return NOT_TRACKED
    return TOGETHER if product.tracking == BY_PRODUCT and product.variants > 1 else ""


def _title(name: str, options: Iterable[Data]) -> str:
    return " / ".join([name, *(str(one.get("label") or "") for one in options)])
