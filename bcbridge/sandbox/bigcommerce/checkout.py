"""From a cart to an order document.

The document is the v2 order with the vendor's field names, and inside it, as lists, what the API shows at addresses
of their own: ``products``, ``shipping_addresses``, ``coupons``, ``taxes``, ``fees``, ``shipments``, ``refunds``,
``transactions``. What only the sandbox knows lies under ``_sandbox`` and never leaves through the API.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime

from bcbridge.sandbox.bigcommerce import payment, totals, world
from bcbridge.sandbox.bigcommerce.basket import Basket, Goods, as_basket
from bcbridge.sandbox.bigcommerce.money import four
from bcbridge.sandbox.bigcommerce.statuses import INCOMPLETE, set_status
from bcbridge.sandbox.shopping.cart import JSON, Cart, CartLine, Discount

WRAPPING = "Gift wrap"
TEXT_OPTION = 37


def stamp(at: datetime) -> str:
    """RFC 2822 in UTC, as v2 writes dates."""
    return format_datetime(at)


def place(cart: Cart, *, number: int, at: datetime, note: JSON | None = None) -> JSON:
    """The order document of a cart, placed at ``at`` (UTC, whole seconds)."""
    basket = as_basket(cart)
    order = header(basket, number, at, note or {})
    order["shipping_addresses"] = [shipping_address(order, basket, at_) for at_ in range(len(basket.addresses))]
    order["products"] = products(order, basket)
    order["fees"] = [fee(order, name, price) for name, price in basket.fees]
    if order["shipping_addresses"]:
        order["shipping_addresses"][0]["base_handling_cost"] = four(basket.handling)
    order["_sandbox"]["shapes"] = shapes(basket)
    totals.settle(order)
    payment.take(order, basket, at)
    return order


def next_id(order: JSON) -> int:
    """Ids of an order's parts: unlike any other order's, and never given twice."""
    order["_sandbox"]["ids"] += 1
    return int(order["id"]) * 1_000 + int(order["_sandbox"]["ids"])


def header(basket: Basket, number: int, at: datetime, note: JSON) -> JSON:
    order = {
        "id": number,
        "customer_id": number + 5_000 if basket.customer else 0,
        **dict.fromkeys(("date_created", "date_modified"), stamp(at)),
        "date_shipped": "",
        "order_is_digital": all(not line.ships for line in basket.lines),
        **currencies(basket),
        "is_tax_inclusive_pricing": basket.taxes_included,
        "items_shipped": 0,
        "payment_method": "",
        "payment_provider_id": "",
        "payment_status": "",
        "refunded_amount": "0.0000",
        **dict.fromkeys(("store_credit_amount", "gift_certificate_amount"), "0.0000"),
        "ip_address": "203.0.113.7",
        "ip_address_v6": "",
        "geoip_country": "United States",
        "geoip_country_iso2": "US",
        "staff_notes": "",
        "customer_message": remark(basket),
        "ebay_order_id": "0",
        "cart_id": f"a8458391-ef68-4fe5-9ec1-{number:012x}",
        "billing_address": {**address(basket.billing_address, basket), "form_fields": []},
        "is_email_opt_in": "newsletter" in basket.tags,
        "credit_card_type": None,
        "order_source": basket.source if basket.source != "web" else "www",
        "channel_id": basket.channel,
        **dict.fromkeys(("external_id", "external_merchant_id", "external_source")),
        "external_order_id": "",
        "tax_provider_id": "BasicTaxProvider",
        "customer_locale": "en",
        "is_deleted": False,
        **{name: [] for name in ("coupons", "taxes", "shipments", "refunds", "transactions")},
        "_sandbox": {
            "ids": 0,
            "unbookable": [],
            "rates": [[rate.title, str(rate.rate)] for rate in basket.taxes],
            "discounts": [discount(one) for one in basket.discounts],
            "creditDeducted": basket.credit_deducted,
            **note,
        },
    }
    set_status(order, INCOMPLETE)
    return order


def remark(basket: Basket) -> str:
    """What a customer wrote, and what a storefront's questions were answered: one field for both."""
    answers = [f"{key}: {value}" for key, value in basket.attributes.items()]
    return "\n".join([*([basket.note] if basket.note else []), *answers])


