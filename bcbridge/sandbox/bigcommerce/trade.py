"""What the simulated BigCommerce sells, and what only it has: checkouts that are abandoned, bundles, several
addresses on one order, gift wrap, handling, manual discounts, a SKU that is only the product's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from bcbridge.sandbox.bigcommerce import world
from bcbridge.sandbox.bigcommerce.basket import Basket, Goods, as_basket
from bcbridge.sandbox.bigcommerce.settings import BigCommerceSettings
from bcbridge.sandbox.catalogue import SKU_BY_UPC
from bcbridge.sandbox.shopping import mix
from bcbridge.sandbox.shopping.cart import Cart, CartLine, Discount
from bcbridge.sandbox.shopping.mix import DE, FR, GB, IE, US, Dice, Draw, Extra, Market, Spoiling, Trade, Way

SOLD_NO_MORE = 99_000
"""Variant ids from here on were deleted from the catalogue."""
MANY = 40


def goods_of(cart: Cart) -> list[Goods]:
    return [one for one in as_basket(cart).lines if isinstance(one, Goods)]


def with_goods(cart: Cart, goods: list[Goods]) -> Basket:
    return replace(as_basket(cart), lines=tuple(goods))


# --- reductions


def free_shipping(dice: Dice, _: tuple[CartLine, ...]) -> tuple[Discount, ...]:
    if not dice.chance(0.02):
        return ()
    return (Discount("code", "WELCOME10", percent=Decimal(100), on="shipping"),)


def one_item(dice: Dice, _: tuple[CartLine, ...]) -> tuple[Discount, ...]:
    """A coupon for one thing only: type 0."""
    return (Discount("code", "TAKE5", amount=Decimal("5.00"), lines=(0,)),) if dice.chance(0.03) else ()


# --- extras


def base_sku(dice: Dice, cart: Cart, _: Market) -> Cart:
    """The order copies the product's SKU, which no ERP knows; the variant's id is what tells (2.3)."""
    if not dice.chance(0.08):
        return cart
    first, *others = goods_of(cart)
    return with_goods(cart, [replace(first, base_sku=SKU_BY_UPC[first.sku or ""].style.number), *others])


def bundle(dice: Dice, cart: Cart, _: Market) -> Cart:
    """The cart's lines, bought as a set."""
    if len(cart.lines) < 2 or cart.discounts or not dice.chance(0.08):
        return cart
    return with_goods(cart, [world.layers(tuple(goods_of(cart)))])


def two_addresses(dice: Dice, cart: Cart, market: Market) -> Cart:
    """The last line goes to somebody else in the same country."""
    if len(cart.lines) < 2 or not dice.chance(0.08):
        return cart
    *others, last = goods_of(cart)
    place = next(one for one in market.places if one[2] == market.places[0][2])
    friend = mix.at_home(dice, cart, market, place).shipping_address
    assert friend is not None
    return replace(with_goods(cart, [*others, replace(last, to=1)]), more_addresses=(friend,))


def gift_wrap(dice: Dice, cart: Cart, _: Market) -> Cart:
    if not dice.chance(0.03):
        return cart
    first, *others = goods_of(cart)
    return with_goods(cart, [replace(first, wrapping=Decimal("4.00")), *others])


def handling(dice: Dice, cart: Cart, _: Market) -> Cart:
    return replace(as_basket(cart), handling=Decimal("2.50")) if dice.chance(0.03) else cart


def by_hand(dice: Dice, cart: Cart, _: Market) -> Cart:
    """A clerk took something off the whole order."""
    if not dice.chance(0.02):
        return cart
    return replace(cart, discounts=(*cart.discounts, Discount("manual", "Manual Discount", amount=Decimal("3.00"))))


def seen_in_another_currency(dice: Dice, cart: Cart, market: Market) -> Cart:
    """Prices were shown in euro, and dollars are what is paid."""
    return replace(as_basket(cart), display="EUR") if market is US and dice.chance(0.03) else cart


def many_lines(dice: Dice, cart: Cart, market: Market) -> Cart:
    """More lines than a page has (trap 18); none of them drawn twice."""
    if market is not US or not dice.chance(0.01):
        return cart
    bought = {one.sku for one in cart.lines}
    more = [world.line(sku) for sku in dice.random.sample(mix.SHELVES["WOM"], MANY + 20) if sku.upc not in bought]
    return with_goods(cart, [*goods_of(cart), *more])


