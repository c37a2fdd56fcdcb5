"""What customers of an apparel shop buy: one cart drawn from (seed, index), the same each time.

A draw also says what will happen to the order later (paid, edited, released, cancelled) and what was made
unbookable on purpose.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeVar

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.shopify.bag import JSON, Currency
from bcbridge.sandbox.shopify.canary import disguised
from bcbridge.sandbox.shopify.cart import Cart, CartLine, Discount, Rate, Shipping, Tender
from bcbridge.sandbox.shopify.settings import ShopifySettings
from bcbridge.sandbox.shopify.world import CELLS, RATES, Cell

T = TypeVar("T")

SHELVES = {
    division.code: [cell for cell in CELLS if cell.sku.style.division == division.code and cell.sku.style.active]
    for division in catalogue.DIVISIONS
}
ARCHIVED = [cell for cell in CELLS if not cell.sku.style.active]
LOCATIONS = tuple(one.location for one in catalogue.WAREHOUSES if one.location)
FEE = "Retail delivery fee"


@dataclass(frozen=True)
class Wishes:
    """How a plan wants its orders (``POST /_sandbox/sell``)."""

    seed: int
    mixed: float = 0.0
    unbookable: float = 0.06
    simple: bool = False
    canary: bool = False


@dataclass
class Draw:
    """One order to be: its cart, what happens to it after so many seconds, and its faults by name."""

    cart: Cart
    later: list[tuple[float, str, JSON]] = field(default_factory=list)
    unbookable: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Market:
    """Where a customer lives: currency, what taxes, what addresses look like."""

    country: str
    code: str
    currency: str
    places: tuple[tuple[str, str, str, str], ...]
    vat: Decimal | None = None


US = Market(
    "United States",
    "US",
    "USD",
    (
        ("Hoboken", "New Jersey", "NJ", "07030"),
        ("Montclair", "New Jersey", "NJ", "07042"),
        ("Oakland", "California", "CA", "94607"),
        ("Pasadena", "California", "CA", "91101"),
        ("Brooklyn", "New York", "NY", "11201"),
        ("Albany", "New York", "NY", "12207"),
        ("Portland", "Oregon", "OR", "97205"),
        ("Concord", "New Hampshire", "NH", "03301"),
    ),
)
GB = Market(
    "United Kingdom",
    "GB",
    "GBP",
    (
        ("London", "England", "ENG", "E8 4DA"),
        ("Leeds", "England", "ENG", "LS1 4AP"),
        ("Glasgow", "Scotland", "SCT", "G1 1XQ"),
    ),
    Decimal("0.20"),
)
DE = Market("Germany", "DE", "EUR", (("Köln", "", "", "50667"), ("Berlin", "", "", "10115")), Decimal("0.19"))
FR = Market("France", "FR", "EUR", (("Lyon", "", "", "69002"), ("Paris", "", "", "75011")), Decimal("0.20"))
IE = Market("Ireland", "IE", "EUR", (("Dublin", "Dublin", "D", "D02 X285"),), Decimal("0.23"))
CA = Market("Canada", "CA", "CAD", (("Toronto", "Ontario", "ON", "M5V 2T6"),))
MARKETS = (US, GB, DE, FR, IE)
MARKET_WEIGHTS = (74, 11, 6, 6, 3)

STATE_TAX = {
    "NJ": Rate("NJ State Tax", Decimal("0.06625")),
    "CA": Rate("CA State Tax", Decimal("0.0725")),
    "NY": Rate("NY State Tax", Decimal("0.04")),
}
SHIPPING_PRICES = {"Standard": "7.95", "Express": "14.95", "Overnight": "29.95", "Economy": "4.95"}
FIRST_NAMES = ("Ana", "Ben", "Chloe", "Dev", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Keiko", "Liam", "Zoë")
LAST_NAMES = (
    "Abara",
    "Berg",
    "Costa",
    "Dunne",
    "Eriksen",
    "Flores",
    "Gupta",
    "Hall",
    "Ito",
    "Jansen",
    "O'Brien",
    "Núñez",
)
STREETS = ("Mill Lane", "Station Road", "High Street", "Park Avenue", "Orchard Row", "Canal Street")
CIRCULAR = '{"method_type": "calendar", "item": {"type": "any"}, "rental_start": "2026-12-01"}'
REMARKS = ("Please leave with the neighbour", "Gift: no invoice in the box")


class Dice:
    """Chance, seeded."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def one(self, things: Sequence[T]) -> T:
        return self.random.choice(things)

    def weighed(self, things: Sequence[T], weights: Sequence[float]) -> T:
        return self.random.choices(things, weights)[0]

    def seconds(self, span: tuple[float, float]) -> float:
        return round(self.random.uniform(*span), 1)


