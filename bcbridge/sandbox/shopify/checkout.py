"""From a cart to an order document, as the Admin API shows it.

The document has the vendor's field names throughout; what is a connection in GraphQL is a plain list here.
What only the sandbox knows lies under ``_sandbox`` and never leaves through GraphQL or a webhook. Steps:
header, lines, discounts, taxes, charges, fulfilment orders, the first sales agreement, payment, totals.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bcbridge.sandbox.shopify import agreements, fulfilment, payment, totals, world
from bcbridge.sandbox.shopify.bag import JSON, NOTHING, Bag, Currency, read, total
from bcbridge.sandbox.shopify.gid import gid, next_id, order_id
from bcbridge.sandbox.shopping.cart import Cart, CartLine, Discount, Rate, Shipping

APPLICATIONS = {
    "code": ("DiscountCodeApplication", "code"),
    "automatic": ("AutomaticDiscountApplication", "title"),
    "manual": ("ManualDiscountApplication", "title"),
    "script": ("ScriptDiscountApplication", "title"),
}


def place(cart: Cart, *, number: int, at: str, locations: list[JSON], note: JSON | None = None) -> JSON:
    """The order document of ``cart``: ``number`` 1001 makes ``#1001``, ``at`` is an RFC 3339 time in UTC.

    ``note`` goes under ``_sandbox`` (plan, seed, index, what was made unbookable on purpose).
    """
    order = header(cart, number, at, note or {})
    currency = Currency(*cart.currency)
    order["lineItems"] = [line(order, one, currency) for one in cart.lines]
    order["shippingLines"] = [shipping_line(order, one, currency) for one in cart.shipping]
    for at_index, discount in enumerate(cart.discounts):
        discounted(order, discount, at_index, currency)
    for taxable in [one for one in order["lineItems"] if one["taxable"]]:
        taxable["taxLines"] = line_taxes(taxable, cart)
    for shipping in order["shippingLines"]:
        shipping["taxLines"] = tax_lines(shipping_net(shipping), cart.taxes, cart)
    add_tip(order, cart)
    order["additionalFees"] = [fee(order, name, price, currency) for name, price in cart.fees]
    order["totalCashRoundingAdjustment"] = {
        "paymentSet": currency.money(currency.bag(cart.rounding)),
        "refundSet": currency.money(NOTHING),
    }
    order["fulfillmentOrders"] = fulfilment.route(order, cart, locations)
    totals.settle_lines(order)
    agreements.opened(order, at)
    totals.settle(order)
    order["originalTotalPriceSet"] = order["currentTotalPriceSet"]
    payment.take(order, cart, at)
    totals.settle(order)
    return order


def header(cart: Cart, number: int, at: str, note: JSON) -> JSON:
    identifier = order_id(number)
    return {
        "id": gid("Order", identifier),
        "legacyResourceId": str(identifier),
        "name": f"#{number}",
        "number": number,
        "confirmationNumber": confirmation(number),
        "poNumber": None,
        "sourceName": cart.source,
        "sourceIdentifier": None,
        "app": {"id": gid("App", 580111), "name": "Online Store"},
        "publication": {"id": gid("Publication", 46_028_587_064)},
        "retailLocation": None,
        **dict.fromkeys(("createdAt", "processedAt", "updatedAt"), at),
        **dict.fromkeys(("cancelledAt", "cancelReason", "closedAt")),
        "closed": False,
        "test": cart.test,
        "confirmed": True,
        "edited": False,
        "displayFinancialStatus": "PENDING",
        "displayFulfillmentStatus": "UNFULFILLED",
        "returnStatus": "NO_RETURN",
        "currencyCode": cart.currency.shop,
        "presentmentCurrencyCode": cart.currency.presentment,
        "taxesIncluded": cart.taxes_included,
        "taxExempt": False,
        "dutiesIncluded": False,
        "tags": list(cart.tags),
        "note": cart.note,
        "customAttributes": attributes(cart.attributes),
        "discountCodes": [one.name for one in cart.discounts if one.kind == "code"],
        "discountApplications": [],
        "paymentGatewayNames": [],
        "email": cart.email,
        "phone": None,
        **people(cart, identifier),
        "fulfillments": [],
        "transactions": [],
        "refunds": [],
        "returns": [],
        "agreements": [],
        "_sandbox": {"ids": 100, "rate": str(cart.currency.rate), "unbookable": [], **note},
    }


def confirmation(number: int) -> str:
    """Nine letters and digits that look drawn and are not."""
    alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    mixed = number * 2_654_435_761 % 2**45
    return "".join(alphabet[(mixed >> (5 * place_)) & 31] for place_ in range(9))


def people(cart: Cart, identifier: int) -> JSON:
    customer = cart.customer and {
        "id": gid("Customer", identifier + 1),
        "legacyResourceId": str(identifier + 1),
        "displayName": f"{cart.customer.get('firstName', '')} {cart.customer.get('lastName', '')}".strip(),
        "firstName": cart.customer.get("firstName"),
        "lastName": cart.customer.get("lastName"),
        "tags": cart.customer.get("tags", []),
    }
    return {
        "customer": customer,
        "billingAddress": address(cart.billing_address, identifier + 2),
        "shippingAddress": address(cart.shipping_address, identifier + 3),
    }


def address(parts: JSON | None, identifier: int) -> JSON | None:
    if parts is None:
        return None
    name = " ".join(part for part in (parts.get("firstName"), parts.get("lastName")) if part)
    return {"id": gid("MailingAddress", identifier), "name": name, **parts}


def attributes(pairs: Any) -> list[JSON]:
    return [{"key": key, "value": value} for key, value in pairs.items()]


def line(order: JSON, cart_line: CartLine, currency: Currency) -> JSON:
    unit = currency.bag(cart_line.price)
    name = " - ".join(part for part in (cart_line.title, cart_line.variant_title) if part)
    return {
        "id": next_id(order, "LineItem"),
        "sku": cart_line.sku,
        "name": name,
        "title": cart_line.title,
        "variantTitle": cart_line.variant_title,
        "vendor": cart_line.vendor,
        **dict.fromkeys(("quantity", "currentQuantity"), cart_line.quantity),
        "requiresShipping": cart_line.ships,
        "taxable": cart_line.taxable,
        "isGiftCard": cart_line.gift_card,
        "variant": variant(cart_line),
        "product": cart_line.product_id and {"id": cart_line.product_id},
        "originalUnitPriceSet": currency.money(unit),
        "originalTotalSet": currency.money(unit.times(cart_line.quantity)),
        "discountAllocations": [],
        "taxLines": [],
        "duties": [duty(order, cart_line.duty, currency)] if cart_line.duty else [],
        "customAttributes": attributes(cart_line.properties),
        "sellingPlan": cart_line.selling_plan and {"name": cart_line.selling_plan, "sellingPlanId": None},
        "lineItemGroup": None,
    }


def variant(cart_line: CartLine) -> JSON | None:
    """What the line points to. Codes are the variant's of today, unless the cart insists on others."""
    if cart_line.variant_id is None:
        return None
    codes = {"sku": cart_line.sku, "barcode": cart_line.barcode}
    usual = world.UPC_OF_VARIANT.get(cart_line.variant_id)
    own = {} if codes == {"sku": usual, "barcode": usual} else codes
    return {"id": cart_line.variant_id, "inventoryItem": {"id": cart_line.inventory_item_id}, **own}


