"""What customers of an apparel shop buy: one cart drawn from (seed, index), the same each time.

A draw also says what will happen to the order later (paid, edited, released, cancelled) and what was made
unbookable on purpose. What a shop sells, to whom, and what its system can express is its `Trade`: nothing else is
drawn for it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, TypeVar

from bcbridge.sandbox import catalogue
from bcbridge.sandbox.catalogue import Sku
from bcbridge.sandbox.shopping.canary import disguised
from bcbridge.sandbox.shopping.cart import JSON, Cart, CartLine, Currency, Discount, Rate, Shipping, Tender

T = TypeVar("T")
Seconds = tuple[float, float]
"""Not sooner than, not later than."""

SHELVES = {
    division.code: [sku for sku in catalogue.WEB_SKUS if sku.style.division == division.code]
    for division in catalogue.DIVISIONS
}
ARCHIVED = [sku for sku in catalogue.INACTIVE_SKUS if sku.style.web]
FEE = "Retail delivery fee"


@dataclass(frozen=True)
class Wishes:
    """How a plan wants its orders (``POST /_sandbox/sell``).

    ``hot``: goods are these alone, by UPC with their weights. ``skus``: so many goods of the season alone, each wanted
    as often as its rank says (of 200 the first is 17 % of the lines).
    """

    seed: int
    mixed: float = 0.0
    unbookable: float = 0.06
    simple: bool = False
    canary: bool = False
    skus: int = 0
    hot: tuple[tuple[str, float], ...] = ()


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


Reducing = Callable[["Dice", tuple[CartLine, ...]], tuple[Discount, ...]]
Extra = Callable[["Dice", Cart, Market], Cart]
Way = Callable[["Dice", Draw, "Trade"], None]
Spoiling = Callable[["Dice", Cart, "Trade"], Cart]


@dataclass(frozen=True)
class Trade:
    """What a shop sells, to whom, and what its system can express.

    ``line`` is one of a SKU at list price in the shop's currency, with the shop's ids. ``home`` is where plain orders
    come from; ``markets`` have weights, and each one's currency is the shop's or has a rate: what one unit of it is
    worth in the shop's. ``locations`` are where it ships from, by name, if it says so. ``credits`` are tenders that
    pay a part: gateway, how often, which amounts. ``unpaid_by`` is the gateway of orders that are paid later.
    """

    currency: str
    line: Callable[[Sku], CartLine]
    home: Market
    markets: Sequence[tuple[Market, float]]
    gateways: Sequence[tuple[str, float]]
    unpaid_by: str
    ways: Sequence[tuple[Way | None, float]]
    faults: Mapping[str, Spoiling]
    rates: Mapping[str, Decimal] = field(default_factory=dict)
    locations: Sequence[tuple[str, float]] = ()
    credits: Sequence[tuple[str, float, tuple[str, ...]]] = ()
    reductions: Sequence[Reducing] = ()
    extras: Sequence[Extra] = ()
    hold_reasons: Sequence[str] = ()
    held_seconds: Seconds = (4.0, 12.0)
    unpaid_seconds: Seconds = (3.0, 10.0)
    cancel_seconds: Seconds = (2.0, 8.0)

    @property
    def gateway(self) -> str:
        """What most customers pay with."""
        return self.gateways[0][0]


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

    def among(self, weighed: Sequence[tuple[T, float]]) -> T:
        return self.weighed([thing for thing, _ in weighed], [weight for _, weight in weighed])

    def seconds(self, span: tuple[float, float]) -> float:
        return round(self.random.uniform(*span), 1)


def draw(wishes: Wishes, index: int, trade: Trade) -> Draw:
    """The order number ``index`` of a plan."""
    drawn = drawn_by(Dice(f"{wishes.seed}:{index}"), wishes, trade)
    if wishes.canary:
        drawn.cart = disguised(drawn.cart, seed=wishes.seed, index=index)
    return drawn


def drawn_by(dice: Dice, wishes: Wishes, trade: Trade) -> Draw:
    if wishes.simple:
        return Draw(simple_cart(dice, wishes, trade))
    drawn = Draw(usual_cart(dice, wishes, trade))
    fate(dice, drawn, trade)
    if dice.chance(min(wishes.unbookable, 0.1)):
        spoil(dice, drawn, trade)
    return drawn


# --- the basket


def simple_cart(dice: Dice, wishes: Wishes, trade: Trade) -> Cart:
    """Plain and paid: a few goods at list price, shipping, one tax, the shop's own currency."""
    currency = Currency(trade.currency, trade.currency)
    count = dice.weighed((1, 2, 3), (5, 3, 2))
    hot = popular(wishes)
    lines = goods_of(dice, hot, count, currency, trade) if hot else goods(dice, count, "WOM", currency, trade)
    place = dice.one([place for place in trade.home.places if taxes(trade.home, place)])
    cart = Cart(
        lines,
        currency,
        shipping=(shipping(dice, "Standard", currency),),
        taxes=taxes(trade.home, place),
        taxes_included=trade.home.vat is not None,
        tenders=(Tender(trade.gateway),),
    )
    return at_home(dice, cart, trade.home, place)


