"""The vendor's own example, through the reader and the flow: it does not add up, and nobody books it."""

from __future__ import annotations

import pytest

from bcbridge.connectors.shopify import mapper
from bcbridge.connectors.shopify.settings import MoneySide
from bcbridge.model.outcome import Blocked
from tests.connectors.shopify.documented_order import documented_order
from tests.flows.at_hand import HOUSE


@pytest.mark.contract
def test_shopifys_documented_order_is_blocked_because_its_money_does_not_tie() -> None:
    outcome = HOUSE.judge(mapper.read(documented_order(), side=MoneySide.SHOP))
    assert isinstance(outcome, Blocked)
    (untied,) = (problem for problem in outcome.problems if problem.code == "money_does_not_tie")
    assert untied.subject == "payments"
    # 598.94 - 209.00 is 389.94, and 199.65 is what it says is left
    assert untied.text.endswith("= 389.94, the order says 199.65 USD: 190.29 too much")
    assert {"partly_refunded", "unknown_sku"} < {problem.code for problem in outcome.problems}
