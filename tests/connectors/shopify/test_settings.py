"""What an operator may say about a shop, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bcbridge.connectors.shopify import ShopifySettings

LEAST: dict[str, Any] = {"shop": "brand-us.myshopify.com", "code": "US", "token": "env:SHOPIFY_TOKEN"}
PAIR = {"client_id": "file:id", "client_secret": "file:secret"}


def test_the_least_that_must_be_said() -> None:
    settings = ShopifySettings.model_validate(LEAST)
    assert settings.address == "https://brand-us.myshopify.com"
    assert (settings.api_version, settings.money_side, settings.overlap_seconds) == ("2026-10", "shop", 900)
    assert settings.signing_secrets == ()


def test_the_client_secret_signs_webhooks_unless_others_are_named() -> None:
    whole = {**LEAST, "token": None, **PAIR}
    assert ShopifySettings.model_validate(whole).signing_secrets == ("file:secret",)
    rotating = {**whole, "webhook_secrets": ["env:NEW", "env:OLD"]}
    assert ShopifySettings.model_validate(rotating).signing_secrets == ("env:NEW", "env:OLD")


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": None},
        PAIR,
        {"token": None, "client_id": "env:A"},
        {"token": "shpat_1234"},
        {"shop": "https://brand.myshopify.com"},
        {"shop": "brand.com"},
        {"code": "us"},
        {"code": "TOOLONG"},
        {"api_version": "latest"},
        {"page_size": 251},
        {"money_side": "both"},
        {"topics": ["ORDERS_CREATE"]},
        {"webhook_secrets": ["env:A", "env:B", "env:C"]},
        {"pol_every_seconds": 5},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ShopifySettings.model_validate({**LEAST, **wrong})
