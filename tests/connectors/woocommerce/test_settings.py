"""What an operator may say about a shop, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bcbridge.connectors.woocommerce import WooCommerceSettings
from tests.connectors.woocommerce.answers import SETTINGS, order
from tests.wordpress import check_answer


def test_the_least_that_must_be_said() -> None:
    found = WooCommerceSettings.model_validate(SETTINGS)
    assert (found.auth, found.import_statuses, found.payment_fees) == ("auto", ("processing",), ())
    assert (found.page_size, found.overlap_seconds, found.max_parallel) == (100, 120, 2)
    assert (found.request_timeout_seconds, found.webhook_secret) == (60, None)
    assert (found.tracking, found.partial_status) == ("auto", None)


def test_a_shop_may_live_in_a_folder() -> None:
    found = WooCommerceSettings.model_validate({**SETTINGS, "url": "https://example.com/shop/"})
    assert found.address == "https://example.com/shop"


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "shop.example.com"},
        {"url": "https://shop.example.com/wp-json/wc/v3"},
        {"url": "https://ck:cs@shop.example.com"},
        {"url": "https://shop.example.com/?x=1"},
        {"code": "wc"},
        {"consumer_key": "ck_123"},
        {"webhook_secret": "plain"},
        {"auth": "digest"},
        {"import_statuses": []},
        {"import_statuses": ["wc-processing"]},
        {"import_statuses": ["Processing"]},
        {"page_size": 101},
        {"max_parallel": 0},
        {"request_timeout_seconds": 0},
        {"tracking": "mail"},
        {"partial_status": "wc-partial-shipped"},
        {"partial_status": "completed"},
        {"partial_status": "on-hold"},
        {"dispatch_note": ""},
        {"surprise": 1},
    ],
)
def test_what_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WooCommerceSettings.model_validate({**SETTINGS, **wrong})


@pytest.mark.contract
def test_the_orders_that_tests_make_by_hand_are_as_a_shop_answers_them() -> None:
    check_answer("order", order())