def draw(wishes: Wishes, index: int, settings: ShopifySettings) -> Draw:
    """The order number ``index`` of a plan."""
    drawn = drawn_by(Dice(f"{wishes.seed}:{index}"), wishes, settings)
    if wishes.canary:
        drawn.cart = disguised(drawn.cart, seed=wishes.seed, index=index)
    return drawn


def drawn_by(dice: Dice, wishes: Wishes, settings: ShopifySettings) -> Draw:
    if wishes.simple:
        return Draw(simple_cart(dice, settings))
    drawn = Draw(usual_cart(dice, wishes, settings))
    fate(dice, drawn, settings)
    if dice.chance(min(wishes.unbookable, 0.1)):
        spoil(dice, drawn)
    return drawn


# --- the basket


def simple_cart(dice: Dice, settings: ShopifySettings) -> Cart:
    """Plain and paid: a few goods at list price, shipping, one state's tax, the shop's own currency."""
    currency = Currency(settings.currency, settings.currency, Decimal(1))
    lines = goods(dice, dice.weighed((1, 2, 3), (5, 3, 2)), "WOM", currency)
    place = dice.one(US.places[:6])
    cart = Cart(lines, currency, shipping=(shipping(dice, "Standard", currency),), taxes=(STATE_TAX[place[2]],))
    return at_home(dice, cart, US, place)


def usual_cart(dice: Dice, wishes: Wishes, settings: ShopifySettings) -> Cart:
    market = dice.weighed(MARKETS, MARKET_WEIGHTS)
    place = dice.one(market.places)
    currency = currency_of(market, settings)
    lines = basket(dice, wishes, currency)
    title = dice.weighed(catalogue.SHIPPING_TITLES, (60, 20, 8, 12))
    cart = Cart(
        lines=lines,
        currency=currency,
        discounts=discounts(dice, lines),
        shipping=(shipping(dice, title, currency),),
        taxes=taxes(market, place),
        taxes_included=market.vat is not None,
        tenders=tenders(dice),
        location=dice.weighed(LOCATIONS, (65, 35)),
        note=dice.one(REMARKS) if dice.chance(0.05) else None,
        tags=("newsletter",) if dice.chance(0.1) else (),
        attributes={"gift_wrap": "yes"} if dice.chance(0.03) else {},
    )
    return at_home(dice, extras(dice, cart, market), market, place)


def currency_of(market: Market, settings: ShopifySettings) -> Currency:
    return Currency(settings.currency, market.currency, RATES.get(market.currency, Decimal(1)))


def basket(dice: Dice, wishes: Wishes, currency: Currency) -> tuple[CartLine, ...]:
    count = dice.weighed((1, 2, 3, 4, 5, 6), (45, 28, 14, 7, 4, 2))
    division = dice.weighed(("WOM", "MEN"), (65, 35))
    if not dice.chance(wishes.mixed):
        return goods(dice, count, division, currency)
    women = goods(dice, max(count - 1, 1), "WOM", currency)
    return women + goods(dice, 1, "MEN", currency)


def goods(dice: Dice, count: int, division: str, currency: Currency) -> tuple[CartLine, ...]:
    cells = dice.random.sample(SHELVES[division], count)
    return tuple(line_of(cell, currency, dice.weighed((1, 2, 3), (90, 8, 2))) for cell in cells)


def line_of(cell: Cell, currency: Currency, quantity: int = 1) -> CartLine:
    return CartLine(
        title=cell.sku.style.name,
        price=price_in(cell.sku.style.price, currency),
        quantity=quantity,
        sku=cell.sku.upc,
        barcode=cell.sku.upc,
        variant_title=cell.title,
        variant_id=cell.variant_id,
        product_id=cell.product_id,
        inventory_item_id=cell.inventory_item_id,
        vendor="Sandbox Apparel",
    )


def price_in(price: Decimal, currency: Currency) -> Decimal:
    """List price in the shop's currency; a whole figure in any other."""
    if currency.shop == currency.presentment:
        return price
    return (price / currency.rate).quantize(Decimal(1), ROUND_HALF_UP)


def shipping(dice: Dice, title: str, currency: Currency) -> Shipping:
    free = title in ("Standard", "Economy") and dice.chance(0.25)
    return Shipping(title, Decimal(0) if free else Decimal(SHIPPING_PRICES[title]), title.lower())


def taxes(market: Market, place: tuple[str, str, str, str]) -> tuple[Rate, ...]:
    if market.vat is not None:
        return (Rate("VAT", market.vat),)
    return (STATE_TAX[place[2]],) if place[2] in STATE_TAX else ()


