"""What the simulated Shopify sells, and what only Shopify has: Supercycle's marks, tips, cash rounding, test orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.catalogue import Sku
from bcbridge.sandbox.shopify.settings import ShopifySettings
from bcbridge.sandbox.shopify.world import CELLS, RATES
from bcbridge.sandbox.shopping import mix
from bcbridge.sandbox.shopping.cart import Cart, CartLine, Tender
from bcbridge.sandbox.shopping.mix import DE, FR, GB, IE, US, Dice, Market, Spoiling, Trade

CELL_BY_UPC = {cell.sku.upc: cell for cell in CELLS}
CIRCULAR = '{"method_type": "calendar", "item": {"type": "any"}, "rental_start": "2026-12-01"}'
HOLD_REASONS = ("HIGH_RISK_OF_FRAUD", "ONLINE_STORE_POST_PURCHASE_CROSS_SELL", "INCORRECT_ADDRESS")
LOCATIONS = tuple(one.location for one in catalogue.WAREHOUSES if one.location)


def line(sku: Sku) -> CartLine:
    """One of it at list price."""
    cell = CELL_BY_UPC[sku.upc]
    return CartLine(
        title=sku.style.name,
        price=sku.style.price,
        sku=sku.upc,
        barcode=sku.upc,
        variant_title=cell.title,
        variant_id=cell.variant_id,
        product_id=cell.product_id,
        inventory_item_id=cell.inventory_item_id,
        vendor="Sandbox Apparel",
    )


def listed() -> dict[str, CartLine]:
    """What a compact order may name by its SKU alone."""
    return {cell.sku.upc: line(cell.sku) for cell in CELLS}


def cash(dice: Dice, cart: Cart, market: Market) -> Cart:
    """Paid over a counter, and rounded to a coin."""
    if market is not US or not dice.chance(0.01):
        return cart
    return replace(cart, tenders=(Tender("manual"),), rounding=Decimal(dice.one(("0.02", "-0.02", "0.01"))))


def circular(_: Dice, cart: Cart, __: Trade) -> Cart:
    """Supercycle's mark: rented, not sold."""
    return mix.with_first(cart, properties={"_cycle": CIRCULAR})


def for_test(_: Dice, cart: Cart, __: Trade) -> Cart:
    return replace(cart, test=True)


FAULTS: Mapping[str, Spoiling] = {
    **{name: fault for name, fault in mix.FAULTS.items() if name != "never_paid"},
    "circular": circular,
    "never_paid": mix.never_paid,
    "test_order": for_test,
}


def trade(settings: ShopifySettings) -> Trade:
    return Trade(
        currency=settings.currency,
        line=line,
        home=US,
        markets=((US, 74), (GB, 11), (DE, 6), (FR, 6), (IE, 3)),
        gateways=(("shopify_payments", 85), ("paypal", 15)),
        unpaid_by="manual",
        ways=(
            (None, 84),
            (mix.held, 4),
            (mix.paid_later, 5),
            (mix.captured_later, 3),
            (mix.edited_then_paid, 2),
            (mix.cancelled_soon, 2),
        ),
        faults=FAULTS,
        rates=RATES,
        locations=tuple(zip(LOCATIONS, (65, 35), strict=True)),
        credits=(("gift_card", 0.06, ("25.00", "50.00")), ("shopify_store_credit", 0.03, ("15.00",))),
        reductions=(mix.bundle_and_save, mix.typed_code),
        extras=(mix.gift_card_bought, mix.tip, mix.duties, mix.delivery_fee, cash),
        hold_reasons=HOLD_REASONS,
        held_seconds=settings.held_seconds,
        unpaid_seconds=settings.unpaid_seconds,
        cancel_seconds=settings.cancel_seconds,
    )
