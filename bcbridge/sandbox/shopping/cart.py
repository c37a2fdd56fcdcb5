"""What a customer puts in front of the checkout, before a shop has made an order of it.

The compact form of ``POST /_sandbox/orders`` reads into a ``Cart`` (docs/sandbox.md shows every key); the
shopper draws carts. A cart says more than any one system can express: a shop refuses what it has no word for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

JSON = dict[str, Any]


class BadCart(ValueError):
    """The compact order says something that cannot be read; the message names the key."""


@dataclass(frozen=True)
class Rate:
    """One tax: its title and its rate (``Decimal("0.06625")``)."""

    title: str
    rate: Decimal


class Currency(NamedTuple):
    """What a customer pays in, and what one unit of it is worth in the shop's currency."""

    shop: str
    presentment: str
    rate: Decimal = Decimal(1)


@dataclass(frozen=True)
class CartLine:
    """``price`` is the list price of one, as the customer sees it. The ids are the shop's own, None for goods it
    does not list."""

    title: str
    price: Decimal
    quantity: int = 1
    sku: str | None = None
    barcode: str | None = None
    variant_title: str | None = None
    variant_id: str | None = None
    product_id: str | None = None
    inventory_item_id: str | None = None
    vendor: str | None = None
    gift_card: bool = False
    taxable: bool = True
    ships: bool = True
    duty: Decimal = Decimal(0)
    location: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    selling_plan: str | None = None

    @property
    def discountable(self) -> bool:
        return not self.gift_card


@dataclass(frozen=True)
class Discount:
    """``kind`` is code, automatic, manual or script; percent or amount, not both; ``on`` is lines or shipping."""

    kind: str
    name: str
    percent: Decimal | None = None
    amount: Decimal | None = None
    on: str = "lines"
    lines: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Shipping:
    title: str
    price: Decimal
    code: str | None = None


@dataclass(frozen=True)
class Tender:
    """How a part is paid; without an amount it takes the rest."""

    gateway: str
    amount: Decimal | None = None


@dataclass(frozen=True)
class Cart:
    lines: tuple[CartLine, ...]
    currency: Currency
    discounts: tuple[Discount, ...] = ()
    shipping: tuple[Shipping, ...] = ()
    taxes: tuple[Rate, ...] = ()
    taxes_included: bool = False
    fees: tuple[tuple[str, Decimal], ...] = ()
    tip: Decimal = Decimal(0)
    rounding: Decimal = Decimal(0)
    tenders: tuple[Tender, ...] = ()
    payment: str = "paid"
    hold: str | None = None
    test: bool = False
    source: str = "web"
    tags: tuple[str, ...] = ()
    note: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    customer: JSON | None = None
    shipping_address: JSON | None = None
    billing_address: JSON | None = None
    email: str | None = None
    location: str | None = ""


DEFAULT_ADDRESS: JSON = {
    "firstName": "Jo",
    "lastName": "Rivera",
    "company": None,
    "address1": "12 Mill Lane",
    "address2": None,
    "city": "Hoboken",
    "province": "New Jersey",
    "provinceCode": "NJ",
    "zip": "07030",
    "country": "United States",
    "countryCodeV2": "US",
    "phone": None,
}
PAYMENTS = ("paid", "pending", "authorized", "partially_paid")


def amount(value: Any, key: str) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        raise BadCart(f"{key}: {value!r} is not an amount") from None


