"""Shopify's ringing at the door: what is let in, what each published sample is taken for, what is turned away."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcbridge.connectors.base import Notification, RawRequest, Refused
from bcbridge.connectors.shopify.settings import ORDER_TOPICS
from bcbridge.connectors.shopify.webhook import Webhook
from bcbridge.model.ids import Noun, Ref
from tests.conftest import contract_path

SHOP = "sample.myshopify.com"
ORDERS = Noun("orders")
KEY, OLD_KEY = "the-new-key", "the-old-key"
DOOR = Webhook(SHOP, [KEY, OLD_KEY])
ORDER = b'{"id": 1001, "admin_graphql_api_id": "gid://shopify/Order/1001", "updated_at": "2026-11-20T07:00:00-05:00"}'


def signature(body: bytes, key: str = KEY) -> str:
    return base64.b64encode(hmac.digest(key.encode(), body, "sha256")).decode()


def ring(body: bytes, topic: str = "orders/create", *, key: str = KEY, **headers: str | None) -> RawRequest:
    """A delivery as Shopify makes it; a header given as None is left out."""
    whole = {
        "x-shopify-topic": topic,
        "x-shopify-hmac-sha256": signature(body, key),
        "x-shopify-shop-domain": SHOP,
        "x-shopify-api-version": "2026-10",
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    present = {name: value for name, value in whole.items() if value is not None}
    return RawRequest("POST", "/hooks/shop", {}, present, body)


def test_a_signed_delivery_says_look_at_this_order() -> None:
    assert DOOR.open(ring(ORDER)) == Notification(
        topic="orders/create",
        delivery="b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        noun=ORDERS,
        ref=Ref("gid://shopify/Order/1001"),
        modified=datetime(2026, 11, 20, 12, tzinfo=UTC),
    )


def test_both_keys_are_valid_during_a_rotation_and_others_are_not() -> None:
    assert isinstance(DOOR.open(ring(ORDER, key=OLD_KEY)), Notification)
    assert refused(DOOR.open(ring(ORDER, key="another"))) == 401


def test_a_door_without_a_key_lets_nobody_in() -> None:
    assert refused(Webhook(SHOP, []).open(ring(ORDER))) == 401


@given(st.integers(0, len(ORDER) * 8 - 1))
def test_a_flipped_bit_is_refused(at: int) -> None:
    flipped = bytearray(ORDER)
    flipped[at // 8] ^= 1 << at % 8
    assert refused(DOOR.open(replace(ring(ORDER), body=bytes(flipped)))) == 401


def test_header_names_are_read_in_any_case() -> None:
    request = ring(ORDER)
    shouted = replace(request, headers={name.upper(): value for name, value in request.headers.items()})
    assert isinstance(DOOR.open(shouted), Notification)


@pytest.mark.parametrize("given_signature", [None, "", "bm9uc2Vuc2U=", "ü", signature(ORDER).lower(), signature(b"")])
def test_a_missing_or_wrong_signature_is_refused(given_signature: str | None) -> None:
    assert refused(DOOR.open(ring(ORDER, x_shopify_hmac_sha256=given_signature))) == 401


@pytest.mark.parametrize("header", ["x-shopify-topic", "x-shopify-webhook-id", "x-shopify-api-version"])
def test_a_signed_delivery_without_a_needed_header_is_refused(header: str) -> None:
    whole = ring(ORDER)
    lacking = {name: value for name, value in whole.headers.items() if name != header}
    assert refused(DOOR.open(replace(whole, headers=lacking))) == 400


def test_another_shops_delivery_is_refused_even_signed() -> None:
    assert refused(DOOR.open(ring(ORDER, x_shopify_shop_domain="other.myshopify.com"))) == 401


def test_only_post_is_let_in() -> None:
    assert refused(DOOR.open(replace(ring(ORDER), method="GET"))) == 405


NONSENSE = [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"id": 1.5}', b'{"id": true}', b'{"id": "x"}']
NONSENSE += [b'{"id": 8.20982911946154500e17}', b'{"id": -1}', b'{"id": 99999999999999999999999}', b"{}"]


@pytest.mark.parametrize("body", NONSENSE)
def test_nonsense_with_a_good_signature_is_refused(body: bytes) -> None:
    assert refused(DOOR.open(ring(body))) == 400


def test_ids_beyond_a_double_are_kept_to_the_digit() -> None:
    found = DOOR.open(ring(b'{"id": 820982911946154509}'))
    assert isinstance(found, Notification)
    assert found.ref == "gid://shopify/Order/820982911946154509"


def test_a_deletion_is_marked_gone() -> None:
    found = DOOR.open(ring(b'{"id": 1001}', "orders/delete"))
    assert isinstance(found, Notification)
    assert (found.ref, found.gone) == ("gid://shopify/Order/1001", True)


@pytest.mark.parametrize("stamp", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_stamp_beyond_the_calendar_is_no_stamp(stamp: str) -> None:
    found = DOOR.open(ring(b'{"id": 1001, "updated_at": "%s"}' % stamp.encode()))
    assert isinstance(found, Notification)
    assert (found.ref, found.modified) == ("gid://shopify/Order/1001", None)


def test_a_stamp_without_a_zone_is_no_stamp() -> None:
    found = DOOR.open(ring(b'{"id": 1001, "updated_at": "2026-11-20T12:00:00"}'))
    assert isinstance(found, Notification)
    assert found.modified is None


def test_every_subscribed_topic_wakes_the_orders() -> None:
    body = json.dumps({"id": 1, "order_id": 1, "order_edit": {"order_id": 1}}).encode()
    found = [DOOR.open(ring(body, topic)) for topic in ORDER_TOPICS]
    assert all(isinstance(one, Notification) and one.noun == ORDERS for one in found)


# The published samples. Their numeric ids were damaged on the way here (payloads/README.md): where a body carries its
# order's gid, that one counts; where it carries only the number, the number is taken as it stands.
TRUE_ID = Ref("gid://shopify/Order/820982911946154508")
AS_GIVEN = Ref("gid://shopify/Order/820982911946154500")

LOOK: Mapping[tuple[str, str], Ref] = {
    ("Order", "orders/create"): TRUE_ID,
    ("Order", "orders/updated"): TRUE_ID,
    ("Order", "orders/paid"): TRUE_ID,
    ("Order", "orders/cancelled"): TRUE_ID,
    ("Order", "orders/fulfilled"): TRUE_ID,
    ("Order", "orders/partially_fulfilled"): TRUE_ID,
    ("OrderEdited", "orders/edited"): AS_GIVEN,
    ("Refund", "refunds/create"): AS_GIVEN,
    ("OrderTransactionsCreate", "order_transactions/create"): AS_GIVEN,
    ("Deleted", "orders/delete"): Ref("gid://shopify/Order/788032119674292900"),
    ("Fulfillment", "fulfillments/create"): AS_GIVEN,
    ("Fulfillment", "fulfillments/update"): AS_GIVEN,
}
WAKE: Mapping[str, str] = {
    "FulfillmentOrdersCancelled": "fulfillment_orders/cancelled",
    "FulfillmentOrdersHoldReleased": "fulfillment_orders/hold_released",
    "FulfillmentOrdersMoved": "fulfillment_orders/moved",
    "FulfillmentOrdersOrderRoutingComplete": "fulfillment_orders/order_routing_complete",
    "FulfillmentOrdersPlacedOnHold": "fulfillment_orders/placed_on_hold",
    "FulfillmentOrdersRescheduled": "fulfillment_orders/rescheduled",
    "FulfillmentOrdersScheduledFulfillmentOrderReady": "fulfillment_orders/scheduled_fulfillment_order_ready",
}
COUNTED: Mapping[str, str] = {
    "AppUninstalled": "app/uninstalled",
    "BulkOperationsFinish": "bulk_operations/finish",
    "DisputesCreate": "disputes/create",
    "DraftOrdersCreate": "draft_orders/create",
    "FulfillmentEventsCreate": "fulfillment_events/create",
    "InventoryItem": "inventory_items/update",
    "InventoryItemDeleted": "inventory_items/delete",
    "InventoryLevel": "inventory_levels/update",
    "InventoryLevelDisconnected": "inventory_levels/disconnect",
    "Location": "locations/create",
    "Product": "products/update",
    "SubscriptionBillingAttempt": "subscription_billing_attempts/success",
    "SubscriptionContract": "subscription_contracts/create",
    "TenderTransaction": "tender_transactions/create",
}


def sample(name: str) -> bytes:
    return contract_path("shopify", "payloads", "webhook_samples", f"{name}.json").read_bytes()


@pytest.mark.contract
@pytest.mark.parametrize(("name", "topic"), LOOK)
def test_a_published_sample_about_an_order_says_which(name: str, topic: str) -> None:
    found = DOOR.open(ring(sample(name), topic))
    assert isinstance(found, Notification)
    assert (found.noun, found.ref, found.gone) == (ORDERS, LOOK[name, topic], topic == "orders/delete")
    stamped = datetime(2022, 1, 1, tzinfo=UTC) if name == "Order" else None
    assert found.modified == stamped


@pytest.mark.contract
@pytest.mark.parametrize("name", WAKE)
def test_a_published_sample_about_a_fulfilment_order_wakes_the_lists(name: str) -> None:
    found = DOOR.open(ring(sample(name), WAKE[name]))
    assert isinstance(found, Notification)
    assert (found.noun, found.ref) == (ORDERS, None)


@pytest.mark.contract
@pytest.mark.parametrize("name", COUNTED)
def test_a_published_sample_of_another_topic_is_let_in_and_only_counted(name: str) -> None:
    found = DOOR.open(ring(sample(name), COUNTED[name]))
    assert isinstance(found, Notification)
    assert (found.noun, found.ref) == (None, None)


@pytest.mark.contract
def test_no_published_sample_is_without_an_expectation() -> None:
    folder = contract_path("shopify", "payloads", "webhook_samples")
    assert {path.stem for path in folder.iterdir()} == {name for name, _ in LOOK} | set(WAKE) | set(COUNTED)


@pytest.mark.contract
def test_the_documented_order_as_a_body_says_which() -> None:
    whole = json.loads(contract_path("shopify", "payloads", "rest_resources_2026-07", "order.json").read_bytes())
    found = DOOR.open(ring(json.dumps(whole["order"]).encode()))
    assert isinstance(found, Notification)
    assert (found.ref, found.modified) == ("gid://shopify/Order/450789469", datetime(2008, 1, 10, 16, tzinfo=UTC))


def refused(answer: Notification | Refused) -> int:
    assert isinstance(answer, Refused)
    return answer.status
