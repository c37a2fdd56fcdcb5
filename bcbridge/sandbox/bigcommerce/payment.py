"""How an order is paid: credits first, then a gateway; what that makes of its status; the v3 transactions of it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from bcbridge.sandbox.bigcommerce import totals
from bcbridge.sandbox.bigcommerce.basket import Basket
from bcbridge.sandbox.bigcommerce.money import NOTHING, four
from bcbridge.sandbox.bigcommerce.statuses import (
    AWAITING_FULFILLMENT,
    AWAITING_PAYMENT,
    INCOMPLETE,
    TO_BE_VERIFIED,
    set_status,
)
from bcbridge.sandbox.shopping.cart import JSON, BadCart, Tender


class Gateway(NamedTuple):
    shown: str
    """``payment_method`` of the order."""
    code: str
    """``gateway`` of a transaction."""
    method: str


GATEWAYS = {
    "stripe": Gateway("Credit Card", "stripe", "credit_card"),
    "paypal": Gateway("PayPal", "paypalexpress", "electronic_wallet"),
    "bank_deposit": Gateway("Bank Deposit", "bankdeposit", "offline"),
    "cod": Gateway("Cash on Delivery", "cod", "offline"),
    "manual": Gateway("Manual", "custom", "custom"),
    "store_credit": Gateway("Store Credit", "storecredit", "store_credit"),
    "gift_certificate": Gateway("Gift Certificate", "giftcertificate", "gift_certificate"),
}
CREDITS = {"store_credit": "store_credit_amount", "gift_certificate": "gift_certificate_amount"}


def take(order: JSON, basket: Basket, at: datetime) -> None:
    """Pays as the cart says; an abandoned order is not even ordered."""
    unknown = sorted({tender.gateway for tender in basket.tenders} - GATEWAYS.keys())
    if unknown:
        raise BadCart(f"tenders: {unknown[0]} is no gateway; there are {', '.join(GATEWAYS)}")
    order["_sandbox"]["payment"] = basket.payment
    order["_sandbox"]["verify"] = basket.hold is not None
    order["_sandbox"]["tenders"] = [[t.gateway, None if t.amount is None else str(t.amount)] for t in basket.tenders]
    if not basket.abandoned:
        complete(order, at)


def complete(order: JSON, at: datetime) -> None:
    """The shopper has ordered: credits are used up, the rest is paid, authorised or awaited."""
    if order["status_id"] != INCOMPLETE:
        raise BadCart("the order is complete already")
    tenders = [Tender(g, None if a is None else Decimal(a)) for g, a in order["_sandbox"]["tenders"]]
    left = use_credits(order, tenders, at)
    main = GATEWAYS[next((t.gateway for t in tenders if t.gateway not in CREDITS), tenders[0].gateway)]
    order["payment_method"] = main.shown
    {"paid": paid, "pending": awaited, "authorized": authorised}[order["_sandbox"]["payment"]](order, main, left, at)
    if order["_sandbox"]["verify"] and order["status_id"] == AWAITING_FULFILLMENT:
        set_status(order, TO_BE_VERIFIED)
        order["payment_status"] = "held for review"
    totals.settle(order)


def use_credits(order: JSON, tenders: list[Tender], at: datetime) -> Decimal:
    """Takes store credit and gift certificates; returns what is left to pay."""
    left = totals.due(order)
    for tender in tenders:
        if tender.gateway in CREDITS:
            worth = left if tender.amount is None else min(tender.amount, left)
            left -= worth
            field = CREDITS[tender.gateway]
            order[field] = four(Decimal(order[field]) + worth)
            add_transaction(order, "purchase", GATEWAYS[tender.gateway], worth, at)
    return left


def paid(order: JSON, main: Gateway, left: Decimal, at: datetime) -> None:
    set_status(order, AWAITING_FULFILLMENT)
    order["payment_status"] = "captured" if left and main.method != "offline" else "paid"
    if left:
        bought = add_transaction(order, "purchase", main, left, at)
        order["payment_provider_id"] = bought["gateway_transaction_id"]


def awaited(order: JSON, _: Gateway, __: Decimal, ___: datetime) -> None:
    set_status(order, AWAITING_PAYMENT)
    order["payment_status"] = "pending"


def authorised(order: JSON, main: Gateway, left: Decimal, at: datetime) -> None:
    set_status(order, AWAITING_PAYMENT)
    order["payment_status"] = "authorized"
    add_transaction(order, "authorization", main, left, at)


def pay(order: JSON, at: datetime) -> None:
    """The money has come, or what was authorised is captured."""
    if order["status_id"] != AWAITING_PAYMENT:
        raise BadCart(f"the order is {order['status']}, not awaiting payment")
    gateway = next(one for one in GATEWAYS.values() if one.shown == order["payment_method"])
    left = totals.due(order) - totals.credits_used(order)
    event = "capture" if order["payment_status"] == "authorized" else "purchase"
    order["payment_status"] = "captured" if event == "capture" else "paid"
    if left > NOTHING:
        add_transaction(order, event, gateway, left, at)
    set_status(order, AWAITING_FULFILLMENT)


def begin_capture(order: JSON) -> None:
    """It is asked for, and comes later."""
    if order["payment_status"] != "authorized":
        raise BadCart(f"The payment cannot be captured: it is {order['payment_status'] or 'not there'}.")
    order["payment_status"] = "capture pending"


def end_capture(order: JSON, at: datetime, *, declined: bool = False) -> None:
    """The gateway has answered. An order that left meanwhile is not moved."""
    if order["payment_status"] != "capture pending":
        raise BadCart("no capture is pending")
    held = next(one for one in order["transactions"] if one["event"] == "authorization")
    gateway = next(one for one in GATEWAYS.values() if one.shown == order["payment_method"])
    made = add_transaction(order, "capture", gateway, Decimal(held["amount"]), at)
    made.update(status="error" if declined else "ok", reference_transaction_id=held["id"])
    order["payment_status"] = "authorized" if declined else "captured"
    if not declined and order["status_id"] == AWAITING_PAYMENT:
        set_status(order, AWAITING_FULFILLMENT)


def add_transaction(order: JSON, event: str, gateway: Gateway, amount: Decimal, at: datetime) -> JSON:
    identifier = order["id"] * 100 + len(order["transactions"]) + 1
    made = {
        "id": identifier,
        "order_id": str(order["id"]),
        "event": event,
        "method": gateway.method,
        "amount": str(amount),
        "currency": order["default_currency_code"],
        "gateway": gateway.code,
        "gateway_transaction_id": f"txn_{identifier}" if gateway.method in ("credit_card", "electronic_wallet") else "",
        "date_created": at.isoformat(),
        "test": False,
        "status": "ok",
        "fraud_review": False,
        "offline": {"display_name": gateway.shown} if gateway.method == "offline" else None,
        "custom": {"payment_method": gateway.shown} if gateway.method == "custom" else None,
        "payment_method_id": f"{gateway.code}.{gateway.method}",
    }
    order["transactions"].append(made)
    return made