def usual_cart(dice: Dice, wishes: Wishes, trade: Trade) -> Cart:
    market = dice.among(trade.markets)
    place = dice.one(market.places)
    currency = currency_of(market.currency, trade)
    lines = basket(dice, wishes, currency, trade)
    title = dice.weighed(catalogue.SHIPPING_TITLES, (60, 20, 8, 12))
    cart = Cart(
        lines=lines,
        currency=currency,
        discounts=tuple(one for reduction in trade.reductions for one in reduction(dice, lines)),
        shipping=(shipping(dice, title, currency),),
        taxes=taxes(market, place),
        taxes_included=market.vat is not None,
        tenders=tenders(dice, trade),
        location=dice.among(trade.locations) if trade.locations else "",
        note=dice.one(REMARKS) if dice.chance(0.05) else None,
        tags=("newsletter",) if dice.chance(0.1) else (),
        attributes={"gift_wrap": "yes"} if dice.chance(0.03) else {},
    )
    for extra in trade.extras:
        cart = extra(dice, cart, market)
    return at_home(dice, cart, market, place)


def currency_of(presentment: str, trade: Trade) -> Currency:
    rate = Decimal(1) if presentment == trade.currency else trade.rates[presentment]
    return Currency(trade.currency, presentment, rate)


def basket(dice: Dice, wishes: Wishes, currency: Currency, trade: Trade) -> tuple[CartLine, ...]:
    count = dice.weighed((1, 2, 3, 4, 5, 6), (45, 28, 14, 7, 4, 2))
    division = dice.weighed(("WOM", "MEN"), (65, 35))
    if hot := popular(wishes):
        return goods_of(dice, hot, count, currency, trade)
    if not dice.chance(wishes.mixed):
        return goods(dice, count, division, currency, trade)
    women = goods(dice, max(count - 1, 1), "WOM", currency, trade)
    return women + goods(dice, 1, "MEN", currency, trade)


def goods(dice: Dice, count: int, division: str, currency: Currency, trade: Trade) -> tuple[CartLine, ...]:
    skus = dice.random.sample(SHELVES[division], count)
    return tuple(line_of(sku, currency, trade, dice.weighed((1, 2, 3), (90, 8, 2))) for sku in skus)


@lru_cache(maxsize=16)
def popular(wishes: Wishes) -> tuple[tuple[Sku, float], ...]:
    """What alone is wanted, and how much; empty where everything is. Raises ValueError for what no shop sells."""
    unknown = [upc for upc, _ in wishes.hot if upc not in catalogue.SKU_BY_UPC]
    if unknown:
        raise ValueError(f"hot: nobody sells {', '.join(unknown)}")
    ranked = tuple((sku, 1 / rank) for rank, sku in enumerate(catalogue.WEB_SKUS[: wishes.skus], 1))
    return tuple((catalogue.SKU_BY_UPC[upc], weight) for upc, weight in wishes.hot) or ranked


def goods_of(
    dice: Dice, hot: Sequence[tuple[Sku, float]], count: int, currency: Currency, trade: Trade
) -> tuple[CartLine, ...]:
    """Several of what is hot, each once, of the first one's division."""
    first = dice.among(hot)
    drawn, others = [first], [one for one in hot if one[0] != first and one[0].style.division == first.style.division]
    while others and len(drawn) < count:
        drawn.append(dice.among(others))
        others = [one for one in others if one[0] != drawn[-1]]
    return tuple(line_of(sku, currency, trade, dice.weighed((1, 2, 3), (90, 8, 2))) for sku in drawn)


def line_of(sku: Sku, currency: Currency, trade: Trade, quantity: int = 1) -> CartLine:
    line = trade.line(sku)
    return replace(line, price=price_in(line.price, currency), quantity=quantity)


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


