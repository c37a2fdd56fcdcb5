"""Cancelling, editing and tagging in the simulated Shopify: what the published operations do (NOTES.md 1.6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import parse, validate

from bcbridge.sandbox.shopify import ShopifySettings
from bcbridge.sandbox.shopify.world import CELLS
from tests.sandbox.shopify_client import JSON, ShopClient, shop, until
from tests.sandbox.test_shopify_fulfilling import operation
from tests.sandbox.test_shopify_schema import ours, theirs
from tests.sandbox.test_shopify_stock import quantities

ONE, TWO = CELLS[:2]
BEGIN = """mutation($id: ID!) { orderEditBegin(id: $id) { calculatedOrder { id originalOrder { id }
  totalOutstandingSet { shopMoney { amount } } lineItems(first: 5) { nodes { id quantity editableQuantity } } }
  orderEditSession { id } userErrors { field message } } }"""
STAGE = """mutation($id: ID!, $line: ID!, $qty: Int!, $restock: Boolean) {
  orderEditSetQuantity(id: $id, lineItemId: $line, quantity: $qty, restock: $restock) {
    calculatedLineItem { id quantity editableQuantity editableQuantityBeforeChanges restocking
      stagedChanges { __typename ... on OrderStagedChangeDecrementItem { delta restock lineItem { id sku } } } }
    calculatedOrder { totalOutstandingSet { shopMoney { amount } } } userErrors { field message } } }"""
NO_MONEY = {"originalPaymentMethodsRefund": False}

pytestmark = pytest.mark.contract


async def sold(client: ShopClient, **more: Any) -> JSON:
    return await client.place(lines=[{"sku": ONE.sku.upc, "quantity": 3}, {"sku": TWO.sku.upc}], **more)


async def cancelled(client: ShopClient, order: JSON, **more: Any) -> JSON:
    asked = {"orderId": order["id"], "reason": "OTHER", "restock": True, "method": NO_MONEY, "note": "why"}
    return dict((await client.ask(operation("CancelOrder"), **{**asked, **more}))["orderCancel"])


async def ended(client: ShopClient, payload: JSON) -> None:
    async def job() -> JSON:
        return dict((await client.ask(operation("JobDone"), id=payload["job"]["id"]))["job"])

    await until(job, lambda found: bool(found["done"]))


async def begun(client: ShopClient, order: JSON) -> JSON:
    return dict((await client.ask(BEGIN, id=order["id"]))["orderEditBegin"])


async def staged(client: ShopClient, edit: JSON, place: int, quantity: int, *, restock: bool = True) -> JSON:
    calculated = edit["calculatedOrder"]
    line = calculated["lineItems"]["nodes"][place]["id"]
    said = await client.ask(STAGE, id=calculated["id"], line=line, qty=quantity, restock=restock)
    return dict(said["orderEditSetQuantity"])


async def committed(client: ShopClient, edit: JSON, note: str = "why") -> JSON:
    said = await client.ask(operation("EditCommit"), id=edit["calculatedOrder"]["id"], note=note)
    return dict(said["orderEditCommit"])


def units(order: JSON) -> list[int]:
    return [line["currentQuantity"] for line in order["lineItems"]]


@pytest.mark.parametrize("name", ["CancelOrder", "JobDone", "EditBegin", "EditQty", "EditCommit"])
def test_the_published_operations_validate_against_both_schemas(name: str) -> None:
    assert [validate(schema, parse(operation(name))) for schema in (theirs(), ours())] == [[], []]


@pytest.mark.parametrize("text", [BEGIN, STAGE])
def test_what_is_asked_here_is_shopifys(text: str) -> None:
    assert not validate(theirs(), parse(text))


# -- cancelling --------------------------------------------------------------------------------------------------


async def test_a_job_cancels_without_paying_back(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        before = await quantities(client)
        order = await sold(client)
        paid = (await client.order(order["name"]))["totalReceivedSet"]
        said = await cancelled(client, order)
        waits = await client.order(order["name"])
        await ended(client, said)
        found = await client.order(order["name"])
        after = await quantities(client)
    assert (said["orderCancelUserErrors"], said["job"]["done"]) == ([], False)
    assert waits["cancelledAt"] is None
    assert (found["cancelReason"], units(found)) == ("OTHER", [0, 0])
    assert found["totalReceivedSet"] == paid
    assert float(found["totalRefundedSet"]["shopMoney"]["amount"]) == 0
    assert {one["status"] for one in found["fulfillmentOrders"]} == {"CANCELLED"}
    assert [one["note"] for one in found["_sandbox"]["notes"]] == ["why"]
    assert "mails" not in found["_sandbox"]
    assert after == before


async def test_money_goes_back_only_where_it_is_asked_for_but_an_authorisation_is_voided(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        paid, held = await sold(client), await sold(client, payment="authorized")
        first = await cancelled(client, paid, method={"originalPaymentMethodsRefund": True})
        for said in (first, await cancelled(client, held)):
            await ended(client, said)
        refunded, voided = [await client.order(one["name"]) for one in (paid, held)]
    assert refunded["displayFinancialStatus"] == "REFUNDED"
    assert [one["kind"] for one in voided["transactions"]] == ["AUTHORIZATION", "VOID"]


async def test_an_order_is_cancelled_once(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        for said in [await cancelled(client, order) for _ in range(2)]:
            await ended(client, said)
        late = await cancelled(client, order)
        found = await client.order(order["name"])
    (error,) = late["orderCancelUserErrors"]
    assert (late["job"], error["code"], len(found["refunds"])) == (None, "INVALID", 1)
    assert "cancelled already" in error["message"]


async def test_what_has_left_is_not_cancelled_even_if_it_left_before_the_job(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        await client.post("/_sandbox/faults", {"values": {"job_seconds": 1}})
        order = await sold(client)
        said = await cancelled(client, order)
        await shipped(client, order, 1)
        late = await cancelled(client, order)
        await ended(client, said)
        found = await client.order(order["name"])
    assert "fulfilled" in late["orderCancelUserErrors"][0]["message"]
    assert (found["cancelledAt"], units(found)) == (None, [3, 1])


async def test_whoever_subscribes_is_told_of_both(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        for topic in ("ORDERS_EDITED", "ORDERS_CANCELLED"):
            asked = {"uri": f"http://127.0.0.1:9/{topic}", "format": "JSON"}
            said = await client.ask(operation("Subscribe"), topic=topic, s=asked)
            assert said["webhookSubscriptionCreate"]["userErrors"] == []
        order = await sold(client)
        edit = await begun(client, order)
        await staged(client, edit, 0, 2)
        await committed(client, edit)
        await ended(client, await cancelled(client, order))
        told = (await client.get("/_sandbox/books/deliveries?limit=50"))["deliveries"]
    assert [one["topic"] for one in told] == ["ORDERS_EDITED", "ORDERS_CANCELLED"]


async def test_what_nobody_knows_and_long_notes_are_refused(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        assert (await cancelled(client, order, note="x" * 256))["job"] is None
        assert (await cancelled(client, order, note="x" * 255))["job"] is not None
        said = await cancelled(client, {"id": "gid://shopify/Order/1"})
        assert (await client.ask(operation("JobDone"), id="gid://shopify/Job/77"))["job"] is None
    assert [one["code"] for one in said["orderCancelUserErrors"]] == ["NOT_FOUND"]


# -- editing -----------------------------------------------------------------------------------------------------


async def shipped(client: ShopClient, order: JSON, pieces: int) -> None:
    """So many of its first line."""
    waiting = (await client.order(order["name"]))["fulfillmentOrders"][0]
    named = [{"id": waiting["lineItems"][0]["id"], "quantity": pieces}]
    group = {"fulfillmentOrderId": waiting["id"], "fulfillmentOrderLineItems": named}
    said = await client.ask(operation("Ship"), fulfillment={"lineItemsByFulfillmentOrder": [group]})
    assert said["fulfillmentCreate"]["userErrors"] == []


async def test_nothing_shows_before_the_commit(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        edit = await begun(client, order)
        said = await staged(client, edit, 0, 1)
        before = await client.order(order["name"])
        done = await committed(client, edit)
        after = await client.order(order["name"])
    line = before["lineItems"][0]
    change = {"delta": 2, "restock": True, "lineItem": {"id": line["id"], "sku": line["sku"]}}
    assert said["calculatedLineItem"]["stagedChanges"] == [{"__typename": "OrderStagedChangeDecrementItem", **change}]
    assert (said["calculatedLineItem"]["quantity"], said["calculatedLineItem"]["editableQuantityBeforeChanges"]) == (
        1,
        3,
    )
    assert (units(before), before["edited"]) == ([3, 1], False)
    assert (done, units(after)) == ({"order": {"id": order["id"]}, "userErrors": []}, [1, 1])
    assert after["agreements"][-1]["reason"] == "ORDER_EDIT"
    assert float(after["totalRefundedSet"]["shopMoney"]["amount"]) == 0
    assert (
        after["totalOutstandingSet"]["shopMoney"]["amount"]
        == (said["calculatedOrder"]["totalOutstandingSet"]["shopMoney"]["amount"])
    )
    assert [one["note"] for one in after["_sandbox"]["notes"]] == ["why"]


async def test_the_published_operations_edit(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        edit = (await client.ask(operation("EditBegin"), id=order["id"]))["orderEditBegin"]
        lines = edit["calculatedOrder"]["lineItems"]["nodes"]
        asked = {"id": edit["calculatedOrder"]["id"], "line": lines[1]["id"], "qty": 0, "restock": True}
        assert (await client.ask(operation("EditQty"), **asked))["orderEditSetQuantity"]["userErrors"] == []
        assert (await committed(client, edit))["userErrors"] == []
        assert units(await client.order(order["name"])) == [3, 0]
    assert [(one["quantity"], one["sku"]) for one in lines] == [(3, ONE.sku.upc), (1, TWO.sku.upc)]


@pytest.mark.parametrize(("restock", "back"), [(True, 2), (False, 0)])
async def test_what_is_taken_off_is_put_back_if_it_is_asked_for(tmp_path: Path, restock: bool, back: int) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        before = await quantities(client)
        edit = await begun(client, order)
        await staged(client, edit, 0, 1, restock=restock)
        await committed(client, edit)
        after = await quantities(client)
    assert (after["available"], after["committed"]) == (before["available"] + back, before["committed"] - 2)


async def test_only_what_has_not_left_is_taken_off(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        await shipped(client, order, 2)
        edit = await begun(client, order)
        refused = await staged(client, edit, 0, 1)
        taken = await staged(client, edit, 0, 2)
        assert (await committed(client, edit))["userErrors"] == []
        assert units(await client.order(order["name"])) == [2, 1]
    assert edit["calculatedOrder"]["lineItems"]["nodes"][0]["editableQuantity"] == 1
    assert "fulfilled" in refused["userErrors"][0]["message"]
    assert (refused["calculatedLineItem"], taken["userErrors"]) == (None, [])


async def test_an_edit_that_was_overtaken_is_refused(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        edit = await begun(client, order)
        await staged(client, edit, 0, 0)
        await shipped(client, order, 1)
        said = await committed(client, edit)
        assert units(await client.order(order["name"])) == [3, 1]
    assert (said["order"], len(said["userErrors"])) == (None, 1)


async def test_an_edit_is_committed_once_and_not_empty(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        edit = await begun(client, order)
        empty = await committed(client, edit)
        await staged(client, edit, 0, 2)
        first, second = [await committed(client, edit) for _ in range(2)]
    assert [len(said["userErrors"]) for said in (empty, first, second)] == [1, 0, 1]


async def test_what_is_cancelled_or_unknown_is_not_edited(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        order = await sold(client)
        edit = await begun(client, order)
        await staged(client, edit, 0, 2)
        await client.post(f"/_sandbox/orders/{order['name'].lstrip('#')}/cancel")
        late, again = await committed(client, edit), await begun(client, order)
        nobody = await begun(client, {"id": "gid://shopify/Order/1"})
    assert [len(said["userErrors"]) for said in (late, again, nobody)] == [1, 1, 1]


async def test_more_pieces_a_wrong_line_and_a_wrong_edit_are_refused(tmp_path: Path) -> None:
    async with shop(tmp_path) as client:
        edit = await begun(client, await sold(client))
        calculated, line = edit["calculatedOrder"]["id"], edit["calculatedOrder"]["lineItems"]["nodes"][0]["id"]
        wrong = [
            (calculated, line, 4),
            (calculated, line, -1),
            (calculated, "gid://shopify/CalculatedLineItem/1", 0),
            ("gid://shopify/CalculatedOrder/99", line, 0),
            ("gid://shopify/Order/99", line, 0),
        ]
        asked = [{"id": a, "line": b, "qty": c} for a, b, c in wrong]
        said = [(await client.ask(STAGE, **one))["orderEditSetQuantity"]["userErrors"] for one in asked]
    assert [len(errors) for errors in said] == [1] * len(wrong)


# -- who may, and what is lost -----------------------------------------------------------------------------------


async def test_scopes_are_needed(tmp_path: Path) -> None:
    settings = ShopifySettings(scopes=("read_orders",), index_lag_seconds=0)
    tag = 'mutation($id: ID!) { tagsAdd(id: $id, tags: ["ERP"]) { userErrors { message } } }'
    async with shop(tmp_path, settings) as client:
        order = await sold(client)
        asked = {"orderId": order["id"], "reason": "OTHER", "restock": True}
        said = [
            await client.said(operation("CancelOrder"), **asked),
            await client.said(operation("EditBegin"), id=order["id"]),
            await client.said(tag, id=order["id"]),
        ]
    assert [one["errors"][0]["extensions"]["requiredAccess"] for one in said] == [
        "`write_orders` access scope.",
        "`write_order_edits` access scope.",
        "`write_orders` access scope.",
    ]


@pytest.mark.parametrize(("fault", "left"), [("amend_call_lost", [3, 1]), ("amend_answer_lost", [2, 1])])
async def test_a_commit_whose_call_or_answer_is_lost(tmp_path: Path, fault: str, left: list[int]) -> None:
    async with shop(tmp_path) as client:
        await client.post("/_sandbox/faults", {"once": {fault: 1}})
        order = await sold(client)
        edit = await begun(client, order)
        await staged(client, edit, 0, 2)
        with pytest.raises(httpx.RemoteProtocolError):
            await committed(client, edit)
        assert units(await client.order(order["name"])) == left
