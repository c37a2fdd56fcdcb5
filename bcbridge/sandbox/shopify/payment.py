"""Transactions: tenders taken at the checkout, authorisations captured later, money given back (NOTES 1.6)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from bcbridge.sandbox.shopify import totals
from bcbridge.sandbox.shopify.bag import JSON, Bag, currency_of, read
from bcbridge.sandbox.shopify.gid import next_id
from bcbridge.sandbox.shopping.cart import BadCart, Cart, Tender

NAMES = {
    "shopify_payments": "Shopify Payments",
    "paypal": "PayPal Express Checkout",
    "gift_card": "Gift Card",
    "shopify_store_credit": "Store credit",
    "manual": "Bank Deposit",
}
CARDS = ("shopify_payments",)


def take(order: JSON, cart: Cart, at: str) -> None:
    """Pays as the cart says; a later tender gets what the earlier ones leave."""
    for tender, amount in shares(order, cart):
        order["transactions"] += first_transactions(order, cart, tender, amount, at)
    order["paymentGatewayNames"] = [tender.gateway for tender in cart.tenders]


def shares(order: JSON, cart: Cart) -> Iterable[tuple[Tender, Bag]]:
    currency = currency_of(order)
    left = read(order["currentTotalPriceSet"])
    for tender in cart.tenders:
        asked = left if tender.amount is None else currency.bag(tender.amount)
        amount = left if asked.presentment >= left.presentment else asked
        left = left.minus(amount)
        if not amount.empty:
            yield tender, amount


def first_transactions(order: JSON, cart: Cart, tender: Tender, amount: Bag, at: str) -> list[JSON]:
    if cart.payment == "pending":
        return [transaction(order, "SALE", "PENDING", tender.gateway, amount, at)]
    if cart.payment == "authorized":
        return [transaction(order, "AUTHORIZATION", "SUCCESS", tender.gateway, amount, at)]
    taken = amount.part(Decimal("0.5")) if cart.payment == "partially_paid" else amount
    sale = transaction(order, "SALE", "SUCCESS", tender.gateway, taken, at)
    rounding = order["totalCashRoundingAdjustment"]["paymentSet"]
    return [{**sale, "amountRoundingSet": rounding if tender.gateway == "manual" else None}]


def transaction(
    order: JSON, kind: str, status: str, gateway: str, amount: Bag, at: str, parent: str | None = None
) -> JSON:
    currency = currency_of(order)
    identifier = next_id(order, "OrderTransaction")
    return {
        "id": identifier,
        "kind": kind,
        "status": status,
        "test": order["test"],
        "gateway": gateway,
        "formattedGateway": NAMES.get(gateway, gateway),
        "manualPaymentGateway": gateway == "manual",
        "manuallyCapturable": kind == "AUTHORIZATION",
        "createdAt": at,
        "processedAt": at,
        "paymentId": f"{order['name']}.{len(order['transactions']) + 1}",
        "amountSet": currency.money(amount),
        "amountRoundingSet": None,
        "settlementCurrency": currency.shop if gateway in CARDS else None,
        "settlementCurrencyRate": str(currency.rate) if gateway in CARDS else None,
        "parentTransaction": {"id": parent} if parent else None,
        "fees": [],
        "location": None,
    }


def pay(order: JSON, at: str) -> None:
    """Takes all that is outstanding: captures what is authorised, else marks it paid."""
    owed = read(order["totalOutstandingSet"])
    opened = first(order, "AUTHORIZATION") or first(order, "SALE")
    if owed.presentment <= 0:
        return
    gateway, parent = (opened["gateway"], opened["id"]) if opened else ("manual", None)
    kind = "CAPTURE" if opened and opened["kind"] == "AUTHORIZATION" else "SALE"
    order["transactions"].append(transaction(order, kind, "SUCCESS", gateway, owed, at, parent))
    order["paymentGatewayNames"] = order["paymentGatewayNames"] or [gateway]


def first(order: JSON, kind: str) -> JSON | None:
    return next((one for one in order["transactions"] if one["kind"] == kind), None)


def give_back(order: JSON, owed: Bag, at: str) -> list[JSON]:
    """Refunds ``owed``, newest tender first, each up to what it brought in; returns the new transactions."""
    made: list[JSON] = []
    for tender in reversed([one for one in order["transactions"] if brought_in(one)]):
        amount = lesser(owed, left_of(order, tender))
        if amount.presentment <= 0:
            continue
        made.append(transaction(order, "REFUND", "SUCCESS", tender["gateway"], amount, at, tender["id"]))
        owed = owed.minus(amount)
        order["transactions"].append(made[-1])
    return made


def brought_in(one: JSON) -> bool:
    return one["status"] == "SUCCESS" and one["kind"] in totals.RECEIVED


def left_of(order: JSON, tender: JSON) -> Bag:
    left = read(tender["amountSet"])
    for one in order["transactions"]:
        if one["kind"] == "REFUND" and (one["parentTransaction"] or {}).get("id") == tender["id"]:
            left = left.minus(read(one["amountSet"]))
    return left


def lesser(one: Bag, other: Bag) -> Bag:
    return one if one.presentment <= other.presentment else other


def unsettled(order: JSON, opened: JSON) -> Bag | None:
    """What of an authorisation may still be captured; None where that is nothing: it is captured once."""
    if opened["kind"] != "AUTHORIZATION" or opened["status"] != "SUCCESS" or order["_sandbox"].get("expired"):
        return None
    ended = (one for one in order["transactions"] if one["kind"] in ("CAPTURE", "VOID") and one["status"] == "SUCCESS")
    if any((one["parentTransaction"] or {}).get("id") == opened["id"] for one in ended):
        return None
    return read(opened["amountSet"])


def expire(order: JSON, at: str) -> None:
    """The gateway lets go of what was not captured."""
    if first(order, "AUTHORIZATION") is None or not totals.received_sum(order).empty:
        raise BadCart(f"{order['name']} has no authorisation that stands")
    order["_sandbox"]["expired"] = True


def void(order: JSON, at: str) -> None:
    opened = first(order, "AUTHORIZATION")
    if opened is not None and totals.received_sum(order).empty:
        amount = read(opened["amountSet"])
        order["transactions"].append(transaction(order, "VOID", "SUCCESS", opened["gateway"], amount, at, opened["id"]))