def discounts(dice: Dice, lines: tuple[CartLine, ...]) -> tuple[Discount, ...]:
    found: list[Discount] = []
    if len(lines) > 1 and dice.chance(0.15):
        bundle = tuple(range(min(len(lines), 3)))
        found.append(Discount("automatic", catalogue.AUTOMATIC_DISCOUNT, percent=Decimal(10), lines=bundle))
    if dice.chance(0.25):
        code = dice.one(catalogue.DISCOUNT_CODES)
        found.append(Discount("code", code.code, code.percent, code.amount))
    elif dice.chance(0.03):
        found.append(Discount("code", "TAKE5", amount=Decimal("5.00"), on="shipping"))
    return tuple(found)


def tenders(dice: Dice) -> tuple[Tender, ...]:
    main = Tender(dice.weighed(("shopify_payments", "paypal"), (85, 15)))
    if dice.chance(0.06):
        return (Tender("gift_card", Decimal(dice.one(("25.00", "50.00")))), main)
    if dice.chance(0.03):
        return (Tender("shopify_store_credit", Decimal("15.00")), main)
    return (main,)


def extras(dice: Dice, cart: Cart, market: Market) -> Cart:
    """What only some orders have: a gift card bought, a tip, duties, a fee, cash."""
    if dice.chance(0.03):
        cart = replace(cart, lines=(*cart.lines, gift_card(Decimal(dice.one(("25.00", "50.00", "100.00"))))))
    if dice.chance(0.03):
        cart = replace(cart, tip=Decimal(dice.one(("3.00", "5.00"))))
    if market is GB and dice.chance(0.2):
        first = cart.lines[0]
        duty = (first.price * first.quantity * Decimal("0.05")).quantize(Decimal("0.01"), ROUND_HALF_UP)
        cart = replace(cart, lines=(replace(first, duty=duty), *cart.lines[1:]))
    if market is US and dice.chance(0.03):
        cart = replace(cart, fees=((FEE, Decimal("0.28")),))
    if market is US and dice.chance(0.01):
        cart = replace(cart, tenders=(Tender("manual"),), rounding=Decimal(dice.one(("0.02", "-0.02", "0.01"))))
    return cart


def gift_card(value: Decimal) -> CartLine:
    return CartLine(
        title="Gift card", price=value, gift_card=True, taxable=False, ships=False, variant_title=f"{value}"
    )


def at_home(dice: Dice, cart: Cart, market: Market, place: tuple[str, str, str, str]) -> Cart:
    """Who buys and where to."""
    city, province, province_code, post_code = place
    first, last = dice.one(FIRST_NAMES), dice.one(LAST_NAMES)
    address = {
        "firstName": first,
        "lastName": last,
        "company": None,
        "address1": f"{dice.random.randint(1, 180)} {dice.one(STREETS)}",
        "address2": "Apt 4" if dice.chance(0.15) else None,
        "city": city,
        "province": province or None,
        "provinceCode": province_code or None,
        "zip": post_code,
        "country": market.country,
        "countryCodeV2": market.code,
        "phone": "+12015550123" if dice.chance(0.5) else None,
    }
    guest = dice.chance(0.1)
    return replace(
        cart,
        shipping_address=address,
        billing_address=address,
        customer=None if guest else {"firstName": first, "lastName": last},
        email=f"{first}.{last}@example.com".lower().replace("'", ""),
    )


# --- what happens later


def fate(dice: Dice, drawn: Draw, settings: ShopifySettings) -> None:
    """Most orders are paid and wait to be shipped; a few take another way."""
    ways: tuple[tuple[Callable[[Dice, Draw, ShopifySettings], None] | None, float], ...] = (
        (None, 84),
        (held, 4),
        (paid_later, 5),
        (captured_later, 3),
        (edited_then_paid, 2),
        (cancelled_soon, 2),
    )
    way = dice.weighed([one for one, _ in ways], [weight for _, weight in ways])
    if way is not None:
        way(dice, drawn, settings)


def held(dice: Dice, drawn: Draw, settings: ShopifySettings) -> None:
    reason = dice.one(("HIGH_RISK_OF_FRAUD", "ONLINE_STORE_POST_PURCHASE_CROSS_SELL", "INCORRECT_ADDRESS"))
    drawn.cart = replace(drawn.cart, hold=reason)
    drawn.later.append((dice.seconds(settings.held_seconds), "release", {}))


def paid_later(dice: Dice, drawn: Draw, settings: ShopifySettings) -> None:
    drawn.cart = replace(drawn.cart, payment="pending", tenders=(Tender("manual"),))
    drawn.later.append((dice.seconds(settings.unpaid_seconds), "pay", {}))


def captured_later(dice: Dice, drawn: Draw, settings: ShopifySettings) -> None:
    drawn.cart = replace(drawn.cart, payment="authorized", tenders=(Tender("shopify_payments"),), rounding=Decimal(0))
    drawn.later.append((dice.seconds(settings.unpaid_seconds), "pay", {}))