def whole(value: Any, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadCart(f"{key}: {value!r} is not a quantity")
    return value


class Compact:
    """Reads the compact order. ``listed`` is what the shop sells by SKU, with its titles, prices and ids; ``rates``
    what one unit of another currency is worth in the shop's; ``wordless`` are keys this shop cannot express."""

    def __init__(
        self,
        listed: Mapping[str, CartLine],
        currency: str,
        *,
        gateway: str,
        rates: Mapping[str, Decimal] | None = None,
        wordless: Collection[str] = (),
    ) -> None:
        self.listed = listed
        self.shop_currency = currency
        self.gateway = gateway
        self.rates = rates or {}
        self.wordless = frozenset(wordless)

    def cart(self, body: JSON) -> Cart:
        """Raises `BadCart` with the key that cannot be read, or that this shop has no word for."""
        for key in sorted(self.wordless & body.keys()):
            raise BadCart(f"{key}: this shop has no such thing")
        if not isinstance(body.get("lines"), list):
            raise BadCart("lines: a list of {sku, quantity, price} is needed")
        address = body.get("address", DEFAULT_ADDRESS)
        return Cart(
            lines=tuple(self.line(line, at) for at, line in enumerate(body["lines"])),
            currency=self.currency(body),
            discounts=tuple(self.discount(one) for one in body.get("discounts", [])),
            shipping=tuple(self.shipping(one) for one in listed(body.get("shipping"))),
            taxes=tuple(Rate(one["title"], amount(one["rate"], "tax.rate")) for one in body.get("tax", [])),
            taxes_included=bool(body.get("taxesIncluded", False)),
            fees=tuple((one["name"], amount(one["amount"], "fees.amount")) for one in body.get("fees", [])),
            tip=amount(body.get("tip", "0"), "tip"),
            rounding=amount(body.get("rounding", "0"), "rounding"),
            tenders=tuple(self.tender(one) for one in body.get("tenders", [{"gateway": self.gateway}])),
            payment=self.payment(body),
            hold=body.get("hold"),
            test=bool(body.get("test", False)),
            source=body.get("source", "web"),
            tags=tuple(body.get("tags", ())),
            note=body.get("note"),
            attributes=body.get("attributes", {}),
            customer=body.get("customer", {"firstName": "Jo", "lastName": "Rivera"}),
            shipping_address=address and {**DEFAULT_ADDRESS, **address},
            billing_address=body.get("billingAddress", address and {**DEFAULT_ADDRESS, **address}),
            email=body.get("email", "jo.rivera@example.com"),
            location=body.get("location", ""),
        )

    def line(self, line: JSON, at: int) -> CartLine:
        sku = line.get("sku")
        if "price" not in line and sku not in self.listed:
            raise BadCart(f"lines[{at}].price: the shop has no variant {sku!r} to take it from")
        known = self.listed.get(sku or "") or CartLine("Custom item", Decimal(0), sku=sku, barcode=sku)
        gift_card = bool(line.get("giftCard", False))
        return replace(
            known,
            title=line.get("title") or known.title,
            price=amount(line.get("price", known.price), f"lines[{at}].price"),
            quantity=whole(line.get("quantity", 1), f"lines[{at}].quantity"),
            barcode=line.get("barcode", known.barcode),
            variant_title=line.get("variantTitle", known.variant_title),
            variant_id=line.get("variantId", known.variant_id),
            gift_card=gift_card,
            taxable=bool(line.get("taxable", not gift_card)),
            ships=bool(line.get("requiresShipping", not gift_card)),
            duty=amount(line.get("duty", "0"), f"lines[{at}].duty"),
            location=line.get("location"),
            properties=line.get("properties", {}),
            selling_plan=line.get("sellingPlan"),
        )

    def currency(self, body: JSON) -> Currency:
        presentment = body.get("currency", self.shop_currency)
        default = Decimal(1) if presentment == self.shop_currency else self.rates.get(presentment)
        rate = body.get("rate", default)
        if rate is None:
            raise BadCart(f"rate: the shop has no rate for {presentment!r}, give one")
        return Currency(self.shop_currency, presentment, amount(rate, "rate"))

    @staticmethod
    def discount(one: JSON) -> Discount:
        kind = one.get("kind", "code" if "code" in one else "automatic")
        if ("percent" in one) == ("amount" in one):
            raise BadCart("discounts: either percent or amount")
        return Discount(
            kind=kind,
            name=one.get("code") or one.get("title") or "",
            percent=amount(one["percent"], "discounts.percent") if "percent" in one else None,
            amount=amount(one["amount"], "discounts.amount") if "amount" in one else None,
            on=one.get("on", "lines"),
            lines=tuple(one["lines"]) if "lines" in one else None,
        )

    @staticmethod
    def shipping(one: JSON) -> Shipping:
        return Shipping(one["title"], amount(one.get("price", "0"), "shipping.price"), one.get("code"))

    @staticmethod
    def tender(one: JSON) -> Tender:
        return Tender(one["gateway"], amount(one["amount"], "tenders.amount") if "amount" in one else None)

    @staticmethod
    def payment(body: JSON) -> str:
        payment = body.get("payment", "paid")
        if payment not in PAYMENTS:
            raise BadCart(f"payment: one of {', '.join(PAYMENTS)}")
        return str(payment)


def listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
