"""The Shopify room's kit. Payloads by hand in the shape of contracts/shopify/NOTES.md 1.6."""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bcbridge.connectors.base import Notification, RawRequest
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.answers import Doubtful, NotSent
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.order import (
    Address,
    Allowance,
    Assignment,
    LineKind,
    Order,
    OrderLine,
    PaymentStatus,
    Shipping,
    Tax,
    Tender,
    TenderKind,
)
from bcbridge.model.stock import ShelfItem, StockChange
from bcbridge.sandbox import shopify as sandbox
from tests.connectors.shopify import answers
from tests.contract.kit import (
    Asked,
    Json,
    Kit,
    Outside,
    Place,
    Reply,
    Row,
    Sample,
    Shelf,
    ShelfKit,
    SourceKit,
    WebhookKit,
)

SHOP = "bcbridge-sandbox.myshopify.com"
SECRETS = {"env:TOKEN": "sandbox-token", "env:NEW": "k3y-of-this-year", "env:OLD": "k3y-of-last-year"}
WRONG = SECRETS | {"env:TOKEN": "shpat-of-another-shop", "env:NEW": "k3y-of-a-stranger"}
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PAGE = 40


def settings(url: str) -> Json:
    return {
        "shop": SHOP,
        "base_url": url,
        "code": "US",
        "token": "env:TOKEN",
        "webhook_secrets": ["env:NEW", "env:OLD"],
        "page_size": PAGE,
        "request_timeout_seconds": 3,
    }


@asynccontextmanager
async def a_shop(folder: Path) -> AsyncIterator[str]:
    quick = sandbox.ShopifySettings(restore_rate=1e6, bucket=1e6, index_lag_seconds=0)
    async with sandbox.serving(folder, settings=quick) as server:
        yield server.url


# -- payloads ---------------------------------------------------------------------------------------------------

ADA = Address(
    name="Ada Lovelace",
    address1="12 St James's Square",
    city="Hoboken",
    state="NJ",
    postcode="07030",
    country="US",
    phone="+15550100",
    email="ada@example.com",
)
LINE = OrderLine(
    ref=Ref("gid://shopify/LineItem/1"),
    kind=LineKind.GOODS,
    sku="012345678905",
    barcode="012345678905",
    title="Wrap Dress - Navy / S",
    variant=Ref("gid://shopify/ProductVariant/7"),
    ordered=1,
    quantity=1,
    unit_price=Decimal("100.0"),
    amount=Decimal("100.0"),
    assignments=(Assignment(location=Ref("gid://shopify/Location/1"), location_name="New Jersey DC", quantity=1),),
)
PLAIN = Order(
    ref=Ref("gid://shopify/Order/1001"),
    id="1001",
    name="#1001",
    created=datetime(2026, 11, 20, 11, 59, tzinfo=UTC),
    modified=NOON,
    processed=datetime(2026, 11, 20, 11, 59, 1, tzinfo=UTC),
    currency="USD",
    prices_include_tax=False,
    payment=PaymentStatus.PAID,
    gateways=("shopify_payments",),
    cancelled=None,
    test=False,
    edited=False,
    source="web",
    tags=(),
    lines=(LINE,),
    shipping=(
        Shipping(ref=Ref("gid://shopify/ShippingLine/1"), title="Standard", code="standard", amount=Decimal("5.0")),
    ),
    tenders=(
        Tender(
            ref=Ref("gid://shopify/OrderTransaction/1"),
            kind=TenderKind.CAPTURED,
            gateway="shopify_payments",
            amount=Decimal("105.0"),
            at=NOON,
        ),
    ),
    total=Decimal("105.0"),
    original_total=Decimal("105.0"),
    outstanding=Decimal("0.0"),
    refunded=Decimal("0.0"),
    ship_to=ADA,
    bill_to=ADA,
    customer=Ref("gid://shopify/Customer/5"),
)
DISCOUNTED = PLAIN.model_copy(
    update={
        "lines": (
            LINE.model_copy(
                update={
                    "ordered": 3,
                    "quantity": 3,
                    "unit_price": Decimal("33.33"),
                    "amount": Decimal("99.99"),
                    "allowances": (Allowance(name="WELCOME10", amount=Decimal("10.00")),),
                    "taxes": (Tax(title="NJ State Tax", rate=Decimal("0.06625"), amount=Decimal("5.96")),),
                    "assignments": (LINE.assignments[0].model_copy(update={"quantity": 3}),),
                    "attributes": (("Engraving", "for Grace"),),
                }
            ),
        ),
        "total": Decimal("100.95"),
        "original_total": Decimal("100.95"),
        "tags": ("vip",),
        "note": "leave at the door",
    }
)


