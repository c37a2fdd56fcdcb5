"""BigCommerce ringing: who may ring, and which order to look at. Nothing of a body is used but ids and its stamp.

Every delivery bears a header with our own word, set when the hook was made; newer ones are signed besides (Standard
Webhooks: HMAC-SHA256 over id, time and raw bytes, with the app's client secret), and a signature that is there must be
right. Whether every store's deliveries are signed is not stated, so an unsigned one with our word is let in.

Created, updated, another status, refunded, paid: each only says "look at this order". ``created_at`` is when the event
was made, a little after the order's own stamp. Topics this room does not know are let in and counted (noun None).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bcbridge.connectors.base import Notification, RawRequest, Refused
from bcbridge.connectors.bigcommerce.detail import ORDERS
from bcbridge.model.ids import Ref

OUR_WORD = "x-bcbridge-secret"
"""Our header, as BigCommerce sends it back."""
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
VERSION = "v1,"
MOST_SIGNATURES = 8
"""So many at most: two during a rotation of the key."""
TOLERANCE = timedelta(minutes=5)
"""How far a signed time may be from ours."""
EVENT_AFTER_STAMP = timedelta(seconds=5)
"""How much later than the order's own stamp an event may be made without the order counting as stale."""
LARGEST_ID = 2**63

ARCHIVED = "store/order/archived"
STATUS_UPDATED = "store/order/statusUpdated"
DELIVERY_EXCEPTION = "store/hook/deliveryException"
TRANSACTIONS = ("store/order/transaction/created", "store/order/transaction/updated")
SCOPES = (
    "store/order/created",
    "store/order/updated",
    STATUS_UPDATED,
    ARCHIVED,
    "store/order/refund/created",
    "store/order/transaction/created",
)
"""Everything after which an order may read differently: what the keeper sees to."""
ABOUT_AN_ORDER = frozenset({*SCOPES, *TRANSACTIONS})

Body = Mapping[str, Any]


class Webhook:
    """The door of one store. ``secret``: our word; None lets nobody in. ``client_secret``: the signatures' key."""

    def __init__(
        self, store_hash: str, *, secret: str | None, client_secret: str | None, now: Callable[[], datetime]
    ) -> None:
        self._producer = f"stores/{store_hash}"
        self._secret = secret
        self._key = client_secret
        self._now = now

    def open(self, request: RawRequest) -> Notification | Refused:
        """Our word first, then the signature over the untouched bytes; then the body, which names the store."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.method != "POST":
            return Refused(405, "only POST")
        if self._secret is None:
            return Refused(401, "no webhook_secret is set, so nobody may ring")
        if not _same(headers.get(OUR_WORD, ""), self._secret):
            return Refused(401, "without our own header")
        if self._key is not None and (why := self._ill_signed(headers, request.body, self._key)):
            return Refused(401, why)
        content = _content(request.body)
        if content is None:
            return Refused(400, "the body is not a JSON object")
        if content.get("producer") != self._producer:
            return Refused(401, "of another store")
        return _notification(content, headers.get(ID, "") or hashlib.sha256(request.body).hexdigest())

    def _ill_signed(self, headers: Mapping[str, str], body: bytes, key: str) -> str:
        """Why the signature does not hold; empty where it does, or there is no trace of one."""
        id_, time, signature = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
        if not any(name in headers for name in (ID, TIMESTAMP, SIGNATURE)):
            return ""
        content = f"{id_}.{time}.".encode("utf-8", "replace") + body
        made = VERSION + base64.b64encode(hmac.digest(key.encode(), content, "sha256")).decode()
        given = signature.split(" ")[:MOST_SIGNATURES]
        if not any(_same(one, made) for one in given):
            return "not signed with the key of this store's app"
        return "" if self._is_near(time) else "signed too long ago, or ahead of our time"

    def _is_near(self, time: str) -> bool:
        seconds = int(time) if time.isascii() and time.isdigit() and len(time) < 12 else 0
        return abs(self._now().timestamp() - seconds) <= TOLERANCE.total_seconds()


def _same(given: str, wanted: str) -> bool:
    """In constant time, whatever was given."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def _content(body: bytes) -> Body | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _notification(body: Body, delivery: str) -> Notification | Refused:
    scope, data = body.get("scope"), body.get("data")
    if not isinstance(scope, str) or not scope or not isinstance(data, dict):
        return Refused(400, "the body names no event")
    if scope == DELIVERY_EXCEPTION:  # something was not delivered: the lists have it
        return Notification(scope, delivery, ORDERS, None, None)
    if scope not in ABOUT_AN_ORDER or _is_no_order_yet(data):
        return Notification(_plain(scope), delivery, None, None, None)
    ref = _order(data, "order_id" if scope in TRANSACTIONS else "id")
    if ref is None:
        return Refused(400, "the body names no order")
    gone = scope == ARCHIVED
    return Notification(scope, delivery, ORDERS, ref, None if gone else _stamp(body), gone=gone)


def _plain(scope: str) -> str:
    """A topic is counted under its name: only what looks like one may become a name."""
    return scope if len(scope) <= 80 and scope.replace("/", "").replace("_", "").isalnum() else "unknown"


def _is_no_order_yet(data: Body) -> bool:
    """The status became 0: an abandoned checkout."""
    status = data.get("status")
    return isinstance(status, dict) and status.get("new_status_id") == 0


def _order(data: Body, name: str) -> Ref | None:
    """A whole number (a bool is one in Python, but no id), or its digits as text; never a float."""
    number = data.get(name)
    if isinstance(number, str) and number.isascii() and number.isdigit():
        number = int(number[:20])
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < LARGEST_ID:
        return None
    return Ref(str(number))


def _stamp(body: Body) -> datetime | None:
    """When the event was made, less what it may be later than the order's own stamp."""
    seconds = body.get("created_at")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 0 < seconds < 2**35:
        return None
    return datetime.fromtimestamp(seconds, UTC) - EVENT_AFTER_STAMP