def currencies(basket: Basket) -> JSON:
    """The transactional currency is the ``default_`` one; ``currency_code`` is what the shopper saw (2.3)."""
    paid, shop = basket.currency.presentment, basket.currency.shop
    seen = basket.display or paid
    worth = Decimal(1) if seen == paid else world.RATES.get(seen, Decimal(1)) ** -1
    return {
        "currency_id": world.CURRENCIES.get(seen, 9),
        "currency_code": seen,
        "currency_exchange_rate": f"{worth:.10f}",
        "default_currency_id": world.CURRENCIES.get(paid, 9),
        "default_currency_code": paid,
        "store_default_currency_code": shop,
        "store_default_to_transactional_exchange_rate": f"{1 / basket.currency.rate:.10f}",
    }


def address(parts: JSON | None, basket: Basket) -> JSON:
    """What is not known is an empty string here, never null."""
    parts = parts or {}
    return {
        "first_name": parts.get("firstName") or "",
        "last_name": parts.get("lastName") or "",
        "company": parts.get("company") or "",
        "street_1": parts.get("address1") or "",
        "street_2": parts.get("address2") or "",
        "city": parts.get("city") or "",
        "state": parts.get("province") or "",
        "zip": parts.get("zip") or "",
        "country": parts.get("country") or "",
        "country_iso2": parts.get("countryCodeV2") or "",
        "phone": parts.get("phone") or "",
        "email": basket.email or "",
    }


def shipping_address(order: JSON, basket: Basket, at: int) -> JSON:
    """One place to send to, with what sending there costs; ways of shipping beyond the first are the first's again."""
    ways = basket.shipping
    way = ways[min(at, len(ways) - 1)] if ways else None
    return {
        "id": next_id(order),
        "order_id": order["id"],
        **address(basket.addresses[at], basket),
        "items_shipped": 0,
        "shipping_method": way.title if way else "None",
        "base_cost": four(way.price if way else Decimal(0)),
        "cost_tax_class_id": 2,
        "base_handling_cost": "0.0000",
        "handling_cost_tax_class_id": 2,
        "shipping_zone_id": 1,
        "shipping_zone_name": basket.addresses[at].get("country") or "",
        "form_fields": [],
    }


def products(order: JSON, basket: Basket) -> list[JSON]:
    """The cart's lines in their order, then the parts of its bundles."""
    goods = [one for one in basket.lines if isinstance(one, Goods)]
    lines = [line(order, one) for one in goods]
    parts = [
        line(order, part, to=one.to, parent=parent)
        for parent, one in zip(lines, goods, strict=True)
        for part in one.parts
    ]
    return lines + parts


def line(order: JSON, goods: CartLine, *, to: int | None = None, parent: JSON | None = None) -> JSON:
    own = goods if isinstance(goods, Goods) else Goods(goods.title, goods.price)
    places = order["shipping_addresses"]
    place = places[to if to is not None else own.to]["id"] if places and goods.ships else 0
    identifier = next_id(order)
    known = {"variant_id": int(goods.variant_id)} if goods.variant_id else {}
    name = goods.title
    return {
        "id": identifier,
        "order_id": order["id"],
        "product_id": int(goods.product_id or 0),
        **known,
        "order_pickup_method_id": 0,
        "order_address_id": place,
        **dict.fromkeys(("name", "name_customer", "name_merchant"), name),
        "sku": (own.base_sku or goods.sku) or "",
        "upc": "" if own.base_sku else goods.barcode or "",
        "type": kind(own),
        "base_price": four(goods.price),
        "quantity": goods.quantity,
        **dict.fromkeys(("base_cost_price", "cost_price_inc_tax", "cost_price_ex_tax", "cost_price_tax"), "0.0000"),
        **dict.fromkeys(("weight", "width", "height", "depth"), "1.0000"),
        "is_refunded": False,
        "quantity_refunded": 0,
        "refund_amount": "0.0000",
        "return_id": 0,
        "wrapping_id": 1 if own.wrapping else 0,
        "wrapping_name": WRAPPING if own.wrapping else "",
        "base_wrapping_cost": four(own.wrapping * goods.quantity),
        "wrapping_message": "",
        "quantity_shipped": 0,
        **dict.fromkeys(("event_name", "event_date", "option_set_id", "external_id")),
        "fixed_shipping_cost": "0.0000",
        **dict.fromkeys(("ebay_item_id", "ebay_transaction_id", "bin_picking_number"), ""),
        "parent_order_product_id": parent["id"] if parent else None,
        "is_bundled_product": parent is not None,
        "brand": goods.vendor or "",
        "applied_discounts": [],
        "product_options": options(goods, identifier),
        "configurable_fields": [],
        "gift_certificate_id": identifier if goods.gift_card else None,
        "_taxed": goods.taxable,
        "_location": goods.location,
    }


