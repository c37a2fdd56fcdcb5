"""From a cart to an order, as WooCommerce's checkout makes it: lines net of tax, coupons inside the lines' totals,
plugins' reductions and gift cards as fees below zero.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from decimal import ROUND_HALF_DOWN, Decimal
from typing import Any, NamedTuple

import orjson

from bcbridge.sandbox.shopping.cart import JSON, BadCart, Cart, CartLine, Discount, Shipping, Tender
from bcbridge.sandbox.woocommerce import counting, season, totals
from bcbridge.sandbox.woocommerce.amounts import CENT, NOTHING, cents, kept, plain, spread
from bcbridge.sandbox.woocommerce.numbering import Numbering
from bcbridge.sandbox.woocommerce.season import CELL_BY_ID, REDUCED_RATES
from bcbridge.sandbox.woocommerce.settings import WooCommerceSettings

TITLES = {
    "stripe": "Credit card",
    "ppcp-gateway": "PayPal",
    "bacs": "Direct bank transfer",
    "cod": "Cash on delivery",
}
LATER = ("bacs", "cheque")
"""Gateways whose unpaid orders are on hold, not pending."""
CREDITS = {"gift_card": "Gift card", "store_credit": "Store credit"}
"""Ways of paying a part that plugins write as a fee below zero, by the fee's name."""
PAID = ("processing", "completed")
REDUCING = ("processing", "completed", "on-hold")
"""Statuses with which an order takes its pieces from the stock. A plugin's is reached through one of them."""
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ADDRESS = (
    ("first_name", "firstName"),
    ("last_name", "lastName"),
    ("company", "company"),
    ("address_1", "address1"),
    ("address_2", "address2"),
    ("city", "city"),
    ("state", "provinceCode"),
    ("postcode", "zip"),
    ("country", "countryCodeV2"),
)
ESTIMATE = {"hub": "LYS", "days": [2, 4]}
"""A shipping plugin's meta data: an object, a list and a number where a text might be expected."""


class Tax(NamedTuple):
    """One row of the shop's tax table."""

    id: int
    code: str
    label: str
    rate: Decimal


class Sum(NamedTuple):
    """An amount without tax, and each tax of it, all unrounded."""

    net: Decimal
    taxes: dict[int, Decimal]


