"""What the simulated WooCommerce shop sells, and what only such a shop has: plugins that write fees below zero, free
gifts, cash on delivery, lines without a product, statuses nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from bcbridge.sandbox.shopping import mix
from bcbridge.sandbox.shopping.cart import JSON, Cart, CartLine, Tender
from bcbridge.sandbox.shopping.mix import DE, FR, GB, IE, US, Dice, Draw, Market, Spoiling, Trade
from bcbridge.sandbox.woocommerce.season import line
from bcbridge.sandbox.woocommerce.settings import WooCommerceSettings

GIFT_WRAP = "Gift wrap"
WORDLESS = ("location", "tip", "rounding", "hold", "test", "tags")
"""Keys of a compact order that WooCommerce has no place for."""
RATES = {
    "EUR": {"GBP": Decimal("1.17"), "CAD": Decimal("0.68")},
    "USD": {"EUR": Decimal("1.08"), "GBP": Decimal("1.27"), "CAD": Decimal("0.73")},
}
"""What a multi-currency plugin takes one unit for, by the shop's currency."""
MARKETS = {
    "EUR": ((FR, 60), (DE, 16), (IE, 8), (GB, 12)),
    "USD": ((US, 80), (GB, 10), (DE, 6), (IE, 4)),
}


# --- extras


def gift_wrap(dice: Dice, cart: Cart, _: Market) -> Cart:
    return replace(cart, fees=(*cart.fees, (GIFT_WRAP, Decimal("4.00")))) if dice.chance(0.05) else cart


def free_gift(dice: Dice, cart: Cart, _: Market) -> Cart:
    """A plugin puts something small into the basket for nothing."""
    if not dice.chance(0.04):
        return cart
    division = [sku for sku in mix.SHELVES["WOM"] if sku.style.number == "00417"]
    sold = {one.sku for one in cart.lines}
    gift = replace(line(dice.one([sku for sku in division if sku.upc not in sold])), price=Decimal(0))
    return replace(cart, lines=(*cart.lines, gift)) if is_of("WOM", cart) else cart


def is_of(division: str, cart: Cart) -> bool:
    codes = {sku.upc for sku in mix.SHELVES[division]}
    return all(one.sku in codes for one in cart.lines)


# --- ways


def on_delivery(_: Dice, drawn: Draw, __: Trade) -> None:
    """In ``processing`` and never paid, as far as the shop knows."""
    drawn.cart = replace(drawn.cart, tenders=(Tender("cod"),))


def tried_again(dice: Dice, drawn: Draw, trade: Trade) -> None:
    """The card was refused, and taken when tried again."""
    drawn.cart = replace(drawn.cart, payment="failed", tenders=(Tender(trade.gateway),))
    drawn.later.append((dice.seconds(trade.unpaid_seconds), "pay", {}))


def one_removed(dice: Dice, drawn: Draw, trade: Trade) -> None:
    """The last of several lines is taken off before the transfer comes in."""
    mix.paid_later(dice, drawn, trade)
    lines = drawn.cart.lines
    if len(lines) > 1:
        last = len(lines) - 1
        wait = drawn.later[0][0]
        drawn.later.insert(0, (wait / 2, "edit", {str(last): lines[last].quantity}))


def refunded_first(dice: Dice, drawn: Draw, trade: Trade) -> None:
    """A piece, or a little money, is refunded before the transfer comes in: paid, it is refunded in part."""
    first, *others = drawn.cart.lines
    drawn.cart = replace(drawn.cart, lines=(replace(first, quantity=first.quantity + 1), *others))
    mix.paid_later(dice, drawn, trade)
    wait = drawn.later[0][0]
    drawn.later.insert(0, (wait / 2, "refund", dice.one(REFUNDS)))


REFUNDS: tuple[JSON, ...] = (
    {"lines": {"0": 1}, "restock": True},
    {"lines": {"0": 1}, "restock": False},
    {"amount": "1.00"},
)


# --- what cannot be booked


def strange(spoiling: Spoiling) -> Spoiling:
    """The same, of a product that is none of the season's: the shop reads codes from the product, not the line."""

    def spoilt(dice: Dice, cart: Cart, trade: Trade) -> Cart:
        return mix.with_first(spoiling(dice, cart, trade), product_id=None, variant_id=None)

    return spoilt


def custom_line(_: Dice, cart: Cart, __: Trade) -> Cart:
    """Something the merchant wrote in by hand."""
    return replace(cart, lines=(*cart.lines, CartLine("Alteration", Decimal("12.00"))))


def deleted_product(_: Dice, cart: Cart, __: Trade) -> Cart:
    """What was sold is gone from the catalogue, and its SKU with it; the name stays."""
    return mix.with_first(cart, sku=None, barcode=None, product_id=None, variant_id=None)


def in_status(status: str) -> Spoiling:
    """Paid for, and in a status that is imported only where somebody asked for it; a draft is not even an order."""
    return lambda _, cart, __: replace(cart, payment=status)


FAULTS: Mapping[str, Spoiling] = {
    **mix.FAULTS,
    "unknown_sku": strange(mix.unknown_sku),
    "barcode_differs": strange(mix.barcode_differs),
    "custom_line": custom_line,
    "deleted_product": deleted_product,
    "shipped_elsewhere": in_status("completed"),
    "abandoned": in_status("checkout-draft"),
}


def faults(settings: WooCommerceSettings) -> Mapping[str, Spoiling]:
    """With a status of a plugin's, where there is such a plugin."""
    if not settings.plugin_statuses:
        return FAULTS
    return {**FAULTS, "plugin_status": in_status(settings.plugin_statuses[0])}


def trade(settings: WooCommerceSettings) -> Trade:
    return Trade(
        currency=settings.currency,
        line=line,
        home=MARKETS[settings.currency][0][0],
        markets=MARKETS[settings.currency],
        gateways=(("stripe", 75), ("ppcp-gateway", 25)),
        unpaid_by="bacs",
        ways=(
            (None, 82),
            (mix.paid_later, 4),
            (on_delivery, 3),
            (tried_again, 2),
            (mix.captured_later, 1),
            (mix.edited_then_paid, 2),
            (one_removed, 2),
            (refunded_first, 2),
            (mix.cancelled_soon, 2),
        ),
        faults=faults(settings),
        rates=RATES[settings.currency],
        credits=(("gift_card", 0.04, ("25.00", "50.00")), ("store_credit", 0.02, ("15.00",))),
        reductions=(mix.bundle_and_save, mix.code_on_goods),
        extras=(gift_wrap, free_gift),
        unpaid_seconds=settings.unpaid_seconds,
        cancel_seconds=settings.cancel_seconds,
    )
