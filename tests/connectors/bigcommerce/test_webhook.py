"""BigCommerce ringing: our own word, the signature where there is one, and which order to look at."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bcbridge.connectors.base import Notification, RawRequest, Refused
from bcbridge.connectors.bigcommerce.webhook import SCOPES, Webhook
from tests.conftest import contract_path
from tests.connectors.bigcommerce.answers import HASH, NOON

WORD, KEY = "our-word", "app-secret"
EVENT = int((NOON + timedelta(seconds=5)).timestamp())


class Door:
    """A store's door at a moment of ours."""

    def __init__(self, *, word: str | None = WORD, key: str | None = KEY, at: datetime = NOON) -> None:
        self.webhook = Webhook(HASH, secret=word, client_secret=key, now=lambda: at)

    def open(self, body: bytes, **headers: str) -> Notification | Refused:
        given = {"X-Bcbridge-Secret": WORD, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self.webhook.open(RawRequest("POST", "/hooks/bc", {}, given, body))


def body(scope: str = "store/order/updated", **changes: Any) -> bytes:
    told = {
        "scope": scope,
        "store_id": "1025646",
        "data": {"type": "order", "id": 250},
        "hash": "dd70c0976e06b67aaf671e73f49dcb79230ebf9d",
        "created_at": EVENT,
        "producer": f"stores/{HASH}",
    }
    return json.dumps({**told, **changes}).encode()


def signed(content: bytes, *, at: datetime = NOON, key: str = KEY) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    made = hmac.digest(key.encode(), f"msg_1.{stamp}.".encode() + content, "sha256")
    return {
        "webhook_id": "msg_1",
        "webhook_timestamp": stamp,
        "webhook_signature": "v1," + base64.b64encode(made).decode(),
    }


def notified(said: Notification | Refused) -> Notification:
    assert isinstance(said, Notification), said
    return said


@pytest.mark.contract
@pytest.mark.parametrize(
    ("file", "ref", "gone"),
    [
        ("store_order_created", "250", False),
        ("store_order_updated", "250", False),
        ("store_order_statusUpdated", "250", False),
        ("store_order_refund_created", "250", False),
        ("store_order_transaction_created", "250", False),
        ("store_order_archived", "250", True),
    ],
)
def test_each_published_delivery_names_its_order(file: str, ref: str, gone: bool) -> None:
    published = contract_path("bigcommerce", "webhook-callbacks", f"{file}.json").read_text()
    said = notified(Door().open(published.replace("{store_hash}", HASH).encode()))
    assert (said.noun, said.ref, said.gone) == ("orders", ref, gone)
    wanted = datetime.fromtimestamp(json.loads(published)["created_at"], UTC) - timedelta(seconds=5)
    assert said.modified == (None if gone else wanted)


@pytest.mark.contract
def test_every_other_published_delivery_is_let_in_and_names_no_order() -> None:
    folder = contract_path("bigcommerce", "webhook-callbacks")
    others = [file for file in sorted(folder.glob("*.json")) if "order_" not in file.name or "inventory" in file.name]
    assert others
    for file in others:
        said = notified(Door().open(file.read_text().replace("{store_hash}", HASH).encode()))
        assert said.ref is None, file.name


def test_22_a_refund_and_its_status_say_the_same_look_at_this_order() -> None:
    refund = body("store/order/refund/created", data={"type": "order", "id": 250, "refund": {"refund_id": 3}})
    status = {"previous_status_id": 11, "new_status_id": 14}
    updated = body("store/order/statusUpdated", data={"type": "order", "id": 250, "status": status})
    one, other = (notified(Door().open(given)) for given in (refund, updated))
    assert (one.noun, one.ref, one.modified) == (other.noun, other.ref, other.modified) == ("orders", "250", NOON)


def test_17_a_status_that_becomes_0_is_no_order() -> None:
    status = {"previous_status_id": 1, "new_status_id": 0}
    said = notified(Door().open(body("store/order/statusUpdated", data={"id": 250, "status": status})))
    assert (said.noun, said.ref) == (None, None)


def test_the_event_may_be_a_little_later_than_the_orders_own_stamp() -> None:
    assert notified(Door().open(body())).modified == NOON


def test_a_delivery_that_tells_of_lost_ones_wakes_the_lists() -> None:
    data = {"type": "webhook", "id": 123, "error_code": 90001, "message": "will retry"}
    said = notified(Door().open(body("store/hook/deliveryException", data=data)))
    assert (said.noun, said.ref) == ("orders", None)


def test_an_unknown_scope_is_let_in_and_counted_under_its_name() -> None:
    assert notified(Door().open(body("store/cart/created"))).topic == "store/cart/created"
    assert notified(Door().open(body("store/" + "x" * 300))).topic == "unknown"


def test_without_our_word_nobody_is_let_in() -> None:
    assert isinstance(Door().open(body(), X_Bcbridge_Secret="another"), Refused)
    assert isinstance(Door(word=None).open(body()), Refused)
    assert isinstance(Door().open(body(), X_Bcbridge_Secret="", **signed(body())), Refused)


def test_a_signature_that_is_there_must_be_right() -> None:
    assert notified(Door().open(body(), **signed(body()))).delivery == "msg_1"
    assert isinstance(Door().open(body(), **signed(body(), key="another")), Refused)
    assert isinstance(Door().open(body("store/order/created"), **signed(body())), Refused)
    half = signed(body())
    assert isinstance(Door().open(body(), webhook_id=half["webhook_id"]), Refused)


def test_one_of_several_signatures_is_enough_while_a_key_is_changed() -> None:
    right = signed(body())
    both = f"v1,{'A' * 43}= {right['webhook_signature']}"
    assert isinstance(Door().open(body(), **{**right, "webhook_signature": both}), Notification)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_of_another_time_is_refused(minutes: int) -> None:
    assert isinstance(Door(at=NOON + timedelta(minutes=minutes)).open(body(), **signed(body())), Refused)
    assert isinstance(Door(at=NOON + timedelta(minutes=minutes / 2)).open(body(), **signed(body())), Notification)


def test_a_signature_whose_key_we_do_not_know_is_not_looked_at() -> None:
    assert isinstance(Door(key=None).open(body(), **signed(body(), key="another")), Notification)


def test_the_same_delivery_again_has_the_same_name() -> None:
    first, again, other = (notified(Door().open(given)) for given in (body(), body(), body(hash="x")))
    assert first.delivery == again.delivery != other.delivery


def test_another_store_is_refused() -> None:
    assert isinstance(Door().open(body(producer="stores/other")), Refused)


@pytest.mark.parametrize("number", [None, True, 0, -1, 1.5, "1e3", 2**70, "", []])
def test_a_body_that_names_no_order_is_refused(number: object) -> None:
    assert isinstance(Door().open(body(data={"type": "order", "id": number})), Refused)


@pytest.mark.parametrize("stamp", [None, True, -1, 2**60, "1561479335", 1.5])
def test_a_delivery_without_a_stamp_says_no_stamp(stamp: object) -> None:
    assert notified(Door().open(body(created_at=stamp))).modified is None


def test_only_posts_are_taken() -> None:
    door = Webhook(HASH, secret=WORD, client_secret=None, now=lambda: NOON)
    assert door.open(RawRequest("GET", "/hooks/bc", {}, {"x-bcbridge-secret": WORD}, body())) == Refused(
        405, "only POST"
    )


@pytest.mark.contract
def test_every_scope_that_is_kept_is_one_of_theirs() -> None:
    told = contract_path("bigcommerce", "reference", "webhooks.v3.yml").read_text()
    published = {file.name for file in contract_path("bigcommerce", "webhook-callbacks").iterdir()}
    for scope in SCOPES:
        assert f"title: {scope}" in told or f"{scope.replace('/', '_')}.json" in published, scope