class Checkout:
    """One cart on its way to an order."""

    def __init__(self, cart: Cart, settings: WooCommerceSettings, ids: Numbering, at: str) -> None:
        self.cart = cart
        self.settings = settings
        self.ids = ids
        self.at = at
        self.gateway = next((one.gateway for one in cart.tenders if one.gateway not in CREDITS), "")
        self.status = opening_status(cart, self.gateway)
        self.country = str((cart.shipping_address or {}).get("countryCodeV2") or settings.country)
        self.included = cart.taxes_included
        self.used: dict[int, Tax] = {}
        self.pinned: JSON = {}

    def order(self, note: JSON) -> JSON:
        """The whole document, settled. Raises `BadCart` for what WooCommerce has no word for."""
        refuse(self.cart)
        discounts = self.discounts()
        lines = [self.line(line, off) for line, off in zip(self.cart.lines, discounts, strict=True)]
        order = {
            **self.head(),
            "line_items": lines,
            "tax_lines": [],
            "shipping_lines": [self.shipping(one) for one in self.cart.shipping],
            "fee_lines": [*self.fees(), *self.reductions(lines)],
            "coupon_lines": self.coupons(lines),
            "refunds": [],
        }
        order["_sandbox"] = {"unrounded": self.settings.round_at_subtotal, "pinned": self.pinned, **note}
        order["tax_lines"] = [self.tax_line(tax) for tax in self.used.values()]
        totals.settle(order)
        self.pay(order)
        return order

    def head(self) -> JSON:
        cart, identifier = self.cart, self.ids.next("post")
        paid = self.at if self.status in (*PAID, *self.settings.plugin_statuses) and self.gateway != "cod" else None
        return {
            "id": identifier,
            "parent_id": 0,
            "status": self.status,
            "currency": cart.currency.presentment,
            "version": self.settings.version,
            "prices_include_tax": self.included if cart.taxes else self.settings.prices_include_tax,
            "date_created_gmt": self.at,
            "date_modified_gmt": self.at,
            "customer_id": customer_id(cart.customer),
            "order_key": f"wc_order_{random_like(identifier, self.at)}",
            "billing": address(cart.billing_address) | contact(cart),
            "shipping": address(cart.shipping_address) | {"phone": ""},
            "payment_method": self.gateway,
            "payment_method_title": TITLES.get(self.gateway, self.gateway),
            "transaction_id": "" if paid is None else f"pi_{random_like(identifier, 'paid')}",
            "customer_ip_address": "192.0.2.17",
            "customer_user_agent": "Mozilla/5.0 (sandbox)",
            "created_via": "store-api" if cart.source == "web" else cart.source,
            "customer_note": cart.note or "",
            "date_completed_gmt": self.at if self.status == "completed" else None,
            "date_paid_gmt": paid,
            "cart_hash": hashlib.sha256(self.at.encode()).hexdigest()[:32],
            "number": str(self.ids.next("number")) if self.settings.own_numbers else str(identifier),
            "meta_data": [self.meta(key, value) for key, value in self.attributes()],
        }

    def attributes(self) -> Iterator[tuple[str, Any]]:
        yield "_wc_order_attribution_source_type", "organic"
        yield "_vat_evidence", {"country": self.country, "checks": ["address", "ip"]}
        yield from self.cart.attributes.items()

    def meta(self, key: str, value: object) -> JSON:
        return {"id": self.ids.next("meta"), "key": key, "value": value}

    # --- goods

    def line(self, line: CartLine, off: Decimal) -> JSON:
        product_id, variation_id = int(line.product_id or 0), int(line.variant_id or 0)
        if line.sku is not None and not product_id:
            product_id = self.ids.next("post")
        identifier = self.ids.next("item")
        if line.sku is not None and not is_listed(line, variation_id or product_id):
            self.pinned[str(identifier)] = {"sku": line.sku, "global_unique_id": line.barcode or ""}
        full = line.price * line.quantity
        before, after = self.split(full, line), self.split(full - off, line)
        return {
            "id": identifier,
            "name": line.title,
            "product_id": product_id,
            "variation_id": variation_id,
            "quantity": line.quantity,
            "tax_class": tax_class(line),
            "subtotal": kept(before.net),
            "subtotal_tax": "0",
            "total": kept(after.net),
            "total_tax": "0",
            "taxes": [
                {"id": i, "total": kept(after.taxes[i]), "subtotal": kept(tax)} for i, tax in before.taxes.items()
            ],
            "meta_data": [self.meta(key, value) for key, value in self.line_meta(line, variation_id)],
        }

    def line_meta(self, line: CartLine, variation_id: int) -> Iterator[tuple[str, Any]]:
        cell = CELL_BY_ID.get(variation_id)
        if cell is not None:
            yield "pa_colour", season.slug(cell.sku.colour.name)
            yield "pa_size", season.slug(cell.sku.size)
        yield from line.properties.items()
        yield "_delivery_estimate", ESTIMATE
        yield "_gross_weight", 0.25
        counted = counting.of(self.ids.connection, variation_id or int(line.product_id or 0))
        if self.status in (*REDUCING, *self.settings.plugin_statuses) and counted is not None:
            yield counting.REDUCED, str(line.quantity)

    def split(self, amount: Decimal, line: CartLine) -> Sum:
        """Takes the tax out of an amount that contains it, or puts it on one that does not."""
        taxes = self.taxes(tax_class(line)) if line.taxable else ()
        share = sum((tax.rate for tax in taxes), NOTHING)
        net = amount / (1 + share) if self.included else amount
        return Sum(net, {tax.id: net * tax.rate for tax in taxes})

    def taxes(self, tax_class: str) -> tuple[Tax, ...]:
        found = tuple(self.tax(rate.title, rate.rate, tax_class) for rate in self.cart.taxes)
        self.used.update({tax.id: tax for tax in found})
        return found

    def tax(self, title: str, rate: Decimal, tax_class: str) -> Tax:
        reduced = REDUCED_RATES.get(self.country) if tax_class and title == "VAT" else None
        rate = rate if reduced is None else reduced
        identifier = 1 + zlib.crc32(f"{self.country}:{title}:{rate}".encode()) % 9_000
        return Tax(identifier, f"{self.country}-{title.upper()}-1", title, rate)

    def tax_line(self, tax: Tax) -> JSON:
        return {
            "id": self.ids.next("item"),
            "rate_code": tax.code,
            "rate_id": tax.id,
            "label": tax.label,
            "compound": False,
            "tax_total": "0",
            "shipping_tax_total": "0",
            "rate_percent": plain(tax.rate * 100),
            "meta_data": [],
        }

    # --- coupons

    def discounts(self) -> list[Decimal]:
        """What each line loses by coupons, in the prices the customer sees."""
        lost = [NOTHING for _ in self.cart.lines]
        for coupon in self.typed():
            for at, amount in enumerate(self.lost_by(coupon)):
                lost[at] = min(lost[at] + amount, full(self.cart.lines[at]))
        return lost

    def typed(self) -> list[Discount]:
        return [one for one in self.cart.discounts if one.kind == "code"]

    def lost_by(self, coupon: Discount) -> list[Decimal]:
        reached = [full(line) if reaches(coupon, at) else NOTHING for at, line in enumerate(self.cart.lines)]
        if coupon.percent is not None:
            return [(amount * coupon.percent / 100).quantize(CENT, ROUND_HALF_DOWN) for amount in reached]
        assert coupon.amount is not None
        return spread(min(coupon.amount, sum(reached, NOTHING)), reached)

    def coupons(self, lines: list[JSON]) -> list[JSON]:
        """One line a coupon; what it took off stands here unrounded, and is inside the lines' totals already."""
        coupons = self.typed()
        off = sum((Decimal(line["subtotal"]) - Decimal(line["total"]) for line in lines), NOTHING)
        off_tax = sum((tax_off(line) for line in lines), NOTHING)
        weights = [sum(self.lost_by(one), NOTHING) for one in coupons]
        whole = sum(weights, NOTHING) or Decimal(1)
        return [
            self.coupon(one, off * weight / whole, off_tax * weight / whole)
            for one, weight in zip(coupons, weights, strict=True)
        ]

    def coupon(self, coupon: Discount, off: Decimal, off_tax: Decimal) -> JSON:
        kind = "percent" if coupon.percent is not None else "fixed_cart"
        worth = plain(coupon.percent if coupon.percent is not None else coupon.amount or NOTHING)
        code = coupon.name.lower()
        coupon_id = 4_000 + zlib.crc32(code.encode()) % 900
        return {
            "id": self.ids.next("item"),
            "code": code,
            "discount": kept(off),
            "discount_tax": kept(off_tax),
            "meta_data": [self.meta("coupon_info", orjson.dumps([coupon_id, code, kind, worth]).decode())],
            "discount_type": kind,
            "nominal_amount": worth,
            "free_shipping": False,
        }

    # --- shipping, fees, what plugins take off

    def shipping(self, one: Shipping) -> JSON:
        free = not one.price
        items = ", ".join(f"{line.title} &times; {line.quantity}" for line in self.cart.lines)
        return {
            "id": self.ids.next("item"),
            "method_title": one.title,
            "method_id": "free_shipping" if free else "flat_rate",
            "instance_id": str(1 + zlib.crc32(one.title.encode()) % 9),
            "total": kept(one.price),
            "total_tax": "0",
            "taxes": [{"id": tax.id, "total": kept(one.price * tax.rate), "subtotal": ""} for tax in self.taxes("")],
            "tax_status": "taxable",
            "meta_data": [self.meta("Items", items)],
        }

    def fees(self) -> list[JSON]:
        return [self.fee(name, amount) for name, amount in self.cart.fees]

    def reductions(self, lines: list[JSON]) -> Iterator[JSON]:
        """A discount without a code is a plugin's: a fee below zero, that takes its tax along."""
        for discount in self.cart.discounts:
            if discount.kind != "code":
                reached = [Decimal(line["total"]) for at, line in enumerate(lines) if reaches(discount, at)]
                off = sum(reached, NOTHING) * (discount.percent or NOTHING) / 100
                yield self.fee(discount.name, -cents(min(discount.amount or off, sum(reached, NOTHING))))

    def fee(self, name: str, amount: Decimal, *, taxable: bool = True) -> JSON:
        taxes = self.taxes("") if taxable else ()
        return {
            "id": self.ids.next("item"),
            "name": name,
            "tax_class": "",
            "tax_status": "taxable" if taxable else "none",
            "amount": kept(amount),
            "total": kept(amount),
            "total_tax": "0",
            "taxes": [{"id": tax.id, "total": kept(amount * tax.rate), "subtotal": ""} for tax in taxes],
            "meta_data": [],
        }

    def pay(self, order: JSON) -> None:
        """Gift cards and store credit: fees below zero without tax, never more than is to pay."""
        for tender in self.cart.tenders:
            if tender.gateway in CREDITS:
                order["fee_lines"].append(self.credit(tender, Decimal(order["total"])))
                totals.settle(order)
        if not Decimal(order["total"]):
            order.update(payment_method="", payment_method_title="", transaction_id="")

    def credit(self, tender: Tender, due: Decimal) -> JSON:
        amount = due if tender.amount is None else min(tender.amount, due)
        return self.fee(CREDITS[tender.gateway], -amount, taxable=False)