def discounted() -> Json:
    line = answers.line(
        quantity=3,
        currentQuantity=3,
        originalUnitPriceSet=answers.bag("33.33"),
        discountAllocations=[answers.code("10.00")],
        taxLines=[answers.tax("5.96")],
        customAttributes=[{"key": "Engraving", "value": "for Grace"}],
    )
    total = answers.bag("100.95")
    return answers.order(
        line, currentTotalPriceSet=total, originalTotalPriceSet=total, tags=["vip"], note="leave at the door"
    )


def _broken(**changes: Any) -> bytes:
    return json.dumps(answers.order(**changes)).encode()


NONSENSE = {
    "no bytes": b"",
    "a web page": b"<html>",
    "half a document": _broken()[:400],
    "bytes that are no text": b'{"id": "\xff\xfe"}',
    "null": b"null",
    "a list": b"[]",
    "depth without end": b"[" * 100_000,
    "another order": _broken(id="gid://shopify/Order/1002"),
    "an amount that is none": _broken(currentTotalPriceSet=answers.bag("NaN")),
    "an amount that is infinite": _broken(totalOutstandingSet=answers.bag("Infinity")),
    "a stamp before the calendar": _broken(createdAt="0001-01-01T00:00:00+23:59"),
    "a stamp beyond the calendar": _broken(updatedAt="9999-12-31T23:59:59-23:59"),
    "a stamp without its zone": _broken(createdAt="2026-11-20T11:59:00"),
    "a payment status of another world": _broken(displayFinancialStatus="ADA LOVELACE"),
    "half a piece": _broken(lineItems={"nodes": [answers.line(quantity=1.5)]}),
    "lines that are a text": _broken(lineItems="Ada Lovelace"),
}


# -- lists ------------------------------------------------------------------------------------------------------

FLOOR = re.compile(r":>='([^']+)'")


def serve(shelf: Shelf, asked: Asked) -> Reply:
    """Heads by stamp, from a keyset cursor of theirs; both lists of changes, and the one by creation."""
    variables = json.loads(asked.body)["variables"]
    floor = datetime.fromisoformat(FLOOR.search(variables["q"])[1])  # type: ignore[index]
    size, after = variables["first"], variables["after"]
    met = shelf.page(floor, skip=lambda row: after is not None and _key(row) <= after, start=0, size=size + 1)
    shown, more = met[:size], shelf.stuck or len(met) > size
    end = f"cursor-{shelf.answered}" if shelf.stuck else (_key(shown[-1]) if shown else None)
    field = "fulfillmentOrders" if "fulfillmentOrders(" in json.loads(asked.body)["query"] else "orders"
    found = {"nodes": [_node(row) for row in shown], "pageInfo": {"hasNextPage": more, "endCursor": end}}
    return Reply(200, json.dumps({"data": {field: found}}).encode())


def _key(row: Row) -> str:
    return f"{row.modified.isoformat()} {row.ref.rpartition('/')[2]:0>12}"


def _node(row: Row) -> Json:
    stamp = row.modified.isoformat()
    return {"id": row.ref, "orderId": row.ref, "updatedAt": stamp, "createdAt": stamp}