def tenders(dice: Dice, trade: Trade) -> tuple[Tender, ...]:
    main = Tender(dice.among(trade.gateways))
    for gateway, often, worths in trade.credits:
        if dice.chance(often):
            worth = dice.one(worths) if len(worths) > 1 else worths[0]
            return (Tender(gateway, Decimal(worth)), main)
    return (main,)


# --- reductions a shop may know


def bundle_and_save(dice: Dice, lines: tuple[CartLine, ...]) -> tuple[Discount, ...]:
    """A promotion of the shop's, without a code: ten per cent off up to three of several lines."""
    if len(lines) < 2 or not dice.chance(0.15):
        return ()
    bundle = tuple(range(min(len(lines), 3)))
    return (Discount("automatic", catalogue.AUTOMATIC_DISCOUNT, percent=Decimal(10), lines=bundle),)


def typed_code(dice: Dice, lines: tuple[CartLine, ...]) -> tuple[Discount, ...]:
    """A code on the goods, or now and then one on the shipping."""
    found = code_on_goods(dice, lines)
    if not found and dice.chance(0.03):
        return (Discount("code", "TAKE5", amount=Decimal("5.00"), on="shipping"),)
    return found


def code_on_goods(dice: Dice, _: tuple[CartLine, ...]) -> tuple[Discount, ...]:
    if not dice.chance(0.25):
        return ()
    code = dice.one(catalogue.DISCOUNT_CODES)
    return (Discount("code", code.code, code.percent, code.amount),)


# --- extras a shop may know: what only some orders have


def gift_card_bought(dice: Dice, cart: Cart, _: Market) -> Cart:
    if not dice.chance(0.03):
        return cart
    return replace(cart, lines=(*cart.lines, gift_card(Decimal(dice.one(("25.00", "50.00", "100.00"))))))


def gift_card(value: Decimal) -> CartLine:
    return CartLine(
        title="Gift card", price=value, gift_card=True, taxable=False, ships=False, variant_title=f"{value}"
    )


def tip(dice: Dice, cart: Cart, _: Market) -> Cart:
    return replace(cart, tip=Decimal(dice.one(("3.00", "5.00")))) if dice.chance(0.03) else cart


def duties(dice: Dice, cart: Cart, market: Market) -> Cart:
    if market is not GB or not dice.chance(0.2):
        return cart
    first = cart.lines[0]
    duty = (first.price * first.quantity * Decimal("0.05")).quantize(Decimal("0.01"), ROUND_HALF_UP)
    return with_first(cart, duty=duty)


def delivery_fee(dice: Dice, cart: Cart, market: Market) -> Cart:
    return replace(cart, fees=((FEE, Decimal("0.28")),)) if market is US and dice.chance(0.03) else cart


# --- who buys, and where to


def at_home(dice: Dice, cart: Cart, market: Market, place: tuple[str, str, str, str]) -> Cart:
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


# --- what happens later, the ways a shop may know


def fate(dice: Dice, drawn: Draw, trade: Trade) -> None:
    """Most orders are paid and wait to be shipped; a few take another way."""
    way = dice.among(trade.ways)
    if way is not None:
        way(dice, drawn, trade)


def held(dice: Dice, drawn: Draw, trade: Trade) -> None:
    drawn.cart = replace(drawn.cart, hold=dice.one(trade.hold_reasons))
    drawn.later.append((dice.seconds(trade.held_seconds), "release", {}))


def paid_later(dice: Dice, drawn: Draw, trade: Trade) -> None:
    drawn.cart = replace(drawn.cart, payment="pending", tenders=(Tender(trade.unpaid_by),))
    drawn.later.append((dice.seconds(trade.unpaid_seconds), "pay", {}))


def captured_later(dice: Dice, drawn: Draw, trade: Trade) -> None:
    drawn.cart = replace(drawn.cart, payment="authorized", tenders=(Tender(trade.gateway),), rounding=Decimal(0))
    drawn.later.append((dice.seconds(trade.unpaid_seconds), "pay", {}))


def edited_then_paid(dice: Dice, drawn: Draw, trade: Trade) -> None:
    """A unit is taken off while the order is unpaid, so less is current than was ordered and nothing is refunded."""
    first, *others = drawn.cart.lines
    lines = (replace(first, quantity=first.quantity + 2), *others)
    drawn.cart = replace(drawn.cart, lines=lines, payment="pending", tenders=(Tender(trade.unpaid_by),))
    wait = dice.seconds(trade.unpaid_seconds)
    drawn.later += [(wait / 2, "edit", {"0": dice.one((1, 2))}), (wait, "pay", {})]