def duty(order: JSON, price: Decimal, currency: Currency) -> JSON:
    return {
        "id": next_id(order, "Duty"),
        "countryCodeOfOrigin": "PT",
        "harmonizedSystemCode": "620342",
        "price": currency.money(currency.bag(price)),
        "taxLines": [],
    }


def fee(order: JSON, name: str, price: Decimal, currency: Currency) -> JSON:
    money = currency.money(currency.bag(price))
    return {"id": next_id(order, "AdditionalFee"), "name": name, "price": money, "taxLines": []}


def shipping_line(order: JSON, shipping: Shipping, currency: Currency) -> JSON:
    money = currency.money(currency.bag(shipping.price))
    return {
        "id": next_id(order, "ShippingLine"),
        "title": shipping.title,
        "code": shipping.code or shipping.title,
        "source": "shopify",
        "custom": False,
        "isRemoved": False,
        "originalPriceSet": money,
        "discountAllocations": [],
        "taxLines": [],
    }


# --- discounts


def discounted(order: JSON, discount: Discount, index: int, currency: Currency) -> None:
    """Allocates one discount over what it is entitled to; the allocations sum to it exactly, on both sides."""
    targets = entitled(order, discount)
    prices = [remaining(target) for target in targets]
    worth = value_of(discount, total(prices), currency)
    if worth.empty:
        return
    application = discount_application(discount, index, currency)
    order["discountApplications"].append(application)
    for target, share in zip(targets, worth.spread(prices), strict=True):
        allocation = {"allocatedAmountSet": currency.money(share), "discountApplication": application}
        target["discountAllocations"] += [] if share.empty else [allocation]


