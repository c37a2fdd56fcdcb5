"""Shopify ringing: who may ring, and which order to look at. Nothing of a body is used but ids and its stamp.

A delivery is signed over its raw bytes with the app's client secret; two secrets are valid while one is being
replaced (contracts/shopify/NOTES.md 1.3). Bodies are REST-shaped, late, doubled and out of order by nature, so each
becomes "look at this order". Numeric ids are 64-bit: a body whose number went through a float is seen by its fraction
or exponent, and ``admin_graphql_api_id`` is preferred wherever it stands.

Fulfilment orders do not name their order in the body: their notification wakes the order lists (noun without ref),
whose list of changed fulfilment orders does. Topics this room does not know are let in and counted (noun None).
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bcbridge.connectors.base import Notification, RawRequest, Refused
from bcbridge.connectors.shopify.detail import ORDERS
from bcbridge.model.ids import Ref

TOPIC = "x-shopify-topic"
SIGNATURE = "x-shopify-hmac-sha256"
SHOP = "x-shopify-shop-domain"
VERSION = "x-shopify-api-version"
DELIVERY = "x-shopify-webhook-id"
NEEDED = (TOPIC, SHOP, VERSION, DELIVERY)
"""Besides the signature: what Shopify's own library requires."""

ORDER_GID = re.compile(r"gid://shopify/Order/\d+")
LARGEST_ID = 2**64

Body = Mapping[str, Any]


class Webhook:
    """The door of one shop. ``secrets``: the keys a delivery may be signed with."""

    def __init__(self, shop: str, secrets: Sequence[str]) -> None:
        self._shop = shop
        self._secrets = tuple(secret.encode() for secret in secrets)

    def open(self, request: RawRequest) -> Notification | Refused:
        """Signature first, over the untouched bytes; then the shop, the headers, the body."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.method != "POST":
            return Refused(405, "only POST")
        if not self._is_signed(request.body, headers.get(SIGNATURE, "")):
            return Refused(401, "not signed with a key of this shop")
        missing = [name for name in NEEDED if not headers.get(name)]
        if missing:
            return Refused(400, f"without {', '.join(missing)}")
        if headers[SHOP].lower() != self._shop:
            return Refused(401, "of another shop")
        return _notification(headers[TOPIC].lower(), headers[DELIVERY], request.body)

    def _is_signed(self, body: bytes, signature: str) -> bool:
        """Under one of the keys, each compared in constant time."""
        given = signature.encode("utf-8", "replace")
        made = [base64.b64encode(hmac.digest(secret, body, "sha256")) for secret in self._secrets]
        return any(hmac.compare_digest(given, one) for one in made)


def _notification(topic: str, delivery: str, body: bytes) -> Notification | Refused:
    content = _content(body)
    if content is None:
        return Refused(400, "the body is not a JSON object")
    about = ABOUT.get(topic)
    if about is None:
        wakes = ORDERS if topic.startswith("fulfillment_orders/") else None
        return Notification(topic, delivery, wakes, None, None)
    ref = about(content)
    if ref is None:
        return Refused(400, "the body names no order")
    stamp = _stamp(content) if topic.startswith("orders/") else None
    return Notification(topic, delivery, ORDERS, ref, stamp, gone=topic == "orders/delete")


def _content(body: bytes) -> Body | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _order_itself(body: Body) -> Ref | None:
    gid = body.get("admin_graphql_api_id")
    if isinstance(gid, str) and ORDER_GID.fullmatch(gid):
        return Ref(gid)
    return _by_number(body.get("id"))


def _of_order(body: Body) -> Ref | None:
    return _by_number(body.get("order_id"))


def _edited_order(body: Body) -> Ref | None:
    edit = body.get("order_edit")
    return _of_order(edit) if isinstance(edit, dict) else None


def _by_number(number: object) -> Ref | None:
    """A whole number (a bool is one in Python, but no id), or its digits as text; never a float."""
    if isinstance(number, str) and number.isascii() and number.isdigit():
        number = int(number[:20])
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < LARGEST_ID:
        return None
    return Ref(f"gid://shopify/Order/{number}")


def _stamp(body: Body) -> datetime | None:
    """Their ``updated_at`` if it is there and tells its zone."""
    given = body.get("updated_at")
    try:
        stamp = datetime.fromisoformat(given) if isinstance(given, str) else None
        return stamp.astimezone(UTC) if stamp is not None and stamp.tzinfo else None
    except (ValueError, OverflowError):
        return None


ABOUT: Mapping[str, Callable[[Body], Ref | None]] = {
    "orders/create": _order_itself,
    "orders/updated": _order_itself,
    "orders/paid": _order_itself,
    "orders/cancelled": _order_itself,
    "orders/fulfilled": _order_itself,
    "orders/partially_fulfilled": _order_itself,
    "orders/delete": _order_itself,
    "orders/edited": _edited_order,
    "refunds/create": _of_order,
    "order_transactions/create": _of_order,
    "fulfillments/create": _of_order,
    "fulfillments/update": _of_order,
}
"""Where each topic's body names the order (contracts/shopify/payloads)."""