def kind(goods: Goods) -> str:
    if goods.gift_card:
        return "giftcertificate"
    return "digital" if goods.digital else "physical"


def options(goods: CartLine, order_product_id: int) -> list[JSON]:
    """What was chosen: the variant's colour and size, and what the shopper typed."""
    cell = world.CELL_BY_VARIANT.get(int(goods.variant_id or 0))
    chosen = [] if cell is None else list(zip(("Swatch", "Multiple choice"), world.option_values(cell), strict=True))
    found = [
        option(
            order_product_id,
            order_product_id * 10 + at,
            value["option_id"],
            value["option_display_name"],
            value["label"],
            str(value["id"]),
            way,
        )
        for at, (way, value) in enumerate(chosen)
    ]
    for at, (key, value) in enumerate(goods.properties.items(), start=len(found)):
        found.append(option(order_product_id, order_product_id * 10 + at, TEXT_OPTION, key, value, value, "Text field"))
    return found


def option(order_product_id: int, identifier: int, option_id: int, name: str, shown: str, value: str, way: str) -> JSON:
    return {
        "id": identifier,
        "option_id": option_id,
        "order_product_id": order_product_id,
        "product_option_id": option_id + 80,
        **dict.fromkeys(("display_name", "display_name_customer", "display_name_merchant"), name),
        **dict.fromkeys(("display_value", "display_value_customer", "display_value_merchant"), shown),
        "value": value,
        "type": way,
        "name": name,
        "display_style": "",
    }


def fee(order: JSON, name: str, price: Decimal) -> JSON:
    cost = dict.fromkeys(("base_cost", "cost_ex_tax", "cost_inc_tax"), four(price))
    return {
        "id": next_id(order),
        "type": "custom_fee",
        "display_name_customer": name,
        "display_name_merchant": name,
        "source": "AA",
        **cost,
        "cost_tax": "0.0000",
        "tax_class_id": None,
    }


def discount(one: Discount) -> JSON:
    """What `totals.settle` reckons with, again after every change of the lines."""
    return {
        "kind": one.kind,
        "name": one.name,
        "percent": None if one.percent is None else str(one.percent),
        "amount": None if one.amount is None else str(one.amount),
        "on": one.on,
        "lines": None if one.lines is None else list(one.lines),
    }


def shapes(basket: Basket) -> list[str]:
    """What is special about the order, by name, for whoever looks for one of a kind in the books."""
    goods = [one for one in basket.lines if isinstance(one, Goods)]
    paid_by = {tender.gateway for tender in basket.tenders}
    found = {
        "several_addresses": len(basket.addresses) > 1,
        "bundle": any(one.parts for one in goods),
        "digital": any(one.digital for one in goods),
        "base_sku": any(one.base_sku for one in goods),
        "wrapping": any(one.wrapping for one in goods),
        "handling": bool(basket.handling),
        "gift_certificate_bought": any(one.gift_card for one in goods),
        "gift_certificate_used": "gift_certificate" in paid_by,
        "store_credit": "store_credit" in paid_by,
        "credit_deducted": basket.credit_deducted,
        "display_currency": basket.display is not None,
        "tax_inclusive": basket.taxes_included,
        "fee": bool(basket.fees),
        "manual_discount": any(one.kind == "manual" for one in basket.discounts),
        "promotion": any(one.kind == "automatic" for one in basket.discounts),
        "coupon": any(one.kind == "code" for one in basket.discounts),
        "abandoned": basket.abandoned,
    }
    return [name for name, is_so in found.items() if is_so]