def entitled(order: JSON, discount: Discount) -> list[JSON]:
    if discount.on == "shipping":
        return list(order["shippingLines"])
    lines = [one for one in order["lineItems"] if not one["isGiftCard"]]
    if discount.lines is None:
        return lines
    return [order["lineItems"][at] for at in discount.lines]


def remaining(target: JSON) -> Bag:
    price = read(target.get("originalTotalSet") or target["originalPriceSet"])
    return price.minus(allocated(target))


def allocated(target: JSON) -> Bag:
    return total(read(one["allocatedAmountSet"]) for one in target["discountAllocations"])


def value_of(discount: Discount, base: Bag, currency: Currency) -> Bag:
    if discount.percent is not None:
        return base.part(discount.percent / 100)
    worth = currency.bag(discount.amount or Decimal(0))
    return base if worth.presentment >= base.presentment else worth


def discount_application(discount: Discount, index: int, currency: Currency) -> JSON:
    kind, name_field = APPLICATIONS[discount.kind]
    value: JSON = {"__typename": "PricingPercentageValue", "percentage": float(discount.percent or 0)}
    if discount.amount is not None:
        worth = f"{discount.amount:.2f}"
        value = {"__typename": "MoneyV2", "amount": worth, "currencyCode": currency.presentment}
    return {
        "__typename": kind,
        "index": index,
        name_field: discount.name,
        "allocationMethod": "ACROSS" if discount.lines is None else "EACH",
        "targetSelection": "ALL" if discount.lines is None else "ENTITLED",
        "targetType": "SHIPPING_LINE" if discount.on == "shipping" else "LINE_ITEM",
        "value": value,
        **({"description": discount.name} if discount.kind == "manual" else {}),
    }


# --- taxes and charges


def line_taxes(one: JSON, cart: Cart) -> list[JSON]:
    return tax_lines(remaining(one), cart.taxes, cart)


def shipping_net(shipping: JSON) -> Bag:
    return remaining(shipping)


def tax_lines(base: Bag, rates: Iterable[Rate], cart: Cart) -> list[JSON]:
    """Tax on ``base``, or inside it where prices include tax; each line's tax is rounded by itself."""
    rates = list(rates)
    whole = 1 + sum((rate.rate for rate in rates), Decimal(0)) if cart.taxes_included else Decimal(1)
    money = Currency(*cart.currency).money
    return [
        {
            "title": rate.title,
            "rate": float(rate.rate),
            "ratePercentage": float(rate.rate * 100),
            "priceSet": money(base.part(rate.rate / whole)),
            "channelLiable": False,
            "source": None,
        }
        for rate in rates
    ]


def add_tip(order: JSON, cart: Cart) -> None:
    """A tip is a line without variant that nobody ships, and a header sum besides (NOTES edge case 27)."""
    currency = Currency(*cart.currency)
    order["totalTipReceivedSet"] = currency.money(currency.bag(cart.tip))
    if cart.tip:
        tip = CartLine(title="Tip", price=cart.tip, taxable=False, ships=False)
        order["lineItems"].append(line(order, tip, currency))
