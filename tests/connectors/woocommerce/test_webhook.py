"""WooCommerce's ringing at the door: the recorded deliveries byte for byte, the ping, and what is turned away."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bcbridge.connectors.base import Notification, RawRequest, Refused
from bcbridge.connectors.woocommerce.webhook import ORDER_TOPICS, Webhook
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.incidents import FAILURES
from tests.conftest import contract_path

ORDERS = Noun("orders")
SECRET = "rig-webhook-secret"
DOOR = Webhook(SECRET)
ORDER = b'{"id":1001,"date_modified_gmt":"2026-11-20T12:00:00"}'


def signature(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def ring(body: bytes, topic: str = "order.updated", *, secret: str = SECRET, **headers: str | None) -> RawRequest:
    """A delivery as WordPress makes it; a header given as None is left out."""
    whole = {
        "x-wc-webhook-source": "http://127.0.0.1:8881/",
        "x-wc-webhook-topic": topic,
        "x-wc-webhook-signature": signature(body, secret),
        "x-wc-webhook-id": "2",
        "x-wc-webhook-delivery-id": "d219b0d6b68e16215313caf36b1f0eb8",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return RawRequest(
        "POST", "/hooks/shop", {}, {name: value for name, value in whole.items() if value is not None}, body
    )


def recorded(name: str) -> RawRequest:
    """As it went over the wire."""
    delivery = json.loads(contract_path("woocommerce", "recorded", "webhooks", name).read_bytes())["delivery"]
    headers = {key.lower(): value for key, value in delivery["headers"].items()}
    return RawRequest(delivery["method"], "/hooks/shop", {}, headers, delivery["body_raw"].encode())


def status(said: object) -> int:
    assert isinstance(said, Refused)
    return said.status


def told(said: object) -> Notification:
    assert isinstance(said, Notification)
    return said


@pytest.mark.contract
@pytest.mark.parametrize(
    ("name", "topic", "ref", "stamp"),
    [
        ("delivery_1_order.created.json", "order.created", "51", "2026-11-21T00:19:00"),
        ("delivery_2_order.updated.json", "order.updated", "51", "2026-11-21T00:19:00"),
        ("delivery_checkout_order.created.json", "order.created", "53", "2026-11-21T00:19:03"),
        ("delivery_checkout_order.updated.json", "order.updated", "53", "2026-11-21T00:19:03"),
        ("delivery_order.updated_after_refund.json", "order.updated", None, None),
    ],
)
def test_a_recorded_delivery_opens_with_its_secret(name: str, topic: str, ref: str | None, stamp: str | None) -> None:
    said = told(DOOR.open(recorded(name)))
    body = json.loads(recorded(name).body)
    assert (said.topic, said.noun, said.ref) == (topic, ORDERS, ref or str(body["id"]))
    assert said.modified == datetime.fromisoformat(stamp or body["date_modified_gmt"]).replace(tzinfo=UTC)
    assert (said.gone, said.trouble) == (False, None)


@pytest.mark.contract
@pytest.mark.parametrize("name", ["delivery_3_product.updated.json", "delivery_product.updated_1.json"])
def test_a_recorded_topic_we_do_not_use_is_let_in_and_counted(name: str) -> None:
    said = told(DOOR.open(recorded(name)))
    assert (said.topic, said.noun, said.ref) == ("product.updated", None, None)


@pytest.mark.contract
def test_trap_11_the_recorded_ping_is_no_bad_signature() -> None:
    said = told(DOOR.open(recorded("ping.json")))
    assert (said.topic, said.noun, said.ref, said.trouble) == ("ping", None, None, None)


def test_trap_11_whoever_pings_nothing_more_is_kept() -> None:
    """Nobody signs a ping: all are one, whatever number they bear, and none wakes anything."""
    pings = [RawRequest("POST", "/hooks/shop", {}, {}, f"webhook_id={number}".encode()) for number in range(50)]
    assert len({DOOR.open(ping) for ping in pings}) == 1
    assert isinstance(Webhook("").open(pings[0]), Notification)


@pytest.mark.parametrize(
    "body",
    [b"webhook_id=", b"webhook_id=1&x=2", b"webhook_id=1\n", b"webhook_id=" + b"1" * 21, b"WEBHOOK_ID=1", b"", ORDER],
)
def test_nothing_else_goes_in_unsigned(body: bytes) -> None:
    assert status(DOOR.open(RawRequest("POST", "/hooks/shop", {}, {}, body))) == 401
    assert status(DOOR.open(ring(body, x_wc_webhook_signature=""))) == 401


def test_trap_12_a_webhook_whose_owner_is_gone_says_so_and_wakes_the_lists() -> None:
    body = b'{"code":"woocommerce_rest_cannot_view","message":"Sorry","data":{"status":401}}'
    for topic in (*ORDER_TOPICS, "product.updated"):
        said = told(DOOR.open(ring(body, topic)))
        assert (said.noun, said.ref) == (ORDERS, None)
        assert said.trouble is not None
        assert said.trouble.code in FAILURES
        assert "Sorry" not in said.trouble.text
    assert status(DOOR.open(ring(body, secret="another"))) == 401


def test_a_deletion_is_a_body_of_nothing_but_the_id() -> None:
    """The topic is not signed, the body is: an order's body under that topic deletes nothing."""
    assert told(DOOR.open(ring(b'{"id":1001}', "order.deleted"))).gone
    assert not told(DOOR.open(ring(ORDER, "order.deleted"))).gone
    assert not told(DOOR.open(ring(b'{"id":1001}', "order.restored"))).gone


