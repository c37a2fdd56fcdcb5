"""Orders to judge, made by hand: short to write, whole as a channel would tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bcbridge.flows.orders import Masters, OrderSettings, judge
from bcbridge.mappings import Mappings
from bcbridge.model.catalog import CatalogSku
from bcbridge.model.ids import Ref, SkuParts, Upc
from bcbridge.model.order import (
    Address,
    Allowance,
    Assignment,
    Charge,
    LineKind,
    Order,
    OrderLine,
    PaymentStatus,
    Reduction,
    Shipping,
    Tax,
    Tender,
    TenderKind,
)
from bcbridge.model.outcome import Blocked, Outcome, Ready
from bcbridge.model.sales_order import SalesOrder
from bcbridge.model.widths import Widths

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CREATED = NOW - timedelta(hours=1)

DRESS, SKIRT, SHIRT = "012345678905", "036000291452", "042100005264"
"""Two of womenswear and one of menswear."""


def sku(upc: str, division: str, style: str, price: str | None = None, **said: Any) -> CatalogSku:
    parts = SkuParts(division=division, style=style, color_code="BLK", size_desc="M")
    listed = Decimal(price) if price else None
    return CatalogSku(ref=Ref(f"row-{style}"), style=Ref(style), parts=parts, upc=Upc(upc), price=listed, **said)


SKUS = {
    DRESS: (sku(DRESS, "WOM", "00417"),),
    SKIRT: (sku(SKIRT, "WOM", "00502"),),
    SHIRT: (sku(SHIRT, "MEN", "00931"),),
}

TABLES: dict[str, dict[str, dict[str, Any]]] = {
    "customers": {"shop": {"USD": "SHOPUSD", "GBP": "SHOPGBP", "JPY": "SHOPJPY", "KWD": "SHOPKWD", "CHF": "SHOPCHF"}},
    "charges": {"default": {"gift_card": "GC", "tip": "TIP", "duty": "DUTY", "fee": "FEE", "rounding": "ROUND"}},
    "divisions": {"default": {"WOM": "WOM", "MEN": "MEN"}},
    "warehouses": {"shop": {"New Jersey DC": "NJ1", "California DC": "CA1", "(none)": "NJ1"}},
    "ship_via": {"shop": {"Standard": "UPG", "Express": "UP2", "(none)": "UPG"}},
    "allowances": {"shop": {"WELCOME10": "WELC10", "SUMMER15": "SUMM15", "FREESHIP": "FSHIP", "TRADE-*": "TRADE"}},
    "tax_codes": {"shop": {"NJ Tax": "NJ", "VAT": "VAT", "(none)": "NOTAX"}},
    "terms": {"shop": {"card": "PREPAID", "gift_card": "PREPAID", "store_credit": "PREPAID", "(none)": "FREE"}},
}
MAPPINGS = Mappings(TABLES)
WIDTHS = Widths()
SETTINGS = OrderSettings(code="SU")
MASTERS = Masters(warehouses=frozenset({"NJ1", "CA1"}), ship_vias=frozenset({"UPG", "UP2"}))

HOME = Address(
    name="Jo Rivera",
    address1="12 Mill Lane",
    city="Hoboken",
    state="NJ",
    postcode="07030",
    country="US",
    email="jo@example.com",
)
LONDON = Address(name="Sam Field", address1="1 High Street", city="London", postcode="N1 9GU", country="GB")

Named = Mapping[str, str]
"""Allowances by name, or taxes by title, with their amounts."""

RATES = {"NJ Tax": "0.06625", "VAT": "0.2"}


def allowed(names: Named) -> tuple[Allowance, ...]:
    return tuple(Allowance(name=name, amount=Decimal(amount)) for name, amount in names.items())


def taxed(titles: Named) -> tuple[Tax, ...]:
    return tuple(Tax(title=title, rate=rate(title), amount=Decimal(amount)) for title, amount in titles.items())


def rate(title: str) -> Decimal | None:
    return Decimal(RATES[title]) if title in RATES else None


def line(
    code: str,
    price: str,
    quantity: int = 1,
    *,
    amount: str | None = None,
    off: Named | None = None,
    tax: Named | None = None,
    at: str | None = "New Jersey DC",
    kind: LineKind = LineKind.GOODS,
    **said: Any,
) -> OrderLine:
    """One line; ``amount`` where it is not price x quantity."""
    whole = Decimal(amount) if amount else Decimal(price) * quantity
    facts: dict[str, Any] = {
        "ref": Ref(f"line-{code}"),
        "sku": code,
        "barcode": code,
        "title": "Garment",
        "variant": None,
        "ordered": quantity,
        "assignments": (from_(at, quantity),) if at and quantity else (),
        **said,
    }
    return OrderLine(
        kind=kind,
        quantity=quantity,
        unit_price=Decimal(price),
        amount=whole,
        allowances=allowed(off or {}),
        taxes=taxed(tax or {}),
        **facts,
    )


def from_(place: str, quantity: int) -> Assignment:
    return Assignment(location=Ref(f"place-{place}"), location_name=place, quantity=quantity)


def gift_card(amount: str, **said: Any) -> OrderLine:
    facts: dict[str, Any] = {"ref": Ref("line-gift"), "barcode": None, "title": "Gift card", "requires_shipping": False}
    return line("", amount, kind=LineKind.GIFT_CARD, at=None, **facts, **said)


def tip(amount: str) -> OrderLine:
    facts: dict[str, Any] = {"ref": Ref("line-tip"), "barcode": None, "title": "Tip", "requires_shipping": False}
    return line("", amount, kind=LineKind.TIP, at=None, **facts)


def charge(kind: str, name: str, amount: str, tax: Named | None = None) -> Charge:
    return Charge(kind=kind, name=name, amount=Decimal(amount), taxes=taxed(tax or {}))


def off(name: str, amount: str, tax: Named | None = None) -> Reduction:
    """Money off the whole order."""
    return Reduction(name=name, amount=Decimal(amount), taxes=taxed(tax or {}))


def shipping(
    title: str, amount: str, *, off: Named | None = None, tax: Named | None = None, to: Address | None = None
) -> Shipping:
    return Shipping(
        ref=Ref(f"ship-{title}"),
        title=title,
        code=title.lower(),
        amount=Decimal(amount),
        allowances=allowed(off or {}),
        taxes=taxed(tax or {}),
        ship_to=to,
    )


def tender(gateway: str, amount: str, kind: TenderKind = TenderKind.CAPTURED) -> Tender:
    return Tender(ref=Ref(f"{kind}-{gateway}"), kind=kind, gateway=gateway, amount=Decimal(amount), at=CREATED)


def order(
    *lines: OrderLine,
    total: str,
    ship: Sequence[Shipping] = (),
    paid: Sequence[Tender] | None = None,
    **said: Any,
) -> Order:
    """A paid order of an hour ago; ``paid`` is one card payment of the total unless told."""
    whole = Decimal(total)
    card = (tender("card", total),) if whole else ()
    facts: dict[str, Any] = {
        "currency": "USD",
        "prices_include_tax": False,
        "payment": PaymentStatus.PAID,
        "original_total": whole,
        "outstanding": Decimal(0),
        "refunded": Decimal(0),
        "created": CREATED,
        "ship_to": HOME,
        "bill_to": HOME,
        **said,
    }
    return Order(
        ref=Ref("gid://shop/Order/5001"),
        id="5001",
        name="#1001",
        modified=CREATED,
        processed=CREATED,
        gateways=("card",),
        cancelled=facts.pop("cancelled", None),
        test=facts.pop("test", False),
        edited=False,
        source=facts.pop("source", "web"),
        tags=facts.pop("tags", ()),
        lines=lines,
        shipping=tuple(ship),
        tenders=tuple(card if paid is None else paid),
        total=whole,
        **facts,
    )


@dataclass(frozen=True)
class House:
    """Everything that is judged against, each piece replaceable."""

    settings: OrderSettings = SETTINGS
    mappings: Mappings = MAPPINGS
    skus: Mapping[str, tuple[CatalogSku, ...]] = field(default_factory=lambda: SKUS)
    widths: Widths = WIDTHS
    masters: Masters = MASTERS
    links: Mapping[Ref, str] = field(default_factory=dict)

    def judge(self, order: Order, now: datetime = NOW) -> Outcome:
        return judge(
            order,
            channel="shop",
            settings=self.settings,
            mappings=self.mappings,
            skus=self.skus,
            widths=self.widths,
            masters=self.masters,
            now=now,
            links=self.links,
        )

    def parts(self, order: Order) -> tuple[SalesOrder, ...]:
        outcome = self.judge(order)
        assert isinstance(outcome, Ready), outcome
        return outcome.parts

    def part(self, order: Order) -> SalesOrder:
        (only,) = self.parts(order)
        return only

    def problems(self, order: Order) -> list[str]:
        """The codes an order is blocked by, each once, in order."""
        outcome = self.judge(order)
        assert isinstance(outcome, Blocked), outcome
        return list(dict.fromkeys(problem.code for problem in outcome.problems))

    def setting(self, **said: Any) -> House:
        return replace(self, settings=OrderSettings.model_validate({**self.settings.model_dump(), **said}))

    def told(self, key: str, upc: str) -> House:
        """The same house with a row in mappings/skus.toml."""
        return replace(self, mappings=self.mappings.with_value("skus", "shop", key, upc))

    def without(self, table: str, key: str) -> House:
        """The same house with one row less in a table."""
        sections = {
            name: {said: code for said, code in rows.items() if said != key}
            for name, rows in self.mappings.tables[table].items()
        }
        return replace(self, mappings=Mappings({**self.mappings.tables, table: sections}))


HOUSE = House()


def rows(part: SalesOrder) -> list[tuple[str, int, str, str]]:
    return [(row.upc, row.quantity, str(row.price), row.warehouse) for row in part.lines]


def coded(amounts: Sequence[Any]) -> dict[str, str]:
    return {amount.code: str(amount.amount) for amount in amounts}


def money(part: SalesOrder) -> tuple[str, str, str]:
    """Tax, freight and total as they would be written."""
    return str(part.tax), str(part.freight), str(part.total)
