"""WooCommerce ringing: who may ring, and which order to look at. Nothing of a body is used but its id and its stamp.

A delivery is signed over its raw bytes with the secret its webhook was made with; the headers are not (contract 1.9).
So what a delivery means is taken from what is signed: a deletion is a body of nothing but an id. Three bodies are no
order: the ping of a webhook that was just made, which nobody signs; an error, where the user who made the webhook has
lost access; and those of topics this room does not know, which are let in and counted.

``X-WC-Webhook-Source`` is not looked at: it is whatever WordPress calls its own address, which need not be ours for
it, and a delivery signed with this shop's secret names an order at most.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from bcbridge.connectors.base import Notification, RawRequest, Refused, Trouble
from bcbridge.connectors.woocommerce.orders import LARGEST_ID, ORDERS
from bcbridge.model.ids import Ref

TOPIC = "x-wc-webhook-topic"
SIGNATURE = "x-wc-webhook-signature"
DELIVERY = "x-wc-webhook-delivery-id"

ORDER_TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored")
"""Everything after which an order may read differently; refunds ring as ``order.updated``."""
DELETED = "order.deleted"
LONGEST_TOPIC = 100

PING = re.compile(rb"webhook_id=[0-9]{1,20}")
PINGED = Notification("ping", "ping", None, None, None)
"""All pings are one: whoever sends them, no more than this is kept."""
OWNER_GONE = Trouble(
    "webhook_owner_gone",
    "the user who made the webhooks may not read orders any more: deliveries carry an error in place of the order",
)

Body = Mapping[str, Any]


class Webhook:
    """The door of one shop. Without a secret nothing but the ping is let in."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def open(self, request: RawRequest) -> Notification | Refused:
        """The ping; else the signature first, over the untouched bytes, then topic and body."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.method != "POST":
            return Refused(405, "only POST")
        if SIGNATURE not in headers and PING.fullmatch(request.body):
            return PINGED
        if not self._is_signed(request.body, headers.get(SIGNATURE, "")):
            return Refused(401, "not signed with the webhook secret of this shop")
        topic = headers.get(TOPIC, "").lower()[:LONGEST_TOPIC]
        if not topic:
            return Refused(400, f"without {TOPIC}")
        return _notification(topic, _delivery(headers.get(DELIVERY, ""), request.body), request.body)

    def _is_signed(self, body: bytes, signature: str) -> bool:
        """Compared in constant time."""
        made = base64.b64encode(hmac.digest(self._secret, body, "sha256"))
        return hmac.compare_digest(signature.encode("utf-8", "replace"), made) and bool(self._secret)


def _delivery(said: str, body: bytes) -> str:
    """Their id is made of the webhook and the second alone: two orders of one second share it (contract 1.9)."""
    return f"{said[:64]}:{hashlib.sha256(body).hexdigest()[:16]}"


def _notification(topic: str, delivery: str, body: bytes) -> Notification | Refused:
    content = _content(body)
    if content is None:
        return Refused(400, "the body is not a JSON object")
    if "code" in content and "id" not in content:
        return Notification(topic, delivery, ORDERS, None, None, trouble=OWNER_GONE)
    if topic not in ORDER_TOPICS:
        return Notification(topic, delivery, None, None, None)
    ref = _ref(content.get("id"))
    if ref is None:
        return Refused(400, "the body names no order")
    gone = topic == DELETED and set(content) == {"id"}
    return Notification(topic, delivery, ORDERS, ref, _stamp(content), gone=gone)


def _content(body: bytes) -> Body | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _ref(id_: object) -> Ref | None:
    """A whole number (a bool is one in Python, but no id), never a float."""
    if isinstance(id_, bool) or not isinstance(id_, int) or not 0 < id_ < LARGEST_ID:
        return None
    return Ref(str(id_))


def _stamp(body: Body) -> datetime | None:
    """Their ``date_modified_gmt``: UTC, written without a zone."""
    given = body.get("date_modified_gmt")
    try:
        stamp = datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None
    return stamp.replace(tzinfo=UTC) if stamp is not None and stamp.tzinfo is None else None