def cancelled_soon(dice: Dice, drawn: Draw, trade: Trade) -> None:
    drawn.later.append((dice.seconds(trade.cancel_seconds), "cancel", {}))


# --- what cannot be booked, the faults a shop may know


def spoil(dice: Dice, drawn: Draw, trade: Trade) -> None:
    """Makes the order unbookable, one way or two, and says how."""
    for name in chosen(dice, trade.faults, dice.weighed((1, 2), (85, 15))):
        drawn.cart = trade.faults[name](dice, drawn.cart, trade)
        drawn.unbookable.append(name)
    if "never_paid" in drawn.unbookable:
        drawn.cart = replace(drawn.cart, payment="pending", tenders=(Tender(trade.unpaid_by),))
        drawn.later = []


def chosen(dice: Dice, faults: Mapping[str, Spoiling], count: int) -> list[str]:
    """Faults that do not undo each other (a line has one code), in the order they are to be made."""
    names = dice.random.sample(list(faults), len(faults))
    codes = [name for name in names if name in OF_THE_CODE]
    fitting = [name for name in names if name not in codes[1:]][:count]
    return [name for name in faults if name in fitting]


def with_first(cart: Cart, **changes: Any) -> Cart:
    return replace(cart, lines=(replace(cart.lines[0], **changes), *cart.lines[1:]))


def unknown_sku(dice: Dice, cart: Cart, _: Trade) -> Cart:
    """Goods that the shop once listed, perhaps, and the ERP never knew."""
    code = f"9{dice.random.randrange(10**10):010d}"
    upc = code + catalogue.check_digit(code)
    return with_first(cart, sku=upc, barcode=upc, title="Sample garment", variant_title=None)


def inactive_sku(dice: Dice, cart: Cart, trade: Trade) -> Cart:
    old = line_of(dice.one(ARCHIVED), cart.currency, trade, cart.lines[0].quantity)
    return replace(cart, lines=(old, *cart.lines[1:]))


def barcode_differs(dice: Dice, cart: Cart, _: Trade) -> Cart:
    other = dice.one([sku for sku in SHELVES["WOM"] if sku.upc != cart.lines[0].sku])
    return with_first(cart, barcode=other.upc)


def unmapped_currency(_: Dice, cart: Cart, trade: Trade) -> Cart:
    """Paid in Canadian dollars, for which there is no house account."""
    city, province, code, post_code = CA.places[0]
    address = {**(cart.shipping_address or {}), "country": CA.country, "countryCodeV2": CA.code}
    address |= {"city": city, "province": province, "provinceCode": code, "zip": post_code}
    currency = currency_of(CA.currency, trade)
    return replace(
        cart, currency=currency, taxes=(), taxes_included=False, rounding=Decimal(0), shipping_address=address
    )


def unmapped_discount(dice: Dice, cart: Cart, _: Trade) -> Cart:
    code = Discount("code", f"FRIEND-{dice.random.randint(1000, 9999)}", percent=Decimal(15))
    return replace(cart, discounts=(code,))


def unmapped_shipping(_: Dice, cart: Cart, __: Trade) -> Cart:
    return replace(cart, shipping=(Shipping("Drone to the balcony", Decimal("19.00"), "drone"),))


def missing_address(dice: Dice, cart: Cart, _: Trade) -> Cart:
    gone = dice.one(("city", "zip"))
    address = {**(cart.shipping_address or {}), gone: None}
    return replace(cart, shipping_address=address)


def never_paid(_: Dice, cart: Cart, __: Trade) -> Cart:
    return cart


FAULTS: Mapping[str, Spoiling] = {
    "unknown_sku": unknown_sku,
    "inactive_sku": inactive_sku,
    "barcode_differs": barcode_differs,
    "unmapped_currency": unmapped_currency,
    "unmapped_discount": unmapped_discount,
    "unmapped_shipping": unmapped_shipping,
    "missing_address": missing_address,
    "never_paid": never_paid,
}
"""What every shop can express, if it sells in Canadian dollars too; a shop adds its own, or leaves one out."""
OF_THE_CODE = ("unknown_sku", "inactive_sku", "barcode_differs", "deleted_product")
"""Faults of a line's code, whichever shop has them: two on one line would hide each other."""
OF_WHAT_IS_COUNTED = frozenset({"inactive_sku", "barcode_differs"})
"""Those of a first line whose pieces a shop counts: where it shows none, they are not sold, nor is the fault."""
