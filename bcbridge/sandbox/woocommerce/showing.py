"""From what the shop keeps to what its API shows: the keys of a recorded answer, in its order.

Amounts get their decimals, dates their twin in the shop's time, lines what their product says now, and everything its
links, which hold the address the shop was called by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bcbridge.sandbox.shopping.cart import JSON
from bcbridge.sandbox.woocommerce import dates
from bcbridge.sandbox.woocommerce.amounts import each, shown
from bcbridge.sandbox.woocommerce.season import Shelf
from bcbridge.sandbox.woocommerce.settings import WooCommerceSettings, symbol

ALL = ("GET", "POST", "PUT", "PATCH", "DELETE")
READ_OR_GONE = ("GET", "DELETE")
SUMS = ("discount_total", "discount_tax", "shipping_total", "shipping_tax", "cart_tax", "total", "total_tax")
AMOUNTS = ("subtotal", "subtotal_tax", "total", "total_tax", "tax_total", "shipping_tax_total")
PEOPLE = (
    "payment_method",
    "payment_method_title",
    "transaction_id",
    "customer_ip_address",
    "customer_user_agent",
    "created_via",
    "customer_note",
)
LABELS = {"pa_colour": "Colour", "pa_size": "Size"}
EDITABLE = ("pending", "on-hold", "auto-draft")


@dataclass(frozen=True)
class View:
    """One way of looking: under which address, with how many decimals."""

    settings: WooCommerceSettings
    shelf: Shelf
    home: str
    decimals: int = 2

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.time_zone)

    @property
    def api(self) -> str:
        return f"{self.home}/wp-json/wc/v3"

    def local(self, gmt: str | None) -> str | None:
        return dates.local(gmt, self.zone)

    def amount(self, text: str) -> str:
        return shown(text, self.decimals)

    # --- orders

    def order(self, order: JSON) -> JSON:
        return {
            **{key: order[key] for key in ("id", "parent_id", "status", "currency", "version", "prices_include_tax")},
            "date_created": self.local(order["date_created_gmt"]),
            "date_modified": self.local(order["date_modified_gmt"]),
            **{key: self.amount(order[key]) for key in SUMS},
            **{key: order[key] for key in ("customer_id", "order_key", "billing", "shipping", *PEOPLE)},
            "date_completed": self.local(order["date_completed_gmt"]),
            "date_paid": self.local(order["date_paid_gmt"]),
            **{key: order[key] for key in ("cart_hash", "number", "meta_data")},
            "line_items": [self.goods(order, line) for line in order["line_items"]],
            "tax_lines": [self.money(line) for line in order["tax_lines"]],
            "shipping_lines": [self.charge(line) for line in order["shipping_lines"]],
            "fee_lines": [self.charge(line) for line in order["fee_lines"]],
            "coupon_lines": [self.explained(line) for line in order["coupon_lines"]],
            "refunds": [self.refund_in_short(one) for one in newest_first(order["refunds"])],
            "payment_url": f"{self.home}/checkout/order-pay/{order['id']}/?pay_for_order=true&key={order['order_key']}",
            "is_editable": order["status"] in EDITABLE,
            "needs_payment": order["status"] in ("pending", "failed") and Decimal(order["total"]) > 0,
            "needs_processing": any(self.ids(line)[0] for line in order["line_items"]),
            **{key: order[key] for key in ("date_created_gmt", "date_modified_gmt")},
            **{key: order[key] for key in ("date_completed_gmt", "date_paid_gmt")},
            "currency_symbol": symbol(order["currency"]),
            "_links": self.order_links(order["id"]),
        }

    def ids(self, line: JSON) -> tuple[int, int]:
        """Product and variation, 0 for each that is no longer there."""
        product_id, variation_id = line["product_id"], line["variation_id"]
        there = self.shelf.products
        return product_id if product_id in there else 0, variation_id if variation_id in there else 0

    def goods(self, order: JSON, line: JSON) -> JSON:
        product_id, variation_id = self.ids(line)
        live = self.shelf.live(product_id, variation_id)
        shown = {
            **{key: line[key] for key in ("id", "name")},
            "product_id": product_id,
            "variation_id": variation_id,
            **{key: line[key] for key in ("quantity", "tax_class")},
            **{key: self.amount(line[key]) for key in ("subtotal", "subtotal_tax", "total", "total_tax")},
            "taxes": self.taxes(line),
            "meta_data": [explained(one) for one in line["meta_data"]],
            "sku": live and live.sku,
            "global_unique_id": live and live.gtin,
            "price": each(line["total"], line["quantity"]),
            "image": {"id": 0, "src": ""},
            "parent_name": live and live.parent_name,
        }
        pinned = order["_sandbox"].get("pinned", {}).get(str(line["id"]))
        if pinned is not None:
            shown |= {**{key: line[key] for key in ("product_id", "variation_id")}, **pinned}
        return shown

    def money(self, line: JSON) -> JSON:
        return {key: self.amount(value) if key in AMOUNTS else value for key, value in line.items()}

    def charge(self, line: JSON) -> JSON:
        return self.explained({**self.money(line), "taxes": self.taxes(line)})

    def taxes(self, line: JSON) -> list[JSON]:
        """The tax of a shipping line or a fee has no subtotal: an empty text."""
        return [
            {
                key: tax[key] if key == "id" else tax[key] and self.amount(tax[key])
                for key in ("id", "total", "subtotal")
            }
            for tax in line["taxes"]
        ]

    @staticmethod
    def explained(line: JSON) -> JSON:
        return {**line, "meta_data": [explained(one) for one in line["meta_data"]]}

    def refund_in_short(self, one: JSON) -> JSON:
        return {"id": one["id"], "reason": one["reason"], "total": self.amount(one["total"])}

    def order_links(self, identifier: int) -> JSON:
        own = f"{self.api}/orders/{identifier}"
        mails = {"embeddable": True, "href": f"{own}/actions/email_templates"}
        return links(own, ALL, f"{self.api}/orders") | {"email_templates": [mails]}

    # --- refunds and notes

    def refund(self, refund: JSON, order: JSON, *, with_parent: bool = False) -> JSON:
        of = f"{self.api}/orders/{refund['order_id']}"
        return {
            "id": refund["id"],
            **({"parent_id": refund["order_id"]} if with_parent else {}),
            "date_created": self.local(refund["date_created_gmt"]),
            "date_created_gmt": refund["date_created_gmt"],
            "amount": self.amount(refund["amount"]),
            **{key: refund[key] for key in ("reason", "refunded_by", "refunded_payment", "meta_data")},
            "line_items": [self.goods(order, line) for line in refund["line_items"]],
            "shipping_lines": [self.charge(line) for line in refund["shipping_lines"]],
            "tax_lines": [self.money(line) for line in refund["tax_lines"]],
            "fee_lines": [self.charge(line) for line in refund["fee_lines"]],
            "_links": links(f"{of}/refunds/{refund['id']}", READ_OR_GONE, f"{of}/refunds", up=of),
        }

    def note(self, note: JSON, order_id: int) -> JSON:
        of = f"{self.api}/orders/{order_id}"
        return {
            "id": note["id"],
            "author": note["author"],
            "date_created": self.local(note["date_created_gmt"]),
            "date_created_gmt": note["date_created_gmt"],
            "note": note["note"],
            "customer_note": note["customer_note"],
            "_links": links(f"{of}/notes/{note['id']}", READ_OR_GONE, f"{of}/notes", up=of),
        }

    # --- webhooks

    def webhook(self, hook: JSON) -> JSON:
        """Never with its secret."""
        plain = ("id", "name", "status", "topic", "resource", "event", "hooks", "delivery_url")
        return {
            **{key: hook[key] for key in plain},
            "date_created": self.local(hook["date_created_gmt"]),
            "date_created_gmt": hook["date_created_gmt"],
            "date_modified": self.local(hook["date_modified_gmt"]),
            "date_modified_gmt": hook["date_modified_gmt"],
            "_links": links(f"{self.api}/webhooks/{hook['id']}", ALL, f"{self.api}/webhooks"),
        }

    # --- products

    def product(self, kept: JSON) -> JSON:
        """As ``/products`` shows it, variations too."""
        parent = kept["parent_id"]
        up = f"{self.api}/products/{parent}" if parent else None
        document: JSON = {}
        for key, value in kept.items():
            if key in ("date_created_gmt", "date_modified_gmt"):
                document[key.removesuffix("_gmt")] = self.local(value)
            document[key] = value
            if key == "slug":
                document["permalink"] = self.permalink(kept)
        return document | {"_links": links(f"{self.api}/products/{kept['id']}", ALL, f"{self.api}/products", up=up)}

    def permalink(self, kept: JSON) -> str:
        return f"{self.home}/product/{kept['slug']}/"

    def variation(self, kept: JSON) -> JSON:
        """As ``/products/{id}/variations`` shows it: fewer keys, another order, a name of its own."""
        whole, of = self.product(kept), f"{self.api}/products/{kept['parent_id']}"
        return {
            **{key: whole[key] for key in VARIATION[: VARIATION.index("image")]},
            "image": None,
            **{key: whole[key] for key in ("attributes", "menu_order", "meta_data")},
            "name": ", ".join(one["option"] for one in kept["attributes"]),
            "parent_id": kept["parent_id"],
            "_links": links(f"{of}/variations/{kept['id']}", ALL, f"{of}/variations", up=of),
        }


VARIATION = (
    *("id", "type", "date_created", "date_created_gmt", "date_modified", "date_modified_gmt", "description"),
    *("permalink", "sku", "global_unique_id", "price", "regular_price", "sale_price"),
    *("date_on_sale_from", "date_on_sale_from_gmt", "date_on_sale_to", "date_on_sale_to_gmt", "on_sale", "status"),
    *("purchasable", "virtual", "downloadable", "downloads", "download_limit", "download_expiry", "tax_status"),
    *("tax_class", "manage_stock", "stock_quantity", "stock_status", "backorders", "backorders_allowed"),
    *("backordered", "low_stock_amount", "weight", "dimensions", "shipping_class", "shipping_class_id", "image"),
)


def explained(meta: JSON) -> JSON:
    """Attributes have a label for people; all other meta data says itself again, whatever it is."""
    label = LABELS.get(meta["key"])
    if label is None:
        return {**meta, "display_key": meta["key"], "display_value": meta["value"]}
    value = str(meta["value"])
    return {**meta, "display_key": label, "display_value": value.upper() if label == "Size" else value.title()}


def newest_first(refunds: Sequence[JSON]) -> list[JSON]:
    """By their second, the latest first; within one second as they were made."""
    return sorted(sorted(refunds, key=lambda one: one["id"]), key=lambda one: one["at"], reverse=True)


def links(own: str, methods: Sequence[str], collection: str, *, up: str | None = None) -> JSON:
    found: dict[str, Any] = {
        "self": [{"href": own, "targetHints": {"allow": list(methods)}}],
        "collection": [{"href": collection}],
    }
    return found if up is None else found | {"up": [{"href": up}]}


def trimmed(document: JSON, fields: Iterable[str]) -> JSON:
    """``_fields``: these keys alone, ``billing.email`` for one inside."""
    wanted: dict[str, list[str]] = {}
    for name in fields:
        head, _, rest = name.strip().partition(".")
        wanted.setdefault(head, []).append(rest)
    return {
        key: value if "" in wanted[key] else inside(value, wanted[key])
        for key, value in document.items()
        if key in wanted
    }


def inside(value: Any, fields: list[str]) -> Any:
    if isinstance(value, list):
        return [inside(one, fields) for one in value]
    return trimmed(value, fields) if isinstance(value, dict) else value
