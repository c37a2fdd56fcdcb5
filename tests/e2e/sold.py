"""What a shop sold, in nobody's words: each system's books read into one form, by one small reader each.

The readers are the judges' own: they share nothing with the rooms that they judge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bcbridge.sandbox.bigcommerce.world import CELL_BY_VARIANT, SET_SKU
from bcbridge.sandbox.woocommerce.season import CELL_BY_ID

Record = Mapping[str, Any]
ZERO = Decimal(0)
Goods = Mapping[str, int]
"""Pieces by UPC; none of zero pieces."""


@dataclass(frozen=True)
class Sold:
    """One order. Amounts are what its customer pays, in the currency it is paid in.

    ``at_first`` and ``goods_at_first`` are before it was cancelled: what was booked by then stands as it was sold.
    """

    id: str
    """The channel's own, never the name."""
    name: str
    currency: str
    total: Decimal
    at_first: Decimal
    goods: Goods
    goods_at_first: Goods
    paid: bool
    """It is to be booked: its money is there, it is no test, it stands, and nothing keeps it back."""
    cancelled: bool
    test: bool
    no_order: bool
    """The shop has it in its books, and nobody is to see an order in it (an abandoned checkout)."""
    status: str
    """In the shop's words."""
    spoilt: tuple[str, ...]
    """What the shopper made wrong on purpose."""
    later: tuple[str, ...]
    """What the shopper was going to do with it."""
    left: Goods = field(default_factory=dict)
    """Pieces that the shop shows as sent."""

    @property
    def waits(self) -> bool:
        """It stands, and is not to be booked before something happens to it (nobody has paid it, say)."""
        return not (self.paid or self.cancelled or self.test or self.no_order)


def pieces(lines: Iterable[tuple[str | None, int]]) -> Goods:
    """Lines of one UPC are one entry; what has none is nobody's goods."""
    counted: Counter[str] = Counter()
    for upc, count in lines:
        if upc and count:
            counted[upc] += count
    return dict(counted)


def spoilt(order: Record) -> tuple[str, ...]:
    return tuple(order["_sandbox"].get("unbookable") or ())


def later(order: Record) -> tuple[str, ...]:
    return tuple(order["_sandbox"].get("later") or ())


def of_shopify(order: Record) -> Sold:
    lines, standing = order["lineItems"], not order["cancelledAt"]
    return Sold(
        id=str(order["legacyResourceId"]),
        name=order["name"],
        currency=order["presentmentCurrencyCode"],
        total=_presented(order["currentTotalPriceSet"]),
        at_first=_presented(order["totalPriceSet"]),
        goods=pieces((line["sku"], line["currentQuantity"]) for line in lines),
        goods_at_first=pieces((line["sku"], line["quantity"]) for line in lines),
        paid=order["displayFinancialStatus"] == "PAID" and not order["test"] and standing,
        cancelled=not standing,
        test=order["test"],
        no_order=False,
        status=order["displayFinancialStatus"],
        spoilt=spoilt(order),
        later=later(order),
        left=pieces(
            (made["lineItem"]["sku"], made["quantity"])
            for one in order["fulfillments"]
            if one["status"] == "SUCCESS"
            for made in one["fulfillmentLineItems"]
        ),
    )


def _presented(money: Record) -> Decimal:
    return Decimal(money["presentmentMoney"]["amount"])


# --- WooCommerce


CREDITS = ("Gift card", "Store credit")
"""Fees below zero that are money."""
NO_ORDERS = ("checkout-draft", "auto-draft", "trash")


