"""How a shop counts, in our words: what is an item of its shelf, what may be written, what an answer says; pure.

A product or variation that manages its stock has a number of its own. One that does not is sold without end, until our
first write makes it count, where the settings let us. One that shares its parent's number ("parent") is not ours: one
number for all sizes is nobody's, and a person is to end that over there.
"""

from __future__ import annotations

from collections.abc import Sequence

from bcbridge.connectors.woocommerce.answers import SPOKEN, Data, as_object
from bcbridge.connectors.woocommerce.settings import WooCommerceSettings
from bcbridge.model.ids import Ref
from bcbridge.model.stock import RowAnswer, RowResult, ShelfItem, StockChange

ANYWHERE = Ref("")
NOT_SOLD = frozenset({"grouped", "external"})
"""Types of product that only show others, or are bought elsewhere."""
PLAIN = frozenset({"simple", "subscription"})
"""Types that are counted as they are. What a plugin's others are made of nobody knows, unless they count themselves."""
SHARED = "parent"
UNCOUNTED = -1
"""Shown by what is not counted and may be: below any number that is told, so that it is told one, also none."""

SWITCHED_OFF = "the shop manages no stock (WooCommerce, Settings, Products, Inventory)"
BY_PARENT = "it shares its parent's number: manage stock at each variation"
NOT_MANAGED = "it does not manage stock, and turn_on_stock_management is off"
UNKNOWN_TYPE = "a plugin's kind of product that does not manage stock itself"
IN_PARTS = "a plugin counts it by weight or length, not by the piece"
NOT_THERE = "the shop knows no such product or variation"
OTHER_KIND = "woocommerce_rest_invalid_product_id"
"""A variation's id among the products, or the other way round: it has moved."""


def is_sold(row: Data) -> bool:
    return row["type"] not in NOT_SOLD and not has_variations(row)


def has_variations(row: Data) -> bool:
    """``variable``, and a plugin's ``variable-subscription``."""
    return str(row["type"]).startswith("variable")


def product(row: Data, counts: bool, settings: WooCommerceSettings) -> ShelfItem:
    """``counts``: whether the shop counts at all."""
    unknown = row["type"] not in PLAIN and row["manage_stock"] is not True
    why = UNKNOWN_TYPE if unknown else _why_not(row, settings)
    return _item(row, Ref(""), str(row["name"]), why if counts else SWITCHED_OFF)


def variation(row: Data, parent: int, name: str, counts: bool, settings: WooCommerceSettings) -> ShelfItem:
    """``name`` of its parent, "" where nobody asked."""
    title = " - ".join(filter(None, (name, str(row.get("name") or ""))))
    return _item(row, Ref(str(parent)), title, _why_not(row, settings) if counts else SWITCHED_OFF)


def _why_not(row: Data, settings: WooCommerceSettings) -> str:
    if row["manage_stock"] == SHARED:
        return BY_PARENT
    if row["manage_stock"] is True:
        return IN_PARTS if isinstance(row["stock_quantity"], str) else ""
    return "" if settings.turn_on_stock_management else NOT_MANAGED


def _item(row: Data, group: Ref, title: str, why: str) -> ShelfItem:
    id_ = Ref(str(row["id"]))
    return ShelfItem(
        location=ANYWHERE,
        item=id_,
        group=group,
        variant=id_,
        sku=str(row["sku"] or "").strip(),
        barcode=str(row.get("global_unique_id") or "").strip() or None,
        title=title,
        shown=None if why else _shown(row),
        managed=not why,
        why=why,
    )


def _shown(row: Data) -> int | None:
    """What is counted and has no number is sold out."""
    return pieces(row["stock_quantity"] or 0) if row["manage_stock"] is True else UNCOUNTED


def pieces(number: object) -> int | None:
    """A whole number; none where the shop keeps none, or a plugin keeps parts of a piece."""
    return number if isinstance(number, int) and not isinstance(number, bool) else None


# -- writes


def by_parent(changes: Sequence[StockChange], most: int) -> list[list[StockChange]]:
    """Batches of one parent each, in the order of their first rows, none longer than ``most``."""
    batches: list[list[StockChange]] = []
    filling: dict[Ref, list[StockChange]] = {}
    for one in changes:
        batch = filling.get(one.group)
        if batch is None or len(batch) == most:
            batch = filling[one.group] = []
            batches.append(batch)
        batch.append(one)
    return batches


def told(change: StockChange) -> Data:
    """Never with its type: an id is loaded as what it is."""
    return {"id": int(change.item), "manage_stock": True, "stock_quantity": change.number}


def answer(row: Data, change: StockChange) -> RowAnswer:
    """What became of one item of a batch."""
    if "error" in row:
        return _refused(str(as_object(row["error"]).get("code")))
    if row["manage_stock"] == SHARED:
        return RowAnswer(RowResult.UNMANAGED, reason=BY_PARENT)
    if row["manage_stock"] is not True or row["stock_quantity"] is None:
        return RowAnswer(RowResult.UNMANAGED, reason=f"the number was dropped: {SWITCHED_OFF}")
    return RowAnswer(RowResult.TAKEN, shown=pieces(row["stock_quantity"]))


def _refused(code: str) -> RowAnswer:
    if code.endswith("_invalid_id") or code == OTHER_KIND:
        return RowAnswer(RowResult.GONE, reason=NOT_THERE)
    said = f": {code}" if code in SPOKEN else ""
    return RowAnswer(RowResult.REFUSED, reason=f"the shop does not take it{said}")
