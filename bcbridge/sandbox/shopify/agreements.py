"""The sales ledger: one agreement per order, edit and refund, with signed amounts per line that sum to the
current total.

Facts from contracts/shopify/NOTES.md 1.6. Not established there, and chosen here: a removed unit's quantity,
discounts and taxes carry the sign of its amount; ``BeforeTaxes`` is the discount without, ``AfterTaxes`` with
the tax it saved; cash rounding is an adjustment, so the agreements still sum to ``currentTotalPriceSet``.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bcbridge.sandbox.shopify import totals
from bcbridge.sandbox.shopify.bag import JSON, NOTHING, Bag, currency_of, read, total
from bcbridge.sandbox.shopify.gid import next_id


def opened(order: JSON, at: str) -> None:
    """The agreement of the order as placed."""
    sales = [sale for line in order["lineItems"] for sale in line_sales(order, line, 0, line["quantity"])]
    sales += [shipping_sale(order, one, 1) for one in order["shippingLines"]]
    sales += charge_sales(order, 1)
    write(order, "OrderAgreement", "ORDER", at, sales, {"order": {"id": order["id"]}})


def edited(order: JSON, at: str, sales: list[JSON]) -> None:
    write(order, "OrderEditAgreement", "ORDER_EDIT", at, sales, {})


def refunded(order: JSON, at: str, sales: list[JSON], refund: JSON) -> None:
    write(order, "RefundAgreement", "REFUND", at, sales, {"refund": {"id": refund["id"]}})


def write(order: JSON, kind: str, reason: str, at: str, sales: list[JSON], about: JSON) -> None:
    agreement = {"__typename": kind, "id": next_id(order, "SalesAgreement"), "happenedAt": at, "reason": reason}
    order["agreements"].append({**agreement, "app": None, **about, "sales": sales})


def line_sales(order: JSON, line: JSON, before: int, after: int) -> list[JSON]:
    """What changes when a line goes from ``before`` units to ``after``: its own sale and that of its duties."""
    sales = [line_sale(order, line, before, after)]
    for duty in line["duties"]:
        worth = step(read(duty["price"]), line, before, after)
        sales.append(plain(order, "DutySale", "DUTY", after - before, worth, duty={"id": duty["id"]}))
    return sales


def step(whole: Bag, line: JSON, before: int, after: int) -> Bag:
    return whole.first(after, line["quantity"]).minus(whole.first(before, line["quantity"]))


def line_sale(order: JSON, line: JSON, before: int, after: int) -> JSON:
    kind, line_type = sale_kind(line)
    included = order["taxesIncluded"]
    worth = totals.worth(line, after, included).minus(totals.worth(line, before, included))
    parts = [step(read(tax["priceSet"]), line, before, after) for tax in line["taxLines"]]
    discount = totals.discount(line, after).minus(totals.discount(line, before))
    sale = plain(order, kind, line_type, after - before, worth, lineItem={"id": line["id"], "sku": line["sku"]})
    return with_taxes(order, sale, line["taxLines"], parts, discount)


def sale_kind(line: JSON) -> tuple[str, str]:
    if totals.is_tip(line):
        return "TipSale", "TIP"
    return ("GiftCardSale", "GIFT_CARD") if line["isGiftCard"] else ("ProductSale", "PRODUCT")


def shipping_sale(order: JSON, shipping: JSON, sign: int) -> JSON:
    net, taxes = totals.shipping_net(shipping), totals.shipping_taxes(shipping)
    worth = net if order["taxesIncluded"] else net.plus(taxes)
    about = {"id": shipping["id"], "title": shipping["title"]}
    sale = plain(order, "ShippingLineSale", "SHIPPING", sign, worth.times(sign), shippingLine=about)
    parts = [read(tax["priceSet"]).times(sign) for tax in shipping["taxLines"]]
    discount = read(shipping["originalPriceSet"]).minus(net).times(sign)
    return with_taxes(order, sale, shipping["taxLines"], parts, discount)


def charge_sales(order: JSON, sign: int) -> list[JSON]:
    """Fees and cash rounding; a tip is a line and has its sale there."""
    sales = [
        plain(order, "AdditionalFeeSale", "ADDITIONAL_FEE", sign, read(fee["price"]).times(sign), additionalFee=fee)
        for fee in order["additionalFees"]
    ]
    rounding = read(order["totalCashRoundingAdjustment"]["paymentSet"])
    return sales if rounding.empty else [*sales, adjustment_sale(order, rounding.times(sign))]


def adjustment_sale(order: JSON, worth: Bag) -> JSON:
    return plain(order, "AdjustmentSale", "ADJUSTMENT", None, worth)


def plain(order: JSON, kind: str, line_type: str, quantity: int | None, worth: Bag, **about: Any) -> JSON:
    money = currency_of(order).money
    action = "ORDER" if quantity is None or quantity > 0 else "RETURN"
    return {
        "__typename": kind,
        "id": next_id(order, "Sale"),
        "actionType": action,
        "lineType": line_type,
        "quantity": quantity,
        "totalAmount": money(worth),
        "totalTaxAmount": money(NOTHING),
        "totalDiscountAmountBeforeTaxes": money(NOTHING),
        "totalDiscountAmountAfterTaxes": money(NOTHING),
        "taxes": [],
        **about,
    }


def with_taxes(order: JSON, sale: JSON, tax_lines: list[JSON], parts: list[Bag], discount: Bag) -> JSON:
    money = currency_of(order).money
    taxes = [
        {"id": next_id(order, "SaleTax"), "amount": money(part), "taxLine": tax}
        for tax, part in zip(tax_lines, parts, strict=True)
    ]
    before, after = discount_sides(order, discount, tax_lines)
    return {
        **sale,
        "taxes": taxes,
        "totalTaxAmount": money(total(parts)),
        "totalDiscountAmountBeforeTaxes": money(before),
        "totalDiscountAmountAfterTaxes": money(after),
    }


def discount_sides(order: JSON, discount: Bag, tax_lines: list[JSON]) -> tuple[Bag, Bag]:
    """The discount without and with the tax it saves."""
    whole = 1 + sum((Decimal(str(tax["rate"])) for tax in tax_lines), Decimal(0))
    if order["taxesIncluded"]:
        return discount.part(1 / whole), discount
    return discount, discount.part(whole)