def of_woocommerce(order: Record) -> Sold:
    """Cash on delivery is booked unpaid; what is refunded in part before it is booked is a person's business."""
    status, refunds = order["status"], order["refunds"]
    total = Decimal(order["total"]) - sum((Decimal(fee["total"]) for fee in order["fee_lines"] if is_credit(fee)), ZERO)
    goods = pieces((_woo_upc(line, order["_sandbox"]["pinned"]), line["quantity"]) for line in order["line_items"])
    return Sold(
        id=str(order["id"]),
        name=f"#{order['number']}",
        currency=order["currency"],
        total=total,
        at_first=total,
        goods=goods,
        goods_at_first=goods,
        paid=(status == "processing" or _was_told(order))
        and bool(order["date_paid_gmt"] or order["payment_method"] == "cod"),
        cancelled=status == "cancelled",
        test=False,
        no_order=status in NO_ORDERS,
        status=status,
        spoilt=(*spoilt(order), *(("refunded",) if refunds else ())),
        later=later(order),
        left=pieces(_woo_left(order)),
    )


def _was_told(order: Record) -> bool:
    """Completed because everything left, and not by somebody who never had it booked."""
    return order["status"] == "completed" and bool(order.get("fulfillments"))


def _woo_left(order: Record) -> Iterator[tuple[str | None, int]]:
    """By the shop's own fulfilments."""
    upcs = {line["id"]: _woo_upc(line, order["_sandbox"]["pinned"]) for line in order["line_items"]}
    for one in order.get("fulfillments", ()):
        for row in one["meta_data"]:
            if row["key"] == "_items":
                yield from ((upcs[item["item_id"]], item["qty"]) for item in row["value"])


def is_credit(fee: Record) -> bool:
    return fee["name"] in CREDITS


def _woo_upc(line: Record, pinned: Record) -> str | None:
    """What its product says now; a line of a product that is none of the season's has its own words."""
    if str(line["id"]) in pinned:
        return str(pinned[str(line["id"])]["sku"])
    cell = CELL_BY_ID.get(line["variation_id"] or line["product_id"])
    return None if cell is None else cell.sku.upc


# --- BigCommerce


INCOMPLETE, SHIPPED, PARTIALLY_SHIPPED, CANCELLED, DECLINED, AWAITING_FULFILMENT = 0, 2, 3, 5, 6, 11
HAS_MONEY = ("paid", "captured")


def of_bigcommerce(order: Record) -> Sold:
    """Whether store credit and gift certificates are inside the total is the shop's own way; they are money."""
    status, lacks = order["status_id"], order["_sandbox"]["creditDeducted"]
    credit = Decimal(order["store_credit_amount"]) + Decimal(order["gift_certificate_amount"])
    total = (Decimal(order["total_inc_tax"]) + (credit if lacks else 0)).quantize(Decimal("0.01"))
    upcs = {line["id"]: _big_upc(line) for line in order["products"]}
    goods = pieces((upcs[line["id"]], int(line["quantity"])) for line in order["products"])
    return Sold(
        id=str(order["id"]),
        name=f"#{order['id']}",
        currency=order["default_currency_code"],
        total=total,
        at_first=total,
        goods=goods,
        goods_at_first=goods,
        paid=(status == AWAITING_FULFILMENT or _is_sent(order)) and order["payment_status"] in HAS_MONEY,
        cancelled=status in (CANCELLED, DECLINED),
        test=False,
        no_order=status == INCOMPLETE or order["is_deleted"],
        status=f"{order['status']}, {order['payment_status']}",
        spoilt=spoilt(order),
        later=later(order),
        left=pieces(
            (upcs[item["order_product_id"]], int(item["quantity"]))
            for one in order["shipments"]
            for item in one["items"]
        ),
    )


def _is_sent(order: Record) -> bool:
    return order["status_id"] in (SHIPPED, PARTIALLY_SHIPPED) and bool(order["shipments"])


def _big_upc(line: Record) -> str | None:
    """The variant's own; of a bundle the parts are goods, not the set."""
    if line["type"] == "giftcertificate" or line["sku"] == SET_SKU:
        return None
    cell = CELL_BY_VARIANT.get(line["variant_id"])
    return line["sku"] or None if cell is None else cell.sku.upc
