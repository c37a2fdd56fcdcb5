"""The WooCommerce room's kit. Payloads by hand in the shape of contracts/woo_bigcommerce_magento.md, section 1."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bcbridge.connectors.base import Doubtful, Notification, NotSent, RawRequest, Trouble
from bcbridge.errors import OpenCircuit, Retry
from bcbridge.model.ids import Noun, Ref
from bcbridge.model.order import (
    Address,
    Allowance,
    Charge,
    LineKind,
    Order,
    OrderLine,
    PaymentStatus,
    Shipping,
    Tax,
    Tender,
    TenderKind,
)
from bcbridge.model.stock import ShelfItem, StockChange, Written
from bcbridge.sandbox import woocommerce as sandbox
from tests.connectors.woocommerce import answers
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

SECRETS = {"env:KEY": "ck_sandbox", "env:SECRET": "cs_sandbox", "env:HOOK": "k3yoftheshop"}
WRONG = SECRETS | {"env:SECRET": "cs_of_another_shop", "env:HOOK": "k3yofastranger"}
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PAGE = 40


def settings(url: str) -> Json:
    return {
        "url": url,
        "code": "WC",
        "consumer_key": "env:KEY",
        "consumer_secret": "env:SECRET",
        "webhook_secret": "env:HOOK",
        "page_size": PAGE,
        "request_timeout_seconds": 3,
    }


@asynccontextmanager
async def a_shop(folder: Path) -> AsyncIterator[str]:
    async with sandbox.serving(folder, settings=sandbox.WooCommerceSettings(write_seconds=(0.0, 0.0))) as server:
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
    ref=Ref("1"),
    kind=LineKind.GOODS,
    sku="012345678905",
    barcode=None,
    title="Wrap Dress - Navy, S",
    variant=Ref("7"),
    ordered=1,
    quantity=1,
    unit_price=Decimal("100.00"),
    amount=Decimal("100.00"),
    sku_is_live=True,
    taken=0,
)
PLAIN = Order(
    ref=Ref("1001"),
    id="1001",
    name="#N-77",
    created=datetime(2026, 11, 20, 11, 59, tzinfo=UTC),
    modified=NOON,
    processed=datetime(2026, 11, 20, 11, 59, tzinfo=UTC),
    currency="USD",
    prices_include_tax=False,
    payment=PaymentStatus.PAID,
    gateways=("stripe",),
    cancelled=None,
    test=False,
    edited=False,
    source="checkout",
    tags=(),
    lines=(LINE,),
    shipping=(Shipping(ref=Ref("91"), title="Standard", code="flat_rate", amount=Decimal("5.00")),),
    tenders=(
        Tender(
            ref=Ref("pi_1"),
            kind=TenderKind.CAPTURED,
            gateway="stripe",
            amount=Decimal("105.00"),
            at=datetime(2026, 11, 20, 11, 59, 30, tzinfo=UTC),
        ),
    ),
    total=Decimal("105.00"),
    original_total=Decimal("105.00"),
    outstanding=Decimal(0),
    refunded=Decimal(0),
    ship_to=ADA,
    bill_to=ADA,
    customer=Ref("5"),
)
RICH = PLAIN.model_copy(
    update={
        "lines": (
            LINE.model_copy(
                update={
                    "ordered": 3,
                    "quantity": 3,
                    "unit_price": Decimal("33.33"),
                    "amount": Decimal("99.99"),
                    "allowances": (Allowance(name="welcome10", amount=Decimal("10.00")),),
                    "taxes": (Tax(title="NJ State Tax", rate=Decimal("0.06625"), amount=Decimal("5.96")),),
                    "attributes": (("Engraving", "for Grace"), ("_reduced_stock", "3")),
                    "taken": 3,
                }
            ),
        ),
        "charges": (Charge(kind="fee", name="Gift wrap", amount=Decimal("2.00")),),
        "tenders": (PLAIN.tenders[0].model_copy(update={"amount": Decimal("102.95")}),),
        "total": Decimal("102.95"),
        "original_total": Decimal("102.95"),
        "note": "leave at the door",
    }
)


def rich() -> Json:
    taken = answers.meta("_reduced_stock", "3", 2)
    line = answers.line(
        quantity=3,
        subtotal="99.99",
        total="89.99",
        total_tax="5.96",
        taxes=[answers.tax("5.96")],
        meta_data=[answers.meta("Engraving", "for Grace"), taken],
    )
    return answers.order(
        line,
        coupon_lines=[answers.coupon("welcome10", "10")],
        fee_lines=[answers.fee()],
        tax_lines=[answers.rate(1, "NJ State Tax", 6.625)],
        total="102.95",
        customer_note="leave at the door",
    )


def _broken(**changes: Any) -> bytes:
    return answers.document(answers.order(**changes)).body


NONSENSE = {
    "no bytes": b"",
    "a web page": b"<html>",
    "half a document": _broken()[:400],
    "bytes that are no text": b'{"order": "\xff\xfe"}',
    "null": b"null",
    "a list": b"[]",
    "depth without end": b"[" * 100_000,
    "an order without its refunds": json.dumps({"order": answers.order()}).encode(),
    "another order": _broken().replace(b'"id": 1001', b'"id": 1002'),
    "an amount that is none": _broken(total="Ada Lovelace"),
    "an amount that is infinite": _broken(total="Infinity"),
    "a stamp before the calendar": _broken(date_created_gmt="0001-01-01T00:00:00+23:59"),
    "a stamp that is none": _broken(date_paid_gmt="Ada Lovelace"),
    "half a piece": _broken(line_items=[answers.line(quantity=1.5)]),
    "lines that are a text": _broken(line_items="Ada Lovelace"),
}


# -- lists ------------------------------------------------------------------------------------------------------


def serve(shelf: Shelf, asked: Asked) -> Reply:
    """Heads by stamp, page by page; changed ones, and the one by creation. The bound is a naive UTC second."""
    said = asked.query.get("modified_after") or asked.query["after"]
    floor = datetime.fromisoformat(said).replace(tzinfo=UTC)
    size, page = int(asked.query["per_page"]), int(asked.query["page"])
    met = shelf.page(floor, skip=lambda row: False, start=(page - 1) * size, size=size)
    return Reply(200, json.dumps([_head(row) for row in met]).encode())


def _head(row: Row) -> Json:
    stamp = row.modified.strftime("%Y-%m-%dT%H:%M:%S")
    return {"id": int(row.ref), "status": "processing", "date_modified_gmt": stamp, "date_created_gmt": stamp}


async def place(outside: Outside) -> None:
    for _ in range(5):
        await outside.post("/_sandbox/orders", {"lines": [{"sku": "040123000020", "quantity": 1, "price": "28.00"}]})


async def placed(outside: Outside) -> set[Ref]:
    return {Ref(str(order["id"])) for order in (await outside.books())["orders"]}


# -- ringing ----------------------------------------------------------------------------------------------------


def ring(body: bytes, key: str) -> RawRequest:
    secret = (SECRETS | {"stranger": "k3yofastranger"})[key]
    headers = {
        "x-wc-webhook-source": "https://shop.example.com/",
        "x-wc-webhook-topic": "order.updated",
        "x-wc-webhook-resource": "order",
        "x-wc-webhook-event": "updated",
        "x-wc-webhook-signature": base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode(),
        "x-wc-webhook-id": "2",
        "x-wc-webhook-delivery-id": DELIVERY,
        "content-type": "application/json",
    }
    return RawRequest("POST", "/hooks/shop", {}, headers, body)


DELIVERY = "d219b0d6b68e16215313caf36b1f0eb8"


def _rung(body: bytes, ref: str | None, stamp: datetime | None, trouble: Trouble | None = None) -> Notification:
    delivery = f"{DELIVERY}:{hashlib.sha256(body).hexdigest()[:16]}"
    about = Ref(ref) if ref else None
    return Notification("order.updated", delivery, Noun("orders"), about, stamp, trouble=trouble)


RINGING = (
    b'{"id":1001,"status":"processing","date_modified_gmt":"2026-11-20T12:00:00","billing":{"email":"ada@example.com"}}'
)
OWNER_GONE = (
    b'{"code":"woocommerce_rest_cannot_view","message":"Sorry, you cannot view this resource.","data":{"status":401}}'
)
GONE = Trouble(
    "webhook_owner_gone",
    "the user who made the webhooks may not read orders any more: deliveries carry an error in place of the order",
)


# -- answers ----------------------------------------------------------------------------------------------------


def said(status: int, body: object, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


def error(code: str, status: int, message: str = "no", data: object = None) -> Json:
    return {"code": code, "message": message, "data": data or {"status": status}}


PAGE_OF_A_FIREWALL = b"<!DOCTYPE html><html><body>Checking your browser</body></html>"
WARNED = b"<br />\n<b>Warning</b>: Undefined array key [0] in <b>/wp/{x}.php</b> on line <b>7</b><br />\n"
ANSWERS: dict[str, tuple[Reply, type]] = {
    "401, keys not seen": (said(401, error("woocommerce_rest_cannot_view", 401)), OpenCircuit),
    "401, a wrong secret": (
        said(401, error("woocommerce_rest_authentication_error", 401, "Consumer secret is invalid.")),
        OpenCircuit,
    ),
    "401, a nonce met again": (
        said(
            401,
            error("woocommerce_rest_authentication_error", 401, "Invalid nonce - nonce has already been used."),
        ),
        Retry,
    ),
    "401, with a page": (said(401, PAGE_OF_A_FIREWALL), Retry),
    "403, with a page": (said(403, PAGE_OF_A_FIREWALL), Retry),
    "403, forbidden": (said(403, error("woocommerce_rest_cannot_view", 403)), OpenCircuit),
    "404, no such route": (said(404, error("rest_no_route", 404)), OpenCircuit),
    "404, with a page": (said(404, PAGE_OF_A_FIREWALL), OpenCircuit),
    "400, a parameter not taken": (
        said(
            400, error("rest_invalid_param", 400, "Invalid parameter(s): page", {"status": 400, "params": {"page": 1}})
        ),
        OpenCircuit,
    ),
    "301, moved": (said(301, b"", Location="https://elsewhere.example/"), OpenCircuit),
    "429, too many": (said(429, b"", Retry_After="2"), Retry),
    "408, too late": (said(408, b""), Retry),
    "500, a page": (said(500, b"<html>"), Retry),
    "500, a critical error": (said(500, error("internal_server_error", 500, "<p>There has been</p>")), Retry),
    "500, a validation error with a bare number": (
        said(500, {"code": "woocommerce_rest_cannot_create_order_refund", "message": "no", "data": 500}),
        OpenCircuit,
    ),
    "500, an invalid parameter": (said(500, error("rest_invalid_param", 500)), OpenCircuit),
    "502, a gateway's page": (said(502, b"<html>"), Retry),
    "503, down for maintenance": (said(503, PAGE_OF_A_FIREWALL, Retry_After="30"), Retry),
    "200, a web page": (said(200, PAGE_OF_A_FIREWALL), Retry),
    "200, nothing": (said(200, b""), Retry),
    "200, a warning and then nothing": (said(200, WARNED), Retry),
    "200, a warning and an object for a list": (said(200, WARNED + b'{"code": "x"}'), OpenCircuit),
    "200, an object for a list": (said(200, {}), OpenCircuit),
    "200, a list of no objects": (said(200, [1]), OpenCircuit),
}


def complaints(text: str) -> list[Reply]:
    bodies = [
        error("rest_invalid_param", 400, text, {"status": 400, "params": {text: text}, "details": {text: text}}),
        error(text, 400, text),
        {"code": "woocommerce_rest_cannot_create_order_refund", "message": text, "data": 500},
        text,
    ]
    pages = [said(status, f"<html>{text}</html>".encode()) for status in (200, 401, 403, 404, 500)]
    return [said(status, body) for status in (200, 400, 401, 403, 404, 500) for body in bodies] + pages


ORDERS = SourceKit(
    noun="orders",
    samples=(
        Sample("plain", answers.document(answers.order()), PLAIN),
        Sample("with coupon, fee, tax and attributes", answers.document(rich()), RICH),
    ),
    nonsense=NONSENSE,
    serve=serve,
    row=lambda number: Ref(str(number)),
    stock=place,
    held=placed,
    gone=(Ref("987654321"), Ref("N-77"), Ref("007"), Ref("-1"), Ref("9" * 30), Ref("")),
)
# -- the shelf --------------------------------------------------------------------------------------------------


async def held(there: Outside) -> dict[Place, int]:
    rows = (await there.http.get(f"{there.url}/_sandbox/books/stock?limit=5000")).json()["stock"]
    return {(Ref(one["location"]), Ref(one["item"])): one["number"] for one in rows}


async def switched_off(there: Outside, _: ShelfItem) -> None:
    """With all the others: a single one would be switched on by the next write."""
    await there.post("/_sandbox/admin/options", {"manage_stock": False})


WRITE_ANSWERS: dict[str, tuple[Reply, type]] = {
    "401, keys not seen": (said(401, error("woocommerce_rest_cannot_edit", 401)), OpenCircuit),
    "401, a nonce met again": (
        said(401, error("woocommerce_rest_authentication_error", 401, "Invalid nonce - nonce has already been used.")),
        Doubtful,
    ),
    "403, forbidden": (said(403, error("woocommerce_rest_cannot_edit", 403)), OpenCircuit),
    "403, with a page": (said(403, PAGE_OF_A_FIREWALL), Doubtful),
    "404, no such route": (said(404, error("rest_no_route", 404)), OpenCircuit),
    "404, no such product": (said(404, error("woocommerce_rest_product_invalid_id", 404)), Written),
    "400, a parameter not taken": (said(400, error("rest_invalid_param", 400)), Written),
    "413, too many": (said(413, error("woocommerce_rest_request_entity_too_large", 413)), Written),
    "301, moved": (said(301, b"", Location="https://elsewhere.example/"), OpenCircuit),
    "408, too late": (said(408, b""), Doubtful),
    "429, too many": (said(429, b"", Retry_After="2"), NotSent),
    "500, a critical error": (said(500, error("internal_server_error", 500, "<p>There has been</p>")), Doubtful),
    "500, a refusal": (said(500, error("woocommerce_rest_cannot_edit", 500)), Doubtful),
    "503, down for maintenance": (said(503, PAGE_OF_A_FIREWALL, Retry_After="30"), Doubtful),
    "200, a web page": (said(200, PAGE_OF_A_FIREWALL), Doubtful),
    "200, nothing": (said(200, b""), Doubtful),
    "200, another row": (said(200, {"update": [{"id": 12, "manage_stock": True, "stock_quantity": 1}]}), Doubtful),
    "200, a warning before the row": (
        said(200, WARNED + b'{"update": [{"id": 11, "manage_stock": true, "stock_quantity": 1}]}'),
        Written,
    ),
}
SHELF = ShelfKit(
    noun="stock",
    held=held,
    unknown=lambda item: StockChange(item.location, Ref("999999"), item.group, 1, None),
    leave_alone=switched_off,
    done_without_a_word={"once": {"stock_answer_lost": 1}},
    lost_on_the_way={"once": {"stock_lost": 1}},
    answers=WRITE_ANSWERS,
)
KIT = Kit(
    kind="woocommerce",
    settings=settings,
    secrets=SECRETS,
    wrong_secrets=WRONG,
    private=("Lovelace", "St James's Square", "ada@example.com", "+15550100"),
    sandbox=a_shop,
    busy=("servedPaid", "deliveries", "deliveryCounts"),
    answers=ANSWERS,
    complaints=complaints,
    sources=(ORDERS,),
    shelf=SHELF,
    webhook=WebhookKit(
        ring=ring,
        keys=("env:HOOK",),
        wrong_key="stranger",
        signatures=("x-wc-webhook-signature",),
        deliveries=((RINGING, _rung(RINGING, "1001", NOON)), (OWNER_GONE, _rung(OWNER_GONE, None, None, GONE))),
    ),
    keeper=True,
)