async def place(outside: Outside) -> None:
    for _ in range(5):
        await outside.post("/_sandbox/orders", {"lines": [{"sku": "040123000020", "quantity": 1, "price": "28.00"}]})


async def placed(outside: Outside) -> set[Ref]:
    return {Ref(order["id"]) for order in (await outside.books())["orders"]}


# -- ringing ----------------------------------------------------------------------------------------------------


def ring(body: bytes, key: str) -> RawRequest:
    secret = (SECRETS | {"stranger": "k3y-of-a-stranger"})[key]
    headers = {
        "x-shopify-topic": "orders/updated",
        "x-shopify-hmac-sha256": base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode(),
        "x-shopify-shop-domain": SHOP,
        "x-shopify-api-version": "2026-10",
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
    }
    return RawRequest("POST", "/hooks/shop", {}, headers, body)


RINGING = (
    b'{"id": 820982911946154508, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508",'
    b' "updated_at": "2026-11-20T07:00:00-05:00", "email": "ada@example.com"}'
)
RUNG = Notification(
    topic="orders/updated",
    delivery="b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
    noun=Noun("orders"),
    ref=Ref("gid://shopify/Order/820982911946154508"),
    modified=NOON,
)


# -- answers ----------------------------------------------------------------------------------------------------


def said(status: int, body: object, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def error(code: str, message: str = "no", **more: Any) -> Json:
    return {"errors": [{"message": message, "extensions": {"code": code}}], "data": None, **more}


EMPTY_BUCKET = {
    "cost": {
        "requestedQueryCost": 900,
        "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 0, "restoreRate": 1.0},
    }
}
ANSWERS: dict[str, tuple[Reply, type]] = {
    "401, a token revoked": (said(401, {"errors": "[API] Invalid API key or access token"}), OpenCircuit),
    "402, a shop frozen": (said(402, {"errors": "Payment Required"}), OpenCircuit),
    "403, forbidden": (said(403, {"errors": "Forbidden"}), OpenCircuit),
    "404, a shop that is not there": (said(404, {"errors": "Not Found"}), OpenCircuit),
    "400, not understood": (said(400, {"errors": "Bad Request"}), OpenCircuit),
    "423, locked": (said(423, {"errors": "Locked"}), OpenCircuit),
    "430, rejected": (said(430, {}), OpenCircuit),
    "301, moved": (said(301, b"", Location="https://elsewhere.example/"), OpenCircuit),
    "429, too many": (said(429, b"", Retry_After="2.0"), Retry),
    "408, too late": (said(408, b""), Retry),
    "500, with a page": (said(500, b"<html>"), Retry),
    "502, a gateway's page": (said(502, b"<html>"), Retry),
    "503, down": (said(503, b"", Retry_After="30"), Retry),
    "200 THROTTLED, a long wait": (said(200, error("THROTTLED", extensions=EMPTY_BUCKET)), Retry),
    "200 INTERNAL_SERVER_ERROR": (said(200, error("INTERNAL_SERVER_ERROR")), Retry),
    "200 ACCESS_DENIED": (said(200, error("ACCESS_DENIED")), OpenCircuit),
    "200 SHOP_INACTIVE": (said(200, error("SHOP_INACTIVE")), OpenCircuit),
    "200, a query not taken": (said(200, error("undefinedField")), OpenCircuit),
    "200, errors as a text": (said(200, {"errors": "Unavailable Shop"}), OpenCircuit),
    "200, a web page": (said(200, b"<html>Log in</html>"), OpenCircuit),
    "200, nothing": (said(200, b""), OpenCircuit),
    "200, neither data nor errors": (said(200, {}), OpenCircuit),
}


def complaints(text: str) -> list[Reply]:
    listed = error("CUSTOM", text)
    refused = {"data": {"shop": {"userErrors": [{"field": [text], "message": text}]}}}
    bodies = [listed, {"errors": text}, {"errors": {"base": [text]}}, refused, error("ACCESS_DENIED", text)]
    return [said(status, body) for status in (200, 400, 403, 422, 500) for body in bodies]


ORDERS = SourceKit(
    noun="orders",
    samples=(
        Sample("plain", answers.document(answers.order()), PLAIN),
        Sample("with discount, tax and attributes", answers.document(discounted()), DISCOUNTED),
    ),
    nonsense=NONSENSE,
    serve=serve,
    row=lambda number: Ref(f"gid://shopify/Order/{number}"),
    stock=place,
    held=placed,
    gone=(Ref("gid://shopify/Order/987654321"), Ref("987654321"), Ref("gid://shopify/Product/1"), Ref("")),
)


async def held(there: Outside) -> dict[Place, int]:
    rows = (await there.http.get(f"{there.url}/_sandbox/books/stock?limit=5000")).json()["stock"]
    return {(Ref(one["location"]), Ref(one["item"])): one["number"] for one in rows}


async def untracked(there: Outside, item: ShelfItem) -> None:
    path = f"/_sandbox/inventory_items/{item.item.rpartition('/')[2]}"
    assert (await there.http.patch(there.url + path, json={"tracked": False})).is_success


def user_error(code: str) -> Json:
    refused = {"inventoryAdjustmentGroup": None, "userErrors": [{"code": code, "field": None, "message": "no"}]}
    return {"data": {"inventorySetQuantities": refused}}


WRITE_ANSWERS: dict[str, tuple[Reply, type]] = {
    "403, forbidden": (said(403, {"errors": "Forbidden"}), OpenCircuit),
    "404, a shop that is not there": (said(404, {"errors": "Not Found"}), OpenCircuit),
    "423, locked": (said(423, {"errors": "Locked"}), OpenCircuit),
    "429, too many": (said(429, b"", Retry_After="2.0"), NotSent),
    "500, with a page": (said(500, b"<html>"), Doubtful),
    "503, down": (said(503, b"", Retry_After="30"), Doubtful),
    "200 THROTTLED, a long wait": (said(200, error("THROTTLED", extensions=EMPTY_BUCKET)), NotSent),
    "200 INTERNAL_SERVER_ERROR": (said(200, error("INTERNAL_SERVER_ERROR")), Doubtful),
    "200 ACCESS_DENIED": (said(200, error("ACCESS_DENIED")), OpenCircuit),
    "200, a query not taken": (said(200, error("undefinedField")), OpenCircuit),
    "200, a web page": (said(200, b"<html>Log in</html>"), Doubtful),
    "200, neither data nor errors": (said(200, {}), Doubtful),
    "the same call under way": (said(200, user_error("IDEMPOTENCY_CONCURRENT_REQUEST")), Doubtful),
}
SHELF = ShelfKit(
    noun="stock",
    held=held,
    unknown=lambda item: StockChange(item.location, Ref("gid://shopify/InventoryItem/1"), item.group, 1, None),
    leave_alone=untracked,
    done_without_a_word={"once": {"stock_answer_lost": 1}},
    lost_on_the_way={"once": {"stock_call_lost": 1}},
    answers=WRITE_ANSWERS,
)
KIT = Kit(
    kind="shopify",
    settings=settings,
    secrets=SECRETS,
    wrong_secrets=WRONG,
    private=("Lovelace", "St James's Square", "ada@example.com", "+15550100"),
    sandbox=a_shop,
    busy=(),
    answers=ANSWERS,
    complaints=complaints,
    sources=(ORDERS,),
    shelf=SHELF,
    webhook=WebhookKit(
        ring=ring,
        keys=("env:NEW", "env:OLD"),
        wrong_key="stranger",
        signatures=("x-shopify-hmac-sha256",),
        deliveries=((RINGING, RUNG),),
    ),
    keeper=True,
)
