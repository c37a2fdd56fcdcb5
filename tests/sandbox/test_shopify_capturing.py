"""Capturing in the simulated Shopify: what the published operation does with authorised money (NOTES.md 1.6)."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import parse, validate

from bcbridge.sandbox.shopify import ShopifySettings
from bcbridge.sandbox.shopify.settings import SCOPES
from bcbridge.sandbox.shopify.world import CELLS
from tests.sandbox.shopify_client import JSON, ShopClient, shop
from tests.sandbox.test_shopify_schema import ours, theirs

CAPTURE = """mutation($input: OrderCaptureInput!) { orderCapture(input: $input) {
  transaction { id kind status errorCode gateway parentTransaction { id } amountSet { shopMoney { amount currencyCode }
    presentmentMoney { amount currencyCode } } order { displayFinancialStatus } }
  userErrors { field message } } }"""
MONEY = """query($id: ID!) { order(id: $id) { displayFinancialStatus netPaymentSet { presentmentMoney { amount } }
  transactions(first: 10) { id kind status manuallyCapturable multiCapturable errorCode
    totalUnsettledSet { shopMoney { amount } presentmentMoney { amount } } } } }"""

pytestmark = pytest.mark.contract


async def sold(client: ShopClient, **more: Any) -> JSON:
    return await client.place(lines=[{"sku": CELLS[0].sku.upc, "quantity": 2}], **{"payment": "authorized", **more})


async def money(client: ShopClient, order: JSON) -> JSON:
    return dict((await client.ask(MONEY, id=order["id"]))["order"])


async def capture(client: ShopClient, order: JSON, **more: Any) -> JSON:
    """All of its authorisation, unless it is said otherwise."""
    first = (await client.order(order["name"]))["transactions"][0]
    amount = first["amountSet"]["presentmentMoney"]
    asked = {"id": order["id"], "parentTransactionId": first["id"], "amount": amount["amount"], **more}
    return dict((await client.ask(CAPTURE, input=asked))["orderCapture"])


@pytest.mark.parametrize("text", [CAPTURE, MONEY])
def test_what_is_asked_here_is_shopifys_and_ours(text: str) -> None:
    assert [validate(schema, parse(text)) for schema in (theirs(), ours())] == [[], []]


async def test_a_capture_is_a_transaction_of_its_own_and_pays_the_order(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        before = await money(client, order)
        said = (await capture(client, order, currency="USD", finalCapture=True))["transaction"]
        after = await money(client, order)
    (opened,) = before["transactions"]
    assert (before["displayFinancialStatus"], after["displayFinancialStatus"]) == ("AUTHORIZED", "PAID")
    assert (opened["manuallyCapturable"], opened["multiCapturable"]) == (True, False)
    assert opened["totalUnsettledSet"]["presentmentMoney"] == after["netPaymentSet"]["presentmentMoney"]
    assert (said["kind"], said["status"], said["parentTransaction"]) == ("CAPTURE", "SUCCESS", {"id": opened["id"]})
    assert [one["totalUnsettledSet"] for one in after["transactions"]] == [None, None]
    assert [one["manuallyCapturable"] for one in after["transactions"]] == [False, False]


async def test_a_part_is_captured_and_the_rest_let_go(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        assert (await capture(client, order, amount="1.00"))["userErrors"] == []
        after = await money(client, order)
        again = await capture(client, order, amount="1.00")
    assert after["displayFinancialStatus"] == "PARTIALLY_PAID"
    assert Decimal(after["netPaymentSet"]["presentmentMoney"]["amount"]) == 1
    assert again["userErrors"][0]["field"] == ["input", "parentTransactionId"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": "99999.00"}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"currency": "GBP"}, "currency"),
        ({"id": "gid://shopify/Order/1"}, "id"),
        ({"parentTransactionId": "gid://shopify/OrderTransaction/1"}, "parentTransactionId"),
    ],
)
async def test_a_refusal_says_why_and_moves_nothing(tmp_path: Path, wrong: JSON, field: str) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        before = await client.order(order["name"])
        said = await capture(client, order, **wrong)
        assert await client.order(order["name"]) == before
    assert said["transaction"] is None
    assert [one["field"] for one in said["userErrors"]] == [["input", field]]


async def test_an_order_in_several_currencies_needs_the_customers(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client, currency="EUR")
        without = await capture(client, order)
        said = await capture(client, order, currency="EUR")
        after = await money(client, order)
    assert without["userErrors"][0]["field"] == ["input", "currency"]
    assert said["transaction"]["amountSet"]["presentmentMoney"]["currencyCode"] == "EUR"
    assert after["displayFinancialStatus"] == "PAID"


@pytest.mark.parametrize(("event", "status"), [("expire", "EXPIRED"), ("cancel", "VOIDED"), ("pay", "PAID")])
async def test_what_is_no_longer_held_is_not_captured(tmp_path: Path, event: str, status: str) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        await client.post(f"/_sandbox/orders/{order['name'].lstrip('#')}/{event}")
        before = await money(client, order)
        said = await capture(client, order)
        assert await money(client, order) == before
    assert before["displayFinancialStatus"] == status
    assert before["transactions"][0]["totalUnsettledSet"] is None
    assert (said["transaction"], len(said["userErrors"])) == (None, 1)


async def test_a_gateways_no_is_a_transaction_that_failed(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        await client.post("/_sandbox/faults", {"once": {"capture_declined": 1}})
        said = await capture(client, order)
        assert (await money(client, order))["displayFinancialStatus"] == "AUTHORIZED"
        assert (await capture(client, order))["transaction"]["status"] == "SUCCESS"
    assert (said["transaction"]["status"], said["transaction"]["errorCode"]) == ("FAILURE", "CARD_DECLINED")
    assert said["userErrors"] == []


@pytest.mark.parametrize(("fault", "status"), [("capture_call_lost", "AUTHORIZED"), ("capture_answer_lost", "PAID")])
async def test_a_call_or_its_answer_may_be_lost(tmp_path: Path, fault: str, status: str) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        await client.post("/_sandbox/faults", {"once": {fault: 1}})
        with pytest.raises(httpx.TransportError):
            await capture(client, order)
        assert (await money(client, order))["displayFinancialStatus"] == status


async def test_it_needs_the_scope_and_rings_whoever_subscribes(tmp_path: Path) -> None:
    plan = ShopifySettings(scopes=tuple(one for one in SCOPES if one != "write_orders"))
    async with shop(tmp_path / "without", plan) as client:
        order = await sold(client)
        first = (await client.order(order["name"]))["transactions"][0]
        asked = {"id": order["id"], "parentTransactionId": first["id"], "amount": "1.00"}
        said = await client.said(CAPTURE, input=asked)
    assert said["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    topics = (("ORDERS_PAID", "http://127.0.0.1:9/paid"),)
    async with shop(tmp_path / "with", ShopifySettings(default_subscriptions=topics)) as client:
        order = await sold(client)
        await capture(client, order)
        told = (await client.get("/_sandbox/books/deliveries?limit=50"))["deliveries"]
    assert len(told) == 1