EXTRAS: tuple[Extra, ...] = (
    base_sku,
    bundle,
    two_addresses,
    gift_wrap,
    handling,
    by_hand,
    seen_in_another_currency,
    many_lines,
    mix.gift_card_bought,
    mix.delivery_fee,
)


# --- ways


def abandoned(dice: Dice, drawn: Draw, trade: Trade) -> None:
    """The payment page was left open; most come back and pay, under the same id. Some never do, and are no orders."""
    drawn.cart = replace(as_basket(drawn.cart), abandoned=True)
    if dice.chance(0.7):
        drawn.later.append((dice.seconds(trade.unpaid_seconds), "complete", {}))
    else:
        drawn.cart = replace(as_basket(drawn.cart), gone=True)
        drawn.unbookable.append("abandoned")


def declined(dice: Dice, drawn: Draw, trade: Trade) -> None:
    """The money never came, and the merchant has declined the order."""
    mix.paid_later(dice, drawn, trade)
    drawn.later = [(dice.seconds(trade.cancel_seconds), "decline", {})]
    drawn.unbookable.append("declined")


WAYS: tuple[tuple[Way | None, float], ...] = (
    (None, 80),
    (mix.held, 4),
    (mix.paid_later, 4),
    (mix.captured_later, 3),
    (mix.edited_then_paid, 2),
    (mix.cancelled_soon, 2),
    (abandoned, 4),
    (declined, 1),
)


# --- faults


def unknown_sku(dice: Dice, cart: Cart, trade: Trade) -> Cart:
    """A product that the shop has deleted since, or something to download: the ERP knows neither."""
    if dice.chance(0.2):
        return with_goods(cart, [*goods_of(cart), world.lookbook()])
    cart = mix.unknown_sku(dice, cart, trade)
    first, *others = goods_of(cart)
    gone = replace(first, base_sku=None, variant_id=str(SOLD_NO_MORE + dice.random.randrange(900)), parts=())
    return with_goods(cart, [gone, *others])


def barcode_differs(_: Dice, cart: Cart, __: Trade) -> Cart:
    """In the catalogue: what a line copied from it is not what counts."""
    first, *others = goods_of(cart)
    other = world.mislabelled()
    price = mix.price_in(other.price, cart.currency)
    return with_goods(cart, [replace(other, price=price, quantity=first.quantity), *others])


def of_the_line(fault: Spoiling) -> Spoiling:
    """On a plain first line: what is copied from the product, or is a set, hides the fault."""

    def spoilt(dice: Dice, cart: Cart, trade: Trade) -> Cart:
        first, *others = goods_of(cart)
        plain = [replace(one, to=0) for one in first.parts if isinstance(one, Goods)] or [first]
        return fault(dice, with_goods(cart, [replace(plain[0], base_sku=None), *plain[1:], *others]), trade)

    return spoilt


def unmapped_currency(dice: Dice, cart: Cart, trade: Trade) -> Cart:
    return replace(as_basket(mix.unmapped_currency(dice, cart, trade)), display=None)


def never_paid(_: Dice, cart: Cart, __: Trade) -> Cart:
    """Ordered and not paid, unless it is not even ordered."""
    basket = as_basket(cart)
    return replace(basket, abandoned=basket.gone)


FAULTS: Mapping[str, Spoiling] = {
    **mix.FAULTS,
    "unknown_sku": of_the_line(unknown_sku),
    "inactive_sku": of_the_line(mix.inactive_sku),
    "barcode_differs": of_the_line(barcode_differs),
    "unmapped_currency": unmapped_currency,
    "never_paid": never_paid,
}


def trade(settings: BigCommerceSettings) -> Trade:
    return Trade(
        currency=settings.currency,
        line=world.line,
        home=US,
        markets=((US, 84), (GB, 7), (DE, 4), (FR, 3), (IE, 2)),
        gateways=(("stripe", 85), ("paypal", 15)),
        unpaid_by="bank_deposit",
        ways=WAYS,
        faults=FAULTS,
        rates=world.RATES,
        credits=(("gift_certificate", 0.06, ("25.00", "50.00")), ("store_credit", 0.03, ("15.00",))),
        reductions=(mix.bundle_and_save, mix.code_on_goods, one_item, free_shipping),
        extras=EXTRAS,
        hold_reasons=("manual verification",),
        held_seconds=settings.held_seconds,
        unpaid_seconds=settings.unpaid_seconds,
        cancel_seconds=settings.cancel_seconds,
    )