def edited_then_paid(dice: Dice, drawn: Draw, settings: ShopifySettings) -> None:
    """A unit is taken off while the order is unpaid, so ``currentQuantity`` is less and nothing is refunded."""
    first, *others = drawn.cart.lines
    lines = (replace(first, quantity=first.quantity + 2), *others)
    drawn.cart = replace(drawn.cart, lines=lines, payment="pending", tenders=(Tender("manual"),))
    wait = dice.seconds(settings.unpaid_seconds)
    drawn.later += [(wait / 2, "edit", {"0": dice.one((1, 2))}), (wait, "pay", {})]


def cancelled_soon(dice: Dice, drawn: Draw, settings: ShopifySettings) -> None:
    drawn.later.append((dice.seconds(settings.cancel_seconds), "cancel", {}))


# --- what cannot be booked


def spoil(dice: Dice, drawn: Draw) -> None:
    """Makes the order unbookable, one way or two, and says how."""
    for name in chosen(dice, dice.weighed((1, 2), (85, 15))):
        drawn.cart = FAULTS[name](dice, drawn.cart)
        drawn.unbookable.append(name)
    if "never_paid" in drawn.unbookable:
        drawn.cart = replace(drawn.cart, payment="pending", tenders=(Tender("manual"),))
        drawn.later = []


def chosen(dice: Dice, count: int) -> list[str]:
    """Faults that do not undo each other (a line has one code), in the order they are to be made."""
    names = dice.random.sample(list(FAULTS), len(FAULTS))
    codes = [name for name in names if name in OF_THE_CODE]
    fitting = [name for name in names if name not in codes[1:]][:count]
    return [name for name in FAULTS if name in fitting]


def with_first(cart: Cart, **changes: Any) -> Cart:
    return replace(cart, lines=(replace(cart.lines[0], **changes), *cart.lines[1:]))


def unknown_sku(dice: Dice, cart: Cart) -> Cart:
    code = f"9{dice.random.randrange(10**10):010d}"
    upc = code + catalogue.check_digit(code)
    return with_first(cart, sku=upc, barcode=upc, title="Sample garment", variant_title=None)


def inactive_sku(dice: Dice, cart: Cart) -> Cart:
    old = line_of(dice.one(ARCHIVED), cart.currency, cart.lines[0].quantity)
    return replace(cart, lines=(old, *cart.lines[1:]))


def barcode_differs(dice: Dice, cart: Cart) -> Cart:
    other = dice.one([cell for cell in SHELVES["WOM"] if cell.sku.upc != cart.lines[0].sku])
    return with_first(cart, barcode=other.sku.upc)


def unmapped_discount(dice: Dice, cart: Cart) -> Cart:
    code = Discount("code", f"FRIEND-{dice.random.randint(1000, 9999)}", percent=Decimal(15))
    return replace(cart, discounts=(code,))


def unmapped_shipping(_: Dice, cart: Cart) -> Cart:
    return replace(cart, shipping=(Shipping("Drone to the balcony", Decimal("19.00"), "drone"),))


def missing_address(dice: Dice, cart: Cart) -> Cart:
    gone = dice.one(("city", "zip"))
    address = {**(cart.shipping_address or {}), gone: None}
    return replace(cart, shipping_address=address)


def unmapped_currency(_: Dice, cart: Cart) -> Cart:
    address = {**(cart.shipping_address or {}), "country": "Canada", "countryCodeV2": "CA"}
    city, province, code, post_code = CA.places[0]
    address |= {"city": city, "province": province, "provinceCode": code, "zip": post_code}
    currency = Currency(cart.currency.shop, "CAD", RATES["CAD"])
    return replace(
        cart, currency=currency, taxes=(), taxes_included=False, rounding=Decimal(0), shipping_address=address
    )


def circular(_: Dice, cart: Cart) -> Cart:
    return with_first(cart, properties={"_cycle": CIRCULAR})


def never_paid(_: Dice, cart: Cart) -> Cart:
    return cart


def for_test(_: Dice, cart: Cart) -> Cart:
    return replace(cart, test=True)


FAULTS: dict[str, Callable[[Dice, Cart], Cart]] = {
    "unknown_sku": unknown_sku,
    "inactive_sku": inactive_sku,
    "barcode_differs": barcode_differs,
    "unmapped_currency": unmapped_currency,
    "unmapped_discount": unmapped_discount,
    "unmapped_shipping": unmapped_shipping,
    "missing_address": missing_address,
    "circular": circular,
    "never_paid": never_paid,
    "test_order": for_test,
}
OF_THE_CODE = ("unknown_sku", "inactive_sku", "barcode_differs")