def refuse(cart: Cart) -> None:
    """What WooCommerce itself has no place for."""
    if any(line.gift_card or line.duty or line.selling_plan for line in cart.lines):
        raise BadCart("lines: no gift cards, duties or selling plans in this shop")
    if any(one.on != "lines" for one in cart.discounts):
        raise BadCart("discounts: this shop takes them off goods alone")


def opening_status(cart: Cart, gateway: str) -> str:
    """WooCommerce's word for how the order was paid; a cart may name a status itself."""
    if cart.payment == "partially_paid":
        raise BadCart("payment: an order is paid at once or not at all")
    if cart.payment == "paid":
        return "processing"
    if cart.payment in ("pending", "authorized"):
        return "on-hold" if cart.payment == "authorized" or gateway in LATER else "pending"
    return cart.payment


def full(line: CartLine) -> Decimal:
    return line.price * line.quantity


def reaches(discount: Discount, at: int) -> bool:
    return discount.lines is None or at in discount.lines


def tax_off(line: JSON) -> Decimal:
    return sum((Decimal(tax["subtotal"]) - Decimal(tax["total"]) for tax in line["taxes"]), NOTHING)


def tax_class(line: CartLine) -> str:
    cell = CELL_BY_ID.get(int(line.variant_id or line.product_id or 0))
    return "" if cell is None else season.tax_class(cell.sku.style)


def is_listed(line: CartLine, identifier: int) -> bool:
    """Whether the line says of its product what the product says of itself."""
    cell = CELL_BY_ID.get(identifier)
    return cell is not None and line.sku == cell.sku.upc and line.barcode == cell.sku.upc


def address(given: JSON | None) -> JSON:
    return {ours: str((given or {}).get(theirs) or "") for ours, theirs in ADDRESS}


def contact(cart: Cart) -> JSON:
    return {"email": cart.email or "", "phone": str((cart.billing_address or {}).get("phone") or "")}


def customer_id(customer: JSON | None) -> int:
    """0 is a guest; the same person is the same customer."""
    return 0 if customer is None else 2 + zlib.crc32(orjson.dumps(customer, option=orjson.OPT_SORT_KEYS)) % 90_000


def random_like(identifier: int, salt: str) -> str:
    """Thirteen letters that look drawn, and are the same each time."""
    digest = hashlib.sha256(f"{identifier}:{salt}".encode()).digest()
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest[:13])