@pytest.mark.parametrize("topic", ["coupon.updated", "action.woocommerce_add_to_cart", "customer.created", "x" * 5000])
def test_topics_we_do_not_know_are_let_in_and_counted(topic: str) -> None:
    said = told(DOOR.open(ring(b'{"id":7}', topic)))
    assert (said.noun, said.ref, len(said.topic) <= 100) == (None, None, True)


def test_two_orders_of_one_second_are_two_deliveries() -> None:
    """Their delivery id is made of the webhook and the second."""
    one, other = DOOR.open(ring(ORDER)), DOOR.open(ring(ORDER.replace(b"1001", b"1002")))
    assert told(one).delivery != told(other).delivery
    assert told(one).delivery == told(DOOR.open(ring(ORDER))).delivery


def test_an_order_whose_shop_calls_itself_otherwise_is_let_in() -> None:
    """The source is whatever WordPress calls its own address; the signature says whose it is."""
    assert told(DOOR.open(ring(ORDER, x_wc_webhook_source="https://www.elsewhere.example/"))).ref == Ref("1001")


@pytest.mark.parametrize(
    ("request_", "refused"),
    [
        (ring(ORDER, secret="another"), 401),
        (ring(ORDER, x_wc_webhook_signature=None), 401),
        (ring(ORDER, x_wc_webhook_topic=None), 400),
        (replace(ring(ORDER), method="GET"), 405),
        (replace(ring(ORDER), body=ORDER + b" "), 401),
        (ring(b"[]"), 400),
        (ring(b"not json"), 400),
        (ring(b"[" * 100_000), 400),
        (ring(b'{"id":"1001"}'), 400),
        (ring(b'{"id":true}'), 400),
        (ring(b'{"id":0}'), 400),
        (ring(b'{"id":1001.0}'), 400),
        (ring(b'{"id":99999999999999999999}'), 400),
        (ring(b"{}"), 400),
    ],
)
def test_what_is_turned_away(request_: RawRequest, refused: int) -> None:
    assert status(DOOR.open(request_)) == refused


def test_without_a_secret_nobody_is_let_in() -> None:
    assert status(Webhook("").open(ring(ORDER, secret=""))) == 401


@pytest.mark.parametrize("stamp", [None, 7, "yesterday", "2026-11-20T12:00:00Z", [], {}])
def test_a_stamp_that_is_none_is_left_out(stamp: Any) -> None:
    body = json.dumps({"id": 1001, "date_modified_gmt": stamp}).encode()
    assert told(DOOR.open(ring(body))).modified is None
